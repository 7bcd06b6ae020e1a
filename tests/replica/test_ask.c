/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a broker may ask of a partition. */

#include "base/util.h"
#include "replica/rig.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)

static struct rig *started(unsigned n_groups)
{
    struct rig *r = rig_new(1, n_groups);

    rig_start_ok(r);
    return r;
}

START_TEST(offsets_count_from_zero)
{
    struct rig *r = started(2);
    struct rig_op *a = rig_produce(r, 0, 3, 10), *b = rig_produce(r, 1, 1, 10), *c = rig_produce(r, 0, 2, 10);

    ck_assert(!a->done); /* never inside the submit */
    rig_wait(r, c);
    rig_wait(r, b);
    ck_assert(a->done);
    ck_assert_int_eq(a->op.error, 0);
    ck_assert_int_eq(a->op.produce.ret_base_offset, 0);
    ck_assert_int_eq(a->op.produce.ret_append_time_ms, -1);
    ck_assert_int_eq(c->op.produce.ret_base_offset, 3);
    ck_assert_int_eq(b->op.produce.ret_base_offset, 0);
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(nothing_is_acknowledged_or_visible_before_it_is_flushed)
{
    struct rig *r = started(1);
    struct rig_op *op, *read;

    rig_settle(r);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, true);
    op = rig_produce(r, 0, 1, 10);
    rig_run(r, 5000 * MS);
    ck_assert(!op->done);
    ck_assert_int_eq(replica_high_watermark(r->groups[0].replica), 0);
    read = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_READ, .read = { .max_bytes = 100, .min_one = true } });
    ck_assert_int_eq(read->op.error, 0);
    ck_assert_uint_eq(read->op.read.ret_size, 0);
    rig_release(r, read);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, false);
    rig_wait(r, op);
    ck_assert_int_eq(op->op.error, 0);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* All that arrives while a flush is in flight goes out with the next one. */
START_TEST(flushes_are_shared)
{
    struct rig *r = started(4);
    struct journal_stats before, after;

    rig_settle(r);
    journal_stats(r->journal, &before);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, true);
    for (unsigned i = 0; i < 40; i++) {
        rig_produce(r, i % 4, 1, 10);
        rig_step(r);
    }
    sim_lane_hold(r->lane, LANE_FLUSH, 0, false);
    while (rig_step(r))
        ;
    journal_stats(r->journal, &after);
    ck_assert_uint_eq(after.n_flushes - before.n_flushes, 2);
    rig_check(r);
    rig_free(r);
}
END_TEST

static int note_state(void *ctx, const struct journal_group_state *st)
{
    *(struct journal_group_state *)ctx = *st;
    return 0;
}

