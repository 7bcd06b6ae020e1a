/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/buf.h"

#include <assert.h>

#include "base/util.h"

#define CLASS_NONE BUF_N_CLASSES /* too large for a class: never kept */
#define HEADER_SIZE ALIGN_UP(sizeof(struct buf), BUF_ALIGN)
#define FRAME_SIZE (HEADER_SIZE + BUF_ALIGN) /* the allocator's own and what alignment costs, too */

/* Under the sanitizer each buffer is a block of its own, so that who writes or reads past one is found. */
#ifdef __SANITIZE_ADDRESS__
#define USES_SLABS false
#else
#define USES_SLABS true
#endif

static_assert(BUF_ALIGN % SLAB_ALIGN == 0 && HEADER_SIZE % SLAB_ALIGN == 0, "blocks of a slab are aligned");

#define MIN_LINKS 10 /* of a chain: 240 B */
#define STEPS (1u << BUF_CLASS_STEP_BITS)

/* Class 0 has the least size; then there are STEPS classes between each power of two and the next. */
static size_t class_size(uint32_t class_index)
{
    uint32_t doublings = (class_index - 1) / STEPS, steps = (class_index - 1) % STEPS + 1;

    if (class_index == 0)
        return (size_t)1 << BUF_CLASS_MIN_SHIFT;
    return (size_t)(STEPS + steps) << (BUF_CLASS_MIN_SHIFT + doublings - BUF_CLASS_STEP_BITS);
}

void buf_pool_init(struct buf_pool *p, size_t max_bytes)
{
    *p = (struct buf_pool){ .max_bytes = max_bytes };
    for (uint32_t i = 0; i < BUF_N_SLAB_CLASSES; i++)
        slab_class_init(&p->slabs[i], HEADER_SIZE + class_size(i));
}

void buf_pool_set_max(struct buf_pool *p, size_t max_bytes)
{
    p->max_bytes = max_bytes;
}

static struct buf *take_free(struct buf_pool *p, uint32_t class_index)
{
    struct buf *b = p->free[class_index];

    p->free[class_index] = b->next_free;
    surplus_take(&p->kept, b->capacity);
    return b;
}

static void destroy(struct buf *b)
{
    if (b->slab != NULL)
        slab_free(b->slab, b);
    else
        free(b);
}

/* Large ones first: that takes the fewest calls. */
static void shrink(struct buf_pool *p, size_t target, size_t max_blocks)
{
    for (uint32_t i = BUF_N_CLASSES; i-- > 0 && p->kept.free_bytes > target;) {
        for (; p->free[i] != NULL && p->kept.free_bytes > target && max_blocks > 0; max_blocks--)
            destroy(take_free(p, i));
    }
}

void buf_pool_fini(struct buf_pool *p)
{
    gq_assert(p->used_bytes == 0);
    shrink(p, 0, SIZE_MAX);
}

bool buf_pool_trim_on(struct buf_pool *p)
{
    size_t from = p->kept.free_bytes, due = p->kept.due_bytes;

    shrink(p, surplus_target(&p->kept), SURPLUS_STEP_BLOCKS);
    surplus_stepped(&p->kept, from, due);
    return p->kept.due_bytes > 0;
}

bool buf_pool_trim(struct buf_pool *p)
{
    surplus_halve(&p->kept);
    (void)buf_pool_trim_on(p);
    return p->kept.free_bytes > 0;
}

static uint32_t class_of(size_t capacity)
{
    uint32_t shift;

    if (capacity <= (size_t)1 << BUF_CLASS_MIN_SHIFT)
        return 0;
    if (capacity > (size_t)1 << BUF_CLASS_MAX_SHIFT)
        return CLASS_NONE;
    shift = 63 - (uint32_t)__builtin_clzll(capacity - 1); /* 2^shift < capacity ≤ 2^(shift + 1) */
    return (shift - BUF_CLASS_MIN_SHIFT) * STEPS + 1 +
           (uint32_t)((capacity - 1 - ((size_t)1 << shift)) >> (shift - BUF_CLASS_STEP_BITS));
}

/* Less than was wanted when there is no such size. */
static size_t real_capacity(size_t capacity, uint32_t class_index)
{
    return class_index == CLASS_NONE ? ALIGN_UP(capacity, BUF_ALIGN) : class_size(class_index);
}

