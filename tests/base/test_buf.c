/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/buf.h"

#include "base/suites.h"
#include "support/rand.h"

START_TEST(capacity_is_the_class)
{
    struct buf_pool p;
    static const struct {
        size_t wanted, given;
    } cases[] = { { 0, 512 },
                  { 1, 512 },
                  { 512, 512 },
                  { 513, 640 },
                  { 640, 640 },
                  { 641, 768 },
                  { 1000, 1024 },
                  { 1025, 1280 },
                  { 65536, 65536 },
                  { 65537, 81920 },
                  { 1 << 20, 1 << 20 },
                  { (1 << 20) - 1, 1 << 20 },
                  { (1 << 20) + 1, 5 << 18 },
                  { 8 << 20, 8 << 20 },
                  { (8 << 20) + 1, (8 << 20) + 64 },
                  { 9 << 20, 9 << 20 } };

    buf_pool_init(&p, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf *b = buf_new(&p, cases[i].wanted);

        ck_assert_uint_eq(b->capacity, cases[i].given);
        ck_assert_uint_gt(buf_footprint(cases[i].wanted), b->capacity);
        ck_assert_uint_le(buf_footprint(cases[i].wanted), b->capacity + 256);
        ck_assert_uint_eq(b->size, 0);
        ck_assert_uint_eq((uintptr_t)b->data % BUF_ALIGN, 0);
        memset(b->data, 0xaa, b->capacity);
        buf_unref(b);
    }
    ck_assert_uint_eq(buf_footprint(SIZE_MAX), SIZE_MAX);
    ck_assert_ptr_null(buf_new(&p, SIZE_MAX));
    ck_assert_ptr_null(buf_new(&p, SIZE_MAX - 64));
    buf_unref(NULL);
    buf_pool_fini(&p);
}
END_TEST

START_TEST(pool_keeps_up_to_its_limit)
{
    struct buf_pool p;
    struct buf *a, *b, *c;

    buf_pool_init(&p, 2560);
    a = buf_new(&p, 1024);
    b = buf_new(&p, 1024);
    c = buf_new(&p, 512);
    ck_assert_uint_eq(p.used_bytes, 2560);
    buf_unref(a);
    buf_unref(c);
    ck_assert_uint_eq(p.kept.free_bytes, 1536);
    a = buf_new(&p, 640); /* not one of those: the larger one goes for its sake */
    ck_assert_uint_eq(p.kept.free_bytes, 512);
    c = buf_new(&p, 2048); /* more than all that may be kept */
    ck_assert_uint_eq(p.kept.free_bytes, 0);
    buf_unref(b);
    ck_assert_uint_eq(p.kept.free_bytes, 0);
    buf_unref(c);
    ck_assert_uint_eq(p.kept.free_bytes, 0);
    buf_unref(a);
    ck_assert_uint_eq(p.kept.free_bytes, 640);
    ck_assert_uint_eq(p.used_bytes, 0);
    a = buf_new(&p, 600);
    ck_assert_uint_eq(p.kept.free_bytes, 0);
    buf_unref(a);
    ck_assert_uint_eq(p.kept.free_bytes, 640);
    buf_pool_fini(&p);
}
END_TEST

START_TEST(trim_gives_back_what_nobody_missed)
{
    struct buf *bufs[8];
    struct buf_pool p;
    int rounds = 0;

    buf_pool_init(&p, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(bufs); i++)
        bufs[i] = buf_new(&p, 1024);
    for (size_t i = 0; i < ARRAY_SIZE(bufs); i++)
        buf_unref(bufs[i]);
    ck_assert(buf_pool_trim(&p)); /* all of them were needed since the start */
    ck_assert_uint_eq(p.kept.free_bytes, 8192);
    for (size_t i = 0; i < 4; i++)
        bufs[i] = buf_new(&p, 1024);
    for (size_t i = 0; i < 4; i++)
        buf_unref(bufs[i]);
    ck_assert(buf_pool_trim(&p)); /* of four that lay there two go */
    ck_assert_uint_eq(p.kept.free_bytes, 6144);
    while (buf_pool_trim(&p))
        ck_assert_int_lt(++rounds, 10);
    ck_assert_uint_eq(p.kept.free_bytes, 0);
    buf_pool_fini(&p);
}
END_TEST

/* A call gives back so many at most, however many there are, and the others of what is due when it is asked again. */
START_TEST(trim_goes_in_steps)
{
    static struct buf *bufs[1000];
    struct buf_pool p;
    size_t before;
    int steps = 1;

    buf_pool_init(&p, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(bufs); i++)
        bufs[i] = buf_new(&p, 1024);
    for (size_t i = 0; i < ARRAY_SIZE(bufs); i++)
        buf_unref(bufs[i]);
    ck_assert(buf_pool_trim(&p));
    ck_assert(!buf_pool_trim_on(&p));
    before = p.kept.free_bytes;
    ck_assert(buf_pool_trim(&p));
    ck_assert_uint_eq(before - p.kept.free_bytes, SURPLUS_STEP_BLOCKS * 1024);
    bufs[0] = buf_new(&p, 1024); /* of those that nobody needed: as many go as were due */
    buf_unref(bufs[0]);
    while (buf_pool_trim_on(&p))
        ck_assert_int_lt(++steps, 10);
    ck_assert_uint_eq(p.kept.free_bytes, before / 2);
    buf_pool_fini(&p);
}
END_TEST