/* Thousands of groups that were never written cost a start no record; a term is in the journal before its entries. */
START_TEST(an_empty_log_leaves_the_journal_alone)
{
    struct journal_group_state state = { 0 };
    struct journal_stats stats;
    struct rig *r = started(1);

    for (int life = 0; life < 3; life++) {
        rig_settle(r);
        journal_stats(r->journal, &stats);
        ck_assert_uint_eq(stats.n_records, 0);
        ck_assert_int_eq(journal_groups(r->journal, note_state, &state), 0);
        ck_assert_uint_eq(state.group, 0);
        ck_assert_uint_eq(replica_term(r->groups[0].replica), 1);
        rig_kill(r);
        rig_start_ok(r);
    }
    rig_wait(r, rig_produce(r, 0, 1, 10));
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    ck_assert_int_eq(journal_groups(r->journal, note_state, &state), 0);
    ck_assert_uint_eq(state.term, 2);
    ck_assert_int_eq(state.vote, r->shard.broker_id);
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(refusals)
{
    struct rig *r = started(1);
    struct rig_op *op;

    r->limits.max_message_bytes = 500;
    r->limits.min_insync = 1;
    replica_set_limits(r->groups[0].replica, &r->limits);
    op = rig_produce(r, 0, 1, 600);
    rig_wait(r, op);
    ck_assert_int_eq(op->op.error, KAFKA_E_MESSAGE_TOO_LARGE);
    r->limits.max_message_bytes = UINT32_MAX;
    replica_set_limits(r->groups[0].replica, &r->limits);
    op = rig_produce(r, 0, 1, journal_max_entry(r->journal));
    rig_wait(r, op);
    ck_assert_int_eq(op->op.error, KAFKA_E_RECORD_LIST_TOO_LARGE);
    r->limits.min_insync = 2;
    replica_set_limits(r->groups[0].replica, &r->limits);
    op = rig_produce(r, 0, 1, 10);
    rig_wait(r, op);
    ck_assert_int_eq(op->op.error, KAFKA_E_NOT_ENOUGH_REPLICAS);
    op = rig_ask(
        r, 0, &(struct replica_op){ .kind = REPLICA_READ, .current_leader_epoch = 9, .read.last_fetched_epoch = -1 });
    ck_assert_int_eq(op->op.error, KAFKA_E_UNKNOWN_LEADER_EPOCH);
    r->limits.min_insync = 1;
    replica_set_limits(r->groups[0].replica, &r->limits);
    op = rig_produce(r, 0, 1, 10); /* a log with entries gets a new term */
    rig_wait(r, op);
    ck_assert_int_eq(op->op.error, 0);
    rig_stop(r);
    rig_start_ok(r);
    op = rig_ask(
        r, 0, &(struct replica_op){ .kind = REPLICA_READ, .current_leader_epoch = 1, .read.last_fetched_epoch = -1 });
    ck_assert_int_eq(op->op.error, KAFKA_E_FENCED_LEADER_EPOCH);
    rig_free(r);
}
END_TEST

START_TEST(append_time_is_the_leaders)
{
    struct rig *r = started(1);
    struct rig_op *op;

    r->limits.log_append_time = true;
    replica_set_limits(r->groups[0].replica, &r->limits);
    op = rig_produce(r, 0, 1, 10);
    rig_wait(r, op);
    ck_assert_int_eq(op->op.produce.ret_append_time_ms, r->groups[0].batches[0].append_ms);
    sim_clock_set_real(&r->clock, 1000); /* the wall clock jumps back: append times don't */
    op = rig_produce(r, 0, 1, 10);
    rig_wait(r, op);
    ck_assert_int_eq(op->op.produce.ret_append_time_ms, r->groups[0].batches[0].append_ms);
    rig_check(r);
    rig_stop(r);
    rig_start_ok(r);
    op = rig_produce(r, 0, 1, 10);
    rig_wait(r, op);
    ck_assert_int_eq(op->op.produce.ret_append_time_ms, r->groups[0].batches[0].append_ms);
    rig_free(r);
}
END_TEST

/* What comes before the new term's entry is applied waits for it. */
START_TEST(early_ops_wait_until_it_leads)
{
    struct rig *r = started(1);
    struct rig_op *op;

    rig_wait(r, rig_produce(r, 0, 3, 10));
    rig_stop(r);
    ck_assert_int_eq(rig_start(r), 0);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, true);
    op = rig_submit(r, 0, &(struct replica_op){ .kind = REPLICA_LIST_OFFSETS, .list_offsets.timestamp = -1 });
    rig_run(r, 100 * MS);
    ck_assert(!op->done);
    ck_assert(!replica_is_open(r->groups[0].replica));
    sim_lane_hold(r->lane, LANE_FLUSH, 0, false);
    rig_wait(r, op);
    ck_assert_int_eq(op->op.error, 0);
    ck_assert_int_eq(op->op.list_offsets.ret_offset, 3);
    ck_assert_int_eq(op->op.list_offsets.ret_leader_epoch, 2);
    rig_check(r);
    rig_free(r);
}
END_TEST

static struct rig_op *watch(struct rig *r, int64_t offset)
{
    return rig_submit(r, 0, &(struct replica_op){ .kind = REPLICA_WATCH, .watch.offset = offset });
}

START_TEST(watchers_wake)
{
    struct rig *r = started(1);
    struct rig_op *first, *second, *canceled, *cancel;

    rig_settle(r);
    first = watch(r, 0);
    second = watch(r, 1);
    canceled = watch(r, 0);
    rig_run(r, 100 * MS);
    ck_assert(!first->done && !second->done && !canceled->done);
    cancel = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_CANCEL, .cancel.target = &canceled->op });
    ck_assert_int_eq(cancel->op.error, 0);
    ck_assert(canceled->done);
    ck_assert_int_eq(canceled->op.error, REPLICA_OP_CANCELED);
    rig_produce(r, 0, 1, 10);
    rig_wait(r, first);
    ck_assert_int_eq(first->op.error, 0);
    ck_assert(!second->done);
    ck_assert_int_eq(
        rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_CANCEL, .cancel.target = &first->op })->op.error, 0);
    rig_produce(r, 0, 1, 10);
    rig_wait(r, second);
    ck_assert_int_eq(second->op.error, 0);
    rig_wait(r, watch(r, 0));
    rig_free(r);
}
END_TEST

