/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "log/fixture.h"
#include "log/internal.h"
#include "log/suites.h"

static struct fx fx;

/* 20 entries of 3 records each, of equal size, in one segment. */
static void setup(void)
{
    fx_init(&fx, NULL);
    log_set_limits(fx.log, 1u << 20, 0);
    for (unsigned i = 0; i < 20; i++)
        fx_add(&fx, .n_records = 3, .value_size = 50);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
}

static void teardown(void)
{
    fx_fini(&fx);
}

static size_t entry_size(uint64_t index)
{
    return fx.entries[index - 1].parsed.batches.size;
}

START_TEST(a_read_begins_with_the_entry_that_holds_the_offset)
{
    struct log_range range;

    for (int64_t offset = 0; offset < 60; offset++) {
        ck_assert_int_eq(fx_read(&fx, offset, INT64_MAX, 1, &range), 0);
        ck_assert_int_eq(range.first_offset, offset / 3 * 3);
        ck_assert_int_eq(range.next_offset, offset / 3 * 3 + 3);
        ck_assert_uint_eq(range.position, (uint64_t)(offset / 3) * entry_size(1));
        ck_assert_uint_eq(range.size, entry_size(1));
        log_range_release(&range);
    }
}
END_TEST

START_TEST(max_bytes_limits_but_one_entry_always_comes)
{
    struct log_range range;

    for (size_t max = 0; max < 10 * entry_size(1); max += 13) {
        ck_assert_int_eq(fx_read(&fx, 3, INT64_MAX, max, &range), 0);
        ck_assert_uint_eq(range.size, MAX((size_t)1, max / entry_size(1)) * entry_size(1));
        log_range_release(&range);
    }
    ck_assert_int_eq(fx_read(&fx, 0, INT64_MAX, SIZE_MAX, &range), 0);
    ck_assert_uint_eq(range.size, 20 * entry_size(1));
    log_range_release(&range);
}
END_TEST

START_TEST(offsets_outside_are_out_of_range)
{
    struct log_range range;

    ck_assert_int_eq(fx_read(&fx, -1, INT64_MAX, 1, &range), -ERANGE);
    ck_assert_int_eq(fx_read(&fx, 60, INT64_MAX, 1, &range), -ERANGE);
    ck_assert_int_eq(fx_read(&fx, 30, 30, 1, &range), -ERANGE);
    fx_set_start(&fx, 7);
    ck_assert_int_eq(fx_read(&fx, 6, INT64_MAX, 1, &range), -ERANGE);
    ck_assert_int_eq(fx_read(&fx, 7, INT64_MAX, 1, &range), 0);
    ck_assert_int_eq(range.first_offset, 6);
    log_range_release(&range);
}
END_TEST

START_TEST(max_offset_ends_a_read)
{
    struct log_range range;

    for (int64_t max = 1; max < 60; max++) {
        ck_assert_int_eq(fx_read(&fx, 0, max, SIZE_MAX, &range), max < 3 ? -ERANGE : 0);
        if (max < 3)
            continue;
        ck_assert_int_eq(range.next_offset, max / 3 * 3);
        ck_assert_uint_eq(range.size, (uint64_t)(max / 3) * entry_size(1));
        log_range_release(&range);
    }
}
END_TEST

START_TEST(max_offset_cuts_an_entry_between_its_batches)
{
    struct log_range range;
    size_t size;

    fx_add(&fx, .n_batches = 4, .n_records = 2, .value_size = 10);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    size = entry_size(21) / 4;
    for (int64_t max = 62; max <= 68; max++) {
        ck_assert_int_eq(fx_read(&fx, 60, max, SIZE_MAX, &range), 0);
        ck_assert_int_eq(range.next_offset, max / 2 * 2);
        ck_assert_uint_eq(range.size, (uint64_t)(max / 2 - 30) * size);
        log_range_release(&range);
        ck_assert_int_eq(fx_read(&fx, 57, max, SIZE_MAX, &range), 0);
        ck_assert_int_eq(range.next_offset, max / 2 * 2);
        log_range_release(&range);
    }
    ck_assert_int_eq(fx_read(&fx, 60, 61, SIZE_MAX, &range), -ERANGE);
    ck_assert_int_eq(fx_read(&fx, 57, 61, SIZE_MAX, &range), 0);
    ck_assert_int_eq(range.next_offset, 60);
    log_range_release(&range);
}
END_TEST

