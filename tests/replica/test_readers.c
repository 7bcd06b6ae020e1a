/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What readers of a group with three voters hear from followers, from new leaders, and from old ones. */

#include "base/util.h"
#include "replica/cluster.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)

static struct replica *replica_of(const struct cluster *c, int node)
{
    return c->nodes[node]->groups[0].replica;
}

static struct rig_op *read_at(struct cluster *c, int node, int64_t offset, bool follower, unsigned wait_ms)
{
    return rig_submit(c->nodes[node], 0,
                      &(struct replica_op){
                          .kind = REPLICA_READ,
                          .follower = follower,
                          .read = { .offset = offset,
                                    .max_bytes = 10000,
                                    .min_one = true,
                                    .last_fetched_epoch = -1,
                                    .wait_until_ns = wait_ms > 0 ? c->nodes[node]->clock.mono_ns + wait_ms * MS : 0 },
                      });
}

static void release(struct cluster *c, int node, struct rig_op *read)
{
    rig_submit(c->nodes[node], 0, &(struct replica_op){ .kind = REPLICA_RELEASE, .release.target = &read->op });
    cluster_run(c, 1);
}

/* Bytes that it gets. */
static size_t read_ok(struct cluster *c, int node, struct rig_op *op)
{
    size_t size;

    ck_assert_int_eq(cluster_wait(c, op), 0);
    size = op->op.read.ret_size;
    release(c, node, op);
    return size;
}

static void produce(struct cluster *c, int node, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, node, 300)), 0);
    cluster_run(c, 300);
}