static const struct rig_op *list_offsets(struct rig *r, int64_t timestamp)
{
    struct rig_op *op =
        rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_LIST_OFFSETS, .list_offsets.timestamp = timestamp });

    ck_assert_int_eq(op->op.error, 0);
    return op;
}

START_TEST(list_offsets_of_all_kinds)
{
    struct rig *r = started(1);
    const struct rig_op *op;
    const struct rig_batch *b;

    ck_assert_int_eq(list_offsets(r, LIST_OFFSETS_LATEST)->op.list_offsets.ret_offset, 0);
    ck_assert_int_eq(list_offsets(r, LIST_OFFSETS_EARLIEST)->op.list_offsets.ret_offset, 0);
    ck_assert_int_eq(list_offsets(r, 5)->op.list_offsets.ret_offset, -1);
    ck_assert_int_eq(list_offsets(r, LIST_OFFSETS_MAX_TIMESTAMP)->op.list_offsets.ret_offset, -1);
    for (int i = 0; i < 30; i++) {
        rig_produce(r, 0, 2, 400);
        rig_run(r, 2000 * MS);
    }
    b = r->groups[0].batches;
    ck_assert_int_eq(list_offsets(r, LIST_OFFSETS_LATEST)->op.list_offsets.ret_offset, 60);
    op = list_offsets(r, b[17].timestamp);
    ck_assert_int_eq(op->op.list_offsets.ret_offset, 34);
    ck_assert_int_eq(op->op.list_offsets.ret_timestamp, b[17].timestamp);
    ck_assert_int_eq(op->op.list_offsets.ret_leader_epoch, 1);
    ck_assert_int_eq(list_offsets(r, b[17].timestamp + 1)->op.list_offsets.ret_offset, 35);
    ck_assert_int_eq(list_offsets(r, b[17].timestamp + 2)->op.list_offsets.ret_offset, 36);
    ck_assert_int_eq(list_offsets(r, b[29].timestamp + 2)->op.list_offsets.ret_offset, -1);
    ck_assert_int_eq(list_offsets(r, LIST_OFFSETS_MAX_TIMESTAMP)->op.list_offsets.ret_offset, 59);
    /* One that is not in a segment yet counts too. */
    rig_wait(r, rig_produce(r, 0, 1, 10));
    ck_assert_int_eq(list_offsets(r, r->groups[0].batches[30].timestamp)->op.list_offsets.ret_offset, 60);
    ck_assert_int_eq(
        rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_LIST_OFFSETS, .list_offsets.timestamp = -9 })->op.error,
        KAFKA_E_UNSUPPORTED_VERSION);
    rig_free(r);
}
END_TEST

START_TEST(records_are_deleted_for_good)
{
    struct rig *r = started(1);
    struct rig_op *op;
    uint64_t size;

    for (int i = 0; i < 40; i++)
        rig_produce(r, 0, 1, 1000);
    rig_settle(r);
    size = replica_size_bytes(r->groups[0].replica);
    op = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = 41 });
    ck_assert_int_eq(op->op.error, KAFKA_E_OFFSET_OUT_OF_RANGE);
    op = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = 25 });
    ck_assert_int_eq(op->op.error, 0);
    ck_assert_int_eq(op->op.delete_records.ret_low_watermark, 25);
    op = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = 3 });
    ck_assert_int_eq(op->op.delete_records.ret_low_watermark, 25);
    ck_assert_int_eq(list_offsets(r, LIST_OFFSETS_EARLIEST)->op.list_offsets.ret_offset, 25);
    op = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_READ, .read = { .offset = 24, .max_bytes = 1 } });
    ck_assert_int_eq(op->op.error, KAFKA_E_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(op->op.read.ret_log_start, 25);
    rig_check(r);
    ck_assert_uint_lt(replica_size_bytes(r->groups[0].replica), size / 2);
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    ck_assert_int_eq(replica_log_start(r->groups[0].replica), 25);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* Deleted up to the end, the last segment's bytes go too, though nobody writes any more. */
START_TEST(an_emptied_partition_takes_no_space)
{
    struct rig *r = started(1);
    struct rig_op *op;

    for (int i = 0; i < 10; i++)
        rig_produce(r, 0, 1, 1000);
    rig_settle(r);
    op = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = -1 });
    ck_assert_int_eq(op->op.delete_records.ret_low_watermark, 10);
    for (int i = 0; i < 5; i++) {
        rig_settle(r);
        replica_housekeep(r->groups[0].replica);
    }
    rig_settle(r);
    ck_assert_uint_eq(replica_size_bytes(r->groups[0].replica), 0);
    ck_assert_uint_le(r->groups[0].replica->last_index, 13); /* and it comes to rest */
    rig_check(r);
    rig_free(r);
}
END_TEST

