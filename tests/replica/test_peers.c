/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Groups with three voters. */

#include <errno.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "replica/cluster.h"
#include "replica/suites.h"

static struct replica *replica_of(const struct cluster *c, int node)
{
    return c->nodes[node]->groups[0].replica;
}

START_TEST(a_record_is_acknowledged_when_two_have_it)
{
    struct cluster *c = cluster_new(1, 1 << 20);
    int leader = cluster_leader(c), other = (leader + 1) % 3;
    struct rig_op *op = cluster_produce(c, leader, 100);

    ck_assert_int_eq(cluster_wait(c, op), 0);
    ck_assert_int_eq(op->op.produce.ret_base_offset, 0);
    /* One of three may be away, two not. */
    cluster_crash(c, other);
    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 100)), 0);
    c->cut[3 - leader - other] = true;
    op = cluster_produce(c, leader, 100);
    cluster_run(c, 200);
    ck_assert(!op->done);
    ck_assert_int_eq(replica_high_watermark(replica_of(c, leader)), 2);
    c->cut[3 - leader - other] = false;
    ck_assert_int_eq(cluster_wait(c, op), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

START_TEST(followers_send_clients_away)
{
    struct cluster *c = cluster_new(2, 1 << 20);
    int leader = cluster_leader(c);
    struct rig_op *op = cluster_produce(c, (leader + 1) % 3, 100);

    ck_assert_int_eq(cluster_wait(c, op), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* What wasn't committed when the leader was cut off goes from its log, and its producers are told to look elsewhere. */
START_TEST(a_new_leader_cuts_what_the_old_one_had_alone)
{
    struct cluster *c = cluster_new(3, 1 << 20);
    int old = cluster_leader(c), new;
    struct rig_op *lost, *op;

    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, old, 100)), 0);
    c->cut[old] = true;
    lost = cluster_produce(c, old, 100);
    for (int i = 0; i < 5; i++)
        cluster_produce(c, old, 100);
    cluster_run(c, 50);
    new = cluster_leader(c);
    ck_assert_int_ne(new, old);
    op = cluster_produce(c, new, 100);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    ck_assert_int_eq(op->op.produce.ret_base_offset, 1);
    cluster_run(c, 2500);
    ck_assert(lost->done); /* the old leader missed its quorum */
    ck_assert_int_eq(lost->op.error, KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    ck_assert_uint_gt(replica_last_index(replica_of(c, old)), replica_last_index(replica_of(c, new)));
    c->cut[old] = false;
    cluster_run(c, 500);
    ck_assert_int_eq(replica_high_watermark(replica_of(c, old)), 2);
    /* The journal knows of the cut. */
    cluster_crash(c, old);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Entries that left the leader's memory come from its segments. */
START_TEST(who_was_away_gets_entries_from_segments)
{
    struct cluster *c = cluster_new(4, 4096);
    int leader = cluster_leader(c), away = (leader + 1) % 3;

    cluster_crash(c, away);
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 300)), 0);
    cluster_run(c, 500);
    ck_assert_uint_gt(log_segment_count(replica_of(c, leader)->log), 3);
    ck_assert_uint_eq(tail_count(&replica_of(c, leader)->tail), 0);
    cluster_check(c);
    ck_assert_uint_gt(c->n_loaded, 0);
    cluster_free(c);
}
END_TEST

/* What was in a segment is committed, whoever is there to say so; what only the journal has may not be. */
START_TEST(a_start_knows_what_was_in_segments)
{
    struct cluster *c = cluster_new(12, 4096);
    int leader = cluster_leader(c);
    struct replica *r = replica_of(c, leader);
    uint64_t applied, last;

    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 300)), 0);
    cluster_run(c, 500);
    ck_assert_uint_eq(r->checkpoint_index, 0);
    c->cut[leader] = true;
    for (int i = 0; i < 3; i++)
        cluster_produce(c, leader, 300);
    cluster_run(c, 100);
    applied = r->applied_index;
    last = r->last_index;
    ck_assert_uint_eq(last, applied + 3);
    cluster_kill(c, leader);
    cluster_restart(c, leader);
    r = replica_of(c, leader);
    ck_assert_uint_eq(r->applied_index, applied);
    ck_assert_uint_eq(r->last_index, last);
    ck_assert_uint_eq(raft_commit_index(r->raft), applied);
    ck_assert_uint_eq(tail_count(&r->tail), 3);
    ck_assert_int_eq(replica_high_watermark(r), 60);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Has a leader whom nobody hears, with three entries that only it has. */
