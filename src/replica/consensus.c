/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/mark.h"
#include "replica/internal.h"

/* The group's core (raft/), and what comes of its updates.
 *
 * A group whose only voter is this node has a core while entries are on their way, and puts it away at rest: then all
 * of the log is flushed and committed, and term, vote and the last entry say all that a core would know. It campaigns
 * when the first entry of its term comes, which is what the core takes for the leader's first one; so an empty log
 * costs nothing until then. Its vote is for itself and nobody waits to hear of it, so it needn't be durable before it
 * counts: it goes to the journal ahead of the term's entries, and none of these can outlive it.
 *
 * With several voters the core is in the shard's fleet from the start, hears of each completion, and its messages go to
 * the others. Its entries wait in the tail for the end of the turn, and go to the journal when the fleet has proposed
 * them. A replica that ends takes its core out of the fleet, as if the node had gone. */

static void journal_hard_state(struct replica *r, uint64_t term, int32_t vote)
{
    r->known = true;
    if (GQ_BUG(HARD_STATE_SKIPPED))
        return;
    replica_journal_state(r, JOURNAL_HARD_STATE, &(struct journal_group_state){ .term = term, .vote = vote });
}

/* ---- One voter ---- */

static uint32_t entry_size(void *ctx, uint64_t index)
{
    return replica_size_of(ctx, index);
}

static const struct raft_ops ops = { .entry_size = entry_size };

/* The update is the shard's, and good until the next step of any such group. */
static const struct raft_update *step_alone(struct replica *r, struct raft_event *event)
{
    struct raft_update *u = &r->shard->update;

    event->now = r->shard->now_ns;
    raft_step(r->raft, event, u);
    r->shard->n_steps++;
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

    r->raft = raft_new(&replica_core_limits, &ops, r, &start);
}

/* True: the entry that comes next is the leader's first in its term, and the core has it already. */
static bool wake(struct replica *r)
{
    const struct raft_update *u;

    make_core(r, r->led);
    if (r->led)
        return false;
    r->led = true;
    u = step_alone(r, &(struct raft_event){ .kind = RAFT_CAMPAIGN });
    u = step_alone(r, &(struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = u->term, .vote = u->vote });
    gq_assert(u->role == RAFT_LEADER && u->term == r->term);
    return true;
}

void replica_core_rest(struct replica *r)
{
    if (r->raft == NULL || r->peers != NULL)
        return;
    if (!r->stirred && raft_commit_index(r->raft) == r->last_index && r->applied_index == r->last_index)
        raft_free(TAKE_PTR(r->raft));
    r->stirred = false;
}

static const struct raft_update *propose_alone(struct replica *r, const struct replica_entry *e)
{
    const struct raft_entry entry = { .size = (uint32_t)replica_entry_size(e) };

    return step_alone(r, &(struct raft_event){ .kind = RAFT_PROPOSE, .entries = &entry, .n_entries = 1 });
}

static void append_alone(struct replica *r, struct replica_entry *e)
{
    const struct raft_update *u = &r->shard->update;

    if (r->raft != NULL || !wake(r))
        u = propose_alone(r, e);
    /* Else it is the leader's first entry, and in the update that made it one. */
    gq_assert(u->error == 0 && u->append_first == e->index && u->append_last == e->index);
    e->epoch = u->epoch;
    r->stirred = true;
}

/* ---- Several voters: the fleet ---- */

/* Up to min(commit, flushed): a majority may have what this node hasn't flushed yet. */
static void apply(struct replica *r)
{
    uint64_t commit = raft_commit_index(r->raft);
    uint64_t index = GQ_BUG(APPLIED_BEFORE_FLUSH) ? commit : MIN(commit, raft_flushed_index(r->raft));

    if (index > r->applied_index)
        replica_commit(r, index);
}

/* Who proposed something doesn't hear here any more what becomes of it. Its batches stay proposed until they are
 * applied or cut. */
