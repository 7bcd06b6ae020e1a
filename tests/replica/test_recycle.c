/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whoever holds the journal's oldest files: live files stay within the budget, nothing is lost, and everybody gets on.
 * The bound is journal_size itself (the rig's budget is at least three files). */

#include "base/util.h"
#include "replica/rig.h"
#include "replica/suites.h"
#include "support/rand.h"

#define MS UINT64_C(1000000)

static struct journal_stats stats(struct rig *r)
{
    struct journal_stats s;

    journal_stats(r->journal, &s);
    return s;
}

static void check_bounds(struct rig *r)
{
    struct journal_stats s = stats(r);

    ck_assert_int_eq(r->fatal_error, 0);
    ck_assert_uint_le(s.bytes_in_use, r->journal_config.size_bytes);
    ck_assert_uint_le(s.relocated_bytes, r->journal_config.size_bytes / 8);
}

/* Some turns; whatever the lanes do first. */
static void move(struct rig *r, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        if (!rig_step(r))
            sim_clock_advance(&r->clock, MS);
        check_bounds(r);
    }
}

/* Waits until little is on its way, as a producer with a bounded number of requests does. */
static void produce_in_turn(struct rig *r, unsigned group, size_t size)
{
    struct rig_op *op = rig_produce(r, group, 1, size);

    for (int i = 0; i < 20000 && r->shard.pending_bytes > 100 * 1024; i++)
        move(r, 1);
    for (int i = 0; i < 20000 && !op->done && sim_prng_chance(&r->prng, 1, 4); i++)
        move(r, 1);
    rig_forget_done(r);
}

static void crash_and_check(struct rig *r)
{
    rig_check(r);
    rig_recover(r, SIM_CRASH_DRAW);
    rig_recover(r, SIM_CRASH_NOTHING);
}

START_TEST(an_idle_partition_pins_nothing)
{
    struct rig *r = rig_new(1, 2);
    uint64_t copied;

    r->limits.segment_bytes = 256 * 1024;
    rig_start_ok(r);
    rig_wait(r, rig_produce(r, 1, 1, 100)); /* and never again */
    for (int i = 0; i < 1200; i++)
        produce_in_turn(r, 0, 5000);
    rig_settle(r);
    copied = stats(r).relocated_bytes;
    ck_assert_uint_gt(stats(r).bytes_written, 5 * r->journal_config.size_bytes);
    ck_assert_uint_eq(r->groups[1].replica->checkpoint_index, 0);
    ck_assert_uint_gt(copied, 100);
    ck_assert_uint_lt(copied, 400); /* the copies before count no more */
    crash_and_check(r);
    rig_free(r);
}
END_TEST

/* It grows until a checkpoint is cheaper. */
START_TEST(a_tiny_record_now_and_then)
{
    struct rig *r = rig_new(2, 2);
    uint64_t most = 0;

    r->limits.segment_bytes = 256 * 1024;
    rig_start_ok(r);
    for (int i = 0; i < 2500; i++) {
        produce_in_turn(r, 0, 4000);
        if (i % 4 == 0)
            produce_in_turn(r, 1, 100);
        most = MAX(most, replica_unstored_bytes(r->groups[1].replica));
    }
    rig_settle(r);
    ck_assert_uint_gt(stats(r).bytes_written, 10 * r->journal_config.size_bytes);
    ck_assert_uint_gt(most, 48 * 1024);
    ck_assert_uint_lt(most, 80 * 1024);
    ck_assert_uint_gt(r->groups[1].replica->checkpoint_index, 100);
    crash_and_check(r);
    rig_free(r);
}
END_TEST

START_TEST(one_partition_at_full_speed)
{
    struct rig *r = rig_new(3, 1);

    r->limits.segment_bytes = 256 * 1024;
    rig_start_ok(r);
    for (int i = 0; i < 2000; i++) {
        rig_produce(r, 0, 1, 4000);
        move(r, 2); /* no faster than the lanes, and never waiting for an answer */
        if (i % 100 == 0)
            rig_forget_done(r);
    }
    rig_settle(r);
    ck_assert_uint_gt(stats(r).bytes_written, 5 * r->journal_config.size_bytes);
    crash_and_check(r);
    rig_free(r);
}
END_TEST