static int cut_off_leader(struct cluster *c, size_t value_size)
{
    int leader = cluster_leader(c);
    const struct replica *r = replica_of(c, leader);

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 300)), 0);
    cluster_run(c, 300);
    c->cut[leader] = true;
    for (int i = 0; i < 3; i++)
        cluster_produce(c, leader, value_size);
    cluster_run(c, 100);
    ck_assert_uint_eq(r->last_index, r->applied_index + 3);
    ck_assert_uint_eq(raft_flushed_index(r->raft), r->last_index);
    return leader;
}

static void shrink_journals(struct cluster *c)
{
    for (int i = 0; i < CLUSTER_NODES; i++) {
        cluster_kill(c, i);
        c->nodes[i]->journal_config.size_bytes = 2 << 20;
        cluster_restart(c, i);
    }
}

/* Others go on in the journal, however long the group has no majority, and its entries stay. */
static void run_without_majority(uint64_t seed, size_t value_size)
{
    struct cluster *c = cluster_new(seed, 1 << 20);
    struct journal_stats stats;
    int node;
    struct replica *r;
    uint64_t last;

    shrink_journals(c);
    node = cut_off_leader(c, value_size);
    r = replica_of(c, node);
    last = r->last_index;
    for (int i = 0; i < 250; i++)
        ck_assert_int_eq(cluster_wait(c, rig_produce(c->nodes[node], 1, 1, 20000)), 0);
    ck_assert_uint_gt(r->last_index, r->checkpoint_index);
    journal_stats(c->nodes[node]->journal, &stats);
    ck_assert_uint_gt(stats.bytes_written, 2 * c->nodes[node]->journal_config.size_bytes);
    ck_assert_uint_gt(stats.relocated_bytes, 0);
    cluster_kill(c, node);
    cluster_restart(c, node);
    ck_assert_uint_eq(replica_of(c, node)->last_index, last);
    cluster_check(c);
    cluster_free(c);
}

START_TEST(entries_without_a_majority_hold_no_files)
{
    run_without_majority(13, 300);
}
END_TEST

/* More than what is worth a checkpoint, if only there could be one. */
START_TEST(large_entries_without_a_majority_hold_no_files)
{
    run_without_majority(16, 30000);
}
END_TEST

/* By whoever leads the group. */
static void produce_somewhere(struct cluster *c, unsigned group, size_t value_size)
{
    int16_t error = KAFKA_E_NOT_LEADER_OR_FOLLOWER;

    for (int i = 0; i < 100 && error != 0; i++) {
        error = cluster_wait(c, rig_produce(c->nodes[i % CLUSTER_NODES], group, 1, value_size));
        cluster_run(c, 50);
    }
    ck_assert_int_eq(error, 0);
}

/* Copies of others, which could be checkpointed, take the room that there is for copies. */
START_TEST(copies_of_others_make_room)
{
    struct cluster *c = cluster_new_of(17, 1 << 20, 6);
    int node;
    struct replica *r;
    uint64_t last;

    shrink_journals(c);
    node = cluster_leader(c);
    for (unsigned group = 2; group < 6; group++)
        for (int i = 0; i < 3; i++)
            produce_somewhere(c, group, 15000);
    for (int i = 0; i < 28; i++)
        ck_assert_int_eq(cluster_wait(c, rig_produce(c->nodes[node], 1, 1, 20000)), 0);
    ck_assert_int_eq(cut_off_leader(c, 30000), node);
    r = replica_of(c, node);
    last = r->last_index;
    for (int i = 0; i < 250; i++)
        ck_assert_int_eq(cluster_wait(c, rig_produce(c->nodes[node], 1, 1, 20000)), 0);
    ck_assert_uint_gt(r->last_index, r->checkpoint_index);
    cluster_kill(c, node);
    cluster_restart(c, node);
    ck_assert_uint_eq(replica_of(c, node)->last_index, last);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A worker still reads for the copies when a new leader overrides some of the entries. */
START_TEST(what_was_cut_is_not_copied)
{
    struct cluster *c = cluster_new(14, 1 << 20);
    int node = cut_off_leader(c, 300), new;
    struct replica *r = replica_of(c, node);
    uint64_t applied = r->applied_index;

    ck_assert_uint_eq(log_end(r->log).index, applied);
    new = cluster_leader(c);
    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, new, 100)), 0);
    sim_lane_hold(c->nodes[node]->lane, LANE_POOL, 0, true);
    ck_assert(replica_can_relocate(r));
    replica_relocate(r);
    ck_assert(replica_is_loading(r));
    c->cut[node] = false;
    cluster_run(c, 500);
    ck_assert_uint_eq(r->applied_index, applied + 2);
    ck_assert(replica_is_loading(r));
    sim_lane_hold(c->nodes[node]->lane, LANE_POOL, 0, false);
    cluster_run(c, 500);
    ck_assert_ptr_null(r->relocation);
    cluster_kill(c, node);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static void stop(struct cluster *c, int node)
{
    struct replica *r = replica_of(c, node);
    uint64_t applied = r->applied_index, last = r->last_index, term = r->term;

    replica_close(r);
    replica_checkpoint(r, UINT64_MAX);
    cluster_run(c, 500);
    ck_assert(replica_is_stored(r));
    c->cut[node] = false;
    cluster_run(c, 500);
    ck_assert(replica_is_stored(r));
    ck_assert_uint_eq(r->checkpoint_index, applied);
    ck_assert_uint_eq(r->last_index, last);
    ck_assert_uint_eq(r->term, term);
    c->cut[node] = true;
    cluster_kill(c, node);
    cluster_restart(c, node);
    ck_assert_uint_eq(replica_of(c, node)->last_index, last);
}

