/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "replica/internal.h"

/* What holds the journal's oldest files must let go of them: partitions with little above their checkpoint are
 * relocated as long as the journal has room for that, all others are stored and checkpointed, largest first. Entries
 * that aren't committed can only be relocated: they get the room of copies whose groups can be checkpointed. Where they
 * are too many for that, what they wait for to be committed needs no room in the journal's budget. */

#define RELOCATE_BYTES (64u << 10) /* from here on a checkpoint is cheaper */
#define MAX_RELOCATIONS 16u        /* of a shard at a time, so their memory is bounded */
#define STUCK_NS (500ull * 1000 * 1000)
#define FULL_INTERVAL_NS (10ull * 1000 * 1000)

struct pin {
    struct replica *replica;
    uint64_t index, bytes;
};

struct pins {
    struct replica_shard *shard;
    struct pin *all;
    size_t n, capacity;
};

/* Whose entry holds a file still; NULL. */
static struct replica *pinned_by(const struct replica_shard *shard, uint64_t group, uint64_t index)
{
    struct replica *r = shard->find(shard->ctx, group);

    return r != NULL && !r->destroyed && index > r->checkpoint_index ? r : NULL;
}

static void note_pin(void *ctx, uint64_t group, uint64_t index)
{
    struct pins *p = ctx;
    struct replica *r = pinned_by(p->shard, group, index);

    if (r == NULL)
        return;
    if (p->n == p->capacity) {
        p->capacity = MAX(p->capacity * 2, (size_t)16);
        p->all = xrealloc(p->all, p->capacity * sizeof(*p->all));
    }
    p->all[p->n++] = (struct pin){ r, index, replica_unstored_bytes(r) };
}

static int compare_bytes(const void *a, const void *b)
{
    const struct pin *x = a, *y = b;

    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* What it has can't be checkpointed before other voters agree, and who knows when that is. */
static bool awaits_commit(const struct replica *r)
{
    return r->peers != NULL && r->checkpoint_index == r->applied_index;
}

/* Copies that others take the place of count until then, but not where there is no other way. */
static uint64_t relocation_room(const struct replica_shard *shard, const struct replica *r)
{
    uint64_t room = journal_relocation_room(shard->journal, awaits_commit(r) ? r->group : 0);

    return room - MIN(room, shard->loading_size);
}

/* A full journal may lack the room for copies. */
static bool is_stuck(const struct replica_shard *shard)
{
    return journal_is_full(shard->journal) && shard->n_relocations > 0 &&
           shard->now_ns - shard->relocated_ns > STUCK_NS;
}

/* The smallest first, so that as many as possible are relocated. False: it has to be checkpointed. */
static bool relocate(struct replica_shard *shard, const struct pin *p)
{
    if (is_stuck(shard))
        return false;
    if (p->replica->relocation != NULL)
        return true;
    if ((p->bytes >= RELOCATE_BYTES && !awaits_commit(p->replica)) || !replica_can_relocate(p->replica) ||
        replica_relocation_size(p->replica) > relocation_room(shard, p->replica))
        return false;
    if (shard->n_relocations >= MAX_RELOCATIONS)
        shard->recycle_again = true;
    else
        replica_relocate(p->replica);
    return true;
}

static void give_way(void *ctx, uint64_t group, uint64_t index)
{
    struct replica_shard *shard = ctx;
    struct replica *r = pinned_by(shard, group, index);

    if (r != NULL && !awaits_commit(r))
        replica_checkpoint(r, index);
}

void replica_shard_recycle(struct replica_shard *shard)
{
    struct pins pins = { .shard = shard };
    bool lacks_room = false;

    shard->recycle_again = false;
    shard->recycled_ns = shard->now_ns;
    if (shard->dead)
        return;
    journal_pins(shard->journal, note_pin, &pins);
    if (pins.n > 0)
        qsort(pins.all, pins.n, sizeof(pins.all[0]), compare_bytes);
    for (size_t i = 0; i < pins.n; i++) {
        if (relocate(shard, &pins.all[i]))
            pins.all[i].replica = NULL;
    }
    for (size_t i = pins.n; i > 0; i--) {
        const struct pin *p = &pins.all[i - 1];

        if (p->replica == NULL)
            continue;
        lacks_room = lacks_room || awaits_commit(p->replica);
        replica_checkpoint(p->replica, p->index);
    }
    if (lacks_room)
        journal_copied(shard->journal, give_way, shard);
    free(pins.all);
}

uint64_t replica_recycle_poll(struct replica_shard *shard)
{
    bool is_full = journal_is_full(shard->journal);

    if ((shard->recycle_again && shard->n_relocations <= MAX_RELOCATIONS / 2) ||
        (is_full && shard->now_ns - shard->recycled_ns >= FULL_INTERVAL_NS))
        replica_shard_recycle(shard);
    return is_full ? shard->recycled_ns + FULL_INTERVAL_NS : UINT64_MAX;
}
