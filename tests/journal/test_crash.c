/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Crashes: what was done is there, in order, once; what was not may be there, but never half or out of order. */

#include <stdlib.h>

#include "base/util.h"
#include "journal/format.h"
#include "journal/rig.h"
#include "journal/suites.h"
#include "support/rand.h"

DEFINE_CLEANUP(struct disk_file *, disk_close)

/* Requests of all kinds, file switches, recycling, seals. Ends early when the disk dies. */
static void workload(struct rig *r)
{
    uint64_t mortal = 100 + r->n_groups; /* ids are never used again */

    for (int round = 0; round < 12 && r->fatal_error == 0; round++) {
        rig_random(r, 4, 9000);
        for (int i = 0; i < 4; i++)
            rig_step(r);
        rig_random(r, 2, 100);
        if (round == 5)
            rig_entry(r, mortal, 30000);
        rig_run(r);
        if (round == 8 && r->fatal_error == 0)
            rig_forget(r, mortal);
        if (round % 3 == 2 && r->fatal_error == 0) {
            for (uint64_t id = 1; id <= 5; id++) {
                uint64_t last = rig_group(r, id)->sent.last_index, index = last - (last > 1);

                if (rig_may_checkpoint(r, id, index))
                    rig_checkpoint(r, id, index);
            }
        }
        journal_tick(r->j);
        rig_run(r);
    }
}

static struct rig *rig_small(uint64_t seed)
{
    struct rig *r = rig_new(seed);

    r->config.file_size_bytes = 128 * 1024;
    r->config.size_bytes = 1280 * 1024;
    return r;
}

static uint64_t count_steps(uint64_t seed)
{
    struct rig *r = rig_small(seed);
    uint64_t steps;

    ck_assert_int_eq(rig_start(r), 0);
    workload(r);
    rig_settle(r);
    ck_assert_uint_gt(rig_count(r, JOURNAL_SUFFIX_LIVE), 1);
    steps = sim_disk_steps(r->disk);
    rig_free(r);
    return steps;
}

/* A crash at every step of a run, with a drawn part of what was unsynced; then the run goes on. */
START_TEST(crash_at_each_step)
{
    uint64_t seed = 11, steps = count_steps(seed);

    ck_assert_uint_gt(steps, 100);
    for (uint64_t step = 0; step < steps; step++) {
        struct rig *r = rig_small(seed);

        sim_disk_crash_after(r->disk, step);
        if (rig_start(r) == 0)
            workload(r);
        rig_recover(r, SIM_CRASH_DRAW);
        rig_random(r, 10, 500);
        rig_settle(r);
        rig_recover(r, SIM_CRASH_NOTHING);
        rig_free(r);
    }
}
END_TEST

/* A crash at every step of a recovery, and of the next one, until one gets through. */
START_TEST(crash_in_recovery)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rig *r = rig_small(seed);
        uint64_t steps = 0;

        ck_assert_int_eq(rig_start(r), 0);
        sim_disk_crash_after(r->disk, 30 + seed * 3);
        workload(r);
        rig_crash(r, SIM_CRASH_DRAW);
        for (;; steps++) {
            int err;

            sim_disk_crash_after(r->disk, steps);
            err = rig_start(r);
            if (err == 0)
                break;
            ck_assert_msg(err == -EIO, "seed %d step %d: %d %s", (int)seed, (int)steps, err, r->err.text);
            rig_crash(r, SIM_CRASH_DRAW);
        }
        ck_assert_uint_gt(steps, 2);
        sim_disk_crash_after(r->disk, UINT64_MAX);
        rig_random(r, 10, 500);
        rig_settle(r);
        rig_recover(r, SIM_CRASH_NOTHING);
        rig_free(r);
    }
}
END_TEST

/* The page cache outlives the process: what recovery accepts from it must become durable. */
START_TEST(kill_then_power_loss)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct rig *r = rig_small(seed);

        ck_assert_int_eq(rig_start(r), 0);
        sim_disk_crash_after(r->disk, 20 + seed * 2);
        workload(r);
        rig_stop(r);
        sim_disk_exit(r->disk);
        ck_assert_int_eq(rig_start(r), 0);
        rig_recover(r, SIM_CRASH_NOTHING);
        rig_free(r);
    }
}
END_TEST