/* Nobody waits for anything: what outruns the checkpoints waits in the journal. */
START_TEST(a_burst_waits_for_the_journal)
{
    struct rig *r = rig_new(4, 2);
    bool was_full = false;

    r->limits.segment_bytes = 256 * 1024;
    rig_start_ok(r);
    rig_produce(r, 1, 1, 100);
    for (int i = 0; i < 800; i++)
        rig_produce(r, 0, 1, 4000);
    for (int i = 0; i < 100000 && !(journal_is_idle(r->journal) && stats(r).n_records > 800); i++) {
        move(r, 1);
        was_full = was_full || journal_is_full(r->journal);
    }
    ck_assert(was_full);
    rig_settle(r);
    for (struct rig_op *o = r->ops; o != NULL; o = o->next)
        ck_assert(o->done && o->op.error == 0);
    crash_and_check(r);
    rig_free(r);
}
END_TEST

START_TEST(huge_entries)
{
    struct rig *r = rig_new(5, 3);

    r->limits.segment_bytes = 256 * 1024;
    rig_start_ok(r);
    rig_wait(r, rig_produce(r, 2, 1, 100));
    for (int i = 0; i < 400; i++) {
        produce_in_turn(r, 0, journal_max_entry(r->journal) - 200);
        if (i % 10 == 0)
            produce_in_turn(r, 1, journal_max_entry(r->journal) - 200);
    }
    rig_settle(r);
    ck_assert_uint_gt(stats(r).bytes_written, 10 * r->journal_config.size_bytes);
    ck_assert_uint_eq(r->groups[2].replica->checkpoint_index, 0);
    crash_and_check(r);
    rig_free(r);
}
END_TEST

static void check_many(struct rig *r)
{
    unsigned n_copied = 0, n_stored = 0;

    for (unsigned g = 1; g < r->n_groups; g++) {
        n_copied += r->groups[g].replica->checkpoint_index == 0;
        n_stored += r->groups[g].replica->checkpoint_index > 0;
    }
    ck_assert_uint_gt(n_copied, 0); /* all together are more than an eighth of the budget */
    ck_assert_uint_gt(n_stored, 100);
}

START_TEST(a_thousand_small_partitions)
{
    struct rig *r = rig_new(6, 1000);

    r->limits.segment_bytes = 1024 * 1024;
    r->journal_config.file_size_bytes = 512 * 1024;
    r->journal_config.first_file_size_bytes = 256 * 1024;
    r->journal_config.size_bytes = 8 * 1024 * 1024;
    rig_start_ok(r);
    for (unsigned g = 1; g < 1000; g++) {
        rig_produce(r, g, 1, 1000 + g * 2);
        move(r, 1);
    }
    for (int i = 0; i < 3500; i++)
        produce_in_turn(r, i % 7 == 0 ? 1 + (unsigned)sim_prng_below(&r->prng, 20) : 0, 8000);
    rig_settle(r);
    ck_assert_uint_gt(stats(r).bytes_written, 3 * r->journal_config.size_bytes);
    check_many(r);
    crash_and_check(r);
    rig_free(r);
}
END_TEST

/* ---- Details ---- */

/* Makes the group's entries pin more than half of the journal, with the group 0's help. */
static void press(struct rig *r)
{
    while (stats(r).bytes_in_use <= r->journal_config.size_bytes / 2) {
        rig_produce(r, 0, 1, 6000);
        while (rig_step(r))
            ;
    }
}

/* The process can only end; what it says is all that its operator has. */
static void read_back_in_vain(bool is_unreadable, int error, const char *place)
{
    struct rig *r = rig_new(7, 2);

    rig_start_ok(r);
    rig_wait(r, rig_produce(r, 1, 1, 500));
    rig_run(r, 200 * MS);
    ck_assert_uint_eq(tail_count(&r->groups[1].replica->tail), 0);
    press(r);
    if (is_unreadable)
        sim_disk_fail(r->disk, SIM_DISK_READ, 0, 1, -EIO);
    else
        ck_assert_int_eq(sim_disk_flip(r->disk, "topics/g-1/00000000000000000001.log", 200, 1), 0);
    replica_shard_recycle(&r->shard);
    ck_assert_ptr_nonnull(r->groups[1].replica->relocation);
    while (rig_step(r))
        ;
    ck_assert_int_eq(r->fatal_error, error);
    ck_assert_ptr_nonnull(strstr(r->fatal_text, place));
    ck_assert_ptr_nonnull(strstr(r->fatal_text, "brokerd --repair"));
    ck_assert_ptr_null(r->groups[1].replica->relocation);
    ck_assert_uint_eq(stats(r).relocated_bytes, 0);
    rig_free(r);
}

