/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* Elections. A node asks first whether it could win (pre-vote), so that one that was cut off doesn't unseat a leader
 * by its term. Then term and vote for itself go to the disk, and only when they are there the requests go out: a
 * candidate that forgot its campaign could get late votes for a log that it no longer has. */

void raft_arm_election(struct raft *raft)
{
    uint64_t timeout = raft->limits->election_timeout;

    raft->deadline = raft->now + timeout + raft_draw(raft, timeout) + raft_handicap(raft, timeout / 2);
}

uint64_t raft_handicap(const struct raft *raft, uint64_t a_rank)
{
    return raft->n_tries < 64 ? (raft->rank * a_rank) >> raft->n_tries : 0;
}

/* Who is removed by a configuration that isn't committed goes on (thesis, 4.2.2): it may be the only one that has it,
 * and the others need its vote as long as they don't. */
static bool may_lead(const struct raft *raft)
{
    uint8_t roles = raft_roles(raft, raft->id);

    if (raft->previous != NULL && !GQ_BUG(RAFT_REMOVED_TOO_EARLY))
        roles |= raft_roles_in(&raft->previous->config, raft->id);
    return !raft->no_vote && !raft->no_lead && raft->term < RAFT_MAX_TERM && raft->log.n_runs < RAFT_MAX_RUNS &&
           (roles & (RAFT_VOTER | RAFT_OUTGOING)) != 0;
}

void raft_become_follower(struct raft *raft, struct raft_update *u, uint64_t term, int32_t leader)
{
    gq_assert(term >= raft->term);
    if (term > raft->term) {
        raft->term = term;
        raft->vote = RAFT_NONE;
        raft->state_dirty = true;
        raft->owed = false;
    }
    raft_session_leave(raft, u);
    if (raft->role == RAFT_LEADER)
        raft_reads_lose(raft, u);
    if (leader != RAFT_NONE)
        raft->n_tries = 0;
    raft->role = RAFT_FOLLOWER;
    raft->leader = leader;
    raft->heard = raft->now;
    raft->transferee = RAFT_NONE;
    raft->noop_index = 0;
    raft->uncommitted_bytes = 0;
    raft->matched = MIN(raft->commit, raft->log.last);
    raft_arm_election(raft);
}

static void become_leader(struct raft *raft, struct raft_update *u)
{
    RAFT_MARK(raft, RAFT_ELECTED);
    raft->role = RAFT_LEADER;
    raft->leader = raft->id;
    raft->n_tries = 0;
    raft->uncommitted_bytes = 0;
    for (uint64_t i = raft->commit + 1; i <= raft->log.last; i++)
        raft->uncommitted_bytes += raft_entry_size(raft, i);
    raft->read_round = 0;
    raft->deadline = raft->now + raft->limits->election_timeout;
    raft->heartbeat_at = raft->now + raft->limits->heartbeat_interval;
    for (uint8_t i = 0; i < raft->n_members; i++)
        raft_progress_reset(raft, &raft->members[i]);
    raft->noop_index = raft->log.last + 1;
    raft_append_own(raft, u, NULL, RAFT_NOOP_SIZE);
    u->noop = true;
    raft_broadcast(raft, u, false);
    raft_maybe_commit(raft, u);
}

static uint32_t voters_that_said(const struct raft *raft, enum raft_vote vote)
{
    uint32_t who = 0;

    for (uint8_t i = 0; i < raft->n_members; i++)
        if (raft->members[i].vote == vote)
            who |= 1u << i;
    return who;
}

static void start_election(struct raft *raft, struct raft_update *u);

static void count_votes(struct raft *raft, struct raft_update *u)
{
    if (raft_is_quorum(raft, voters_that_said(raft, RAFT_VOTE_YES))) {
        if (raft->role == RAFT_PRE_CANDIDATE)
            start_election(raft, u);
        else
            become_leader(raft, u);
    } else if (!raft_is_quorum(raft, ~voters_that_said(raft, RAFT_VOTE_NO))) {
        GQ_MARK(RAFT_CAMPAIGN_REFUSED);
        raft_become_follower(raft, u, raft->term, RAFT_NONE);
    }
}

static void ask_for_votes(struct raft *raft, struct raft_update *u)
{
    bool pre = raft->role == RAFT_PRE_CANDIDATE;
    struct raft_member *self = raft_member(raft, raft->id);

    for (uint8_t i = 0; i < raft->n_members; i++) {
        struct raft_message *m;

        raft->members[i].vote = RAFT_VOTE_NONE;
        if (raft->members[i].id == raft->id || (raft->members[i].roles & (RAFT_VOTER | RAFT_OUTGOING)) == 0)
            continue;
        m = raft_send(raft, u, pre ? RAFT_PRE_VOTE : RAFT_VOTE, raft->members[i].id);
        m->term = raft->term + pre;
        m->index = raft->log.last;
        m->log_term = raft_log_last_term(&raft->log);
        m->force = !pre && raft->forced;
    }
    if (self != NULL)
        self->vote = RAFT_VOTE_YES;
    count_votes(raft, u);
}

/* The requests follow when the vote is durable. */
static void start_election(struct raft *raft, struct raft_update *u)
{
    RAFT_MARK(raft, RAFT_CANDIDATE);
    raft_session_leave(raft, u);
    raft->role = RAFT_CANDIDATE;
    raft->leader = RAFT_NONE;
    raft->term++;
    raft->vote = raft->id;
    raft->state_dirty = true;
    raft->owed = false;
    raft->matched = raft->commit;
    raft_arm_election(raft);
    for (uint8_t i = 0; i < raft->n_members; i++)
        raft->members[i].vote = RAFT_VOTE_NONE;
    if (GQ_BUG(RAFT_VOTE_NOT_DURABLE))
        ask_for_votes(raft, u);
}

