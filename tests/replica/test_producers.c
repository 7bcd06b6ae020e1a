/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Idempotence: retries are known whatever happened in between. */

#include "base/util.h"
#include "replica/rig.h"
#include "replica/suites.h"

static struct rig *started(void)
{
    struct rig *r = rig_new(2, 1);

    rig_start_ok(r);
    return r;
}

static int64_t sent(struct rig *r, int16_t epoch, int32_t sequence, int32_t count, int16_t *ret_error)
{
    struct rig_op *op = rig_produce_as(r, 0, 77, epoch, sequence, count, 20);

    rig_wait(r, op);
    *ret_error = op->op.error;
    return op->op.produce.ret_base_offset;
}

static void must_give(struct rig *r, int16_t epoch, int32_t sequence, int32_t count, int64_t offset)
{
    int16_t error;
    int64_t got = sent(r, epoch, sequence, count, &error);

    ck_assert_int_eq(error, 0);
    ck_assert_int_eq(got, offset);
}

static void must_fail(struct rig *r, int16_t epoch, int32_t sequence, int32_t count, int16_t expected)
{
    int16_t error;

    sent(r, epoch, sequence, count, &error);
    ck_assert_int_eq(error, expected);
}

enum restart { NONE, STOP, KILL, POWER_LOSS, N_RESTARTS };

static void restart(struct rig *r, enum restart how)
{
    switch (how) {
    case STOP:
        replica_checkpoint(r->groups[0].replica, UINT64_MAX);
        rig_settle(r);
        rig_stop(r);
        break;
    case KILL:
        rig_kill(r);
        break;
    case POWER_LOSS:
        rig_crash(r, SIM_CRASH_DRAW);
        break;
    default:
        return;
    }
    rig_start_ok(r);
}

/* The same rules, with every kind of restart between any two steps. */
START_TEST(retries_are_known_across_restarts)
{
    for (enum restart how = NONE; how < N_RESTARTS; how++) {
        struct rig *r = started();

        must_give(r, 0, 0, 2, 0);
        restart(r, how);
        must_give(r, 0, 2, 3, 2);
        restart(r, how);
        must_give(r, 0, 0, 2, 0);
        must_give(r, 0, 2, 3, 2);
        must_fail(r, 0, 6, 1, KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER);
        restart(r, how);
        must_fail(r, 0, 6, 1, KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER);
        must_give(r, 0, 5, 1, 5);
        must_give(r, 1, 0, 1, 6); /* a new epoch */
        restart(r, how);
        must_fail(r, 0, 6, 1, KAFKA_E_INVALID_PRODUCER_EPOCH);
        must_fail(r, 2, 1, 1, KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER);
        must_give(r, 1, 0, 1, 6);
        for (int i = 1; i <= 6; i++)
            must_give(r, 1, i, 1, 6 + i);
        restart(r, how);
        must_fail(r, 1, 1, 1, KAFKA_E_DUPLICATE_SEQUENCE_NUMBER); /* longer ago than five batches */
        must_give(r, 1, 2, 1, 8);
        rig_check(r);
        rig_free(r);
    }
}
END_TEST

