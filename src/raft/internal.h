/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of raft/ share. u is the update that the step fills. */

#include "base/bug.h"
#include "base/mark.h"
#include "base/util.h"
#include "raft/raft.h"

enum raft_vote {
    RAFT_VOTE_NONE,
    RAFT_VOTE_YES,
    RAFT_VOTE_NO,
};

/* A member of the current configuration, this node too. What is behind vote holds on the leader only. */
struct raft_member {
    int32_t id;
    uint8_t roles;
    uint8_t vote;        /* enum raft_vote, of the campaign under way */
    uint8_t state;       /* enum raft_progress_state */
    bool probing;        /* a probe is on its way */
    uint8_t head, count; /* window */
    bool settled, joined;
    uint32_t inflight_bytes;
    uint64_t match, next;
    uint64_t heard;               /* when it last answered */
    uint64_t read_ack;            /* last round of reads that it answered */
    uint32_t window[RAFT_WINDOW]; /* last index of each message on its way, the low half */
};

/* Terms of the log: runs, and the entry that it begins behind. */
struct raft_log {
    uint64_t start, start_term;
    uint64_t last;
    uint64_t flushed;
    struct raft_run *runs;
    uint32_t n_runs; /* there is memory for raft_log_room() of them */
    uint32_t epoch;  /* of truncations */
};

/* What a configuration that isn't committed replaced. */
struct raft_previous {
    uint64_t index;
    struct raft_config config;
};

struct raft {
    const struct raft_limits *limits;
    const struct raft_ops *ops;
    void *ctx;
    uint64_t now;
    uint64_t seed;
    int32_t id;
    int32_t leader;
    uint8_t role;
    uint8_t n_members;
    bool no_vote, no_lead;
    bool forced;      /* the campaign was asked for by the leader */
    bool owed;        /* an answer waits for the hard state */
    bool state_dirty; /* the hard state changed in this step */
    bool joined;      /* follower: the session with the leader's node vouches for it */
    int32_t vote, durable_vote;
    int32_t transferee;
    uint8_t rank;
    uint8_t n_tries; /* campaigns since there was a leader */
    uint64_t term, durable_term;
    struct raft_log log;
    uint64_t commit;
    struct raft_member *members;
    uint64_t config_index;
    struct raft_previous *previous; /* while the configuration isn't committed */
    uint64_t deadline;              /* follower: to campaign. Leader: to look for a quorum */
    union {
        uint64_t heard;             /* follower: when the leader was last heard of */
        uint64_t transfer_deadline; /* leader */
    };
    union {
        uint64_t matched;      /* follower: equal to the leader's log up to here */
        uint64_t heartbeat_at; /* leader */
    };
    uint64_t noop_index; /* leader: its first entry */
    uint64_t uncommitted_bytes;
    uint64_t read_last, read_done;   /* tickets given; answered */
    uint64_t read_round, read_index; /* the round under way (0: none), and the commit index when it began */
};

/* log.c */
void raft_log_init(struct raft_log *log, const struct raft_start *start);
void raft_log_fini(struct raft_log *log);
/* 0 where it isn't known. */
uint64_t raft_log_term(const struct raft_log *log, uint64_t index);
uint64_t raft_log_last_term(const struct raft_log *log);
void raft_log_append(struct raft_log *log, uint64_t term);
void raft_log_truncate(struct raft_log *log, uint64_t from);
void raft_log_compact(struct raft_log *log, uint64_t index);
void raft_log_reset(struct raft_log *log, uint64_t index, uint64_t term);
/* So many runs there is memory for, at least, where there are n: 0, 2, 4, 8, … */
static inline size_t raft_log_room(uint32_t n)
{
    size_t room = n == 0 ? 0 : 2;

    while (room < n)
        room *= 2;
    return room;
}
/* The largest index ≤ index whose term is ≤ term; the log's start if there is none. */
uint64_t raft_log_find(const struct raft_log *log, uint64_t index, uint64_t term);

