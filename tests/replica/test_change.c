/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Groups whose members change. */

#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "replica/cluster.h"
#include "replica/suites.h"

#define ALL(n) ((1u << (n)) - 1)
#define BIT(node) (1u << (node))

static struct replica *replica_of(const struct cluster *c, int node)
{
    return cluster_replica(c, node, 0);
}

static void produce_many(struct cluster *c, int node, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, node, 300)), 0);
    cluster_run(c, 300);
}

static void delete_records(struct cluster *c, int node, int64_t offset)
{
    const struct replica_op op = { .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = offset };

    ck_assert_int_eq(cluster_wait(c, rig_submit(c->nodes[node], 0, &op)), 0);
    cluster_run(c, 300);
}

/* Group 0 has these voters and learners, as the node knows, in its last configuration. */
static void check_members(const struct cluster *c, int node, unsigned voters, unsigned learners)
{
    struct replica_members m, wanted;
    uint64_t index;

    ck_assert(replica_members(replica_of(c, node), &m, &index));
    cluster_wanted(c, voters, learners, &wanted);
    ck_assert(replica_members_equal(&m, &wanted));
}

/* With the first leader, so that a start doesn't depend on what it is told any more. */
START_TEST(what_a_group_is_made_with_gets_into_its_log)
{
    struct cluster *c = cluster_new_with(14, 1 << 20, 2, 3, 3);
    int leader = cluster_leader(c);

    cluster_run(c, 500);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(replica_of(c, i)->peers->applied->index, 2);
        check_members(c, i, ALL(3), 0);
    }
    for (int i = 0; i < 3; i++) {
        cluster_crash(c, i);
        c->nodes[i]->members = NULL;
        cluster_restart(c, i);
        ck_assert(!replica_is_open(replica_of(c, i)));
    }
    produce_many(c, cluster_leader(c), 3);
    ck_assert_uint_gt(replica_term(replica_of(c, leader)), 1);
    for (int i = 0; i < 3; i++)
        check_members(c, i, ALL(3), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A sole voter goes on while others come to it, with what was on its way. */
START_TEST(one_becomes_three)
{
    struct cluster *c = cluster_new_with(1, 1 << 20, 2, 3, 1);
    struct replica_members wanted;
    struct rig_op *ops[20];

    ck_assert_ptr_null(replica_of(c, 0)->peers);
    cluster_wanted(c, ALL(3), 0, &wanted);
    cluster_run(c, 10);
    /* An empty log: its term has to be durable first. */
    ck_assert_int_eq(cluster_change(c, 0, &wanted), RAFT_E_CONFIG_PENDING);
    cluster_run(c, 10);
    produce_many(c, 0, 5);
    sim_lane_hold(c->nodes[0]->lane, LANE_FLUSH, 0, true);
    for (int i = 0; i < 10; i++)
        ops[i] = cluster_produce(c, 0, 100);
    cluster_step(c);
    ck_assert_int_eq(cluster_change(c, 0, &wanted), 0);
    ck_assert_ptr_nonnull(replica_of(c, 0)->peers);
    ck_assert(replica_leads(replica_of(c, 0)));
    for (int i = 10; i < 20; i++)
        ops[i] = cluster_produce(c, 0, 100);
    cluster_run(c, 100);
    ck_assert(c->changes[0].busy);
    ck_assert(!ops[0]->done);
    sim_lane_hold(c->nodes[0]->lane, LANE_FLUSH, 0, false);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(cluster_wait(c, ops[i]), 0);
    cluster_run(c, 1000);
    ck_assert(!c->changes[0].busy);
    ck_assert_int_eq(c->changes[0].result, 0);
    ck_assert_uint_eq(replica_term(replica_of(c, 0)), 1);
    for (int i = 0; i < 3; i++)
        check_members(c, i, ALL(3), 0);
    cluster_crash(c, 0);
    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, cluster_leader(c), 100)), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* It stays a group of the fleet, but needs nobody any more, and leads at once after a start. */
