/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "replica/internal.h"

/* The group's core (raft/), and what comes of its updates.
 *
 * A group whose only voter is this node has a core while entries are on their way, and puts it away at rest: then all
 * of the log is flushed and committed, and term, vote and the last entry say all that a core would know. It campaigns
 * when the first entry of its term comes, which is what the core takes for the leader's first one; so an empty log
 * costs nothing until then. Its vote is for itself and nobody waits to hear of it, so it needn't be durable before it
 * counts: it goes to the journal ahead of the term's entries, and none of these can outlive it. */

#define MS 1000000ull

/* Others than the only voter don't exist yet: the times are never looked at. What may wait is up to budget.c. */
static const struct raft_limits limits = {
    .election_timeout = 1000 * MS,
    .heartbeat_interval = 100 * MS,
    .message_bytes = 1 << 20,
    .inflight_messages = RAFT_WINDOW,
    .inflight_bytes = 8 << 20,
    .uncommitted_bytes = UINT64_MAX,
};

static uint32_t entry_size(void *ctx, uint64_t index)
{
    const struct replica *r = ctx;
    const struct replica_entry *e = tail_by_index(&r->tail, index);

    gq_assert(e != NULL);
    return (uint32_t)replica_entry_size(e);
}

static const struct raft_ops ops = { .entry_size = entry_size };

static void journal_hard_state(struct replica *r, uint64_t term, int32_t vote)
{
    if (GQ_BUG(HARD_STATE_SKIPPED))
        return;
    replica_journal_state(r, JOURNAL_HARD_STATE, &(struct journal_group_state){ .term = term, .vote = vote });
}

/* The update is the shard's, and good until the next step of any of its groups. */
static const struct raft_update *step(struct replica *r, struct raft_event *event)
{
    struct raft_update *u = &r->shard->update;

    event->now = r->shard->now_ns;
    raft_step(r->raft, event, u);
    if (u->hard_state)
        journal_hard_state(r, u->term, u->vote);
    return u;
}

static void make_core(struct replica *r, bool lead)
{
    int32_t id = r->shard->broker_id;
    const struct raft_config alone = { .n_members = 1, .members = { { id, RAFT_VOTER } } };
    const struct raft_start start = {
        .id = id,
        .seed = r->shard->hash_seed ^ r->group,
        .now = r->shard->now_ns,
        .term = lead ? r->term : r->term - 1,
        .vote = lead ? id : RAFT_NONE,
        .start_index = r->applied_index,
        .start_term = r->applied_term,
        .last_index = r->applied_index,
        .commit = r->applied_index,
        .config = &alone,
        .lead = lead,
    };

    r->raft = raft_new(&limits, &ops, r, &start);
}

/* The entry that comes next is the leader's first in its term. */
static const struct raft_update *campaign(struct replica *r)
{
    const struct raft_update *u;

    make_core(r, false);
    r->led = r->known = true;
    u = step(r, &(struct raft_event){ .kind = RAFT_CAMPAIGN });
    u = step(r, &(struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = u->term, .vote = u->vote });
    gq_assert(u->role == RAFT_LEADER && u->term == r->term);
    return u;
}

static const struct raft_update *propose(struct replica *r, const struct replica_entry *e)
{
    const struct raft_entry entry = { .size = (uint32_t)replica_entry_size(e) };

    return step(r, &(struct raft_event){ .kind = RAFT_PROPOSE, .entries = &entry, .n_entries = 1 });
}

void replica_core_append(struct replica *r, struct replica_entry *e)
{
    const struct raft_update *u;

    if (r->raft == NULL && r->led)
        make_core(r, true);
    u = r->raft == NULL ? campaign(r) : propose(r, e);
    gq_assert(u->error == 0 && u->append_first == e->index && u->append_last == e->index);
    e->epoch = u->epoch;
    r->stirred = true;
}

void replica_core_flushed(struct replica *r, const struct replica_entry *e)
{
    const struct raft_update *u =
        step(r, &(struct raft_event){ .kind = RAFT_LOG_FLUSHED,
                                      .index = GQ_BUG(FLUSH_COUNTS_FOR_ALL) ? r->last_index : e->index,
                                      .term = e->term,
                                      .epoch = e->epoch });

    if (u->committed)
        replica_commit(r, MIN(u->commit, raft_flushed_index(r->raft)));
}

void replica_core_rest(struct replica *r)
{
    if (r->raft == NULL)
        return;
    if (!r->stirred && raft_commit_index(r->raft) == r->last_index && r->applied_index == r->last_index)
        raft_free(TAKE_PTR(r->raft));
    r->stirred = false;
}
