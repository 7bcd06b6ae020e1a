/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the groups of a shard have in common (fleet/): they rest and wake, what comes in a turn goes together, and what
 * isn't committed has its limit. */

#include "base/util.h"
#include "replica/cluster.h"
#include "replica/suites.h"

#define GROUPS 40 /* of all nodes; one more is each node's own */

static bool is_shared(unsigned group)
{
    return group != CLUSTER_OWN;
}

static struct replica *first_of(const struct cluster *c, int node)
{
    return cluster_replica(c, node, 0);
}

static bool rests(const struct cluster *c, unsigned group)
{
    for (int i = 0; i < CLUSTER_NODES; i++)
        if (c->up[i] && !fleet_is_at_rest(&cluster_replica(c, i, group)->peers->member))
            return false;
    return true;
}

static bool all_rest(const struct cluster *c)
{
    for (unsigned g = 0; g <= GROUPS; g++)
        if (is_shared(g) && !rests(c, g))
            return false;
    return true;
}

/* Node that leads the group and is open; −1. */
static int leader_of(const struct cluster *c, unsigned group)
{
    for (int i = 0; i < CLUSTER_NODES; i++)
        if (c->up[i] && replica_leads(cluster_replica(c, i, group)) && replica_is_open(cluster_replica(c, i, group)))
            return i;
    return -1;
}

static bool all_lead(const struct cluster *c)
{
    for (unsigned g = 0; g <= GROUPS; g++)
        if (is_shared(g) && leader_of(c, g) < 0)
            return false;
    return true;
}

static void until(struct cluster *c, bool (*holds)(const struct cluster *c), unsigned max_ms)
{
    for (unsigned ms = 0; !holds(c); ms += 10) {
        ck_quick(ms < max_ms);
        cluster_run(c, 10);
    }
}

static uint64_t n_steps(const struct cluster *c)
{
    struct fleet_stats s;
    uint64_t n = 0;

    for (int i = 0; i < CLUSTER_NODES; i++) {
        if (!c->up[i])
            continue;
        fleet_stats(c->nodes[i]->shard.fleet, &s);
        n += s.n_steps;
    }
    return n;
}

/* No core is asked, and nothing is said but by the nodes. */
static void rest(struct cluster *c, unsigned n_up)
{
    uint64_t n_messages, n_session_messages, before;

    until(c, all_rest, 20000);
    n_messages = c->n_messages;
    n_session_messages = c->n_session_messages;
    before = n_steps(c);
    cluster_run(c, 5000);
    ck_assert(all_rest(c));
    ck_assert(all_lead(c));
    ck_assert_uint_eq(n_steps(c), before);
    ck_assert_uint_eq(c->n_messages, n_messages);
    ck_assert_uint_ge(c->n_session_messages - n_session_messages, (uint64_t)n_up * (n_up - 1) * 48);
    ck_assert_uint_le(c->n_session_messages - n_session_messages, (uint64_t)n_up * (n_up - 1) * 51);
}

/* A record for each third group; the others rest on. */
static void wake_some(struct cluster *c)
{
    struct rig_op *ops[GROUPS + 1] = { 0 };

    for (unsigned g = 0; g <= GROUPS; g += 3)
        ops[g] = rig_produce(c->nodes[leader_of(c, g)], g, 1, 100);
    for (unsigned g = 0; g <= GROUPS; g += 3)
        ck_assert_int_eq(cluster_wait(c, ops[g]), 0);
    for (unsigned g = 0; g <= GROUPS; g++)
        ck_assert(!is_shared(g) || g % 3 == 0 || rests(c, g));
}

static void all_agree(const struct cluster *c)
{
    for (unsigned g = 0; g <= GROUPS; g++)
        for (int i = 1; i < CLUSTER_NODES && is_shared(g); i++) {
            const struct replica *a = cluster_replica(c, 0, g), *b = cluster_replica(c, i, g);

            ck_assert_uint_eq(a->applied_index, b->applied_index);
            ck_assert_uint_eq(a->applied_checksum, b->applied_checksum);
            ck_assert_uint_eq(a->term, b->term);
        }
}

