/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "fleet/check.h"
#include "fleet/suites.h"
#include "fleet/world.h"
#include "raft/alloc.h"

/* Many groups that rest: what they cost, what a dead, a silent and a half-deaf node do to them, and how they come to
 * rest again. */

#define GROUPS 1000
#define BEAT_MS 100
#define FAR_MS 20000 /* some elections take several tries */

static struct world *w;

static void setup(void)
{
    w = world_new(&(struct world_options){ .n_groups = GROUPS });
}

static void teardown(void)
{
    world_free(w);
}

/* Every group's first heartbeats ask who has all, the second ones who wants to rest. */
static void rest(void)
{
    world_until(w, world_rests, FAR_MS);
    ck_assert(world_has_leaders(w));
}

static bool rest_and_have_leaders(struct world *world)
{
    return world_has_leaders(world) && world_rests(world);
}

static void costs_nothing(unsigned n_sessions)
{
    struct fleet_stats before, after;
    struct alloc_count allocs;
    uint64_t n_sent, n_session_sent;

    world_run(w, 5 * BEAT_MS);
    before = world_stats(w);
    allocs = alloc_count;
    n_sent = w->n_sent;
    n_session_sent = w->n_session_sent;
    world_run(w, 100 * BEAT_MS);
    after = world_stats(w);
    ck_assert_uint_eq(alloc_count.n_calls, allocs.n_calls);
    ck_assert_uint_eq(after.n_steps, before.n_steps);
    ck_assert_uint_eq(after.n_ticks, before.n_ticks);
    ck_assert_uint_eq(w->n_sent, n_sent);
    ck_assert_uint_eq(w->n_session_sent - n_session_sent, 100 * n_sessions);
}

START_TEST(a_thousand_groups_rest_and_cost_nothing)
{
    rest();
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        ck_assert_uint_gt(world_n_led(w, id), GROUPS / 4);
    costs_nothing(WORLD_NODES * (WORLD_NODES - 1));
    ck_assert_uint_eq(world_stats(w).n_lost + world_stats(w).n_unshared, 0);
}
END_TEST

/* Candidates of different rank start apart, so nobody waits for a second try. */
START_TEST(the_groups_of_a_dead_node_get_leaders_at_once)
{
    unsigned n;

    rest();
    n = world_n_led(w, 1);
    world_kill(w, 1);
    ck_assert(!world_has_leaders(w));
    ck_assert_uint_le(world_until(w, world_has_leaders, 1000), 200);
    ck_assert_uint_eq(world_n_led(w, 2) + world_n_led(w, 3), GROUPS);
    ck_assert_uint_gt(n, 0);
    /* The others rest without it. */
    world_until(w, rest_and_have_leaders, 1000);
    costs_nothing(2);
    /* It comes back, as it was, and gets what it missed. */
    for (uint64_t group = 1; group <= GROUPS; group++)
        ck_quick(fleet_propose(world_group(w, world_leader(w, group), group), WORLD_ENTRY) == 0);
    world_run(w, 1000);
    ck_assert(world_rests(w));
    world_resume(w, 1);
    world_until(w, rest_and_have_leaders, FAR_MS);
    for (uint64_t group = 1; group <= GROUPS; group++)
        ck_quick(raft_commit_index(world_group(w, 1, group)->raft) ==
                 raft_commit_index(world_group(w, world_leader(w, group), group)->raft));
    costs_nothing(WORLD_NODES * (WORLD_NODES - 1));
}
END_TEST

/* Its silence says nothing yet when its host refuses the next connection. */
START_TEST(who_refuses_connections_is_dead)
{
    uint64_t n_steps;

    rest();
    world_pause(w, 1);
    world_disconnect(w, 1, 2, false);
    world_disconnect(w, 1, 3, false);
    world_run(w, 100);
    ck_assert(!world_has_leaders(w));
    world_disconnect(w, 1, 2, true);
    world_disconnect(w, 1, 3, true);
    ck_assert_uint_le(world_until(w, world_has_leaders, 1000), 200);
    world_until(w, rest_and_have_leaders, 1000);
    /* It is told once, however often somebody tries. */
    n_steps = world_stats(w).n_steps;
    world_disconnect(w, 1, 2, true);
    world_run(w, 10);
    ck_assert_uint_eq(world_stats(w).n_steps, n_steps);
    /* The next death is another one. */
    world_resume(w, 1);
    world_until(w, rest_and_have_leaders, FAR_MS);
    world_kill(w, 2);
    ck_assert_uint_le(world_until(w, world_has_leaders, 1000), 200);
}
END_TEST

