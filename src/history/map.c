/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history/map.h"

#include "base/hash.h"

#define MIN_SLOTS 16

void map_fini(struct map *m)
{
    free(m->slots);
    *m = (struct map){ 0 };
}

static size_t home_of(const struct map *m, uint64_t a, uint64_t b)
{
    return (size_t)hash_u64(a, b) & (m->n_slots - 1);
}

/* The slot with this key, or the free one where it belongs. */
static struct map_slot *probe(const struct map *m, uint64_t a, uint64_t b)
{
    size_t i = home_of(m, a, b);

    while (m->slots[i].is_used && (m->slots[i].a != a || m->slots[i].b != b))
        i = (i + 1) & (m->n_slots - 1);
    return &m->slots[i];
}

uint32_t *map_find(const struct map *m, uint64_t a, uint64_t b)
{
    struct map_slot *slot;

    if (m->count == 0)
        return NULL;
    slot = probe(m, a, b);
    return slot->is_used ? &slot->v : NULL;
}

static void grow(struct map *m)
{
    struct map_slot *old = m->slots;
    size_t n_old = m->n_slots;

    m->n_slots = n_old > 0 ? n_old * 2 : MIN_SLOTS;
    m->slots = xcalloc(m->n_slots, sizeof(*m->slots));
    for (size_t i = 0; i < n_old; i++)
        if (old[i].is_used)
            *probe(m, old[i].a, old[i].b) = old[i];
    free(old);
}

uint32_t *map_add(struct map *m, uint64_t a, uint64_t b, uint32_t v, bool *ret_is_new)
{
    struct map_slot *slot;

    if (m->count + 1 > m->n_slots - m->n_slots / 4)
        grow(m);
    slot = probe(m, a, b);
    *ret_is_new = !slot->is_used;
    if (!slot->is_used) {
        *slot = (struct map_slot){ .a = a, .b = b, .v = v, .is_used = true };
        m->count++;
    }
    return &slot->v;
}

/* Moves what follows back over the hole, so that every key is found from its home without a break. */
void map_remove(struct map *m, uint64_t a, uint64_t b)
{
    size_t mask = m->n_slots - 1, hole, i;

    gq_assert(m->count > 0);
    hole = (size_t)(probe(m, a, b) - m->slots);
    gq_assert(m->slots[hole].is_used);
    for (i = (hole + 1) & mask; m->slots[i].is_used; i = (i + 1) & mask) {
        size_t home = home_of(m, m->slots[i].a, m->slots[i].b);

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].is_used = false;
    m->count--;
}
