/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bump allocator: everything of one request is freed at once. A limit bounds what a request can make us allocate.
 * Owned by one thread. */

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    char *p, *end;              /* free room in the open block */
    size_t total_bytes;         /* handed out since the last reset, in units of the alignment */
    size_t limit_bytes;
};

void arena_init(struct arena *a, size_t limit_bytes);
void arena_fini(struct arena *a);

/* Frees all but one block of the usual size (8 KiB), which stays for the next request. */
void arena_reset(struct arena *a);

/* 16-byte aligned, not zeroed. NULL when the limit would be passed; size 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t size);
/* Zeroed array; NULL also when n * size overflows. */
void *arena_calloc(struct arena *a, size_t n, size_t size);
void *arena_memdup(struct arena *a, const void *data, size_t size);
