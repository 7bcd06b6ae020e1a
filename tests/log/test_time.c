/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <zlib.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "log/fixture.h"
#include "log/suites.h"
#include "support/rand.h"
#include "wire/batch.h"

static struct fx fx;

static void setup(void)
{
    fx_init(&fx, NULL);
    log_set_limits(fx.log, 1u << 20, 0);
}

static void teardown(void)
{
    fx_fini(&fx);
}

static struct log_time_query query(int64_t target_ms, int64_t max_offset)
{
    struct log_time_query job = { .target_ms = target_ms, .max_offset = max_offset };

    log_time_prepare(fx.log, &job);
    log_time_run(&job);
    log_time_done(&job);
    ck_assert_int_eq(job.error, 0);
    return job;
}

static void assert_found(int64_t target_ms, int64_t offset, int64_t timestamp_ms)
{
    struct log_time_query job = query(target_ms, INT64_MAX);

    ck_assert_int_eq(job.offset, offset);
    ck_assert_int_eq(job.timestamp_ms, timestamp_ms);
}

/* Four records per batch, times 100·i … 100·i + 3, three entries to a segment. */
static void add_rising(void)
{
    for (unsigned i = 0; i < 9; i++) {
        if (i % 3 == 0)
            log_roll(fx.log);
        fx_add(&fx, .term = 1 + i / 4, .n_records = 4, .timestamp_ms = 100 * (i + 1));
        ck_assert_int_eq(fx_append(&fx, 0), 0);
    }
}

START_TEST(an_empty_log_has_no_times)
{
    assert_found(0, -1, -1);
    assert_found(LOG_TIME_MAX, -1, -1);
}
END_TEST

START_TEST(the_first_record_at_or_after_a_time_is_found)
{
    add_rising();
    assert_found(0, 0, 100);
    assert_found(100, 0, 100);
    assert_found(102, 2, 102);
    assert_found(104, 4, 200);
    assert_found(503, 19, 503);
    assert_found(903, 35, 903);
    assert_found(904, -1, -1);
    ck_assert_int_eq(query(102, INT64_MAX).leader_epoch, 1);
    ck_assert_int_eq(query(503, INT64_MAX).leader_epoch, 2);
    assert_found(LOG_TIME_MAX, 35, 903);
    ck_assert_int_eq(query(LOG_TIME_MAX, INT64_MAX).leader_epoch, 3);
}
END_TEST

START_TEST(log_start_and_max_offset_bound_a_search)
{
    add_rising();
    fx_set_start(&fx, 6); /* inside the second batch */
    assert_found(0, 6, 202);
    assert_found(201, 6, 202);
    assert_found(203, 7, 203);
    ck_assert_int_eq(query(500, 19).offset, 16);
    ck_assert_int_eq(query(500, 16).offset, -1);
    ck_assert_int_eq(query(600, 16).offset, -1);
    ck_assert_int_eq(query(LOG_TIME_MAX, 20).offset, 19);
    ck_assert_int_eq(query(LOG_TIME_MAX, 18).offset, 17);
    ck_assert_int_eq(query(LOG_TIME_MAX, 18).timestamp_ms, 501);
    ck_assert_int_eq(query(LOG_TIME_MAX, 6).offset, -1);
}
END_TEST

START_TEST(control_batches_have_no_times)
{
    fx_add(&fx, .n_records = 1, .timestamp_ms = 50);
    fx_add(&fx, .n_records = 1, .timestamp_ms = 900, .attributes = BATCH_ATTR_CONTROL | BATCH_ATTR_TRANSACTIONAL);
    fx_add(&fx, .term = 2);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    assert_found(51, -1, -1);
    assert_found(LOG_TIME_MAX, 0, 50);
}
END_TEST

START_TEST(several_batches_of_an_entry_are_looked_at)
{
    fx_add(&fx, .n_batches = 3, .n_records = 2, .timestamp_ms = 10); /* 10 … 15 */
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    assert_found(13, 3, 13);
    assert_found(15, 5, 15);
    fx_set_start(&fx, 4);
    assert_found(11, 4, 14);
}
END_TEST

