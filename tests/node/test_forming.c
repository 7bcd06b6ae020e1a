/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How several nodes form a cluster, once, whatever happens on the way. */
#include <stdio.h>

#include "base/util.h"
#include "node/cluster.h"
#include "node/internal.h"
#include "node/suites.h"
#include "wire/error.h"

static const struct superblock *superblock(const struct cluster *c, int i)
{
    return &c->rigs[i]->node->superblock;
}

static void check_formed(const struct cluster *c)
{
    for (int i = 0; i < c->n; i++) {
        const struct meta *m = &c->rigs[i]->node->reactors[0].meta;

        ck_assert(!uuid_is_zero(&superblock(c, i)->cluster_id));
        ck_assert(uuid_eq(&superblock(c, i)->cluster_id, &superblock(c, 0)->cluster_id));
        ck_assert(uuid_eq(&m->cluster_id, &superblock(c, 0)->cluster_id));
        ck_assert_int_eq(superblock(c, i)->broker_id, i + 1);
        ck_assert_uint_eq(meta_n_brokers(m), (unsigned)c->n);
        for (int k = 0; k < c->n; k++) {
            const struct meta_broker *b = meta_broker_by_id(m, k + 1);

            ck_assert_str_eq(b->node_id, c->names[k]);
            ck_assert_str_eq(b->raft_addr, c->addresses[k]);
            ck_assert(uuid_eq(&b->incarnation, &superblock(c, k)->incarnation));
            ck_assert_int_eq(b->votes, c->n == 2 ? k == 0 : k < 3);
        }
    }
}

START_TEST(nodes_form_a_cluster)
{
    struct cluster *c = cluster_new(1 + (uint64_t)_i, 2 + _i, 1 + (unsigned)_i % 2);
    int32_t controller;

    cluster_start_all(c);
    cluster_settle(c);
    cluster_run(c, 500 * MS); /* all have heard of all who registered */
    check_formed(c);
    controller = cluster_ask_controller(c, 0);
    ck_assert_int_ge(controller, 1);
    for (int i = 0; i < c->n; i++) {
        ck_assert_int_eq(cluster_ask_controller(c, i), controller);
        for (int k = 0; k < c->n; k++)
            ck_assert_uint_eq(meta_broker_by_id(&c->rigs[i]->node->reactors[0].meta, k + 1)->port, 9092);
    }
    cluster_free(c);
}
END_TEST

/* Nothing is decided while one of them is missing, and clients hear that it isn't ready. */
START_TEST(all_that_are_listed_must_be_there)
{
    struct cluster *c = cluster_new(11, 3, 1);

    cluster_start(c, 0);
    cluster_start(c, 1);
    cluster_run(c, 8000 * MS);
    ck_assert(uuid_is_zero(&superblock(c, 0)->cluster_id));
    ck_assert(uuid_is_zero(&superblock(c, 1)->cluster_id));
    ck_assert(!rig_is_ready(c->rigs[0]));
    ck_assert_int_eq(cluster_ask_controller(c, 0), -1);
    ck_assert_int_eq(ask_create(rig_connect(c->rigs[0], 0), "orders", 1), KAFKA_E_NOT_CONTROLLER);
    ck_assert_int_eq(cluster_ask_leader(c, 0, "orders", 0), -1);
    cluster_start(c, 2);
    cluster_settle(c);
    check_formed(c);
    cluster_free(c);
}
END_TEST

/* One node's disk dies after so many steps, at whatever that is; it comes back with what was durable. */
static void form_with_a_crash(uint64_t seed, int victim, uint64_t steps, enum sim_disk_crash how)
{
    struct cluster *c = cluster_new(seed, 3, 1);

    for (int i = 0; i < 3; i++)
        if (i != victim)
            cluster_start(c, i);
    sim_disk_crash_after(c->rigs[victim]->disk, steps);
    if (rig_start(c->rigs[victim]) == 0)
        for (int i = 0; i < 200 && !sim_disk_is_dead(c->rigs[victim]->disk); i++)
            cluster_run(c, 10 * MS);
    cluster_crash(c, victim, how);
    cluster_start(c, victim);
    cluster_settle(c);
    check_formed(c);
    cluster_free(c);
}

START_TEST(a_crash_at_each_step_of_forming)
{
    for (int victim = 0; victim < 3; victim += 2)
        form_with_a_crash(100 + (uint64_t)_i, victim, (uint64_t)_i, _i % 3 == 0 ? SIM_CRASH_DRAW : SIM_CRASH_NOTHING);
}
END_TEST

/* The one who formed it is gone as soon as it was durable there, or as one has heard of it. */
START_TEST(the_first_may_fail)
{
    struct cluster *c = cluster_new(31 + (uint64_t)_i, 3, 1);

    cluster_start_all(c);
    for (int i = 0; i < 10000 && uuid_is_zero(&superblock(c, _i)->cluster_id); i++)
        cluster_run(c, MS / 20);
    cluster_crash(c, 0, SIM_CRASH_NOTHING);
    cluster_run(c, 3000 * MS);
    if (_i == 1)
        ck_assert(!uuid_is_zero(&superblock(c, 2)->cluster_id));
    cluster_start(c, 0);
    cluster_settle(c);
    check_formed(c);
    cluster_free(c);
}
END_TEST

