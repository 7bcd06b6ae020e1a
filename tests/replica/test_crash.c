/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Power loss and death at any moment: what was acknowledged is there, in order, once, at its offset; the rest may be
 * there, whole and in order; watermarks never go back; the state of producers is what the log makes. */

#include "base/util.h"
#include "replica/rig.h"
#include "replica/suites.h"
#include "support/rand.h"

#define MS UINT64_C(1000000)
#define N_PRODUCERS 8

/* What a client would send next, from what it knows is in the log. */
static int32_t next_sequence(const struct rig_group *g, int64_t pid)
{
    for (size_t i = g->n; i > 0; i--) {
        const struct rig_batch *b = &g->batches[i - 1];

        if (b->producer_id == pid)
            return b->sequence + b->count;
    }
    return 0;
}

static void act(struct rig *r, unsigned group)
{
    struct rig_group *g = &r->groups[group];
    int64_t high = replica_high_watermark(g->replica), pid;

    switch (sim_prng_below(&r->prng, 16)) {
    case 0:
        replica_checkpoint(g->replica, UINT64_MAX);
        break;
    case 1:
        if (high > 0)
            rig_delete_records(r, group, (int64_t)sim_prng_below(&r->prng, (uint64_t)high) / 2);
        break;
    case 2:
        replica_housekeep(g->replica);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        rig_produce(r, group, 1 + (int32_t)sim_prng_below(&r->prng, 3), sim_prng_below(&r->prng, 3000));
        break;
    default:
        pid = (int64_t)sim_prng_below(&r->prng, N_PRODUCERS);
        rig_produce_as(r, group, pid, 0, next_sequence(g, pid), 1, sim_prng_below(&r->prng, 500));
        break;
    }
}

static void workload(struct rig *r, int rounds)
{
    for (int i = 0; i < rounds && r->fatal_error == 0; i++) {
        for (unsigned g = 0; g < r->n_groups; g++)
            act(r, g);
        for (uint64_t k = sim_prng_below(&r->prng, 8); k > 0; k--)
            rig_step(r);
        if (sim_prng_chance(&r->prng, 1, 3))
            rig_run(r, sim_prng_below(&r->prng, 120) * MS);
    }
}

static struct rig *rig_busy(uint64_t seed)
{
    struct rig *r = rig_new(seed, 2);

    r->limits.segment_bytes = 4096;
    r->journal_config.size_bytes = 512 * 1024;
    sim_disk_set_sync_fs(r->disk, seed % 2 == 0);
    return r;
}

static void recover_and_check(struct rig *r)
{
    rig_start_ok(r);
    rig_check(r);
}

/* Twice: the second time on what the first one left. */
static void recover_twice(struct rig *r, enum sim_disk_crash how)
{
    rig_crash(r, how);
    rig_start_ok(r);
    rig_recover(r, SIM_CRASH_NOTHING);
}

static uint64_t count_steps(uint64_t seed)
{
    struct rig *r = rig_busy(seed);
    uint64_t steps;

    rig_start_ok(r);
    workload(r, 14);
    rig_settle(r);
    steps = sim_disk_steps(r->disk);
    rig_free(r);
    return steps;
}

START_TEST(crash_at_each_step)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t steps = count_steps(seed);

        ck_assert_uint_gt(steps, 100);
        for (uint64_t step = 0; step < steps; step++) {
            struct rig *r = rig_busy(seed);

            sim_disk_crash_after(r->disk, step);
            if (rig_start(r) == 0) {
                workload(r, 14);
                rig_run(r, 100 * MS);
            }
            recover_twice(r, SIM_CRASH_DRAW);
            rig_free(r);
        }
    }
}
END_TEST

/* Segments, and a log start above some of them whose flush the process doesn't live to see. */
static struct rig *killed_while_deleting(uint64_t seed)
{
    struct rig *r = rig_busy(seed);

    rig_start_ok(r);
    for (int i = 0; i < 20; i++)
        rig_produce(r, 0, 1, 1000);
    rig_settle(r);
    replica_checkpoint(r->groups[0].replica, UINT64_MAX);
    rig_settle(r);
    sim_disk_crash_after(r->disk, 1 + seed % 6);
    rig_delete_records(r, 0, 15);
    rig_run(r, 10 * MS);
    rig_kill(r);
    return r;
}

/* The page cache still has what wasn't synced, and the power fails at each step of the start that believes it. */
START_TEST(killed_then_power_loss_in_recovery)
{
    for (uint64_t seed = 0; seed < 24; seed++) {
        bool through = false;

        for (uint64_t step = 0; !through; step++) {
            struct rig *r = killed_while_deleting(300 + seed);

            sim_disk_crash_after(r->disk, step);
            through = rig_start(r) == 0;
            rig_recover(r, SIM_CRASH_DRAW);
            rig_free(r);
        }
    }
}
END_TEST

START_TEST(crash_in_recovery)
{
    for (uint64_t seed = 0; seed < 80; seed++) {
        struct rig *r = rig_busy(100 + seed);

        rig_start_ok(r);
        sim_disk_crash_after(r->disk, 40 + seed * 9);
        workload(r, 40);
        rig_crash(r, SIM_CRASH_DRAW);
        for (uint64_t steps = 0;; steps++) {
            int rc;

            sim_disk_crash_after(r->disk, steps);
            rc = rig_start(r);
            if (rc == 0)
                break;
            ck_assert_msg(rc == -EIO, "seed %d step %d: %d %s", (int)seed, (int)steps, rc, r->err.text);
            rig_crash(r, SIM_CRASH_DRAW);
        }
        sim_disk_crash_after(r->disk, UINT64_MAX);
        rig_check(r);
        recover_twice(r, SIM_CRASH_NOTHING);
        rig_free(r);
    }
}
END_TEST

/* The process dies, the page cache lives on, then the power goes. */
START_TEST(kill_then_power_loss)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct rig *r = rig_busy(200 + seed);

        rig_start_ok(r);
        sim_disk_crash_after(r->disk, 20 + seed * 7);
        workload(r, 40);
        rig_kill(r);
        recover_and_check(r);
        rig_recover(r, SIM_CRASH_NOTHING);
        rig_free(r);
    }
}
END_TEST

START_TEST(many_lives)
{
    struct rand rand;

    rand_init(&rand);
    for (int life = 0; life < 150; life++) {
        struct rig *r = rig_busy(rand_u64(&rand));

        if (rand_chance(&rand, 1, 2))
            r->limits.retention_bytes = 30000;
        rig_start_ok(r);
        for (int era = 0; era < 10; era++) {
            if (rand_chance(&rand, 2, 3))
                sim_disk_crash_after(r->disk, rand_below(&rand, 250));
            workload(r, 30);
            if (rand_chance(&rand, 1, 2))
                sim_disk_writeback(r->disk, &r->prng);
            if (rand_chance(&rand, 1, 3))
                rig_kill(r);
            else
                rig_crash(r, SIM_CRASH_DRAW);
            recover_and_check(r);
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
    suite_add(s, killed_then_power_loss_in_recovery);
    suite_add(s, kill_then_power_loss);
    suite_add(s, many_lives);
    return s;
}