/* A failed sync leaves bytes in the cache that the medium doesn't have, and the next sync succeeds. */
START_TEST(failed_sync_then_restart_then_power_loss)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rig *r = rig_small(seed);

        ck_assert_int_eq(rig_start(r), 0);
        rig_random(r, 5, 500);
        rig_settle(r);
        sim_disk_fail(r->disk, SIM_DISK_SYNC_DATA, 0, 1, -EIO);
        rig_random(r, 5, 500);
        rig_run(r);
        ck_assert_int_eq(r->fatal_error, -EIO);
        rig_stop(r);
        sim_disk_exit(r->disk);
        ck_assert_int_eq(rig_start(r), 0);
        rig_recover(r, SIM_CRASH_NOTHING);
        rig_free(r);
    }
}
END_TEST

/* Runs the flush of what waits, but not its completion. */
static void flush_without_done(struct rig *r)
{
    uint64_t syncs = sim_disk_calls(r->disk, SIM_DISK_SYNC_DATA);

    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    journal_poll(r->j, r->clock.mono_ns);
    while (sim_disk_calls(r->disk, SIM_DISK_SYNC_DATA) == syncs)
        ck_assert(sim_lane_step(r->lane, NULL));
    rig_stop(r);
    sim_disk_exit(r->disk);
}

static size_t read_file(struct rig *r, const char *path, uint8_t *to, size_t size)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;
    ssize_t n;

    ck_assert_int_eq(disk_open(r->config.disk, path, DISK_READ, &f), 0);
    n = disk_pread(f, to, size, 0);
    ck_assert_int_ge(n, 0);
    return (size_t)n;
}

static void write_file(struct rig *r, const char *path, const uint8_t *data, size_t size)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;

    ck_assert_int_eq(disk_open(r->config.disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_pwrite(f, data, size, 0), 0);
    ck_assert_int_eq(disk_sync_data(f), 0);
}

#define TORN_SIZE ((size_t)64 * 1024)

/* A small history whose last flush isn't done; before and after are the file without and with that flush. */
static struct rig *torn_history(uint8_t *before, uint8_t *after)
{
    struct rig *r = rig_new(3);
    _cleanup_(freep) char *path = NULL;

    ck_assert_int_eq(rig_start(r), 0);
    path = rig_live_file(r, 0);
    for (int i = 0; i < 4; i++) {
        rig_hard_state(r, 2, (uint64_t)i + 1, 1);
        rig_entry(r, 1, 1000);
        rig_settle(r);
    }
    ck_assert_uint_eq(read_file(r, path, before, TORN_SIZE), TORN_SIZE);
    rig_entry(r, 1, 700);
    rig_entry(r, 2, 5000);
    rig_truncate(r, 1, 3);
    rig_entry(r, 1, 3000);
    flush_without_done(r);
    ck_assert_uint_eq(read_file(r, path, after, TORN_SIZE), TORN_SIZE);
    return r;
}

START_TEST(torn_tail_at_every_sector)
{
    static uint8_t before[TORN_SIZE], after[TORN_SIZE], torn[TORN_SIZE];
    unsigned n_kept = 0, n_cut = 0;

    for (size_t cut = 0; cut <= TORN_SIZE; cut += 512) {
        struct rig *r = torn_history(before, after);
        _cleanup_(freep) char *path = rig_live_file(r, 0);
        uint32_t first;

        memcpy(torn, before, TORN_SIZE);
        memcpy(torn, after, cut);
        write_file(r, path, torn, TORN_SIZE);
        ck_assert_int_eq(rig_open(r), 0);
        first = rig_fingerprint(r);
        rig_stop(r);
        ck_assert_int_eq(rig_open(r), 0);
        ck_assert_uint_eq(rig_fingerprint(r), first);
        if (rig_group(r, 1)->replayed_last == 3 && rig_group(r, 2)->replayed_last == 1)
            n_kept++;
        else
            n_cut++;
        ck_assert_int_eq(rig_go(r), 0);
        rig_random(r, 5, 500);
        rig_settle(r);
        rig_recover(r, SIM_CRASH_NOTHING);
        rig_free(r);
    }
    ck_assert_uint_gt(n_kept, 50);
    ck_assert_uint_gt(n_cut, 20);
}
END_TEST