START_TEST(three_become_one)
{
    struct cluster *c = cluster_new_with(2, 4096, 2, 3, 3);
    int leader = cluster_leader(c);

    produce_many(c, leader, 20);
    cluster_change_to(c, BIT(leader), 0);
    cluster_crash(c, (leader + 1) % 3);
    cluster_crash(c, (leader + 2) % 3);
    produce_many(c, leader, 5);
    ck_assert(fleet_is_at_rest(&replica_of(c, leader)->peers->member));
    cluster_kill(c, leader);
    cluster_restart(c, leader);
    cluster_run(c, 200);
    ck_assert(replica_is_open(replica_of(c, leader)));
    ck_assert_int_eq(replica_high_watermark(replica_of(c, leader)), 25);
    cluster_heal(c);
    cluster_change_to(c, ALL(3), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* The change goes on while all that is asked of the group does, and the group's state is what tells of it. */
START_TEST(a_start_knows_the_members)
{
    struct cluster *c = cluster_new_with(3, 4096, 2, 4, 1);

    produce_many(c, 0, 3);
    cluster_change_to(c, ALL(3), BIT(3));
    /* From the journal. */
    for (int i = 0; i < 4; i++) {
        cluster_crash(c, i);
        cluster_restart(c, i);
    }
    cluster_leader(c);
    cluster_run(c, 500);
    for (int i = 0; i < 4; i++)
        check_members(c, i, ALL(3), BIT(3));
    /* From a snapshot, with the entry long gone. */
    produce_many(c, cluster_leader(c), 60);
    delete_records(c, cluster_leader(c), 50);
    for (int i = 0; i < 4; i++) {
        replica_checkpoint(replica_of(c, i), UINT64_MAX);
        cluster_run(c, 200);
        ck_assert_uint_gt(log_first_index(replica_of(c, i)->log), replica_of(c, i)->peers->applied->index);
    }
    for (int i = 0; i < 4; i++) {
        cluster_crash(c, i);
        cluster_restart(c, i);
    }
    cluster_leader(c);
    cluster_run(c, 500);
    for (int i = 0; i < 4; i++)
        check_members(c, i, ALL(3), BIT(3));
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* What it begins with has the members in it, of before it came. */
START_TEST(a_new_member_far_behind_gets_an_image)
{
    struct cluster *c = cluster_new_with(4, 4096, 2, 4, 3);
    int leader = cluster_leader(c);
    const struct replica_config_body *b;

    produce_many(c, leader, 60);
    delete_records(c, leader, 50);
    cluster_change_to(c, ALL(4), 0);
    ck_assert_uint_gt(c->n_images, 0);
    cluster_crash(c, 3);
    cluster_restart(c, 3);
    cluster_run(c, 2000);
    check_members(c, 3, ALL(4), 0);
    /* The next one gets one that knows of a change. */
    leader = cluster_leader(c);
    produce_many(c, leader, 60);
    delete_records(c, leader, 110);
    cluster_change_to(c, ALL(3), 0);
    cluster_wipe(c, 3);
    c->n_images = 0;
    cluster_change_to(c, ALL(3), BIT(3));
    ck_assert_uint_gt(c->n_images, 0);
    b = replica_of(c, 3)->peers->applied;
    ck_assert_uint_gt(b->index, 0);
    cluster_run(c, 500);
    check_members(c, 3, ALL(3), BIT(3));
    cluster_change_to(c, ALL(4), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* A configuration that nobody else has goes with its entry, here and in the journal. */
START_TEST(a_cut_brings_the_members_back)
{
    struct cluster *c = cluster_new_with(5, 1 << 20, 2, 4, 3);
    int old = cluster_leader(c), new;
    struct replica_members wanted, m;
    uint64_t index;

    produce_many(c, old, 3);
    c->cut[old] = true;
    cluster_wanted(c, ALL(3), BIT(3), &wanted);
    ck_assert_int_eq(cluster_change(c, old, &wanted), 0);
    cluster_run(c, 50);
    ck_assert(!replica_members(replica_of(c, old), &m, &index));
    ck_assert_uint_eq(m.n_members, 4);
    ck_assert_uint_eq(index, replica_of(c, old)->last_index);
    cluster_kill(c, old);
    cluster_restart(c, old);
    /* A start takes it for what holds, but not for committed. */
    ck_assert(!replica_members(replica_of(c, old), &m, &index));
    ck_assert_uint_eq(m.n_members, 4);
    new = cluster_leader(c);
    ck_assert_int_ne(new, old);
    produce_many(c, new, 1);
    c->cut[old] = false;
    cluster_run(c, 2000);
    check_members(c, old, ALL(3), 0);
    cluster_kill(c, old);
    cluster_restart(c, old);
    check_members(c, old, ALL(3), 0);
    cluster_change_to(c, ALL(4), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* The leader has a joint configuration in its log. */
static void stop_in_joint(struct cluster *c)
{
    struct replica_members wanted, m;
    uint64_t index;
    int leader;

    cluster_change_to(c, ALL(3), BIT(3));
    leader = cluster_leader(c);
    cluster_wanted(c, ALL(4) & ~BIT((leader + 1) % 3), 0, &wanted);
    ck_assert_int_eq(cluster_change(c, leader, &wanted), 0);
    for (int i = 0; i < 1000; i++) {
        cluster_step(c);
        replica_members(replica_of(c, leader), &m, &index);
        if (replica_members_are_joint(&m))
            break;
    }
    ck_assert(replica_members_are_joint(&m));
}

/* Whoever leads leaves it, though nobody asked this one for the change. */
START_TEST(a_joint_configuration_is_left_after_a_start)
{
    for (int last = 0; last < 40; last += 3) {
        struct cluster *c = cluster_new_with(6, 1 << 20, 2, 4, 3);
        struct replica_members m;
        uint64_t index;
        int leader;

        stop_in_joint(c);
        for (int i = 0; i < last; i++)
            cluster_step(c);
        for (int i = 0; i < 4; i++)
            cluster_crash(c, i);
        for (int i = 0; i < 4; i++)
            cluster_restart(c, i);
        cluster_leader(c);
        cluster_run(c, 500);
        leader = cluster_leader(c);
        ck_assert(replica_members(replica_of(c, leader), &m, &index));
        ck_assert(!replica_members_are_joint(&m));
        cluster_change_to(c, ALL(4), 0);
        cluster_check(c);
        cluster_free(c);
    }
}
END_TEST

static const struct raft *core_of(const struct cluster *c, int node)
{
    return replica_of(c, node)->raft;
}

/* A leader may remove itself: the change comes to its end, others lead, and it comes to know. */
START_TEST(a_leader_that_is_removed)
{
    struct cluster *c = cluster_new_with(7, 1 << 20, 2, 3, 3);
    int leader = cluster_leader(c), new;
    struct replica_members wanted;
    uint64_t term;

    produce_many(c, leader, 3);
    cluster_wanted(c, ALL(3) & ~BIT(leader), 0, &wanted);
    ck_assert_int_eq(cluster_change(c, leader, &wanted), 0);
    cluster_run(c, 500);
    ck_assert(!c->changes[leader].busy);
    ck_assert_int_eq(c->changes[leader].result, 0);
    ck_assert(!replica_leads(replica_of(c, leader)));
    check_members(c, leader, ALL(3) & ~BIT(leader), 0);
    cluster_run(c, 3000);
    new = cluster_leader(c);
    ck_assert_int_ne(new, leader);
    produce_many(c, new, 3);
    term = replica_term(replica_of(c, new));
    cluster_run(c, 10000);
    ck_assert_uint_eq(replica_term(replica_of(c, new)), term);
    ck_assert(raft_role(core_of(c, leader)) == RAFT_FOLLOWER);
    cluster_change_to(c, ALL(3), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* It hears of it by the entry itself. One that was away then asks for votes when it is back, and nobody minds. */
START_TEST(a_follower_that_is_removed)
{
    struct cluster *c = cluster_new_with(8, 1 << 20, 2, 4, 4);
    int leader = cluster_leader(c), gone = (leader + 1) % 4, away = (leader + 2) % 4;
    uint64_t term;

    produce_many(c, leader, 3);
    cluster_change_to(c, ALL(4) & ~BIT(gone), 0);
    cluster_run(c, 500);
    check_members(c, gone, ALL(4) & ~BIT(gone), 0);
    cluster_crash(c, away);
    leader = cluster_leader(c);
    cluster_change_to(c, ALL(4) & ~BIT(gone) & ~BIT(away), 0);
    leader = cluster_leader(c);
    produce_many(c, leader, 3);
    term = replica_term(replica_of(c, leader));
    cluster_restart(c, away);
    cluster_run(c, 10000);
    ck_assert(replica_leads(replica_of(c, leader)));
    ck_assert_uint_eq(replica_term(replica_of(c, leader)), term);
    ck_assert_uint_le(replica_term(replica_of(c, away)), term);
    ck_assert_uint_le(replica_term(replica_of(c, gone)), term);
    cluster_change_to(c, ALL(4), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Who lost the one entry that removes it, asks, and is told. */
START_TEST(who_asks_for_votes_is_told_of_its_removal)
{
    struct cluster *c = cluster_new_with(9, 1 << 20, 2, 3, 3);
    int leader = cluster_leader(c), gone = (leader + 1) % 3;
    struct replica_members wanted, m;
    uint64_t index;

    produce_many(c, leader, 3);
    cluster_wanted(c, ALL(3) & ~BIT(gone), 0, &wanted);
    ck_assert_int_eq(cluster_change(c, leader, &wanted), 0);
    for (int i = 0; i < 2000; i++) {
        cluster_step(c);
        replica_members(replica_of(c, gone), &m, &index);
        if (replica_members_are_joint(&m))
            break;
        cluster_run(c, 1);
    }
    ck_assert(replica_members_are_joint(&m));
    c->cut[gone] = true;
    cluster_run(c, 1000);
    ck_assert_int_eq(c->changes[leader].result, 0);
    ck_assert(!c->changes[leader].busy);
    c->cut[gone] = false;
    cluster_run(c, 4000);
    check_members(c, gone, ALL(3) & ~BIT(gone), 0);
    cluster_change_to(c, ALL(3), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* By their order in the last configuration: the new one comes last. */
START_TEST(who_is_preferred_as_leader_changes_with_the_members)
{
    struct cluster *c = cluster_new_with(15, 1 << 20, 2, 4, 3);
    int leader;

    produce_many(c, cluster_leader(c), 3);
    cluster_change_to(c, ALL(4) & ~BIT(0), 0);
    leader = cluster_leader(c);
    if (leader != 1)
        ck_assert_int_eq(replica_transfer(replica_of(c, leader), 2), 0);
    cluster_run(c, 500);
    ck_assert_int_eq(cluster_leader(c), 1);
    cluster_kill(c, 1);
    ck_assert_int_eq(cluster_leader(c), 2);
    cluster_restart(c, 1);
    cluster_run(c, 500);
    cluster_kill(c, 2);
    ck_assert_int_eq(cluster_leader(c), 1);
    cluster_restart(c, 2);
    cluster_change_to(c, ALL(4), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static unsigned n_told;

static void note_members(void *ctx, struct replica *r)
{
    struct replica_members m;
    uint64_t index;

    (void)ctx;
    (void)replica_members(r, &m, &index);
    ck_assert_uint_gt(index, 0);
    n_told++;
}

/* When another configuration holds, and when it is applied. */
START_TEST(the_node_is_told_of_other_members)
{
    struct cluster *c = cluster_new_with(16, 1 << 20, 2, 4, 3);
    int leader = cluster_leader(c);

    produce_many(c, leader, 1);
    n_told = 0;
    c->nodes[leader]->shard.members_changed = note_members;
    cluster_change_to(c, ALL(3), BIT(3));
    cluster_run(c, 100);
    ck_assert_uint_eq(n_told, 2);
    cluster_change_to(c, ALL(4), 0);
    cluster_run(c, 100);
    ck_assert_uint_eq(n_told, 6);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Nobody leads for so long. */
static bool stays_without_leader(struct cluster *c, int a, int b)
{
    for (int i = 0; i < 1000; i++) {
        cluster_run(c, 10);
        if (replica_leads(replica_of(c, a)) || replica_leads(replica_of(c, b)))
            return false;
    }
    return true;
}

/* With its disk a node lost what it had voted and acknowledged: its vote would make a leader of one that lacks what it
 * helped to commit. */
START_TEST(a_node_with_an_emptied_disk_does_not_vote)
{
    struct cluster *c = cluster_new_with(10, 1 << 20, 2, 3, 3);
    int leader = cluster_leader(c), behind = (leader + 1) % 3, wiped = (leader + 2) % 3;

    produce_many(c, leader, 3);
    c->cut[behind] = true;
    produce_many(c, leader, 3);
    cluster_wipe(c, wiped);
    c->cut[leader] = true;
    c->cut[behind] = false;
    ck_assert(stays_without_leader(c, behind, wiped));
    c->cut[leader] = false;
    /* Nor when it knows the group again, whose members name another one. */
    leader = cluster_leader(c);
    cluster_run(c, 3000);
    c->cut[leader] = true;
    behind = 3 - leader - wiped;
    ck_assert(stays_without_leader(c, behind, wiped));
    c->cut[leader] = false;
    /* Readmitted it is a member like others. */
    cluster_change_to(c, ALL(3), 0);
    leader = cluster_leader(c);
    c->cut[leader] = true;
    ck_assert(!stays_without_leader(c, (leader + 1) % 3, (leader + 2) % 3));
    c->cut[leader] = false;
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* It is always behind what the others have committed meanwhile; enough that it gets all of that. */
START_TEST(a_slow_learner_becomes_a_voter_under_load)
{
    struct cluster *c = cluster_new_with(18, 1 << 20, 2, 4, 3);
    int leader = cluster_leader(c);
    struct replica_members wanted;

    produce_many(c, leader, 3);
    c->links[leader][3].delay_ms = c->links[3][leader].delay_ms = 30;
    cluster_wanted(c, ALL(4), 0, &wanted);
    ck_assert_int_eq(cluster_change(c, leader, &wanted), 0);
    for (int i = 0; i < 1000 && c->changes[leader].busy; i++) {
        cluster_produce(c, leader, 100);
        cluster_run(c, 1);
    }
    ck_assert(!c->changes[leader].busy);
    ck_assert_int_eq(c->changes[leader].result, 0);
    cluster_heal(c);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static int later_result;

static void later_done(struct replica_change *c, int result)
{
    (void)c;
    later_result = result;
}

START_TEST(changes_that_are_refused_or_superseded)
{
    struct cluster *c = cluster_new_with(11, 1 << 20, 2, 4, 3);
    int leader = cluster_leader(c);
    struct cluster_change *change = &c->changes[leader];
    struct replica_change later = { .done = later_done };
    struct replica_members wanted;
    size_t n_configs;

    later_result = -1;
    produce_many(c, leader, 3);
    cluster_wanted(c, ALL(3), 0, &wanted);
    ck_assert_int_eq(cluster_change(c, (leader + 1) % 3, &wanted), RAFT_E_NOT_LEADER);
    wanted.members[0].roles = RAFT_OUTGOING;
    ck_assert_int_eq(cluster_change(c, leader, &wanted), RAFT_E_CONFIG_INVALID);
    wanted.members[0].roles = RAFT_VOTER;
    wanted.members[leader].incarnation.bytes[1]++;
    ck_assert_int_eq(cluster_change(c, leader, &wanted), RAFT_E_CONFIG_INVALID);
    /* What is so already is soon done. */
    n_configs = c->n_configs;
    cluster_wanted(c, ALL(3), 0, &wanted);
    ck_assert_int_eq(cluster_change(c, leader, &wanted), 0);
    cluster_run(c, 1);
    ck_assert(!change->busy);
    ck_assert_int_eq(change->result, 0);
    ck_assert_uint_eq(c->n_configs, n_configs);
    /* A new member that never answers. */
    cluster_crash(c, 3);
    cluster_wanted(c, ALL(4), 0, &wanted);
    ck_assert_int_eq(cluster_change(c, leader, &wanted), 0);
    cluster_run(c, 3000);
    ck_assert(change->busy);
    check_members(c, leader, ALL(3), BIT(3));
    cluster_wanted(c, ALL(3), 0, &wanted);
    ck_assert_int_eq(replica_change_members(replica_of(c, leader), &later, &wanted), 0);
    ck_assert(!change->busy);
    ck_assert_int_eq(change->result, REPLICA_E_SUPERSEDED);
    cluster_run(c, 500);
    ck_assert_int_eq(later_result, 0);
    check_members(c, leader, ALL(3), 0);
    cluster_restart(c, 3);
    cluster_change_to(c, ALL(4), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static struct {
    struct replica_change change;
    struct replica_members wanted;
    struct replica *replica;
    unsigned n_done;
} twice;

static void twice_done(struct replica_change *c, int result)
{
    ck_assert_int_eq(result, 0);
    if (++twice.n_done == 1)
        ck_assert_int_eq(replica_change_members(twice.replica, c, &twice.wanted), 0);
}

/* In the same turn: nobody may come by for long. */
START_TEST(a_change_that_is_done_may_ask_for_the_next)
{
    struct cluster *c = cluster_new_with(17, 1 << 20, 2, 3, 3);
    int leader = cluster_leader(c);

    produce_many(c, leader, 3);
    cluster_wanted(c, ALL(3), 0, &twice.wanted);
    twice.change.done = twice_done;
    twice.replica = replica_of(c, leader);
    twice.n_done = 0;
    ck_assert_int_eq(replica_change_members(twice.replica, &twice.change, &twice.wanted), 0);
    cluster_step(c);
    ck_assert_uint_eq(twice.n_done, 2);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Each step of a change, each step of the cluster, either side. */
START_TEST(a_crash_in_a_change)
{
    struct cluster *c = cluster_new_with(12, 4096, 2, 4, 3);

    for (unsigned steps = 0; steps < 60; steps++) {
        int leader = cluster_leader(c), victim = steps % 3 == 0 ? leader : (int)(steps % 4);
        struct replica_members wanted;

        cluster_wanted(c, ALL(4) & ~BIT(steps % 2 == 0 ? 3 : leader), 0, &wanted);
        cluster_produce(c, leader, 300);
        if (!c->changes[leader].busy)
            cluster_change(c, leader, &wanted);
        for (unsigned i = 0; i < steps; i++)
            cluster_step(c);
        if (steps % 5 == 0)
            cluster_kill(c, victim);
        else
            cluster_crash(c, victim);
        cluster_restart(c, victim);
        cluster_run(c, 2500);
        for (int i = 0; cluster_wait(c, cluster_produce(c, cluster_leader(c), 100)) != 0; i++)
            ck_assert_int_lt(i, 10);
    }
    cluster_change_to(c, ALL(4), 0);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* ---- Stories ---- */

/* GQ_MEMBERS_SEEDS=FIRST:COUNT tries others. */
START_TEST(stories)
{
    const char *text = getenv("GQ_MEMBERS_SEEDS");
    unsigned long first = 1, count = 20;
    struct cluster_counts counts = { 0 };

    if (text != NULL)
        ck_assert_int_eq(sscanf(text, "%lu:%lu", &first, &count), 2);
    for (unsigned long seed = first; seed < first + count; seed++) {
        if (text != NULL)
            fprintf(stderr, "seed %lu\n", seed);
        cluster_members_story(seed, &counts);
    }
    if (text != NULL)
        return;
    ck_assert_uint_gt(counts.n_acked, 300);
    ck_assert_uint_gt(counts.n_images, 10);
    ck_assert_uint_gt(counts.n_changed, 40);
    ck_assert_uint_gt(counts.n_configs, 200);
}
END_TEST

Suite *change_suite(void)
{
    Suite *s = suite_create("change");

    suite_add(s, what_a_group_is_made_with_gets_into_its_log);
    suite_add(s, one_becomes_three);
    suite_add(s, three_become_one);
    suite_add(s, a_start_knows_the_members);
    suite_add(s, a_new_member_far_behind_gets_an_image);
    suite_add(s, a_cut_brings_the_members_back);
    suite_add(s, a_joint_configuration_is_left_after_a_start);
    suite_add(s, a_leader_that_is_removed);
    suite_add(s, a_follower_that_is_removed);
    suite_add(s, who_asks_for_votes_is_told_of_its_removal);
    suite_add(s, who_is_preferred_as_leader_changes_with_the_members);
    suite_add(s, the_node_is_told_of_other_members);
    suite_add(s, a_node_with_an_emptied_disk_does_not_vote);
    suite_add(s, a_slow_learner_becomes_a_voter_under_load);
    suite_add(s, changes_that_are_refused_or_superseded);
    suite_add(s, a_change_that_is_done_may_ask_for_the_next);
    suite_add(s, a_crash_in_a_change);
    suite_add(s, stories);
    return s;
}
