/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Intrusive binary min-heap over u64 keys (deadlines). Ties leave in insertion order. The heap owns its array of
 * pointers, the nodes stay the caller's. */

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    uint64_t seq;
    size_t pos; /* HEAP_NONE while not in a heap */
};

#define HEAP_NONE SIZE_MAX

struct heap {
    struct heap_node **nodes;
    size_t count, capacity;
    uint64_t next_seq;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h);

static inline void heap_node_init(struct heap_node *n)
{
    n->pos = HEAP_NONE;
}

static inline struct heap_node *heap_min(const struct heap *h)
{
    return h->count > 0 ? h->nodes[0] : NULL;
}

/* n must have been initialized and be in no heap. */
void heap_insert(struct heap *h, struct heap_node *n, uint64_t key);
/* Harmless on a node that is in no heap. */
void heap_remove(struct heap *h, struct heap_node *n);
/* Inserts, or moves a node that is in already; among equal keys it then counts as the newest. */
void heap_update(struct heap *h, struct heap_node *n, uint64_t key);