/* Nobody else is to be told or asked. */
static inline bool raft_is_alone(const struct raft *raft)
{
    return raft->n_members == 1 && raft->members[0].id == raft->id;
}

/* What a group of one does shows nothing. */
#define RAFT_MARK(raft, name) \
    do { \
        if (!raft_is_alone(raft)) \
            GQ_MARK(name); \
    } while (0)

/* Of the next tick. */
static inline uint64_t raft_due(const struct raft *raft)
{
    if (raft->role != RAFT_LEADER)
        return raft->deadline;
    return MIN(MIN(raft->deadline, raft->heartbeat_at),
               raft->transferee == RAFT_NONE ? UINT64_MAX : raft->transfer_deadline);
}

/* raft.c */
struct raft_member *raft_member(struct raft *raft, int32_t id);
/* 0 ≤ result < n */
uint64_t raft_draw(struct raft *raft, uint64_t n);
uint32_t raft_entry_size(struct raft *raft, uint64_t index);

/* check.c */
bool raft_message_is_sound(const struct raft_message *m);

/* step.c */
struct raft_message *raft_send(struct raft *raft, struct raft_update *u, enum raft_message_kind kind, int32_t to);
/* The same for an answer that claims this term: NULL while the term isn't durable; then the answer is owed. */
struct raft_message *raft_reply(struct raft *raft, struct raft_update *u, enum raft_message_kind kind, int32_t to);

/* vote.c */
void raft_arm_election(struct raft *raft);
/* How much longer than others this node waits, of so much a rank. */
uint64_t raft_handicap(const struct raft *raft, uint64_t a_rank);
void raft_become_follower(struct raft *raft, struct raft_update *u, uint64_t term, int32_t leader);
void raft_campaign(struct raft *raft, struct raft_update *u);
void raft_campaign_forced(struct raft *raft, struct raft_update *u);
bool raft_is_sticky(struct raft *raft);
void raft_on_vote(struct raft *raft, struct raft_update *u, const struct raft_message *m);
void raft_on_vote_reply(struct raft *raft, struct raft_update *u, const struct raft_message *m);
void raft_on_state_flushed(struct raft *raft, struct raft_update *u, uint64_t term, int32_t vote);

/* quorum.c */
/* who: bit i for member i. */
bool raft_is_quorum(const struct raft *raft, uint32_t who);
/* Largest index that a quorum has flushed. */
uint64_t raft_quorum_index(const struct raft *raft);

/* commit.c */
void raft_advance_commit(struct raft *raft, struct raft_update *u, uint64_t index);
/* Leader: whether a quorum has more. */
bool raft_maybe_commit(struct raft *raft, struct raft_update *u);
void raft_on_log_flushed(struct raft *raft, struct raft_update *u, const struct raft_event *event);

/* propose.c */
void raft_on_propose(struct raft *raft, struct raft_update *u, const struct raft_event *event);
void raft_append_own(struct raft *raft, struct raft_update *u, const struct raft_config *config, uint32_t size);

/* progress.c */
void raft_progress_reset(struct raft *raft, struct raft_member *m);
void raft_progress_probe(struct raft_member *m, uint64_t next);
bool raft_progress_is_paused(const struct raft *raft, const struct raft_member *m);
void raft_progress_sent(struct raft *raft, struct raft_member *m, uint64_t last, uint32_t bytes);
void raft_progress_acked(struct raft *raft, struct raft_member *m, uint64_t index);
void raft_progress_drop_first(struct raft *raft, struct raft_member *m);

/* append.c */
/* Sends one message if the member may get one: entries, or an image; empty: even if there is nothing new. Returns
 * whether there is more to send. */