static int64_t epoch_end(struct rig *r, int32_t epoch, int32_t *ret_epoch)
{
    struct rig_op *op = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_EPOCH_END, .epoch_end.epoch = epoch });

    *ret_epoch = op->op.epoch_end.ret_epoch;
    return op->op.epoch_end.ret_end_offset;
}

START_TEST(epochs_end_where_the_next_begins)
{
    struct rig *r = started(1);
    int32_t epoch;

    for (int life = 0; life < 3; life++) { /* terms 1, 2, 3: offsets 0…2, 3…5, 6…8 */
        rig_produce(r, 0, 3, 100);
        rig_settle(r);
        rig_stop(r);
        rig_start_ok(r);
    }
    for (int stored = 0; stored < 2; stored++) {
        ck_assert_int_eq(epoch_end(r, 1, &epoch), 3);
        ck_assert_int_eq(epoch, 1);
        ck_assert_int_eq(epoch_end(r, 2, &epoch), 6);
        ck_assert_int_eq(epoch, 2);
        ck_assert_int_eq(epoch_end(r, 3, &epoch), 9);
        ck_assert_int_eq(epoch_end(r, 4, &epoch), 9);
        ck_assert_int_eq(epoch, 4);
        ck_assert_int_eq(epoch_end(r, 5, &epoch), -1);
        ck_assert_int_eq(epoch, -1);
        ck_assert_int_eq(epoch_end(r, 0, &epoch), -1);
        rig_settle(r);
    }
    rig_free(r);
}
END_TEST

/* KIP-320: a consumer that read beyond where its epoch ended here is told so. */
START_TEST(a_diverging_reader_is_told)
{
    struct rig *r = started(1);
    struct rig_op *op;

    rig_produce(r, 0, 3, 100);
    rig_settle(r);
    rig_stop(r);
    rig_start_ok(r);
    rig_wait(r, rig_produce(r, 0, 3, 100));
    op = rig_ask(
        r, 0,
        &(struct replica_op){ .kind = REPLICA_READ,
                              .read = { .offset = 5, .max_bytes = 9, .min_one = true, .last_fetched_epoch = 1 } });
    ck_assert_int_eq(op->op.error, 0);
    ck_assert_int_eq(op->op.read.ret_diverging_epoch, 1);
    ck_assert_int_eq(op->op.read.ret_diverging_offset, 3);
    ck_assert_uint_eq(op->op.read.ret_size, 0);
    rig_release(r, op);
    op = rig_ask(
        r, 0,
        &(struct replica_op){ .kind = REPLICA_READ,
                              .read = { .offset = 3, .max_bytes = 9, .min_one = true, .last_fetched_epoch = 1 } });
    ck_assert_int_eq(op->op.read.ret_diverging_epoch, -1);
    ck_assert_uint_gt(op->op.read.ret_size, 0);
    rig_release(r, op);
    rig_free(r);
}
END_TEST

/* max_bytes holds, but for the first batch when it must come. */
START_TEST(reads_keep_to_max_bytes)
{
    struct rig *r = started(1);

    for (int i = 0; i < 6; i++)
        rig_wait(r, rig_produce(r, 0, 1, 500));
    for (int stored = 0; stored < 2; stored++) {
        struct rig_op *op = rig_ask(
            r, 0,
            &(struct replica_op){ .kind = REPLICA_READ, .read = { .max_bytes = 1300, .last_fetched_epoch = -1 } });

        ck_assert_uint_gt(op->op.read.ret_size, 1000);
        ck_assert_uint_le(op->op.read.ret_size, 1300);
        rig_release(r, op);
        op = rig_ask(
            r, 0, &(struct replica_op){ .kind = REPLICA_READ, .read = { .max_bytes = 10, .last_fetched_epoch = -1 } });
        ck_assert_uint_eq(op->op.read.ret_size, 0);
        rig_release(r, op);
        op = rig_ask(r, 0,
                     &(struct replica_op){ .kind = REPLICA_READ,
                                           .read = { .max_bytes = 10, .min_one = true, .last_fetched_epoch = -1 } });
        ck_assert_uint_gt(op->op.read.ret_size, 500);
        ck_assert_uint_lt(op->op.read.ret_size, 700);
        rig_release(r, op);
        rig_settle(r);
    }
    rig_free(r);
}
END_TEST

