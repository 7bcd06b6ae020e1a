/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"

#include <signal.h>
#include <sysexits.h>

#include "base/suites.h"

START_TEST(macros)
{
    int array[7];
    uint64_t big = ((uint64_t)1 << 40) + 1;

    ck_assert_uint_eq(ARRAY_SIZE(array), 7);
    ck_assert_uint_eq(ALIGN_UP(0u, 8), 0);
    ck_assert_uint_eq(ALIGN_UP(1u, 8), 8);
    ck_assert_uint_eq(ALIGN_UP(8u, 8), 8);
    ck_assert_uint_eq(ALIGN_UP(big, 4096), ((uint64_t)1 << 40) + 4096);
}
END_TEST

static int n_freed;

static void thing_free(int *p)
{
    (*p)++;
}
DEFINE_CLEANUP(int *, thing_free)

static int *make_thing(bool keep)
{
    _cleanup_(thing_freep) int *p = &n_freed;

    return keep ? TAKE_PTR(p) : NULL;
}

START_TEST(cleanup_frees_what_was_not_taken)
{
    n_freed = 0;
    ck_assert_ptr_eq(make_thing(true), &n_freed);
    ck_assert_int_eq(n_freed, 0);
    ck_assert_ptr_null(make_thing(false));
    ck_assert_int_eq(n_freed, 1);
}
END_TEST

START_TEST(allocation)
{
    static const char unterminated[3] = { 'a', 'b', 'c' };
    _cleanup_(freep) char *a = xstrdup("text");
    _cleanup_(freep) char *b = xstrndup(unterminated, 3);
    _cleanup_(freep) char *c = xstrndup("ab", 10);
    _cleanup_(freep) char *d = xasprintf("%d-%s", 5, "x");
    _cleanup_(freep) char *e = xmalloc(0);
    _cleanup_(freep) char *f = xcalloc(0, 5);
    _cleanup_(freep) char *g = xrealloc(NULL, 0);

    ck_assert_str_eq(a, "text");
    ck_assert_str_eq(b, "abc");
    ck_assert_str_eq(c, "ab");
    ck_assert_str_eq(d, "5-x");
    ck_assert(e != NULL && f != NULL && g != NULL);
}
END_TEST

START_TEST(broken_assertion_aborts)
{
    gq_assert(1 + 1 == 2);
    gq_assert(1 + 1 == 3);
}
END_TEST

START_TEST(exhausted_memory_exits)
{
    void *p = xcalloc(SIZE_MAX / 2, 3); /* the product overflows */

    free(p);
}
END_TEST

Suite *util_suite(void)
{
    Suite *s = suite_create("util");
    TCase *dies = tcase_create("dies");

    suite_add(s, macros);
    suite_add(s, cleanup_frees_what_was_not_taken);
    suite_add(s, allocation);
    suite_add_dying(s, broken_assertion_aborts, SIGABRT);
    tcase_add_exit_test(dies, exhausted_memory_exits, EX_OSERR);
    suite_add_tcase(s, dies);
    return s;
}
