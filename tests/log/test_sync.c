/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "log/fixture.h"
#include "log/suites.h"

static struct fx fx;

static void setup(void)
{
    fx_init(&fx, NULL);
    log_set_limits(fx.log, 1u << 20, 0);
    for (unsigned i = 0; i < 12; i++)
        fx_add(&fx, .n_records = 1, .value_size = 50);
}

static void teardown(void)
{
    fx_fini(&fx);
}

static void assert_snapshot(uint64_t max_index, uint64_t expected)
{
    uint64_t index;
    uint8_t *data;
    char text[24];
    size_t size;

    ck_assert_int_eq(log_load_snapshot(fx.log, max_index, &index, &data, &size, NULL), 0);
    ck_assert_uint_eq(index, expected);
    snprintf(text, sizeof(text), "state %u", (unsigned)expected);
    ck_assert(slice_eq_str(slice_make(data, size), text));
    free(data);
}

static int load_any(void)
{
    uint64_t index;
    uint8_t *data;
    size_t size;
    int r = log_load_snapshot(fx.log, UINT64_MAX, &index, &data, &size, NULL);

    if (r == 0)
        free(data);
    return r;
}

START_TEST(what_was_synced_survives_power_loss)
{
    ck_assert_int_eq(fx_append(&fx, 6), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    ck_assert(!log_is_dirty(fx.log));
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert(log_is_dirty(fx.log));
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, NULL);
    fx_reopen(&fx);
    ck_assert_uint_eq(log_end(fx.log).index, 6);
    ck_assert(!log_is_dirty(fx.log));
    fx_check(&fx);
    assert_snapshot(UINT64_MAX, 6);
}
END_TEST

START_TEST(only_the_newest_snapshot_and_those_of_segments_are_kept)
{
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, 2), 0); /* segment 3, its snapshot as of 2 is that of the sync */
    ck_assert_int_eq(fx_sync(&fx, 1), 0);
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), 2);
    assert_snapshot(UINT64_MAX, 6);
    assert_snapshot(5, 2);
    fx_reopen(&fx);
    ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), 2);
    assert_snapshot(UINT64_MAX, 6);
    ck_assert_int_eq(load_any(), 0);
}
END_TEST

/* What recovery cut off is cut off for good before a checkpoint goes past it. */
START_TEST(cut_bytes_do_not_come_back)
{
    ck_assert_int_eq(fx_append(&fx, 3), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_ALL, NULL);
    fx_reopen(&fx);
    log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, 1), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, NULL);
    fx_reopen(&fx);
    ck_assert_uint_eq(log_segment_count(fx.log), 2);
    fx_check(&fx);
}
END_TEST

START_TEST(removed_segments_do_not_come_back)
{
    fx.no_snapshots = true;
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_ALL, NULL);
    fx_reopen(&fx);
    ck_assert_int_eq(fx_append(&fx, 4), 0); /* now all in the first segment */
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, NULL);
    fx_reopen(&fx);
    ck_assert_uint_eq(log_segment_count(fx.log), 1);
    fx_check(&fx);
}
END_TEST

/* The process that cut or removed something was killed before a sync: the next one finds it done, and not durable. */
static void killed_behind_a_start(bool roll_before, bool roll_behind)
{
    fx.no_snapshots = true;
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    if (roll_before)
        log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_ALL, NULL);
    fx_reopen(&fx);
    fx_close(&fx);
    sim_disk_exit(fx.disk);
    fx_reopen(&fx);
    if (roll_behind)
        log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, roll_behind ? 1 : 4), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, NULL);
    fx_reopen(&fx);
    ck_assert_uint_eq(log_segment_count(fx.log), roll_behind ? 2 : 1);
    fx_check(&fx);
}

START_TEST(segments_that_a_killed_process_removed_do_not_come_back)
{
    killed_behind_a_start(true, false);
}
END_TEST

START_TEST(bytes_that_a_killed_process_cut_do_not_come_back)
{
    killed_behind_a_start(false, true);
}
END_TEST

START_TEST(new_segments_have_durable_names)
{
    fx.no_snapshots = true;
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, NULL);
    fx_reopen(&fx);
    fx_check(&fx);
}
END_TEST