/* A new producer sends three batches at once. The first meets a shortage that is over when the second comes. */
START_TEST(a_refused_batch_is_not_passed_by_those_behind_it)
{
    struct rig *r = started();

    r->shard.low_space = true;
    must_fail(r, 0, 0, 2, KAFKA_E_NOT_ENOUGH_REPLICAS);
    r->shard.low_space = false;
    must_fail(r, 0, 2, 3, KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    must_fail(r, 0, 5, 1, KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    must_give(r, 0, 0, 2, 0);
    must_give(r, 0, 2, 3, 2);
    must_give(r, 0, 5, 1, 5);
    rig_check(r);
    rig_free(r);
}
END_TEST

static void refuse_unmade(struct rig *r, unsigned group, int64_t id, int32_t sequence)
{
    struct rig_op *o = rig_prepare_as(r, group, id, 0, sequence, 1, 20);

    replica_shard_note_refusal(&r->shard, &o->op);
    o->done = true;
}

/* The same where the first one is there before its group. */
START_TEST(a_batch_that_came_before_its_group_is_not_passed)
{
    struct rig *r = started();
    struct replica_config config = { .group = 3, .dir = "topics/g-2", .limits = r->limits };
    struct rig_op *o;

    refuse_unmade(r, 2, 77, 0);
    refuse_unmade(r, 2, 77, 1);
    refuse_unmade(r, 3, 78, 0); /* of another group */
    r->groups[2].id = 3;
    r->n_groups = 3;
    ck_assert_int_eq(replica_new(&r->shard, &config, &r->groups[2].replica), 0);
    replica_lead(r->groups[2].replica);
    for (int32_t i = 2; i >= 0; i--) {
        o = rig_produce_as(r, 2, 77, 0, i, 1, 20);
        rig_wait(r, o);
        ck_assert_int_eq(o->op.error, i > 0 ? KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER : 0);
    }
    o = rig_produce_as(r, 2, 77, 0, 1, 1, 20);
    rig_wait(r, o);
    ck_assert_int_eq(o->op.error, 0);
    o = rig_produce_as(r, 2, 78, 0, 1, 1, 20);
    rig_wait(r, o);
    ck_assert_int_eq(o->op.error, 0);
    rig_free(r);
}
END_TEST

/* And where who asks didn't know the partition. */
START_TEST(a_batch_that_the_asker_refused_is_not_passed)
{
    struct rig *r = started();

    for (int i = 0; i < 2; i++) {
        struct rig_op *o = rig_prepare_as(r, 0, 77, 0, 2, 1, 20);

        o->op.produce.has_refused = true;
        o->op.produce.refused_sequence = 0;
        rig_send(r, o);
        rig_wait(r, o);
        ck_assert_int_eq(o->op.error, i == 0 ? KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER : 0);
        if (i == 0)
            must_give(r, 0, 0, 2, 0);
    }
    must_give(r, 0, 2, 1, 2); /* what is known of it counts, whatever was refused */
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(sequences_wrap)
{
    struct rig *r = started();

    must_give(r, 0, INT32_MAX - 1, 2, 0);
    must_give(r, 0, 0, 2, 2);
    restart(r, POWER_LOSS);
    must_give(r, 0, INT32_MAX - 1, 2, 0);
    must_give(r, 0, 2, 3, 4);
    must_give(r, 0, 0, 2, 2);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* A retry of a batch that is on its way waits for the original and gets its answer. */
START_TEST(a_retry_of_a_pending_batch_waits)
{
    struct rig *r = started();
    struct rig_op *first, *again, *next, *next_again;

    rig_settle(r);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, true);
    first = rig_produce_as(r, 0, 77, 0, 0, 2, 20);
    again = rig_produce_as(r, 0, 77, 0, 0, 2, 20);
    next = rig_produce_as(r, 0, 77, 0, 2, 1, 20);
    next_again = rig_produce_as(r, 0, 77, 0, 2, 1, 20);
    rig_run(r, 100 * 1000 * 1000);
    ck_assert(!first->done && !again->done && !next->done && !next_again->done);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, false);
    rig_wait(r, next_again);
    ck_assert(first->done && again->done && next->done);
    ck_assert_int_eq(again->op.error, 0);
    ck_assert_int_eq(again->op.produce.ret_base_offset, 0);
    ck_assert_int_eq(next_again->op.error, 0);
    ck_assert_int_eq(next_again->op.produce.ret_base_offset, 2);
    ck_assert_int_eq(replica_high_watermark(r->groups[0].replica), 3);
    ck_assert_uint_eq(r->shard.n_duplicates, 2);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* Producers come and go beyond the cap; rolls and checkpoints take snapshots; state stays what the log makes. */
START_TEST(state_is_a_function_of_the_log)
{
    struct rig *r = rig_new(5, 1);
    int32_t next[12] = { 0 };

    rig_start_ok(r);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 12; i++) {
            int64_t pid = (int64_t)sim_prng_below(&r->prng, 12);
            struct rig_op *op = rig_produce_as(r, 0, pid, 0, next[pid], 1, 300);

            rig_wait(r, op);
            if (op->op.error == 0)
                next[pid]++;
            else
                next[pid] = 0; /* forgotten meanwhile, or never known */
        }
        rig_forget_done(r);
        if (sim_prng_chance(&r->prng, 1, 3))
            replica_checkpoint(r->groups[0].replica, UINT64_MAX);
        if (sim_prng_chance(&r->prng, 1, 2))
            rig_settle(r);
        rig_check_producers(r, 0);
        if (sim_prng_chance(&r->prng, 1, 2)) {
            restart(r, (enum restart)sim_prng_below(&r->prng, N_RESTARTS));
            rig_check(r);
        }
    }
    rig_free(r);
}
END_TEST

START_TEST(producers_are_described)
{
    struct rig *r = started();
    const struct producer_info *p;
    struct rig_op *op;

    rig_wait(r, rig_produce_as(r, 0, 8, 3, 0, 5, 20));
    rig_wait(r, rig_produce_as(r, 0, 7, 0, 0, 1, 20));
    restart(r, KILL);
    op = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_DESCRIBE_PRODUCERS });
    ck_assert_uint_eq(op->op.describe_producers.ret_n_producers, 2);
    p = op->op.describe_producers.ret_producers;
    ck_assert_int_eq(p[0].producer_id, 7);
    ck_assert_int_eq(p[1].producer_id, 8);
    ck_assert_int_eq(p[1].epoch, 3);
    ck_assert_int_eq(p[1].last_sequence, 4);
    rig_free(r);
}
END_TEST

Suite *producers_suite(void)
{
    Suite *s = suite_create("producers");

    suite_add(s, retries_are_known_across_restarts);
    suite_add(s, a_refused_batch_is_not_passed_by_those_behind_it);
    suite_add(s, a_batch_that_came_before_its_group_is_not_passed);
    suite_add(s, a_batch_that_the_asker_refused_is_not_passed);
    suite_add(s, sequences_wrap);
    suite_add(s, a_retry_of_a_pending_batch_waits);
    suite_add(s, state_is_a_function_of_the_log);
    suite_add(s, producers_are_described);
    return s;
}