/* Groups that it didn't lead keep their leaders and terms. */
START_TEST(a_dead_follower_changes_no_leader)
{
    static int32_t leaders[GROUPS + 1];
    static uint64_t terms[GROUPS + 1];

    rest();
    for (uint64_t group = 1; group <= GROUPS; group++) {
        leaders[group] = world_leader(w, group);
        terms[group] = raft_term(world_group(w, leaders[group], group)->raft);
    }
    world_kill(w, 1);
    world_run(w, 10000);
    for (uint64_t group = 1; group <= GROUPS; group++) {
        if (leaders[group] == 1)
            continue;
        ck_quick(world_leader(w, group) == leaders[group]);
        ck_quick(raft_term(world_group(w, leaders[group], group)->raft) == terms[group]);
    }
}
END_TEST

/* Nothing breaks the connection: an election timeout and a part of a second one for who is ranked next, and the time
 * that the session takes to see it. Where two start together it takes a second try. */
START_TEST(the_groups_of_a_silent_node_get_leaders_in_time)
{
    rest();
    world_pause(w, 1);
    ck_assert(!world_has_leaders(w));
    world_run(w, 2800);
    ck_assert_uint_le(GROUPS - world_n_led(w, 2) - world_n_led(w, 3), GROUPS / 50);
    world_until(w, world_has_leaders, 4000);
    world_resume(w, 1);
    world_until(w, rest_and_have_leaders, FAR_MS);
    ck_assert_uint_gt(world_stats(w).n_lost, 0);
}
END_TEST

static bool node_1_leads_nothing(struct world *world)
{
    for (uint64_t group = 1; group <= world->n_groups; group++)
        if (raft_role(world_group(world, 1, group)->raft) == RAFT_LEADER)
            return false;
    return world_has_leaders(world);
}

/* It hears the others, so a heartbeat that proves one way only would keep it leading. */
START_TEST(who_is_not_heard_doesnt_lead)
{
    rest();
    w->cut[1][2] = w->cut[1][3] = true;
    world_run(w, 1500);
    ck_assert_uint_eq(fleet_heard_ns(world_group(w, 1, 1), 2), 0);
    ck_assert_uint_eq(fleet_heard_ns(world_group(w, 1, 1), 3), 0);
    world_until(w, node_1_leads_nothing, 6000);
    w->cut[1][2] = w->cut[1][3] = false;
    world_until(w, rest_and_have_leaders, FAR_MS);
    costs_nothing(WORLD_NODES * (WORLD_NODES - 1));
}
END_TEST

/* Both sides of a session find the other one silent at the same time. */
START_TEST(a_network_that_heals_needs_no_new_connection)
{
    rest();
    w->cut[1][2] = w->cut[2][1] = w->cut[1][3] = w->cut[3][1] = true;
    world_run(w, 5000);
    for (uint64_t group = 1; group <= GROUPS; group++)
        ck_quick(fleet_heard_ns(world_group(w, 1, group), 2) == 0);
    w->cut[1][2] = w->cut[2][1] = w->cut[1][3] = w->cut[3][1] = false;
    world_until(w, rest_and_have_leaders, 5000);
    costs_nothing(WORLD_NODES * (WORLD_NODES - 1));
}
END_TEST

/* A session that breaks and one that is made anew make no election. */
START_TEST(a_new_connection_makes_no_election)
{
    struct fleet_stats before;
    unsigned n_led;

    rest();
    n_led = world_n_led(w, 1);
    before = world_stats(w);
    world_disconnect(w, 1, 2, false);
    ck_assert_uint_eq(world_stats(w).n_lost, before.n_lost + 2);
    ck_assert(!world_rests(w));
    world_run(w, 500);
    world_connect(w, 1, 2);
    world_until(w, rest_and_have_leaders, 1500);
    ck_assert_uint_eq(world_n_led(w, 1), n_led);
    /* Without a break between. */
    world_connect(w, 1, 2);
    world_until(w, rest_and_have_leaders, 1500);
    ck_assert_uint_eq(world_n_led(w, 1), n_led);
    ck_assert_uint_eq(world_stats(w).n_unshared, 0);
}
END_TEST

