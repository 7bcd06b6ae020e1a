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
    ck_assert_uint_eq(p.free_bytes, 1536);
    a = buf_new(&p, 640); /* not one of those: the larger one goes for its sake */
    ck_assert_uint_eq(p.free_bytes, 512);
    c = buf_new(&p, 2048); /* more than all that may be kept */
    ck_assert_uint_eq(p.free_bytes, 0);
    buf_unref(b);
    ck_assert_uint_eq(p.free_bytes, 0);
    buf_unref(c);
    ck_assert_uint_eq(p.free_bytes, 0);
    buf_unref(a);
    ck_assert_uint_eq(p.free_bytes, 640);
    ck_assert_uint_eq(p.used_bytes, 0);
    a = buf_new(&p, 600);
    ck_assert_uint_eq(p.free_bytes, 0);
    buf_unref(a);
    ck_assert_uint_eq(p.free_bytes, 640);
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
    ck_assert_uint_eq(p.free_bytes, 8192);
    for (size_t i = 0; i < 4; i++)
        bufs[i] = buf_new(&p, 1024);
    for (size_t i = 0; i < 4; i++)
        buf_unref(bufs[i]);
    ck_assert(buf_pool_trim(&p)); /* of four that lay there two go */
    ck_assert_uint_eq(p.free_bytes, 6144);
    while (buf_pool_trim(&p))
        ck_assert_int_lt(++rounds, 10);
    ck_assert_uint_eq(p.free_bytes, 0);
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
    buf_chain_init(&c);
    b = buf_new(&p, 512);
    ck_assert_int_eq(buf_chain_append(&c, b, b->data + 10, 5), 0);
    ck_assert_int_eq(buf_chain_append(&c, b, b->data + 20, 0), 0);
    ck_assert_int_eq(buf_chain_append(&c, NULL, (const uint8_t *)"static", 6), 0);
    ck_assert_int_eq(buf_chain_append(&c, b, b->data + 20, 5), 0);
    ck_assert_uint_eq(b->refs, 3);
    ck_assert_uint_eq(c.size, 16);
    buf_chain_consume(&c, 4);
    ck_assert_uint_eq(b->refs, 3);
    buf_chain_consume(&c, 1);
    ck_assert_uint_eq(b->refs, 2);
    buf_unref(b);
    buf_chain_fini(&c);
    ck_assert_uint_eq(p.used_bytes, 0);
    buf_pool_fini(&p);
}
END_TEST

START_TEST(adjacent_pieces_join)
{
    struct buf_pool p;
    struct buf_chain c;
    struct iovec iov[4];
    struct buf *b;

    buf_pool_init(&p, 0);
    buf_chain_init(&c);
    b = buf_new(&p, 512);
    buf_chain_append(&c, b, b->data, 5);
    buf_chain_append(&c, b, b->data + 5, 7);
    buf_chain_append(&c, b, b->data + 13, 7);
    ck_assert_int_eq(buf_chain_iov(&c, iov, 4), 2);
    ck_assert_uint_eq(iov[0].iov_len, 12);
    ck_assert_ptr_eq(iov[1].iov_base, b->data + 13);
    ck_assert_int_eq(buf_chain_iov(&c, iov, 1), 1);
    ck_assert_int_eq(buf_chain_iov(&c, iov, 0), 0);
    ck_assert_uint_eq(b->refs, 3);
    buf_chain_fini(&c);
    buf_unref(b);
    buf_pool_fini(&p);
}
END_TEST

/* A chain against a flat array: append, consume, gather and copy in a random mix. */
START_TEST(chain_equals_flat_bytes)
{
    static uint8_t flat[1 << 16];
    uint8_t copy[600];
    size_t head = 0, tail = 0;
    struct buf_pool p;
    struct buf_chain c;
    struct rand r;

    rand_init(&r);
    buf_pool_init(&p, 1 << 16);
    buf_chain_init(&c);
    while (tail + 512 < sizeof(flat)) {
        if (rand_chance(&r, 1, 2)) {
            struct buf *b = buf_new(&p, 512);
            size_t n = rand_below(&r, 513), cut = rand_below(&r, n + 1);

            rand_fill(&r, b->data, n);
            ck_assert_int_eq(buf_chain_append(&c, b, b->data, cut), 0);
            ck_assert_int_eq(buf_chain_append(&c, b, b->data + cut, n - cut), 0);
            memcpy(flat + tail, b->data, n);
            tail += n;
            buf_unref(b);
        } else {
            size_t wanted = rand_below(&r, 600), n = MIN(wanted, tail - head);
            struct iovec iov[8];
            size_t at = head;

            for (int i = 0, n_iov = buf_chain_iov(&c, iov, 8); i < n_iov; at += iov[i++].iov_len)
                ck_assert_mem_eq(iov[i].iov_base, flat + at, iov[i].iov_len);
            buf_chain_copy(&c, copy, n);
            ck_assert_mem_eq(copy, flat + head, n);
            buf_chain_consume(&c, n);
            head += n;
        }
        ck_assert_uint_eq(c.size, tail - head);
    }
    buf_chain_fini(&c);
    ck_assert_uint_eq(p.used_bytes, 0);
    buf_pool_fini(&p);
}
END_TEST

Suite *buf_suite(void)
{
    Suite *s = suite_create("buf");

    suite_add(s, capacity_is_the_class);
    suite_add(s, pool_keeps_up_to_its_limit);
    suite_add(s, trim_gives_back_what_nobody_missed);
    suite_add(s, last_reference_frees);
    suite_add(s, chain_counts_references);
    suite_add(s, adjacent_pieces_join);
    suite_add(s, chain_equals_flat_bytes);
    return s;
}