/* What isn't committed doesn't keep a node from stopping: it is in the journal, and there after the next start. */
START_TEST(a_stop_waits_for_nobody_else)
{
    struct cluster *c = cluster_new(15, 1 << 20);
    int node = cut_off_leader(c, 300);

    ck_assert(replica_leads(replica_of(c, node)));
    stop(c, node);
    ck_assert(!replica_leads(replica_of(c, node)));
    stop(c, node);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A retry finds the original, whoever leads. */
START_TEST(a_retry_at_another_leader_is_a_duplicate)
{
    struct cluster *c = cluster_new(5, 1 << 20);
    int old = cluster_leader(c), new;
    struct rig_op *op;

    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, old, 0)), 0);
    op = cluster_produce_as(c, old, 1);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    cluster_run(c, 300);
    c->cut[old] = true;
    cluster_produce_as(c, old, 2); /* nobody hears of it */
    cluster_run(c, 50);
    new = cluster_leader(c);
    op = cluster_produce_as(c, new, 1);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    ck_assert_int_eq(op->op.produce.ret_base_offset, 1);
    op = cluster_produce_as(c, new, 2);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    ck_assert_int_eq(op->op.produce.ret_base_offset, 2);
    /* The old leader's own one is gone, in its overlay too: there the retry is a duplicate of the new one. */
    c->cut[old] = false;
    cluster_run(c, 500);
    replica_campaign(replica_of(c, old));
    cluster_run(c, 3000);
    c->cut[new] = true;
    new = cluster_leader(c);
    op = cluster_produce_as(c, new, 2);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    ck_assert_int_eq(op->op.produce.ret_base_offset, 2);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* While it is, clients are told to try again, and of an idempotent producer nothing passes what was refused. */
START_TEST(leadership_is_handed_over)
{
    struct cluster *c = cluster_new(17, 1 << 20);
    const struct replica_op delete = { .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = 1 };
    int old = cluster_leader(c), new = (old + 1) % 3;
    struct replica *r = replica_of(c, old);
    uint64_t term;

    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, old, 100)), 0);
    cluster_run(c, 300);
    term = replica_term(r);
    ck_assert_int_eq(replica_transfer(r, old + 1), RAFT_E_TARGET);
    ck_assert_int_eq(replica_transfer(replica_of(c, new), old + 1), RAFT_E_NOT_LEADER);
    c->cut[new] = true;
    ck_assert_int_eq(replica_transfer(r, new + 1), 0);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, old, 0)), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    ck_assert_int_eq(cluster_wait(c, rig_submit(c->nodes[old], 0, &delete)), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    replica_housekeep(r);
    ck_assert(replica_leads(r));
    /* It came to nothing. */
    cluster_run(c, 1500);
    ck_assert(replica_leads(r));
    ck_assert_uint_eq(replica_term(r), term);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, old, 1)), PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, old, 0)), 0);
    c->cut[new] = false;
    cluster_run(c, 500);
    cluster_hand_over(c, old, new);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, new, 1)), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A node that sent a batch away, or lost it, may lead when the next of the same producer comes. */
