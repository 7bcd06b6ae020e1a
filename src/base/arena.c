/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/arena.h"

#include "base/util.h"

#define ALIGN 16
#define BLOCK_ROOM 8176 /* with header and malloc's own a little over 8 KiB */

struct arena_block {
    struct arena_block *next;
    size_t room; /* bytes at data */
    _Alignas(ALIGN) char data[];
};

void arena_init(struct arena *a, size_t limit_bytes)
{
    *a = (struct arena){ .limit_bytes = limit_bytes };
}

static void free_blocks(struct arena_block *b)
{
    while (b != NULL) {
        struct arena_block *next = b->next;

        free(b);
        b = next;
    }
}

void arena_fini(struct arena *a)
{
    free_blocks(a->blocks);
    arena_init(a, a->limit_bytes);
}

static struct arena_block *take_usual_block(struct arena *a)
{
    for (struct arena_block **at = &a->blocks; *at != NULL; at = &(*at)->next) {
        struct arena_block *b = *at;

        if (b->room == BLOCK_ROOM) {
            *at = b->next;
            b->next = NULL;
            return b;
        }
    }
    return NULL;
}

static void open_block(struct arena *a, struct arena_block *b)
{
    a->p = b->data;
    a->end = b->data + b->room;
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = take_usual_block(a);

    free_blocks(a->blocks);
    arena_init(a, a->limit_bytes);
    if (kept != NULL) {
        a->blocks = kept;
        open_block(a, kept);
    }
}

static void *alloc_in_new_block(struct arena *a, size_t size)
{
    /* What is more than half of a usual block gets one of its own, so that the rest of the open one isn't lost. */
    bool own = size > BLOCK_ROOM / 2;
    size_t room = own ? size : BLOCK_ROOM;
    struct arena_block *b = malloc(sizeof(*b) + room);

    if (b == NULL)
        return NULL;
    b->room = room;
    b->next = a->blocks;
    a->blocks = b;
    if (own)
        return b->data;
    open_block(a, b);
    a->p += size;
    return b->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded = size > 0 ? ALIGN_UP(size, ALIGN) : ALIGN;
    void *p;

    if (rounded < size || a->total_bytes > a->limit_bytes || rounded > a->limit_bytes - a->total_bytes)
        return NULL;
    if (rounded <= (size_t)(a->end - a->p)) {
        p = a->p;
        a->p += rounded;
    } else {
        p = alloc_in_new_block(a, rounded);
    }
    if (p != NULL)
        a->total_bytes += rounded;
    return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
    size_t bytes;
    void *p;

    if (mul_overflows(n, size, &bytes))
        return NULL;
    p = arena_alloc(a, bytes);
    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

void *arena_memdup(struct arena *a, const void *data, size_t size)
{
    void *p = arena_alloc(a, size);

    if (p != NULL && size > 0)
        memcpy(p, data, size);
    return p;
}
