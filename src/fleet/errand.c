/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "fleet/internal.h"

/* What waits for the end of a turn, so that much that came for a group in the turn is one step of its core: proposals,
 * and what the journal's flush has of it. Only groups that have something hold an errand. */

static struct fleet_errand *errand_of(struct fleet_group *g)
{
    struct fleet *f = g->fleet;

    gq_assert(g->raft != NULL);
    if (g->errand == NULL) {
        g->errand = mem_pool_calloc(f->config.blocks, sizeof(*g->errand));
        g->errand->group = g;
        list_append(&f->errands, &g->errand->link);
    }
    return g->errand;
}

void fleet_errand_drop(struct fleet_group *g)
{
    struct fleet_errand *e = TAKE_PTR(g->errand);

    if (e == NULL)
        return;
    fleet_unuse(g->fleet, e->proposed_bytes);
    list_remove(&e->link);
    mem_pool_free(g->fleet->config.blocks, e, sizeof(*e));
}

/* ---- The budget ---- */

void fleet_use(struct fleet *f, uint64_t bytes)
{
    f->used_bytes += bytes;
}

void fleet_unuse(struct fleet *f, uint64_t bytes)
{
    gq_assert(bytes <= f->used_bytes);
    f->used_bytes -= bytes;
    f->room_made = f->room_made || bytes > 0;
}

static bool fits(uint64_t used, uint64_t size, uint64_t budget)
{
    return used == 0 || (used < budget && size <= budget - used);
}

bool fleet_group_has_room(const struct fleet_group *g, uint32_t size)
{
    uint64_t own = raft_uncommitted_bytes(g->raft) + (g->errand != NULL ? g->errand->proposed_bytes : 0);

    return fits(own, size, g->fleet->config.group_budget_bytes);
}

bool fleet_has_room(const struct fleet_group *g, uint32_t size)
{
    return fleet_group_has_room(g, size) && fits(g->fleet->used_bytes, size, g->fleet->config.budget_bytes);
}

bool fleet_room_made(struct fleet *f)
{
    bool made = f->room_made;

    f->room_made = false;
    return made;
}

/* ---- Proposals ---- */

uint32_t fleet_n_proposed(const struct fleet_group *g)
{
    return g->errand != NULL ? g->errand->n_proposed : 0;
}

/* What waits for a term that is over has indexes that may be given anew: that it is void has to be told first. */
bool fleet_takes(const struct fleet_group *g)
{
    return raft_role(g->raft) == RAFT_LEADER &&
           (fleet_n_proposed(g) == 0 || g->errand->proposed_term == raft_term(g->raft));
}

int fleet_propose(struct fleet_group *g, uint32_t size)
{
    if (fleet_takes(g) && !fleet_has_room(g, size))
        return RAFT_E_BUSY;
    return fleet_propose_own(g, size);
}

int fleet_propose_own(struct fleet_group *g, uint32_t size)
{
    struct fleet_errand *e;

    if (!fleet_takes(g))
        return RAFT_E_NOT_LEADER;
    e = errand_of(g);
    e->proposed_term = raft_term(g->raft);
    e->proposed_bytes += size;
    e->n_proposed++;
    fleet_use(g->fleet, size);
    return 0;
}

/* All that waits is void, by an event that does no harm: the caller gets an update that says where the group stands. */
static const struct raft_update *refuse(struct fleet_group *g)
{
    GQ_MARK(FLEET_PROPOSAL_VOID);
    fleet_run(g, &(struct raft_event){ .kind = RAFT_TICK });
    g->fleet->update.error = RAFT_E_NOT_LEADER;
    return &g->fleet->update;
}