START_TEST(nothing_passes_a_batch_that_was_sent_away)
{
    struct cluster *c = cluster_new(18, 1 << 20);
    int old = cluster_leader(c), other = (old + 1) % 3;
    struct rig_op *op;

    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, other, 0)), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    cluster_run(c, 300);
    cluster_hand_over(c, old, other);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, other, 1)), PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    c->cut[other] = true;
    op = cluster_produce_as(c, other, 0);
    cluster_run(c, 50);
    old = cluster_leader(c);
    ck_assert_int_eq(cluster_wait(c, op), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, old, 100)), 0);
    c->cut[other] = false;
    cluster_run(c, 500);
    cluster_hand_over(c, old, other);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, other, 1)), PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, other, 0)), 0);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, other, 1)), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* One that was cut off may not know of batches that a later leader has, behind which the next one is in order. */
START_TEST(a_sequence_is_refused_by_who_leads)
{
    struct cluster *c = cluster_new(19, 1 << 20);
    int old = cluster_leader(c), new = (old + 1) % 3;
    struct replica_message go = { .group = 1, .raft = { .kind = RAFT_TIMEOUT_NOW, .from = old + 1, .to = new + 1 } };
    struct rig_op *op;

    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, old, 0)), 0);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, old, 2)), PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    cluster_run(c, 300);
    c->cut[old] = true;
    go.raft.term = replica_term(replica_of(c, old));
    ck_assert_int_eq(replica_receive(replica_of(c, new), &go), 0);
    cluster_run(c, 50);
    ck_assert(replica_leads(replica_of(c, old)));
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, new, 1)), 0);
    op = cluster_produce_as(c, old, 2);
    cluster_run(c, 50);
    ck_assert(replica_leads(replica_of(c, old)));
    ck_assert(!op->done);
    ck_assert_int_eq(cluster_wait(c, op), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, new, 2)), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* One that was cut off may not know what the others have acknowledged meanwhile. */
START_TEST(the_end_is_told_by_who_leads)
{
    struct cluster *c = cluster_new(7, 1 << 20);
    const struct replica_op ask = { .kind = REPLICA_LIST_OFFSETS, .list_offsets.timestamp = LIST_OFFSETS_LATEST };
    int leader = cluster_leader(c);
    struct rig_op *op;

    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 100)), 0);
    op = rig_submit(c->nodes[leader], 0, &ask);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    ck_assert_int_eq(op->op.list_offsets.ret_offset, 1);
    c->cut[leader] = true;
    op = rig_submit(c->nodes[leader], 0, &ask);
    ck_assert_int_eq(cluster_wait(c, op), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Until its own first entry is applied a leader doesn't know what is committed. */
START_TEST(a_new_leader_does_not_tell_the_end)
{
    struct cluster *c = cluster_new(10, 1 << 20);
    const struct replica_op end = { .kind = REPLICA_LIST_OFFSETS, .list_offsets.timestamp = LIST_OFFSETS_LATEST };
    const struct replica_op read = { .kind = REPLICA_READ, .read = { .max_bytes = 1000, .min_one = true } };
    const struct replica_op beyond = { .kind = REPLICA_READ, .read = { .offset = 1, .max_bytes = 1000 } };
    int old = cluster_leader(c), new = (old + 1) % 3;
    struct replica_message go = { .group = 1, .raft = { .kind = RAFT_TIMEOUT_NOW, .from = old + 1, .to = new + 1 } };
    struct rig_op *told, *seen, *parked;

    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, old, 100)), 0);
    cluster_run(c, 300);
    go.raft.term = replica_term(replica_of(c, old));
    ck_assert_int_eq(replica_receive(replica_of(c, new), &go), 0);
    while (!replica_leads(replica_of(c, new)))
        cluster_step(c);
    ck_assert(!replica_is_open(replica_of(c, new)));
    told = rig_submit(c->nodes[new], 0, &end);
    seen = rig_submit(c->nodes[new], 0, &read);
    parked = rig_submit(c->nodes[new], 0, &beyond);
    ck_assert_int_eq(cluster_wait(c, told), KAFKA_E_OFFSET_NOT_AVAILABLE);
    ck_assert_int_eq(cluster_wait(c, seen), 0);
    ck_assert_uint_gt(seen->op.read.ret_size, 0);
    rig_release(c->nodes[new], seen);
    ck_assert_int_eq(cluster_wait(c, parked), 0);
    ck_assert_uint_eq(parked->op.read.ret_size, 0);
    rig_release(c->nodes[new], parked);
    ck_assert(replica_is_open(replica_of(c, new)));
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* All replicas forget the same records. */
START_TEST(the_log_start_is_replicated)
{
    struct cluster *c = cluster_new(6, 4096);
    int leader = cluster_leader(c);
    struct rig_op *op;

    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 300)), 0);
    op = rig_submit(c->nodes[leader], 0,
                    &(struct replica_op){ .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = 40 });
    ck_assert_int_eq(cluster_wait(c, op), 0);
    cluster_run(c, 500);
    for (int i = 0; i < CLUSTER_NODES; i++) {
        ck_assert_int_eq(replica_log_start(replica_of(c, i)), 40);
        ck_assert_uint_gt(log_first_index(replica_of(c, i)->log), 1);
        ck_assert_uint_eq(raft_start_index(replica_of(c, i)->raft) + 1, log_first_index(replica_of(c, i)->log));
    }
    cluster_crash(c, leader);
    cluster_leader(c);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static struct replica_message vote_of(int from, int to, uint64_t term)
{
    return (struct replica_message){ .group = 1,
                                     .raft = { .kind = RAFT_VOTE,
                                               .from = from + 1,
                                               .to = to + 1,
                                               .term = term,
                                               .index = 1000,
                                               .log_term = term - 1,
                                               .force = true } };
}