/* The metadata's first entry is in a segment, and the journal, which stands still, hasn't got it. */
START_TEST(the_journal_may_come_last)
{
    struct cluster *c = cluster_new(41 + (uint64_t)_i, 3, 1);
    struct rig *r = c->rigs[1];

    cluster_start_all(c);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, true);
    for (int i = 0; i < 1000 && uuid_is_zero(&superblock(c, 1)->cluster_id); i++)
        cluster_run(c, MS);
    ck_assert(!uuid_is_zero(&superblock(c, 1)->cluster_id));
    cluster_run(c, 100 * MS);
    node_stop(r->node, 0, 0);
    cluster_run(c, 3000 * MS);
    cluster_crash(c, 1, SIM_CRASH_ALL);
    cluster_start(c, 1);
    cluster_settle(c);
    check_formed(c);
    cluster_free(c);
}
END_TEST

/* A node that is a cluster by itself never forms another, and the others don't without it. */
START_TEST(who_belongs_to_a_cluster_stays)
{
    struct cluster *c = cluster_new(41, 3, 1);
    struct rig *r = c->rigs[1];
    struct uuid own;

    r->peers.n = 0;
    r->cluster = NULL;
    rig_start_ok(r);
    ck_assert_int_eq(ask_create(rig_connect(r, 0), "orders", 1), 0);
    own = superblock(c, 1)->cluster_id;
    rig_kill(r);
    for (int i = 0; i < 3; i++)
        sim_clock_advance_to(&c->rigs[i]->clock, r->clock.mono_ns);
    r->peers.n = 3;
    r->cluster = c;
    cluster_start_all(c);
    cluster_run(c, 5000 * MS);
    ck_assert(uuid_eq(&superblock(c, 1)->cluster_id, &own));
    ck_assert(rig_is_ready(r));
    ck_assert(uuid_is_zero(&superblock(c, 0)->cluster_id));
    ck_assert(uuid_is_zero(&superblock(c, 2)->cluster_id));
    cluster_free(c);
}
END_TEST

START_TEST(lists_are_checked)
{
    struct cluster *c = cluster_new(51, 3, 1);
    struct rig *r = c->rigs[0];

    c->items[2].node_id = c->names[1];
    ck_assert_int_eq(rig_start(r), NODE_E_PEERS);
    rig_kill(r);
    c->items[2].node_id = c->names[2];
    c->items[1].raft_addr = NULL;
    ck_assert_int_eq(rig_start(r), NODE_E_PEERS);
    rig_kill(r);
    c->items[1].raft_addr = c->addresses[1];
    cluster_start(c, 0);
    rig_kill(r);
    r->peers.n = 0;
    ck_assert_int_eq(rig_start(r), NODE_E_PEERS); /* it waits, and mustn't become a cluster alone */
    cluster_free(c);
}
END_TEST

START_TEST(the_formation_must_be_there)
{
    struct cluster *c = cluster_new(61, 3, 1);
    struct rig *r = c->rigs[1];

    cluster_start_all(c);
    cluster_settle(c);
    cluster_crash(c, 1, SIM_CRASH_ALL);
    ck_assert_int_eq(sim_disk_flip(r->disk, NODE_FORMATION_PATH, 60, 1), 0);
    ck_assert_int_eq(rig_start(r), NODE_E_DATA);
    rig_kill(r);
    ck_assert_int_eq(sim_disk_flip(r->disk, NODE_FORMATION_PATH, 60, 1), 0);
    ck_assert_int_eq(disk_rename(sim_disk_env(r->disk), NODE_FORMATION_PATH, "elsewhere"), 0);
    ck_assert_int_eq(rig_start(r), NODE_E_DATA);
    rig_kill(r);
    ck_assert_int_eq(disk_rename(sim_disk_env(r->disk), "elsewhere", NODE_FORMATION_PATH), 0);
    cluster_start(c, 1);
    cluster_settle(c);
    check_formed(c);
    cluster_free(c);
}
END_TEST

/* The list isn't needed any more, and a changed one changes nothing. */
START_TEST(a_formed_node_needs_no_list)
{
    struct cluster *c = cluster_new(71, 3, 1);

    cluster_start_all(c);
    cluster_settle(c);
    for (int i = 0; i < 3; i++)
        cluster_crash(c, i, SIM_CRASH_NOTHING);
    for (int i = 0; i < 3; i++)
        c->rigs[i]->peers.n = (size_t)i;
    cluster_start_all(c);
    cluster_settle(c);
    check_formed(c);
    cluster_free(c);
}
END_TEST

static void add_loop(Suite *s, const char *name, const TTest *test, int from, int to)
{
    TCase *tc = tcase_create(name);

    tcase_add_loop_test(tc, test, from, to);
    suite_add_tcase(s, tc);
}

Suite *forming_suite(void)
{
    Suite *s = suite_create("forming");

    add_loop(s, "nodes_form_a_cluster", nodes_form_a_cluster, 0, 4);
    suite_add(s, all_that_are_listed_must_be_there);
    add_loop(s, "a_crash_at_each_step_of_forming", a_crash_at_each_step_of_forming, 0, 60);
    add_loop(s, "the_first_may_fail", the_first_may_fail, 0, 2);
    add_loop(s, "the_journal_may_come_last", the_journal_may_come_last, 0, 2);
    suite_add(s, who_belongs_to_a_cluster_stays);
    suite_add(s, lists_are_checked);
    suite_add(s, the_formation_must_be_there);
    suite_add(s, a_formed_node_needs_no_list);
    return s;
}
