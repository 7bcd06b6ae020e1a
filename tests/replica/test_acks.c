/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When producers of a group with three voters hear of their batches: acks and min.insync.replicas. */

#include "base/util.h"
#include "replica/cluster.h"
#include "replica/suites.h"

#define LAG_MS (CLUSTER_LAG_NS / 1000000)

static struct replica *replica_of(const struct cluster *c, int node)
{
    return c->nodes[node]->groups[0].replica;
}

static struct rig_op *produce(struct cluster *c, int node, int8_t acks)
{
    struct rig_op *op = rig_prepare(c->nodes[node], 0, 1, 100);

    op->op.produce.acks = acks;
    rig_send(c->nodes[node], op);
    return op;
}

/* Of an idempotent producer. */
static struct rig_op *produce_as(struct cluster *c, int node, int32_t sequence, int8_t acks)
{
    struct rig_op *op = rig_prepare_as(c->nodes[node], 0, 7, 0, sequence, 1, 100);

    op->op.produce.acks = acks;
    rig_send(c->nodes[node], op);
    return op;
}

static void hold_flush(struct cluster *c, int node, bool held)
{
    sim_lane_hold(c->nodes[node]->lane, LANE_FLUSH, 0, held);
}

static void cut_others(struct cluster *c, int leader, bool cut)
{
    c->cut[(leader + 1) % 3] = c->cut[(leader + 2) % 3] = cut;
}

static bool is_in_sync(const struct cluster *c, int leader, int node)
{
    int32_t ids[RAFT_MAX_MEMBERS];
    uint32_t n = replica_in_sync(replica_of(c, leader), ids);

    for (uint32_t i = 0; i < n; i++)
        if (ids[i] == node + 1)
            return true;
    return false;
}

static uint32_t n_in_sync(const struct cluster *c, int leader)
{
    int32_t ids[RAFT_MAX_MEMBERS];

    return replica_in_sync(replica_of(c, leader), ids);
}

/* A cluster with a leader that has been there for a while. */
static struct cluster *started(uint64_t seed, int16_t min_insync, int *ret_leader)
{
    struct cluster *c = cluster_new(seed, 1 << 20);

    cluster_set_min_insync(c, min_insync);
    *ret_leader = cluster_leader(c);
    cluster_run(c, 300);
    return c;
}

