/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of fleet/ share. */

#include "base/list.h"
#include "base/util.h"
#include "fleet/fleet.h"

#define FLEET_RING 32    /* messages whose time of sending is remembered */
#define FLEET_PATIENCE 3 /* so often in turn a bucket has to differ before it is listed */
#define FLEET_GRACE 2    /* so many messages a group may be in one side's set only: a handshake is under way */

/* A group's place in the session with the node of one of its other members. */
struct fleet_seat {
    struct list link; /* the session's: bucket, apart or news */
    struct fleet_session *session;
    struct fleet_group *group;
    uint32_t joined_at;  /* the session's last sequence then */
    bool joined;         /* in the set */
    bool is_down, is_up; /* what the group is to hear of the node, in this order */
};

/* With one shard of another node. */
struct fleet_session {
    struct fleet_peer *peer;
    uint32_t shard;
    uint32_t n_seats;
    bool differs;          /* the other's digest did, when it was last heard */
    uint64_t mine, theirs; /* the numbers; 0: none */
    uint64_t sent, received;
    uint64_t sent_ns[FLEET_RING];
    uint64_t heard_ns; /* when the newest message was sent that the other has got; 0: they don't hear each other yet */
    struct list send_link; /* fleet's sending */
    struct list news_link; /* fleet's news */
    struct list apart;     /* seats that aren't in the set */
    struct list news;      /* the same, of groups that are to hear of the node */
    struct list buckets[FLEET_BUCKETS];
    uint32_t counts[FLEET_BUCKETS];
    uint64_t digests[FLEET_BUCKETS], digest;
    uint8_t n_differed[FLEET_BUCKETS];
    uint64_t listed; /* buckets to list in the next message */
};

struct fleet_peer {
    struct list link;
    struct fleet *fleet;
    int32_t node;
    uint32_t n_shards;
    uint32_t n_seats;
    bool up;
    bool dead;                      /* since it was up last; its groups were told */
    struct fleet_session *sessions; /* one for each of its shards */
};

/* What waits of a group for the end of the turn. */
struct fleet_errand {
    struct list link;
    struct fleet_group *group;
    bool state_flushed, log_flushed, hand_over;
    int32_t vote;
    uint32_t epoch;
    uint32_t n_proposed;
    uint64_t state_term;
    uint64_t index, term; /* flushed */
    uint64_t proposed_term, proposed_bytes;
};

struct fleet {
    struct fleet_config config;
    uint64_t now_ns, beat_ns;
    uint64_t n_sessions; /* numbers given */
    struct list peers;
    struct list sending, news; /* sessions */
    struct list errands;
    struct list expired; /* timers */
    size_t n_groups;
    uint64_t used_bytes;
    bool room_made;
    struct fleet_stats stats;
    struct fleet_message message;
    struct fleet_entry *entries; /* of message */
    uint32_t entries_capacity;
    struct raft_entry batch[FLEET_MAX_BATCH];
    struct raft_update update;
    struct timer_wheel wheel;
};

/* fleet.c: all steps of cores. */
const struct raft_update *fleet_run(struct fleet_group *g, struct raft_event *event);

/* errand.c */
bool fleet_next_errand(struct fleet *f, struct fleet_work *ret_work);
void fleet_errand_drop(struct fleet_group *g);
/* It leads, and there is somebody to lead in its place. */
bool fleet_errand_can_hand_over(struct fleet_group *g);
void fleet_use(struct fleet *f, uint64_t bytes);
void fleet_unuse(struct fleet *f, uint64_t bytes);

/* seat.c: the sets of sessions */
void fleet_seats_make(struct fleet_group *g);
void fleet_seats_free(struct fleet_group *g);
struct fleet_seat *fleet_seat(const struct fleet_group *g, int32_t node);
void fleet_join(struct fleet_seat *seat, uint64_t term);
void fleet_part(struct fleet_seat *seat);
/* The session doesn't vouch for it any longer: takes it out and tells the core. */
void fleet_lose(struct fleet_seat *seat);
void fleet_lose_all(struct fleet_session *s);
unsigned fleet_bucket(uint64_t group);
/* Loses those that the other side doesn't list in the buckets of the message. */
void fleet_compare(struct fleet_session *s, const struct fleet_message *m);
/* Lists as many whole buckets as a message may, in the fleet's message. */
void fleet_list(struct fleet_session *s);

/* peer.c */
struct fleet_peer *fleet_peer(struct fleet *f, int32_t node);
/* The session of a group with the node, which is made known if it isn't. */
struct fleet_session *fleet_session(struct fleet *f, int32_t node, uint64_t group);
void fleet_peer_settle(struct fleet_peer *p);
bool fleet_next_news(struct fleet *f, struct fleet_work *ret_work);
static inline uint32_t fleet_shard_of(uint64_t group, uint32_t n_shards)
{
    return (uint32_t)((group - 1) % n_shards);
}

/* session.c */
void fleet_session_init(struct fleet_session *s, struct fleet_peer *p, uint32_t shard);
/* Begins anew, with an empty set. */
void fleet_session_open(struct fleet_session *s);
void fleet_session_close(struct fleet_session *s);
/* Each heartbeat interval. */
void fleet_beat(struct fleet *f);
