/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors: those with unsynced bytes are a budget, idle ones are closed, and a lack of them is no damage. */

#include "replica/cluster.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)

static void produce_to_all(struct rig *r)
{
    for (unsigned i = 0; i < r->n_groups; i++) {
        rig_produce(r, i, 1, 500);
        rig_run(r, 100 * MS);
    }
}

START_TEST(dirty_segments_are_a_budget)
{
    struct rig *r = rig_new(70, 8);

    r->max_dirty_segments = 4;
    rig_start_ok(r);
    produce_to_all(r);
    rig_run(r, 1000 * MS);
    ck_assert_uint_gt(log_cache_dirty(r->shard.log_cache), 0);
    ck_assert_uint_le(log_cache_dirty(r->shard.log_cache), 4);
    for (unsigned i = 0; i < 4; i++) /* those that were dirty longest are checkpointed */
        ck_assert(replica_is_stored(r->groups[i].replica));
    ck_assert(!replica_is_stored(r->groups[7].replica));
    for (int round = 0; round < 20; round++) {
        produce_to_all(r);
        ck_assert_uint_le(log_cache_dirty(r->shard.log_cache), 5);
    }
    rig_check(r);
    rig_recover(r, SIM_CRASH_DRAW);
    rig_free(r);
}
END_TEST

static bool all_stored(const struct rig *r)
{
    for (unsigned i = 0; i < r->n_groups; i++) {
        const struct replica *replica = r->groups[i].replica;

        if (tail_count(&replica->tail) > 0)
            return false;
    }
    return true;
}

/* Entries for many segments where four may be dirty, the last of each ten in the last group. Nothing has run yet. */
static struct rig *rig_that_rolls(uint64_t seed, unsigned n_groups, unsigned max_segments)
{
    struct rig *r = rig_new(seed, n_groups);

    r->max_dirty_segments = 4;
    r->max_segments = max_segments;
    r->limits.segment_bytes = 4096;
    rig_start_ok(r);
    for (int i = 0; i < 60; i++)
        rig_produce(r, i % 10 == 9 ? n_groups - 1 : 0, 1, 1500);
    return r;
}

/* A partition that rolls one segment after the other holds no more of them open than it may. */
START_TEST(who_rolls_keeps_to_the_budget)
{
    struct rig *r = rig_that_rolls(95, 2, 0);
    unsigned most = 0;

    while (!replica_is_stored(r->groups[0].replica)) {
        rig_run(r, MS);
        most = MAX(most, log_cache_dirty(r->shard.log_cache) + log_cache_opening(r->shard.log_cache));
        if (!all_stored(r))
            continue;
        replica_checkpoint(r->groups[0].replica, UINT64_MAX);
    }
    ck_assert_uint_ge(most, 2);
    ck_assert_uint_le(most, 4);
    rig_check(r);
    rig_recover(r, SIM_CRASH_DRAW);
    rig_free(r);
}
END_TEST

/* It may hold all of the budget itself, and wait with its checkpoint for what it can't store: that goes so far as it
 * can, or nobody's would. */