START_TEST(times_out_of_order_give_the_first_by_offset)
{
    static const int64_t times[] = { 500, 100, 700, 300, 700, 200 };

    for (unsigned i = 0; i < ARRAY_SIZE(times); i++) {
        if (i % 2 == 0)
            log_roll(fx.log);
        fx_add(&fx, .n_records = 1, .timestamp_ms = times[i]);
        ck_assert_int_eq(fx_append(&fx, 0), 0);
    }
    assert_found(50, 0, 500);
    assert_found(501, 2, 700);
    assert_found(LOG_TIME_MAX, 2, 700);
    fx_set_start(&fx, 3);
    assert_found(301, 4, 700);
    assert_found(LOG_TIME_MAX, 4, 700);
    assert_found(150, 3, 300);
    ck_assert_int_eq(query(LOG_TIME_MAX, 4).offset, 3);
}
END_TEST

/* Puts other records, and claims, into the only batch of the last committed entry. */
static void change_batch(uint16_t attributes, const void *records, size_t size, int64_t max_timestamp)
{
    struct fx_entry *e = &fx.entries[fx.n - 1];
    size_t total = ENTRY_HEADER_SIZE + BATCH_HEADER_SIZE + size;
    struct entry_header h = e->parsed.header;
    uint8_t *data = xmalloc(total), *batch = data + ENTRY_HEADER_SIZE;
    struct batch_header *b = (struct batch_header *)batch;

    memcpy(data, e->data, ENTRY_HEADER_SIZE + BATCH_HEADER_SIZE);
    memcpy(batch + BATCH_HEADER_SIZE, records, size);
    h.batches_size = (uint32_t)(BATCH_HEADER_SIZE + size);
    entry_header_write(&h, data);
    store_be32(b->length, (uint32_t)(BATCH_HEADER_SIZE + size - BATCH_LENGTH_END));
    store_be16(b->attributes, attributes);
    store_be64(b->max_timestamp, (uint64_t)max_timestamp);
    store_be32(b->crc, crc32c(0, batch + BATCH_CRC_START, BATCH_HEADER_SIZE + size - BATCH_CRC_START));
    free(e->data);
    e->data = data;
    e->size = total;
    e->checksum = crc32c(0, data, total);
    ck_assert_int_eq(entry_parse(data, total, &e->parsed), 0);
}

static struct slice last_records(void)
{
    struct slice b = fx.entries[fx.n - 1].parsed.batches;

    return slice_make(b.data + BATCH_HEADER_SIZE, b.size - BATCH_HEADER_SIZE);
}

START_TEST(compressed_batches_are_opened)
{
    uint8_t packed[1000];
    z_stream z = { .next_out = packed, .avail_out = sizeof(packed) };
    struct slice plain;

    fx_add(&fx, .n_records = 8, .value_size = 20, .timestamp_ms = 100);
    plain = last_records();
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (uint8_t *)plain.data;
    z.avail_in = (unsigned)plain.size;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    change_batch(BATCH_CODEC_GZIP, packed, sizeof(packed) - z.avail_out, 107);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    assert_found(105, 5, 105);
    assert_found(LOG_TIME_MAX, 7, 107);
}
END_TEST

START_TEST(a_batch_that_can_not_be_opened_counts_as_a_whole)
{
    fx_add(&fx, .n_records = 2, .timestamp_ms = 10);
    fx_add(&fx, .n_records = 8, .timestamp_ms = 100);
    change_batch(BATCH_CODEC_GZIP, "not gzip", 8, 107);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    assert_found(105, 2, 107);
    assert_found(LOG_TIME_MAX, 2, 107);
    fx_set_start(&fx, 4);
    assert_found(105, 4, 107);
}
END_TEST

/* A header may claim a time that no record has. */
START_TEST(false_claims_are_seen_through)
{
    for (unsigned i = 0; i < 6; i++) {
        uint8_t records[100];
        struct slice s;

        log_roll(fx.log);
        fx_add(&fx, .n_records = 1, .timestamp_ms = 10 + i);
        s = last_records();
        memcpy(records, s.data, s.size);
        change_batch(0, records, s.size, 5000);
        ck_assert_int_eq(fx_append(&fx, 0), 0);
    }
    assert_found(13, 3, 13);
    assert_found(16, -1, -1);
    log_roll(fx.log);
    fx_add(&fx, .n_records = 1, .timestamp_ms = 900);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    assert_found(16, 6, 900);
}
END_TEST

