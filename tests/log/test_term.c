/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/fixture.h"
#include "log/suites.h"

static struct fx fx;

/* Terms 2 (offsets 0–5), 3 (none: a no-op alone), 5 (6–11), 9 (12–13), a segment after every third entry. */
static void setup(void)
{
    static const struct fx_spec specs[] = {
        { .term = 2 },      { .n_records = 3 }, { .n_records = 3 }, { .term = 3 }, { .term = 5 },
        { .n_records = 2 }, { .n_records = 2 }, { .n_records = 2 }, { .term = 9 }, { .n_records = 2 },
    };

    fx_init(&fx, NULL);
    log_set_limits(fx.log, 1u << 20, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(specs); i++) {
        if (i % 3 == 0)
            log_roll(fx.log);
        fx_commit(&fx, &specs[i]);
        ck_assert_int_eq(fx_append(&fx, 0), 0);
    }
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
}

static void teardown(void)
{
    fx_fini(&fx);
}

static void assert_end(uint64_t term, uint64_t expected_term, int64_t expected_offset)
{
    uint64_t t;
    int64_t o;

    ck_assert_int_eq(log_epoch_end(fx.log, term, 14, &t, &o), 0);
    ck_assert_uint_eq(t, expected_term);
    ck_assert_int_eq(o, expected_offset);
}

static void assert_all_ends(void)
{
    uint64_t t;
    int64_t o;

    ck_assert_int_eq(log_epoch_end(fx.log, 1, 14, &t, &o), -ENOENT);
    assert_end(2, 2, 6);
    assert_end(3, 3, 6);
    assert_end(4, 3, 6);
    assert_end(5, 5, 12);
    assert_end(8, 5, 12);
    assert_end(9, 9, 14);
    assert_end(10, 9, 14);
}

START_TEST(terms_end_where_the_next_begins)
{
    assert_all_ends();
    fx_reopen(&fx);
    assert_all_ends();
}
END_TEST

START_TEST(offsets_have_the_term_of_their_entry)
{
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(log_epoch_at(fx.log, 0), 2);
        ck_assert_int_eq(log_epoch_at(fx.log, 5), 2);
        ck_assert_int_eq(log_epoch_at(fx.log, 6), 5);
        ck_assert_int_eq(log_epoch_at(fx.log, 11), 5);
        ck_assert_int_eq(log_epoch_at(fx.log, 12), 9);
        ck_assert_int_eq(log_epoch_at(fx.log, 14), 9);
        ck_assert_int_eq(log_epoch_at(fx.log, -1), -1);
        fx_reopen(&fx);
    }
}
END_TEST

START_TEST(indexes_have_their_term)
{
    static const uint64_t terms[] = { 2, 2, 2, 3, 5, 5, 5, 5, 9, 9 };
    uint64_t t;

    for (int i = 0; i < 2; i++) {
        for (uint64_t index = 1; index <= 10; index++) {
            uint64_t last;

            ck_assert_int_eq(log_term_at(fx.log, index, &t), 0);
            ck_assert_uint_eq(t, terms[index - 1]);
            ck_assert_int_eq(log_run_at(fx.log, index, &t, &last), 0);
            ck_assert_uint_eq(t, terms[index - 1]);
            ck_assert(last >= index && terms[last - 1] == t && (last == 10 || terms[last] != t));
        }
        ck_assert_int_eq(log_term_at(fx.log, 0, &t), -ENOENT);
        ck_assert_int_eq(log_term_at(fx.log, 11, &t), -ENOENT);
        fx_reopen(&fx);
    }
}
END_TEST

START_TEST(the_term_before_the_start_stays_known)
{
    uint64_t t;

    fx_set_start(&fx, 6); /* the first segment goes: what is left begins with entry 4, of term 3 */
    ck_assert_uint_eq(log_segment_count(fx.log), 3);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(log_term_at(fx.log, 3, &t), 0);
        ck_assert_uint_eq(t, 2);
        ck_assert_int_eq(log_term_at(fx.log, 2, &t), -ENOENT);
        assert_all_ends();
        fx_reopen(&fx);
    }
    fx_set_start(&fx, 8);
    ck_assert_uint_eq(log_segment_count(fx.log), 2);
    for (int i = 0; i < 2; i++) {
        int64_t o;

        ck_assert_int_eq(log_term_at(fx.log, 6, &t), 0);
        ck_assert_uint_eq(t, 5);
        ck_assert_int_eq(log_term_at(fx.log, 5, &t), -ENOENT);
        assert_end(5, 5, 12);
        ck_assert_int_eq(log_epoch_end(fx.log, 4, 14, &t, &o), -ENOENT);
        fx_reopen(&fx);
    }
}
END_TEST

START_TEST(a_log_without_entries_knows_the_term_of_its_checkpoint)
{
    uint64_t t;

    fx_close(&fx);
    fx.start = 14;
    ck_assert_int_eq(log_destroy(fx.config.disk, FX_DIR), 0);
    fx_reopen(&fx);
    ck_assert_uint_eq(log_segment_count(fx.log), 0);
    ck_assert_int_eq(log_term_at(fx.log, 10, &t), 0);
    ck_assert_uint_eq(t, 9);
    assert_end(9, 9, 14);
    fx_add(&fx, .term = 12, .n_records = 1);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(log_term_at(fx.log, 10, &t), 0);
    ck_assert_int_eq(log_epoch_at(fx.log, 14), 12);
}
END_TEST

Suite *term_suite(void)
{
    Suite *s = suite_create("term");

    suite_add_with(s, terms_end_where_the_next_begins, setup, teardown);
    suite_add_with(s, offsets_have_the_term_of_their_entry, setup, teardown);
    suite_add_with(s, indexes_have_their_term, setup, teardown);
    suite_add_with(s, the_term_before_the_start_stays_known, setup, teardown);
    suite_add_with(s, a_log_without_entries_knows_the_term_of_its_checkpoint, setup, teardown);
    return s;
}
