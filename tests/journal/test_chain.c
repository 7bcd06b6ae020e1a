/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/chain.h"

#include "base/util.h"
#include "journal/suites.h"
#include "support/rand.h"

static struct journal_chain *c;

static void setup(void)
{
    c = xcalloc(1, sizeof(*c));
}

static void teardown(void)
{
    journal_chain_free(c);
}

/* Checksums of a chain without surprises: entry i has 100 + i. */
static enum journal_chain_verdict add(uint64_t index)
{
    return journal_chain_add(c, index, (uint32_t)(99 + index), (uint32_t)(100 + index));
}

START_TEST(in_order_is_one_run)
{
    for (uint64_t i = 5; i < 100; i++)
        ck_assert_int_eq(add(i), JOURNAL_CHAIN_NEW);
    ck_assert_uint_eq(c->n_runs, 1);
    ck_assert_uint_eq(c->runs[0].last, 99);
    ck_assert_uint_eq(journal_chain_gap(c, 5, 99), 0);
    ck_assert_uint_eq(journal_chain_gap(c, 50, 60), 0);
    ck_assert_uint_eq(journal_chain_gap(c, 4, 99), 4);
    ck_assert_uint_eq(journal_chain_gap(c, 5, 100), 100);
    ck_assert_uint_eq(journal_chain_gap(c, 7, 6), 0);
}
END_TEST

START_TEST(any_order_becomes_one_run)
{
    uint64_t order[200];
    struct rand rand;

    rand_init(&rand);
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        order[i] = i + 1;
    for (size_t i = ARRAY_SIZE(order) - 1; i > 0; i--) {
        size_t k = (size_t)rand_below(&rand, i + 1);
        uint64_t swap = order[i];

        order[i] = order[k];
        order[k] = swap;
    }
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        ck_assert_int_eq(add(order[i]), JOURNAL_CHAIN_NEW);
        ck_assert_int_eq(add(order[i]), JOURNAL_CHAIN_KNOWN);
    }
    ck_assert_uint_eq(c->n_runs, 1);
    ck_assert_uint_eq(journal_chain_gap(c, 1, 200), 0);
}
END_TEST

START_TEST(wrong_checksums_break_it_on_both_sides)
{
    add(5);
    ck_assert_int_eq(journal_chain_add(c, 6, 1, 106), JOURNAL_CHAIN_BROKEN);
    ck_assert_int_eq(journal_chain_add(c, 4, 103, 1), JOURNAL_CHAIN_BROKEN);
    add(8);
    ck_assert_int_eq(journal_chain_add(c, 7, 1, 107), JOURNAL_CHAIN_NEW); /* 6 isn't known yet */
    ck_assert_int_eq(add(6), JOURNAL_CHAIN_BROKEN);
}
END_TEST

START_TEST(cut_voids_the_end)
{
    for (uint64_t i = 1; i <= 10; i++)
        add(i);
    add(20);
    journal_chain_cut(c, 1, 6, 105);
    ck_assert_uint_eq(c->n_runs, 1);
    ck_assert_uint_eq(c->runs[0].last, 5);
    ck_assert_int_eq(journal_chain_add(c, 6, 105, 7), JOURNAL_CHAIN_NEW);
    ck_assert_int_eq(journal_chain_add(c, 7, 106, 8), JOURNAL_CHAIN_BROKEN);
    journal_chain_cut(c, 2, 9, 1); /* nothing there */
    ck_assert_uint_eq(c->runs[0].last, 6);
    journal_chain_cut(c, 3, 1, 0);
    ck_assert_uint_eq(c->n_runs, 0);
    ck_assert_uint_eq(journal_chain_gap(c, 1, 1), 1);
}
END_TEST

/* Against the plain definition. */
START_TEST(void_entries_are_those_with_a_lower_cut_behind_them)
{
    uint64_t cuts[300] = { 0 };
    struct rand rand;

    rand_init(&rand);
    for (uint64_t ordinal = 0; ordinal < ARRAY_SIZE(cuts); ordinal++) {
        if (rand_chance(&rand, 1, 5)) {
            cuts[ordinal] = 1 + rand_below(&rand, 50 + ordinal);
            journal_chain_cut(c, ordinal, cuts[ordinal], 0);
        }
    }
    for (uint64_t ordinal = 0; ordinal < ARRAY_SIZE(cuts); ordinal++) {
        for (uint64_t index = 1; index < 400; index += 7) {
            bool is_void = false;

            for (uint64_t later = ordinal + 1; later < ARRAY_SIZE(cuts); later++)
                is_void = is_void || (cuts[later] != 0 && cuts[later] <= index);
            ck_assert_int_eq(journal_chain_is_void(c, ordinal, index), is_void);
        }
    }
}
END_TEST

Suite *chain_suite(void)
{
    Suite *s = suite_create("chain");

    suite_add_with(s, in_order_is_one_run, setup, teardown);
    suite_add_with(s, any_order_becomes_one_run, setup, teardown);
    suite_add_with(s, wrong_checksums_break_it_on_both_sides, setup, teardown);
    suite_add_with(s, cut_voids_the_end, setup, teardown);
    suite_add_with(s, void_entries_are_those_with_a_lower_cut_behind_them, setup, teardown);
    return s;
}