START_TEST(groups_rest_and_wake)
{
    struct cluster *c = cluster_new_of(31, 1 << 20, GROUPS + 1);

    until(c, all_lead, 20000);
    rest(c, 3);
    wake_some(c);
    rest(c, 3);
    all_agree(c);
    /* Those that a dead node led get another leader, and all rest on without it. */
    cluster_kill(c, 0);
    until(c, all_lead, 20000);
    rest(c, 2);
    wake_some(c);
    rest(c, 2);
    /* It is looked after when it is there again. */
    cluster_restart(c, 0);
    rest(c, 3);
    all_agree(c);
    /* A machine that goes says nothing, and is back before anybody misses it. */
    cluster_crash(c, 1);
    cluster_restart(c, 1);
    rest(c, 3);
    all_agree(c);
    /* Nobody hears a node any more, which hears nobody. */
    c->cut[2] = true;
    cluster_run(c, 5000);
    for (unsigned g = 0; g <= GROUPS; g++)
        ck_assert(!is_shared(g) || !replica_leads(cluster_replica(c, 2, g)));
    ck_assert(all_lead(c));
    c->cut[2] = false;
    rest(c, 3);
    all_agree(c);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A node that is to stop gives away what it leads, at rest or not. */
START_TEST(a_node_hands_over_all_that_it_leads)
{
    struct cluster *c = cluster_new_of(38, 1 << 20, GROUPS + 1);

    until(c, all_lead, 20000);
    until(c, all_rest, 20000);
    for (unsigned g = 0; g <= GROUPS; g += 3)
        rig_produce(c->nodes[leader_of(c, g)], g, 1, 100);
    fleet_hand_over(c->nodes[0]->shard.fleet);
    cluster_run(c, 500);
    for (unsigned g = 0; g <= GROUPS; g++)
        ck_assert(!is_shared(g) || leader_of(c, g) > 0);
    rest(c, 3);
    for (unsigned g = 0; g <= GROUPS; g += 3)
        ck_assert_int_eq(replica_high_watermark(cluster_replica(c, 0, g)), 1);
    all_agree(c);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static bool leads_any(const struct cluster *c, int node)
{
    for (unsigned g = 0; g <= GROUPS; g++)
        if (is_shared(g) && replica_leads(cluster_replica(c, node, g)))
            return true;
    return false;
}

/* Before a node goes it looks on until others lead, and waits for nobody who isn't there. */
START_TEST(a_drain_ends_when_others_lead)
{
    struct cluster *c = cluster_new_of(42, 1 << 20, GROUPS + 1);
    struct replica_shard *shard = &c->nodes[0]->shard;

    until(c, all_lead, 20000);
    until(c, all_rest, 20000);
    ck_assert(leads_any(c, 0));
    /* The first try may get lost. */
    c->cut[0] = true;
    ck_assert(replica_shard_hand_over(shard));
    cluster_run(c, 20);
    c->cut[0] = false;
    ck_assert(replica_shard_hand_over(shard));
    for (unsigned ms = 0; replica_shard_hand_over(shard); ms += 10) {
        ck_quick(ms < 3000);
        cluster_run(c, 10);
    }
    ck_assert(!leads_any(c, 0));
    until(c, all_lead, 50); /* the journals are small, and make room every ten milliseconds */
    ck_assert(!leads_any(c, 0));
    ck_assert(leads_any(c, 1));
    cluster_kill(c, 2);
    cluster_kill(c, 0);
    cluster_run(c, 20);
    ck_assert(!replica_shard_hand_over(&c->nodes[1]->shard));
    ck_assert(leads_any(c, 1));
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Its disk hangs, and says nothing: others lead, what it had sent them is there, and it is a member as before when the
 * disk goes on. */
START_TEST(a_journal_that_stands_still_loses_the_lead)
{
    struct cluster *c = cluster_new_of(43, 1 << 20, GROUPS + 1);
    struct rig_op *op, *own;
    int64_t end;
    int node;

    until(c, all_lead, 20000);
    node = leader_of(c, 0);
    cluster_run(c, 500);
    sim_lane_hold(c->nodes[node]->lane, LANE_FLUSH, 0, true);
    op = rig_produce_as(c->nodes[node], 0, 7, 0, 0, 1, 100);
    own = rig_produce(c->nodes[node], CLUSTER_OWN, 1, 100);
    cluster_run(c, 800);
    ck_assert(leads_any(c, node));
    ck_assert(!op->done);
    cluster_run(c, 1200);
    ck_assert(!leads_any(c, node));
    ck_assert(all_lead(c));
    ck_assert(op->done);
    ck_assert_int_eq(op->op.error, KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    op = rig_produce_as(c->nodes[leader_of(c, 0)], 0, 7, 0, 0, 1, 100);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    ck_assert_int_eq(op->op.produce.ret_base_offset, 0);
    end = replica_high_watermark(first_of(c, leader_of(c, 0)));
    ck_assert_int_eq(end, 1);
    ck_assert(!own->done);
    sim_lane_hold(c->nodes[node]->lane, LANE_FLUSH, 0, false);
    ck_assert_int_eq(cluster_wait(c, own), 0);
    rest(c, 3);
    all_agree(c);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* One that has nothing to flush doesn't. */
START_TEST(a_journal_at_rest_keeps_the_lead)
{
    struct cluster *c = cluster_new_of(44, 1 << 20, GROUPS + 1);
    uint64_t terms[GROUPS + 1];

    until(c, all_lead, 20000);
    until(c, all_rest, 20000);
    for (unsigned g = 0; g <= GROUPS; g++)
        terms[g] = replica_term(cluster_replica(c, 0, g));
    cluster_run(c, 5000);
    wake_some(c);
    rest(c, 3);
    for (unsigned g = 0; g <= GROUPS; g++)
        ck_assert_uint_eq(replica_term(cluster_replica(c, 0, g)), terms[g]);
    cluster_free(c);
}
END_TEST

/* One that ends says nothing any more, but its node does. */
START_TEST(nobody_vouches_for_a_leader_that_ends)
{
    struct cluster *c = cluster_new_of(32, 1 << 20, GROUPS + 1);
    int old;

    until(c, all_lead, 20000);
    until(c, all_rest, 20000);
    old = leader_of(c, 0);
    replica_close(first_of(c, old));
    cluster_run(c, 5000);
    ck_assert(replica_leads(first_of(c, (old + 1) % 3)) || replica_leads(first_of(c, (old + 2) % 3)));
    for (unsigned g = 2; g <= GROUPS; g++)
        ck_assert(rests(c, g));
    cluster_kill(c, old);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* What a turn brings is one message to each follower. */
START_TEST(a_turn_is_one_proposal)
{
    struct cluster *c = cluster_new(33, 1 << 20);
    int leader = cluster_leader(c);
    struct replica *r = first_of(c, leader);
    struct rig_op *ops[8];
    uint64_t n_appends, last;

    cluster_run(c, 500);
    n_appends = c->n_appends;
    last = r->last_index;
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        ops[i] = cluster_produce(c, leader, 100);
    ck_assert_uint_eq(r->last_index, last + ARRAY_SIZE(ops));
    ck_assert_uint_eq(raft_last_index(r->raft), last);
    ck_assert_uint_eq(c->n_appends, n_appends);
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        ck_assert_int_eq(cluster_wait(c, ops[i]), 0);
        ck_assert_int_eq(ops[i]->op.produce.ret_base_offset, (int64_t)i);
    }
    ck_assert_uint_eq(c->n_appends, n_appends + 2);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Of what waited for the end of the turn nobody has heard. */
START_TEST(what_waits_is_void_when_the_lead_is_lost)
{
    struct cluster *c = cluster_new(34, 1 << 20);
    int old = cluster_leader(c), other = (old + 1) % 3;
    struct replica *r = first_of(c, old);
    struct replica_message m = { .group = 1,
                                 .raft = { .kind = RAFT_VOTE, .from = other + 1, .to = old + 1, .force = true } };
    struct rig_op *op, *delete;
    int64_t end;
    uint64_t last;

    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, old, 0)), 0);
    cluster_run(c, 500);
    last = r->last_index;
    end = r->proposed_offset;
    op = cluster_produce_as(c, old, 1);
    delete = rig_submit(c->nodes[old], 0,
                        &(struct replica_op){ .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = 1 });
    ck_assert_uint_eq(r->last_index, last + 2);
    m.raft.term = r->term + 1;
    ck_assert_int_eq(replica_receive(r, &m), 0);
    ck_assert_uint_eq(r->last_index, last);
    ck_assert_int_eq(r->proposed_offset, end);
    ck_assert_int_eq(cluster_wait(c, op), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    ck_assert_int_eq(cluster_wait(c, delete), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    /* Nothing of the producer passes it, and the log may begin later after all. */
    cluster_run(c, 3000);
    old = cluster_leader(c);
    ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, old, 1)), 0);
    delete = rig_submit(c->nodes[old], 0,
                        &(struct replica_op){ .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = 1 });
    ck_assert_int_eq(cluster_wait(c, delete), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* The end of a replica takes along what waits. */
START_TEST(what_waits_goes_with_its_replica)
{
    struct cluster *c = cluster_new(35, 1 << 20);
    int leader = cluster_leader(c);
    struct replica *r = first_of(c, leader);
    struct rig_op *op;
    uint64_t last;

    cluster_run(c, 500);
    last = r->last_index;
    op = cluster_produce(c, leader, 100);
    replica_close(r);
    ck_assert_int_eq(cluster_wait(c, op), KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    ck_assert_uint_eq(r->last_index, last);
    cluster_run(c, 500);
    ck_assert(replica_is_idle(r));
    cluster_kill(c, leader);
    cluster_restart(c, leader);
    leader = cluster_leader(c);
    op = cluster_produce(c, leader, 100);
    rig_destroy(c->nodes[leader], 0);
    c->up[leader] = false;
    rig_run(c->nodes[leader], 500000000);
    ck_assert(c->nodes[leader]->groups[0].destroyed);
    ck_assert_int_eq(op->op.error, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    cluster_free(c);
}
END_TEST

/* A transfer goes behind what came before it in the turn. */
START_TEST(a_transfer_voids_nothing)
{
    struct cluster *c = cluster_new(36, 1 << 20);
    int old = cluster_leader(c), new = (old + 1) % 3;
    struct rig_op *op;

    cluster_run(c, 500);
    op = cluster_produce(c, old, 100);
    ck_assert_int_eq(replica_transfer(first_of(c, old), new + 1), 0);
    cluster_run(c, 500);
    ck_assert(replica_leads(first_of(c, new)));
    ck_assert(op->done);
    ck_assert_int_eq(replica_high_watermark(first_of(c, new)), 1);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Producers wait for what isn't committed, of groups that have others to ask. */
START_TEST(uncommitted_entries_have_a_limit)
{
    struct cluster *c = cluster_new(37, 1 << 20);
    int leader;
    struct rig_op *ops[12];
    struct fleet_stats stats;
    unsigned n_held = 0;

    for (int i = 0; i < CLUSTER_NODES; i++) {
        cluster_kill(c, i);
        c->nodes[i]->uncommitted_bytes = 10000;
        cluster_restart(c, i);
    }
    leader = cluster_leader(c);
    cluster_run(c, 500);
    c->cut[(leader + 1) % 3] = c->cut[(leader + 2) % 3] = true;
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        ops[i] = cluster_produce(c, leader, 1000);
        n_held += ops[i]->op.produce.held;
    }
    ck_assert_uint_eq(n_held, 8); /* a group has half of it */
    cluster_run(c, 200);
    fleet_stats(c->nodes[leader]->shard.fleet, &stats);
    ck_assert_uint_gt(stats.used_bytes, 4000);
    ck_assert_uint_le(stats.used_bytes, 5000);
    ck_assert_int_eq(cluster_wait(c, rig_produce(c->nodes[leader], CLUSTER_OWN, 1, 1000)), 0);
    /* A commit makes room, whatever memory is held by. */
    sim_lane_hold(c->nodes[leader]->lane, LANE_POOL, 0, true);
    c->cut[(leader + 1) % 3] = c->cut[(leader + 2) % 3] = false;
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        ck_assert_int_eq(cluster_wait(c, ops[i]), 0);
        ck_assert_int_eq(ops[i]->op.produce.ret_base_offset, (int64_t)i);
    }
    sim_lane_hold(c->nodes[leader]->lane, LANE_POOL, 0, false);
    fleet_stats(c->nodes[leader]->shard.fleet, &stats);
    ck_assert_uint_eq(stats.used_bytes, 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* One group's part may be less. */
START_TEST(a_group_has_a_limit_of_its_own)
{
    struct cluster *c = cluster_new(39, 1 << 20);
    unsigned n_held = 0;
    int leader;

    for (int i = 0; i < CLUSTER_NODES; i++) {
        cluster_kill(c, i);
        c->nodes[i]->uncommitted_bytes = 20000;
        c->nodes[i]->uncommitted_group_bytes = 5000;
        cluster_restart(c, i);
    }
    leader = cluster_leader(c);
    cluster_run(c, 500);
    c->cut[(leader + 1) % 3] = c->cut[(leader + 2) % 3] = true;
    for (int i = 0; i < 12; i++)
        n_held += cluster_produce(c, leader, 1000)->op.produce.held;
    ck_assert_uint_eq(n_held, 8);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* One node leads all groups that are shared. */
static void lead_all(struct cluster *c, int node, unsigned n_groups)
{
    for (unsigned g = 0; g < n_groups; g++) {
        if (!is_shared(g))
            continue;
        while (leader_of(c, g) < 0)
            cluster_run(c, 10);
        if (leader_of(c, g) != node)
            ck_assert_int_eq(replica_transfer(cluster_replica(c, leader_of(c, g), g), node + 1), 0);
        cluster_run(c, 300);
        ck_assert_int_eq(leader_of(c, g), node);
    }
}

/* What all groups together have is used up: a small batch of one of them doesn't pass a large one of another, or that
 * would wait for ever. Who has no others to ask goes on. */
START_TEST(groups_share_what_isnt_committed)
{
    struct cluster *c = cluster_new_of(40, 1 << 20, 5);
    struct replica_shard *shard = &c->nodes[0]->shard;
    struct rig_op *ops[8], *large, *small, *own;

    for (int i = 0; i < CLUSTER_NODES; i++) {
        cluster_kill(c, i);
        c->nodes[i]->uncommitted_bytes = 10000;
        cluster_restart(c, i);
    }
    lead_all(c, 0, 5);
    c->cut[1] = c->cut[2] = true;
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        ops[i] = rig_produce(c->nodes[0], i % 2 == 0 ? 0 : 2, 1, 1000);
        ck_assert(!ops[i]->op.produce.held);
    }
    ck_assert(!shard->fleet_full);
    large = rig_produce(c->nodes[0], 3, 1, 1000);
    ck_assert(large->op.produce.held && shard->fleet_full && !shard->full);
    small = rig_produce(c->nodes[0], 4, 1, 10);
    ck_assert(small->op.produce.held);
    own = rig_produce(c->nodes[0], CLUSTER_OWN, 1, 1000);
    cluster_run(c, 100);
    ck_assert(own->done && !large->done && !small->done);
    ck_assert(small->op.produce.held);
    c->cut[1] = c->cut[2] = false;
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        ck_assert_int_eq(cluster_wait(c, ops[i]), 0);
    ck_assert_int_eq(cluster_wait(c, large), 0);
    ck_assert_int_eq(cluster_wait(c, small), 0);
    ck_assert(!shard->fleet_full);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A node leads, and another one doesn't. */
static struct cluster *with_leader(uint64_t seed, unsigned n_groups, int *ret_leader, int *ret_node)
{
    struct cluster *c = cluster_new_of(seed, 1 << 20, n_groups);

    cluster_run(c, 3000);
    *ret_leader = cluster_leader(c);
    *ret_node = (*ret_leader + 1) % 3;
    return c;
}

/* Its journal is small; it hears the leader and isn't heard, and nobody hears the third one. */
static void take_all_that_fits(struct cluster *c, int leader, int node)
{
    struct rig *r = c->nodes[node];

    cluster_kill(c, node);
    r->journal_config.size_bytes = 2 << 20;
    r->unapplied_bytes = (2 << 20) / 32;
    cluster_restart(c, node);
    cluster_run(c, 500);
    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 100)), 0);
    cluster_run(c, 500);
    c->cut[3 - leader - node] = true;
    c->links[node][leader].mute = true;
    for (int i = 0; i < 20; i++) {
        cluster_produce(c, leader, 20000);
        cluster_run(c, 10);
    }
    ck_assert_uint_gt(first_of(c, leader)->last_index, first_of(c, node)->last_index);
    ck_assert_uint_gt(r->shard.unapplied_bytes, 50000);
    ck_assert_uint_le(r->shard.unapplied_bytes, r->unapplied_bytes);
}

/* Its leader has a larger one. However long the follower doesn't hear what became of what it took, its other groups go
 * on in the same journal. */
START_TEST(a_follower_takes_no_more_than_its_journal_can_hold)
{
    int leader, node;
    struct cluster *c = with_leader(41, 2, &leader, &node);
    struct rig *r = c->nodes[node];

    take_all_that_fits(c, leader, node);
    c->cut[node] = true;
    for (int i = 0; i < 250; i++)
        ck_assert_int_eq(cluster_wait(c, rig_produce(r, CLUSTER_OWN, 1, 20000)), 0);
    ck_assert(!journal_is_full(r->journal));
    /* What the leader had left isn't kept out by what is here of it: with two of three all of it is committed. */
    cluster_run(c, 3000);
    ck_assert(!replica_leads(first_of(c, leader)));
    c->cut[node] = c->links[node][leader].mute = false;
    for (int i = 0; i < 3000 && (replica_high_watermark(first_of(c, node)) < 21); i++)
        cluster_run(c, 10);
    ck_assert_int_eq(replica_high_watermark(first_of(c, node)), 21);
    ck_assert_uint_eq(r->shard.unapplied_bytes, 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* What it took of partitions may be of such that it has left since, and that will never be committed as far as it
 * hears: metadata, which says so, has to get through. */
START_TEST(metadata_gets_through)
{
    int leader, node;
    struct cluster *c = with_leader(42, 3, &leader, &node);
    struct replica *leads, *follows;
    struct rig_op *op;

    lead_all(c, leader, 3);
    take_all_that_fits(c, leader, node);
    leads = cluster_replica(c, leader, 2);
    follows = cluster_replica(c, node, 2);
    follows->machine = xcalloc(1, sizeof(*follows->machine));
    op = rig_produce(c->nodes[leader], 2, 1, 10000);
    cluster_run(c, 50);
    ck_assert(!op->done);
    ck_assert_uint_eq(follows->last_index, leads->last_index);
    ck_assert_uint_gt(c->nodes[node]->shard.unapplied_state_bytes, 10000);
    /* It has no more than its part either. */
    for (int i = 0; i < 20; i++) {
        rig_produce(c->nodes[leader], 2, 1, 20000);
        cluster_run(c, 10);
    }
    ck_assert_uint_gt(leads->last_index, follows->last_index);
    ck_assert_uint_le(c->nodes[node]->shard.unapplied_state_bytes, c->nodes[node]->unapplied_bytes / 4);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A node that starts anew doesn't know what was committed, and of a group that it has left since it won't hear. That
 * may be more than may be copied, and fill its journal. */
START_TEST(metadata_gets_into_a_full_journal)
{
    int leader, node;
    struct cluster *c = with_leader(45, 3, &leader, &node);
    struct rig *r = c->nodes[node];
    struct replica *follows;

    lead_all(c, leader, 3);
    cluster_kill(c, node);
    r->journal_config.size_bytes = 2 << 20;
    cluster_restart(c, node);
    cluster_run(c, 500);
    for (int i = 0; i < 30; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 20000)), 0);
    cluster_crash(c, node);
    for (int i = 0; i < CLUSTER_NODES; i++)
        if (i != node)
            replica_close(first_of(c, i));
    cluster_restart(c, node);
    for (int i = 0; i < 300 && !journal_is_full(r->journal); i++) {
        rig_produce(r, CLUSTER_OWN, 1, 20000);
        cluster_run(c, 10);
    }
    ck_assert(journal_is_full(r->journal));
    follows = cluster_replica(c, node, 2);
    follows->machine = xcalloc(1, sizeof(*follows->machine));
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(cluster_wait(c, rig_produce(c->nodes[leader], 2, 1, 1000)), 0);
    cluster_run(c, 500);
    ck_assert(journal_is_full(r->journal));
    ck_assert_int_eq(replica_high_watermark(follows), 20);
    cluster_free(c);
}
END_TEST

Suite *rest_suite(void)
{
    Suite *s = suite_create("rest");

    suite_add(s, groups_rest_and_wake);
    suite_add(s, a_node_hands_over_all_that_it_leads);
    suite_add(s, a_drain_ends_when_others_lead);
    suite_add(s, a_journal_that_stands_still_loses_the_lead);
    suite_add(s, a_journal_at_rest_keeps_the_lead);
    suite_add(s, nobody_vouches_for_a_leader_that_ends);
    suite_add(s, a_turn_is_one_proposal);
    suite_add(s, what_waits_is_void_when_the_lead_is_lost);
    suite_add(s, what_waits_goes_with_its_replica);
    suite_add(s, a_transfer_voids_nothing);
    suite_add(s, uncommitted_entries_have_a_limit);
    suite_add(s, a_group_has_a_limit_of_its_own);
    suite_add(s, groups_share_what_isnt_committed);
    suite_add(s, a_follower_takes_no_more_than_its_journal_can_hold);
    suite_add(s, metadata_gets_through);
    suite_add(s, metadata_gets_into_a_full_journal);
    return s;
}
