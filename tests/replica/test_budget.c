/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Beyond the budget for what isn't in a segment yet, producers wait: in order, fairly, and never for ever. */

#include "base/util.h"
#include "replica/rig.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)

static struct rig *rig_with(uint64_t seed, unsigned n_groups, uint64_t budget)
{
    struct rig *r = rig_new(seed, n_groups);

    r->write_budget = budget;
    rig_start_ok(r);
    rig_settle(r);
    return r;
}

static struct rig_op *cancel(struct rig *r, struct rig_op *target)
{
    return rig_submit(r, (unsigned)(target->group->id - 1),
                      &(struct replica_op){ .kind = REPLICA_CANCEL, .cancel.target = &target->op });
}

START_TEST(producers_wait_in_order)
{
    struct rig *r = rig_with(1, 1, 64 * 1024);
    struct rig_op *ops[200];
    size_t most = 0;
    int waited = 0;

    for (int i = 0; i < 200; i++) {
        ops[i] = rig_produce_as(r, 0, 5, 0, i, 1, 2000);
        waited += ops[i]->held;
        most = MAX(most, r->shard.pending_bytes);
    }
    ck_assert_int_gt(waited, 150);
    ck_assert_uint_eq(r->shard.n_held, (unsigned)waited);
    for (int i = 0; i < 200; i++) {
        rig_wait(r, ops[i]);
        ck_assert_int_eq(ops[i]->op.error, 0);
        ck_assert_int_eq(ops[i]->op.produce.ret_base_offset, i);
        most = MAX(most, r->shard.pending_bytes);
    }
    ck_assert_uint_le(most, 32 * 1024); /* one group: half of it */
    ck_assert_uint_gt(most, 24 * 1024);
    ck_assert_uint_eq(r->shard.n_held, 0);
    rig_settle(r);
    ck_assert_uint_eq(r->shard.pending_bytes, 0);
    rig_check(r);
    rig_check_producers(r, 0);
    rig_free(r);
}
END_TEST

