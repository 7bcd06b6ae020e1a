/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "raft/internal.h"

static_assert(sizeof(struct raft_standing) == 112, "no padding");
static_assert(sizeof(struct raft) + 3 * sizeof(struct raft_member) + 2 * sizeof(struct raft_run) <= 512, "idle group");

/* Nobody else is asked in an election, so nobody else can have led in the term. */
static void lead_on(struct raft *raft)
{
    gq_assert(raft_is_alone(raft) && raft->vote == raft->id && !raft->no_vote && !raft->no_lead);
    gq_assert(raft->commit == raft->log.flushed);
    for (uint64_t i = raft->commit + 1; i <= raft->log.last; i++)
        raft->uncommitted_bytes += raft_entry_size(raft, i);
    raft->role = RAFT_LEADER;
    raft->leader = raft->id;
    raft->deadline = raft->heartbeat_at = UINT64_MAX;
}

struct raft *raft_new(const struct raft_limits *limits, const struct raft_ops *ops, void *ctx,
                      const struct raft_start *start)
{
    struct raft *raft = xcalloc(1, sizeof(*raft));

    gq_assert(limits->message_entries >= 1);
    gq_assert(limits->inflight_messages >= 1 && limits->inflight_messages <= RAFT_WINDOW);
    gq_assert(limits->election_timeout > 0 && limits->heartbeat_interval > 0);
    raft->limits = limits;
    raft->ops = ops;
    raft->ctx = ctx;
    raft->id = start->id;
    raft->seed = start->seed;
    raft->now = start->now;
    raft->role = RAFT_FOLLOWER;
    raft->leader = raft->transferee = RAFT_NONE;
    raft->term = raft->durable_term = start->term;
    raft->vote = raft->durable_vote = start->vote;
    raft->no_vote = start->no_vote;
    raft->no_lead = start->no_lead;
    gq_assert(start->rank <= RAFT_MAX_RANK);
    raft->rank = start->rank;
    raft_log_init(&raft->log, start);
    gq_assert(raft_log_last_term(&raft->log) <= raft->term);
    raft->commit = MAX(start->commit, start->start_index);
    gq_assert(raft->commit <= raft->log.last);
    raft->matched = raft->commit;
    raft_config_set(raft, start->config, start->config_index);
    if (start->config_index > raft->commit && start->previous != NULL) {
        raft->previous = xcalloc(1, sizeof(*raft->previous));
        raft->previous->index = start->previous_index;
        raft->previous->config = *start->previous;
    }
    if (start->lead)
        lead_on(raft);
    else
        raft_arm_election(raft);
    return raft;
}

void raft_free(struct raft *raft)
{
    if (raft == NULL)
        return;
    raft_log_fini(&raft->log);
    free(raft->members);
    free(raft->previous);
    free(raft);
}

void raft_set_no_vote(struct raft *raft, bool no_vote)
{
    gq_assert(!no_vote || raft->no_vote || raft->role == RAFT_FOLLOWER);
    raft->no_vote = no_vote;
}

struct raft_member *raft_member(struct raft *raft, int32_t id)
{
    for (uint8_t i = 0; i < raft->n_members; i++)
        if (raft->members[i].id == id)
            return &raft->members[i];
    return NULL;
}

/* Steele, Lea, Flood: splitmix64. */
uint64_t raft_draw(struct raft *raft, uint64_t n)
{
    uint64_t z = raft->seed += 0x9e3779b97f4a7c15;

    if (n == 0)
        return 0;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % n;
}

uint32_t raft_entry_size(struct raft *raft, uint64_t index)
{
    return index == raft->noop_index ? RAFT_NOOP_SIZE : raft->ops->entry_size(raft->ctx, index);
}

enum raft_role raft_role(const struct raft *raft)
{
    return raft->role;
}

int32_t raft_leader(const struct raft *raft)
{
    return raft->leader;
}

int32_t raft_transferee(const struct raft *raft)
{
    return raft->transferee;
}

uint64_t raft_term(const struct raft *raft)
{
    return raft->term;
}

int32_t raft_vote(const struct raft *raft)
{
    return raft->vote;
}

uint64_t raft_start_index(const struct raft *raft)
{
    return raft->log.start;
}

uint64_t raft_last_index(const struct raft *raft)
{
    return raft->log.last;
}

uint64_t raft_flushed_index(const struct raft *raft)
{
    return raft->log.flushed;
}

uint64_t raft_commit_index(const struct raft *raft)
{
    return raft->commit;
}

uint64_t raft_term_at(const struct raft *raft, uint64_t index)
{
    return raft_log_term(&raft->log, index);
}

uint64_t raft_uncommitted_bytes(const struct raft *raft)
{
    return raft->uncommitted_bytes;
}

uint64_t raft_next_tick(const struct raft *raft)
{
    return raft_due(raft);
}

size_t raft_memory(const struct raft *raft)
{
    return sizeof(*raft) + raft->n_members * sizeof(*raft->members) +
           raft_log_room(raft->log.n_runs) * sizeof(*raft->log.runs) +
           (raft->previous != NULL ? sizeof(*raft->previous) : 0);
}

bool raft_progress(const struct raft *raft, uint32_t i, struct raft_progress *ret_progress)
{
    const struct raft_member *m = &raft->members[i];

    if (i >= raft->n_members)
        return false;
    *ret_progress = (struct raft_progress){
        .id = m->id,
        .roles = m->roles,
        .state = m->state,
        .match = m->match,
        .next = m->next,
        .inflight_messages = m->count,
        .inflight_bytes = m->inflight_bytes,
        .settled = m->settled,
        .granted = m->vote == RAFT_VOTE_YES,
        .heard = raft_member_heard(raft, m),
    };
    return true;
}

void raft_stands(const struct raft *raft, struct raft_standing *ret)
{
    *ret = (struct raft_standing){
        .term = raft->term,
        .durable_term = raft->durable_term,
        .start = raft->log.start,
        .last = raft->log.last,
        .flushed = raft->log.flushed,
        .commit = raft->commit,
        .config_index = raft->config_index,
        .reads_asked = raft->read_last,
        .reads_done = raft->read_done,
        .read_index = raft->read_index,
        .vote = raft->vote,
        .durable_vote = raft->durable_vote,
        .leader = raft->leader,
        .epoch = raft->log.epoch,
        .role = raft->role,
        .no_vote = raft->no_vote,
        .transferee = raft->transferee,
        .forced = raft->forced,
    };
}
