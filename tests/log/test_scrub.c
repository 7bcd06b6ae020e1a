/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sealed segments are read again: sound ones are found sound, and any flipped bit is found. */

#include <stdio.h>

#include "base/util.h"
#include "log/fixture.h"
#include "log/format.h"
#include "log/scrub.h"
#include "log/suites.h"

/* Entries of several kinds in several segments, all synced. */
static void filled(struct fx *fx)
{
    fx_init(fx, NULL);
    fx_close(fx);
    fx->config.segment_bytes = 1500;
    fx_reopen(fx);
    for (unsigned i = 0; i < 30; i++)
        fx_add(fx, .n_records = i % 4, .n_batches = i % 4 > 0 ? 1 + i % 2 : 0, .value_size = 20 + i * 7,
               .commands_size = i % 3 == 0 ? 30 : 0, .term = 1 + i / 10);
    ck_assert_int_eq(fx_append(fx, 0), 0);
    ck_assert_int_eq(fx_sync(fx, 0), 0);
    ck_assert_uint_gt(log_segment_count(fx->log), 3);
}

/* One job; false when there is nothing left. */
static bool step(struct fx *fx, struct log_scrub *job, size_t max_bytes)
{
    if (!log_scrub_prepare(fx->log, job, max_bytes))
        return false;
    log_scrub_run(job);
    log_scrub_done(job);
    return true;
}

/* All of it in jobs of max_bytes; returns how many segments were read, and adds up the damage. */
static unsigned scrub(struct fx *fx, size_t max_bytes, struct log_scrub_damage *ret)
{
    struct log_scrub job = { 0 };
    unsigned n = 0;

    *ret = (struct log_scrub_damage){ 0 };
    while (step(fx, &job, max_bytes)) {
        ck_assert_int_eq(job.error, 0);
        if (!job.segment_done)
            continue;
        n++;
        if (job.damage.n_entries > 0)
            *ret = job.damage;
    }
    return n;
}

START_TEST(sound_segments_are_sound)
{
    static const size_t sizes[] = { 1, 5000, 1 << 20 };
    struct log_scrub_damage damage;
    struct fx fx;

    filled(&fx);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        ck_assert_uint_eq(scrub(&fx, sizes[i], &damage), log_segment_count(fx.log) - 1);
        ck_assert_uint_eq(damage.n_entries, 0);
    }
    fx_check(&fx);
    fx_fini(&fx);
}
END_TEST

/* Each byte of each file of the second segment. */
START_TEST(every_flipped_bit_is_found)
{
    struct log_scrub first = { 0 };
    struct log_scrub_damage damage;
    struct error_text text;
    struct fx fx;

    filled(&fx);
    while (step(&fx, &first, 1 << 20) && !first.segment_done)
        ;
    ck_assert(log_scrub_prepare(fx.log, &first, 1 << 20));
    log_scrub_run(&first);
    log_scrub_done(&first);
    for (unsigned kind = 0; kind < SEGMENT_N_PARTS; kind++) {
        char name[SEGMENT_FILE_NAME_SIZE], path[128];
        uint64_t size;

        segment_file_name(name, first.damage.base_index, kind);
        snprintf(path, sizeof(path), "%s/%s", FX_DIR, name);
        size = fx_file_size(&fx, name);
        ck_assert_uint_gt(size, 0);
        for (uint64_t at = 0; at < size; at++) {
            ck_assert_int_eq(sim_disk_flip(fx.disk, path, at, (uint8_t)(1u << at % 8)), 0);
            scrub(&fx, 1 << 20, &damage);
            ck_assert_msg(damage.n_entries > 0, "%s byte %d", name, (int)at);
            ck_assert_uint_eq(damage.base_index, first.damage.base_index);
            ck_assert_uint_eq(damage.kind, kind);
            ck_assert_int_eq(sim_disk_flip(fx.disk, path, at, (uint8_t)(1u << at % 8)), 0);
        }
        log_scrub_describe(fx.log, &damage, &text);
        ck_assert_ptr_nonnull(strstr(text.text, name));
    }
    scrub(&fx, 1 << 20, &damage);
    ck_assert_uint_eq(damage.n_entries, 0);
    fx_fini(&fx);
}
END_TEST

