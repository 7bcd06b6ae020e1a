/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/histogram.h"

#include <math.h>
#include <stdlib.h>

#include "base/suites.h"
#include "support/rand.h"

static struct histogram h, other;

START_TEST(empty_is_zero)
{
    histogram_init(&h);
    ck_assert_uint_eq(histogram_quantile(&h, 0), 0);
    ck_assert_uint_eq(histogram_quantile(&h, 1), 0);
}
END_TEST

START_TEST(small_values_are_exact)
{
    histogram_init(&h);
    for (uint64_t v = 1; v <= 10; v++)
        histogram_add(&h, v);
    ck_assert_uint_eq(histogram_quantile(&h, 0), 1);
    ck_assert_uint_eq(histogram_quantile(&h, 0.1), 1);
    ck_assert_uint_eq(histogram_quantile(&h, 0.11), 2);
    ck_assert_uint_eq(histogram_quantile(&h, 0.5), 5);
    ck_assert_uint_eq(histogram_quantile(&h, 0.99), 10);
    ck_assert_uint_eq(histogram_quantile(&h, 1), 10);
    ck_assert_uint_eq(histogram_quantile(&h, 7), 10);
    ck_assert_uint_eq(histogram_quantile(&h, -7), 1);
    ck_assert_uint_eq(histogram_quantile(&h, NAN), 1);
    ck_assert_uint_eq(h.sum, 55);
    ck_assert_uint_eq(h.count, 10);
    ck_assert_uint_eq(h.max, 10);
}
END_TEST

/* A lone value v: the bucket's end is at least v and less than v + v/16 + 1; max must not hide it. */
START_TEST(error_is_bounded)
{
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 20000; i++) {
        uint64_t v = rand_edgy_u64(&r), q;

        if (i < 3)
            v = UINT64_MAX - (uint64_t)i;
        histogram_init(&h);
        histogram_add(&h, v);
        h.max = UINT64_MAX;
        q = histogram_quantile(&h, 0.5);
        ck_assert_uint_ge(q, v);
        ck_assert_uint_le(q - v, v / 16);
    }
}
END_TEST

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

START_TEST(quantiles_follow_the_sorted_values)
{
    static uint64_t values[1000];
    struct rand r;

    rand_init(&r);
    histogram_init(&h);
    for (int i = 0; i < 1000; i++) {
        values[i] = rand_edgy_u64(&r) >> 8;
        histogram_add(&h, values[i]);
    }
    qsort(values, 1000, sizeof(values[0]), compare);
    for (int i = 1; i <= 1000; i++) {
        uint64_t exact = values[i - 1], q = histogram_quantile(&h, (i - 0.5) / 1000);

        ck_assert_uint_ge(q, exact);
        ck_assert_uint_le(q - exact, exact / 16);
    }
    ck_assert_uint_eq(histogram_quantile(&h, 1), values[999]);
}
END_TEST

START_TEST(merge_adds)
{
    histogram_init(&h);
    histogram_init(&other);
    histogram_add(&h, 5);
    histogram_add(&other, 7);
    histogram_add(&other, 1000);
    histogram_merge(&h, &other);
    ck_assert_uint_eq(h.count, 3);
    ck_assert_uint_eq(h.sum, 1012);
    ck_assert_uint_eq(h.max, 1000);
    ck_assert_uint_eq(histogram_quantile(&h, 0.5), 7);
}
END_TEST

START_TEST(counts_up_to_a_value)
{
    struct rand r;

    histogram_init(&h);
    ck_assert_uint_eq(histogram_count_to(&h, UINT64_MAX), 0);
    histogram_add(&h, 5);
    histogram_add(&h, 1000);
    ck_assert_uint_eq(histogram_count_to(&h, 4), 0);
    ck_assert_uint_eq(histogram_count_to(&h, 5), 1);
    ck_assert_uint_eq(histogram_count_to(&h, 900), 1);
    ck_assert_uint_eq(histogram_count_to(&h, 1100), 2);
    rand_init(&r);
    for (int i = 0; i < 1000; i++) {
        uint64_t v = rand_edgy_u64(&r) >> 8;

        histogram_init(&h);
        histogram_add(&h, v);
        ck_assert_uint_eq(histogram_count_to(&h, v + v / 16), 1);
        ck_assert(v == 0 || histogram_count_to(&h, v - 1) == 0);
        ck_assert_uint_eq(histogram_count_to(&h, UINT64_MAX), 1);
    }
}
END_TEST

Suite *histogram_suite(void)
{
    Suite *s = suite_create("histogram");

    suite_add(s, empty_is_zero);
    suite_add(s, small_values_are_exact);
    suite_add(s, error_is_bounded);
    suite_add(s, quantiles_follow_the_sorted_values);
    suite_add(s, merge_adds);
    suite_add(s, counts_up_to_a_value);
    return s;
}
