/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the tail to segments, checkpoints, and away. */

#include "base/util.h"
#include "replica/rig.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)

START_TEST(entries_go_to_segments_by_themselves)
{
    struct rig *r = rig_new(3, 1);

    rig_start_ok(r);
    rig_wait(r, rig_produce(r, 0, 1, 100));
    ck_assert_uint_gt(tail_count(&r->groups[0].replica->tail), 0);
    rig_run(r, 200 * MS);
    ck_assert_uint_eq(tail_count(&r->groups[0].replica->tail), 0);
    ck_assert_uint_eq(r->shard.pending_bytes, 0);
    ck_assert_ptr_null(r->groups[0].replica->tail.slots); /* idle replicas are many */
    rig_free(r);
}
END_TEST

/* Nor do they keep lists of who waits. */
START_TEST(lists_of_waiters_go_when_nobody_waits)
{
    struct rig *r = rig_new(3, 2);
    struct replica *busy;

    rig_start_ok(r);
    busy = r->groups[0].replica;
    ck_assert_ptr_eq(busy->waiters, r->groups[1].replica->waiters); /* everybody's */
    rig_produce(r, 0, 1, 100);
    ck_assert_ptr_ne(busy->waiters, r->groups[1].replica->waiters); /* its term is on the way to the journal */
    rig_run(r, 200 * MS);
    ck_assert_ptr_eq(busy->waiters, r->groups[1].replica->waiters);
    rig_free(r);
}
END_TEST

/* Slots and jobs are those of the time before. */
START_TEST(a_steady_load_uses_its_blocks_again)
{
    struct rig *r = rig_new(3, 1);
    size_t spare = 0;

    rig_start_ok(r);
    for (int i = 0; i < 6; i++) {
        rig_wait(r, rig_produce(r, 0, 10, 100));
        if (i >= 2)
            ck_assert_uint_lt(r->blocks.kept.free_bytes, spare);
        rig_run(r, 200 * MS);
        if (i >= 2) /* the first makes the segment, the second goes on with it */
            ck_assert_uint_eq(r->blocks.kept.free_bytes, spare);
        spare = r->blocks.kept.free_bytes;
    }
    rig_free(r);
}
END_TEST

