/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Blocks of control structures that come and go at the pace of the work: what was given back is kept, by size, for
 * whoever asks next, so that a steady load allocates nothing and who rests holds nothing. A pool and its blocks belong
 * to one thread; others may use a block meanwhile. */

#include <stdbool.h>
#include <stddef.h>

#include "base/surplus.h"

#define MEM_POOL_MIN_SHIFT 6  /* 64 B */
#define MEM_POOL_MAX_SHIFT 17 /* 128 KiB; larger ones are allocated and freed one by one */
#define MEM_POOL_N_CLASSES (MEM_POOL_MAX_SHIFT - MEM_POOL_MIN_SHIFT + 1)

struct mem_block;

struct mem_pool {
    struct mem_block *free[MEM_POOL_N_CLASSES]; /* by size: powers of two */
    struct surplus kept;                        /* what is free */
    size_t max_bytes;                           /* of these: beyond it a block goes back to the system */
};

void mem_pool_init(struct mem_pool *p, size_t max_bytes);
/* Frees what is kept. Blocks in use stay valid, and may go to mem_pool_free() with NULL for the pool. */
void mem_pool_fini(struct mem_pool *p);
/* As buf_pool_trim() and buf_pool_trim_on(). */
bool mem_pool_trim(struct mem_pool *p);
bool mem_pool_trim_on(struct mem_pool *p);

/* A block of that size, its bytes undefined; ends the process when memory is out. Without a pool (NULL) both calls go
 * to the system. */
void *mem_pool_alloc(struct mem_pool *p, size_t size);
/* The same, but all zeros. */
void *mem_pool_calloc(struct mem_pool *p, size_t size);
/* size: as it was asked for. Takes NULL for a block. */
void mem_pool_free(struct mem_pool *p, void *block, size_t size);
