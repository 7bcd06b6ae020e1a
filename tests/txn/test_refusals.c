/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "txn/refusals.h"

#include "txn/suites.h"

static void must_take(struct producer_refusals *s, uint64_t place, int64_t id, int16_t epoch, int32_t sequence)
{
    struct producer_refusal r;

    ck_assert(producer_refusals_take(s, place, id, &r));
    ck_assert_uint_eq(r.place, place);
    ck_assert_int_eq(r.producer_id, id);
    ck_assert_int_eq(r.epoch, epoch);
    ck_assert_int_eq(r.first_sequence, sequence);
}

static void must_have_none(struct producer_refusals *s, uint64_t place, int64_t id)
{
    struct producer_refusal r;

    ck_assert(!producer_refusals_take(s, place, id, &r));
}

START_TEST(what_was_refused_is_taken_once)
{
    struct producer_refusals s = { 0 };

    must_have_none(&s, 1, 7);
    producer_refusals_note(&s, 1, 7, 0, 3);
    producer_refusals_note(&s, 2, 7, 0, 5);
    producer_refusals_note(&s, 1, 8, 2, 9);
    ck_assert_uint_eq(s.n, 3);
    must_have_none(&s, 2, 8);
    must_take(&s, 1, 7, 0, 3);
    must_have_none(&s, 1, 7);
    must_take(&s, 2, 7, 0, 5);
    must_take(&s, 1, 8, 2, 9);
    ck_assert_uint_eq(s.n, 0);
}
END_TEST

/* Those behind it were refused as well. */
START_TEST(the_earliest_counts)
{
    struct producer_refusals s = { 0 };

    producer_refusals_note(&s, 1, 7, 0, 3);
    producer_refusals_note(&s, 1, 7, 0, 5);
    producer_refusals_note(&s, 1, 7, 0, 2);
    ck_assert_uint_eq(s.n, 1);
    must_take(&s, 1, 7, 0, 2);
    producer_refusals_note(&s, 1, 7, 0, INT32_MAX); /* they wrap */
    producer_refusals_note(&s, 1, 7, 0, 0);
    must_take(&s, 1, 7, 0, INT32_MAX);
    producer_refusals_note(&s, 1, 7, 1, 4);
    producer_refusals_note(&s, 1, 7, 0, 3);
    must_take(&s, 1, 7, 1, 4);
    producer_refusals_note(&s, 1, 7, 1, 4);
    producer_refusals_note(&s, 1, 7, 2, 6);
    must_take(&s, 1, 7, 2, 6);
}
END_TEST

START_TEST(all_of_a_place_are_found)
{
    struct producer_refusals s = { 0 };
    struct producer_refusal r;
    uint64_t seen = 0;

    for (int64_t id = 0; id < 40; id++)
        producer_refusals_note(&s, id % 2 == 0 ? 100 : 200, id, 0, (int32_t)id);
    for (int i = 0; i < 20; i++) {
        ck_assert(producer_refusals_take_any(&s, 100, &r));
        ck_assert_int_eq(r.first_sequence, r.producer_id);
        seen |= UINT64_C(1) << r.producer_id;
    }
    ck_assert(!producer_refusals_take_any(&s, 100, &r));
    ck_assert_uint_eq(seen, UINT64_C(0x5555555555));
    ck_assert_uint_eq(s.n, 20);
}
END_TEST

START_TEST(old_ones_give_way)
{
    struct producer_refusals s = { 0 };
    unsigned n = 0;

    for (int64_t id = 0; id < 10000; id++)
        producer_refusals_note(&s, 1, id, 0, 0);
    ck_assert_uint_eq(s.n, PRODUCER_REFUSAL_SETS * PRODUCER_REFUSAL_WAYS);
    must_take(&s, 1, 9999, 0, 0);
    must_have_none(&s, 1, 0);
    for (struct producer_refusal r; producer_refusals_take_any(&s, 1, &r);)
        n++;
    ck_assert_uint_eq(n, PRODUCER_REFUSAL_SETS * PRODUCER_REFUSAL_WAYS - 1);
    ck_assert_uint_eq(s.n, 0);
}
END_TEST

Suite *refusals_suite(void)
{
    Suite *s = suite_create("refusals");

    suite_add(s, what_was_refused_is_taken_once);
    suite_add(s, the_earliest_counts);
    suite_add(s, all_of_a_place_are_found);
    suite_add(s, old_ones_give_way);
    return s;
}