START_TEST(entries_without_records_are_stepped_over)
{
    struct log_range range;

    for (unsigned i = 0; i < 100; i++)
        fx_add(&fx, .term = 2 + i);
    fx_add(&fx, .n_records = 1);
    for (unsigned i = 0; i < 100; i++)
        fx_add(&fx, .commands_size = 5);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(fx_read(&fx, 57, INT64_MAX, 1, &range), 0);
    log_range_release(&range);
    ck_assert_int_eq(fx_read(&fx, 60, INT64_MAX, 1, &range), 0);
    ck_assert_int_eq(range.first_offset, 60);
    ck_assert_uint_eq(range.size, entry_size(121));
    log_range_release(&range);
    ck_assert_int_eq(fx_read(&fx, 61, INT64_MAX, 1, &range), -ERANGE);
    fx_check(&fx);
}
END_TEST

/* A reader that goes on where it was needs one look at the table, wherever that is. */
START_TEST(going_on_needs_no_search)
{
    struct log_range range;
    uint64_t before;
    int64_t offset = 0;

    for (unsigned i = 0; i < 3000; i++)
        fx_add(&fx, .n_records = 1, .value_size = 10);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(fx_read(&fx, offset, INT64_MAX, 200, &range), 0);
    while (range.next_offset < 2000) {
        offset = range.next_offset;
        log_range_release(&range);
        before = sim_disk_calls(fx.disk, SIM_DISK_READ_CACHED);
        ck_assert_int_eq(log_read(fx.log, offset, INT64_MAX, 200, &range), 0);
        ck_assert_uint_eq(sim_disk_calls(fx.disk, SIM_DISK_READ_CACHED) - before, 3); /* the table, two probes */
    }
    log_range_release(&range);
}
END_TEST

START_TEST(cold_tables_and_data_are_asked_for)
{
    struct log_range range;
    struct log_warm warm;

    sim_disk_drop_caches(fx.disk);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    sim_disk_drop_caches(fx.disk);
    ck_assert_int_eq(log_read(fx.log, 5, INT64_MAX, 4000, &range), -EAGAIN);
    log_warm_prepare(fx.log, &warm, 5, 4000);
    log_warm_run(&warm, NULL);
    ck_assert_int_eq(warm.error, 0);
    log_warm_done(&warm);
    ck_assert_int_eq(log_read(fx.log, 5, INT64_MAX, 4000, &range), 0);
    log_range_release(&range);
}
END_TEST

/* Of every entry, in every size; and no segment is opened or held for it. */
START_TEST(a_copy_has_what_a_range_has)
{
    struct log_range range;
    struct log_copy copy;
    uint8_t *bytes;

    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    for (int64_t offset = 0; offset < log_end(fx.log).next_offset; offset++) {
        for (size_t max_bytes = 1; max_bytes < 20000; max_bytes = max_bytes * 5 / 2 + 1) {
            ck_assert_int_eq(fx_read(&fx, offset, INT64_MAX, max_bytes, &range), 0);
            log_copy_prepare(fx.log, &copy, offset, max_bytes);
            ck_assert(copy.size == max_bytes || (copy.size < max_bytes && copy.size >= range.size));
            log_copy_run(&copy, NULL);
            log_copy_done(&copy);
            ck_assert_int_eq(copy.error, 0);
            ck_assert_uint_eq(copy.size, range.size);
            bytes = xmalloc(range.size);
            ck_assert_int_eq(disk_pread(range.file, bytes, range.size, range.position), range.size);
            ck_assert_mem_eq(copy.data, bytes, range.size);
            free(bytes);
            free(copy.data);
            log_range_release(&range);
        }
    }
    fx_reopen(&fx);
    log_copy_prepare(fx.log, &copy, 5, 4000);
    ck_assert_uint_eq(log_cache_lent(fx.log->cache), 0);
    log_copy_run(&copy, NULL);
    log_copy_done(&copy);
    ck_assert_int_eq(copy.error, 0);
    ck_assert_uint_eq(log_cache_open(fx.log->cache), 0);
    free(copy.data);
}
END_TEST

START_TEST(a_copy_that_fails_has_nothing)
{
    static const enum sim_disk_call calls[] = { SIM_DISK_OPEN, SIM_DISK_OPEN, SIM_DISK_READ, SIM_DISK_READ };
    struct log_copy copy;

    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
        sim_disk_fail(fx.disk, calls[i], i % 2, 1, -EIO);
        log_copy_prepare(fx.log, &copy, 5, 4000);
        log_copy_run(&copy, NULL);
        log_copy_done(&copy);
        ck_assert_int_eq(copy.error, -EIO);
        ck_assert(copy.data == NULL && copy.size == 0);
        free(copy.err);
    }
    log_copy_prepare(fx.log, &copy, log_end(fx.log).next_offset, 4000);
    log_copy_run(&copy, NULL);
    log_copy_done(&copy);
    ck_assert_int_eq(copy.error, -ERANGE);
    ck_assert_ptr_null(copy.data);
}
END_TEST

