/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/internal.h"

/* The ring fills its block: 6, 14, 30, … places. */
#define TAIL_MIN_SIZE ((size_t)1 << MEM_POOL_MIN_SHIFT)

static size_t slots_size(uint32_t capacity)
{
    return sizeof(struct replica_slots) + capacity * sizeof(struct replica_entry *);
}

static uint32_t position(const struct replica_slots *s, uint32_t i)
{
    uint32_t at = s->head + i;

    return at < s->capacity ? at : at - s->capacity;
}

/* size: of the block. */
static void resize(struct replica_tail *t, struct mem_pool *pool, size_t size)
{
    struct replica_slots *old = t->slots, *s = mem_pool_alloc(pool, size);

    s->capacity = (uint32_t)((size - sizeof(*s)) / sizeof(struct replica_entry *));
    s->head = 0;
    s->count = tail_count(t);
    for (uint32_t i = 0; i < s->count; i++)
        s->entries[i] = tail_at(t, i);
    if (old != NULL)
        mem_pool_free(pool, old, slots_size(old->capacity));
    t->slots = s;
}

void tail_push(struct replica_tail *t, struct replica_entry *e)
{
    struct replica_slots *s = t->slots;

    gq_assert(s == NULL || tail_at(t, s->count - 1)->index + 1 == e->index);
    if (s == NULL)
        resize(t, e->shard->blocks, TAIL_MIN_SIZE);
    else if (s->count == s->capacity)
        resize(t, e->shard->blocks, slots_size(s->capacity) * 2);
    s = t->slots;
    s->entries[position(s, s->count++)] = e;
}

uint32_t tail_find_offset(const struct replica_tail *t, int64_t offset)
{
    uint32_t low = 0, high = tail_count(t);

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct entry_header *h = &tail_at(t, mid)->header;

        if (h->first_offset + (int64_t)h->offset_count <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* One has left. */
static void shrink(struct replica_tail *t, struct mem_pool *pool)
{
    struct replica_slots *s = t->slots;
    size_t size = slots_size(s->capacity);

    if (--s->count == 0)
        mem_pool_free(pool, TAKE_PTR(t->slots), size);
    else if (s->count < s->capacity / 4 && size > TAIL_MIN_SIZE)
        resize(t, pool, size / 2);
}

struct replica_entry *tail_pop(struct replica_tail *t)
{
    struct replica_entry *e = tail_at(t, 0);

    t->slots->head = position(t->slots, 1);
    shrink(t, e->shard->blocks);
    return e;
}

struct replica_entry *tail_pop_last(struct replica_tail *t)
{
    struct replica_entry *e = tail_at(t, tail_count(t) - 1);

    shrink(t, e->shard->blocks);
    return e;
}