START_TEST(cold_reads_come_from_a_worker)
{
    struct rig *r = started(1);

    for (int i = 0; i < 40; i++)
        rig_produce(r, 0, 2, 800);
    rig_check(r);
    sim_disk_drop_caches(r->disk);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* What the answer tells is as new as its records. */
START_TEST(cold_reads_tell_the_end_that_they_see)
{
    struct rig *r = started(1);
    struct rig_op *op;

    for (int i = 0; i < 4; i++)
        rig_produce(r, 0, 1, 800);
    rig_settle(r);
    replica_checkpoint(r->groups[0].replica, replica_last_index(r->groups[0].replica));
    rig_settle(r);
    sim_disk_drop_caches(r->disk);
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    op = rig_submit(
        r, 0, &(struct replica_op){ .kind = REPLICA_READ, .read = { .max_bytes = 1 << 20, .last_fetched_epoch = -1 } });
    rig_wait(r, rig_produce(r, 0, 1, 800));
    rig_delete_records(r, 0, 1);
    rig_run(r, 100 * MS);
    ck_assert(!op->done);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    rig_wait(r, op);
    ck_assert_int_eq(op->op.error, KAFKA_E_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(op->op.read.ret_high_watermark, 5);
    ck_assert_int_eq(op->op.read.ret_log_start, 1);
    rig_free(r);
}
END_TEST

START_TEST(the_log_is_described)
{
    struct rig *r = started(1);
    struct rig_op *op;

    for (int i = 0; i < 4; i++)
        rig_produce(r, 0, 2, 800);
    rig_settle(r);
    op = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_DESCRIBE_LOG });
    ck_assert_int_eq(op->op.describe_log.ret_end_offset, 8);
    ck_assert_int_eq(op->op.describe_log.ret_log_start, 0);
    ck_assert_uint_eq(op->op.describe_log.ret_size_bytes, replica_size_bytes(r->groups[0].replica));
    ck_assert_uint_gt(op->op.describe_log.ret_size_bytes, 8 * 800);
    op = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_DESCRIBE_PRODUCERS });
    ck_assert_uint_eq(op->op.describe_producers.ret_n_producers, 0);
    rig_free(r);
}
END_TEST

/* A replica that stops lets nobody wait, and what was proposed may still be there afterwards. */
START_TEST(closing_ends_all_waiting)
{
    struct rig *r = started(1);
    struct rig_op *watcher, *produce, *late;

    rig_settle(r);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, true);
    watcher = watch(r, 0);
    produce = rig_produce(r, 0, 1, 10);
    replica_close(r->groups[0].replica);
    late = watch(r, 0);
    rig_run(r, 10 * MS);
    ck_assert(watcher->done && produce->done && late->done);
    ck_assert_int_eq(watcher->op.error, KAFKA_E_REQUEST_TIMED_OUT);
    ck_assert_int_eq(produce->op.error, KAFKA_E_REQUEST_TIMED_OUT);
    ck_assert_int_eq(late->op.error, KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, false);
    rig_settle(r);
    rig_free(r);
}
END_TEST

Suite *ask_suite(void)
{
    Suite *s = suite_create("ask");

    suite_add(s, offsets_count_from_zero);
    suite_add(s, nothing_is_acknowledged_or_visible_before_it_is_flushed);
    suite_add(s, flushes_are_shared);
    suite_add(s, an_empty_log_leaves_the_journal_alone);
    suite_add(s, refusals);
    suite_add(s, append_time_is_the_leaders);
    suite_add(s, early_ops_wait_until_it_leads);
    suite_add(s, watchers_wake);
    suite_add(s, list_offsets_of_all_kinds);
    suite_add(s, records_are_deleted_for_good);
    suite_add(s, an_emptied_partition_takes_no_space);
    suite_add(s, epochs_end_where_the_next_begins);
    suite_add(s, a_diverging_reader_is_told);
    suite_add(s, reads_keep_to_max_bytes);
    suite_add(s, cold_reads_come_from_a_worker);
    suite_add(s, cold_reads_tell_the_end_that_they_see);
    suite_add(s, the_log_is_described);
    suite_add(s, closing_ends_all_waiting);
    return s;
}
