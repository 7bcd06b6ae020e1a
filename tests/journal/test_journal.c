/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the journal promises to its owner while it runs, and after a plain restart. */

#include "journal/journal.h"

#include <signal.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "journal/format.h"
#include "journal/rig.h"
#include "journal/suites.h"

static struct rig *r;

static void setup(void)
{
    r = rig_new(1);
    ck_assert_int_eq(rig_start(r), 0);
}

static void teardown(void)
{
    rig_free(r);
}

static struct journal_stats stats(void)
{
    struct journal_stats st;

    journal_stats(r->j, &st);
    return st;
}

START_TEST(nothing_then_nothing)
{
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(r->n_groups, 0);
    ck_assert_uint_eq(stats().n_flushes, 0);
}
END_TEST

START_TEST(one_of_each_comes_back)
{
    rig_hard_state(r, 7, 3, 2);
    rig_entry(r, 7, 100);
    rig_entry(r, 7, 0);
    rig_log_start(r, 7, -5);
    rig_settle(r);
    ck_assert_uint_eq(rig_group(r, 7)->log.n_done, 3);
    rig_checkpoint(r, 7, 1);
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 7)->found.term, 3);
    ck_assert_int_eq(rig_group(r, 7)->found.vote, 2);
    ck_assert_int_eq(rig_group(r, 7)->found.log_start, -5);
    ck_assert_uint_eq(rig_group(r, 7)->found.checkpoint_index, 1);
    ck_assert_uint_eq(rig_group(r, 7)->replayed_first, 2);
    ck_assert_uint_eq(rig_group(r, 7)->replayed_last, 2);
}
END_TEST

START_TEST(many_groups_over_restarts)
{
    for (int round = 0; round < 20; round++) {
        rig_random(r, 100, 600);
        rig_settle(r);
        rig_recover(r, SIM_CRASH_NOTHING);
    }
    for (uint64_t id = 1; id <= 5; id++)
        ck_assert_uint_gt(rig_group(r, id)->log.n_done, 100);
}
END_TEST

/* Nothing is told to be done before it is durable. */
START_TEST(done_means_synced)
{
    rig_entry(r, 1, 100);
    journal_poll(r->j, r->clock.mono_ns);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 0);
    rig_settle(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 1);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 1);
}
END_TEST

START_TEST(one_flush_for_all_that_collected)
{
    uint64_t syncs;

    rig_entry(r, 1, 10);
    journal_poll(r->j, r->clock.mono_ns); /* in flight */
    for (int i = 0; i < 300; i++)
        rig_entry(r, 1 + (uint64_t)i % 5, 50);
    for (int i = 0; i < 10; i++)
        journal_poll(r->j, r->clock.mono_ns);
    syncs = sim_disk_calls(r->disk, SIM_DISK_SYNC_DATA);
    sim_lane_hold(r->lane, LANE_POOL, 0, true); /* leaves out the making of the next file */
    rig_run(r);
    ck_assert_uint_eq(sim_disk_calls(r->disk, SIM_DISK_SYNC_DATA) - syncs, 2);
    ck_assert_uint_eq(stats().n_flushes, 2);
    ck_assert_uint_eq(stats().n_records, 301);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
}
END_TEST

START_TEST(checkpoints_share_a_record)
{
    uint64_t bytes;

    for (uint64_t g = 1; g <= 16; g++)
        rig_entry(r, g, 10);
    rig_settle(r);
    bytes = stats().bytes_written;
    for (uint64_t g = 1; g <= 16; g++)
        rig_checkpoint(r, g, 1);
    rig_settle(r);
    ck_assert_uint_eq(stats().bytes_written - bytes, 4096);
    rig_recover(r, SIM_CRASH_NOTHING);
    for (uint64_t g = 1; g <= 16; g++)
        ck_assert_uint_eq(rig_group(r, g)->found.checkpoint_index, 1);
}
END_TEST