/* The last message of node, or NULL. */
static const struct raft_message *answer_of(const struct cluster *c, int node)
{
    return c->last.from == node + 1 ? &c->last : NULL;
}

/* A vote is given when it is on the disk, and stands after a crash. */
static void take_command(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, struct slice command,
                         int16_t *ret_result)
{
    *ret_result = 0;
}

/* All make it alike, so it counts before it is on a disk, in later terms too. */
START_TEST(the_first_entry_of_a_founded_group_counts)
{
    struct cluster *c = cluster_new(1, 1 << 20);
    struct rig *r = c->nodes[0];
    struct replica_config config = {
        .group = r->n_groups + 1,
        .dir = "founded",
        .limits = r->limits,
        .members = &c->members,
        .first = slice_str("made alike"),
        .apply = take_command,
    };
    struct replica_standing at;
    const struct raft *core;
    struct replica *replica;

    ck_assert_int_eq(replica_new(&r->shard, &config, &replica), 0);
    r->groups[r->n_groups].id = config.group;
    r->groups[r->n_groups++].replica = replica;
    ck_assert(replica_stands(replica, &at, &core));
    ck_assert_uint_eq(at.raft.flushed, 1);
    ck_assert_uint_eq(at.applied, 1);
    ck_assert(!tail_at(&replica->tail, 0)->flushed);
    ck_assert(!at.ahead);
    cluster_free(c);
}
END_TEST

