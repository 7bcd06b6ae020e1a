/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "log/fixture.h"
#include "log/suites.h"

static struct fx fx;

/* Five segments of two entries of two records each, appended at 1000, 2000, …; no checkpoint keeps any. */
static void setup(void)
{
    fx_init(&fx, NULL);
    log_set_no_room(fx.log, true);
    log_set_limits(fx.log, 1u << 20, 0);
    for (unsigned i = 0; i < 10; i++) {
        if (i % 2 == 0)
            log_roll(fx.log);
        fx_add(&fx, .n_records = 2, .value_size = 100, .append_ms = 1000 * (1 + i / 2));
        ck_assert_int_eq(fx_append(&fx, 1), 0);
    }
    ck_assert_uint_eq(log_segment_count(fx.log), 5);
}

static void teardown(void)
{
    fx_fini(&fx);
}

START_TEST(nothing_goes_without_limits)
{
    ck_assert_int_eq(log_retention_start(fx.log, INT64_MAX, -1, -1), 0);
}
END_TEST

START_TEST(old_segments_go_by_append_time)
{
    ck_assert_int_eq(log_retention_start(fx.log, 1500, 500, -1), 0);
    ck_assert_int_eq(log_retention_start(fx.log, 1501, 500, -1), 4);
    ck_assert_int_eq(log_retention_start(fx.log, 4501, 500, -1), 16);
    ck_assert(!log_needs_roll(fx.log, 0));
    ck_assert_int_eq(log_retention_start(fx.log, 0, 500, -1), 0);
}
END_TEST

START_TEST(the_active_segment_goes_by_age_once_it_is_sealed)
{
    ck_assert_int_eq(log_retention_start(fx.log, 5501, 500, -1), 20);
    ck_assert(log_needs_roll(fx.log, 0));
    fx_add(&fx, .commands_size = 8, .append_ms = 5501); /* set_log_start */
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    fx_set_start(&fx, 20);
    ck_assert_uint_eq(log_segment_count(fx.log), 1);
    ck_assert_uint_eq(log_size_bytes(fx.log), 0);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 0);
    ck_assert_int_eq(log_retention_start(fx.log, 9999, 500, -1), 20);
}
END_TEST

START_TEST(segments_go_by_size)
{
    uint64_t total = log_size_bytes(fx.log), one = total / 5;

    ck_assert_int_eq(log_retention_start(fx.log, 0, -1, (int64_t)total), 0);
    ck_assert_int_eq(log_retention_start(fx.log, 0, -1, (int64_t)(total - one + 1)), 0);
    ck_assert_int_eq(log_retention_start(fx.log, 0, -1, (int64_t)(total - one)), 4);
    ck_assert_int_eq(log_retention_start(fx.log, 0, -1, (int64_t)one), 16);
    ck_assert_int_eq(log_retention_start(fx.log, 0, -1, 0), 16);
    ck_assert(!log_needs_roll(fx.log, 0));
}
END_TEST

START_TEST(whole_segments_below_the_start_are_cut)
{
    fx_set_start(&fx, 3);
    ck_assert_uint_eq(log_segment_count(fx.log), 5);
    fx_set_start(&fx, 9);
    ck_assert_uint_eq(log_segment_count(fx.log), 3);
    ck_assert_int_eq(log_first_offset(fx.log), 8);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 5);
    fx_check(&fx);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 3);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 3);
    ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), 3);
    fx_check(&fx);
    fx_set_start(&fx, 2); /* never goes back */
    ck_assert_int_eq(log_start_offset(fx.log), 9);
}
END_TEST

START_TEST(nothing_to_cut_is_said)
{
    struct log_cut job;

    ck_assert(!log_cut_prepare(fx.log, &job));
    fx_set_start(&fx, 1);
    ck_assert(!log_cut_prepare(fx.log, &job));
}
END_TEST

START_TEST(a_reader_keeps_the_files_that_it_reads)
{
    struct log_range range;
    uint8_t byte;

    ck_assert_int_eq(fx_read(&fx, 0, INT64_MAX, 1, &range), 0);
    fx_set_start(&fx, 9);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 4);
    ck_assert_int_eq(disk_pread(range.file, &byte, 1, range.position), 1);
    log_range_release(&range);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 3);
}
END_TEST

START_TEST(the_last_segment_stays_until_another_follows)
{
    fx_set_start(&fx, 20);
    ck_assert_uint_eq(log_segment_count(fx.log), 1);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert(log_needs_roll(fx.log, 0));
    fx_add(&fx, .n_records = 1);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_uint_eq(log_segment_count(fx.log), 1);
    ck_assert_int_eq(log_first_offset(fx.log), 20);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 1);
    ck_assert(!log_needs_roll(fx.log, 0));
    fx_check(&fx);
}
END_TEST