START_TEST(acks_one_is_the_leaders_flush)
{
    int leader;
    struct cluster *c = started(41, 1, &leader);
    struct replica *r = replica_of(c, leader);
    struct rig_op *none, *one, *all;

    cut_others(c, leader, true);
    one = produce(c, leader, 1);
    all = produce(c, leader, REPLICA_ACKS_ALL);
    cluster_run(c, 50);
    ck_assert(one->done && !all->done);
    ck_assert_int_eq(one->op.error, 0);
    ck_assert_int_eq(one->op.produce.ret_base_offset, 0);
    ck_assert_int_eq(replica_high_watermark(r), 0); /* nobody sees it */
    cut_others(c, leader, false);
    ck_assert_int_eq(cluster_wait(c, all), 0);
    ck_assert_int_eq(replica_high_watermark(r), 2);
    /* What the others have flushed doesn't count for it. */
    hold_flush(c, leader, true);
    none = produce(c, leader, 0);
    one = produce(c, leader, 1);
    cluster_run(c, 50);
    ck_assert_uint_eq(raft_commit_index(r->raft), r->last_index);
    ck_assert(none->done && !one->done);
    ck_assert_int_eq(none->op.error, 0);
    ck_assert_int_eq(none->op.produce.ret_base_offset, 2);
    hold_flush(c, leader, false);
    ck_assert_int_eq(cluster_wait(c, one), 0);
    ck_assert_int_eq(one->op.produce.ret_base_offset, 3);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A retry waits for what it asks for, whatever the original did. */
START_TEST(retries_wait_for_as_much)
{
    int leader;
    struct cluster *c = started(42, 1, &leader);
    struct rig_op *all, *ops[4];

    cut_others(c, leader, true);
    hold_flush(c, leader, true);
    ops[0] = produce_as(c, leader, 0, REPLICA_ACKS_ALL);
    ops[1] = produce_as(c, leader, 0, 1);
    ops[2] = produce_as(c, leader, 0, 0);
    cluster_run(c, 20);
    ck_assert(!ops[0]->done && !ops[1]->done && ops[2]->done);
    hold_flush(c, leader, false);
    cluster_run(c, 20);
    ck_assert(!ops[0]->done && ops[1]->done);
    ops[3] = produce_as(c, leader, 0, 1);
    all = produce_as(c, leader, 0, REPLICA_ACKS_ALL);
    cluster_run(c, 20);
    ck_assert(ops[3]->done && !all->done);
    cut_others(c, leader, false);
    ck_assert_int_eq(cluster_wait(c, all), 0);
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        ck_assert(ops[i]->done);
        ck_assert_int_eq(ops[i]->op.error, 0);
        ck_assert_int_eq(ops[i]->op.produce.ret_base_offset, 0);
    }
    ck_assert_int_eq(replica_high_watermark(replica_of(c, leader)), 1);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* What is visible depends on the majority alone. */
START_TEST(all_may_be_more_than_a_majority)
{
    int leader;
    struct cluster *c = started(43, 3, &leader);
    int slow = (leader + 1) % 3;
    struct rig_op *first, *again, *one;

    hold_flush(c, slow, true);
    first = produce_as(c, leader, 0, REPLICA_ACKS_ALL);
    cluster_run(c, 100);
    ck_assert_int_eq(replica_high_watermark(replica_of(c, leader)), 1);
    again = produce_as(c, leader, 0, REPLICA_ACKS_ALL);
    one = produce_as(c, leader, 0, 1);
    cluster_run(c, 100);
    ck_assert(!first->done && !again->done && one->done);
    hold_flush(c, slow, false);
    cluster_run(c, 100);
    ck_assert(first->done && again->done);
    ck_assert_int_eq(first->op.error, 0);
    ck_assert_int_eq(again->op.error, 0);
    ck_assert_int_eq(again->op.produce.ret_base_offset, 0);
    ck_assert_int_eq(cluster_wait(c, produce_as(c, leader, 0, REPLICA_ACKS_ALL)), 0);
    /* The topic asks for less by and by. */
    hold_flush(c, slow, true);
    first = produce_as(c, leader, 1, REPLICA_ACKS_ALL);
    cluster_run(c, 100);
    ck_assert(!first->done);
    cluster_set_min_insync(c, 2);
    cluster_run(c, LAG_MS / 2);
    ck_assert(first->done);
    ck_assert_int_eq(first->op.error, 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Who waits is told that too few are left, and who comes is sent away before anything is stored. */
START_TEST(too_few_are_in_sync)
{
    int leader;
    struct cluster *c = started(44, 3, &leader);
    int away = (leader + 1) % 3;
    struct replica *r = replica_of(c, leader);
    struct rig_op *op;
    uint64_t last;

    ck_assert_int_eq(cluster_wait(c, produce(c, leader, REPLICA_ACKS_ALL)), 0);
    ck_assert_uint_eq(n_in_sync(c, leader), 3);
    cluster_crash(c, away);
    op = produce_as(c, leader, 0, REPLICA_ACKS_ALL);
    cluster_run(c, LAG_MS * 3 / 4);
    ck_assert(!op->done);
    ck_assert_int_eq(replica_high_watermark(r), 2);
    cluster_run(c, LAG_MS / 2);
    ck_assert(op->done);
    ck_assert_int_eq(op->op.error, KAFKA_E_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    ck_assert(!is_in_sync(c, leader, away));
    ck_assert_uint_eq(n_in_sync(c, leader), 2);
    last = r->last_index;
    ck_assert_int_eq(cluster_wait(c, produce(c, leader, REPLICA_ACKS_ALL)), KAFKA_E_NOT_ENOUGH_REPLICAS);
    ck_assert_int_eq(cluster_wait(c, produce_as(c, leader, 0, REPLICA_ACKS_ALL)), KAFKA_E_NOT_ENOUGH_REPLICAS);
    ck_assert_uint_eq(r->last_index, last);
    ck_assert_int_eq(cluster_wait(c, produce(c, leader, 1)), 0);
    cluster_restart(c, away);
    cluster_run(c, 500);
    ck_assert_uint_eq(n_in_sync(c, leader), 3);
    op = produce_as(c, leader, 0, REPLICA_ACKS_ALL);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    ck_assert_int_eq(op->op.produce.ret_base_offset, 1);
    cluster_set_min_insync(c, 4);
    ck_assert_int_eq(cluster_wait(c, produce(c, leader, REPLICA_ACKS_ALL)), KAFKA_E_NOT_ENOUGH_REPLICAS);
    cluster_set_min_insync(c, 1);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Members that answer and flush nothing: what waits for the majority hears of it too. */
START_TEST(disks_of_a_majority_hang)
{
    int leader;
    struct cluster *c = started(45, 2, &leader);
    int a = (leader + 1) % 3, b = (leader + 2) % 3;
    struct rig_op *op;

    hold_flush(c, a, true);
    hold_flush(c, b, true);
    op = produce_as(c, leader, 0, REPLICA_ACKS_ALL);
    cluster_run(c, LAG_MS * 3 / 4);
    ck_assert(!op->done);
    cluster_run(c, LAG_MS / 2);
    ck_assert(op->done);
    ck_assert_int_eq(op->op.error, KAFKA_E_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    ck_assert(replica_leads(replica_of(c, leader)));
    ck_assert_uint_eq(n_in_sync(c, leader), 1);
    ck_assert_int_eq(cluster_wait(c, produce(c, leader, REPLICA_ACKS_ALL)), KAFKA_E_NOT_ENOUGH_REPLICAS);
    hold_flush(c, a, false);
    cluster_run(c, 200);
    ck_assert_int_eq(cluster_wait(c, produce_as(c, leader, 0, REPLICA_ACKS_ALL)), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A group at rest asks nobody, and knows who is there all the same. */
START_TEST(who_rests_is_in_sync_while_its_node_lives)
{
    int leader;
    struct cluster *c = started(46, 3, &leader);
    int away = (leader + 1) % 3;
    struct rig_op *op;

    ck_assert_int_eq(cluster_wait(c, produce(c, leader, REPLICA_ACKS_ALL)), 0);
    cluster_run(c, 5 * LAG_MS);
    ck_assert(fleet_is_at_rest(&replica_of(c, leader)->peers->member));
    ck_assert_uint_eq(n_in_sync(c, leader), 3);
    /* It had all until a moment ago. */
    hold_flush(c, away, true);
    op = produce(c, leader, REPLICA_ACKS_ALL);
    cluster_run(c, LAG_MS / 2);
    ck_assert(!op->done);
    ck_assert_uint_eq(n_in_sync(c, leader), 3);
    hold_flush(c, away, false);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    cluster_run(c, 5 * LAG_MS);
    cluster_kill(c, away);
    cluster_run(c, LAG_MS / 2);
    ck_assert_uint_eq(n_in_sync(c, leader), 3);
    cluster_run(c, LAG_MS);
    ck_assert_uint_eq(n_in_sync(c, leader), 2);
    ck_assert_uint_eq(n_in_sync(c, 3 - leader - away), 0); /* a follower knows nothing of it */
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Something is always on its way to it. */
START_TEST(who_is_far_away_is_in_sync)
{
    int leader;
    struct cluster *c = started(47, 1, &leader);
    int away = (leader + 1) % 3;
    unsigned n_behind = 0;

    c->links[leader][away].delay_ms = 300;
    for (unsigned ms = 0; ms < 4 * LAG_MS; ms += 50) {
        struct raft_progress p;

        produce(c, leader, REPLICA_ACKS_ALL);
        cluster_run(c, 50);
        for (uint32_t i = 0; raft_progress(replica_of(c, leader)->raft, i, &p); i++)
            n_behind += p.id == away + 1 && p.match < raft_last_index(replica_of(c, leader)->raft);
        ck_assert(is_in_sync(c, leader, away));
    }
    ck_assert_uint_ge(n_behind, 4 * LAG_MS / 50 - 10);
    /* It gets less and less of it. */
    c->links[leader][away].delay_ms = LAG_MS * 3 / 2;
    for (unsigned ms = 0; ms < 2 * LAG_MS; ms += 50) {
        produce(c, leader, REPLICA_ACKS_ALL);
        cluster_run(c, 50);
    }
    ck_assert(!is_in_sync(c, leader, away));
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A new leader has heard nobody yet. */
START_TEST(a_new_leader_gives_all_their_time)
{
    int old;
    struct cluster *c = started(48, 1, &old);
    int away = (old + 1) % 3, new = (old + 2) % 3;

    cluster_crash(c, away);
    cluster_run(c, 2 * LAG_MS);
    ck_assert(!is_in_sync(c, old, away));
    cluster_hand_over(c, old, new);
    ck_assert_uint_eq(n_in_sync(c, old), 0);
    ck_assert(is_in_sync(c, new, away));
    ck_assert_int_eq(cluster_wait(c, produce(c, new, REPLICA_ACKS_ALL)), 0);
    cluster_run(c, LAG_MS + 500);
    ck_assert(!is_in_sync(c, new, away));
    ck_assert(is_in_sync(c, new, old));
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Its producers look elsewhere, although a majority has what they sent. */
START_TEST(who_waits_for_more_hears_of_another_leader)
{
    int old;
    struct cluster *c = started(49, 3, &old);
    int slow = (old + 1) % 3, new = (old + 2) % 3;
    struct rig_op *op, *again;

    hold_flush(c, slow, true);
    op = produce_as(c, old, 0, REPLICA_ACKS_ALL);
    cluster_run(c, 100);
    ck_assert_int_eq(replica_high_watermark(replica_of(c, old)), 1);
    ck_assert(!op->done);
    cluster_hand_over(c, old, new);
    ck_assert(op->done);
    ck_assert_int_eq(op->op.error, KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    again = produce_as(c, new, 0, REPLICA_ACKS_ALL);
    cluster_run(c, 100);
    ck_assert(!again->done);
    hold_flush(c, slow, false);
    ck_assert_int_eq(cluster_wait(c, again), 0);
    ck_assert_int_eq(again->op.produce.ret_base_offset, 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

Suite *acks_suite(void)
{
    Suite *s = suite_create("acks");

    suite_add(s, acks_one_is_the_leaders_flush);
    suite_add(s, retries_wait_for_as_much);
    suite_add(s, all_may_be_more_than_a_majority);
    suite_add(s, too_few_are_in_sync);
    suite_add(s, disks_of_a_majority_hang);
    suite_add(s, who_rests_is_in_sync_while_its_node_lives);
    suite_add(s, who_is_far_away_is_in_sync);
    suite_add(s, a_new_leader_gives_all_their_time);
    suite_add(s, who_waits_for_more_hears_of_another_leader);
    return s;
}