/* A record may span blocks; a flush is written in blocks of at most 1 MiB. */
/* So many rows that they are written from where they lie, and so many that they take two records. */
START_TEST(thousands_of_checkpoints_in_a_flush)
{
    static const uint64_t counts[] = { 1000, JOURNAL_TABLE_ROWS_MAX + 1000 };

    for (size_t k = 0; k < ARRAY_SIZE(counts); k++) {
        uint64_t flushes;

        rig_free(r);
        r = rig_new(2);
        r->config.file_size_bytes = r->config.first_file_size_bytes = 16 << 20;
        r->config.size_bytes = 64 << 20;
        ck_assert_int_eq(rig_start(r), 0);
        for (uint64_t i = 0; i < counts[k]; i++)
            rig_entry(r, 1, 8);
        rig_settle(r);
        flushes = stats().n_flushes;
        for (uint64_t i = 1; i <= counts[k]; i++)
            rig_checkpoint(r, 1, i);
        rig_settle(r);
        ck_assert_uint_eq(stats().n_flushes, flushes + 1);
        rig_recover(r, SIM_CRASH_NOTHING);
        ck_assert_uint_eq(rig_group(r, 1)->found.checkpoint_index, counts[k]);
    }
}
END_TEST

START_TEST(large_entries_span_blocks)
{
    rig_stop(r);
    r->config.size_bytes = 64 * 1024 * 1024;
    r->config.file_size_bytes = 16 * 1024 * 1024;
    sim_disk_exit(r->disk);
    ck_assert_int_eq(rig_start(r), 0);
    rig_entry(r, 1, 3 * 1024 * 1024 + 5);
    rig_entry(r, 2, 100);
    rig_entry(r, 1, 1024 * 1024 - 64);
    rig_entry(r, 1, 1024 * 1024);
    rig_entry(r, 1, journal_max_entry(r->j));
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 4);
}
END_TEST

START_TEST(entries_of_every_size)
{
    rig_stop(r);
    r->config.file_size_bytes = 8 * 1024 * 1024;
    r->config.size_bytes = 256 * 1024 * 1024;
    sim_disk_exit(r->disk);
    ck_assert_int_eq(rig_start(r), 0);
    for (size_t size = 0; size < 200; size++)
        rig_entry(r, 1, size);
    for (size_t size = 4096 - 200; size < 4096 + 50; size++)
        rig_entry(r, 2, size);
    for (size_t size = 1024 * 1024 - 200; size < 1024 * 1024 + 8; size += 8) {
        rig_entry(r, 3, size);
        rig_settle(r);
        rig_checkpoint_pins(r);
    }
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 3)->log.n_done, 26);
}
END_TEST

START_TEST(files_grow_and_follow_each_other)
{
    _cleanup_(freep) char *first = rig_live_file(r, 0);
    _cleanup_(freep) char *oldest = NULL;

    for (int i = 0; i < 60; i++) {
        rig_entry(r, 1, 10000);
        rig_settle(r);
    }
    ck_assert_uint_ge(stats().n_files, 3);
    oldest = rig_live_file(r, 0);
    ck_assert_str_eq(first, oldest); /* nothing was checkpointed */
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 60);
}
END_TEST

/* Over a long run with checkpoints the journal takes what it takes for a short one. */
START_TEST(recycling_bounds_the_bytes)
{
    uint64_t max_live = 0, max_all = 0, written = 0;

    for (int i = 0; i < 3000; i++) {
        struct journal_stats st;

        rig_entry(r, 1 + (uint64_t)i % 3, 8000);
        if (i % 4 == 0)
            rig_settle(r);
        rig_checkpoint_pins(r);
        st = stats();
        max_live = MAX(max_live, st.bytes_in_use);
        max_all = MAX(max_all, st.bytes_in_use + st.bytes_spare);
        if (i % 500 == 499) {
            written += st.bytes_written;
            rig_recover(r, SIM_CRASH_NOTHING);
        }
    }
    ck_assert_uint_gt(written, 10 * r->config.size_bytes);
    ck_assert_uint_le(max_live, r->config.size_bytes);
    ck_assert_uint_le(max_all, r->config.size_bytes);
    ck_assert_uint_le(rig_count(r, ""), 7);
}
END_TEST

