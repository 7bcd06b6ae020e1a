/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A full disk: nothing is lost, producers are refused, readers go on, and all goes on once there is space. */

#include "base/util.h"
#include "replica/rig.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)

static struct rig *filled(uint64_t seed)
{
    struct rig *r = rig_new(seed, 2);

    rig_start_ok(r);
    for (int i = 0; i < 20; i++) {
        rig_produce(r, (unsigned)i % 2, 1, 900);
        rig_run(r, 30 * MS);
    }
    return r;
}

static int16_t produced(struct rig *r, unsigned group)
{
    struct rig_op *op = rig_produce(r, group, 1, 900);

    rig_wait(r, op);
    return op->op.error;
}

/* Each write of a while, one after the other, meets a full disk, for one try or for several. */
START_TEST(any_write_may_find_no_space)
{
    for (uint64_t skip = 0; skip < 60; skip++) {
        struct rig *r = filled(20 + skip % 3);
        uint64_t tries = 1 + skip % 5;

        sim_disk_fail(r->disk, SIM_DISK_WRITE, skip, tries, -ENOSPC);
        for (int i = 0; i < 30; i++) {
            rig_produce(r, (unsigned)i % 2, 1, 900);
            if (i == 15)
                replica_checkpoint(r->groups[1].replica, UINT64_MAX);
            rig_run(r, 30 * MS);
        }
        rig_run(r, 20000 * MS);
        ck_assert_int_eq(r->fatal_error, 0);
        ck_assert(!replica_shard_is_blocked(&r->shard));
        ck_assert_int_eq(produced(r, 0), 0);
        ck_assert_int_eq(produced(r, 1), 0);
        rig_check(r);
        if (skip % 2 == 0) {
            rig_recover(r, SIM_CRASH_DRAW);
        }
        rig_free(r);
    }
}
END_TEST

static const enum sim_disk_call creating[] = { SIM_DISK_OPEN, SIM_DISK_RENAME, SIM_DISK_MKDIR, SIM_DISK_ALLOCATE,
                                               SIM_DISK_TRUNCATE };

START_TEST(any_other_call_may_find_no_space)
{
    for (size_t c = 0; c < ARRAY_SIZE(creating); c++) {
        for (uint64_t skip = 0; skip < 12; skip++) {
            struct rig *r = filled(30);

            sim_disk_fail(r->disk, creating[c], skip, 2, -ENOSPC);
            for (int i = 0; i < 30; i++) {
                rig_produce(r, (unsigned)i % 2, 1, 900);
                if (i % 8 == 0)
                    replica_checkpoint(r->groups[1].replica, UINT64_MAX);
                rig_run(r, 30 * MS);
            }
            rig_run(r, 20000 * MS);
            ck_assert_msg(r->fatal_error == 0, "call %d skip %d", (int)creating[c], (int)skip);
            ck_assert_int_eq(produced(r, 0), 0);
            rig_check(r);
            rig_free(r);
        }
    }
}
END_TEST

/* The disk is really full: as it would be with another program's file on it. */
static void fill_disk(struct rig *r)
{
    struct disk_space space;

    sim_disk_set_capacity(r->disk, 1ull << 40);
    ck_assert_int_eq(disk_space(r->env.disk, &space), 0);
    sim_disk_set_capacity(r->disk, space.total_bytes - space.free_bytes);
}

START_TEST(a_full_disk_refuses_producers_and_serves_readers)
{
    struct rig *r = filled(40);
    struct rig_op *read, *op;
    int refused = 0;

    rig_settle(r);
    fill_disk(r);
    for (int i = 0; i < 300; i++) {
        rig_produce(r, 0, 1, 900);
        rig_run(r, 30 * MS);
    }
    for (struct rig_op *o = r->ops; o != NULL; o = o->next) {
        ck_assert(!o->done || o->op.error == 0 || o->op.error == KAFKA_E_NOT_ENOUGH_REPLICAS);
        refused += o->done && o->op.error != 0;
    }
    ck_assert_int_gt(refused, 100);
    ck_assert(replica_shard_is_blocked(&r->shard));
    ck_assert_int_eq(produced(r, 1), KAFKA_E_NOT_ENOUGH_REPLICAS); /* which producers retry */
    read = rig_ask(r, 0,
                   &(struct replica_op){ .kind = REPLICA_READ,
                                         .read = { .max_bytes = 4000, .min_one = true, .last_fetched_epoch = -1 } });
    ck_assert_int_eq(read->op.error, 0);
    ck_assert_uint_gt(read->op.read.ret_size, 900);
    rig_release(r, read);
    op = rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_LIST_OFFSETS, .list_offsets.timestamp = 5 });
    ck_assert_int_eq(op->op.error, KAFKA_E_KAFKA_STORAGE_ERROR); /* told, not kept waiting */
    ck_assert_int_eq(r->fatal_error, 0);
    sim_disk_set_capacity(r->disk, 1ull << 40);
    rig_run(r, 5000 * MS);
    ck_assert(!replica_shard_is_blocked(&r->shard));
    ck_assert_int_eq(produced(r, 0), 0);
    rig_check(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    rig_free(r);
}
END_TEST