/* Any sectors of the last flush may be missing; a good block behind a hole is void and stays so. */
START_TEST(torn_tail_with_holes)
{
    static uint8_t before[TORN_SIZE], after[TORN_SIZE], torn[TORN_SIZE];
    struct rand rand;

    rand_init(&rand);
    for (int draw = 0; draw < 300; draw++) {
        struct rig *r = torn_history(before, after);
        _cleanup_(freep) char *path = rig_live_file(r, 0);
        unsigned rate = (unsigned)rand_below(&rand, 20);

        for (size_t at = 0; at < TORN_SIZE; at += 512)
            memcpy(torn + at, rand_chance(&rand, rate, 20) ? before + at : after + at, 512);
        write_file(r, path, torn, TORN_SIZE);
        ck_assert_int_eq(rig_start(r), 0);
        rig_random(r, 5, 500);
        rig_settle(r);
        rig_recover(r, SIM_CRASH_NOTHING);
        rig_free(r);
    }
}
END_TEST

/* Several blocks in one flush, of which only the later ones arrive. */
START_TEST(blocks_behind_a_hole_never_come_back)
{
    struct rig *r = rig_new(5);
    _cleanup_(freep) char *path = NULL;
    _cleanup_(disk_closep) struct disk_file *f = NULL;
    static uint8_t zeros[4096];

    r->config.file_size_bytes = 32 * 1024 * 1024;
    r->config.size_bytes = 256 * 1024 * 1024;
    r->config.first_file_size_bytes = 8 * 1024 * 1024;
    ck_assert_int_eq(rig_start(r), 0);
    path = rig_live_file(r, 0);
    rig_entry(r, 1, 100);
    rig_settle(r);
    for (int i = 0; i < 3; i++)
        rig_entry(r, 1, 1024 * 1024); /* four blocks */
    flush_without_done(r);
    ck_assert_int_eq(disk_open(r->config.disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_pwrite(f, zeros, sizeof(zeros), 3 * 4096), 0); /* the first of them */
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(rig_start(r), 0);
        ck_assert_uint_eq(rig_group(r, 1)->replayed_last, (uint64_t)i + 1);
        rig_entry(r, 1, 100);
        rig_settle(r);
        rig_stop(r);
        sim_disk_crash(r->disk, SIM_CRASH_ALL, NULL);
    }
    disk_close(TAKE_PTR(f));
    rig_free(r);
}
END_TEST

/* Long lives with everything in them. */
START_TEST(many_lives)
{
    struct rand rand;

    rand_init(&rand);
    for (int life = 0; life < 25; life++) {
        struct rig *r = rig_small(rand_u64(&rand));

        ck_assert_int_eq(rig_start(r), 0);
        for (int era = 0; era < 12; era++) {
            if (rand_chance(&rand, 2, 3))
                sim_disk_crash_after(r->disk, rand_below(&rand, 150));
            workload(r);
            if (rand_chance(&rand, 1, 2))
                sim_disk_writeback(r->disk, &r->prng);
            if (rand_chance(&rand, 1, 3)) {
                rig_stop(r);
                sim_disk_exit(r->disk);
                ck_assert_int_eq(rig_start(r), 0);
            } else {
                rig_recover(r, SIM_CRASH_DRAW);
            }
            rig_checkpoint_pins(r);
            rig_settle(r);
        }
        rig_free(r);
    }
}
END_TEST

Suite *crash_suite(void)
{
    Suite *s = suite_create("crash");

    suite_add(s, crash_at_each_step);
    suite_add(s, crash_in_recovery);
    suite_add(s, kill_then_power_loss);
    suite_add(s, failed_sync_then_restart_then_power_loss);
    suite_add(s, torn_tail_at_every_sector);
    suite_add(s, torn_tail_with_holes);
    suite_add(s, blocks_behind_a_hole_never_come_back);
    suite_add(s, many_lives);
    return s;
}