/* A follower that leaves by itself, and whose messages get lost, is in the leader's set only. */
START_TEST(a_group_that_one_side_has_falls_out)
{
    struct fleet_group *follower;
    uint64_t term;
    int32_t leader;

    rest();
    leader = world_leader(w, 7);
    term = raft_term(world_group(w, leader, 7)->raft);
    follower = world_group(w, leader % 3 + 1, 7);
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        w->cut[leader % 3 + 1][id] = true;
    world_step(follower, (struct raft_event){ .kind = RAFT_CAMPAIGN });
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        w->cut[leader % 3 + 1][id] = false;
    ck_assert(!fleet_is_at_rest(follower));
    ck_assert(fleet_is_at_rest(world_group(w, leader, 7)));
    world_run(w, 1000);
    ck_assert_uint_ge(world_stats(w).n_unshared, 1);
    world_until(w, rest_and_have_leaders, 3000);
    ck_assert_int_eq(world_leader(w, 7), leader);
    ck_assert_uint_eq(raft_term(world_group(w, leader, 7)->raft), term);
    /* The others of its bucket stayed where they were. */
    ck_assert_uint_eq(world_stats(w).n_unshared, 1);
    costs_nothing(WORLD_NODES * (WORLD_NODES - 1));
}
END_TEST

/* The core takes 512 bytes of it. */
START_TEST(an_idle_group_is_small)
{
    struct alloc_count before = alloc_count;
    struct world *other;

    rest();
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        for (uint64_t group = 1; group <= GROUPS; group++)
            ck_quick(fleet_memory(world_group(w, id, group)) <= 704);
    /* That is all that it asks the heap for, its struct apart. */
    before = alloc_count;
    other = world_new(&(struct world_options){ .n_groups = GROUPS });
    ck_assert_uint_le((alloc_count.n_bytes - before.n_bytes) / (WORLD_NODES * GROUPS), 768);
    world_free(other);
}
END_TEST

/* What a node with so many groups does, the simulator can hold. */
START_TEST(ten_thousand_groups_rest)
{
    struct world *many = world_new(&(struct world_options){ .n_groups = 10000 });

    world_free(w);
    w = many;
    rest();
    costs_nothing(WORLD_NODES * (WORLD_NODES - 1));
}
END_TEST

/* They come to rest at all, and no group does anything then. */
START_TEST(a_hundred_thousand_groups_rest)
{
    struct world *many = world_new(&(struct world_options){ .n_groups = 100000 });
    struct fleet_stats before, after;

    world_free(w);
    w = many;
    rest();
    world_run(w, 5 * BEAT_MS);
    before = world_stats(w);
    world_run(w, 100 * BEAT_MS);
    after = world_stats(w);
    ck_assert_uint_eq(after.n_steps, before.n_steps);
    ck_assert_uint_eq(after.n_ticks, before.n_ticks);
}
END_TEST

/* It needs no timeout, and wakes nobody for longer than that. */
START_TEST(a_node_hands_over_what_it_leads)
{
    rest();
    ck_assert_uint_gt(world_n_led(w, 1), 0);
    ck_assert(fleet_can_hand_over(w->nodes[1].fleets[0]));
    fleet_hand_over(w->nodes[1].fleets[0]);
    world_run(w, 20);
    ck_assert_uint_eq(world_n_led(w, 1), 0);
    ck_assert(!fleet_can_hand_over(w->nodes[1].fleets[0]));
    ck_assert(world_has_leaders(w));
    /* Not to who can't be reached. */
    world_until(w, rest_and_have_leaders, 1000);
    world_kill(w, 1);
    world_until(w, rest_and_have_leaders, 1000);
    fleet_hand_over(w->nodes[3].fleets[0]);
    world_run(w, 20);
    ck_assert_uint_eq(world_n_led(w, 2), GROUPS);
    world_kill(w, 3);
    ck_assert(!fleet_can_hand_over(w->nodes[2].fleets[0]));
    fleet_hand_over(w->nodes[2].fleets[0]);
    world_run(w, 20);
    ck_assert_uint_eq(world_n_led(w, 2), GROUPS);
}
END_TEST