/* A recycled file costs no allocation and no zeros. */
START_TEST(recycled_files_are_used_again)
{
    uint64_t allocations;

    for (int i = 0; i < 600; i++) {
        rig_entry(r, 1, 8000);
        rig_settle(r);
        rig_checkpoint(r, 1, (uint64_t)i + 1);
    }
    allocations = sim_disk_calls(r->disk, SIM_DISK_ALLOCATE);
    for (int i = 600; i < 1200; i++) {
        rig_entry(r, 1, 8000);
        rig_settle(r);
        rig_checkpoint(r, 1, (uint64_t)i + 1);
    }
    ck_assert_uint_eq(sim_disk_calls(r->disk, SIM_DISK_ALLOCATE), allocations);
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* A file stays until a flushed LSN that is itself on disk tells of a later table. */
START_TEST(old_file_stays_until_the_new_table_is_known)
{
    int i = 0;

    for (; stats().n_files == 1; i++) {
        rig_entry(r, 1, 5000);
        rig_settle(r);
        if (stats().n_files == 1) {
            rig_checkpoint(r, 1, (uint64_t)i + 1);
            rig_settle(r);
        }
    }
    for (int turn = 0; turn < 5; turn++)
        rig_settle(r);
    ck_assert_uint_eq(stats().n_files, 2);
    journal_seal(r->j);
    rig_settle(r);
    ck_assert_uint_eq(stats().n_files, 1);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

static void pin(void *ctx, uint64_t group, uint64_t index)
{
    uint64_t *last = ctx;

    ck_assert_uint_eq(last[group], 0);
    last[group] = index;
}

START_TEST(pins_name_who_holds_the_oldest_files)
{
    uint64_t last[4] = { 0 };

    rig_entry(r, 3, 10); /* an idle group in the first file */
    for (int i = 0; i < 90; i++) {
        rig_entry(r, 1, 10000);
        rig_settle(r);
    }
    ck_assert_int_eq(journal_pins(r->j, pin, last), 2);
    ck_assert_uint_eq(last[3], 1);
    ck_assert_uint_gt(last[1], 4);
    ck_assert_uint_lt(last[1], 90);
    rig_checkpoint(r, 1, last[1]);
    rig_settle(r);
    memset(last, 0, sizeof(last));
    ck_assert_int_eq(journal_pins(r->j, pin, last), 1);
    ck_assert_uint_eq(last[3], 1);
    rig_checkpoint(r, 3, 1);
    rig_settle(r);
    rig_entry(r, 1, 10); /* tells that the checkpoint was flushed */
    rig_settle(r);
    ck_assert_int_eq(journal_pins(r->j, pin, last), 0);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

START_TEST(truncated_entries_stay_away)
{
    for (int i = 0; i < 10; i++)
        rig_entry(r, 1, 100);
    rig_truncate(r, 1, 4);
    rig_entry(r, 1, 70);
    rig_truncate(r, 1, 5); /* nothing to void */
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 4);
    rig_truncate(r, 1, 1);
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 0);
    rig_entry(r, 1, 10);
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* The checkpoint passes what a truncation voided before. */
START_TEST(truncation_below_a_later_checkpoint)
{
    for (int i = 0; i < 10; i++)
        rig_entry(r, 1, 100);
    rig_settle(r);
    rig_truncate(r, 1, 3);
    for (int i = 0; i < 5; i++)
        rig_entry(r, 1, 90);
    rig_settle(r);
    rig_checkpoint(r, 1, 5);
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_first, 6);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 7);
}
END_TEST