/* Although there is room for it, and none for the large one before it. */
START_TEST(nobody_passes_its_own_group)
{
    struct rig *r = rig_with(15, 2, 64 * 1024);
    struct rig_op *large, *small;

    for (int i = 0; i < 3; i++)
        rig_produce_as(r, 0, 5, 0, i, 1, 2000);
    large = rig_produce_as(r, 0, 5, 0, 3, 1, 27000);
    small = rig_produce_as(r, 0, 5, 0, 4, 1, 100);
    ck_assert(large->held && small->held);
    ck_assert(!rig_produce(r, 1, 1, 100)->held);
    rig_wait(r, small);
    ck_assert(large->done);
    ck_assert_int_eq(small->op.error | large->op.error, 0);
    rig_settle(r);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* What waits gets room as soon as there is some, not when the storing of its own accord begins. */
START_TEST(waiting_makes_storing_urgent)
{
    struct rig *r = rig_with(2, 1, 64 * 1024);
    struct rig_op *last = NULL;
    uint64_t start_ns = r->clock.mono_ns;

    for (int i = 0; i < 100; i++)
        last = rig_produce(r, 0, 1, 2000);
    ck_assert(last->held);
    while (!last->done)
        ck_assert(rig_step(r)); /* without any time passing */
    ck_assert_uint_eq(r->clock.mono_ns, start_ns);
    rig_free(r);
}
END_TEST

/* A group that asks for much doesn't keep a small one waiting behind all it has. */
START_TEST(groups_take_turns)
{
    struct rig *r = rig_with(3, 4, 64 * 1024);
    struct rig_op *greedy[3] = { 0 }, *small = NULL;

    for (int i = 0; i < 100; i++)
        for (unsigned g = 0; g < 3; g++)
            greedy[g] = rig_produce(r, g, 1, 2000);
    small = rig_produce(r, 3, 1, 2000);
    ck_assert(small->held); /* the three have all of it */
    rig_wait(r, small);
    ck_assert_uint_gt(r->shard.n_held, 100);
    for (unsigned g = 0; g < 3; g++) {
        rig_wait(r, greedy[g]);
    }
    rig_settle(r);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* Half of the budget is there for others. */
START_TEST(a_group_takes_half)
{
    struct rig *r = rig_with(4, 2, 64 * 1024);
    struct rig_op *mine = NULL, *other;

    for (int i = 0; i < 100; i++)
        mine = rig_produce(r, 0, 1, 2000);
    ck_assert(mine->held);
    other = rig_produce(r, 1, 1, 2000);
    ck_assert(!other->held);
    rig_wait(r, other);
    ck_assert(!mine->done);
    rig_free(r);
}
END_TEST

START_TEST(what_is_too_large_goes_alone)
{
    struct rig *r = rig_with(5, 2, 16 * 1024);
    struct rig_op *large[3], *small;

    rig_produce(r, 1, 1, 1000);
    for (int i = 0; i < 3; i++) {
        large[i] = rig_produce(r, 0, 1, 20000);
        ck_assert(large[i]->held);
    }
    small = rig_produce(r, 1, 1, 1000);
    ck_assert(small->held); /* or those who come would always pass the large one */
    for (int i = 0; i < 3; i++) {
        while (!large[i]->done) {
            ck_assert_uint_le(r->shard.pending_bytes, 32 * 1024);
            ck_assert(r->shard.pending_bytes < 16 * 1024 || r->groups[1].replica->pending_bytes == 0);
            ck_assert(rig_step(r));
        }
        ck_assert_int_eq(large[i]->op.error, 0);
    }
    rig_wait(r, small);
    ck_assert_int_eq(small->op.error, 0);
    rig_settle(r);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* Whoever gave up was certainly not stored; the others go on in order. */
START_TEST(a_canceled_op_is_in_no_log)
{
    struct rig *r = rig_with(6, 1, 16 * 1024);
    struct rig_op *ops[30], *done;

    for (int i = 0; i < 30; i++)
        ops[i] = rig_produce(r, 0, 1, 2000);
    ck_assert(ops[29]->held);
    for (int i = 29; i > 0; i -= 2) {
        bool held = ops[i]->held;

        done = cancel(r, ops[i]);
        ops[i]->held = false; /* for the model */
        while (!done->done)
            rig_step(r);
        if (!held)
            continue;
        ck_assert(ops[i]->done);
        ck_assert_int_eq(ops[i]->op.error, KAFKA_E_NOT_ENOUGH_REPLICAS);
    }
    rig_settle(r);
    for (int i = 0; i < 30; i++) {
        ck_assert(ops[i]->done);
        ck_assert(ops[i]->op.error == 0 || ops[i]->op.error == KAFKA_E_NOT_ENOUGH_REPLICAS);
    }
    ck_assert_uint_eq(r->shard.n_held, 0);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* The one that kept all others out gives up. */
START_TEST(canceling_the_first_lets_others_in)
{
    struct rig *r = rig_with(7, 3, 16 * 1024);
    struct rig_op *large, *small;

    for (int i = 0; i < 3; i++)
        rig_produce(r, 0, 1, 1000);
    large = rig_produce(r, 1, 1, 30000);
    small = rig_produce(r, 2, 1, 1000);
    ck_assert(large->held && small->held);
    cancel(r, large);
    large->held = false;
    replica_shard_poll(&r->shard);
    ck_assert(!small->op.produce.held);
    small->held = true;
    rig_wait(r, small);
    ck_assert_int_eq(small->op.error, 0);
    ck_assert_int_eq(large->op.error, KAFKA_E_NOT_ENOUGH_REPLICAS);
    rig_free(r);
}
END_TEST

/* Of a new producer, whose next batch waits behind the one that gives up. */
START_TEST(canceling_the_first_lets_none_of_its_producer_in)
{
    struct rig *r = rig_with(7, 2, 16 * 1024);
    struct rig_op *first, *second;

    for (int i = 0; i < 3; i++)
        rig_produce(r, 0, 1, 1000);
    first = rig_produce_as(r, 1, 5, 0, 0, 1, 30000);
    second = rig_produce_as(r, 1, 5, 0, 1, 1, 1000);
    ck_assert(first->held && second->held);
    cancel(r, first);
    first->held = false;
    rig_wait(r, second);
    ck_assert_int_eq(first->op.error, KAFKA_E_NOT_ENOUGH_REPLICAS);
    ck_assert_int_eq(second->op.error, KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    rig_settle(r);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* One that is in the journal already isn't canceled. */
START_TEST(what_is_proposed_goes_on)
{
    struct rig *r = rig_with(8, 1, 64 * 1024);
    struct rig_op *op = rig_produce(r, 0, 1, 100), *twin, *done;

    done = cancel(r, op);
    rig_wait(r, done);
    rig_wait(r, op);
    ck_assert_int_eq(op->op.error, 0);
    op = rig_produce_as(r, 0, 7, 0, 0, 1, 100);
    twin = rig_produce_as(r, 0, 7, 0, 0, 1, 100);
    done = cancel(r, twin);
    rig_wait(r, op);
    rig_wait(r, twin);
    ck_assert_int_eq(twin->op.error, 0); /* it waits for the first, which is on its way */
    ck_assert_int_eq(twin->op.produce.ret_base_offset, op->op.produce.ret_base_offset);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* A retry comes while the first still waits: it is the same batch when its turn comes. */
START_TEST(duplicates_wait_too)
{
    struct rig *r = rig_with(9, 1, 16 * 1024);
    struct rig_op *first, *again, *next;

    for (int i = 0; i < 10; i++)
        rig_produce(r, 0, 1, 2000);
    first = rig_produce_as(r, 0, 7, 0, 0, 1, 2000);
    again = rig_produce_as(r, 0, 7, 0, 0, 1, 2000);
    next = rig_produce_as(r, 0, 7, 0, 1, 1, 2000);
    ck_assert(first->held && again->held && next->held);
    rig_wait(r, next);
    ck_assert_int_eq(first->op.error | again->op.error | next->op.error, 0);
    ck_assert_int_eq(again->op.produce.ret_base_offset, first->op.produce.ret_base_offset);
    ck_assert_int_eq(next->op.produce.ret_base_offset, first->op.produce.ret_base_offset + 1);
    rig_settle(r);
    rig_check(r);
    rig_check_producers(r, 0);
    rig_free(r);
}
END_TEST

static void gone(void *ctx)
{
    struct rig_group *g = ctx;

    g->replica = NULL;
    g->destroyed = true;
}

static void fill(struct rig *r, unsigned group, int n)
{
    struct rig_op *last = NULL;

    for (int i = 0; i < n; i++)
        last = rig_produce(r, group, 1, 2000);
    ck_assert(last->held);
}

static void expect_all(struct rig *r, unsigned group, int16_t error)
{
    for (struct rig_op *o = r->ops; o != NULL; o = o->next) {
        if (o->group != &r->groups[group])
            continue;
        ck_assert(o->done);
        ck_assert(o->op.error == 0 || o->op.error == error);
    }
}

START_TEST(deletion_ends_the_wait)
{
    struct rig *r = rig_with(10, 2, 32 * 1024);

    fill(r, 0, 40);
    fill(r, 1, 40);
    r->groups[0].destroying = true;
    replica_destroy(r->groups[0].replica, gone, &r->groups[0]);
    rig_settle(r);
    ck_assert(r->groups[0].destroyed);
    expect_all(r, 0, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    expect_all(r, 1, 0);
    ck_assert_uint_eq(r->shard.n_held, 0);
    ck_assert_uint_eq(r->shard.pending_bytes, 0);
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(closing_ends_the_wait)
{
    struct rig *r = rig_with(11, 1, 32 * 1024);

    fill(r, 0, 40);
    replica_close(r->groups[0].replica);
    ck_assert_uint_eq(r->shard.n_held, 0);
    rig_settle(r);
    for (struct rig_op *o = r->ops; o != NULL; o = o->next)
        ck_assert(o->done);
    rig_free(r);
}
END_TEST

/* On a full disk nobody waits: producers are refused as ever. */
START_TEST(a_full_disk_ends_the_wait)
{
    struct rig *r = rig_with(12, 2, 32 * 1024);

    fill(r, 0, 40);
    sim_disk_fail(r->disk, SIM_DISK_WRITE, 4, 30, -ENOSPC);
    rig_run(r, 50 * MS);
    ck_assert_uint_eq(r->shard.n_held, 0);
    rig_run(r, 20000 * MS);
    rig_settle(r);
    expect_all(r, 0, KAFKA_E_NOT_ENOUGH_REPLICAS);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* The node's own entries are never held back. */
START_TEST(internal_entries_pass)
{
    struct rig *r = rig_with(13, 1, 16 * 1024);
    struct rig_group *g = &r->groups[0];
    uint64_t before;

    rig_wait(r, rig_produce(r, 0, 1, 100));
    fill(r, 0, 20);
    before = g->replica->last_index;
    rig_delete_records(r, 0, 1);
    ck_assert_uint_eq(g->replica->last_index, before + 1);
    rig_settle(r);
    ck_assert_int_eq(g->acked_start, 1);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* Power fails at some time while many wait: what was acknowledged is there, in order, and nothing twice. */
START_TEST(crashes_while_many_wait)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig *r = rig_with(100 + seed, 3, 24 * 1024);
        int32_t sequences[3] = { 0 };

        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 60; i++) {
                unsigned g = (unsigned)sim_prng_below(&r->prng, 3);

                rig_produce_as(r, g, 3, (int16_t)round, sequences[g]++, 1, sim_prng_below(&r->prng, 3000));
                for (uint64_t k = sim_prng_below(&r->prng, 4); k > 0; k--)
                    rig_step(r);
            }
            for (uint64_t i = sim_prng_below(&r->prng, 100); i > 0; i--)
                rig_step(r);
            rig_recover(r, SIM_CRASH_DRAW);
            memset(sequences, 0, sizeof(sequences));
        }
        rig_free(r);
    }
}
END_TEST

Suite *budget_suite(void)
{
    Suite *s = suite_create("budget");

    suite_add(s, producers_wait_in_order);
    suite_add(s, nobody_passes_its_own_group);
    suite_add(s, waiting_makes_storing_urgent);
    suite_add(s, groups_take_turns);
    suite_add(s, a_group_takes_half);
    suite_add(s, what_is_too_large_goes_alone);
    suite_add(s, a_canceled_op_is_in_no_log);
    suite_add(s, canceling_the_first_lets_others_in);
    suite_add(s, canceling_the_first_lets_none_of_its_producer_in);
    suite_add(s, what_is_proposed_goes_on);
    suite_add(s, duplicates_wait_too);
    suite_add(s, deletion_ends_the_wait);
    suite_add(s, closing_ends_the_wait);
    suite_add(s, a_full_disk_ends_the_wait);
    suite_add(s, internal_entries_pass);
    suite_add(s, crashes_while_many_wait);
    return s;
}
