/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>

#include "log/fixture.h"
#include "log/suites.h"

START_TEST(an_empty_log_has_no_files)
{
    struct disk_space space;
    struct fx fx;

    fx_init(&fx, NULL);
    ck_assert_uint_eq(log_end(fx.log).index, 0);
    ck_assert_uint_eq(log_segment_count(fx.log), 0);
    ck_assert_int_eq(disk_space(fx.config.disk, &space), 0);
    ck_assert_uint_eq(sim_disk_steps(fx.disk), 0);
    ck_assert(!log_is_dirty(fx.log));
    fx_fini(&fx);
}
END_TEST

START_TEST(what_is_appended_can_be_read)
{
    struct fx fx;

    fx_init(&fx, NULL);
    for (unsigned i = 0; i < 200; i++)
        fx_add(&fx, .n_records = 1 + i % 5, .value_size = i);
    ck_assert_int_eq(fx_append(&fx, 1), 0);
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert(log_is_dirty(fx.log));
    ck_assert_uint_eq(log_end(fx.log).index, 200);
    ck_assert_uint_gt(log_segment_count(fx.log), 5);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

START_TEST(nothing_is_visible_before_done)
{
    struct log_append job;
    struct fx fx;

    fx_init(&fx, NULL);
    fx_add(&fx, .n_records = 1);
    fx_add(&fx, .n_records = 1);
    ck_assert_int_eq(fx_append(&fx, 1), 0);
    fx_append_prepare(&fx, &job, 1);
    log_append_run(&job);
    ck_assert_int_eq(job.error, 0);
    ck_assert_uint_eq(log_end(fx.log).index, 1);
    fx_check(&fx);
    fx_append_finish(&job);
    ck_assert_uint_eq(log_end(fx.log).index, 2);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

START_TEST(entries_without_records_take_no_bytes_in_the_log)
{
    struct fx fx;

    fx_init(&fx, NULL);
    fx_add(&fx, .term = 1);
    for (unsigned i = 0; i < 100; i++)
        fx_add(&fx, .commands_size = 10 + i);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_uint_eq(log_size_bytes(fx.log), 0);
    ck_assert_int_eq(log_end(fx.log).next_offset, 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".aux"), 1);
    fx_check(&fx);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_reopen(&fx);
    ck_assert_uint_eq(log_end(fx.log).index, 101);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

START_TEST(all_kinds_of_entries_mix)
{
    struct fx fx;

    fx_init(&fx, NULL);
    for (unsigned i = 0; i < 60; i++) {
        fx_add(&fx, .term = 1 + i / 7);
        fx_add(&fx, .n_records = 3, .value_size = 20, .commands_size = 9);
        fx_add(&fx, .commands_size = 30);
        fx_add(&fx, .n_batches = 3, .n_records = 2, .value_size = 100);
    }
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    fx_check(&fx);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_reopen(&fx);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

START_TEST(one_huge_entry_spans_all_limits)
{
    struct fx fx;

    fx_init(&fx, NULL);
    fx_add(&fx, .n_records = 1, .value_size = 10);
    fx_add(&fx, .n_records = 2, .value_size = 6u << 20);
    fx_add(&fx, .n_records = 1, .value_size = 10);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_uint_eq(log_segment_count(fx.log), 3);
    fx_check(&fx);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_reopen(&fx);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

START_TEST(segments_roll_by_size)
{
    struct fx fx;

    fx_init(&fx, NULL);
    fx.config.segment_bytes = 1000;
    fx_reopen(&fx);
    for (unsigned i = 0; i < 30; i++) {
        fx_add(&fx, .n_records = 1, .value_size = 200);
        ck_assert_int_eq(fx_append(&fx, 0), 0);
    }
    ck_assert_uint_eq(log_segment_count(fx.log), 10);
    ck_assert_uint_le(fx_file_size(&fx, "00000000000000000001.log"), 1000);
    ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), 9);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

START_TEST(segments_roll_by_append_time)
{
    struct fx fx;

    fx_init(&fx, NULL);
    log_set_limits(fx.log, 1u << 30, 100);
    for (unsigned i = 0; i < 10; i++)
        fx_add(&fx, .n_records = 1, .append_ms = 1000 + i * 50);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_uint_eq(log_segment_count(fx.log), 5);
    ck_assert(!log_needs_roll(fx.log, 1499));
    ck_assert(log_needs_roll(fx.log, 1500));
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

START_TEST(segments_roll_when_asked)
{
    struct fx fx;

    fx_init(&fx, NULL);
    log_roll(fx.log); /* of nothing: no effect */
    fx_add(&fx, .n_records = 1);
    fx_add(&fx, .n_records = 1);
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_uint_eq(log_segment_count(fx.log), 1);
    log_roll(fx.log);
    ck_assert(log_needs_roll(fx.log, 0));
    fx_add(&fx, .term = 2);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert(!log_needs_roll(fx.log, 0));
    ck_assert_uint_eq(log_segment_count(fx.log), 2);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

START_TEST(plans_go_on_where_the_log_ended)
{
    struct fx fx;

    fx_init(&fx, NULL);
    fx.config.segment_bytes = 1000;
    fx_reopen(&fx);
    for (unsigned i = 0; i < 9; i++) {
        fx_add(&fx, .n_records = 1, .value_size = 200);
        ck_assert_int_eq(fx_append(&fx, 0), 0);
        ck_assert_int_eq(fx_sync(&fx, 0), 0);
        fx_reopen(&fx);
    }
    ck_assert_uint_eq(log_segment_count(fx.log), 3);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

/* Fails every write in turn, then goes on with the same entries. */
START_TEST(a_full_disk_can_be_retried)
{
    static const enum sim_disk_call calls[] = { SIM_DISK_WRITE,  SIM_DISK_OPEN,  SIM_DISK_TRUNCATE,
                                                SIM_DISK_RENAME, SIM_DISK_MKDIR, SIM_DISK_ALLOCATE };

    for (unsigned call = 0; call < ARRAY_SIZE(calls); call++) {
        for (unsigned skip = 0; skip < 30; skip++) {
            struct sim_prng prng;
            struct fx fx;
            int r;

            sim_prng_init(&prng, skip);
            fx_init(&fx, &prng);
            for (unsigned i = 0; i < 40; i++)
                fx_add(&fx, .n_records = 1, .value_size = 400, .commands_size = i % 3);
            if (skip % 2 == 0)
                ck_assert_int_eq(fx_append(&fx, 7), 0);
            sim_disk_fail(fx.disk, calls[call], skip, 1, -ENOSPC);
            r = fx_append(&fx, 0);
            ck_assert(r == 0 || r == -ENOSPC);
            if (r < 0) {
                ck_assert_uint_eq(log_end(fx.log).index, skip % 2 == 0 ? 7 : 0);
                fx_check(&fx);
                ck_assert_int_eq(fx_append(&fx, 3), 0);
            }
            while (log_end(fx.log).index < fx.n)
                (void)fx_append(&fx, 1); /* the fault may come only now */
            while (fx_sync(&fx, 0) == -ENOSPC)
                ;
            fx_close(&fx);
            sim_disk_exit(fx.disk); /* forgets the fault too */
            fx_reopen(&fx);
            fx_check(&fx);
            fx_fini(&fx);
        }
    }
}
END_TEST

START_TEST(a_disk_without_space_takes_up_again)
{
    struct log_range range;
    struct fx fx;

    fx_init(&fx, NULL);
    fx_add(&fx, .n_records = 1, .value_size = 1000);
    fx_add(&fx, .n_records = 1, .value_size = 200000);
    ck_assert_int_eq(fx_append(&fx, 1), 0);
    sim_disk_set_capacity(fx.disk, 100000);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(fx_append(&fx, 1), -ENOSPC);
        ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 1);
    }
    ck_assert_int_eq(fx_read(&fx, 0, INT64_MAX, 1, &range), 0);
    log_range_release(&range);
    sim_disk_set_capacity(fx.disk, 1u << 30);
    ck_assert_int_eq(fx_append(&fx, 1), 0);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

START_TEST(a_sealed_segment_gives_back_room)
{
    struct disk_space before, after;
    struct fx fx;

    fx_init(&fx, NULL);
    log_set_limits(fx.log, 100u << 20, 0);
    ck_assert_int_eq(disk_space(fx.config.disk, &before), 0);
    fx_add(&fx, .n_records = 1, .value_size = 1000000);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(disk_space(fx.config.disk, &after), 0);
    ck_assert_uint_gt(before.free_bytes - after.free_bytes, 1900000);
    log_roll(fx.log);
    fx_add(&fx, .n_records = 1);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(disk_space(fx.config.disk, &after), 0);
    ck_assert_uint_lt(before.free_bytes - after.free_bytes, 1050000);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

static int (*allocate_of_disk)(struct disk_file *f, uint64_t offset, uint64_t size);
static unsigned n_allocations;

static int allocate_whole_blocks(struct disk_file *f, uint64_t offset, uint64_t size)
{
    n_allocations++;
    ck_assert_uint_eq(offset % DISK_ALIGN, 0);
    return allocate_of_disk(f, offset, size);
}

/* A block that is written to and not on the disk yet isn't reserved behind the file system's back. */
START_TEST(room_is_reserved_behind_the_last_block)
{
    struct env_disk_ops ops;
    struct fx fx;

    fx_init(&fx, NULL);
    fx_close(&fx);
    ops = *fx.config.disk->ops;
    allocate_of_disk = ops.allocate;
    ops.allocate = allocate_whole_blocks;
    fx.config.disk->ops = &ops;
    fx.config.segment_bytes = 500000;
    fx_reopen(&fx);
    n_allocations = 0;
    for (unsigned i = 0; i < 1200; i++) {
        fx_add(&fx, .n_records = 1, .value_size = 700 + i % 97);
        ck_assert_int_eq(fx_append(&fx, 0), 0);
    }
    ck_assert_uint_ge(n_allocations, 4);
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

START_TEST(batches_that_contradict_their_entry_are_refused)
{
    struct log_append job;
    struct fx fx;

    fx_init(&fx, NULL);
    fx_add(&fx, .n_records = 2, .value_size = 10);
    fx.entries[0].data[ENTRY_HEADER_SIZE + 7] ^= 1; /* base offset */
    fx_append_prepare(&fx, &job, 1);
    log_append_run(&job);
    ck_assert_int_eq(job.error, -EBADMSG);
    fx_append_finish(&job);
    ck_assert_uint_eq(log_end(fx.log).index, 0);
    fx_fini(&fx);
}
END_TEST

START_TEST(an_index_can_not_be_skipped)
{
    struct log_append job;
    struct fx fx;

    fx_init(&fx, NULL);
    fx_add(&fx, .n_records = 2);
    fx.entries[0].index = 2;
    fx_append_prepare(&fx, &job, 1);
}
END_TEST

/* Bytes that a log of this directory has taken when the first of them are sent to the medium. */
static size_t bytes_before_write_back(const char *dir)
{
    const size_t step = 32u << 10;
    uint64_t before;
    size_t n = 0, at_first = 0;
    struct fx fx;

    fx_init(&fx, NULL);
    fx_close(&fx);
    fx.config.dir = dir;
    fx.config.segment_bytes = 64u << 20;
    fx_reopen(&fx);
    before = sim_disk_calls(fx.disk, SIM_DISK_WRITE_BACK);
    for (; n < 4u << 20; n += step) {
        fx_add(&fx, .n_records = 1, .value_size = step - 200);
        ck_assert_int_eq(fx_append(&fx, 0), 0);
        if (at_first == 0 && sim_disk_calls(fx.disk, SIM_DISK_WRITE_BACK) > before)
            at_first = n;
    }
    ck_assert_uint_ge(sim_disk_calls(fx.disk, SIM_DISK_WRITE_BACK) - before, 3);
    ck_assert_uint_le(sim_disk_calls(fx.disk, SIM_DISK_WRITE_BACK) - before, 5);
    fx_check(&fx);
    fx_fini(&fx);
    return at_first;
}

/* Each MiB goes on its way when it is full, and of logs that grow alike not all at the same time. */
START_TEST(logs_are_written_back_in_turns)
{
    size_t early = 0, late = 0;

    for (int i = 0; i < 16; i++) {
        char dir[32];
        size_t n;

        snprintf(dir, sizeof(dir), "topics/t/%d", i);
        n = bytes_before_write_back(dir);
        ck_assert_uint_le(n, 1u << 20);
        early += n < 512u << 10;
        late += n >= 512u << 10;
    }
    ck_assert_uint_ge(early, 4);
    ck_assert_uint_ge(late, 4);
}
END_TEST

Suite *append_suite(void)
{
    Suite *s = suite_create("append");

    suite_add(s, an_empty_log_has_no_files);
    suite_add(s, what_is_appended_can_be_read);
    suite_add(s, nothing_is_visible_before_done);
    suite_add(s, entries_without_records_take_no_bytes_in_the_log);
    suite_add(s, all_kinds_of_entries_mix);
    suite_add(s, one_huge_entry_spans_all_limits);
    suite_add(s, segments_roll_by_size);
    suite_add(s, segments_roll_by_append_time);
    suite_add(s, segments_roll_when_asked);
    suite_add(s, plans_go_on_where_the_log_ended);
    suite_add(s, a_full_disk_can_be_retried);
    suite_add(s, a_disk_without_space_takes_up_again);
    suite_add(s, a_sealed_segment_gives_back_room);
    suite_add(s, room_is_reserved_behind_the_last_block);
    suite_add(s, logs_are_written_back_in_turns);
    suite_add(s, batches_that_contradict_their_entry_are_refused);
    suite_add_dying(s, an_index_can_not_be_skipped, SIGABRT);
    return s;
}