START_TEST(image_replaces_the_log)
{
    for (int i = 0; i < 10; i++)
        rig_entry(r, 1, 100);
    rig_image(r, 1, 500);
    rig_entry(r, 1, 20);
    rig_image(r, 2, 30); /* of a group that was never seen */
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->found.checkpoint_index, 500);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 501);
    ck_assert_uint_eq(rig_group(r, 2)->found.checkpoint_index, 30);
    rig_image(r, 1, 501); /* behind it lie entries of the old log */
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 0);
}
END_TEST

START_TEST(forgotten_groups_pin_nothing_and_stay_forgotten)
{
    rig_entry(r, 2, 100);
    rig_hard_state(r, 2, 9, 1);
    for (int i = 0; i < 60; i++) {
        rig_entry(r, 1, 10000);
        rig_settle(r);
        rig_checkpoint(r, 1, (uint64_t)i + 1);
    }
    rig_settle(r);
    ck_assert_uint_ge(stats().n_files, 3); /* group 2 holds them */
    rig_forget(r, 2);
    rig_settle(r);
    journal_seal(r->j);
    rig_settle(r);
    ck_assert_uint_eq(stats().n_files, 1);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert(!rig_group(r, 2)->was_found);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert(!rig_group(r, 2)->was_found);
}
END_TEST

START_TEST(forgotten_while_its_entries_are_still_there)
{
    rig_entry(r, 2, 100);
    rig_settle(r);
    rig_forget(r, 2);
    rig_forget(r, 3); /* never seen */
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert(!rig_group(r, 2)->was_found);
    ck_assert(!rig_group(r, 3)->was_found);
}
END_TEST

static void again_done(struct journal_request *q)
{
}

struct again {
    uint64_t last;
    uint32_t checksum;
};

static int again_record(void *ctx, const struct journal_replay_record *rec)
{
    struct again *a = ctx;

    if (rec->group != 2)
        return 0;
    ck_assert_uint_eq(rec->index, a->last + 1);
    ck_assert_uint_eq(rec->prev_checksum, a->checksum);
    ck_assert_uint_eq(rec->data.size, 7);
    a->last = rec->index;
    a->checksum = rec->checksum;
    return 0;
}

/* A group's replica may come back to a node that gave it away: nothing of the one before is its. */
START_TEST(a_forgotten_group_may_come_again)
{
    static uint8_t data[2][7] = { "first", "second" };
    struct journal_request q[2];
    struct again again = { 0 };
    uint32_t checksum = 0;

    for (int i = 0; i < 4; i++)
        rig_entry(r, 2, 100);
    rig_settle(r);
    rig_forget(r, 2);
    rig_settle(r);
    for (uint64_t i = 0; i < 2; i++) {
        q[i] = (struct journal_request){ .kind = JOURNAL_ENTRY, .group = 2, .index = i + 1, .term = 3 };
        q[i].prev_checksum = checksum;
        checksum = q[i].checksum = crc32c(0, data[i], 7);
        q[i].data[0] = slice_make(data[i], 7);
        q[i].done = again_done;
        journal_append(r->j, &q[i]);
        if (_i == 1)
            rig_settle(r);
    }
    rig_settle(r);
    rig_crash(r, SIM_CRASH_NOTHING);
    ck_assert_int_eq(journal_open(&r->config, &r->j, &r->err), 0);
    ck_assert_int_eq(journal_replay(r->j, again_record, &again, &r->err), 0);
    ck_assert_uint_eq(again.last, 2);
    ck_assert_uint_eq(again.checksum, checksum);
    journal_free(TAKE_PTR(r->j));
    r->lane = NULL;
}
END_TEST

