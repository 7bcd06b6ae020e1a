/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "txn/producer.h"
#include "txn/suites.h"

#define MAX_SEQUENCE INT32_MAX

/* A partition's log of batches with producer ids: one entry each, offsets counted by the records. */
struct fixture {
    struct producer_state *state;
    uint64_t next_index;
    int64_t next_offset;
};

static struct fixture fixture_new(size_t max_producers)
{
    return (struct fixture){ .state = producer_state_new(7, max_producers), .next_index = 1 };
}

static struct producer_verdict check(const struct fixture *f, int64_t id, int16_t epoch, int32_t first, int32_t count)
{
    struct producer_verdict v;

    producer_check(f->state, id, epoch, first, count, &v);
    ck_assert_int_eq(v.error != 0, v.kind == PRODUCER_REFUSED);
    return v;
}

static void propose(struct fixture *f, int64_t id, int16_t epoch, int32_t first, int32_t count)
{
    ck_assert_int_eq(check(f, id, epoch, first, count).kind, PRODUCER_NEW);
    producer_propose(f->state, id, epoch, first, count, f->next_index, f->next_offset, 1000 + f->next_offset);
    f->next_index++;
    f->next_offset += count;
}

/* Commits what was proposed at this index and offset. */
static void apply(struct fixture *f, int64_t id, int16_t epoch, int32_t first, int32_t count, uint64_t index,
                  int64_t offset)
{
    producer_apply(f->state, id, epoch, first, count, index, offset, 1000 + offset, 500 + offset);
}

static void append(struct fixture *f, int64_t id, int16_t epoch, int32_t first, int32_t count)
{
    uint64_t index = f->next_index;
    int64_t offset = f->next_offset;

    propose(f, id, epoch, first, count);
    apply(f, id, epoch, first, count, index, offset);
}

static void expect_duplicate(const struct fixture *f, int64_t id, int16_t epoch, int32_t first, int32_t count,
                             enum producer_verdict_kind kind, int64_t offset)
{
    struct producer_verdict v = check(f, id, epoch, first, count);

    ck_assert_int_eq(v.kind, kind);
    ck_assert_int_eq(v.base_offset, offset);
    ck_assert_int_eq(v.append_time_ms, 1000 + offset);
}

START_TEST(an_unknown_id_may_start_anywhere)
{
    struct fixture f = fixture_new(10);

    append(&f, 1, 0, 0, 5);
    append(&f, 2, 3, 77, 1);
    append(&f, 3, 0, MAX_SEQUENCE, 2);
    producer_state_free(f.state);
}
END_TEST