/* Stands in for a lane that the journal uses; looks how much was read since the last time. */
struct busy_lane {
    struct env_lane lane;
    unsigned n_asked;
    uint64_t n_reads;
};

static void give_way(struct env_lane *l, uint64_t max_ns)
{
    struct busy_lane *b = container_of(l, struct busy_lane, lane);
    uint64_t n_reads = sim_disk_calls(fx.disk, SIM_DISK_READ);

    ck_assert_uint_gt(max_ns, 0);
    ck_assert(b->n_asked == 0 || n_reads == b->n_reads + 1);
    b->n_reads = n_reads;
    b->n_asked++;
}

START_TEST(a_large_warm_job_gives_way_before_each_piece)
{
    static const struct env_lane_ops ops = { .give_way = give_way };
    struct busy_lane busy = { .lane.ops = &ops };
    struct log_range range;
    struct log_warm warm;

    for (unsigned i = 0; i < 4; i++)
        fx_add(&fx, .n_records = 1, .value_size = 300 << 10);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    sim_disk_drop_caches(fx.disk);
    log_warm_prepare(fx.log, &warm, 60, SIZE_MAX);
    log_warm_run(&warm, &busy.lane);
    ck_assert_int_eq(warm.error, 0);
    log_warm_done(&warm);
    ck_assert_int_eq(log_read(fx.log, 60, INT64_MAX, SIZE_MAX, &range), 0);
    ck_assert_uint_ge(range.size, 300 << 10);
    ck_assert_uint_eq(busy.n_asked, (range.size + (256 << 10) - 1) / (256 << 10));
    ck_assert_uint_ge(busy.n_asked, 2);
    log_range_release(&range);
}
END_TEST

START_TEST(a_warm_job_out_of_range_says_so)
{
    struct log_warm warm;

    log_warm_prepare(fx.log, &warm, 60, 1);
    log_warm_run(&warm, NULL);
    log_warm_done(&warm);
    ck_assert_int_eq(warm.error, -ERANGE);
}
END_TEST

/* A warm job may finish while an append job is at work on the same, closed segment. */
START_TEST(warming_and_appending_meet_in_the_last_segment)
{
    struct log_append append;
    struct log_range range;
    struct log_warm warm;

    for (unsigned order = 0; order < 2; order++) {
        ck_assert_int_eq(fx_sync(&fx, 0), 0);
        fx_reopen(&fx);
        fx_add(&fx, .n_records = 1);
        log_warm_prepare(fx.log, &warm, 0, 1);
        fx_append_prepare(&fx, &append, 1);
        log_warm_run(&warm, NULL);
        log_append_run(&append);
        ck_assert(warm.error == 0 && append.error == 0);
        if (order == 0)
            log_warm_done(&warm);
        fx_append_finish(&append);
        if (order == 1)
            log_warm_done(&warm);
        ck_assert_int_eq(log_read(fx.log, 60 + order, INT64_MAX, 1, &range), 0);
        log_range_release(&range);
        fx_check(&fx);
    }
}
END_TEST

START_TEST(a_damaged_table_record_is_an_error)
{
    struct log_range range;

    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    ck_assert_int_eq(sim_disk_flip(fx.disk, FX_DIR "/00000000000000000001.entries", 128 * 11 + 5, 1), 0);
    ck_assert_int_eq(fx_read(&fx, 30, INT64_MAX, 1, &range), -EBADMSG);
}
END_TEST

#define FX_SEGMENT FX_DIR "/00000000000000000001"

/* The bit is wrong on the disk, and no page is in memory. */
static void rot(const char *ending, uint64_t position)
{
    char path[100];

    snprintf(path, sizeof(path), "%s%s", FX_SEGMENT, ending);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    ck_assert_int_eq(sim_disk_flip(fx.disk, path, position, 1), 0);
    sim_disk_drop_caches(fx.disk);
}

static void check_text(const struct error_text *err, const char *where)
{
    ck_assert_ptr_nonnull(err);
    ck_assert_msg(strstr(err->text, where) != NULL, "%s", err->text);
    ck_assert_ptr_nonnull(strstr(err->text, "brokerd --repair"));
}