START_TEST(entries_that_are_damaged_in_a_segment_are_fatal)
{
    read_back_in_vain(false, LOG_E_CORRUPT, "topics/g-1/00000000000000000001.log: damaged at byte 0: ");
}
END_TEST

START_TEST(entries_that_cant_be_read_back_are_fatal)
{
    read_back_in_vain(true, -EIO, "topics/g-1/00000000000000000001.entries: can't read at byte 128: ");
}
END_TEST

/* Want of descriptors or memory passes: the entries are read back another time. */
START_TEST(entries_that_cant_be_read_back_for_now)
{
    struct rig *r = rig_new(7, 2);

    rig_start_ok(r);
    rig_wait(r, rig_produce(r, 1, 1, 500));
    rig_run(r, 200 * MS);
    press(r);
    sim_disk_fail(r->disk, SIM_DISK_READ, 0, 1, -ENOMEM);
    replica_shard_recycle(&r->shard);
    ck_assert_ptr_nonnull(r->groups[1].replica->relocation);
    while (rig_step(r))
        ;
    ck_assert_int_eq(r->fatal_error, 0);
    ck_assert_ptr_null(r->groups[1].replica->relocation);
    ck_assert_uint_eq(stats(r).relocated_bytes, 0);
    replica_shard_recycle(&r->shard);
    while (rig_step(r))
        ;
    ck_assert_uint_gt(stats(r).relocated_bytes, 0);
    crash_and_check(r);
    rig_free(r);
}
END_TEST

static void gone(void *ctx)
{
    struct rig_group *g = ctx;

    g->replica = NULL;
    g->destroyed = true;
}

/* A partition may be deleted, or the node stopped, at any point of a relocation. */
START_TEST(relocation_may_be_cut_short)
{
    for (unsigned steps = 0; steps < 12; steps++) {
        struct rig *r = rig_new(8 + steps, 3);
        struct rig_group *g = &r->groups[1];

        rig_start_ok(r);
        for (unsigned i = 1; i < 3; i++)
            rig_wait(r, rig_produce(r, i, 1, 500));
        rig_run(r, 200 * MS);
        press(r);
        replica_shard_recycle(&r->shard);
        ck_assert_ptr_nonnull(g->replica->relocation);
        for (unsigned i = 0; i < steps; i++)
            rig_step(r);
        g->destroying = true;
        replica_destroy(g->replica, gone, g);
        if (steps % 3 == 0) {
            rig_settle(r);
            ck_assert(g->destroyed);
            ck_assert_uint_eq(r->shard.n_relocations, 0);
            ck_assert_uint_eq(r->shard.loading_size, 0);
        }
        rig_recover(r, SIM_CRASH_DRAW);
        rig_free(r);
    }
}
END_TEST

/* A checkpoint that overtakes a relocation makes its copies needless, and harms nothing. */
START_TEST(a_checkpoint_may_overtake_a_relocation)
{
    for (unsigned steps = 0; steps < 30; steps++) {
        struct rig *r = rig_new(100 + steps, 2);

        rig_start_ok(r);
        for (int i = 0; i < 4; i++)
            rig_wait(r, rig_produce(r, 1, 1, 300));
        rig_run(r, 200 * MS);
        rig_produce(r, 1, 1, 300); /* in the tail */
        press(r);
        if (steps % 2 == 0)
            replica_checkpoint(r->groups[1].replica, UINT64_MAX);
        for (unsigned i = 0; i < steps / 2; i++)
            rig_step(r);
        replica_shard_recycle(&r->shard);
        if (steps % 2 == 1)
            replica_checkpoint(r->groups[1].replica, UINT64_MAX);
        rig_settle(r);
        ck_assert_uint_gt(r->groups[1].replica->checkpoint_index, 3);
        crash_and_check(r);
        rig_free(r);
    }
}
END_TEST

/* ---- Crashes ---- */

static struct rig *rig_tight(uint64_t seed)
{
    struct rig *r = rig_new(seed, 3);

    r->limits.segment_bytes = 64 * 1024;
    r->journal_config.file_size_bytes = 64 * 1024;
    r->journal_config.size_bytes = 320 * 1024;
    sim_disk_set_sync_fs(r->disk, seed % 2 == 0);
    return r;
}