void raft_campaign(struct raft *raft, struct raft_update *u)
{
    bool may = may_lead(raft);

    raft_session_leave(raft, u);
    raft->n_tries += may && raft->n_tries < UINT8_MAX;
    raft_arm_election(raft);
    if (!may)
        return;
    RAFT_MARK(raft, RAFT_PRE_CANDIDATE);
    raft->forced = false;
    raft->role = RAFT_PRE_CANDIDATE;
    raft->leader = RAFT_NONE;
    ask_for_votes(raft, u);
}

void raft_campaign_forced(struct raft *raft, struct raft_update *u)
{
    if (!may_lead(raft))
        return;
    GQ_MARK(RAFT_CAMPAIGN_ASKED_FOR);
    raft->forced = true;
    start_election(raft, u);
}

/* Whoever hears of a leader, or leads, doesn't help to replace it. */
bool raft_is_sticky(struct raft *raft)
{
    if (raft->role == RAFT_LEADER)
        return true;
    return raft->leader != RAFT_NONE && raft->now < raft_leader_heard(raft) + raft->limits->election_timeout;
}

static bool is_up_to_date(const struct raft *raft, const struct raft_message *m)
{
    uint64_t last_term = raft_log_last_term(&raft->log);

    if (GQ_BUG(RAFT_VOTE_FOR_SHORTER_LOG))
        return m->log_term >= last_term;
    return m->log_term > last_term || (m->log_term == last_term && m->index >= raft->log.last);
}

static void grant(struct raft *raft, struct raft_update *u)
{
    if (!GQ_BUG(RAFT_VOTE_NOT_DURABLE) && (raft->durable_term != raft->term || raft->durable_vote != raft->vote))
        return; /* when it is durable */
    GQ_MARK(RAFT_VOTE_GIVEN);
    raft_send(raft, u, RAFT_VOTE_REPLY, raft->vote);
}

/* Asked by nodes that aren't in our configuration too: ours may be the older one. */
void raft_on_vote(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    struct raft_message *reply;
    bool yes = !raft->no_vote && is_up_to_date(raft, m);

    if (raft->no_vote)
        GQ_MARK(RAFT_VOTE_ON_PROBATION);
    else if (!yes)
        GQ_MARK(RAFT_VOTE_FOR_SHORTER);
    if (m->kind == RAFT_PRE_VOTE) {
        yes = yes && (m->term > raft->term || raft->vote == m->from);
        /* A refusal tells our own term, which the asker has to reach first. */
        reply =
            yes ? raft_send(raft, u, RAFT_PRE_VOTE_REPLY, m->from) : raft_reply(raft, u, RAFT_PRE_VOTE_REPLY, m->from);
        if (reply != NULL) {
            reply->term = yes ? m->term : raft->term;
            reply->reject = !yes;
        }
        return;
    }
    yes = yes && raft->role == RAFT_FOLLOWER &&
          (raft->vote == m->from || (raft->vote == RAFT_NONE && raft->leader == RAFT_NONE));
    if (yes) {
        raft->state_dirty = raft->state_dirty || raft->vote != m->from;
        raft->vote = m->from;
        raft_arm_election(raft);
        grant(raft, u);
        return;
    }
    if (raft->vote != RAFT_NONE)
        GQ_MARK(RAFT_VOTE_SPENT);
    reply = raft_reply(raft, u, RAFT_VOTE_REPLY, m->from);
    if (reply != NULL)
        reply->reject = true;
}

void raft_on_vote_reply(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    struct raft_member *from = raft_member(raft, m->from);
    bool pre = m->kind == RAFT_PRE_VOTE_REPLY;

    if (from == NULL || raft->role != (pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE))
        return;
    /* A pre-vote is of the term that it was asked for. */
    if (pre && !m->reject && m->term != raft->term + 1)
        return;
    /* Before our own vote is durable nobody was asked in this term. */
    if (!pre && (raft->durable_term != raft->term || raft->durable_vote != raft->id) &&
        !GQ_BUG(RAFT_VOTE_NOT_DURABLE)) {
        u->refused = true;
        return;
    }
    if (from->vote == RAFT_VOTE_NONE)
        from->vote = m->reject ? RAFT_VOTE_NO : RAFT_VOTE_YES;
    count_votes(raft, u);
}

void raft_on_state_flushed(struct raft *raft, struct raft_update *u, uint64_t term, int32_t vote)
{
    if (term < raft->durable_term)
        return;
    raft->durable_term = term;
    raft->durable_vote = vote;
    if (term != raft->term || vote != raft->vote)
        return;
    if (raft->role == RAFT_CANDIDATE && vote == raft->id)
        ask_for_votes(raft, u);
    else if (raft->role == RAFT_FOLLOWER && vote != RAFT_NONE && vote != raft->id && raft->leader == RAFT_NONE)
        grant(raft, u);
    if (raft->owed && raft->role == RAFT_FOLLOWER && raft->leader != RAFT_NONE) {
        struct raft_message *m = raft_send(raft, u, RAFT_HEARTBEAT_REPLY, raft->leader);

        GQ_MARK(RAFT_ANSWER_OWED);
        m->index = raft_acknowledged(raft);
        m->commit = raft->commit;
    }
    raft->owed = false;
}