static void warm_is_told(int64_t offset, size_t max_bytes, const char *where)
{
    struct log_warm warm;

    for (unsigned i = 0; i < 2; i++) {
        ck_assert(log_may_lend(fx.log, offset) == (i == 0));
        log_warm_prepare(fx.log, &warm, offset, max_bytes);
        log_warm_run(&warm, NULL);
        log_warm_done(&warm);
        ck_assert_int_eq(warm.error, -EBADMSG);
        if (i == 0)
            check_text(warm.err, where);
        else
            ck_assert_ptr_null(warm.err); /* it was told */
        free(warm.err);
    }
    ck_assert(!log_may_lend(fx.log, offset));
}

static struct log_copy copy_of(int64_t offset, size_t max_bytes)
{
    struct log_copy copy;

    log_copy_prepare(fx.log, &copy, offset, max_bytes);
    log_copy_run(&copy, NULL);
    log_copy_done(&copy);
    return copy;
}

/* It has so many bytes, and nothing is told. */
static void copy_has(int64_t offset, size_t max_bytes, size_t size)
{
    struct log_copy copy = copy_of(offset, max_bytes);

    ck_assert_int_eq(copy.error, 0);
    ck_assert_uint_eq(copy.size, size);
    ck_assert_ptr_null(copy.err);
    free(copy.data);
}

static void copy_fails(int64_t offset, size_t max_bytes, const char *where)
{
    struct log_copy copy = copy_of(offset, max_bytes);

    ck_assert_int_eq(copy.error, -EBADMSG);
    ck_assert(copy.data == NULL && copy.size == 0);
    if (where != NULL)
        check_text(copy.err, where);
    else
        ck_assert_ptr_null(copy.err);
    free(copy.err);
}

/* Offsets and epochs of a batch, which its own checksum leaves out, count as well. */
START_TEST(a_cold_read_checks_every_byte)
{
    for (uint64_t at = 0; at < entry_size(4); at++) {
        struct log_warm warm;

        rot(".log", 3 * entry_size(1) + at);
        log_warm_prepare(fx.log, &warm, 5, 4000);
        log_warm_run(&warm, NULL);
        log_warm_done(&warm);
        ck_assert_int_eq(warm.error, -EBADMSG);
        free(warm.err);
        ck_assert_int_eq(sim_disk_flip(fx.disk, FX_SEGMENT ".log", 3 * entry_size(1) + at, 1), 0);
    }
}
END_TEST

START_TEST(a_warm_job_names_damage_once)
{
    char where[60];

    snprintf(where, sizeof(where), "0001.log: damaged at byte %zu:", 3 * entry_size(1));
    rot(".log", 3 * entry_size(1) + 20);
    warm_is_told(5, 4000, where);
}
END_TEST

/* What is right before the damage is had, and what is behind it. */
START_TEST(a_copy_ends_before_damage)
{
    char where[60];

    snprintf(where, sizeof(where), "0001.log: damaged at byte %zu:", 3 * entry_size(1));
    rot(".log", 3 * entry_size(1) + 20);
    copy_has(0, 100000, 3 * entry_size(1));
    ck_assert(log_may_lend(fx.log, 0));
    copy_fails(10, 100000, where);
    ck_assert(!log_may_lend(fx.log, 0));
    copy_fails(10, 1, NULL);
    copy_has(12, 100000, 16 * entry_size(1));
}
END_TEST

/* Its checksum goes on over all pieces. */
START_TEST(damage_in_the_second_piece_of_an_entry)
{
    char where[60];

    log_set_limits(fx.log, 8u << 20, 0);
    for (unsigned i = 0; i < 3; i++)
        fx_add(&fx, .n_records = 1, .value_size = 600 << 10);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    snprintf(where, sizeof(where), "0001.log: damaged at byte %zu:", 20 * entry_size(1) + entry_size(21));
    rot(".log", 20 * entry_size(1) + entry_size(21) + (300 << 10));
    copy_has(60, 1 << 20, entry_size(21));
    copy_has(62, 1 << 20, entry_size(23));
    warm_is_told(60, 2 << 20, where);
    copy_fails(61, 1, NULL);
}
END_TEST

/* More than a chunk of the table has, with entries between that have no bytes. */
START_TEST(cold_reads_of_many_entries)
{
    struct log_range range;
    size_t size = 0;

    for (unsigned i = 0; i < 1000; i++) {
        fx_add(&fx, .n_records = i % 7 == 0 ? 0 : 1, .commands_size = i % 7 == 0 ? 5 : 0, .value_size = i);
        size += entry_size(fx.n);
    }
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    sim_disk_drop_caches(fx.disk);
    ck_assert_int_eq(fx_read(&fx, 0, INT64_MAX, 1 << 20, &range), 0);
    ck_assert_uint_eq(range.size, 20 * entry_size(1) + size);
    log_range_release(&range);
    copy_has(60, 1 << 20, size);
    ck_assert(log_may_lend(fx.log, 0));
}
END_TEST

