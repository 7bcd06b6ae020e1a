/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All consensus groups of one shard, as far as they have something in common: one clock tick, one heartbeat a node
 * pair, one answer of the journal, one budget. It owns the cores (raft/) and decides; its caller does the effects,
 * group by group, in the order that raft.h states. No I/O, no clock, no callback but for the size of an entry.
 *
 * A turn of the caller:
 *
 *     fleet_poll(f, now)                          the time; before anything else
 *     fleet_step(g, event) → act on the update    messages, reads, transfers, configurations
 *     fleet_propose(g, size)                      entries; they wait for the end of the turn
 *     fleet_note_…_flushed(g, …)                  as the journal tells, record by record
 *     while (fleet_next(f, &work))                timers, dead nodes, what the journal told, proposals
 *         act on work.update
 *     while ((m = fleet_next_message(f)) != NULL) heartbeats of node pairs
 *         send m
 *     sleep until fleet_next_ns(f)
 *
 * An update is good until the next call. A group at rest (raft/README.md) has no timer and isn't looked at: what it
 * costs is its part of a sum in one message a tick and node pair.
 *
 * One thread owns a fleet and all of its groups. Times are in nanoseconds. What another node sends is trusted in
 * nothing that could end the process or reach a group that it shares no session with. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem_pool.h"
#include "raft/raft.h"
#include "timer/timer.h"

#define FLEET_BUCKETS 64        /* parts of a session's set that are compared by themselves */
#define FLEET_MAX_BATCH 64      /* proposals of a group that make one step */
#define FLEET_MAX_LIST 4096     /* groups that one message lists, but for a single larger bucket */
#define FLEET_MAX_ENTRIES 65536 /* groups that a message may list at all */
#define FLEET_MAX_SHARDS 256    /* of a node */

struct fleet;

/* The message is of a session that is over, or came before: dropped. */
#define FLEET_E_STALE (ERROR_BASE_FLEET + 1)

/* A group's core and its place in the fleet. Embedded in its owner's struct; all fields are the fleet's, of which the
 * owner may ask raft (raft_term() and the like). */
struct fleet_group {
    struct raft *raft; /* NULL: it isn't in a fleet */
    struct fleet *fleet;
    uint64_t id;
    struct timer timer;          /* not set at rest */
    struct fleet_errand *errand; /* what waits for the end of the turn, or NULL */
    struct fleet_seat *seats;    /* one for each other member */
    uint64_t rest_term;          /* of the sets that it is in */
    uint8_t n_seats;
};

/* Limits of the cores are copied; of these quiesce and uncommitted_bytes are the fleet's business. The election timeout
 * is at least four heartbeat intervals. */
struct fleet_config {
    int32_t node;
    uint32_t shard, n_shards; /* group g lives on shard (g − 1) % n_shards of its node */
    uint32_t boot;            /* counts the starts of this node, from 1: a later one's sessions have higher numbers */
    struct raft_limits limits;
    /* Bytes of the entry, which is in the group's log or was proposed. */
    uint32_t (*entry_size)(struct fleet_group *g, uint64_t index);
    /* Of entries that this shard's leaders have proposed and that aren't committed; one may always be on its way. */
    uint64_t budget_bytes;
    uint64_t group_budget_bytes; /* of one group */
    struct mem_pool *blocks;     /* of the thread; NULL: the system's */
    uint64_t now_ns;             /* > 0 */
};

struct fleet *fleet_new(const struct fleet_config *config);
/* Its groups must have left. Takes NULL. */
void fleet_free(struct fleet *f);

/* Makes the group's core of what recovery found; ids and times in start are the fleet's. */
void fleet_add(struct fleet *f, struct fleet_group *g, uint64_t id, const struct raft_start *start);
/* What waits of the group is forgotten. Harmless on one that isn't in a fleet. */
void fleet_remove(struct fleet_group *g);

/* ---- Time and work ---- */

/* Never goes back. */
void fleet_poll(struct fleet *f, uint64_t now_ns);

struct fleet_work {
    struct fleet_group *group;
    enum raft_event_kind kind; /* of the event that was stepped */
    const struct raft_update *update;
};
/* The next step that is due of any group; false: there is none. PROPOSE with an error: all entries of the group behind
 * raft_last_index() are void, whether they were in this step or wait. Those that wait are so already when an update
 * says that this node leads no longer: if it leads again, others get their indexes. */
bool fleet_next(struct fleet *f, struct fleet_work *ret_work);

/* When to call fleet_poll() next, even if nothing comes in; UINT64_MAX: never. */
uint64_t fleet_next_ns(const struct fleet *f);

/* An event of one group that the caller has: RECEIVE, READ, TRANSFER, CAMPAIGN, RANK, SNAPSHOT_FAILED, COMPACT, and
 * PROPOSE for a configuration, while nothing else is proposed that waits. The time is the fleet's. */