START_TEST(who_waits_is_checkpointed_as_far_as_stored)
{
    struct rig *r = rig_that_rolls(97, 1, 0);
    int i;

    for (i = 0; i < 1000 && log_cache_dirty(r->shard.log_cache) < 1; i++)
        rig_step(r);
    replica_checkpoint(r->groups[0].replica, UINT64_MAX);
    for (i = 0; i < 1000 && !replica_is_stored(r->groups[0].replica); i++)
        rig_run(r, MS);
    ck_assert_int_lt(i, 1000);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* Of a partition that is written to all the time, what lies below the log start goes all the same. */
START_TEST(files_go_under_load)
{
    struct rig *r = rig_new(98, 1);

    r->limits.segment_bytes = 4096;
    rig_start_ok(r);
    sim_disk_limit_files(r->disk, 40);
    for (int i = 0; i < 100; i++) {
        rig_produce(r, 0, 1, 1500);
        rig_produce(r, 0, 1, 1500);
        replica_checkpoint(r->groups[0].replica, UINT64_MAX);
        for (int k = 0; k < 12; k++) { /* at no moment all is stored */
            rig_step(r);
            if (k % 3 == 0)
                rig_produce(r, 0, 1, 100);
        }
        if (i % 4 == 3)
            rig_delete_records(r, 0, r->groups[0].replica->applied_offset);
        ck_assert_int_eq(replica_shard_shortage(&r->shard), 0);
    }
    rig_settle(r);
    ck_assert_int_eq(replica_shard_shortage(&r->shard), 0);
    rig_free(r);
}
END_TEST

/* Half of the budget is left for those who write while a round is under way. */
START_TEST(half_of_the_budget_forces_a_round)
{
    struct rig *r = rig_new(78, 6);

    r->max_dirty_segments = 8;
    rig_start_ok(r);
    for (unsigned i = 0; i < 4; i++)
        rig_produce(r, i, 1, 500);
    rig_run(r, 1000 * MS);
    ck_assert_uint_eq(log_cache_dirty(r->shard.log_cache), 4);
    rig_produce(r, 4, 1, 500);
    rig_run(r, 1000 * MS);
    ck_assert_uint_eq(log_cache_dirty(r->shard.log_cache), 2);
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(who_finds_the_budget_used_up_waits)
{
    struct rig *r = rig_new(79, 60);
    unsigned most = 0;

    r->max_dirty_segments = 6;
    r->max_segments = 9;
    rig_start_ok(r);
    for (int round = 0; round < 5; round++) {
        for (unsigned i = 0; i < r->n_groups; i++)
            rig_produce(r, i, 1, 500);
        do {
            rig_run(r, MS);
            most = MAX(most, log_cache_dirty(r->shard.log_cache) + log_cache_opening(r->shard.log_cache));
            ck_assert_uint_le(log_cache_open(r->shard.log_cache) + log_cache_opening(r->shard.log_cache), 9);
        } while (!all_stored(r));
        ck_assert_uint_eq(log_cache_opening(r->shard.log_cache), 0);
    }
    ck_assert_uint_ge(most, 6);
    ck_assert_int_eq(replica_shard_shortage(&r->shard), 0);
    rig_check(r);
    rig_recover(r, SIM_CRASH_DRAW);
    rig_free(r);
}
END_TEST

/* Those that are written all the time have their files open, and let go of them at a sync. */
START_TEST(busy_partitions_let_others_have_files)
{
    struct rig *r = rig_new(80, 12);
    int i;

    r->max_dirty_segments = 4;
    r->max_segments = 6;
    rig_start_ok(r);
    for (i = 0; i < 4; i++)
        rig_produce(r, (unsigned)i, 1, 500);
    rig_run(r, 40 * MS);
    for (i = 4; i < 12; i++)
        rig_produce(r, (unsigned)i, 1, 500);
    for (i = 0; i < 1000 && tail_count(&r->groups[11].replica->tail) > 0; i++) {
        for (unsigned busy = 0; busy < 4; busy++)
            rig_produce(r, busy, 1, 500);
        rig_run(r, 2 * MS);
    }
    ck_assert_int_lt(i, 1000);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* Replay stores what a killed process left in its journal: of more partitions than may have files open. */
START_TEST(a_start_keeps_within_the_budget)
{
    static const enum sim_disk_crash crashes[] = { SIM_CRASH_ALL, SIM_CRASH_NOTHING, SIM_CRASH_DRAW };

    for (unsigned n = 0; n < 2 * ARRAY_SIZE(crashes); n++) {
        struct rig *r = rig_new(81 + n, 40);

        sim_disk_set_sync_fs(r->disk, n % 2 != 0);
        r->max_dirty_segments = 6;
        r->max_segments = 8;
        rig_start_ok(r);
        for (unsigned i = 0; i < r->n_groups; i++)
            rig_produce(r, i, 1, 500);
        rig_run(r, 20 * MS);
        ck_assert_uint_eq(log_cache_open(r->shard.log_cache), 0);
        for (int again = 0; again < 2; again++) {
            rig_crash(r, crashes[n / 2]);
            rig_start_ok(r);
            ck_assert_uint_gt(log_cache_open(r->shard.log_cache), 0);
            ck_assert_uint_le(log_cache_open(r->shard.log_cache), 8);
            ck_assert_uint_le(log_cache_dirty(r->shard.log_cache), 6);
            rig_check(r);
        }
        rig_free(r);
    }
}
END_TEST

START_TEST(a_start_that_rolls_keeps_within_the_budget)
{
    struct rig *r = rig_that_rolls(96, 1, 6);

    rig_run(r, 20 * MS);
    ck_assert_uint_eq(log_cache_open(r->shard.log_cache), 0);
    rig_crash(r, SIM_CRASH_ALL);
    sim_disk_limit_files(r->disk, 6 * 3 + 10); /* of segments, and of the journal */
    rig_start_ok(r);
    rig_check(r);
    /* Once more, with all but the last segment below the log start. */
    for (int i = 0; i < 60; i++)
        rig_produce(r, 0, 1, 1500);
    rig_run(r, 10 * MS);
    rig_delete_records(r, 0, 118);
    rig_run(r, 2 * MS);
    rig_crash(r, SIM_CRASH_ALL);
    rig_start_ok(r);
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(a_start_whose_sync_fails_ends)
{
    struct rig *r = rig_new(90, 12);

    sim_disk_set_sync_fs(r->disk, true);
    r->max_dirty_segments = 4;
    r->max_segments = 6;
    rig_start_ok(r);
    for (unsigned i = 0; i < r->n_groups; i++)
        rig_produce(r, i, 1, 500);
    rig_run(r, 20 * MS);
    rig_crash(r, SIM_CRASH_ALL);
    sim_disk_fail(r->disk, SIM_DISK_SYNC_FS, 0, 1, -ENOSPC);
    ck_assert_int_eq(rig_start(r), -EIO);
    ck_assert_ptr_nonnull(strstr(r->err.text, "making room for files: "));
    rig_crash(r, SIM_CRASH_ALL);
    rig_start_ok(r);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* Of several voters' entries only those that are committed go to segments, with the budget or without. */
START_TEST(a_start_within_the_budget_stores_nothing_uncommitted)
{
    struct cluster *c = cluster_new(84, 1 << 20);
    int leader = cluster_leader(c);
    struct rig *rig = c->nodes[leader];
    struct replica *r;

    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 300)), 0);
        rig_produce(rig, 1, 1, 500);
    }
    cluster_run(c, 500);
    c->cut[leader] = true;
    for (int i = 0; i < 3; i++)
        cluster_produce(c, leader, 300);
    cluster_run(c, 100);
    rig->max_dirty_segments = 1;
    for (int again = 0; again < 2; again++) {
        cluster_kill(c, leader);
        cluster_restart(c, leader);
        r = rig->groups[0].replica;
        ck_assert_uint_eq(log_cache_dirty(rig->shard.log_cache), 1);
        ck_assert_uint_eq(log_end(r->log).index, r->last_index - 3);
        ck_assert_uint_eq(r->applied_index, r->last_index - 3);
        ck_assert_uint_eq(r->checkpoint_index, 0);
        cluster_run(c, 5); /* it doesn't get as far as a checkpoint */
    }
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static struct rig_op *read_from(struct rig *r, unsigned group, bool urgent)
{
    return rig_submit(
        r, group,
        &(struct replica_op){
            .kind = REPLICA_READ,
            .read = { .max_bytes = 100 * 1000, .min_one = true, .urgent = urgent, .last_fetched_epoch = -1 } });
}

/* So many groups with a closed segment each. */
static struct rig *rig_of_readers(uint64_t seed, unsigned n, unsigned max_segments, unsigned max_lent, size_t size)
{
    struct rig *r = rig_new(seed, n);

    r->max_segments = max_segments;
    r->max_dirty_segments = max_segments - max_lent;
    r->max_lent_segments = max_lent;
    r->limits.segment_bytes = 1 << 20;
    rig_start_ok(r);
    for (unsigned i = 0; i < n; i++)
        rig_produce(r, i, 1, size);
    rig_settle(r);
    for (unsigned i = 0; i < n; i++)
        replica_checkpoint(r->groups[i].replica, UINT64_MAX);
    rig_settle(r);
    ck_assert_uint_eq(log_cache_dirty(r->shard.log_cache), 0);
    return r;
}

static void check_files(const struct rig *r)
{
    const struct log_cache *c = r->shard.log_cache;

    ck_assert_uint_le(log_cache_lent(c), r->max_lent_segments);
    ck_assert_uint_le(log_cache_open(c) + log_cache_opening(c), r->max_segments);
}

/* Readers that don't take their answers, of all partitions: they get them all the same, and whoever writes has its
 * files. */
START_TEST(readers_leave_files_for_writers)
{
    struct rig *r = rig_of_readers(91, 30, 9, 3, 500);
    struct rig_op *reads[30];
    unsigned n_ranges = 0;

    for (unsigned i = 0; i < 30; i++)
        reads[i] = read_from(r, i, false);
    check_files(r);
    for (unsigned i = 0; i < 30; i++) {
        rig_wait(r, reads[i]);
        check_files(r);
        ck_assert_int_eq(reads[i]->op.error, 0);
        ck_assert_uint_gt(reads[i]->op.read.ret_size, 500);
        n_ranges += reads[i]->op.read.has_range;
    }
    ck_assert_uint_gt(n_ranges, 0);
    ck_assert_uint_le(n_ranges, 3);
    ck_assert_uint_eq(log_cache_lent(r->shard.log_cache), n_ranges);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 30; i++)
            rig_produce(r, i, 1, 500);
        do {
            rig_run(r, MS);
            check_files(r);
        } while (!all_stored(r));
    }
    for (unsigned i = 0; i < 30; i++)
        rig_release(r, reads[i]);
    ck_assert_uint_eq(log_cache_lent(r->shard.log_cache), 0);
    ck_assert_uint_eq(r->shard.lent_bytes, 0);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* However many read a segment, it has its descriptors once. */
START_TEST(readers_of_one_segment_share_it)
{
    struct rig *r = rig_of_readers(92, 2, 8, 1, 500);
    struct rig_op *reads[5];

    for (unsigned i = 0; i < ARRAY_SIZE(reads); i++) {
        reads[i] = read_from(r, 0, false);
        rig_wait(r, reads[i]);
        ck_assert(reads[i]->op.read.has_range);
    }
    ck_assert_uint_eq(log_cache_lent(r->shard.log_cache), 1);
    for (unsigned i = 0; i < ARRAY_SIZE(reads); i++)
        rig_release(r, reads[i]);
    rig_free(r);
}
END_TEST

/* Without descriptors and without memory a read has nothing, unless it is urgent; it waits for nobody. */
START_TEST(without_files_and_memory_a_read_is_put_off)
{
    struct rig *r = rig_of_readers(93, 2, 8, 1, 30 * 1000);
    struct rig_op *range = read_from(r, 0, false), *copies[300], *op;
    unsigned n;

    rig_wait(r, range);
    ck_assert(range->op.read.has_range);
    rig_produce(r, 1, 1, 30 * 1000);
    rig_settle(r);
    for (n = 0;; n++) {
        ck_assert_uint_lt(n, ARRAY_SIZE(copies));
        copies[n] = read_from(r, 1, false);
        rig_wait(r, copies[n]);
        ck_assert_int_eq(copies[n]->op.error, 0);
        ck_assert(!copies[n]->op.read.has_range);
        if (copies[n]->op.read.ret_put_off)
            break;
        ck_assert_uint_gt(copies[n]->op.read.ret_size, 60 * 1000);
    }
    ck_assert_uint_gt(n, 30);
    ck_assert_uint_lt(n, 50); /* what is in memory is for others */
    ck_assert_uint_eq(copies[n]->op.read.ret_size, 0);
    op = read_from(r, 1, true);
    rig_wait(r, op);
    ck_assert(!op->op.read.ret_put_off);
    ck_assert_uint_gt(op->op.read.ret_size, 30 * 1000);
    ck_assert_uint_lt(op->op.read.ret_size, 60 * 1000);
    rig_release(r, op);
    for (unsigned i = 0; i <= n; i++)
        rig_release(r, copies[i]);
    ck_assert_uint_eq(r->shard.lent_bytes, 0);
    op = read_from(r, 1, false);
    rig_wait(r, op);
    ck_assert_uint_gt(op->op.read.ret_size, 60 * 1000);
    rig_release(r, op);
    rig_release(r, range);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* A copy holds no segment, so that its partition may lose it meanwhile. */
START_TEST(a_copy_that_comes_too_late)
{
    for (int fate = 0; fate < 3; fate++) {
        struct rig *r = rig_of_readers(94, 2, 8, 1, 500);
        struct rig_op *range = read_from(r, 0, false), *copy;

        rig_wait(r, range);
        sim_lane_hold(r->lane, LANE_POOL, 0, true);
        copy = read_from(r, 1, false);
        rig_run(r, MS);
        ck_assert(!copy->done);
        ck_assert_uint_gt(r->shard.lent_bytes, 0);
        if (fate == 0)
            rig_delete_records(r, 1, 1);
        else if (fate == 1)
            rig_destroy(r, 1);
        else
            sim_disk_fail(r->disk, SIM_DISK_OPEN, 0, 1, -EMFILE);
        rig_run(r, MS);
        sim_lane_hold(r->lane, LANE_POOL, 0, false);
        rig_settle(r);
        ck_assert(copy->done);
        ck_assert_int_eq(copy->op.error, fate == 0   ? KAFKA_E_OFFSET_OUT_OF_RANGE
                                         : fate == 1 ? KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION
                                                     : KAFKA_E_KAFKA_STORAGE_ERROR);
        ck_assert_uint_eq(r->shard.lent_bytes, 0);
        rig_release(r, range);
        rig_free(r);
    }
}
END_TEST

START_TEST(what_gets_idle_is_closed)
{
    struct rig *r = rig_new(71, 8);

    r->max_segments = 3;
    rig_start_ok(r);
    produce_to_all(r);
    rig_run(r, 1000 * MS);
    ck_assert_uint_eq(log_cache_open(r->shard.log_cache), 8); /* all dirty, and there is no budget */
    for (unsigned i = 0; i < 8; i++)
        replica_checkpoint(r->groups[i].replica, UINT64_MAX);
    rig_run(r, 1000 * MS);
    ck_assert_uint_eq(log_cache_dirty(r->shard.log_cache), 0);
    ck_assert_uint_le(log_cache_open(r->shard.log_cache), 3);
    produce_to_all(r);
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(a_lack_of_descriptors_is_waited_out)
{
    static const int errors[] = { -EMFILE, -ENFILE, -ENOMEM };

    for (uint64_t skip = 0; skip < 24; skip++) {
        struct rig *r = rig_new(72 + skip % 3, 2);

        r->max_segments = 1;
        rig_start_ok(r);
        produce_to_all(r);
        sim_disk_fail(r->disk, SIM_DISK_OPEN, skip, 2, errors[skip % 3]);
        for (int i = 0; i < 30; i++) {
            rig_produce(r, (unsigned)i % 2, 1, 900);
            if (i % 4 == 0)
                replica_checkpoint(r->groups[i / 4 % 2].replica, UINT64_MAX);
            rig_run(r, 30 * MS);
        }
        rig_run(r, 20000 * MS);
        ck_assert_msg(r->fatal_error == 0, "skip %d", (int)skip);
        ck_assert_int_eq(replica_shard_shortage(&r->shard), 0);
        rig_crash(r, SIM_CRASH_ALL); /* forgets a fault that didn't come */
        rig_start_ok(r);
        rig_check(r);
        rig_free(r);
    }
}
END_TEST

/* A sync that failed is never tried again, whatever the error says. */
START_TEST(a_failed_sync_is_fatal)
{
    struct rig *r = rig_new(76, 1);

    rig_start_ok(r);
    rig_produce(r, 0, 1, 500);
    rig_run(r, 500 * MS);
    sim_disk_fail(r->disk, SIM_DISK_SYNC_DATA, 0, 1, -ENOMEM);
    replica_checkpoint(r->groups[0].replica, UINT64_MAX);
    rig_run(r, 100 * MS);
    ck_assert_int_eq(r->fatal_error, -EIO);
    rig_free(r);
}
END_TEST

START_TEST(a_disk_that_became_read_only_is_fatal)
{
    struct rig *r = rig_new(77, 1);

    rig_start_ok(r);
    rig_produce(r, 0, 1, 500);
    rig_run(r, 500 * MS);
    sim_disk_fail(r->disk, SIM_DISK_WRITE, 0, 1000, -EROFS);
    rig_produce(r, 0, 1, 500);
    rig_run(r, 500 * MS);
    ck_assert_int_eq(r->fatal_error, -EROFS);
    rig_free(r);
}
END_TEST

Suite *files_suite(void)
{
    Suite *s = suite_create("files");

    suite_add(s, dirty_segments_are_a_budget);
    suite_add(s, who_rolls_keeps_to_the_budget);
    suite_add(s, who_waits_is_checkpointed_as_far_as_stored);
    suite_add(s, files_go_under_load);
    suite_add(s, half_of_the_budget_forces_a_round);
    suite_add(s, who_finds_the_budget_used_up_waits);
    suite_add(s, busy_partitions_let_others_have_files);
    suite_add(s, a_start_keeps_within_the_budget);
    suite_add(s, a_start_that_rolls_keeps_within_the_budget);
    suite_add(s, a_start_whose_sync_fails_ends);
    suite_add(s, a_start_within_the_budget_stores_nothing_uncommitted);
    suite_add(s, readers_leave_files_for_writers);
    suite_add(s, readers_of_one_segment_share_it);
    suite_add(s, without_files_and_memory_a_read_is_put_off);
    suite_add(s, a_copy_that_comes_too_late);
    suite_add(s, what_gets_idle_is_closed);
    suite_add(s, a_lack_of_descriptors_is_waited_out);
    suite_add(s, a_failed_sync_is_fatal);
    suite_add(s, a_disk_that_became_read_only_is_fatal);
    return s;
}
