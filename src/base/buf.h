/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reference-counted byte buffers, a pool of them, and chains of slices that hold references.
 *
 * A buffer belongs to the thread that owns its pool: only that thread takes and drops references (the count is
 * not atomic). Other threads may read or fill the bytes while the owner holds a reference on their behalf. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem_pool.h"
#include "base/slab.h"
#include "base/surplus.h"

struct buf_pool;

struct buf {
    uint32_t refs;
    uint32_t class_index; /* size class in the pool */
    size_t capacity;      /* bytes at data */
    size_t size;          /* bytes used, kept by the user */
    struct buf_pool *pool;
    struct buf *next_free;
    struct slab *slab;              /* NULL: from the system's allocator */
    void (*release)(struct buf *b); /* NULL, or called with the last reference, before the buffer goes back */
    uint8_t *data;                  /* aligned to BUF_ALIGN */
};

#define BUF_ALIGN 64
#define BUF_CLASS_MIN_SHIFT 9  /* 512 B */
#define BUF_CLASS_MAX_SHIFT 23 /* 8 MiB; larger ones are allocated and freed one by one */
#define BUF_CLASS_STEP_BITS 2  /* four classes for each doubling: at most a quarter more than was asked for */
#define BUF_N_CLASSES (((BUF_CLASS_MAX_SHIFT - BUF_CLASS_MIN_SHIFT) << BUF_CLASS_STEP_BITS) + 1)
#define BUF_SLAB_SHIFT 17 /* 128 KiB: the system's allocator maps what is as large as that on its own */
#define BUF_N_SLAB_CLASSES ((BUF_SLAB_SHIFT - BUF_CLASS_MIN_SHIFT) << BUF_CLASS_STEP_BITS)

struct buf_pool {
    struct buf *free[BUF_N_CLASSES];
    struct slab_class slabs[BUF_N_SLAB_CLASSES]; /* of the smaller classes */
    struct surplus kept;                         /* what is free */
    size_t used_bytes;                           /* capacity of all buffers in use */
    size_t max_bytes;                            /* of both: beyond it free ones go back to the system */
};

void buf_pool_init(struct buf_pool *p, size_t max_bytes);
/* Buffers that come back from now on are kept within this. */
void buf_pool_set_max(struct buf_pool *p, size_t max_bytes);
/* About once a second: half of what nobody needed since the last call is to go, largest buffers first, and a step of it
 * goes. True: there is more to give back by and by. */
bool buf_pool_trim(struct buf_pool *p);
/* Goes on with that, soon after. True: there is more of it. */
bool buf_pool_trim_on(struct buf_pool *p);
/* All buffers must have come back. */
void buf_pool_fini(struct buf_pool *p);

/* A buffer with one reference, size 0, and capacity ≥ the wanted; NULL when memory is out. */
struct buf *buf_new(struct buf_pool *p, size_t capacity);
/* Memory that a buffer of this wanted capacity takes, with all that belongs to it: what budgets count. */
size_t buf_footprint(size_t capacity);
/* The same of one that is there. */
size_t buf_memory(const struct buf *b);
struct buf *buf_ref(struct buf *b);
/* Takes NULL. */
void buf_unref(struct buf *b);
DEFINE_CLEANUP(struct buf *, buf_unref)

/* A chain is a range of a log in memory: slices in order, each with a reference on the buffer it lies in (or none for
 * static data). Its links lie in one block of a pool of its owner's, so that a chain that grows allocates nothing in a
 * steady state; others may read them meanwhile. */
struct buf_link {
    struct buf *buf; /* may be NULL */
    const uint8_t *data;
    size_t size;
};

struct buf_chain {
    struct mem_pool *pool;
    struct buf_link *links;
    uint32_t n, capacity; /* links */
    size_t size;          /* bytes in all links */
};

/* pool: may be NULL. */
void buf_chain_init(struct buf_chain *c, struct mem_pool *pool);
void buf_chain_fini(struct buf_chain *c);
/* What its links take, without the buffers that they hold. */
size_t buf_chain_memory(const struct buf_chain *c);
/* Takes a reference on b of its own. */
void buf_chain_append(struct buf_chain *c, struct buf *b, const uint8_t *data, size_t size);