START_TEST(a_node_votes_once)
{
    struct cluster *c = cluster_new(8, 1 << 20);
    struct replica_message first = vote_of(1, 0, 50), second = vote_of(2, 0, 50);

    cluster_leader(c);
    c->cut[0] = c->cut[1] = c->cut[2] = true;
    cluster_run(c, 10);
    sim_lane_hold(c->nodes[0]->lane, LANE_FLUSH, 0, true);
    c->last.from = 0;
    ck_assert_int_eq(replica_receive(replica_of(c, 0), &first), 0);
    cluster_run(c, 10);
    ck_assert(answer_of(c, 0) == NULL || answer_of(c, 0)->term < 50);
    sim_lane_hold(c->nodes[0]->lane, LANE_FLUSH, 0, false);
    cluster_run(c, 1);
    ck_assert_int_eq(answer_of(c, 0)->kind, RAFT_VOTE_REPLY);
    ck_assert_int_eq(answer_of(c, 0)->to, 2);
    ck_assert(!answer_of(c, 0)->reject);
    cluster_crash(c, 0);
    cluster_restart(c, 0);
    ck_assert_int_eq(replica_receive(replica_of(c, 0), &second), 0);
    cluster_run(c, 1);
    ck_assert_int_eq(answer_of(c, 0)->to, 3);
    ck_assert(answer_of(c, 0)->reject);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Any byte that is wrong in an entry is seen before the entry is taken. */
START_TEST(malformed_entries_are_refused)
{
    struct cluster *c = cluster_new(9, 1 << 20);
    int leader = cluster_leader(c), to = (leader + 1) % 3;
    const struct replica_entry *e;
    struct replica_message *m = xcalloc(1, sizeof(*m) + sizeof(m->entries[0]));
    uint64_t last;
    uint8_t *data;

    cluster_run(c, 200);
    c->cut[to] = true;
    sim_lane_hold(c->nodes[leader]->lane, LANE_POOL, 0, true);
    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 100)), 0);
    last = replica_last_index(replica_of(c, to));
    e = tail_by_index(&replica_of(c, leader)->tail, last + 1);
    data = xmalloc(replica_entry_size(e));
    memcpy(data, e->head.data, e->head.size);
    memcpy(data + e->head.size, e->batches.data, e->batches.size);
    m->group = 1;
    m->raft = (struct raft_message){ .kind = RAFT_APPEND, .from = leader + 1, .to = to + 1, .n_entries = 1 };
    m->raft.index = last;
    m->raft.term = m->raft.log_term = replica_term(replica_of(c, leader));
    m->entries[0] = (struct replica_message_entry){ .term = e->term, .head = slice_make(data, replica_entry_size(e)) };
    for (size_t i = 0; i < ENTRY_HEADER_SIZE + 61; i++) {
        /* Sums are right; of the header's fields these say what apply goes by. */
        bool says = i < 2 || (i >= 4 && i < 8) || (i >= 16 && i < 32) ||
                    (i >= ENTRY_HEADER_SIZE && i < ENTRY_HEADER_SIZE + 12) || i == ENTRY_HEADER_SIZE + 16;

        data[i] ^= 0x40;
        m->entries[0].checksum = crc32c(0, data, replica_entry_size(e));
        if (says)
            ck_assert_int_eq(replica_receive(replica_of(c, to), m), -EBADMSG);
        data[i] ^= 0x40;
    }
    m->entries[0].checksum = e->checksum ^ 1;
    ck_assert_int_eq(replica_receive(replica_of(c, to), m), -EBADMSG);
    m->entries[0].checksum = e->checksum;
    m->entries[0].term = 0;
    ck_assert_int_eq(replica_receive(replica_of(c, to), m), -EBADMSG);
    m->entries[0].term = m->raft.term + 1;
    ck_assert_int_eq(replica_receive(replica_of(c, to), m), -EBADMSG);
    m->raft.kind = 77;
    ck_assert_int_eq(replica_receive(replica_of(c, to), m), -EBADMSG);
    ck_assert_uint_eq(replica_last_index(replica_of(c, to)), last);
    m->raft.kind = RAFT_APPEND;
    m->entries[0].term = e->term;
    ck_assert_int_eq(replica_receive(replica_of(c, to), m), 0);
    ck_assert_uint_eq(replica_last_index(replica_of(c, to)), last + 1);
    sim_lane_hold(c->nodes[leader]->lane, LANE_POOL, 0, false);
    free(m);
    free(data);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

START_TEST(what_was_acknowledged_stays)
{
    struct cluster_counts counts = { 0 };

    for (uint64_t seed = 1; seed <= 60; seed++)
        cluster_story(seed, &counts);
    ck_assert_uint_gt(counts.n_acked, 1200);
    ck_assert_uint_gt(counts.n_read, 700);
    ck_assert_uint_gt(counts.n_loaded, 100);
    ck_assert_uint_gt(counts.n_images, 10);
    ck_assert_uint_gt(counts.n_terms, 100);
    ck_assert_uint_gt(counts.n_rests, 500);
}
END_TEST

Suite *peers_suite(void)
{
    Suite *s = suite_create("peers");

    suite_add(s, a_record_is_acknowledged_when_two_have_it);
    suite_add(s, followers_send_clients_away);
    suite_add(s, a_new_leader_cuts_what_the_old_one_had_alone);
    suite_add(s, who_was_away_gets_entries_from_segments);
    suite_add(s, a_start_knows_what_was_in_segments);
    suite_add(s, entries_without_a_majority_hold_no_files);
    suite_add(s, large_entries_without_a_majority_hold_no_files);
    suite_add(s, copies_of_others_make_room);
    suite_add(s, what_was_cut_is_not_copied);
    suite_add(s, a_stop_waits_for_nobody_else);
    suite_add(s, a_retry_at_another_leader_is_a_duplicate);
    suite_add(s, leadership_is_handed_over);
    suite_add(s, nothing_passes_a_batch_that_was_sent_away);
    suite_add(s, a_sequence_is_refused_by_who_leads);
    suite_add(s, the_end_is_told_by_who_leads);
    suite_add(s, a_new_leader_does_not_tell_the_end);
    suite_add(s, the_log_start_is_replicated);
    suite_add(s, the_first_entry_of_a_founded_group_counts);
    suite_add(s, a_node_votes_once);
    suite_add(s, malformed_entries_are_refused);
    suite_add(s, what_was_acknowledged_stays);
    return s;
}