START_TEST(last_reference_frees)
{
    struct buf_pool p;
    struct buf *b;

    buf_pool_init(&p, 4096);
    b = buf_new(&p, 100);
    ck_assert_ptr_eq(buf_ref(b), b);
    b->size = 17;
    buf_unref(b);
    ck_assert_uint_eq(p.used_bytes, 512);
    buf_unref(b);
    ck_assert_uint_eq(p.used_bytes, 0);
    ck_assert_ptr_eq(buf_new(&p, 100), b);
    ck_assert_uint_eq(b->size, 0);
    buf_unref(b);
    buf_pool_fini(&p);
}
END_TEST

START_TEST(chain_counts_references)
{
    struct buf_pool p;
    struct buf_chain c;
    struct buf *b;

    buf_pool_init(&p, 0);
    buf_chain_init(&c, NULL);
    b = buf_new(&p, 512);
    buf_chain_append(&c, b, b->data + 10, 5);
    buf_chain_append(&c, b, b->data + 20, 0);
    buf_chain_append(&c, NULL, (const uint8_t *)"static", 6);
    buf_chain_append(&c, b, b->data + 20, 5);
    ck_assert_uint_eq(b->refs, 3);
    ck_assert_uint_eq(c.n, 3);
    ck_assert_uint_eq(c.size, 16);
    buf_unref(b);
    buf_chain_fini(&c);
    ck_assert_uint_eq(c.size, 0);
    ck_assert_uint_eq(p.used_bytes, 0);
    buf_chain_fini(&c); /* twice is harmless */
    buf_pool_fini(&p);
}
END_TEST

START_TEST(adjacent_pieces_join)
{
    struct buf *b, *other;
    struct buf_pool p;
    struct buf_chain c;

    buf_pool_init(&p, 0);
    buf_chain_init(&c, NULL);
    b = buf_new(&p, 512);
    other = buf_new(&p, 512);
    buf_chain_append(&c, b, b->data, 5);
    buf_chain_append(&c, b, b->data + 5, 7);
    buf_chain_append(&c, b, b->data + 13, 7);
    buf_chain_append(&c, other, b->data + 20, 7); /* another buffer's, wherever it lies */
    ck_assert_uint_eq(c.n, 3);
    ck_assert_uint_eq(c.links[0].size, 12);
    ck_assert_ptr_eq(c.links[1].data, b->data + 13);
    ck_assert_uint_eq(c.links[1].size, 7);
    ck_assert_uint_eq(b->refs, 3);
    buf_chain_fini(&c);
    buf_unref(other);
    buf_unref(b);
    buf_pool_fini(&p);
}
END_TEST

/* A chain against a flat array, and against what its pool has: a second one of the same length allocates nothing. */
START_TEST(chain_equals_flat_bytes)
{
    static uint8_t flat[1 << 16];
    struct mem_pool blocks;
    struct buf_pool p;
    struct buf_chain c;
    struct rand r;
    size_t kept;

    rand_init(&r);
    buf_pool_init(&p, 1 << 16);
    mem_pool_init(&blocks, 1 << 16);
    for (int round = 0; round < 2; round++) {
        size_t tail = 0, at = 0;

        kept = blocks.kept.free_bytes;
        buf_chain_init(&c, &blocks);
        while (tail + 512 < sizeof(flat)) {
            struct buf *b = buf_new(&p, 512);
            size_t n = rand_below(&r, 513), cut = rand_below(&r, n + 1);

            rand_fill(&r, b->data, n);
            buf_chain_append(&c, b, b->data, cut);
            buf_chain_append(&c, b, b->data + cut, n - cut);
            memcpy(flat + tail, b->data, n);
            tail += n;
            ck_assert_uint_eq(c.size, tail);
            buf_unref(b);
        }
        for (uint32_t i = 0; i < c.n; at += c.links[i++].size)
            ck_assert_mem_eq(c.links[i].data, flat + at, c.links[i].size);
        ck_assert_uint_eq(at, tail);
        buf_chain_fini(&c);
        ck_assert_uint_eq(p.used_bytes, 0);
    }
    ck_assert_uint_gt(kept, 0);
    ck_assert_uint_eq(blocks.kept.free_bytes, kept);
    mem_pool_fini(&blocks);
    buf_pool_fini(&p);
}
END_TEST

Suite *buf_suite(void)
{
    Suite *s = suite_create("buf");

    suite_add(s, capacity_is_the_class);
    suite_add(s, pool_keeps_up_to_its_limit);
    suite_add(s, trim_gives_back_what_nobody_missed);
    suite_add(s, trim_goes_in_steps);
    suite_add(s, last_reference_frees);
    suite_add(s, chain_counts_references);
    suite_add(s, adjacent_pieces_join);
    suite_add(s, chain_equals_flat_bytes);
    return s;
}