/* A node that nobody can reach, and that goes again: the group rests with and without it. */
START_TEST(members_come_and_go)
{
    struct raft_config config = { 3, { { 1, RAFT_VOTER }, { 2, RAFT_VOTER }, { 3, RAFT_VOTER } } };

    rest();
    config.members[config.n_members++] = (struct raft_config_member){ .id = 4, .roles = RAFT_LEARNER };
    world_change(w, 7, &config);
    ck_assert(!world_rests(w));
    world_run(w, 1000);
    ck_assert(world_rests(w));
    for (int32_t id = 1; id <= WORLD_NODES; id++) {
        ck_assert_uint_eq(world_group(w, id, 7)->n_seats, 3);
        check_group(world_group(w, id, 7));
        check_sessions(w->nodes[id].fleets[0]);
    }
    config.n_members--;
    world_change(w, 7, &config);
    world_run(w, 1000);
    for (int32_t id = 1; id <= WORLD_NODES; id++) {
        ck_assert_uint_eq(world_group(w, id, 7)->n_seats, 2);
        check_sessions(w->nodes[id].fleets[0]); /* nobody knows it any more */
    }
    costs_nothing(WORLD_NODES * (WORLD_NODES - 1));
}
END_TEST

/* What a group is to hear of a node that stays its member. */
START_TEST(a_change_of_members_loses_no_news)
{
    struct raft_config config = { 4, { { 1, RAFT_VOTER }, { 2, RAFT_VOTER }, { 3, RAFT_VOTER }, { 4, RAFT_LEARNER } } };
    struct fleet_group *g;
    struct fleet_work work;
    uint64_t group = 1;
    unsigned n_down = 0, n_up = 0;

    rest();
    while (world_leader(w, group) != 1)
        group++;
    g = world_group(w, 1, group);
    fleet_peer_down(g->fleet, 2, true);
    fleet_peer_up(g->fleet, 2, 1);
    world_change(w, group, &config);
    check_sessions(g->fleet);
    while (fleet_next(g->fleet, &work)) {
        n_down += work.group == g && work.kind == RAFT_PEER_DOWN;
        n_up += work.group == g && work.kind == RAFT_PEER_UP;
    }
    ck_assert_uint_eq(n_down, 1);
    ck_assert_uint_eq(n_up, 1);
}
END_TEST

START_TEST(shards_may_differ_in_number)
{
    world_free(w);
    w = world_new(&(struct world_options){ .n_groups = 120, .n_shards = { 0, 1, 2, 4 } });
    rest();
    /* 1 × 2, 1 × 4, and of 2 × 4 those that share groups; both ways. */
    costs_nothing(2 * (2 + 4 + 4));
    world_kill(w, 3);
    ck_assert_uint_le(world_until(w, world_has_leaders, 1000), 200);
    world_resume(w, 3);
    world_until(w, rest_and_have_leaders, FAR_MS);
}
END_TEST

Suite *fleet_rest_suite(void)
{
    Suite *s = suite_create("fleet_rest");

#define ADD(test) suite_add_with(s, test, setup, teardown)
    ADD(a_thousand_groups_rest_and_cost_nothing);
    ADD(the_groups_of_a_dead_node_get_leaders_at_once);
    ADD(who_refuses_connections_is_dead);
    ADD(a_dead_follower_changes_no_leader);
    ADD(the_groups_of_a_silent_node_get_leaders_in_time);
    ADD(who_is_not_heard_doesnt_lead);
    ADD(a_network_that_heals_needs_no_new_connection);
    ADD(a_new_connection_makes_no_election);
    ADD(a_group_that_one_side_has_falls_out);
    ADD(an_idle_group_is_small);
    ADD(ten_thousand_groups_rest);
    ADD(a_hundred_thousand_groups_rest);
    ADD(a_node_hands_over_what_it_leads);
    ADD(members_come_and_go);
    ADD(a_change_of_members_loses_no_news);
    ADD(shards_may_differ_in_number);
#undef ADD
    return s;
}
