/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/internal.h"

#include "base/mark.h"

/* The shard's part of performance.write_cache_size: what is proposed and not yet in a segment lies in memory, and
 * beyond the budget Produce ops wait here. While a group has a waiting op all later ones of the group wait behind it;
 * groups take turns, one op each. Whoever is next and waits for room in the shard isn't passed by anyone, so a large
 * entry gets its room; whoever waits for its own group's part is passed by other groups. Groups with several voters
 * have the fleet's budget beside it, of what isn't committed: whoever waits for room there is passed by groups that are
 * not in the fleet. A follower lets messages go, as if they had got lost, while its journal can't hold more that isn't
 * committed. */

#define STATE_PART 4 /* of what partitions may have that isn't applied; beside it */

void replica_shard_set_budget(struct replica_shard *shard, uint64_t write_bytes, unsigned n_shards)
{
    shard->write_budget = (size_t)(write_bytes / n_shards);
    shard->group_budget = MIN((size_t)(write_bytes / 2), shard->write_budget);
}

void replica_charge(const struct replica_entry *e)
{
    e->replica->pending_bytes += e->cost;
    e->shard->pending_bytes += e->cost;
}

void replica_uncharge(struct replica_entry *e)
{
    if (e->unapplied)
        replica_note_applied(e);
    gq_assert(e->cost <= e->replica->pending_bytes && e->cost <= e->shard->pending_bytes);
    e->replica->pending_bytes -= e->cost;
    e->shard->pending_bytes -= e->cost;
    e->shard->room_made = true;
}

static uint64_t *unapplied_bytes(const struct replica *r)
{
    return r->machine != NULL ? &r->shard->unapplied_state_bytes : &r->shard->unapplied_bytes;
}

/* Metadata has a part of its own: it is what tells a node that it is no member of a group any more, whose last entries
 * it would hold for ever. */
static uint64_t unapplied_budget(const struct replica *r)
{
    return r->machine != NULL ? r->shard->unapplied_budget / STATE_PART : r->shard->unapplied_budget;
}

void replica_note_unapplied(struct replica_entry *e)
{
    e->unapplied = true;
    *unapplied_bytes(e->replica) += journal_relocation_size(1, replica_entry_size(e));
}

void replica_note_applied(struct replica_entry *e)
{
    uint64_t size = journal_relocation_size(1, replica_entry_size(e)), *bytes = unapplied_bytes(e->replica);

    gq_assert(size <= *bytes);
    e->unapplied = false;
    *bytes -= size;
}

bool replica_is_awaited(uint64_t term, uint64_t leader_term, size_t envelope_size)
{
    return term < leader_term || envelope_size == ENTRY_HEADER_SIZE;
}

/* What is committed holds the journal's files no longer than one's own does. */
uint32_t replica_entries_that_fit(const struct replica *r, const struct replica_message *m)
{
    uint64_t used = *unapplied_bytes(r), budget = unapplied_budget(r), index = m->raft.index + 1;
    uint32_t n = 0;

    for (; n < m->raft.n_entries; n++, index++) {
        const struct replica_message_entry *e = &m->entries[n];
        uint64_t envelope = e->head.size + e->batches.size, size = journal_relocation_size(1, envelope);
        bool is_new = index > r->last_index && index > m->raft.commit;

        if (is_new && !replica_is_awaited(e->term, m->raft.term, envelope) && used > 0 && used + size > budget)
            break;
        used += is_new ? size : 0;
    }
    return n;
}

bool replica_shard_is_pressed(const struct replica_shard *shard)
{
    return shard->pending_bytes >= shard->write_budget / 2 || !list_is_empty(&shard->held);
}

/* What is larger than all of it is let in alone. */
static bool group_fits(const struct replica *r, size_t size)
{
    return r->pending_bytes == 0 || r->pending_bytes + size <= r->shard->group_budget;
}

static bool shard_fits(const struct replica_shard *shard, size_t size)
{
    return shard->pending_bytes == 0 || shard->pending_bytes + size <= shard->write_budget;
}

