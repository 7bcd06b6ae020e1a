/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What stays in memory after it went to a segment, for whom, and for how long. */

#include "base/util.h"
#include "replica/rig.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)

static struct rig *rig_with(uint64_t seed, unsigned n_groups, uint64_t budget)
{
    struct rig *r = rig_new(seed, n_groups);

    r->read_budget = budget;
    r->limits.segment_bytes = 1 << 20;
    rig_start_ok(r);
    return r;
}

static void produce(struct rig *r, unsigned group, int n, size_t size)
{
    for (int i = 0; i < n; i++)
        rig_wait(r, rig_produce(r, group, 1, size));
}

static struct rig_op *read_at(struct rig *r, unsigned group, int64_t offset, size_t max_bytes)
{
    struct rig_op *op =
        rig_ask(r, group,
                &(struct replica_op){
                    .kind = REPLICA_READ,
                    .read = { .offset = offset, .max_bytes = max_bytes, .min_one = true, .last_fetched_epoch = -1 } });

    ck_assert_int_eq(op->op.error, 0);
    ck_assert_uint_gt(op->op.read.ret_size, 0);
    return op;
}

/* One record at most; a reader that isn't done with it until it is released. */
static struct rig_op *ask_one(struct rig *r, int64_t offset)
{
    struct rig_op *op =
        rig_ask(r, 0,
                &(struct replica_op){
                    .kind = REPLICA_READ,
                    .read = { .offset = offset, .max_bytes = 1000, .min_one = true, .last_fetched_epoch = -1 } });

    ck_assert_int_eq(op->op.error, 0);
    return op;
}

static bool comes_from_file(struct rig *r, unsigned group, int64_t offset, size_t max_bytes)
{
    struct rig_op *op = read_at(r, group, offset, max_bytes);
    bool has_range = op->op.read.has_range;

    rig_release(r, op);
    return has_range;
}

