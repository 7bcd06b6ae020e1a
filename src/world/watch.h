/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Raft's invariants over all nodes of a world. After each step of a node its groups are looked at; what they show is
 * held against what all nodes have shown so far. The watch remembers over crashes what a node may have forgotten:
 *
 * election safety     a term of a group has one leader, which is one life of one node; a quorum of voters gave it their
 *                     votes, and its own is durable
 * terms               each begins with somebody who voted for itself
 * one vote            what a node told or made durable of a term stays, whatever crashes
 * commit is backed    who commits first has the entry flushed on a quorum of the voters, of both halves of a joint
 *                     configuration, and has an entry of its own term there
 * log matching        an index that is committed has one term and one checksum for ever, on all nodes
 * leader completeness who leads has all that was committed in earlier terms
 * nothing goes back   term, commit, applied, log start in a life; a flush, a durable term, a log start over lives
 * order               applied ≤ commit, and ≤ flushed; nothing that is committed is cut
 * reads               what a leader lets read has all that was committed anywhere when it was asked for, and a quorum
 *                     of voters has made a step since
 * open                a leader serves when an entry of its own term is applied
 * transfer            who is told to lead has all of the leader's log
 * log start           a leader that has applied an entry of its own term has every log start that was durable before
 * configurations      those that follow each other in the log can't decide apart; who leads votes; the log's last
 *                     one is in force
 * equal states        who has applied the same has the same state, also behind a power loss
 * in sync             who is in sync was heard not longer ago than replica_lag_time
 *
 * A node that is on probation when a life begins knows nothing of an earlier one: what it did before binds others only.
 * One with an old disk must be noticed by the others, which neither count it nor follow it.
 * A step without news costs a comparison for each shard. */

#include "base/uuid.h"
#include "raft/raft.h"
#include "replica/replica.h"

struct machine;
struct watch;
struct world;

struct watch *watch_new(struct world *w);
/* Takes NULL. */
void watch_free(struct watch *watch);

/* The node, which is up, has made a step, or has just started. */
void watch_look(struct watch *watch, const struct machine *m);

/* Its disk is, or isn't any more, one that it had before: what it says of itself isn't believed meanwhile, and what it
 * really did still binds it. */
void watch_set_old_disk(struct watch *watch, const struct machine *m, bool old);

/* The group was deleted, as a node knows: what its members still do has no consequence, and one that starts with older
 * metadata makes it anew. */
void watch_note_gone(struct watch *watch, const struct uuid *cluster, uint64_t group);
/* The node's replica was removed since the group is elsewhere: it is as if it had never had one. */
void watch_note_moved(struct watch *watch, const struct uuid *cluster, uint64_t group, int32_t node);

/* Every group of the node, which is up, has all that is committed anywhere, and nothing beyond. Else ret_why has one.
 */
bool watch_is_settled(struct watch *watch, const struct machine *m, struct error_text *ret_why);

/* Everything was read: the states of the node's groups are kept. From then on they are held against what the groups of
 * all nodes have in the phase WORLD_REAUDIT, behind a power loss, where they have applied the same. */
void watch_keep_states(struct watch *watch, const struct machine *m);
/* The node is settled: who has applied the same has the same state. */
void watch_check_equal(struct watch *watch, const struct machine *m);
/* A state: who shows another one at this index later, or showed one, has failed. */
void watch_see_applied(struct watch *watch, struct world *w, const struct uuid *cluster, uint64_t group, int32_t node,
                       uint64_t index, uint32_t checksum);

/* --- what a look shows of one group; hand-made in tests --- */

struct watch_member {
    int32_t id;
    uint8_t roles;
    bool granted;        /* its vote, to who shows it */
    bool in_sync;        /* as the leader tells */
    uint64_t silence_ns; /* it hasn't been heard for so long */
};

struct watch_state {
    int32_t node;  /* broker id */
    uint32_t life; /* of its process, which starts anew with another number */
    bool old_disk;
    struct replica_standing at;
    /* 0: not known. */
    uint64_t (*term_at)(const void *log, uint64_t index);
    const void *log;
    uint32_t n_members; /* of the configuration in force; 0: alone */
    struct watch_member members[RAFT_MAX_MEMBERS];
    bool configs_differ; /* see replica_configs_agree() */
    uint64_t lag_ns;     /* so long may a member be silent that is in sync */
};

void watch_see(struct watch *watch, const struct uuid *cluster, uint64_t group, const struct watch_state *s);

/* It has closed its replica, which has no core any more: what it did before that in the same step was never shown, and
 * its last entries may be others than those that were flushed. Of s node, log and at.raft.last count. */
void watch_note_closed(struct watch *watch, const struct uuid *cluster, uint64_t group, const struct watch_state *s);