bool raft_send_append(struct raft *raft, struct raft_update *u, struct raft_member *m, bool empty);
void raft_broadcast(struct raft *raft, struct raft_update *u, bool empty);
/* The member has flushed, and has equal to our log, all up to index. */
void raft_accepted(struct raft *raft, struct raft_update *u, struct raft_member *m, uint64_t index);
void raft_on_append_reply(struct raft *raft, struct raft_update *u, const struct raft_message *m);

/* follow.c */
void raft_on_append(struct raft *raft, struct raft_update *u, const struct raft_message *m);
/* What is flushed and equal to the leader's log. */
uint64_t raft_acknowledged(const struct raft *raft);
/* Tells the leader. */
void raft_acknowledge(struct raft *raft, struct raft_update *u);

/* heartbeat.c */
void raft_heartbeats(struct raft *raft, struct raft_update *u, bool all);
void raft_leader_tick(struct raft *raft, struct raft_update *u);
void raft_on_heartbeat(struct raft *raft, struct raft_update *u, const struct raft_message *m);
void raft_on_heartbeat_reply(struct raft *raft, struct raft_update *u, const struct raft_message *m);

/* session.c */
/* Follower: when the leader was last heard of. */
uint64_t raft_leader_heard(const struct raft *raft);
uint64_t raft_member_heard(const struct raft *raft, const struct raft_member *m);
/* Leader: whether its heartbeats may ask the member to join. */
bool raft_may_join(const struct raft *raft, const struct raft_member *m);
/* Leader: the session speaks for the member, which needs no heartbeats. */
bool raft_is_covered(const struct raft *raft, const struct raft_member *m);
/* Nothing gets to the member. */
bool raft_is_away(const struct raft *raft, const struct raft_member *m);
/* Leader: ticks no more often than it has to. */
void raft_session_rest(struct raft *raft);
/* Follower: joins or not, as the heartbeat asks. Returns the answer. */
bool raft_session_answer(struct raft *raft, struct raft_update *u, const struct raft_message *m);
void raft_session_answered(struct raft *raft, struct raft_update *u, struct raft_member *m, bool join);
/* Leaves all sessions. */
void raft_session_leave(struct raft *raft, struct raft_update *u);
/* Of one peer; the caller knows. */
void raft_session_lost(struct raft *raft, int32_t peer);
/* Leader: looks after a member that was away. */
void raft_session_peer_up(struct raft *raft, int32_t peer);

/* snapshot.c */
bool raft_send_snapshot(struct raft *raft, struct raft_update *u, struct raft_member *m);
void raft_on_snapshot(struct raft *raft, struct raft_update *u, const struct raft_message *m);
void raft_on_snapshot_failed(struct raft *raft, int32_t peer);

/* read.c */
void raft_on_read(struct raft *raft, struct raft_update *u);
void raft_reads_advance(struct raft *raft, struct raft_update *u);
void raft_reads_lose(struct raft *raft, struct raft_update *u);

/* transfer.c */
void raft_on_transfer(struct raft *raft, struct raft_update *u, int32_t target);
void raft_transfer_advance(struct raft *raft, struct raft_update *u);
void raft_on_timeout_now(struct raft *raft, struct raft_update *u);

/* config.c */
bool raft_config_is_joint(const struct raft *raft);
/* Of the member, 0 when it is none. */
uint8_t raft_roles(const struct raft *raft, int32_t id);
uint8_t raft_roles_in(const struct raft_config *config, int32_t id);
/* 0 or RAFT_E_CONFIG_*. */
int raft_config_check(const struct raft *raft, const struct raft_config *to);
/* Effective at once; what was before is kept until index is committed. */
void raft_config_append(struct raft *raft, struct raft_update *u, const struct raft_config *config, uint64_t index);
void raft_config_set(struct raft *raft, const struct raft_config *config, uint64_t index);
/* Entries from `from` on are gone. */
void raft_config_truncate(struct raft *raft, struct raft_update *u, uint64_t from);
/* After the commit index moved. */
void raft_config_committed(struct raft *raft, struct raft_update *u);