START_TEST(near_the_end_no_file_is_needed)
{
    struct rig *r = rig_with(1, 1, 64 * 1024);

    produce(r, 0, 20, 1000);
    rig_settle(r);
    ck_assert_uint_eq(tail_count(&r->groups[0].replica->tail), 0);
    sim_disk_drop_caches(r->disk);
    for (int64_t at = 0; at < 20; at++)
        ck_assert(!comes_from_file(r, 0, at, 4000));
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(nothing_is_kept_without_a_budget)
{
    struct rig *r = rig_with(2, 1, 0);

    produce(r, 0, 20, 1000);
    rig_settle(r);
    ck_assert_uint_eq(r->shard.kept_bytes, 0);
    ck_assert_uint_eq(r->pool.used_bytes, 0);
    ck_assert(comes_from_file(r, 0, 19, 4000));
    rig_free(r);
}
END_TEST

START_TEST(large_reads_prefer_the_segment)
{
    struct rig *r = rig_with(3, 1, 1 << 20);

    produce(r, 0, 200, 1000);
    rig_settle(r);
    ck_assert(comes_from_file(r, 0, 10, 100 * 1024));
    ck_assert(!comes_from_file(r, 0, 10, 60 * 1024));
    ck_assert(!comes_from_file(r, 0, 190, 100 * 1024)); /* there isn't that much */
    sim_disk_drop_caches(r->disk);
    ck_assert(!comes_from_file(r, 0, 10, 100 * 1024)); /* rather than from the disk */
    rig_check(r);
    rig_free(r);
}
END_TEST

/* From what is stored on into what isn't. */
START_TEST(a_read_goes_on_into_the_tail)
{
    struct rig *r = rig_with(4, 1, 1 << 20);
    struct rig_op *op;

    produce(r, 0, 10, 1000);
    rig_settle(r);
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    produce(r, 0, 10, 1000);
    ck_assert_uint_eq(tail_count(&r->groups[0].replica->kept), 10);
    ck_assert_uint_eq(tail_count(&r->groups[0].replica->tail), 10);
    op = read_at(r, 0, 5, 50000);
    ck_assert(!op->op.read.has_range);
    ck_assert_uint_gt(op->op.read.ret_size, 15 * 1000);
    rig_release(r, op);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    rig_settle(r);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* The oldest of all groups go first, and those who are idle give their memory to those who aren't. */
START_TEST(the_oldest_make_room)
{
    struct rig *r = rig_with(5, 3, 64 * 1024);

    produce(r, 0, 10, 1000);
    rig_settle(r);
    produce(r, 1, 20, 1000);
    rig_settle(r);
    ck_assert_uint_eq(tail_count(&r->groups[0].replica->kept), 10);
    for (int i = 0; i < 100; i++) {
        produce(r, 2, 1, 1000);
        rig_run(r, 100 * MS);
        ck_assert_uint_le(r->shard.kept_bytes, 64 * 1024);
        if (tail_count(&r->groups[0].replica->kept) > 0)
            ck_assert_uint_eq(tail_count(&r->groups[1].replica->kept), 20);
    }
    ck_assert_uint_eq(tail_count(&r->groups[0].replica->kept), 0);
    ck_assert_ptr_null(r->groups[0].replica->kept.slots);
    ck_assert_uint_eq(tail_count(&r->groups[1].replica->kept), 0);
    ck_assert_uint_gt(r->shard.kept_bytes, 56 * 1024);
    ck_assert(comes_from_file(r, 0, 5, 1000));
    ck_assert(!comes_from_file(r, 2, 99, 1000));
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(what_is_larger_than_all_of_it_isn_t_kept)
{
    struct rig *r = rig_with(6, 1, 8 * 1024);

    produce(r, 0, 3, 1000);
    produce(r, 0, 1, 20000);
    rig_settle(r);
    ck_assert_uint_eq(r->shard.kept_bytes, 0);
    produce(r, 0, 1, 1000);
    rig_settle(r);
    ck_assert_uint_eq(tail_count(&r->groups[0].replica->kept), 1);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* A reader has its records while all that was kept goes. */
START_TEST(readers_keep_what_they_got)
{
    struct rig *r = rig_with(7, 2, 16 * 1024);
    _cleanup_(freep) uint8_t *before = NULL, *after = NULL;
    struct rig_op *op;
    size_t size;

    produce(r, 0, 5, 1000);
    rig_settle(r);
    op = read_at(r, 0, 0, 4000);
    ck_assert(!op->op.read.has_range);
    before = rig_read_bytes(r, op, &size);
    produce(r, 1, 40, 1000);
    rig_settle(r);
    ck_assert_uint_eq(tail_count(&r->groups[0].replica->kept), 0);
    after = rig_read_bytes(r, op, &size);
    ck_assert_mem_eq(before, after, size);
    rig_release(r, op);
    rig_free(r);
}
END_TEST

/* Of tiny batches what a reader holds them by takes nearly as much memory as they do. */
START_TEST(readers_of_tiny_batches_hold_memory)
{
    struct rig *r = rig_with(11, 1, 4u << 20);
    struct rig_op *op;

    produce(r, 0, 500, 10);
    rig_settle(r);
    op = read_at(r, 0, 0, 60000);
    ck_assert(!op->op.read.has_range);
    ck_assert_uint_eq(op->op.read.chain.n, 500);
    ck_assert_uint_ge(r->shard.lent_bytes, 500 * sizeof(struct buf_link));
    rig_release(r, op);
    ck_assert_uint_eq(r->shard.lent_bytes, 0);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* However many of them there are, a read has as many as an answer can be made of. */
START_TEST(a_read_of_tiny_batches_ends)
{
    struct rig *r = rig_new(12, 1);
    struct rig_op *op = NULL;

    r->write_budget = 64 << 20;
    r->journal_config.size_bytes = 64 << 20;
    r->journal_config.first_file_size_bytes = r->journal_config.file_size_bytes = 8 << 20;
    rig_start_ok(r);
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    for (int i = 0; i < REPLICA_READ_MAX_LINKS + 10; i++) {
        op = rig_produce(r, 0, 1, 10);
        if (i % 1000 == 0)
            rig_wait(r, op);
    }
    rig_wait(r, op);
    op = read_at(r, 0, 0, SIZE_MAX);
    ck_assert(!op->op.read.has_range);
    ck_assert_uint_eq(op->op.read.chain.n, REPLICA_READ_MAX_LINKS);
    rig_release(r, op);
    op = read_at(r, 0, REPLICA_READ_MAX_LINKS, SIZE_MAX);
    ck_assert_uint_eq(op->op.read.chain.n, 10);
    rig_release(r, op);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    rig_settle(r);
    rig_free(r);
}
END_TEST

/* Readers that never take what they asked for: memory stays within bounds, others are served by the segments, and what
 * isn't stored yet comes as soon as it is. */
START_TEST(slow_readers_hold_no_more_than_the_budget)
{
    const size_t budget = 4u << 20, entry = 30 * 1000;
    struct rig *r = rig_with(10, 1, budget);
    struct rig_op *held[200], *early;
    size_t most = 0;
    unsigned n = 0;
    int64_t at = 0;

    for (; at < (int64_t)ARRAY_SIZE(held); at++) {
        produce(r, 0, 1, entry);
        held[n++] = ask_one(r, at);
        rig_run(r, 1000 * MS);
        most = MAX(most, r->pool.used_bytes);
    }
    ck_assert_uint_gt(r->shard.lent_bytes, budget);
    ck_assert_uint_eq(r->shard.kept_bytes, 0);
    ck_assert_uint_lt(most, budget + 10 * entry);
    ck_assert(comes_from_file(r, 0, at - 1, 1000));
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    produce(r, 0, 1, entry);
    early = ask_one(r, at);
    ck_assert_uint_eq(early->op.read.ret_size, 0);
    rig_release(r, early);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    rig_settle(r);
    ck_assert(comes_from_file(r, 0, at, 1000));
    for (unsigned i = 0; i < n; i++)
        rig_release(r, held[i]);
    ck_assert_uint_eq(r->shard.lent_bytes, 0);
    produce(r, 0, 1, entry);
    rig_settle(r);
    ck_assert(!comes_from_file(r, 0, at + 1, 1000));
    rig_check(r);
    rig_free(r);
}
END_TEST

START_TEST(deleted_records_leave_memory)
{
    struct rig *r = rig_with(8, 1, 1 << 20);

    produce(r, 0, 20, 1000);
    rig_settle(r);
    rig_delete_records(r, 0, 15);
    rig_settle(r);
    ck_assert_int_ge(tail_at(&r->groups[0].replica->kept, 0)->header.first_offset, 15);
    rig_check(r);
    rig_free(r);
}
END_TEST

static void gone(void *ctx)
{
    struct rig_group *g = ctx;

    g->replica = NULL;
    g->destroyed = true;
}

START_TEST(deleted_groups_leave_memory)
{
    struct rig *r = rig_with(9, 2, 1 << 20);
    struct rig_op *op;

    produce(r, 0, 20, 1000);
    produce(r, 1, 5, 1000);
    rig_settle(r);
    op = read_at(r, 0, 10, 4000);
    r->groups[0].destroying = true;
    replica_destroy(r->groups[0].replica, gone, &r->groups[0]);
    ck_assert_uint_le(r->shard.kept_bytes, 16 * 1024);
    rig_release(r, op);
    rig_settle(r);
    ck_assert(r->groups[0].destroyed);
    rig_check(r);
    rig_free(r);
}
END_TEST

/* Whatever happens, reads are what the model says. */
START_TEST(reads_hold_over_crashes)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig *r = rig_with(100 + seed, 3, 16 * 1024);

        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 60; i++) {
                rig_produce(r, (unsigned)sim_prng_below(&r->prng, 3), 1, sim_prng_below(&r->prng, 3000));
                for (uint64_t k = sim_prng_below(&r->prng, 6); k > 0; k--)
                    rig_step(r);
                if (i % 10 == 0)
                    rig_run(r, 60 * MS);
            }
            rig_check(r);
            rig_recover(r, SIM_CRASH_DRAW);
        }
        rig_free(r);
    }
}
END_TEST

/* A burst's slots don't stay, and the next burst needs no new ones. */
START_TEST(slots_shrink)
{
    static struct replica_entry entries[1000];
    struct mem_pool blocks;
    struct replica_shard shard = { .blocks = &blocks };
    struct replica_tail t = { 0 };

    mem_pool_init(&blocks, 1 << 20);
    for (uint32_t i = 0; i < 1000; i++) {
        entries[i].shard = &shard;
        entries[i].index = i + 1;
        tail_push(&t, &entries[i]);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        ck_assert_uint_eq(tail_at(&t, 0)->index, i + 1);
        ck_assert_uint_eq(tail_at(&t, tail_count(&t) - 1)->index, 1000);
        ck_assert_ptr_eq(tail_by_index(&t, 1000), &entries[999]);
        ck_assert_ptr_null(tail_by_index(&t, i));
        if (i == 996)
            ck_assert_uint_ge(blocks.kept.free_bytes, 1000 * sizeof(void *));
        ck_assert_ptr_eq(tail_pop(&t), &entries[i]);
    }
    ck_assert_ptr_null(t.slots);
    ck_assert_uint_eq(tail_count(&t), 0);
    mem_pool_fini(&blocks);
}
END_TEST

/* The ring goes round in the block that it has. */
START_TEST(slots_go_round)
{
    static struct replica_entry entries[1000];
    struct mem_pool blocks;
    struct replica_shard shard = { .blocks = &blocks };
    struct replica_tail t = { 0 };

    mem_pool_init(&blocks, 1 << 20);
    for (uint32_t i = 0; i < 1000; i++) {
        entries[i].shard = &shard;
        entries[i].index = i + 1;
        tail_push(&t, &entries[i]);
        if (i < 5)
            continue;
        for (uint32_t k = 0; k < 6; k++)
            ck_assert_ptr_eq(tail_at(&t, k), &entries[i - 5 + k]);
        ck_assert_uint_eq(blocks.kept.free_bytes, 0);
        ck_assert_ptr_eq(tail_pop(&t), &entries[i - 5]);
    }
    while (tail_count(&t) > 0)
        tail_pop(&t);
    ck_assert_uint_eq(blocks.kept.free_bytes, 64);
    mem_pool_fini(&blocks);
}
END_TEST

Suite *keep_suite(void)
{
    Suite *s = suite_create("keep");

    suite_add(s, near_the_end_no_file_is_needed);
    suite_add(s, nothing_is_kept_without_a_budget);
    suite_add(s, large_reads_prefer_the_segment);
    suite_add(s, a_read_goes_on_into_the_tail);
    suite_add(s, the_oldest_make_room);
    suite_add(s, what_is_larger_than_all_of_it_isn_t_kept);
    suite_add(s, readers_keep_what_they_got);
    suite_add(s, readers_of_tiny_batches_hold_memory);
    suite_add(s, a_read_of_tiny_batches_ends);
    suite_add(s, slow_readers_hold_no_more_than_the_budget);
    suite_add(s, deleted_records_leave_memory);
    suite_add(s, deleted_groups_leave_memory);
    suite_add(s, reads_hold_over_crashes);
    suite_add(s, slots_shrink);
    suite_add(s, slots_go_round);
    return s;
}