enum admission {
    ADMITTED,
    GROUP_IS_FULL,
    FLEET_IS_FULL,
    SHARD_IS_FULL,
};

static enum admission core_admits(const struct replica *r, const struct replica_op *op)
{
    bool of_all;

    if (r->peers == NULL || !replica_core_takes(r)) /* else it is refused for that */
        return ADMITTED;
    if (replica_core_has_room(r, replica_produce_size(op), &of_all))
        return r->shard->fleet_full ? FLEET_IS_FULL : ADMITTED;
    return of_all ? FLEET_IS_FULL : GROUP_IS_FULL;
}

/* Notes what is full of what all share. */
static enum admission admit(const struct replica *r, const struct replica_op *op)
{
    size_t size = replica_produce_cost(op);
    enum admission a;

    if (!group_fits(r, size))
        return GROUP_IS_FULL;
    a = core_admits(r, op);
    if (a == ADMITTED && !shard_fits(r->shard, size))
        a = SHARD_IS_FULL;
    r->shard->fleet_full = r->shard->fleet_full || a == FLEET_IS_FULL;
    r->shard->full = r->shard->full || a == SHARD_IS_FULL;
    return a;
}

bool replica_has_room(struct replica *r, const struct replica_op *op)
{
    return list_is_empty(&r->waiters->held) && !r->shard->full && admit(r, op) == ADMITTED;
}

void replica_hold(struct replica *r, struct replica_op *op)
{
    GQ_MARK(REPLICA_HELD);
    op->produce.held = true;
    list_append(&wait_on(r)->held, &op->link);
    r->shard->n_held++;
    r->shard->n_waits++;
    if (!list_is_linked(&r->waiters->held_link))
        list_append(&r->shard->held, &r->waiters->held_link);
}

static void take_out(struct replica *r, struct replica_op *op)
{
    op->produce.held = false;
    list_remove(&op->link);
    r->shard->n_held--;
    if (list_is_empty(&r->waiters->held))
        list_remove(&r->waiters->held_link);
}

void replica_unhold(struct replica *r, struct replica_op *op, int16_t error, const char *message)
{
    if (!op->produce.held)
        return;
    take_out(r, op);
    replica_note_refusal(r, op);
    replica_finish(r, op, error, message);
    r->shard->room_made = true; /* others may have waited for this one */
}

void replica_unhold_all(struct replica *r, int16_t error)
{
    struct replica_op *op;

    while ((op = list_first(&r->waiters->held, struct replica_op, link)) != NULL)
        replica_unhold(r, op, error, NULL);
}

static enum admission admit_first(struct replica *r)
{
    struct replica_op *op = list_first(&r->waiters->held, struct replica_op, link);
    enum admission a = replica_shard_shortage(r->shard) == 0 ? admit(r, op) : ADMITTED;

    if (a == ADMITTED) {
        take_out(r, op);
        replica_produce_held(r, op);
    }
    return a;
}

void replica_admit_held(struct replica_shard *shard)
{
    struct list passed = LIST_INIT(passed);
    struct replica_waiters *w;

    if (shard->n_cores > 0 && fleet_room_made(shard->fleet))
        shard->room_made = true;
    if (list_is_empty(&shard->held) || !(shard->room_made || replica_shard_shortage(shard) != 0))
        return;
    shard->room_made = shard->full = shard->fleet_full = false;
    while (!shard->full && (w = list_first(&shard->held, struct replica_waiters, held_link)) != NULL) {
        switch (admit_first(w->replica)) {
        case ADMITTED:
            if (list_is_linked(&w->held_link)) { /* has more: behind the others */
                list_remove(&w->held_link);
                list_append(&shard->held, &w->held_link);
            }
            break;
        case GROUP_IS_FULL:
        case FLEET_IS_FULL:
            list_remove(&w->held_link);
            list_append(&passed, &w->held_link);
            break;
        case SHARD_IS_FULL:
            break;
        }
    }
    /* Who was passed comes first next time. */
    list_splice(&passed, &shard->held);
    list_splice(&shard->held, &passed);
}
