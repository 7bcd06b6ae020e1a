/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/ring.h"

#include "base/util.h"

void ring_init(struct ring *r, size_t capacity)
{
    size_t n = 1;

    while (n < capacity)
        gq_assert(!mul_overflows(n, (size_t)2, &n));
    r->slots = xcalloc(n, sizeof(*r->slots));
    r->mask = n - 1;
    r->head = r->tail = 0;
}

void ring_fini(struct ring *r)
{
    free(r->slots);
    *r = (struct ring){ 0 };
}

bool ring_push(struct ring *r, void *p)
{
    if (ring_count(r) > r->mask)
        return false;
    r->slots[r->tail++ & r->mask] = p;
    return true;
}

void *ring_pop(struct ring *r)
{
    return r->head != r->tail ? r->slots[r->head++ & r->mask] : NULL;
}

void *ring_at(const struct ring *r, size_t i)
{
    gq_assert(i < ring_count(r));
    return r->slots[(r->head + i) & r->mask];
}