/* A snapshot with a name that isn't durable yet, of a process that was killed, is the newest; then the power fails. */
START_TEST(some_snapshot_always_survives)
{
    for (unsigned seed = 0; seed < 64; seed++) {
        struct sim_prng prng;
        struct fx f;

        sim_prng_init(&prng, seed);
        fx_init(&f, NULL);
        for (unsigned i = 0; i < 4; i++)
            fx_add(&f, .n_records = 1);
        ck_assert_int_eq(fx_append(&f, 2), 0);
        ck_assert_int_eq(fx_sync(&f, 0), 0);
        ck_assert_int_eq(fx_append(&f, 1), 0);
        log_roll(f.log);
        ck_assert_int_eq(fx_append(&f, 1), 0);
        fx_reopen(&f);
        ck_assert_uint_eq(fx_count_files(&f, ".snapshot"), 1);
        fx_close(&f);
        sim_disk_crash(f.disk, SIM_CRASH_DRAW, &prng);
        fx_reopen(&f);
        ck_assert_uint_eq(fx_count_files(&f, ".snapshot"), 1);
        fx_fini(&f);
    }
}
END_TEST

START_TEST(a_snapshot_may_be_ahead_of_the_checkpoint)
{
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 5), 0);
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, NULL);
    fx_reopen(&fx);
    ck_assert_uint_eq(log_end(fx.log).index, 2);
    assert_snapshot(UINT64_MAX, 7);
}
END_TEST

START_TEST(a_damaged_snapshot_gives_way_to_an_older_one)
{
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    assert_snapshot(UINT64_MAX, 4);
    ck_assert_int_eq(sim_disk_flip(fx.disk, FX_DIR "/00000000000000000005.snapshot", 66, 1), 0);
    assert_snapshot(UINT64_MAX, 2);
    ck_assert_int_eq(sim_disk_flip(fx.disk, FX_DIR "/00000000000000000003.snapshot", 10, 1), 0);
    ck_assert_int_eq(load_any(), -ENOENT);
}
END_TEST

START_TEST(entries_that_no_snapshot_covers_must_be_there)
{
    struct error_text err;

    ck_assert_int_eq(fx_append(&fx, 4), 0);
    log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    log_set_no_room(fx.log, true);
    fx_set_start(&fx, 4);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_int_eq(log_read_entries(fx.log, 0, NULL, NULL, &err), LOG_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, "entries from 1 on are needed, but the log begins at 5"));
}
END_TEST

START_TEST(a_sync_that_failed_is_fatal_and_changes_nothing)
{
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    sim_disk_fail(fx.disk, SIM_DISK_SYNC_DATA, 0, 1, -ENOSPC);
    ck_assert_int_eq(fx_sync(&fx, 0), -EIO); /* never to be mistaken for a full disk */
    ck_assert(log_is_dirty(fx.log));
    sim_disk_fail(fx.disk, SIM_DISK_SYNC_DIR, 0, 1, -ENOMEM);
    ck_assert_int_eq(fx_sync(&fx, 0), -EIO);
}
END_TEST

START_TEST(a_snapshot_that_does_not_fit_is_tried_again)
{
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    sim_disk_fail(fx.disk, SIM_DISK_WRITE, 0, 1, -ENOSPC);
    ck_assert_int_eq(fx_sync(&fx, 0), -ENOSPC);
    ck_assert(log_is_dirty(fx.log));
    ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".tmp"), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    ck_assert(!log_is_dirty(fx.log));
    assert_snapshot(UINT64_MAX, 2);
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, NULL);
    fx_reopen(&fx);
    fx_check(&fx);
    assert_snapshot(UINT64_MAX, 2);
}
END_TEST

START_TEST(a_cut_leaves_the_only_snapshot)
{
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, 2), 0); /* its snapshot is that of the sync */
    fx.no_snapshots = true;
    log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    log_set_no_room(fx.log, true);
    fx_set_start(&fx, 4);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 1);
    assert_snapshot(UINT64_MAX, 2);
}
END_TEST

/* A sync job and an append job that rolls overlap in both orders. */
START_TEST(sync_and_append_overlap)
{
    for (int order = 0; order < 2; order++) {
        struct log_append append;
        struct log_sync sync = { 0 };
        char text[24];

        ck_assert_int_eq(fx_append(&fx, 2), 0);
        snprintf(text, sizeof(text), "state %d", (int)log_end(fx.log).index);
        sync.snapshot = slice_str(text);
        sync.snapshot_at = log_end(fx.log);
        log_sync_prepare(fx.log, &sync);
        log_roll(fx.log);
        fx_append_prepare(&fx, &append, 2);
        if (order == 0)
            log_sync_run(&sync);
        log_append_run(&append);
        if (order == 1)
            log_sync_run(&sync);
        ck_assert(append.error == 0 && sync.error == 0);
        fx_append_finish(&append);
        ck_assert(log_is_dirty(fx.log));
        log_sync_done(&sync);
        ck_assert(log_is_dirty(fx.log));
        fx_check(&fx);
        fx.checkpoint = sync.position;
        assert_snapshot(UINT64_MAX, log_end(fx.log).index - 2);
        ck_assert_int_eq(fx_sync(&fx, 0), 0);
        fx_close(&fx);
        sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, NULL);
        fx_reopen(&fx);
        fx_check(&fx);
    }
}
END_TEST

