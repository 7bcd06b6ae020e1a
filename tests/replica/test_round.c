/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Checkpoints in rounds: what they cost, and what they leave alone. */

#include "base/util.h"
#include "replica/rig.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)
#define N_BUSY 6u

static struct rig *r;

/* The last group is idle and checkpointed; the others have something new. */
static void make(bool sync_fs)
{
    r = rig_new(5, N_BUSY + 1);
    sim_disk_set_sync_fs(r->disk, sync_fs);
    rig_start_ok(r);
    rig_wait(r, rig_produce(r, N_BUSY, 1, 100));
    rig_settle(r);
    replica_checkpoint(r->groups[N_BUSY].replica, UINT64_MAX);
    rig_settle(r);
    for (unsigned g = 0; g < N_BUSY; g++)
        rig_wait(r, rig_produce(r, g, 1, 500));
    rig_settle(r);
}

static void checkpoint_all(void)
{
    for (unsigned g = 0; g <= N_BUSY; g++)
        replica_checkpoint(r->groups[g].replica, UINT64_MAX);
    while (rig_step(r))
        ;
}

static uint64_t calls(enum sim_disk_call call)
{
    return sim_disk_calls(r->disk, call);
}

static uint64_t flushes(void)
{
    struct journal_stats s;

    journal_stats(r->journal, &s);
    return s.n_flushes;
}

START_TEST(one_sync_and_one_flush_for_all)
{
    uint64_t data, dirs, fs, renames, n;

    make(true);
    data = calls(SIM_DISK_SYNC_DATA);
    dirs = calls(SIM_DISK_SYNC_DIR);
    fs = calls(SIM_DISK_SYNC_FS);
    renames = calls(SIM_DISK_RENAME);
    n = flushes();
    checkpoint_all();
    ck_assert_uint_eq(calls(SIM_DISK_SYNC_FS) - fs, 1);
    ck_assert_uint_eq(flushes() - n, 1);
    ck_assert_uint_eq(calls(SIM_DISK_SYNC_DATA) - data, 1); /* the journal's */
    ck_assert_uint_eq(calls(SIM_DISK_SYNC_DIR) - dirs, 0);
    ck_assert_uint_eq(calls(SIM_DISK_RENAME) - renames, N_BUSY); /* snapshots; none of the idle one */
    for (unsigned g = 0; g <= N_BUSY; g++)
        ck_assert(replica_is_stored(r->groups[g].replica));
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    for (unsigned g = 0; g <= N_BUSY; g++)
        ck_assert_uint_eq(r->groups[g].replica->checkpoint_index, 1);
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(file_by_file_where_the_disk_must)
{
    uint64_t n;

    make(false);
    n = flushes();
    checkpoint_all();
    ck_assert(r->shard.round.no_sync_fs);
    ck_assert_uint_eq(flushes() - n, 1);
    for (unsigned g = 0; g < N_BUSY; g++)
        rig_wait(r, rig_produce(r, g, 1, 500));
    rig_settle(r);
    n = flushes();
    checkpoint_all();
    ck_assert_uint_eq(flushes() - n, 1);
    ck_assert_uint_eq(calls(SIM_DISK_SYNC_FS), 1); /* not asked again */
    ck_assert_uint_ge(calls(SIM_DISK_WRITE_BACK), N_BUSY);
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    for (unsigned g = 0; g < N_BUSY; g++)
        ck_assert_uint_eq(r->groups[g].replica->checkpoint_index, 2);
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(nothing_new_costs_nothing)
{
    uint64_t steps;

    make(true);
    checkpoint_all();
    rig_settle(r);
    steps = sim_disk_steps(r->disk);
    checkpoint_all();
    ck_assert_uint_eq(sim_disk_steps(r->disk), steps);
    rig_free(r);
}
END_TEST

START_TEST(a_failed_sync_is_fatal)
{
    static const int errors[] = { -EIO, -ENOSPC, -EDQUOT, -ENOMEM };

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        make(true);
        sim_disk_fail(r->disk, SIM_DISK_SYNC_FS, 0, 1, errors[i]);
        checkpoint_all();
        ck_assert_int_eq(r->fatal_error, -EIO);
        ck_assert_uint_eq(r->groups[0].replica->checkpoint_index, 0);
        rig_kill(r);
        rig_start_ok(r);
        rig_check(r);
        rig_free(r);
    }
}
END_TEST

/* One that finds no space for its snapshot holds up nobody else. */
START_TEST(a_full_disk_keeps_one_back)
{
    unsigned n = 0;

    make(true);
    sim_disk_fail(r->disk, SIM_DISK_WRITE, 2, 1, -ENOSPC);
    checkpoint_all();
    for (unsigned g = 0; g < N_BUSY; g++)
        n += r->groups[g].replica->checkpoint_index == 1;
    ck_assert_uint_eq(n, N_BUSY - 1);
    rig_run(r, 1000 * MS);
    for (unsigned g = 0; g < N_BUSY; g++)
        ck_assert(replica_is_stored(r->groups[g].replica));
    rig_check(r);
    rig_free(r);
}
END_TEST

Suite *round_suite(void)
{
    Suite *s = suite_create("round");

    suite_add(s, one_sync_and_one_flush_for_all);
    suite_add(s, file_by_file_where_the_disk_must);
    suite_add(s, nothing_new_costs_nothing);
    suite_add(s, a_failed_sync_is_fatal);
    suite_add(s, a_full_disk_keeps_one_back);
    return s;
}
