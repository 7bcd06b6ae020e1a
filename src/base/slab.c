/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/slab.h"

#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"

#define ALL_FREE UINT64_MAX

static_assert(SLAB_N_BLOCKS == 64, "a bit for each block");

struct slab {
    struct list link; /* in the class's, while a block is free */
    struct slab_class *class;
    uint8_t *blocks;
    uint64_t free; /* by the block's number */
};

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t slab_bytes(const struct slab_class *c)
{
    return ALIGN_UP(SLAB_N_BLOCKS * c->block_bytes, page_bytes());
}

void slab_class_init(struct slab_class *c, size_t block_bytes)
{
    gq_assert(block_bytes > 0 && block_bytes % SLAB_ALIGN == 0);
    list_init(&c->open);
    c->block_bytes = block_bytes;
}

static struct slab *slab_new(struct slab_class *c)
{
    void *blocks =
        mmap(NULL, slab_bytes(c), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct slab *s;

    if (blocks == MAP_FAILED)
        return NULL;
    /* A huge page would be there as soon as one of its blocks is. Where there are none this fails. */
    (void)madvise(blocks, slab_bytes(c), MADV_NOHUGEPAGE);
    s = xmalloc(sizeof(*s));
    *s = (struct slab){ .class = c, .blocks = blocks, .free = ALL_FREE };
    list_init(&s->link);
    list_prepend(&c->open, &s->link);
    return s;
}

static void destroy(struct slab *s)
{
    list_remove(&s->link);
    gq_assert(munmap(s->blocks, slab_bytes(s->class)) == 0);
    free(s);
}

void *slab_alloc(struct slab_class *c, struct slab **ret_slab)
{
    struct slab *s = list_first(&c->open, struct slab, link);
    unsigned i;

    if (s == NULL)
        s = slab_new(c);
    if (s == NULL)
        return NULL;
    i = (unsigned)__builtin_ctzll(s->free);
    s->free &= s->free - 1;
    if (s->free == 0)
        list_remove(&s->link);
    *ret_slab = s;
    return s->blocks + i * c->block_bytes;
}

/* Whether nothing in use lies between two places. */
static bool is_free(const struct slab *s, size_t from, size_t to)
{
    size_t size = s->class->block_bytes, first = from / size, last;

    if (from == to || first >= SLAB_N_BLOCKS)
        return true;
    last = MIN((to - 1) / size, (size_t)SLAB_N_BLOCKS - 1);
    return (~s->free >> first << (63 - last + first)) == 0;
}

/* The page where it begins may have another block's end, and that where it ends the beginning of others. */
static void drop_pages(const struct slab *s, size_t from, size_t to)
{
    size_t page = page_bytes(), first = ALIGN_DOWN(from, page), end = ALIGN_UP(to, page);

    if (!is_free(s, first, from))
        first += page;
    if (!is_free(s, to, end))
        end -= page;
    if (first < end)
        gq_assert(madvise(s->blocks + first, end - first, MADV_DONTNEED) == 0);
}

void slab_free(struct slab *s, void *block)
{
    size_t at = (size_t)((uint8_t *)block - s->blocks);
    uint64_t bit = UINT64_C(1) << at / s->class->block_bytes;

    gq_assert(at % s->class->block_bytes == 0 && (s->free & bit) == 0);
    s->free |= bit;
    if (s->free == ALL_FREE) {
        destroy(s);
        return;
    }
    if (!list_is_linked(&s->link))
        list_append(&s->class->open, &s->link);
    drop_pages(s, at, at + s->class->block_bytes);
}