static void sync_prepare(struct log_sync *job, uint64_t index, char text[24])
{
    snprintf(text, 24, "state %d", (int)index);
    *job = (struct log_sync){ .snapshot = slice_str(text), .snapshot_at = fx_position(&fx, index) };
    log_sync_prepare(fx.log, job);
}

/* The snapshot of a sync is as of where a segment will begin: the next sync leaves it to that segment, whether that is
 * planned or on its way, and in whatever order they run. */
START_TEST(a_planned_segment_keeps_its_snapshot)
{
    for (int order = 0; order < 4; order++) {
        uint64_t end = log_end(fx.log).index;
        struct log_append append;
        struct log_sync sync;
        char text[24];

        if (end == 0) {
            ck_assert_int_eq(fx_append(&fx, 1), 0);
            end = 1;
        }
        ck_assert_int_eq(fx_sync(&fx, 1), 0); /* as of one behind the end */
        fx_plan(&fx, end + 1);
        log_roll(fx.log);
        fx_plan(&fx, end + 2);
        if (order % 2 != 0)
            fx_append_prepare(&fx, &append, 2);
        sync_prepare(&sync, end + 2, text);
        if (order % 2 == 0)
            fx_append_prepare(&fx, &append, 2);
        if (order < 2)
            log_append_run(&append);
        log_sync_run(&sync);
        if (order >= 2)
            log_append_run(&append);
        ck_assert(append.error == 0 && sync.error == 0);
        log_sync_done(&sync);
        fx_append_finish(&append);
        fx.checkpoint = sync.position;
        assert_snapshot(end + 1, end + 1);
        ck_assert_int_eq(fx_sync(&fx, 0), 0);
        assert_snapshot(end + 1, end + 1);
        /* Those of the segments but for the first one, and the last sync's. */
        ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), log_segment_count(fx.log));
    }
    fx_check(&fx);
    fx_reopen(&fx);
    fx_check(&fx);
}
END_TEST

/* The segment that is planned begins elsewhere. */
START_TEST(a_snapshot_kept_in_vain_goes_at_a_start)
{
    struct log_sync sync;
    char text[24];

    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 1), 0); /* as of 3 */
    fx_plan(&fx, 4);
    log_roll(fx.log);
    fx_plan(&fx, 5);
    sync_prepare(&sync, 5, text);
    log_sync_run(&sync);
    log_sync_done(&sync);
    ck_assert_int_eq(sync.error, 0);
    fx.checkpoint = sync.position;
    ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), 2);
    fx_reopen(&fx);
    ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), 1);
    assert_snapshot(UINT64_MAX, 5);
}
END_TEST

START_TEST(groups_without_snapshots_write_none)
{
    fx.no_snapshots = true;
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    log_roll(fx.log);
    ck_assert_int_eq(fx_append(&fx, 2), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), 0);
    ck_assert_int_eq(load_any(), -ENOENT);
    fx_reopen(&fx);
    fx_check(&fx);
}
END_TEST

/* Idle partitions hold no descriptors beyond the limit, whatever was done with them. */
START_TEST(descriptors_are_bounded)
{
    struct log_cache *cache = log_cache_new(2, 0, NULL);
    struct log_range range[3];
    struct fx many[6];

    for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
        fx_init(&many[i], NULL);
        fx_close(&many[i]);
        many[i].config.cache = cache;
        fx_reopen(&many[i]);
        fx_add(&many[i], .n_records = 1);
        ck_assert_int_eq(fx_append(&many[i], 0), 0);
        ck_assert_uint_eq(log_cache_dirty(cache), i + 1);
    }
    ck_assert_uint_eq(log_cache_open(cache), 6); /* unsynced bytes are never closed over */
    for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
        ck_assert_int_eq(fx_sync(&many[i], 0), 0);
    ck_assert_uint_eq(log_cache_dirty(cache), 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
            fx_check(&many[i]);
        ck_assert_uint_le(log_cache_open(cache), 4); /* each new one makes room for itself */
    }
    for (unsigned i = 0; i < 3; i++) /* what is read from stays open */
        ck_assert_int_eq(fx_read(&many[i], 0, INT64_MAX, 1, &range[i]), 0);
    for (unsigned i = 3; i < 6; i++)
        fx_check(&many[i]);
    ck_assert_uint_ge(log_cache_open(cache), 3);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t byte;

        ck_assert_int_eq(disk_pread(range[i].file, &byte, 1, 0), 1);
        log_range_release(&range[i]);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
        fx_fini(&many[i]);
    ck_assert_uint_eq(log_cache_open(cache), 0);
    log_cache_free(cache);
}
END_TEST