static const struct raft_update *propose(struct fleet_errand *e)
{
    struct fleet_group *g = e->group;
    struct fleet *f = g->fleet;
    uint32_t n = MIN(e->n_proposed, (uint32_t)FLEET_MAX_BATCH);
    uint64_t bytes = 0;
    const struct raft_update *u;

    if (raft_role(g->raft) != RAFT_LEADER || raft_term(g->raft) != e->proposed_term) {
        u = refuse(g);
    } else {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t size = f->config.entry_size(g, raft_last_index(g->raft) + 1 + i);

            f->batch[i] = (struct raft_entry){ .size = size };
            bytes += size;
        }
        u = fleet_run(g, &(struct raft_event){ .kind = RAFT_PROPOSE, .entries = f->batch, .n_entries = n });
    }
    if (u->error != 0) {
        fleet_unuse(f, e->proposed_bytes);
        e->n_proposed = 0;
        e->proposed_bytes = 0;
        return u;
    }
    gq_assert(bytes <= e->proposed_bytes);
    e->n_proposed -= n;
    e->proposed_bytes -= bytes;
    f->used_bytes -= bytes; /* the core counts them now */
    return u;
}

/* ---- The journal ---- */

void fleet_note_state_flushed(struct fleet_group *g, uint64_t term, int32_t vote)
{
    struct fleet_errand *e = errand_of(g);

    e->state_flushed = true;
    e->state_term = term;
    e->vote = vote;
}

/* The journal's order makes the last one speak for those before: where it is void since a truncation, so are they. */
void fleet_note_log_flushed(struct fleet_group *g, uint64_t index, uint64_t term, uint32_t epoch)
{
    struct fleet_errand *e = errand_of(g);

    e->log_flushed = true;
    e->index = index;
    e->term = term;
    e->epoch = epoch;
}

/* ---- Handing over ---- */

void fleet_group_hand_over(struct fleet_group *g)
{
    if (raft_role(g->raft) == RAFT_LEADER)
        errand_of(g)->hand_over = true;
}

static int32_t successor(const struct fleet_group *g)
{
    struct raft_progress p;
    uint64_t most = 0;
    int32_t id = RAFT_NONE;

    for (uint32_t i = 0; raft_progress(g->raft, i, &p); i++)
        if ((p.roles & RAFT_VOTER) != 0 && p.match > most && fleet_heard_ns(g, p.id) != 0) {
            most = p.match;
            id = p.id;
        }
    return id;
}

bool fleet_errand_can_hand_over(struct fleet_group *g)
{
    return raft_role(g->raft) == RAFT_LEADER && successor(g) != RAFT_NONE;
}

static const struct raft_update *hand_over(struct fleet_group *g)
{
    struct raft_event event = { .kind = RAFT_TRANSFER };

    if (!fleet_errand_can_hand_over(g))
        return NULL;
    event.peer = successor(g);
    GQ_MARK(FLEET_HANDED_OVER);
    return fleet_run(g, &event);
}

/* ---- What is next ---- */

static bool take(bool *flag)
{
    bool was = *flag;

    *flag = false;
    return was;
}

/* NULL: there is nothing to step after all. */
static const struct raft_update *step(struct fleet_errand *e, enum raft_event_kind *ret_kind)
{
    struct raft_event event = { .kind = RAFT_STATE_FLUSHED, .term = e->state_term, .vote = e->vote };

    *ret_kind = RAFT_STATE_FLUSHED;
    if (take(&e->state_flushed))
        return fleet_run(e->group, &event);
    *ret_kind = RAFT_LOG_FLUSHED;
    event = (struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = e->index, .term = e->term, .epoch = e->epoch };
    if (take(&e->log_flushed))
        return fleet_run(e->group, &event);
    *ret_kind = RAFT_PROPOSE;
    if (e->n_proposed > 0)
        return propose(e);
    *ret_kind = RAFT_TRANSFER;
    return take(&e->hand_over) ? hand_over(e->group) : NULL;
}

bool fleet_next_errand(struct fleet *f, struct fleet_work *ret_work)
{
    struct fleet_errand *e;

    while ((e = list_first(&f->errands, struct fleet_errand, link)) != NULL) {
        ret_work->group = e->group;
        ret_work->update = step(e, &ret_work->kind);
        if (!e->state_flushed && !e->log_flushed && e->n_proposed == 0 && !e->hand_over)
            fleet_errand_drop(e->group);
        if (ret_work->update != NULL)
            return true;
    }
    return false;
}
