/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/prng.h"

#include <string.h>

#include "sim/suites.h"

/* First outputs from the state 1, 2, 3, 4, as the reference implementation gives them. */
START_TEST(reference_outputs)
{
    static const uint64_t expected[] = { 11520, 0, 1509978240, 1215971899390074240, 1216172134540287360 };
    struct sim_prng p;

    sim_prng_init(&p, 0);
    for (int i = 0; i < 4; i++)
        p.s[i] = (uint64_t)i + 1;
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(sim_prng_u64(&p), expected[i]);
}
END_TEST

START_TEST(seed_decides_all)
{
    struct sim_prng a, b, c;
    uint8_t x[100], y[100];

    sim_prng_init(&a, 7);
    sim_prng_init(&b, 7);
    sim_prng_init(&c, 8);
    prng_fill(&a.env, x, sizeof(x));
    prng_fill(&b.env, y, sizeof(y));
    ck_assert_mem_eq(x, y, sizeof(x));
    prng_fill(&c.env, y, sizeof(y));
    ck_assert_mem_ne(x, y, sizeof(x));
    ck_assert_uint_eq(prng_u64(&a.env), sim_prng_u64(&b));
}
END_TEST

START_TEST(fork_is_independent)
{
    struct sim_prng a, b, child_a, child_b;

    sim_prng_init(&a, 7);
    sim_prng_init(&b, 7);
    sim_prng_fork(&a, &child_a);
    sim_prng_fork(&b, &child_b);
    for (int i = 0; i < 10; i++)
        sim_prng_u64(&child_a);
    ck_assert_uint_eq(sim_prng_u64(&a), sim_prng_u64(&b));
    ck_assert_uint_ne(sim_prng_u64(&child_a), sim_prng_u64(&child_b));
}
END_TEST

START_TEST(below_is_even)
{
    unsigned counts[7] = { 0 }, hits = 0;
    struct sim_prng p;

    sim_prng_init(&p, 1);
    for (int i = 0; i < 70000; i++) {
        counts[sim_prng_below(&p, 7)]++;
        hits += sim_prng_chance(&p, 3, 10);
        ck_assert(!sim_prng_chance(&p, 0, 10));
        ck_assert(sim_prng_chance(&p, 10, 10));
        ck_assert_uint_eq(sim_prng_below(&p, 1), 0);
    }
    for (int i = 0; i < 7; i++)
        ck_assert(counts[i] > 9500 && counts[i] < 10500);
    ck_assert(hits > 20000 && hits < 22000);
}
END_TEST

Suite *prng_suite(void)
{
    Suite *s = suite_create("prng");

    suite_add(s, reference_outputs);
    suite_add(s, seed_decides_all);
    suite_add(s, fork_is_independent);
    suite_add(s, below_is_even);
    return s;
}
