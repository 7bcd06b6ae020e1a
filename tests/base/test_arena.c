/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/suites.h"
#include "support/rand.h"

START_TEST(pieces_are_aligned_and_apart)
{
    struct arena a;
    struct rand r;
    uint8_t *pieces[500];
    size_t sizes[500];

    rand_init(&r);
    arena_init(&a, SIZE_MAX);
    for (int i = 0; i < 500; i++) {
        sizes[i] = rand_below(&r, rand_chance(&r, 1, 20) ? 20000 : 300);
        pieces[i] = arena_alloc(&a, sizes[i]);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], i & 0xff, sizes[i]);
    }
    for (int i = 0; i < 500; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            ck_assert_uint_eq(pieces[i][k], i & 0xff);
    arena_fini(&a);
}
END_TEST

START_TEST(limit_holds)
{
    struct arena a;

    arena_init(&a, 1024);
    ck_assert_ptr_null(arena_alloc(&a, 1025));
    ck_assert_ptr_nonnull(arena_alloc(&a, 1008));
    ck_assert_uint_eq(a.total_bytes, 1008);
    ck_assert_ptr_null(arena_alloc(&a, 17));
    ck_assert_ptr_nonnull(arena_alloc(&a, 16));
    ck_assert_ptr_null(arena_alloc(&a, 0));
    ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
    arena_reset(&a);
    ck_assert_ptr_nonnull(arena_alloc(&a, 1024));
    arena_fini(&a);
}
END_TEST

START_TEST(empty_piece_is_valid)
{
    struct arena a;
    void *p, *q;

    arena_init(&a, 100);
    p = arena_alloc(&a, 0);
    q = arena_memdup(&a, NULL, 0);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_nonnull(q);
    ck_assert_ptr_ne(p, q);
    arena_fini(&a);
}
END_TEST

START_TEST(calloc_zeroes_and_minds_overflow)
{
    struct arena a;
    uint8_t *p;

    arena_init(&a, SIZE_MAX);
    memset(arena_alloc(&a, 4000), 0xff, 4000);
    arena_reset(&a);
    p = arena_calloc(&a, 100, 40);
    for (int i = 0; i < 4000; i++)
        ck_assert_uint_eq(p[i], 0);
    ck_assert_ptr_null(arena_calloc(&a, SIZE_MAX / 2, 3));
    arena_fini(&a);
}
END_TEST

START_TEST(reset_keeps_one_block)
{
    struct arena a;
    void *first;

    arena_init(&a, SIZE_MAX);
    first = arena_alloc(&a, 100);
    arena_alloc(&a, 100000);
    arena_reset(&a);
    ck_assert_uint_eq(a.total_bytes, 0);
    ck_assert_ptr_eq(arena_alloc(&a, 100), first);
    arena_reset(&a);
    arena_reset(&a);
    ck_assert_ptr_eq(arena_memdup(&a, "abc", 4), first);
    ck_assert_str_eq(first, "abc");
    arena_fini(&a);
}
END_TEST

START_TEST(large_piece_leaves_the_open_block)
{
    struct arena a;
    char *before, *after;

    arena_init(&a, SIZE_MAX);
    before = arena_alloc(&a, 16);
    arena_alloc(&a, 8000);
    after = arena_alloc(&a, 16);
    ck_assert_ptr_eq(after, before + 16 + (after > before + 16 ? 8000 : 0));
    arena_alloc(&a, 100000);
    ck_assert_ptr_eq(arena_alloc(&a, 16), after + 16);
    arena_fini(&a);
}
END_TEST

Suite *arena_suite(void)
{
    Suite *s = suite_create("arena");

    suite_add(s, pieces_are_aligned_and_apart);
    suite_add(s, limit_holds);
    suite_add(s, empty_piece_is_valid);
    suite_add(s, calloc_zeroes_and_minds_overflow);
    suite_add(s, reset_keeps_one_block);
    suite_add(s, large_piece_leaves_the_open_block);
    return s;
}