/* However many groups have entries in the journal. */
START_TEST(replay_keeps_memory_bounded)
{
    struct rig *r = rig_new(5, RIG_MAX_GROUPS);

    r->journal_config.size_bytes = 64u << 20;
    r->journal_config.file_size_bytes = 8u << 20;
    rig_start_ok(r);
    for (unsigned i = 0; i < 200; i++) {
        rig_wait(r, rig_produce(r, i % RIG_MAX_GROUPS, 1, 100000));
        rig_forget_done(r);
    }
    rig_kill(r);
    rig_start_ok(r);
    ck_assert_uint_ge(r->max_replay_bytes, 4u << 20); /* appends are large */
    ck_assert_uint_le(r->max_replay_bytes, (8u << 20) + 200000);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* A shard with nothing to do asks for nothing. */
START_TEST(an_idle_shard_sleeps)
{
    struct rig *r = rig_new(3, 3);

    rig_start_ok(r);
    for (int i = 0; i < 30; i++)
        rig_produce(r, (unsigned)i % 3, 1, 500);
    rig_settle(r);
    ck_assert(!journal_needs_tick(r->journal));
    ck_assert_uint_eq(replica_shard_poll(&r->shard), UINT64_MAX);
    rig_free(r);
}
END_TEST

/* Each gets its turn, also when one keeps the shard busy. */
START_TEST(nobody_starves)
{
    struct rig *r = rig_new(4, 4);

    rig_start_ok(r);
    for (unsigned g = 1; g < 4; g++)
        rig_produce(r, g, 1, 100);
    for (int i = 0; i < 40; i++) {
        for (int k = 0; k < 4; k++)
            rig_produce(r, 0, 1, 5000);
        rig_run(r, 5 * MS);
        rig_forget_done(r);
    }
    for (unsigned g = 1; g < 4; g++)
        ck_assert_uint_eq(tail_count(&r->groups[g].replica->tail), 0);
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(segments_roll_and_retention_takes_them)
{
    struct rig *r = rig_new(6, 1);
    struct rig_group *g = &r->groups[0];

    r->limits.retention_bytes = 20000;
    rig_start_ok(r);
    for (int i = 0; i < 100; i++) {
        rig_produce_as(r, 0, 5, 0, i, 1, 1000);
        rig_run(r, 60 * MS);
        replica_housekeep(g->replica);
        rig_forget_done(r);
    }
    rig_settle(r);
    ck_assert_int_gt(replica_log_start(g->replica), 60);
    ck_assert_uint_ge(replica_size_bytes(g->replica), 20000);
    ck_assert_uint_le(replica_size_bytes(g->replica), 20000 + 8192 + 2000);
    rig_check(r);
    rig_recover(r, SIM_CRASH_DRAW);
    r->limits.retention_bytes = -1;
    r->limits.retention_ms = 1000;
    replica_set_limits(g->replica, &r->limits);
    sim_clock_advance(&r->clock, 5000 * MS);
    for (int i = 0; i < 3; i++) {
        rig_settle(r);
        replica_housekeep(g->replica);
    }
    rig_settle(r);
    ck_assert_int_eq(replica_log_start(g->replica), 100);
    ck_assert_uint_eq(replica_size_bytes(g->replica), 0);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* A slow reader keeps a segment's files until it gives them back. */
START_TEST(a_reader_keeps_its_segment)
{
    struct rig *r = rig_new(6, 1);
    struct rig_op *read;
    uint8_t *bytes;
    size_t size;

    rig_start_ok(r);
    for (int i = 0; i < 30; i++)
        rig_produce(r, 0, 1, 1000);
    rig_settle(r);
    read = rig_ask(r, 0,
                   &(struct replica_op){ .kind = REPLICA_READ,
                                         .read = { .max_bytes = 4000, .min_one = true, .last_fetched_epoch = -1 } });
    ck_assert(read->op.read.has_range);
    rig_delete_records(r, 0, 29);
    rig_settle(r);
    bytes = rig_read_bytes(r, read, &size);
    ck_assert_uint_gt(size, 3000);
    free(bytes);
    rig_release(r, read);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* Idle groups beside busy ones: the journal stays within its budget, whoever holds its oldest file. */
START_TEST(the_journal_stays_bounded)
{
    struct rig *r = rig_new(7, 6);
    uint64_t most = 0;

    r->limits.segment_bytes = 64 * 1024;
    r->limits.retention_bytes = 100000;
    rig_start_ok(r);
    for (unsigned g = 3; g < 6; g++)
        rig_produce(r, g, 1, 100); /* and never again */
    for (int i = 0; i < 1500; i++) {
        rig_produce(r, (unsigned)sim_prng_below(&r->prng, 3), 1, 1 + sim_prng_below(&r->prng, 8000));
        rig_run(r, 10 * MS);
        if (i % 50 == 0)
            for (unsigned g = 0; g < 6; g++)
                replica_housekeep(r->groups[g].replica);
        most = MAX(most, rig_journal_bytes(r));
        rig_forget_done(r);
    }
    ck_assert_uint_gt(r->next_id * 3000, 4 * r->journal_config.size_bytes);
    ck_assert_uint_le(most, r->journal_config.size_bytes + 2 * r->journal_config.file_size_bytes);
    rig_check(r);
    rig_recover(r, SIM_CRASH_DRAW);
    rig_free(r);
}
END_TEST

/* After a checkpoint of everything a start has nothing to replay. */
START_TEST(a_checkpoint_makes_the_next_start_short)
{
    struct rig *r = rig_new(8, 2);

    rig_start_ok(r);
    for (int i = 0; i < 20; i++)
        rig_produce(r, (unsigned)i % 2, 1, 1000);
    rig_settle(r);
    ck_assert(!replica_is_stored(r->groups[0].replica));
    for (unsigned g = 0; g < 2; g++)
        replica_checkpoint(r->groups[g].replica, UINT64_MAX);
    rig_settle(r);
    ck_assert(replica_is_stored(r->groups[0].replica));
    ck_assert(replica_is_stored(r->groups[1].replica));
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    for (unsigned g = 0; g < 2; g++) /* but for the new term's own entry */
        ck_assert_uint_eq(r->groups[g].replica->checkpoint_index + 1, r->groups[g].replica->last_index);
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(a_lost_write_is_fatal)
{
    struct rig *r = rig_new(9, 1);

    rig_start_ok(r);
    rig_settle(r);
    rig_produce(r, 0, 1, 1000);
    while (rig_step(r))
        ;
    sim_disk_fail(r->disk, SIM_DISK_WRITE, 0, 1, -EIO);
    rig_run(r, 200 * MS);
    ck_assert_int_eq(r->fatal_error, -EIO);
    rig_kill(r);
    rig_start_ok(r);
    rig_check(r);
    rig_free(r);
}
END_TEST

Suite *store_suite(void)
{
    Suite *s = suite_create("store");

    suite_add(s, replay_keeps_memory_bounded);
    suite_add(s, entries_go_to_segments_by_themselves);
    suite_add(s, lists_of_waiters_go_when_nobody_waits);
    suite_add(s, a_steady_load_uses_its_blocks_again);
    suite_add(s, an_idle_shard_sleeps);
    suite_add(s, nobody_starves);
    suite_add(s, segments_roll_and_retention_takes_them);
    suite_add(s, a_reader_keeps_its_segment);
    suite_add(s, the_journal_stays_bounded);
    suite_add(s, a_checkpoint_makes_the_next_start_short);
    suite_add(s, a_lost_write_is_fatal);
    return s;
}