START_TEST(cold_reads_name_what_is_wrong_in_a_table)
{
    rot(".entries", 128 * 11 + 5);
    copy_fails(30, 1, "0001.entries: damaged at byte 1408:");
}
END_TEST

START_TEST(cold_reads_name_what_cannot_be_read)
{
    struct log_copy copy;

    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    sim_disk_drop_caches(fx.disk);
    for (unsigned i = 0; i < 2; i++) {
        sim_disk_fail(fx.disk, SIM_DISK_OPEN, 0, 1, i == 0 ? -EMFILE : -EIO);
        copy = copy_of(30, 1);
        ck_assert_int_eq(copy.error, i == 0 ? -EMFILE : -EIO);
        if (i == 0)
            ck_assert_ptr_null(copy.err);
        else
            check_text(copy.err, "0001.entries: damaged at byte 0: the bytes can't be read (Input/output error).");
        free(copy.err);
    }
}
END_TEST

static int count_entry(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, const void *data, size_t size)
{
    (*(unsigned *)ctx)++;
    return index == 9 ? 42 : 0;
}

START_TEST(replay_stops_when_told)
{
    unsigned n = 0;

    ck_assert_int_eq(log_read_entries(fx.log, 3, count_entry, &n, NULL), 42);
    ck_assert_uint_eq(n, 6);
}
END_TEST

START_TEST(replay_names_a_damaged_entry)
{
    struct error_text err;
    unsigned n = 0;

    fx_add(&fx, .commands_size = 100);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(sim_disk_flip(fx.disk, FX_DIR "/00000000000000000001.aux", 50, 4), 0);
    ck_assert_int_eq(log_read_entries(fx.log, 19, count_entry, &n, &err), LOG_E_CORRUPT);
    ck_assert_uint_eq(n, 1);
    ck_assert_ptr_nonnull(strstr(err.text, "00000000000000000001.aux: damaged at byte 0:"));
    ck_assert_ptr_nonnull(strstr(err.text, "entry 21"));
    ck_assert_int_eq(sim_disk_flip(fx.disk, FX_DIR "/00000000000000000001.log", 3 * entry_size(1) + 30, 4), 0);
    ck_assert_int_eq(log_read_entries(fx.log, 0, count_entry, &n, &err), LOG_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, "00000000000000000001.log: damaged at byte"));
    ck_assert_ptr_nonnull(strstr(err.text, "entry 4"));
}
END_TEST

Suite *read_suite(void)
{
    Suite *s = suite_create("read");

    suite_add_with(s, a_read_begins_with_the_entry_that_holds_the_offset, setup, teardown);
    suite_add_with(s, max_bytes_limits_but_one_entry_always_comes, setup, teardown);
    suite_add_with(s, offsets_outside_are_out_of_range, setup, teardown);
    suite_add_with(s, max_offset_ends_a_read, setup, teardown);
    suite_add_with(s, max_offset_cuts_an_entry_between_its_batches, setup, teardown);
    suite_add_with(s, entries_without_records_are_stepped_over, setup, teardown);
    suite_add_with(s, going_on_needs_no_search, setup, teardown);
    suite_add_with(s, cold_tables_and_data_are_asked_for, setup, teardown);
    suite_add_with(s, a_large_warm_job_gives_way_before_each_piece, setup, teardown);
    suite_add_with(s, a_warm_job_out_of_range_says_so, setup, teardown);
    suite_add_with(s, warming_and_appending_meet_in_the_last_segment, setup, teardown);
    suite_add_with(s, a_copy_has_what_a_range_has, setup, teardown);
    suite_add_with(s, a_copy_that_fails_has_nothing, setup, teardown);
    suite_add_with(s, a_damaged_table_record_is_an_error, setup, teardown);
    suite_add_with(s, a_cold_read_checks_every_byte, setup, teardown);
    suite_add_with(s, a_warm_job_names_damage_once, setup, teardown);
    suite_add_with(s, a_copy_ends_before_damage, setup, teardown);
    suite_add_with(s, damage_in_the_second_piece_of_an_entry, setup, teardown);
    suite_add_with(s, cold_reads_of_many_entries, setup, teardown);
    suite_add_with(s, cold_reads_name_what_is_wrong_in_a_table, setup, teardown);
    suite_add_with(s, cold_reads_name_what_cannot_be_read, setup, teardown);
    suite_add_with(s, replay_stops_when_told, setup, teardown);
    suite_add_with(s, replay_names_a_damaged_entry, setup, teardown);
    return s;
}
