/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mem_pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* A block that nobody may touch: under the sanitizer whoever does is found as if it had been freed. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#endif

#define MIN_SIZE ((size_t)1 << MEM_POOL_MIN_SHIFT)
#define MAX_SIZE ((size_t)1 << MEM_POOL_MAX_SHIFT)

struct mem_block {
    struct mem_block *next;
};

void mem_pool_init(struct mem_pool *p, size_t max_bytes)
{
    *p = (struct mem_pool){ .max_bytes = max_bytes };
}

static unsigned class_of(size_t size)
{
    return size <= MIN_SIZE ? 0 : 64 - (unsigned)__builtin_clzll(size - 1) - MEM_POOL_MIN_SHIFT;
}

static size_t class_size(unsigned class_index)
{
    return MIN_SIZE << class_index;
}

static void *take_free(struct mem_pool *p, unsigned class_index)
{
    struct mem_block *b = p->free[class_index];

    ASAN_UNPOISON_MEMORY_REGION(b, class_size(class_index));
    p->free[class_index] = b->next;
    surplus_take(&p->kept, class_size(class_index));
    return b;
}

static void shrink(struct mem_pool *p, size_t target, size_t max_blocks)
{
    for (unsigned i = MEM_POOL_N_CLASSES; i-- > 0 && p->kept.free_bytes > target;) {
        for (; p->free[i] != NULL && p->kept.free_bytes > target && max_blocks > 0; max_blocks--)
            free(take_free(p, i));
    }
}

void mem_pool_fini(struct mem_pool *p)
{
    shrink(p, 0, SIZE_MAX);
}

bool mem_pool_trim_on(struct mem_pool *p)
{
    size_t from = p->kept.free_bytes, due = p->kept.due_bytes;

    shrink(p, surplus_target(&p->kept), SURPLUS_STEP_BLOCKS);
    surplus_stepped(&p->kept, from, due);
    return p->kept.due_bytes > 0;
}

bool mem_pool_trim(struct mem_pool *p)
{
    surplus_halve(&p->kept);
    (void)mem_pool_trim_on(p);
    return p->kept.free_bytes > 0;
}

void *mem_pool_alloc(struct mem_pool *p, size_t size)
{
    unsigned i = class_of(size);

    if (p == NULL || size > MAX_SIZE)
        return xmalloc(size);
    return p->free[i] != NULL ? take_free(p, i) : xmalloc(class_size(i));
}

void *mem_pool_calloc(struct mem_pool *p, size_t size)
{
    return memset(mem_pool_alloc(p, size), 0, size);
}

void mem_pool_free(struct mem_pool *p, void *block, size_t size)
{
    unsigned i = class_of(size);
    struct mem_block *b = block;

    if (b == NULL)
        return;
    if (p == NULL || size > MAX_SIZE || p->kept.free_bytes + class_size(i) > p->max_bytes) {
        free(b);
        return;
    }
    b->next = p->free[i];
    p->free[i] = b;
    p->kept.free_bytes += class_size(i);
    ASAN_POISON_MEMORY_REGION(b, class_size(i));
}
