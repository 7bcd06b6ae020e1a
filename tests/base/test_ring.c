/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/ring.h"

#include "base/suites.h"

START_TEST(capacity_is_rounded_up)
{
    static const struct {
        size_t wanted, given;
    } cases[] = { { 0, 1 }, { 1, 1 }, { 2, 2 }, { 3, 4 }, { 5, 8 }, { 1000, 1024 } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ring r;
        size_t n = 0;

        ring_init(&r, cases[i].wanted);
        while (ring_push(&r, &r))
            n++;
        ck_assert_uint_eq(n, cases[i].given);
        ck_assert_uint_eq(ring_count(&r), n);
        ring_fini(&r);
    }
}
END_TEST

START_TEST(order_holds_over_the_wrap)
{
    int values[1000];
    struct ring r;
    int in = 0, out = 0;

    ring_init(&r, 8);
    ck_assert_ptr_null(ring_pop(&r));
    r.head = r.tail = SIZE_MAX - 3; /* the counters wrap too */
    while (out < 1000) {
        for (int i = 0; i < 3 && in < 1000 && ring_push(&r, &values[in]); i++)
            in++;
        ck_assert_ptr_eq(ring_at(&r, 0), &values[out]);
        ck_assert_ptr_eq(ring_at(&r, ring_count(&r) - 1), &values[in - 1]);
        ck_assert_ptr_eq(ring_pop(&r), &values[out++]);
    }
    ck_assert_uint_eq(ring_count(&r), 0);
    ring_fini(&r);
}
END_TEST

Suite *ring_suite(void)
{
    Suite *s = suite_create("ring");

    suite_add(s, capacity_is_rounded_up);
    suite_add(s, order_holds_over_the_wrap);
    return s;
}
