/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The core of a group. */

#include "base/util.h"
#include "replica/cluster.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)

static void housekeep(struct rig *r)
{
    replica_housekeep(r->groups[0].replica);
    replica_housekeep(r->groups[0].replica);
}

/* At rest a group that votes alone has no core, and goes on in its term when something comes. */
START_TEST(the_core_of_a_sole_voter_comes_and_goes)
{
    struct rig *r = rig_new(3, 1);
    const struct replica *replica;
    uint64_t term;

    rig_start_ok(r);
    for (int life = 0; life < 3; life++) {
        replica = r->groups[0].replica;
        term = replica_term(replica);
        for (int i = 0; i < 3; i++) {
            struct rig_op *op;

            sim_lane_hold(r->lane, LANE_FLUSH, 0, true);
            op = rig_produce(r, 0, 1, 100);
            rig_run(r, 10 * MS);
            housekeep(r);
            ck_assert_ptr_nonnull(replica->raft); /* it waits for a flush */
            sim_lane_hold(r->lane, LANE_FLUSH, 0, false);
            rig_wait(r, op);
            ck_assert_int_eq(op->op.error, 0);
            ck_assert_int_eq(raft_role(replica->raft), RAFT_LEADER);
            ck_assert_uint_eq(raft_term(replica->raft), term);
            ck_assert_uint_eq(raft_last_index(replica->raft), replica->last_index);
            ck_assert_uint_eq(raft_commit_index(replica->raft), replica->applied_index);
            housekeep(r);
            ck_assert_ptr_null(replica->raft);
            ck_assert_uint_eq(replica_term(replica), term);
        }
        ck_assert_uint_eq(replica->last_index, (uint64_t)(life * 4 + 3)); /* three batches, and later a no-op */
        rig_crash(r, SIM_CRASH_NOTHING);
        rig_start_ok(r);
        ck_assert_uint_eq(replica_term(r->groups[0].replica), term + 1);
    }
    rig_check(r);
    rig_free(r);
}
END_TEST

static int note_state(void *ctx, const struct journal_group_state *st)
{
    struct journal_group_state *to = ctx;

    *to = *st;
    return 0;
}

/* What a leader's entries were written under is in the journal before them, vote and all. */
START_TEST(term_and_vote_are_known_after_a_crash)
{
    struct rig *r = rig_new(4, 1);
    struct journal_group_state state = { 0 };

    rig_start_ok(r);
    for (uint64_t life = 1; life <= 3; life++) {
        rig_wait(r, rig_produce(r, 0, 1, 100));
        rig_crash(r, SIM_CRASH_NOTHING);
        ck_assert_int_eq(journal_open(&r->journal_config, &r->journal, &r->err), 0);
        ck_assert_int_eq(journal_groups(r->journal, note_state, &state), 0);
        ck_assert_uint_eq(state.term, life);
        ck_assert_int_eq(state.vote, 1);
        journal_free(TAKE_PTR(r->journal));
        rig_start_ok(r);
    }
    rig_free(r);
}
END_TEST

/* Some of the entries that wait are flushed by one, the rest by the next: each commits its own. */
START_TEST(a_flush_commits_what_it_holds)
{
    struct rig *r = rig_new(5, 2);
    struct rig_op *first, *second[20];

    rig_start_ok(r);
    rig_settle(r);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, true);
    first = rig_produce(r, 0, 1, 100);
    rig_run(r, MS); /* is submitted alone */
    for (size_t i = 0; i < ARRAY_SIZE(second); i++)
        second[i] = rig_produce(r, i % 2, 1, 100);
    rig_run(r, MS);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, false);
    while (r->groups[0].replica->applied_index == 0)
        ck_assert(rig_step(r));
    ck_assert_uint_eq(r->groups[0].replica->applied_index, 1);
    for (size_t i = 0; i < ARRAY_SIZE(second); i++)
        ck_assert(!second[i]->done);
    rig_wait(r, first);
    for (size_t i = 0; i < ARRAY_SIZE(second); i++)
        rig_wait(r, second[i]);
    ck_assert_uint_eq(r->groups[0].replica->applied_index, 11);
    ck_assert_uint_eq(r->groups[1].replica->applied_index, 10);
    rig_check(r);
    rig_free(r);
}
END_TEST

#define GROUPS 41 /* one is each node's own */

/* How many groups each node leads, when all have a leader. */
static void count_leaders(struct cluster *c, unsigned n[CLUSTER_NODES])
{
    unsigned n_led = 0;

    for (int tries = 0; tries < 1000 && n_led < GROUPS - 1; tries++) {
        cluster_run(c, 10);
        n_led = 0;
        for (int i = 0; i < CLUSTER_NODES; i++) {
            n[i] = 0;
            for (unsigned g = 0; c->up[i] && g < GROUPS; g++)
                n[i] += g != CLUSTER_OWN && replica_leads(cluster_replica(c, i, g));
            n_led += n[i];
        }
    }
    ck_assert_uint_eq(n_led, GROUPS - 1);
}

/* The first member leads where it can, and the second where that one can't. */
START_TEST(leaders_are_preferred_in_order)
{
    struct cluster *c = cluster_new_of(1, 1 << 20, GROUPS);
    unsigned before[CLUSTER_NODES], after[CLUSTER_NODES];

    count_leaders(c, before);
    ck_assert_uint_ge(before[0], 30);
    ck_assert_uint_le(before[2], 3);
    cluster_run(c, 500);
    cluster_kill(c, 0);
    count_leaders(c, after);
    ck_assert_uint_ge(after[1] - before[1], 3 * (after[2] - before[2]));
    cluster_check(c);
    cluster_free(c);
}
END_TEST

Suite *consensus_suite(void)
{
    Suite *s = suite_create("consensus");

    suite_add(s, the_core_of_a_sole_voter_comes_and_goes);
    suite_add(s, term_and_vote_are_known_after_a_crash);
    suite_add(s, a_flush_commits_what_it_holds);
    suite_add(s, leaders_are_preferred_in_order);
    return s;
}
