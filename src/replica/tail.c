/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/internal.h"

#define TAIL_MIN_CAPACITY 8

static void tail_resize(struct replica_tail *t, uint32_t capacity)
{
    struct replica_entry **slots = xmalloc(capacity * sizeof(*slots));

    for (uint32_t i = 0; i < t->count; i++)
        slots[i] = tail_at(t, i);
    free(t->slots);
    t->slots = slots;
    t->capacity = capacity;
    t->head = 0;
}

void tail_push(struct replica_tail *t, struct replica_entry *e)
{
    gq_assert(t->count == 0 || tail_at(t, t->count - 1)->index + 1 == e->index);
    if (t->count == t->capacity)
        tail_resize(t, MAX(t->capacity * 2, (uint32_t)TAIL_MIN_CAPACITY));
    t->slots[(t->head + t->count++) & (t->capacity - 1)] = e;
}

struct replica_entry *tail_at(const struct replica_tail *t, uint32_t i)
{
    gq_assert(i < t->count);
    return t->slots[(t->head + i) & (t->capacity - 1)];
}

struct replica_entry *tail_by_index(const struct replica_tail *t, uint64_t index)
{
    uint64_t first;

    if (t->count == 0)
        return NULL;
    first = tail_at(t, 0)->index;
    return index >= first && index - first < t->count ? tail_at(t, (uint32_t)(index - first)) : NULL;
}

uint32_t tail_find_offset(const struct replica_tail *t, int64_t offset)
{
    uint32_t low = 0, high = t->count;

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

struct replica_entry *tail_pop(struct replica_tail *t)
{
    struct replica_entry *e = tail_at(t, 0);

    t->head = (t->head + 1) & (t->capacity - 1);
    if (--t->count == 0)
        tail_fini(t);
    else if (t->count < t->capacity / 4 && t->capacity > TAIL_MIN_CAPACITY)
        tail_resize(t, t->capacity / 2);
    return e;
}

void tail_fini(struct replica_tail *t)
{
    free(t->slots);
    *t = (struct replica_tail){ 0 };
}