START_TEST(a_failed_cut_is_tried_again)
{
    fx_set_start(&fx, 9);
    sim_disk_fail(fx.disk, SIM_DISK_UNLINK, 3, 1, -EIO);
    ck_assert_int_eq(fx_cut(&fx), -EIO);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 3);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 3);
}
END_TEST

/* From its snapshot a start makes the state at the checkpoint. */
START_TEST(the_segment_of_the_checkpoint_stays)
{
    log_set_no_room(fx.log, false);
    fx_set_start(&fx, 20);
    ck_assert_uint_eq(log_segment_count(fx.log), 5);
    ck_assert(log_awaits_checkpoint(fx.log));
    log_set_checkpoint(fx.log, 4);
    ck_assert_uint_eq(log_segment_count(fx.log), 4);
    ck_assert_int_eq(log_first_offset(fx.log), 4);
    ck_assert(log_awaits_checkpoint(fx.log));
    log_set_checkpoint(fx.log, 9);
    ck_assert_uint_eq(log_segment_count(fx.log), 1);
    ck_assert(!log_awaits_checkpoint(fx.log));
    fx_add(&fx, .n_records = 1);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_uint_eq(log_segment_count(fx.log), 2);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    ck_assert_uint_eq(log_segment_count(fx.log), 1);
    ck_assert_int_eq(fx_cut(&fx), 0);
    fx_reopen(&fx);
    ck_assert_uint_eq(log_segment_count(fx.log), 1);
    fx_check(&fx);
}
END_TEST

START_TEST(without_room_for_a_checkpoint_segments_go)
{
    log_set_no_room(fx.log, false);
    fx_set_start(&fx, 9);
    ck_assert_uint_eq(log_segment_count(fx.log), 5);
    log_set_no_room(fx.log, true);
    ck_assert_uint_eq(log_segment_count(fx.log), 3);
    ck_assert(!log_awaits_checkpoint(fx.log));
}
END_TEST

/* A segment without the state before it is none that an image may begin with. */
START_TEST(without_a_snapshot_a_segment_goes_on)
{
    log_roll(fx.log);
    ck_assert(!log_plan(fx.log, 100, 1, false));
    ck_assert(log_needs_roll(fx.log, 0));
    ck_assert(log_plan(fx.log, INT32_MAX, 1, false));
    log_roll(fx.log);
    ck_assert(log_plan(fx.log, 100, 1, true));
}
END_TEST

START_TEST(a_group_without_offsets_loses_nothing_by_offset)
{
    struct fx g;

    fx_init(&g, NULL);
    for (unsigned i = 0; i < 6; i++) {
        log_roll(g.log);
        fx_add(&g, .commands_size = 8);
        ck_assert_int_eq(fx_append(&g, 0), 0);
    }
    log_set_start(g.log, 0);
    ck_assert_int_eq(log_retention_start(g.log, INT64_MAX, 0, 0), 0);
    ck_assert_uint_eq(log_segment_count(g.log), 6);
    ck_assert_int_eq(fx_sync(&g, 0), 0);
    fx_reopen(&g);
    ck_assert_uint_eq(log_segment_count(g.log), 6);
    fx_check(&g);
    fx_fini(&g);
}
END_TEST

Suite *retention_suite(void)
{
    Suite *s = suite_create("retention");

    suite_add_with(s, nothing_goes_without_limits, setup, teardown);
    suite_add_with(s, old_segments_go_by_append_time, setup, teardown);
    suite_add_with(s, the_active_segment_goes_by_age_once_it_is_sealed, setup, teardown);
    suite_add_with(s, segments_go_by_size, setup, teardown);
    suite_add_with(s, whole_segments_below_the_start_are_cut, setup, teardown);
    suite_add_with(s, nothing_to_cut_is_said, setup, teardown);
    suite_add_with(s, a_reader_keeps_the_files_that_it_reads, setup, teardown);
    suite_add_with(s, the_last_segment_stays_until_another_follows, setup, teardown);
    suite_add_with(s, a_failed_cut_is_tried_again, setup, teardown);
    suite_add_with(s, the_segment_of_the_checkpoint_stays, setup, teardown);
    suite_add_with(s, without_room_for_a_checkpoint_segments_go, setup, teardown);
    suite_add_with(s, without_a_snapshot_a_segment_goes_on, setup, teardown);
    suite_add(s, a_group_without_offsets_loses_nothing_by_offset);
    return s;
}
