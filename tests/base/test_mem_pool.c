/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mem_pool.h"

#include <string.h>

#include "base/suites.h"
#include "base/util.h"

START_TEST(blocks_come_back)
{
    struct mem_pool p;
    void *a, *b;

    mem_pool_init(&p, 1 << 20);
    a = mem_pool_alloc(&p, 65);
    b = mem_pool_alloc(&p, 128);
    memset(a, 1, 65);
    mem_pool_free(&p, a, 65);
    mem_pool_free(&p, b, 128);
    mem_pool_free(&p, NULL, 128);
    ck_assert_uint_eq(p.kept.free_bytes, 256);
    ck_assert_ptr_eq(mem_pool_alloc(&p, 100), b); /* of their size the last one first: it is in the cache */
    ck_assert_ptr_eq(mem_pool_alloc(&p, 128), a);
    ck_assert_uint_eq(p.kept.free_bytes, 0);
    mem_pool_free(&p, a, 128);
    mem_pool_free(NULL, b, 100);
    mem_pool_fini(&p);
    ck_assert_uint_eq(p.kept.free_bytes, 0);
}
END_TEST

START_TEST(sizes_have_their_own_lists)
{
    static const struct {
        size_t size, kept;
    } cases[] = { { 0, 64 },
                  { 1, 64 },
                  { 64, 64 },
                  { 65, 128 },
                  { 4096, 4096 },
                  { 4097, 8192 },
                  { (1 << MEM_POOL_MAX_SHIFT) - 1, 1 << MEM_POOL_MAX_SHIFT },
                  { 1 << MEM_POOL_MAX_SHIFT, 1 << MEM_POOL_MAX_SHIFT },
                  { (1 << MEM_POOL_MAX_SHIFT) + 1, 0 } };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct mem_pool p;
        uint8_t *a;

        mem_pool_init(&p, 1 << 20);
        a = mem_pool_alloc(&p, cases[i].size);
        memset(a, 1, MAX(cases[i].size, cases[i].kept));
        mem_pool_free(&p, a, cases[i].size);
        ck_assert_uint_eq(p.kept.free_bytes, cases[i].kept);
        a = mem_pool_calloc(&p, cases[i].size);
        ck_assert_uint_eq(p.kept.free_bytes, 0);
        for (size_t k = 0; k < cases[i].size; k++)
            ck_assert_uint_eq(a[k], 0);
        mem_pool_free(&p, a, cases[i].size);
        mem_pool_fini(&p);
    }
}
END_TEST

START_TEST(no_more_is_kept_than_the_bound)
{
    void *blocks[8];
    struct mem_pool p;

    mem_pool_init(&p, 5 * 64);
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        blocks[i] = mem_pool_alloc(&p, 64);
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        mem_pool_free(&p, blocks[i], 64);
    ck_assert_uint_eq(p.kept.free_bytes, 5 * 64);
    mem_pool_fini(&p);
}
END_TEST

START_TEST(an_idle_pool_gets_empty)
{
    void *blocks[8];
    struct mem_pool p;
    unsigned n = 0;

    mem_pool_init(&p, 1 << 20);
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        blocks[i] = mem_pool_alloc(&p, 64u << i);
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        mem_pool_free(&p, blocks[i], 64u << i);
    ck_assert(mem_pool_trim(&p));
    ck_assert_uint_gt(p.kept.free_bytes, 0);
    mem_pool_free(&p, mem_pool_alloc(&p, 64), 64); /* missed one of them */
    while (mem_pool_trim(&p))
        ck_assert_uint_lt(n++, 20);
    ck_assert_uint_eq(p.kept.free_bytes, 0);
}
END_TEST

START_TEST(what_is_in_use_stays)
{
    struct mem_pool p;
    void *a, *b;

    mem_pool_init(&p, 1 << 20);
    for (int i = 0; i < 10; i++) { /* both are in use between any two trims */
        a = mem_pool_alloc(&p, 64);
        b = mem_pool_alloc(&p, 1000);
        mem_pool_free(&p, a, 64);
        mem_pool_free(&p, b, 1000);
        mem_pool_trim(&p);
    }
    ck_assert_uint_eq(p.kept.free_bytes, 64 + 1024);
    mem_pool_fini(&p);
}
END_TEST

Suite *mem_pool_suite(void)
{
    Suite *s = suite_create("mem_pool");

    suite_add(s, blocks_come_back);
    suite_add(s, sizes_have_their_own_lists);
    suite_add(s, no_more_is_kept_than_the_bound);
    suite_add(s, an_idle_pool_gets_empty);
    suite_add(s, what_is_in_use_stays);
    return s;
}
