/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine stops after each step of the disk, and what wasn't synced is lost in drawn parts. Opened again, the
 * database is what the last acknowledged transaction left, or the one that was being written; never a mix. */
#include "state/rig.h"
#include "state/suites.h"

#define VERSIONS 9 /* one of them is an image */
#define SEEDS 5

static void crash(enum sim_disk_crash how)
{
    rig_close();
    sim_disk_crash(rig.disk, how, &rig.prng);
}

/* A new database and its history, until the end or the disk's death. Returns the last acknowledged version. */
static uint64_t run_history(void)
{
    uint64_t v = 0;

    if (rig_open() != 0)
        return 0;
    while (v < VERSIONS && rig_write(v + 1) == 0)
        v++;
    return v;
}

static uint64_t count_steps(void)
{
    uint64_t before, steps;

    rig_init(1);
    before = sim_disk_steps(rig.disk);
    ck_assert_uint_eq(run_history(), VERSIONS);
    steps = sim_disk_steps(rig.disk) - before;
    rig_fini();
    return steps;
}

static void expect_one_of(uint64_t acknowledged, uint64_t steps)
{
    uint64_t version = 0;
    int rc = rig_open();

    if (rc == 0)
        rc = rig_read(&version);
    ck_assert_msg(rc == 0, "step %llu: %d", (unsigned long long)steps, rc);
    ck_assert_msg(version == acknowledged || version == acknowledged + 1, "step %llu: %llu after %llu",
                  (unsigned long long)steps, (unsigned long long)version, (unsigned long long)acknowledged);
    if (version < VERSIONS) { /* and it goes on from there */
        ck_assert_int_eq(rig_write(version + 1), 0);
        rig_expect(version + 1);
    }
}

static void crash_at_each_step(enum sim_disk_crash how, unsigned n_seeds)
{
    uint64_t n_steps = count_steps();

    ck_assert_uint_gt(n_steps, 5 * VERSIONS);
    for (uint64_t steps = 0; steps < n_steps; steps++) {
        for (unsigned seed = 0; seed < n_seeds; seed++) {
            uint64_t acknowledged;

            rig_init(steps * 1000 + seed);
            sim_disk_crash_after(rig.disk, steps);
            acknowledged = run_history();
            ck_assert(sim_disk_is_dead(rig.disk));
            crash(how);
            expect_one_of(acknowledged, steps);
            rig_fini();
        }
    }
}

START_TEST(losses_are_drawn)
{
    crash_at_each_step(SIM_CRASH_DRAW, SEEDS);
}
END_TEST

START_TEST(all_unsynced_is_lost)
{
    crash_at_each_step(SIM_CRASH_NOTHING, 1);
}
END_TEST

START_TEST(nothing_is_lost)
{
    crash_at_each_step(SIM_CRASH_ALL, 1);
}
END_TEST

START_TEST(process_is_killed)
{
    uint64_t n_steps = count_steps();

    for (uint64_t steps = 0; steps < n_steps; steps++) {
        uint64_t acknowledged;

        rig_init(steps);
        sim_disk_crash_after(rig.disk, steps);
        acknowledged = run_history();
        rig_close();
        sim_disk_exit(rig.disk);
        expect_one_of(acknowledged, steps);
        rig_fini();
    }
}
END_TEST

/* Recovery is interrupted too, again and again. */
START_TEST(crashes_while_it_recovers)
{
    uint64_t n_steps = count_steps();

    for (uint64_t steps = 1; steps < n_steps; steps += 3) {
        for (uint64_t second = 0; second < 6; second++) {
            uint64_t acknowledged;

            rig_init(steps * 1000 + second);
            sim_disk_crash_after(rig.disk, steps);
            acknowledged = run_history();
            crash(SIM_CRASH_DRAW);
            for (uint64_t third = second + 1; third-- > 0;) {
                sim_disk_crash_after(rig.disk, third);
                rig_open();
                crash(SIM_CRASH_DRAW);
            }
            expect_one_of(acknowledged, steps);
            rig_fini();
        }
    }
}
END_TEST

/* Removed while a transaction was half done: afterwards it is new or as it was, and a torn one never comes back. */
START_TEST(crashes_while_it_is_removed)
{
    uint64_t n_steps = count_steps();

    for (uint64_t steps = 1; steps < n_steps; steps += 2) {
        for (uint64_t second = 0; second < 5; second++) {
            uint64_t acknowledged, version = 0;

            rig_init(steps * 1000 + second);
            sim_disk_crash_after(rig.disk, steps);
            acknowledged = run_history();
            crash(SIM_CRASH_DRAW);
            sim_disk_crash_after(rig.disk, second);
            state_remove(rig.env, RIG_PATH);
            crash(SIM_CRASH_DRAW);
            ck_assert_int_eq(rig_open(), 0);
            ck_assert_int_eq(rig_read(&version), 0);
            ck_assert_msg(version == 0 || version == acknowledged || version == acknowledged + 1,
                          "steps %llu and %llu: %llu after %llu", (unsigned long long)steps, (unsigned long long)second,
                          (unsigned long long)version, (unsigned long long)acknowledged);
            rig_fini();
        }
    }
}
END_TEST

Suite *crash_suite(void)
{
    Suite *s = suite_create("crash");

    suite_add(s, losses_are_drawn);
    suite_add(s, all_unsynced_is_lost);
    suite_add(s, nothing_is_lost);
    suite_add(s, process_is_killed);
    suite_add(s, crashes_while_it_recovers);
    suite_add(s, crashes_while_it_is_removed);
    return s;
}