/* What was sent behind a batch that was refused comes after it. */
START_TEST(an_unknown_id_starts_with_what_was_refused)
{
    struct fixture f = fixture_new(10);

    producer_refuse(f.state, 1, 0, 0);
    ck_assert_int_eq(check(&f, 1, 0, 5, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    producer_refuse(f.state, 1, 0, 5);
    ck_assert_int_eq(check(&f, 1, 0, 5, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 1, 5, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 1, 0, 1).kind, PRODUCER_NEW);
    ck_assert_int_eq(check(&f, 2, 0, 5, 1).kind, PRODUCER_NEW); /* another id */
    append(&f, 1, 0, 0, 5);
    append(&f, 1, 0, 5, 1);
    producer_refuse(f.state, 1, 0, 6); /* known: its state says it all */
    ck_assert_int_eq(check(&f, 1, 0, 7, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    append(&f, 1, 0, 6, 1);

    producer_refuse(f.state, 3, 0, 70);
    producer_refuse(f.state, 3, 0, 60);
    ck_assert_int_eq(check(&f, 3, 0, 70, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    append(&f, 3, 0, 50, 1); /* one that came before both, on another way */

    producer_refuse(f.state, 4, 0, MAX_SEQUENCE);
    ck_assert_int_eq(check(&f, 4, 0, 0, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    append(&f, 4, 0, MAX_SEQUENCE, 1);
    append(&f, 4, 0, 0, 1);

    producer_refuse(f.state, 5, 0, 7);
    producer_refuse(f.state, 5, 1, 0);
    ck_assert_int_eq(check(&f, 5, 1, 1, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    propose(&f, 5, 1, 0, 1);
    producer_truncate(f.state, f.next_index - 1);
    producer_state_free(f.state);
}
END_TEST

START_TEST(few_refused_ids_are_remembered)
{
    struct fixture f = fixture_new(10);

    for (int64_t id = 1; id <= PRODUCER_REFUSED_MAX + 1; id++)
        producer_refuse(f.state, id, 0, 0);
    ck_assert_int_eq(check(&f, 1, 0, 1, 1).kind, PRODUCER_NEW);
    ck_assert_int_eq(check(&f, 2, 0, 1, 1).kind, PRODUCER_REFUSED);
    ck_assert_int_eq(check(&f, PRODUCER_REFUSED_MAX + 1, 0, 1, 1).kind, PRODUCER_REFUSED);
    ck_assert_uint_eq(producer_count(f.state), 0);
    producer_state_free(f.state);
}
END_TEST

START_TEST(sequences_follow_without_gap)
{
    struct fixture f = fixture_new(10);

    append(&f, 1, 0, 0, 5);
    append(&f, 1, 0, 5, 1);
    append(&f, 1, 0, 6, 10);
    ck_assert_int_eq(check(&f, 1, 0, 17, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 0, 1000, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 0, 16, 1).kind, PRODUCER_NEW);
    producer_state_free(f.state);
}
END_TEST

START_TEST(the_last_five_are_known_again)
{
    struct fixture f = fixture_new(10);

    for (int i = 0; i < 7; i++)
        append(&f, 1, 0, 10 * i, 10);
    for (int i = 2; i < 7; i++)
        expect_duplicate(&f, 1, 0, 10 * i, 10, PRODUCER_DUPLICATE, 10 * i);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(check(&f, 1, 0, 10 * i, 10).error, PRODUCER_E_DUPLICATE_SEQUENCE);
    producer_state_free(f.state);
}
END_TEST

START_TEST(a_retry_cut_differently_is_refused)
{
    struct fixture f = fixture_new(10);

    append(&f, 1, 0, 0, 10);
    append(&f, 1, 0, 10, 10);
    ck_assert_int_eq(check(&f, 1, 0, 10, 9).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 0, 10, 11).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 0, 11, 9).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 0, 0, 20).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    producer_state_free(f.state);
}
END_TEST

/* The first batch of a new id got lost, the second came through: the retry of the first must not count as done. */
START_TEST(what_was_never_seen_is_no_duplicate)
{
    struct fixture f = fixture_new(10);

    append(&f, 1, 0, 10, 10);
    ck_assert_int_eq(check(&f, 1, 0, 0, 10).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    for (int i = 2; i < 20; i++)
        append(&f, 1, 0, 10 * i, 10);
    ck_assert_int_eq(check(&f, 1, 0, 0, 10).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 0, 5, 10).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 0, 10, 10).error, PRODUCER_E_DUPLICATE_SEQUENCE);
    producer_state_free(f.state);
}
END_TEST

START_TEST(sequences_wrap_to_zero)
{
    struct fixture f = fixture_new(10);

    append(&f, 1, 0, MAX_SEQUENCE - 4, 3);
    append(&f, 1, 0, MAX_SEQUENCE - 1, 5); /* …, 2^31 − 1, 0, 1, 2 */
    ck_assert_int_eq(check(&f, 1, 0, 0, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    expect_duplicate(&f, 1, 0, MAX_SEQUENCE - 1, 5, PRODUCER_DUPLICATE, 3);
    append(&f, 1, 0, 3, 1);
    producer_state_free(f.state);

    f = fixture_new(10);
    append(&f, 1, 0, MAX_SEQUENCE, 1);
    ck_assert_int_eq(check(&f, 1, 0, 1, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    append(&f, 1, 0, 0, 1);
    producer_state_free(f.state);
}
END_TEST

START_TEST(epochs_only_rise_and_start_at_zero)
{
    struct fixture f = fixture_new(10);

    append(&f, 1, 3, 0, 5);
    ck_assert_int_eq(check(&f, 1, 2, 5, 1).error, PRODUCER_E_INVALID_EPOCH);
    ck_assert_int_eq(check(&f, 1, 2, 0, 5).error, PRODUCER_E_INVALID_EPOCH);
    ck_assert_int_eq(check(&f, 1, 4, 5, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    append(&f, 1, 4, 0, 2);
    ck_assert_int_eq(check(&f, 1, 3, 0, 5).error, PRODUCER_E_INVALID_EPOCH);
    expect_duplicate(&f, 1, 4, 0, 2, PRODUCER_DUPLICATE, 5);
    producer_state_free(f.state);
}
END_TEST

START_TEST(a_retry_in_flight_waits_for_its_original)
{
    struct fixture f = fixture_new(10);

    append(&f, 1, 0, 0, 1);
    for (int i = 1; i < 9; i++)
        propose(&f, 1, 0, i, 1);
    for (int i = 1; i < 9; i++) {
        expect_duplicate(&f, 1, 0, i, 1, PRODUCER_PENDING_DUPLICATE, i);
        ck_assert_uint_eq(check(&f, 1, 0, i, 1).index, (uint64_t)i + 1);
    }
    expect_duplicate(&f, 1, 0, 0, 1, PRODUCER_DUPLICATE, 0);
    apply(&f, 1, 0, 1, 1, 2, 1);
    expect_duplicate(&f, 1, 0, 1, 1, PRODUCER_DUPLICATE, 1);
    expect_duplicate(&f, 1, 0, 2, 1, PRODUCER_PENDING_DUPLICATE, 2);
    producer_state_free(f.state);
}
END_TEST

START_TEST(a_truncation_takes_the_overlay_back)
{
    struct fixture f = fixture_new(10);

    append(&f, 1, 0, 0, 1);
    for (int i = 1; i < 5; i++)
        propose(&f, 1, 0, i, 1);
    propose(&f, 2, 0, 40, 1);
    ck_assert_int_eq(check(&f, 1, 0, 5, 1).kind, PRODUCER_NEW);

    producer_truncate(f.state, 4);
    expect_duplicate(&f, 1, 0, 2, 1, PRODUCER_PENDING_DUPLICATE, 2);
    ck_assert_int_eq(check(&f, 1, 0, 5, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 0, 3, 1).kind, PRODUCER_NEW);
    ck_assert_int_eq(check(&f, 2, 0, 0, 1).kind, PRODUCER_NEW);

    producer_truncate(f.state, 0);
    ck_assert_int_eq(check(&f, 1, 0, 1, 1).kind, PRODUCER_NEW);
    expect_duplicate(&f, 1, 0, 0, 1, PRODUCER_DUPLICATE, 0);
    producer_state_free(f.state);
}
END_TEST

START_TEST(an_epoch_in_flight_counts_until_it_is_taken_back)
{
    struct fixture f = fixture_new(10);

    append(&f, 1, 0, 0, 1);
    propose(&f, 1, 1, 0, 1);
    ck_assert_int_eq(check(&f, 1, 0, 1, 1).error, PRODUCER_E_INVALID_EPOCH);
    producer_truncate(f.state, 2);
    ck_assert_int_eq(check(&f, 1, 0, 1, 1).kind, PRODUCER_NEW);
    producer_state_free(f.state);
}
END_TEST

START_TEST(two_batches_of_one_entry)
{
    struct fixture f = fixture_new(10);

    producer_propose(f.state, 1, 0, 0, 1, 9, 0, 1000);
    producer_propose(f.state, 1, 0, 1, 1, 9, 1, 1001);
    apply(&f, 1, 0, 0, 1, 9, 0);
    expect_duplicate(&f, 1, 0, 1, 1, PRODUCER_PENDING_DUPLICATE, 1);
    apply(&f, 1, 0, 1, 1, 9, 1);
    expect_duplicate(&f, 1, 0, 1, 1, PRODUCER_DUPLICATE, 1);
    producer_state_free(f.state);
}
END_TEST

START_TEST(the_longest_unused_ids_are_evicted)
{
    struct fixture f = fixture_new(3);

    for (int id = 1; id <= 3; id++)
        append(&f, id, 0, 0, 1);
    append(&f, 1, 0, 1, 1);
    append(&f, 4, 0, 0, 1); /* 2 goes */
    ck_assert_uint_eq(producer_count(f.state), 3);
    ck_assert_int_eq(check(&f, 2, 0, 500, 1).kind, PRODUCER_NEW);
    ck_assert_int_eq(check(&f, 1, 0, 500, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 3, 0, 500, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    append(&f, 2, 0, 500, 1); /* 3 goes */
    ck_assert_int_eq(check(&f, 3, 0, 500, 1).kind, PRODUCER_NEW);
    producer_state_free(f.state);
}
END_TEST

START_TEST(eviction_leaves_the_overlay)
{
    struct fixture f = fixture_new(1);

    append(&f, 1, 0, 0, 1);
    propose(&f, 1, 0, 1, 1);
    apply(&f, 2, 0, 0, 1, 1, 100); /* replicated: 1 goes */
    ck_assert_uint_eq(producer_count(f.state), 1);
    expect_duplicate(&f, 1, 0, 1, 1, PRODUCER_PENDING_DUPLICATE, 1);
    ck_assert_int_eq(check(&f, 1, 0, 0, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    apply(&f, 1, 0, 1, 1, 2, 1);
    expect_duplicate(&f, 1, 0, 1, 1, PRODUCER_DUPLICATE, 1);
    producer_state_free(f.state);
}
END_TEST

START_TEST(a_control_batch_raises_the_epoch)
{
    struct fixture f = fixture_new(10);
    struct producer_info info;

    append(&f, 1, 0, 0, 5);
    producer_apply(f.state, 1, 0, -1, 1, 2, 5, 2000, 2000);
    expect_duplicate(&f, 1, 0, 0, 5, PRODUCER_DUPLICATE, 0);
    producer_apply(f.state, 1, 1, -1, 1, 3, 6, 2001, 2001);
    ck_assert_int_eq(check(&f, 1, 0, 5, 1).error, PRODUCER_E_INVALID_EPOCH);
    ck_assert_int_eq(check(&f, 1, 1, 5, 1).error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(check(&f, 1, 1, 0, 1).kind, PRODUCER_NEW);
    producer_list(f.state, &info);
    ck_assert_int_eq(info.epoch, 1);
    ck_assert_int_eq(info.last_sequence, -1);
    ck_assert_int_eq(info.last_timestamp_ms, 2001);
    producer_state_free(f.state);
}
END_TEST

START_TEST(the_list_is_ordered_by_id)
{
    static const int64_t ids[] = { 30, 10, 20 };
    struct fixture f = fixture_new(10);
    struct producer_info info[3];

    for (int i = 0; i < 3; i++)
        append(&f, ids[i], (int16_t)i, 0, i + 1);
    propose(&f, 40, 0, 0, 1); /* not applied: not listed */
    ck_assert_uint_eq(producer_count(f.state), 3);
    producer_list(f.state, info);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(info[i].producer_id, 10 * (i + 1));
        ck_assert_int_eq(info[i].coordinator_epoch, -1);
        ck_assert_int_eq(info[i].txn_start_offset, -1);
    }
    ck_assert_int_eq(info[0].epoch, 1);
    ck_assert_int_eq(info[0].last_sequence, 1);
    ck_assert_int_eq(info[0].last_timestamp_ms, 501);
    producer_state_free(f.state);
}
END_TEST

Suite *producer_suite(void)
{
    Suite *s = suite_create("producer");

    suite_add(s, an_unknown_id_may_start_anywhere);
    suite_add(s, an_unknown_id_starts_with_what_was_refused);
    suite_add(s, few_refused_ids_are_remembered);
    suite_add(s, sequences_follow_without_gap);
    suite_add(s, the_last_five_are_known_again);
    suite_add(s, a_retry_cut_differently_is_refused);
    suite_add(s, what_was_never_seen_is_no_duplicate);
    suite_add(s, sequences_wrap_to_zero);
    suite_add(s, epochs_only_rise_and_start_at_zero);
    suite_add(s, a_retry_in_flight_waits_for_its_original);
    suite_add(s, a_truncation_takes_the_overlay_back);
    suite_add(s, an_epoch_in_flight_counts_until_it_is_taken_back);
    suite_add(s, two_batches_of_one_entry);
    suite_add(s, the_longest_unused_ids_are_evicted);
    suite_add(s, eviction_leaves_the_overlay);
    suite_add(s, a_control_batch_raises_the_epoch);
    suite_add(s, the_list_is_ordered_by_id);
    return s;
}