/* What a damaged record of the table held is known from its neighbours. */
START_TEST(the_offsets_that_are_hit_are_told)
{
    struct log_scrub_damage damage;
    struct error_text text;
    char path[128], name[SEGMENT_FILE_NAME_SIZE];
    struct fx fx;

    fx_init(&fx, NULL);
    fx_close(&fx);
    fx.config.segment_bytes = 1000;
    fx_reopen(&fx);
    for (unsigned i = 0; i < 20; i++)
        fx_add(&fx, .n_records = 5, .value_size = 20);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    segment_file_name(name, 1, SEGMENT_ENTRIES);
    snprintf(path, sizeof(path), "%s/%s", FX_DIR, name);
    ck_assert_int_eq(sim_disk_flip(fx.disk, path, table_position(1) + 20, 4), 0);
    scrub(&fx, 1 << 20, &damage);
    ck_assert_uint_eq(damage.n_entries, 1);
    ck_assert_uint_eq(damage.first_index, 2);
    ck_assert_uint_eq(damage.last_index, 2);
    ck_assert_int_eq(damage.first_offset, 5);
    ck_assert_int_eq(damage.next_offset, 10);
    log_scrub_describe(fx.log, &damage, &text);
    ck_assert_ptr_nonnull(strstr(text.text, "(offsets 5 to 9)"));
    fx_fini(&fx);
}
END_TEST

/* Nobody gets the file itself any more, whose wrong bytes may come from the cache: copies are checked. */
START_TEST(what_is_damaged_is_not_lent)
{
    struct log_scrub_damage damage;
    char path[128], name[SEGMENT_FILE_NAME_SIZE];
    int64_t last;
    struct fx fx;

    filled(&fx);
    last = log_end(fx.log).next_offset - 1;
    scrub(&fx, 1 << 20, &damage);
    ck_assert(log_may_lend(fx.log, 0));
    segment_file_name(name, 1, SEGMENT_LOG);
    snprintf(path, sizeof(path), "%s/%s", FX_DIR, name);
    ck_assert_int_eq(sim_disk_flip(fx.disk, path, 100, 4), 0);
    scrub(&fx, 1 << 20, &damage);
    ck_assert_uint_eq(damage.base_index, 1);
    ck_assert(!log_may_lend(fx.log, 0));
    ck_assert(log_may_lend(fx.log, last));
    fx_fini(&fx);
}
END_TEST

START_TEST(unreadable_bytes_are_damage)
{
    struct log_scrub_damage damage;
    struct fx fx;

    filled(&fx);
    sim_disk_fail(fx.disk, SIM_DISK_READ, 1, 1, -EIO);
    ck_assert_uint_eq(scrub(&fx, 1 << 20, &damage), log_segment_count(fx.log) - 1);
    ck_assert_uint_gt(damage.n_entries, 0);
    fx_fini(&fx);
}
END_TEST

START_TEST(a_lack_of_descriptors_is_no_damage)
{
    struct log_scrub job = { 0 };
    struct fx fx;

    filled(&fx);
    sim_disk_fail(fx.disk, SIM_DISK_OPEN, 1, 1, -EMFILE);
    ck_assert(step(&fx, &job, 1 << 20));
    ck_assert_int_eq(job.error, -EMFILE);
    ck_assert(!job.segment_done);
    ck_assert_uint_eq(job.damage.n_entries, 0);
    ck_assert(step(&fx, &job, 1 << 20));
    ck_assert(job.segment_done);
    ck_assert_uint_eq(job.damage.n_entries, 0);
    fx_fini(&fx);
}
END_TEST

/* Unsynced ones are left for later, the one that is appended to always. */
START_TEST(only_sealed_and_synced_ones)
{
    struct log_scrub job = { 0 };
    struct log_scrub_damage damage;
    unsigned n;
    struct fx fx;

    filled(&fx);
    n = log_segment_count(fx.log) - 1;
    for (unsigned i = 0; i < 10; i++)
        fx_add(&fx, .n_records = 1, .value_size = 400);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_uint_gt(log_segment_count(fx.log), n + 2);
    ck_assert_uint_eq(scrub(&fx, 1 << 20, &damage), n);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    ck_assert_uint_eq(scrub(&fx, 1 << 20, &damage), log_segment_count(fx.log) - 1);
    job.end_index = 1;
    ck_assert(!step(&fx, &job, 1 << 20));
    fx_fini(&fx);
}
END_TEST

Suite *scrub_suite(void)
{
    Suite *s = suite_create("scrub");

    suite_add(s, sound_segments_are_sound);
    suite_add(s, every_flipped_bit_is_found);
    suite_add(s, the_offsets_that_are_hit_are_told);
    suite_add(s, what_is_damaged_is_not_lent);
    suite_add(s, unreadable_bytes_are_damage);
    suite_add(s, a_lack_of_descriptors_is_no_damage);
    suite_add(s, only_sealed_and_synced_ones);
    return s;
}
