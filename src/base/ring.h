/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Fixed-capacity FIFO of pointers for one thread. Capacity is rounded up to a power of two. */

#include <stdbool.h>
#include <stddef.h>

struct ring {
    void **slots;
    size_t mask;
    size_t head, tail; /* count = tail - head */
};

void ring_init(struct ring *r, size_t capacity);
void ring_fini(struct ring *r);

static inline size_t ring_count(const struct ring *r)
{
    return r->tail - r->head;
}

/* False when full. */
bool ring_push(struct ring *r, void *p);
/* NULL when empty. */
void *ring_pop(struct ring *r);
/* i-th from the oldest; i < ring_count(). */
void *ring_at(const struct ring *r, size_t i);