static void workload(struct rig *r, int rounds)
{
    rig_produce(r, 2, 1, 200);
    for (int i = 0; i < rounds && r->fatal_error == 0; i++) {
        rig_produce(r, 0, 1, 3000 + sim_prng_below(&r->prng, 8000));
        if (sim_prng_chance(&r->prng, 1, 5))
            rig_produce(r, 1, 1, sim_prng_below(&r->prng, 500));
        for (uint64_t k = sim_prng_below(&r->prng, 12); k > 0; k--)
            rig_step(r);
        if (sim_prng_chance(&r->prng, 1, 4))
            rig_run(r, 20 * MS);
        if (sim_prng_chance(&r->prng, 1, 4))
            replica_shard_recycle(&r->shard);
    }
}

/* An entry leaves the tail meanwhile, and memory when its copy is written. */
START_TEST(copies_are_written_from_where_entries_are)
{
    struct rig *r = rig_new(9, 1);
    struct replica *replica;

    r->journal_config.size_bytes = 2 << 20;
    r->journal_config.file_size_bytes = r->journal_config.first_file_size_bytes = 256 << 10;
    rig_start_ok(r);
    replica = r->groups[0].replica;
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    rig_wait(r, rig_produce(r, 0, 1, 40000));
    rig_wait(r, rig_produce(r, 0, 1, 400));
    sim_lane_hold(r->lane, LANE_FLUSH, 0, true);
    replica_relocate(replica);
    ck_assert_uint_eq(tail_at(&replica->tail, 0)->buf->refs, 2);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    rig_run(r, 500 * MS);
    ck_assert_uint_eq(tail_count(&replica->tail), 0);
    ck_assert_uint_gt(r->shard.lent_bytes, 40000);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, false);
    rig_settle(r);
    ck_assert_ptr_null(replica->relocation);
    ck_assert_uint_eq(r->shard.lent_bytes, 0);
    ck_assert_uint_gt(stats(r).relocated_bytes, 40000);
    crash_and_check(r);
    rig_free(r);
}
END_TEST

START_TEST(crash_at_each_step)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct rig *r = rig_tight(seed);
        uint64_t steps;

        rig_start_ok(r);
        workload(r, 60);
        rig_settle(r);
        ck_assert_uint_gt(stats(r).relocated_bytes, 0);
        steps = sim_disk_steps(r->disk);
        rig_free(r);
        for (uint64_t step = 0; step < steps; step++) {
            r = rig_tight(seed);
            sim_disk_crash_after(r->disk, step);
            if (rig_start(r) == 0) {
                workload(r, 60);
                rig_run(r, 100 * MS);
            }
            rig_recover(r, SIM_CRASH_DRAW);
            workload(r, 10);
            rig_recover(r, SIM_CRASH_NOTHING);
            rig_free(r);
        }
    }
}
END_TEST

START_TEST(many_lives)
{
    struct rand rand;

    rand_init(&rand);
    for (int life = 0; life < 40; life++) {
        struct rig *r = rig_tight(rand_u64(&rand));

        rig_start_ok(r);
        for (int era = 0; era < 10; era++) {
            if (rand_chance(&rand, 2, 3))
                sim_disk_crash_after(r->disk, rand_below(&rand, 400));
            workload(r, 50);
            if (rand_chance(&rand, 1, 2))
                sim_disk_writeback(r->disk, &r->prng);
            if (rand_chance(&rand, 1, 3))
                rig_kill(r);
            else
                rig_crash(r, SIM_CRASH_DRAW);
            rig_start_ok(r);
            rig_check(r);
        }
        rig_free(r);
    }
}
END_TEST

Suite *recycle_suite(void)
{
    Suite *s = suite_create("recycle");

    suite_add(s, an_idle_partition_pins_nothing);
    suite_add(s, a_tiny_record_now_and_then);
    suite_add(s, one_partition_at_full_speed);
    suite_add(s, a_burst_waits_for_the_journal);
    suite_add(s, huge_entries);
    suite_add(s, a_thousand_small_partitions);
    suite_add(s, entries_that_are_damaged_in_a_segment_are_fatal);
    suite_add(s, entries_that_cant_be_read_back_are_fatal);
    suite_add(s, entries_that_cant_be_read_back_for_now);
    suite_add(s, relocation_may_be_cut_short);
    suite_add(s, a_checkpoint_may_overtake_a_relocation);
    suite_add(s, copies_are_written_from_where_entries_are);
    suite_add(s, crash_at_each_step);
    suite_add(s, many_lives);
    return s;
}
