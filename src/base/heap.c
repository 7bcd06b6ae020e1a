/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/heap.h"

#include "base/util.h"

#define MIN_CAPACITY 16

void heap_init(struct heap *h)
{
    *h = (struct heap){ 0 };
}

void heap_fini(struct heap *h)
{
    free(h->nodes);
    *h = (struct heap){ 0 };
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void place(struct heap *h, struct heap_node *n, size_t pos)
{
    h->nodes[pos] = n;
    n->pos = pos;
}

/* Moves n, which stands in for whatever was at pos, towards the root. */
static void sift_up(struct heap *h, struct heap_node *n, size_t pos)
{
    while (pos > 0) {
        size_t parent = (pos - 1) / 2;

        if (!before(n, h->nodes[parent]))
            break;
        place(h, h->nodes[parent], pos);
        pos = parent;
    }
    place(h, n, pos);
}

static void sift_down(struct heap *h, struct heap_node *n, size_t pos)
{
    for (;;) {
        size_t child = 2 * pos + 1;

        if (child >= h->count)
            break;
        if (child + 1 < h->count && before(h->nodes[child + 1], h->nodes[child]))
            child++;
        if (!before(h->nodes[child], n))
            break;
        place(h, h->nodes[child], pos);
        pos = child;
    }
    place(h, n, pos);
}

static void settle(struct heap *h, struct heap_node *n, size_t pos)
{
    if (pos > 0 && before(n, h->nodes[(pos - 1) / 2]))
        sift_up(h, n, pos);
    else
        sift_down(h, n, pos);
}

void heap_insert(struct heap *h, struct heap_node *n, uint64_t key)
{
    gq_assert(n->pos == HEAP_NONE);
    if (h->count == h->capacity) {
        h->capacity = h->capacity > 0 ? h->capacity * 2 : MIN_CAPACITY;
        h->nodes = xrealloc(h->nodes, h->capacity * sizeof(*h->nodes));
    }
    n->key = key;
    n->seq = h->next_seq++;
    sift_up(h, n, h->count++);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    struct heap_node *last;
    size_t pos = n->pos;

    if (pos == HEAP_NONE)
        return;
    gq_assert(pos < h->count && h->nodes[pos] == n);
    n->pos = HEAP_NONE;
    last = h->nodes[--h->count];
    if (last != n)
        settle(h, last, pos);
}

void heap_update(struct heap *h, struct heap_node *n, uint64_t key)
{
    if (n->pos == HEAP_NONE) {
        heap_insert(h, n, key);
        return;
    }
    gq_assert(n->pos < h->count && h->nodes[n->pos] == n);
    n->key = key;
    n->seq = h->next_seq++;
    settle(h, n, n->pos);
}