const struct raft_update *fleet_step(struct fleet_group *g, struct raft_event *event);

/* ---- Proposals ---- */

/* The entry at raft_last_index() + fleet_n_proposed() + 1 is to be proposed at the end of the turn, together with the
 * group's others. size: what entry_size() tells. 0, RAFT_E_NOT_LEADER, or RAFT_E_BUSY while the budget is used up: it
 * isn't proposed then. */
int fleet_propose(struct fleet_group *g, uint32_t size);
/* The same for an entry of the node's own, which is small and waits for no room. */
int fleet_propose_own(struct fleet_group *g, uint32_t size);
uint32_t fleet_n_proposed(const struct fleet_group *g);
/* This node leads, and nothing waits that was proposed in an earlier term. */
bool fleet_takes(const struct fleet_group *g);
/* Whether fleet_propose() would find room: in the group's part of the budget, and in all of it. */
bool fleet_group_has_room(const struct fleet_group *g, uint32_t size);
bool fleet_has_room(const struct fleet_group *g, uint32_t size);
/* Room was made since the last call: who waits for it may try again. */
bool fleet_room_made(struct fleet *f);

/* ---- The journal ---- */

/* Records of the group, which is in the fleet still, are durable, in the journal's order. However many a flush has of a
 * group, the core hears once of its hard state and once of its entries. */
void fleet_note_state_flushed(struct fleet_group *g, uint64_t term, int32_t vote);
void fleet_note_log_flushed(struct fleet_group *g, uint64_t index, uint64_t term, uint32_t epoch);

/* ---- Other nodes ---- */

/* There is a connection to the node, a new one if there was one: all that was agreed on before is void. n_shards: the
 * node's, 1 .. FLEET_MAX_SHARDS. */
void fleet_peer_up(struct fleet *f, int32_t node, uint32_t n_shards);
/* There is none any more. dead: it was reset, or the next one was refused, so nobody there leads or follows for now,
 * and all groups with a member there hear of it by fleet_next(), once until it is up again. Else the silence speaks.
 * Groups rest without who isn't connected, as long as the others are enough to lead. */
void fleet_peer_down(struct fleet *f, int32_t node, bool dead);

bool fleet_peer_is_up(const struct fleet *f, int32_t node);

/* The groups that this node leads are to be led by others, each by the member that has most of those that are heard:
 * for a drain, a stop, or a disk that hangs. By fleet_next(), as TRANSFER; a group without such a member is left as it
 * is. Who didn't make it within an election timeout leads on, until it is asked for again. */
void fleet_hand_over(struct fleet *f);
/* The same for one group. */
void fleet_group_hand_over(struct fleet_group *g);
/* It leads a group that it could hand over. */
bool fleet_can_hand_over(const struct fleet *f);

struct fleet_entry {
    uint64_t group, term;
};

/* What the same two shards of two nodes tell each other each heartbeat interval. */
struct fleet_message {
    int32_t from, to;
    uint32_t from_shard, to_shard;
    uint64_t session;      /* the sender's number for it; a higher one is a later one */
    uint64_t your_session; /* the receiver's, as the sender knows it; 0: it doesn't */
    uint64_t sequence;     /* in the sender's session, from 1 */
    uint64_t echo;         /* the last sequence that the sender got; 0: none */
    uint64_t digest;       /* of all groups in the sender's set: the sum of the buckets' */
    uint32_t n_digests;    /* of buckets: 0, or all where the sets differed */
    const uint64_t *digests;
    uint64_t buckets;   /* bit i: the sender's groups in bucket i are listed */
    uint32_t n_entries; /* in order of groups */
    const struct fleet_entry *entries;
};

/* The next one to send, NULL: there is none. It is good until the next call. */
const struct fleet_message *fleet_next_message(struct fleet *f);
/* 0, FLEET_E_STALE, or -EBADMSG: it can't be one; nothing changed then. */
int fleet_receive(struct fleet *f, const struct fleet_message *m);

/* ---- What may be asked ---- */

struct fleet_stats {
    uint64_t n_steps; /* of cores */
    uint64_t n_ticks; /* timers that were looked at */
    uint64_t n_sent;
    uint64_t n_refused, n_stale; /* by fleet_receive(): -EBADMSG, FLEET_E_STALE */
    uint64_t n_lost;             /* times that a session ended that groups were in */
    uint64_t n_unshared;         /* groups that fell out of a session since only one side had them */
    uint64_t used_bytes;         /* of the budget */
};
void fleet_stats(const struct fleet *f, struct fleet_stats *ret_stats);
/* The session with the node that vouches for the group was heard at this time; 0: there is none. */
uint64_t fleet_heard_ns(const struct fleet_group *g, int32_t node);
/* No timer runs for it and nothing waits: it costs nothing. */
bool fleet_is_at_rest(const struct fleet_group *g);
/* Bytes of memory that the group has, its struct and the core among them. */
size_t fleet_memory(const struct fleet_group *g);