START_TEST(a_damaged_batch_is_an_error)
{
    struct log_time_query job = { .target_ms = 100, .max_offset = INT64_MAX };

    fx_add(&fx, .n_records = 2, .timestamp_ms = 100);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(sim_disk_flip(fx.disk, FX_DIR "/00000000000000000001.log", 70, 1), 0);
    log_time_prepare(fx.log, &job);
    log_time_run(&job);
    log_time_done(&job);
    ck_assert_int_eq(job.error, -EBADMSG);
    ck_assert_ptr_nonnull(job.err);
    ck_assert_msg(strstr(job.err->text, ".log: damaged at byte ") != NULL, "%s", job.err->text);
    free(job.err);
}
END_TEST

START_TEST(segments_stay_while_a_search_is_in_flight)
{
    struct log_time_query job = { .target_ms = 100, .max_offset = INT64_MAX };

    add_rising();
    log_time_prepare(fx.log, &job);
    log_set_no_room(fx.log, true);
    fx_set_start(&fx, 30);
    ck_assert_int_eq(fx_cut(&fx), 0);
    log_time_run(&job);
    log_time_done(&job);
    ck_assert_int_eq(job.error, 0);
    ck_assert_int_eq(job.offset, 0);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 1);
}
END_TEST

/* Against a plain walk over all records. */
START_TEST(random_times_are_found_as_by_a_walk)
{
    int64_t times[200];
    struct rand r;

    rand_init(&r);
    for (unsigned i = 0; i < ARRAY_SIZE(times); i++) {
        times[i] = (int64_t)rand_below(&r, 60) + i / 4;
        if (rand_chance(&r, 1, 9))
            log_roll(fx.log);
        fx_add(&fx, .n_records = 1, .timestamp_ms = times[i]);
        if (rand_chance(&r, 1, 4))
            fx_add(&fx, .term = 1);
        ck_assert_int_eq(fx_append(&fx, 0), 0);
    }
    for (int round = 0; round < 3000; round++) {
        int64_t max = (int64_t)rand_below(&r, ARRAY_SIZE(times)) + 1, target = (int64_t)rand_below(&r, 120);
        int64_t found = -1, largest = -1;

        if (round % 30 == 0)
            fx_set_start(&fx, round / 30);
        for (int64_t i = max - 1; i >= fx.start; i--) {
            if (times[i] >= target)
                found = i;
            if (largest < 0 || times[i] >= times[largest])
                largest = i;
        }
        if (query(target, max).offset != found || query(LOG_TIME_MAX, max).offset != largest)
            ck_abort_msg("target %d below %d", (int)target, (int)max);
    }
}
END_TEST

/* Sealed segments are mapped, the last one isn't. What was found in bytes that couldn't be read doesn't count. */
START_TEST(a_page_that_can_not_be_read_is_an_error)
{
    struct log_time_query job = { .target_ms = 200, .max_offset = INT64_MAX };

    add_rising();
    sim_disk_fail(fx.disk, SIM_DISK_UNMAP, 0, 1, -EIO);
    assert_found(900, 32, 900);
    ck_assert_uint_eq(sim_disk_calls(fx.disk, SIM_DISK_MAP), 0);
    log_time_prepare(fx.log, &job);
    log_time_run(&job);
    log_time_done(&job);
    ck_assert_int_eq(job.error, -EIO);
    free(job.err);
    assert_found(200, 4, 200);
    ck_assert_uint_gt(sim_disk_calls(fx.disk, SIM_DISK_MAP), 0);
}
END_TEST

Suite *time_suite(void)
{
    Suite *s = suite_create("time");

    suite_add_with(s, an_empty_log_has_no_times, setup, teardown);
    suite_add_with(s, the_first_record_at_or_after_a_time_is_found, setup, teardown);
    suite_add_with(s, log_start_and_max_offset_bound_a_search, setup, teardown);
    suite_add_with(s, control_batches_have_no_times, setup, teardown);
    suite_add_with(s, several_batches_of_an_entry_are_looked_at, setup, teardown);
    suite_add_with(s, times_out_of_order_give_the_first_by_offset, setup, teardown);
    suite_add_with(s, compressed_batches_are_opened, setup, teardown);
    suite_add_with(s, a_batch_that_can_not_be_opened_counts_as_a_whole, setup, teardown);
    suite_add_with(s, false_claims_are_seen_through, setup, teardown);
    suite_add_with(s, a_damaged_batch_is_an_error, setup, teardown);
    suite_add_with(s, a_page_that_can_not_be_read_is_an_error, setup, teardown);
    suite_add_with(s, segments_stay_while_a_search_is_in_flight, setup, teardown);
    suite_add_with(s, random_times_are_found_as_by_a_walk, setup, teardown);
    return s;
}