static void step_down(struct replica *r)
{
    const struct replica_op *op;

    GQ_MARK(REPLICA_DEPOSED);
    r->open = false;
    list_foreach (&r->waiters->parked, op, link)
        if (op->kind == REPLICA_PRODUCE)
            replica_note_refusal(r, op);
    replica_unhold_all(r, KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    replica_fail_all(r, KAFKA_E_NOT_LEADER_OR_FOLLOWER);
}

static void fail_commands(struct list *lost)
{
    struct list *link;

    while ((link = list_pop(lost)) != NULL) {
        struct replica_command *c = list_entry(link, struct replica_command, link);

        c->done(c, KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    }
}

/* A round is over: those who asked before it was begun may read what was committed then. */
static void note_round(struct replica *r, const struct raft_update *u)
{
    struct replica_op *op;

    list_foreach (&r->peers->reads, op, link)
        if (op->ticket <= u->reads_done)
            op->read_index = MIN(op->read_index, u->read_index);
}

static void end_read(struct replica *r, struct replica_op *op)
{
    GQ_MARK(REPLICA_READ_BEHIND_ROUND);
    if (op->kind == REPLICA_PRODUCE)
        replica_finish(r, op, op->verdict, NULL);
    else if (op->kind == REPLICA_READ)
        replica_read_as_leader(r, op);
    else
        replica_end_read(r, op);
}

static void answer_reads(struct replica *r)
{
    struct replica_op *op, *tmp;

    list_foreach_safe (&r->peers->reads, op, tmp, link)
        if (op->read_index <= r->applied_index)
            end_read(r, op);
}

/* What the leader proposed, or what it was sent. */
static void journal_entries(struct replica *r, const struct raft_update *u, const struct replica_message *received)
{
    for (uint64_t i = u->append_first; i <= u->append_last; i++) {
        struct replica_entry *e;

        if (received != NULL) {
            replica_append_received(r, &received->entries[i - received->raft.index - 1], u->epoch);
            continue;
        }
        e = tail_by_index(&r->tail, i);
        gq_assert(e != NULL && e->waits);
        e->epoch = u->epoch;
        replica_journal_entry(r, e);
    }
}

/* What an update asks for, in the journal's order; what may come back here is last. One that ends the lead voids what
 * waits for the end of the turn, before others get these indexes. */
static void act(struct replica *r, const struct raft_update *u, const struct replica_message *received)
{
    bool steps_down = r->peers->leads && u->role != RAFT_LEADER, reverts = u->truncate_from != 0;
    bool led = u->role_changed || u->hard_state, ranks = u->config_changed;
    struct list lost = LIST_INIT(lost);

    r->peers->parts = steps_down && u->term == r->term;
    if (u->hard_state)
        journal_hard_state(r, u->term, u->vote);
    if (steps_down)
        replica_cut_waiting(r, &lost);
    if (u->truncate_from != 0)
        replica_cut(r, u->truncate_from, &lost);
    if (u->install)
        replica_image_install(r, u->epoch, &lost);
    r->term = u->term;
    r->peers->epoch = u->epoch;
    r->peers->leads = u->role == RAFT_LEADER;
    if (u->noop) {
        r->start_proposed = r->log_start;
        replica_propose_noop(r);
        if (GQ_BUG(OPENED_BEFORE_NOOP))
            replica_opened(r);
    } else if (u->append_first != 0) {
        journal_entries(r, u, received);
    }
    if (u->config_changed && !(reverts && GQ_BUG(CONFIG_NOT_REVERTED)))
        replica_members_noted(r);
    if (u->leave_joint || u->noop)
        replica_note_changing(r);
    replica_send(r, u);
    if (u->reads_done > 0)
        note_round(r, u);
    apply(r); /* what is committed isn't refused, if this is what ends the lead */
    if (steps_down) {
        step_down(r);
        replica_change_lost(r);
    }
    fail_commands(&lost);
    r->peers->parts = false;
    if (led && r->shard->led != NULL)
        r->shard->led(r->shard->ctx, r);
    answer_reads(r);
    replica_acks_update(r);
    if (ranks && replica_has_core(r))
        replica_core_rank(r);
}

/* Returns the update's error. */
static int step(struct replica *r, struct raft_event *event)
{
    const struct raft_update *u = fleet_step(&r->peers->member, event);
    int error = u->error;

    act(r, u, NULL);
    return error;
}

void replica_cores_run(struct replica_shard *shard)
{
    struct fleet_work work;

    while (shard->n_cores > 0 && !shard->dead && fleet_next(shard->fleet, &work)) {
        struct replica *r = replica_of_group(work.group);

        /* What was proposed is refused only where the lead was lost, or handed over: see replica_transfer(). */
        gq_assert(work.kind != RAFT_PROPOSE || work.update->error == 0 || !replica_has_waiting(r));
        act(r, work.update, NULL);
    }
}

/* Of a dead shard the others aren't to believe that it lives. */
uint64_t replica_cores_end(struct replica_shard *shard)
{
    const struct fleet_message *m;

    replica_cores_run(shard);
    if (shard->n_cores == 0 || shard->dead)
        return UINT64_MAX;
    replica_changes_run(shard);
    while ((m = fleet_next_message(shard->fleet)) != NULL)
        shard->send_session(shard->ctx, m);
    return fleet_next_ns(shard->fleet);
}

static bool takes_part(const struct replica *r)
{
    return r->peers != NULL && replica_has_core(r);
}

static bool is_answer(enum raft_message_kind kind)
{
    return kind == RAFT_PRE_VOTE_REPLY || kind == RAFT_VOTE_REPLY || kind == RAFT_APPEND_REPLY ||
           kind == RAFT_HEARTBEAT_REPLY;
}

int replica_receive(struct replica *r, const struct replica_message *m)
{
    struct replica_received got;
    const struct raft_update *u;
    uint32_t n;
    int rc = replica_check_message(r, m);

    if (rc == 0 && m->raft.kind == RAFT_SNAPSHOT)
        return takes_part(r) ? replica_image_receive(r, m) : 0;
    if (rc != 0 || !takes_part(r) || (is_answer(m->raft.kind) && replica_is_stranger(r, m)))
        return rc;
    n = replica_entries_that_fit(r, m);
    if (n == 0 && m->raft.n_entries > 0) { /* as if it got lost: the leader tries again by and by */
        GQ_MARK(REPLICA_TAKES_NO_MORE);
        return 0;
    }
    replica_received_make(&got, r, m, n);
    u = fleet_step(&r->peers->member, &(struct raft_event){ .kind = RAFT_RECEIVE, .message = &got.message });
    rc = u->refused ? -EBADMSG : 0;
    act(r, u, m);
    replica_received_free(&got, r);
    if (rc == 0 && m->raft.kind == RAFT_PRE_VOTE)
        replica_tell_removed(r, m->raft.from);
    return rc;
}

void replica_campaign(struct replica *r)
{
    gq_assert(takes_part(r));
    step(r, &(struct raft_event){ .kind = RAFT_CAMPAIGN });
}

/* What came before it in the turn goes first. */
int replica_transfer(struct replica *r, int32_t peer)
{
    if (takes_part(r))
        replica_cores_run(r->shard);
    if (!takes_part(r))
        return RAFT_E_NOT_LEADER;
    return step(r, &(struct raft_event){ .kind = RAFT_TRANSFER, .peer = peer });
}

bool replica_core_takes(const struct replica *r)
{
    return takes_part(r) && r->peers->leads && raft_transferee(r->raft) == RAFT_NONE && fleet_takes(&r->peers->member);
}

int32_t replica_leader(const struct replica *r)
{
    if (r->peers == NULL)
        return r->shard->broker_id;
    return takes_part(r) ? raft_leader(r->raft) : RAFT_NONE;
}

bool replica_leads(const struct replica *r)
{
    return r->peers == NULL || r->peers->leads;
}

void replica_image_lost(struct replica *r, int32_t peer)
{
    if (takes_part(r))
        step(r, &(struct raft_event){ .kind = RAFT_SNAPSHOT_FAILED, .peer = peer });
}

int replica_core_image(struct replica *r, const struct raft_message *m)
{
    const struct raft_update *u =
        fleet_step(&r->peers->member, &(struct raft_event){ .kind = RAFT_RECEIVE, .message = m });
    int rc = u->refused ? -EBADMSG : 0;

    act(r, u, NULL);
    return rc;
}

void replica_core_image_flushed(struct replica *r, uint64_t index, uint64_t term, uint32_t epoch)
{
    if (takes_part(r))
        fleet_note_log_flushed(&r->peers->member, index, term, epoch);
}

void replica_core_read(struct replica *r, struct replica_op *op)
{
    const struct raft_update *u = fleet_step(&r->peers->member, &(struct raft_event){ .kind = RAFT_READ });

    gq_assert(u->error == 0);
    op->ticket = u->read_ticket;
    op->read_index = UINT64_MAX;
    list_append(&r->peers->reads, &op->link);
    act(r, u, NULL);
}

void replica_core_state_flushed(struct replica *r, const struct journal_group_state *state)
{
    if (takes_part(r))
        fleet_note_state_flushed(&r->peers->member, state->term, state->vote);
}

void replica_core_compact(struct replica *r)
{
    uint64_t start = log_first_index(r->log) - 1;

    if (takes_part(r) && start > raft_start_index(r->raft))
        step(r, &(struct raft_event){ .kind = RAFT_COMPACT, .index = start });
}

bool replica_core_has_room(const struct replica *r, uint32_t size, bool *ret_of_all)
{
    const struct fleet_group *g = &r->peers->member;

    *ret_of_all = fleet_group_has_room(g, size);
    return *ret_of_all && fleet_has_room(g, size);
}

void replica_core_free(struct replica *r)
{
    if (r->peers == NULL) {
        raft_free(TAKE_PTR(r->raft));
    } else if (r->raft != NULL) {
        fleet_remove(&r->peers->member);
        r->raft = NULL;
        r->shard->n_cores--;
    }
}

void replica_core_leave(struct replica *r)
{
    struct list lost = LIST_INIT(lost);

    if (r->peers == NULL)
        return;
    replica_core_free(r);
    replica_cut_waiting(r, &lost);
    fail_commands(&lost);
    replica_change_lost(r);
}

/* ---- Entries ---- */

static bool append_in_fleet(struct replica *r, struct replica_entry *e)
{
    struct fleet_group *g = &r->peers->member;
    uint32_t size = (uint32_t)replica_entry_size(e);

    if (raft_last_index(r->raft) >= e->index) { /* a leader's first entry, which made it one */
        e->epoch = r->peers->epoch;
        return true;
    }
    if (e->header.type == ENTRY_CONFIG) {
        e->waits = true;
        return false;
    }
    gq_assert(e->index == raft_last_index(r->raft) + fleet_n_proposed(g) + 1);
    gq_assert((e->header.type == ENTRY_DATA ? fleet_propose(g, size) : fleet_propose_own(g, size)) == 0);
    e->waits = true;
    return false;
}

bool replica_core_append(struct replica *r, struct replica_entry *e)
{
    if (r->peers != NULL)
        return append_in_fleet(r, e);
    append_alone(r, e);
    return true;
}

void replica_core_propose_config(struct replica *r, const struct replica_members *members)
{
    struct raft_config config;
    struct raft_entry entry = { .config = &config };

    replica_members_config(members, &config);
    replica_put_config(r, members);
    entry.size = replica_size_of(r, r->last_index);
    gq_assert(step(r, &(struct raft_event){ .kind = RAFT_PROPOSE, .entries = &entry, .n_entries = 1 }) == 0);
}

void replica_core_flushed(struct replica *r, const struct replica_entry *e)
{
    uint64_t index = e->index;
    const struct raft_update *u;

    if (GQ_BUG(FLUSH_COUNTS_FOR_ALL) && r->raft != NULL)
        index = raft_last_index(r->raft);
    if (r->peers != NULL) {
        if (takes_part(r))
            fleet_note_log_flushed(&r->peers->member, index, e->term, e->epoch);
        return;
    }
    u = step_alone(
        r, &(struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = index, .term = e->term, .epoch = e->epoch });
    if (u->committed)
        replica_commit(r, MIN(u->commit, raft_flushed_index(r->raft)));
}
