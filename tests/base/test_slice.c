/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/slice.h"

#include "base/suites.h"

START_TEST(null_is_not_empty)
{
    ck_assert(slice_is_null(SLICE_NULL));
    ck_assert(slice_is_null(slice_str(NULL)));
    ck_assert(!slice_is_null(slice_str("")));
    ck_assert(!slice_eq(SLICE_NULL, slice_str("")));
    ck_assert(slice_eq(SLICE_NULL, slice_str(NULL)));
    ck_assert(slice_eq(slice_str(""), slice_make("x", 0)));
}
END_TEST

START_TEST(equal_by_bytes)
{
    ck_assert(slice_eq_str(slice_make("abcd", 3), "abc"));
    ck_assert(!slice_eq_str(slice_make("abcd", 4), "abc"));
    ck_assert(!slice_eq_str(slice_make("abx", 3), "abc"));
    ck_assert(slice_eq(slice_make("a\0b", 3), slice_make("a\0b", 3)));
    ck_assert(!slice_eq(slice_make("a\0b", 3), slice_make("a\0c", 3)));
}
END_TEST

Suite *slice_suite(void)
{
    Suite *s = suite_create("slice");

    suite_add(s, null_is_not_empty);
    suite_add(s, equal_by_bytes);
    return s;
}