/* Killed on a full disk; the journal made its room before. What waits for a segment waits again. */
START_TEST(a_start_on_a_full_disk_keeps_the_tail)
{
    struct rig *r = filled(41);
    uint32_t waiting;

    rig_settle(r);
    for (int i = 0; i < 20; i++)
        rig_produce(r, 0, 1, 900);
    while (rig_step(r))
        ;
    rig_kill(r);
    sim_disk_fail(r->disk, SIM_DISK_WRITE, 0, 1000000, -ENOSPC);
    ck_assert_int_eq(rig_start(r), -ENOSPC); /* a journal needs a file */
    sim_disk_exit(r->disk);
    fill_disk(r);
    sim_disk_set_capacity(r->disk, 1ull << 40);
    sim_disk_crash(r->disk, SIM_CRASH_ALL, NULL); /* forgets the faults */
    rig_start_ok(r);
    waiting = tail_count(&r->groups[0].replica->tail);
    ck_assert_uint_gt(waiting, 0); /* the new term's entry at least */
    ck_assert_int_eq(produced(r, 0), 0);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* So much waits for its segment that it is urgent; no worker has it before the start is over, which may yet fail. */
START_TEST(a_start_on_a_full_disk_leaves_workers_alone)
{
    struct rig *r = rig_new(43, 2);

    r->write_budget = 600 << 10; /* urgent from half of it on */
    r->journal_config.size_bytes = 8 << 20;
    r->journal_config.file_size_bytes = r->journal_config.first_file_size_bytes = 2 << 20;
    rig_start_ok(r);
    rig_settle(r);
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    for (int i = 0; i < 40; i++)
        rig_wait(r, rig_produce(r, (unsigned)i % 2, 1, 9000));
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    sim_disk_crash_after(r->disk, 0);
    rig_kill(r);
    fill_disk(r);
    ck_assert_int_eq(rig_start(r), 0);
    ck_assert_uint_gt(tail_count(&r->groups[0].replica->tail), 0);
    sim_disk_set_capacity(r->disk, 1ull << 40);
    rig_wait_open(r);
    rig_settle(r);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* A blocked partition that is deleted doesn't block the others any longer. */
static void gone(void *ctx)
{
    struct rig_group *g = ctx;

    g->replica = NULL;
    g->destroyed = true;
}

START_TEST(deleting_what_is_blocked_helps)
{
    struct rig *r = filled(42);
    struct rig_group *g = &r->groups[0];

    rig_settle(r);
    rig_wait(r, rig_produce(r, 0, 1, 9000));
    fill_disk(r);
    rig_run(r, 300 * MS);
    ck_assert(replica_is_blocked(g->replica));
    ck_assert_int_eq(produced(r, 1), KAFKA_E_NOT_ENOUGH_REPLICAS);
    g->destroying = true;
    replica_destroy(g->replica, gone, g);
    ck_assert(!replica_shard_is_blocked(&r->shard));
    sim_disk_set_capacity(r->disk, 1ull << 40);
    rig_run(r, 3000 * MS);
    ck_assert(g->destroyed);
    ck_assert_int_eq(produced(r, 1), 0);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* A checkpoint that found no space comes by itself when there is some, also when nobody writes. */
START_TEST(a_checkpoint_without_space_is_tried_again)
{
    struct rig *r = filled(43);

    for (int i = 0; i < 8; i++)
        rig_produce_as(r, 0, 4, 0, i, 1, 100);
    rig_settle(r);
    sim_disk_fail(r->disk, SIM_DISK_WRITE, 0, 2, -ENOSPC); /* its snapshot */
    replica_checkpoint(r->groups[0].replica, UINT64_MAX);
    rig_run(r, 100 * MS);
    ck_assert(replica_is_blocked(r->groups[0].replica));
    ck_assert(!replica_is_stored(r->groups[0].replica));
    rig_run(r, 3000 * MS);
    ck_assert(!replica_is_blocked(r->groups[0].replica));
    ck_assert(replica_is_stored(r->groups[0].replica));
    ck_assert_int_eq(produced(r, 0), 0);
    rig_free(r);
}
END_TEST

Suite *space_suite(void)
{
    Suite *s = suite_create("space");

    suite_add(s, any_write_may_find_no_space);
    suite_add(s, any_other_call_may_find_no_space);
    suite_add(s, a_full_disk_refuses_producers_and_serves_readers);
    suite_add(s, a_start_on_a_full_disk_keeps_the_tail);
    suite_add(s, a_start_on_a_full_disk_leaves_workers_alone);
    suite_add(s, deleting_what_is_blocked_helps);
    suite_add(s, a_checkpoint_without_space_is_tried_again);
    return s;
}