/* One seal after the last flush, and silence from then on. */
START_TEST(idle_tail_is_sealed_once)
{
    for (int i = 0; i < 5; i++)
        journal_tick(r->j);
    rig_settle(r);
    ck_assert_uint_eq(stats().n_flushes, 0); /* the header of the new file tells it all */
    rig_entry(r, 1, 10);
    rig_settle(r);
    journal_tick(r->j); /* there was a flush since the last tick */
    rig_settle(r);
    ck_assert_uint_eq(stats().n_flushes, 1);
    for (int i = 0; i < 5; i++) {
        journal_tick(r->j);
        rig_settle(r);
        ck_assert_uint_eq(stats().n_flushes, 2);
    }
    rig_entry(r, 1, 10);
    rig_settle(r);
    journal_seal(r->j);
    journal_seal(r->j);
    rig_settle(r);
    ck_assert_uint_eq(stats().n_flushes, 4);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

START_TEST(flush_waits_for_a_file_that_is_large_enough)
{
    rig_entry(r, 2, 100);
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    rig_entry(r, 1, journal_max_entry(r->j)); /* 64 KiB, as much as the first file */
    rig_run(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 0);
    ck_assert(!journal_is_idle(r->j));
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    rig_settle(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 1);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

START_TEST(flush_time_is_told)
{
    rig_entry(r, 1, 10);
    rig_settle(r);
    ck_assert_uint_eq(stats().last_flush_ns, 0); /* virtual time stands still */
    ck_assert_uint_gt(stats().flushed_lsn, 0);
    ck_assert_uint_eq(stats().flushed_lsn, stats().next_lsn);
}
END_TEST

static void count_done(struct journal_request *request)
{
    request->index++;
}

static int count_group(void *ctx, const struct journal_group_state *st)
{
    uint64_t *n = ctx;

    ck_assert_uint_eq(st->group, ++*n);
    ck_assert_uint_eq(st->term, st->group * 3);
    return 0;
}

static int no_record(void *ctx, const struct journal_replay_record *rec)
{
    return -EEXIST;
}

/* More rows than a part of a table holds, in a file that was made for them. */
START_TEST(thousands_of_groups)
{
    const size_t n = 9000;
    struct journal_request *all = xcalloc(n, sizeof(*all));

    for (size_t i = 0; i < n; i++) {
        all[i].kind = JOURNAL_HARD_STATE;
        all[i].group = i + 1;
        all[i].state.term = 3 * (i + 1);
        all[i].done = count_done;
        journal_append(r->j, &all[i]);
    }
    rig_settle(r);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(all[i].index, 1);
    free(all);
    for (int round = 0; round < 3; round++) {
        uint64_t count = 0;

        rig_crash(r, SIM_CRASH_NOTHING);
        ck_assert_int_eq(journal_open(&r->config, &r->j, &r->err), 0);
        ck_assert_int_eq(journal_groups(r->j, count_group, &count), 0);
        ck_assert_uint_eq(count, n);
        ck_assert_int_eq(journal_replay(r->j, no_record, NULL, &r->err), 0);
        ck_assert_int_eq(rig_go(r), 0);
    }
}
END_TEST

struct seen {
    uint64_t group, n;
};

static int count_own(void *ctx, const struct journal_replay_record *rec)
{
    struct seen *seen = ctx;

    ck_assert_uint_eq(rec->group, seen->group);
    seen->n++;
    return 0;
}

static int count_any(void *ctx, const struct journal_replay_record *rec)
{
    ++*(uint64_t *)ctx;
    return 0;
}

static uint64_t reads_of_replay(uint64_t group, uint64_t expected)
{
    uint64_t before = sim_disk_calls(r->disk, SIM_DISK_READ);
    struct seen seen = { .group = group };

    ck_assert_int_eq(journal_replay_group(r->j, group, count_own, &seen, &r->err), 0);
    ck_assert_uint_eq(seen.n, expected);
    return sim_disk_calls(r->disk, SIM_DISK_READ) - before;
}

/* One group's entries come without the files that hold only others'; a whole replay leaves out what is checkpointed. */
START_TEST(only_files_that_count_are_replayed)
{
    uint64_t before, n = 0;

    rig_entry(r, 1, 100);
    rig_entry(r, 1, 100);
    rig_settle(r);
    for (int i = 0; i < 30; i++) {
        rig_entry(r, 2, 15000);
        rig_settle(r);
    }
    rig_checkpoint(r, 2, 25);
    rig_settle(r);
    rig_crash(r, SIM_CRASH_NOTHING);
    ck_assert_int_eq(journal_open(&r->config, &r->j, &r->err), 0);
    ck_assert_uint_eq(reads_of_replay(3, 0), 0);
    ck_assert_uint_eq(reads_of_replay(1, 2), 1);
    before = sim_disk_calls(r->disk, SIM_DISK_READ);
    ck_assert_int_eq(journal_replay(r->j, count_any, &n, &r->err), 0);
    ck_assert_uint_eq(n, 2 + 5);
    ck_assert_uint_lt(sim_disk_calls(r->disk, SIM_DISK_READ) - before, stats().n_files);
    ck_assert_int_eq(rig_go(r), 0);
}
END_TEST

START_TEST(entry_out_of_order_is_a_bug)
{
    setup();
    rig_entry(r, 1, 10);
    rig_group(r, 1)->sent.last_index++;
    rig_entry(r, 1, 10);
}
END_TEST

START_TEST(entry_too_large_is_a_bug)
{
    setup();
    rig_entry(r, 1, journal_max_entry(r->j) + 1);
}
END_TEST

START_TEST(request_after_forget_is_a_bug)
{
    setup();
    rig_forget(r, 1);
    rig_hard_state(r, 1, 1, 1);
}
END_TEST

Suite *journal_suite(void)
{
    Suite *s = suite_create("journal");
    TCase *again = tcase_create("a_forgotten_group_may_come_again");

    suite_add_with(s, nothing_then_nothing, setup, teardown);
    suite_add_with(s, one_of_each_comes_back, setup, teardown);
    suite_add_with(s, many_groups_over_restarts, setup, teardown);
    suite_add_with(s, done_means_synced, setup, teardown);
    suite_add_with(s, one_flush_for_all_that_collected, setup, teardown);
    suite_add_with(s, checkpoints_share_a_record, setup, teardown);
    suite_add_with(s, thousands_of_checkpoints_in_a_flush, setup, teardown);
    suite_add_with(s, large_entries_span_blocks, setup, teardown);
    suite_add_with(s, entries_of_every_size, setup, teardown);
    suite_add_with(s, files_grow_and_follow_each_other, setup, teardown);
    suite_add_with(s, recycling_bounds_the_bytes, setup, teardown);
    suite_add_with(s, recycled_files_are_used_again, setup, teardown);
    suite_add_with(s, old_file_stays_until_the_new_table_is_known, setup, teardown);
    suite_add_with(s, pins_name_who_holds_the_oldest_files, setup, teardown);
    suite_add_with(s, truncated_entries_stay_away, setup, teardown);
    suite_add_with(s, truncation_below_a_later_checkpoint, setup, teardown);
    suite_add_with(s, image_replaces_the_log, setup, teardown);
    suite_add_with(s, forgotten_groups_pin_nothing_and_stay_forgotten, setup, teardown);
    suite_add_with(s, forgotten_while_its_entries_are_still_there, setup, teardown);
    tcase_add_checked_fixture(again, setup, teardown);
    tcase_add_loop_test(again, a_forgotten_group_may_come_again, 0, 2);
    suite_add_tcase(s, again);
    suite_add_with(s, idle_tail_is_sealed_once, setup, teardown);
    suite_add_with(s, flush_waits_for_a_file_that_is_large_enough, setup, teardown);
    suite_add_with(s, flush_time_is_told, setup, teardown);
    suite_add_with(s, thousands_of_groups, setup, teardown);
    suite_add_with(s, only_files_that_count_are_replayed, setup, teardown);
    suite_add_dying(s, entry_out_of_order_is_a_bug, SIGABRT);
    suite_add_dying(s, entry_too_large_is_a_bug, SIGABRT);
    suite_add_dying(s, request_after_forget_is_a_bug, SIGABRT);
    return s;
}