/* Whoever asks first lends no more than that, and nothing that the cache has no room for. */
START_TEST(segments_are_lent_within_limits)
{
    struct log_cache *cache = log_cache_new(3, 2, NULL);
    struct log_range ranges[3];
    struct fx many[4];

    for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
        fx_init(&many[i], NULL);
        fx_close(&many[i]);
        many[i].config.cache = cache;
        fx_reopen(&many[i]);
        fx_add(&many[i], .n_records = 1);
        ck_assert_int_eq(fx_append(&many[i], 0), 0);
        ck_assert(log_may_lend(many[i].log, 0) == (i < 2)); /* dirty ones can't make room */
    }
    for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
        ck_assert_int_eq(fx_sync(&many[i], 0), 0);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(log_may_lend(many[3].log, 0));
        ck_assert_int_eq(fx_read(&many[i], 0, INT64_MAX, 1, &ranges[i]), 0);
        ck_assert_uint_eq(log_cache_lent(cache), i + 1);
    }
    ck_assert_int_eq(fx_read(&many[0], 0, INT64_MAX, 1, &ranges[2]), 0);
    ck_assert_uint_eq(log_cache_lent(cache), 2);
    ck_assert(log_may_lend(many[0].log, 0) && log_may_lend(many[1].log, 0));
    ck_assert(!log_may_lend(many[2].log, 0) && !log_may_lend(many[3].log, 0));
    log_range_release(&ranges[2]);
    ck_assert(!log_may_lend(many[3].log, 0));
    log_range_release(&ranges[0]);
    ck_assert(log_may_lend(many[3].log, 0));
    log_range_release(&ranges[1]);
    ck_assert_uint_eq(log_cache_lent(cache), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
        fx_fini(&many[i]);
    log_cache_free(cache);
}
END_TEST

Suite *sync_suite(void)
{
    Suite *s = suite_create("sync");

    suite_add_with(s, what_was_synced_survives_power_loss, setup, teardown);
    suite_add_with(s, only_the_newest_snapshot_and_those_of_segments_are_kept, setup, teardown);
    suite_add_with(s, cut_bytes_do_not_come_back, setup, teardown);
    suite_add_with(s, removed_segments_do_not_come_back, setup, teardown);
    suite_add_with(s, segments_that_a_killed_process_removed_do_not_come_back, setup, teardown);
    suite_add_with(s, bytes_that_a_killed_process_cut_do_not_come_back, setup, teardown);
    suite_add_with(s, new_segments_have_durable_names, setup, teardown);
    suite_add(s, some_snapshot_always_survives);
    suite_add_with(s, a_snapshot_may_be_ahead_of_the_checkpoint, setup, teardown);
    suite_add_with(s, a_damaged_snapshot_gives_way_to_an_older_one, setup, teardown);
    suite_add_with(s, entries_that_no_snapshot_covers_must_be_there, setup, teardown);
    suite_add_with(s, a_sync_that_failed_is_fatal_and_changes_nothing, setup, teardown);
    suite_add_with(s, a_snapshot_that_does_not_fit_is_tried_again, setup, teardown);
    suite_add_with(s, a_cut_leaves_the_only_snapshot, setup, teardown);
    suite_add_with(s, sync_and_append_overlap, setup, teardown);
    suite_add_with(s, a_planned_segment_keeps_its_snapshot, setup, teardown);
    suite_add_with(s, a_snapshot_kept_in_vain_goes_at_a_start, setup, teardown);
    suite_add_with(s, groups_without_snapshots_write_none, setup, teardown);
    suite_add(s, descriptors_are_bounded);
    suite_add(s, segments_are_lent_within_limits);
    return s;
}