START_TEST(followers_answer_those_that_may_ask_them)
{
    struct cluster *c = cluster_new(51, 1 << 20);
    int leader = cluster_leader(c), node = (leader + 1) % 3;
    const struct replica_op watch = { .kind = REPLICA_WATCH, .follower = true, .watch.offset = 3 };
    struct rig_op *op, *watcher, *parked;

    produce(c, leader, 3);
    ck_assert_int_eq(cluster_wait(c, read_at(c, node, 0, false, 0)), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    op = read_at(c, node, 0, true, 0);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    ck_assert_int_eq(op->op.read.ret_high_watermark, 3);
    ck_assert_uint_gt(op->op.read.ret_size, 900);
    release(c, node, op);
    ck_assert_uint_eq(read_ok(c, node, read_at(c, node, 3, true, 0)), 0);
    /* It waits for what the leader may have told, but not for ever. */
    parked = read_at(c, node, 4, true, 10000);
    op = read_at(c, node, 5, true, 200);
    watcher = rig_submit(c->nodes[node], 0, &watch);
    cluster_run(c, 150);
    ck_assert(!op->done && !parked->done && !watcher->done);
    cluster_run(c, 100);
    ck_assert(op->done);
    ck_assert_int_eq(op->op.error, KAFKA_E_OFFSET_NOT_AVAILABLE);
    produce(c, leader, 1);
    ck_assert(watcher->done && parked->done);
    ck_assert_uint_eq(read_ok(c, node, parked), 0);
    parked = read_at(c, node, 6, true, 0);
    produce(c, leader, 1);
    ck_assert(!parked->done);
    produce(c, leader, 2);
    ck_assert(parked->done); /* as soon as that is its end */
    ck_assert_uint_gt(read_ok(c, node, read_at(c, node, 6, true, 0)), 300);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A follower knows no other log start than what was agreed on. */
START_TEST(followers_know_the_log_start)
{
    struct cluster *c = cluster_new(52, 1 << 20);
    int leader = cluster_leader(c), node = (leader + 1) % 3;
    const struct replica_op delete = { .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = 2 };
    struct rig_op *op;

    produce(c, leader, 3);
    ck_assert_int_eq(cluster_wait(c, rig_submit(c->nodes[leader], 0, &delete)), 0);
    cluster_run(c, 300);
    op = read_at(c, node, 1, true, 0);
    ck_assert_int_eq(cluster_wait(c, op), KAFKA_E_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(op->op.read.ret_log_start, 2);
    ck_assert_uint_gt(read_ok(c, node, read_at(c, node, 2, true, 0)), 300);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Who waits at a follower may wait on at what it becomes. */
START_TEST(a_follower_that_leads_goes_on_answering)
{
    struct cluster *c = cluster_new(53, 1 << 20);
    int old = cluster_leader(c), new = (old + 1) % 3;
    struct rig_op *parked;

    produce(c, old, 3);
    parked = read_at(c, new, 4, true, 10000);
    cluster_run(c, 50);
    ck_assert(!parked->done);
    cluster_hand_over(c, old, new);
    ck_assert_int_eq(cluster_wait(c, parked), KAFKA_E_OFFSET_OUT_OF_RANGE); /* a leader knows */
    parked = read_at(c, old, 4, true, 10000);
    produce(c, new, 1);
    ck_assert_uint_eq(read_ok(c, old, parked), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A leader that hasn't committed anything itself, and can't. */
static int lonely_leader(struct cluster *c, int64_t n)
{
    int old = cluster_leader(c), new = (old + 1) % 3;
    struct replica_message go = { .group = 1, .raft = { .kind = RAFT_TIMEOUT_NOW, .from = old + 1, .to = new + 1 } };

    produce(c, old, (int)n);
    go.raft.term = replica_term(replica_of(c, old));
    ck_assert_int_eq(replica_receive(replica_of(c, new), &go), 0);
    while (!replica_leads(replica_of(c, new)))
        cluster_step(c);
    c->cut[new] = true;
    ck_assert(!replica_is_open(replica_of(c, new)));
    return new;
}

START_TEST(a_new_leader_lets_nobody_wait_too_long)
{
    struct cluster *c = cluster_new(54, 1 << 20);
    const struct replica_op end = { .kind = REPLICA_LIST_OFFSETS, .list_offsets.timestamp = LIST_OFFSETS_LATEST };
    int node = lonely_leader(c, 3);
    struct rig_op *short_one, *long_one;

    ck_assert_uint_gt(read_ok(c, node, read_at(c, node, 0, false, 0)), 900);
    short_one = read_at(c, node, 3, false, 200);
    long_one = read_at(c, node, 7, false, 0);
    ck_assert_int_eq(cluster_wait(c, rig_submit(c->nodes[node], 0, &end)), KAFKA_E_OFFSET_NOT_AVAILABLE);
    cluster_run(c, 150);
    ck_assert(!short_one->done);
    cluster_run(c, 100);
    ck_assert(replica_leads(replica_of(c, node)));
    ck_assert(short_one->done && !long_one->done);
    ck_assert_int_eq(short_one->op.error, 0);
    ck_assert_uint_eq(short_one->op.read.ret_size, 0);
    ck_assert_int_eq(short_one->op.read.ret_high_watermark, 3);
    release(c, node, short_one);
    ck_assert_int_eq(cluster_wait(c, long_one), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* One that was cut off may not know of what was read elsewhere. */
START_TEST(an_old_leader_denies_nothing)
{
    struct cluster *c = cluster_new(55, 1 << 20);
    int old = cluster_leader(c), new = (old + 1) % 3;
    struct replica_message go = { .group = 1, .raft = { .kind = RAFT_TIMEOUT_NOW, .from = old + 1, .to = new + 1 } };
    struct rig_op *op;

    produce(c, old, 3);
    c->cut[old] = true;
    go.raft.term = replica_term(replica_of(c, old));
    ck_assert_int_eq(replica_receive(replica_of(c, new), &go), 0);
    cluster_run(c, 50);
    ck_assert(replica_leads(replica_of(c, new)));
    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, new, 300)), 0);
    ck_assert(replica_leads(replica_of(c, old)) && replica_is_open(replica_of(c, old)));
    op = read_at(c, old, 4, false, 0);
    cluster_run(c, 100);
    ck_assert(replica_leads(replica_of(c, old)));
    ck_assert(!op->done);
    ck_assert_int_eq(cluster_wait(c, op), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    op = read_at(c, new, 5, false, 0);
    ck_assert_int_eq(cluster_wait(c, op), KAFKA_E_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(op->op.read.ret_high_watermark, 4);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* What was committed when the others were asked is read. */
START_TEST(what_is_committed_is_read)
{
    struct cluster *c = cluster_new(56, 1 << 20);
    int leader = cluster_leader(c);
    struct rig_op *op;

    produce(c, leader, 1);
    sim_lane_hold(c->nodes[leader]->lane, LANE_FLUSH, 0, true);
    cluster_produce(c, leader, 300);
    cluster_produce(c, leader, 300);
    cluster_run(c, 50);
    ck_assert_uint_eq(raft_commit_index(replica_of(c, leader)->raft), replica_last_index(replica_of(c, leader)));
    ck_assert_int_eq(replica_high_watermark(replica_of(c, leader)), 1);
    op = read_at(c, leader, 2, false, 0);
    cluster_run(c, 50);
    ck_assert(!op->done);
    sim_lane_hold(c->nodes[leader]->lane, LANE_FLUSH, 0, false);
    cluster_run(c, 50);
    ck_assert(op->done);
    ck_assert_uint_gt(read_ok(c, leader, op), 300);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static int16_t read_as_of(struct cluster *c, int node, int32_t epoch, bool follower)
{
    struct replica_op op = { .kind = REPLICA_READ,
                             .follower = follower,
                             .current_leader_epoch = epoch,
                             .read = { .max_bytes = 100, .last_fetched_epoch = -1 } };
    struct rig_op *read = rig_submit(c->nodes[node], 0, &op);
    int16_t error = cluster_wait(c, read);

    if (error == 0)
        release(c, node, read);
    return error;
}

START_TEST(epochs_are_checked_by_all)
{
    struct cluster *c = cluster_new(57, 1 << 20);
    int old = cluster_leader(c), node = (old + 1) % 3;
    int32_t epoch;

    produce(c, old, 3);
    cluster_hand_over(c, old, node);
    cluster_hand_over(c, node, old);
    epoch = (int32_t)replica_term(replica_of(c, old));
    for (int i = 0; i < CLUSTER_NODES; i++) {
        ck_assert_int_eq(read_as_of(c, i, epoch, true), 0);
        ck_assert_int_eq(read_as_of(c, i, epoch - 1, true), KAFKA_E_FENCED_LEADER_EPOCH);
        ck_assert_int_eq(read_as_of(c, i, epoch + 1, true), KAFKA_E_UNKNOWN_LEADER_EPOCH);
    }
    ck_assert_int_eq(read_as_of(c, node, epoch, false), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    node = lonely_leader(c, 1);
    epoch = (int32_t)replica_term(replica_of(c, node));
    ck_assert_int_eq(read_as_of(c, node, epoch, false), 0);
    ck_assert_int_eq(read_as_of(c, node, epoch - 1, false), KAFKA_E_FENCED_LEADER_EPOCH);
    ck_assert_int_eq(read_as_of(c, node, epoch + 1, false), KAFKA_E_UNKNOWN_LEADER_EPOCH);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* What the leader answers; −1: it doesn't know. */
static int64_t epoch_end(struct cluster *c, int node, uint64_t epoch, uint64_t *ret_epoch)
{
    const struct replica_op ask = { .kind = REPLICA_EPOCH_END, .epoch_end.epoch = (int32_t)epoch };
    struct rig_op *op = rig_submit(c->nodes[node], 0, &ask);

    ck_assert_int_eq(cluster_wait(c, op), 0);
    *ret_epoch = (uint64_t)op->op.epoch_end.ret_epoch;
    return op->op.epoch_end.ret_end_offset;
}

static void check_epoch(struct cluster *c, int node, uint64_t epoch, int64_t end)
{
    uint64_t found;

    ck_assert_int_eq(epoch_end(c, node, epoch, &found), end);
    ck_assert_uint_eq(found, epoch);
}

static void restart_all(struct cluster *c)
{
    for (int i = 0; i < CLUSTER_NODES; i++) {
        if (c->up[i])
            cluster_crash(c, i);
        cluster_restart(c, i);
    }
    cluster_leader(c);
    cluster_run(c, 500);
}

static int64_t diverges_at(struct cluster *c, int node, int64_t offset, uint64_t epoch)
{
    const struct replica_op ask = {
        .kind = REPLICA_READ,
        .read = { .offset = offset, .max_bytes = 100, .last_fetched_epoch = (int32_t)epoch },
    };
    struct rig_op *op = rig_submit(c->nodes[node], 0, &ask);
    int64_t at;

    ck_assert_int_eq(cluster_wait(c, op), 0);
    at = op->op.read.ret_diverging_epoch >= 0 ? op->op.read.ret_diverging_offset : -1;
    if (at >= 0)
        ck_assert_int_le(op->op.read.ret_diverging_epoch, (int32_t)epoch);
    release(c, node, op);
    return at;
}

/* The same on all nodes, whoever led when. */
START_TEST(epochs_end_where_another_leader_began)
{
    struct cluster *c = cluster_new(58, 4096);
    uint64_t terms[3];
    int leader = cluster_leader(c);

    for (int i = 0; i < 3; i++) {
        produce(c, leader, 20);
        terms[i] = replica_term(replica_of(c, leader));
        if (i == 2)
            break;
        cluster_hand_over(c, leader, (leader + 1) % 3);
        leader = (leader + 1) % 3;
    }
    for (int life = 0; life < 3; life++) {
        leader = cluster_leader(c);
        for (int i = 0; i < 3; i++)
            check_epoch(c, leader, terms[i], 20 * (i + 1));
        ck_assert_int_eq(diverges_at(c, leader, 25, terms[0]), 20);
        ck_assert_int_eq(diverges_at(c, leader, 20, terms[0]), -1);
        ck_assert_int_eq(diverges_at(c, leader, 25, terms[1]), -1);
        ck_assert_int_eq(diverges_at(c, leader, 55, terms[1]), 40);
        for (int i = 0; i < CLUSTER_NODES; i++)
            replica_checkpoint(replica_of(c, i), UINT64_MAX);
        if (life > 0)
            cluster_run(c, 500);
        restart_all(c);
    }
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* An epoch that only a leader has which was cut off is nobody's. */
START_TEST(epochs_without_a_majority_are_forgotten)
{
    struct cluster *c = cluster_new(59, 1 << 20);
    int node, leader;
    uint64_t lost, found;

    node = lonely_leader(c, 3);
    lost = replica_term(replica_of(c, node));
    for (int i = 0; i < CLUSTER_NODES; i++)
        if (i != node)
            c->cut[i] = false;
    cluster_run(c, 4000);
    leader = cluster_leader(c);
    ck_assert_int_ne(leader, node);
    produce(c, leader, 2);
    ck_assert_uint_gt(replica_term(replica_of(c, leader)), lost);
    c->cut[node] = false;
    cluster_run(c, 1000);
    leader = cluster_leader(c);
    for (int life = 0; life < 2; life++) {
        ck_assert_int_eq(epoch_end(c, leader, lost, &found), 3);
        ck_assert_uint_lt(found, lost);
        if (leader != node)
            cluster_hand_over(c, leader, node);
        leader = node;
    }
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Whose log begins with an image knows the epoch of what lies before it, and where that ends. */
START_TEST(epochs_go_on_behind_an_image)
{
    struct cluster *c = cluster_new(60, 4096);
    int leader = cluster_leader(c), away = (leader + 1) % 3, other = (leader + 2) % 3;
    const struct replica_op delete = { .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = 60 };
    uint64_t first, second, third, found;

    produce(c, leader, 3);
    first = replica_term(replica_of(c, leader));
    cluster_crash(c, away);
    cluster_hand_over(c, leader, other);
    produce(c, other, 60);
    second = replica_term(replica_of(c, other));
    ck_assert_int_eq(cluster_wait(c, rig_submit(c->nodes[other], 0, &delete)), 0);
    cluster_run(c, 300);
    cluster_restart(c, away);
    cluster_run(c, 2000);
    ck_assert_uint_ge(c->n_images, 1);
    cluster_hand_over(c, other, away);
    produce(c, away, 3);
    third = replica_term(replica_of(c, away));
    for (int life = 0; life < 2; life++) {
        for (int i = 0; i < CLUSTER_NODES; i++) {
            if (cluster_leader(c) != i)
                cluster_hand_over(c, cluster_leader(c), i);
            ck_assert_int_eq(epoch_end(c, i, first, &found), -1);
            check_epoch(c, i, second, 63);
            check_epoch(c, i, third, 66);
        }
        restart_all(c);
    }
    cluster_check(c);
    cluster_free(c);
}
END_TEST

Suite *readers_suite(void)
{
    Suite *s = suite_create("readers");

    suite_add(s, followers_answer_those_that_may_ask_them);
    suite_add(s, followers_know_the_log_start);
    suite_add(s, a_follower_that_leads_goes_on_answering);
    suite_add(s, a_new_leader_lets_nobody_wait_too_long);
    suite_add(s, an_old_leader_denies_nothing);
    suite_add(s, what_is_committed_is_read);
    suite_add(s, epochs_are_checked_by_all);
    suite_add(s, epochs_end_where_another_leader_began);
    suite_add(s, epochs_without_a_majority_are_forgotten);
    suite_add(s, epochs_go_on_behind_an_image);
    return s;
}