static struct buf *alloc_buf(struct buf_pool *p, size_t capacity, uint32_t class_index)
{
    size_t size = real_capacity(capacity, class_index);
    struct slab *slab = NULL;
    struct buf *b;

    if (size < capacity || size > SIZE_MAX - HEADER_SIZE)
        return NULL;
    if (USES_SLABS && class_index < BUF_N_SLAB_CLASSES)
        b = slab_alloc(&p->slabs[class_index], &slab);
    else
        b = aligned_alloc(BUF_ALIGN, HEADER_SIZE + size);
    if (b == NULL)
        return NULL;
    b->slab = slab;
    b->class_index = class_index;
    b->capacity = size;
    b->data = (uint8_t *)b + HEADER_SIZE;
    return b;
}

/* What lies ready in other sizes makes room for a new buffer. */
static void keep_within_max(struct buf_pool *p)
{
    if (p->used_bytes + p->kept.free_bytes > p->max_bytes)
        shrink(p, p->max_bytes - MIN(p->used_bytes, p->max_bytes), SIZE_MAX);
}

struct buf *buf_new(struct buf_pool *p, size_t capacity)
{
    uint32_t class_index = class_of(capacity);
    struct buf *b;

    if (class_index != CLASS_NONE && p->free[class_index] != NULL)
        b = take_free(p, class_index);
    else
        b = alloc_buf(p, capacity, class_index);
    if (b == NULL)
        return NULL;
    b->refs = 1;
    b->size = 0;
    b->pool = p;
    b->next_free = NULL;
    b->release = NULL;
    p->used_bytes += b->capacity;
    keep_within_max(p);
    return b;
}

size_t buf_footprint(size_t capacity)
{
    size_t size = real_capacity(capacity, class_of(capacity));

    return size < capacity || size > SIZE_MAX - FRAME_SIZE ? SIZE_MAX : size + FRAME_SIZE;
}

size_t buf_memory(const struct buf *b)
{
    return b->capacity + FRAME_SIZE;
}

struct buf *buf_ref(struct buf *b)
{
    gq_assert(b->refs > 0 && b->refs < UINT32_MAX);
    b->refs++;
    return b;
}

static void give_back(struct buf *b)
{
    struct buf_pool *p = b->pool;

    p->used_bytes -= b->capacity;
    if (b->class_index == CLASS_NONE || p->used_bytes + p->kept.free_bytes + b->capacity > p->max_bytes) {
        destroy(b);
        return;
    }
    b->next_free = p->free[b->class_index];
    p->free[b->class_index] = b;
    p->kept.free_bytes += b->capacity;
}

void buf_unref(struct buf *b)
{
    if (b == NULL)
        return;
    gq_assert(b->refs > 0);
    if (--b->refs > 0)
        return;
    if (b->release != NULL)
        b->release(b);
    give_back(b);
}

void buf_chain_init(struct buf_chain *c, struct mem_pool *pool)
{
    *c = (struct buf_chain){ .pool = pool };
}

static size_t links_size(uint32_t n)
{
    return n * sizeof(struct buf_link);
}

size_t buf_chain_memory(const struct buf_chain *c)
{
    return links_size(c->capacity);
}

void buf_chain_fini(struct buf_chain *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        buf_unref(c->links[i].buf);
    mem_pool_free(c->pool, c->links, links_size(c->capacity));
    buf_chain_init(c, c->pool);
}

static void grow(struct buf_chain *c)
{
    uint32_t capacity = c->capacity > 0 ? c->capacity * 2 : MIN_LINKS;
    struct buf_link *links = mem_pool_alloc(c->pool, links_size(capacity));

    if (c->n > 0)
        memcpy(links, c->links, links_size(c->n));
    mem_pool_free(c->pool, c->links, links_size(c->capacity));
    c->links = links;
    c->capacity = capacity;
}

void buf_chain_append(struct buf_chain *c, struct buf *b, const uint8_t *data, size_t size)
{
    struct buf_link *last = c->n > 0 ? &c->links[c->n - 1] : NULL;

    if (size == 0)
        return;
    c->size += size;
    if (b != NULL && last != NULL && last->buf == b && last->data + last->size == data) {
        last->size += size; /* goes on where the last one ends: one piece less to send */
        return;
    }
    if (c->n == c->capacity)
        grow(c);
    c->links[c->n++] = (struct buf_link){ .buf = b != NULL ? buf_ref(b) : NULL, .data = data, .size = size };
}
