/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Blocks of one size in pages of their own. Whoever gives a block back gives its memory back to the system, whatever
 * lives on around it; a heap would keep it for as long as anything small lies behind. That costs a system call, and
 * page faults for the next one: for what is kept elsewhere while it is wanted. Owned by one thread; others may use a
 * block meanwhile. */

#include <stddef.h>

#include "base/list.h"

#define SLAB_N_BLOCKS 64
#define SLAB_ALIGN 64

struct slab;

struct slab_class {
    struct list open; /* slabs in which a block is free */
    size_t block_bytes;
};

/* block_bytes: a multiple of SLAB_ALIGN. There is nothing to end: a slab goes with its last block. */
void slab_class_init(struct slab_class *c, size_t block_bytes);
/* Aligned to SLAB_ALIGN, its bytes undefined. NULL when memory is out. ret_slab: for slab_free(). */
void *slab_alloc(struct slab_class *c, struct slab **ret_slab);
void slab_free(struct slab *s, void *block);
