/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs that are as they should be, and one for each thing that can be wrong with votes and leaders. */

#include "world/looks.h"
#include "world/suites.h"

/* ---- Good ones ---- */

START_TEST(a_good_history)
{
    two_entries();
    commit(2, 2);
    restart(1);
    look(1);
    elect(2, 2, BITS(2, 3));
    flush(2);
    append(3, 1);
    append(3, 2);
    flush(3);
    commit(2, 3);
    enter(1, 2, RAFT_NONE);
    append(1, 2);
    flush(1);
    commit(1, 3);
    restart(2);
    look(2);
    expect_none();
}
END_TEST

START_TEST(what_is_not_committed_may_be_cut)
{
    two_entries();
    append(1, 1);
    flush(1);
    elect(2, 2, BITS(2, 3));
    enter(1, 2, RAFT_NONE);
    cut(1, 3);
    append(1, 2);
    restart(1); /* the cut wasn't durable */
    raft_of(1)->last = raft_of(1)->flushed = 3;
    nodes[1].terms[3] = 1;
    look(1);
    expect_none();
}
END_TEST

/* A stop comes in the step in which a leader's entry took the place of another one. */
START_TEST(what_is_cut_may_be_the_last_thing)
{
    two_entries();
    append(1, 1);
    flush(1);
    elect(2, 2, BITS(2, 3));
    enter(1, 2, RAFT_NONE);
    cut(1, 3);
    nodes[1].terms[++raft_of(1)->last] = 2;
    close_replica(1);
    raft_of(1)->flushed = 3;
    restart(1);
    look(1);
    expect_none();
}
END_TEST

START_TEST(a_leader_may_learn_of_it_late)
{
    two_entries();
    campaign(2, 2);
    enter(3, 2, 2);
    elect(2, 3, BITS(2, 1));
    flush(2);
    enter(1, 3, 2);
    append(1, 3);
    flush(1);
    commit(2, 3);
    raft_of(3)->last = 2; /* it never had entry 3, which term 2 knows nothing of */
    nodes[3].terms[2] = 1;
    look(3);
    expect_none();
}
END_TEST

START_TEST(members_change)
{
    static const uint8_t joint[] = { RAFT_OUTGOING | RAFT_VOTER, RAFT_OUTGOING, RAFT_OUTGOING, RAFT_VOTER, RAFT_VOTER };
    static const uint8_t after[] = { RAFT_VOTER, 0, 0, RAFT_VOTER, RAFT_VOTER };

    two_entries();
    for (int i = 1; i <= N_NODES; i++) {
        while (raft_of(i)->last < 2)
            append(i, 1);
        flush(i);
        append(i, 1);
        set_members(&nodes[i].s, 3, 5, joint);
        flush(i);
    }
    commit(1, 3);
    append(1, 1);
    set_members(&nodes[1].s, 4, 5, after);
    flush(1);
    append(4, 1);
    flush(4);
    commit(1, 4);
    expect_none();
}
END_TEST

/* A step may commit under one configuration and append the next. */
START_TEST(the_old_configuration_counts_for_what_was_before)
{
    static const uint8_t joint[] = { RAFT_OUTGOING, RAFT_OUTGOING, RAFT_OUTGOING | RAFT_VOTER, RAFT_VOTER, RAFT_VOTER };

    two_entries();
    append(1, 1);
    flush(1);
    append(2, 1);
    flush(2);
    nodes[1].terms[++raft_of(1)->last] = 1;
    set_members(&nodes[1].s, 4, 5, joint);
    commit(1, 3);
    expect_none();
}
END_TEST

START_TEST(alone_all_is_committed)
{
    struct watch_state *s = &nodes[1].s;

    s->n_members = 0;
    s->at.alone = 1;
    raft_of(1)->term = raft_of(1)->durable_term = 1;
    raft_of(1)->vote = raft_of(1)->durable_vote = 1;
    raft_of(1)->role = RAFT_LEADER;
    append(1, 1);
    flush(1);
    commit(1, 1);
    restart(1);
    look(1);
    expect_none();
}
END_TEST

START_TEST(a_node_on_probation_knows_nothing)
{
    two_entries();
    nodes[2].s.life++;
    memset(&nodes[2].s.at, 0, sizeof(nodes[2].s.at));
    raft_of(2)->vote = raft_of(2)->durable_vote = RAFT_NONE;
    raft_of(2)->no_vote = 1;
    look(2);
    look(1); /* still has its vote */
    enter(2, 1, RAFT_NONE);
    expect_none();
}
END_TEST

/* It was spoken to within the step that made its replica. */
START_TEST(a_new_disk_knows_nothing)
{
    two_entries();
    nodes[2].s.life++;
    memset(&nodes[2].s.at, 0, sizeof(nodes[2].s.at));
    raft_of(2)->vote = raft_of(2)->durable_vote = RAFT_NONE;
    raft_of(2)->term = 1;
    raft_of(2)->last = 2;
    look(2);
    expect_none();
    restart(1);
    raft_of(1)->vote = raft_of(1)->durable_vote = RAFT_NONE; /* and has its disk */
    look(1);
    expect_failure("one vote in a term");
}
END_TEST

START_TEST(an_image_takes_the_place_of_a_log)
{
    two_entries();
    raft_of(3)->start = raft_of(3)->last = raft_of(3)->commit = 2;
    raft_of(3)->flushed = 0;
    raft_of(3)->epoch++;
    nodes[3].terms[2] = 1;
    nodes[3].s.at.applied = 2;
    nodes[3].s.at.checksum = 201;
    nodes[3].s.at.log_start = 5;
    look(3);
    nodes[3].s.at.log_start = 0; /* it wasn't durable */
    restart(3);
    raft_of(3)->start = 0;
    raft_of(3)->last = raft_of(3)->flushed = raft_of(3)->commit = nodes[3].s.at.applied = 1;
    nodes[3].s.at.checksum = 101;
    look(3);
    expect_none();
}
END_TEST

START_TEST(a_group_that_is_gone)
{
    two_entries();
    look_away();
    memset(&nodes[2].s.at, 0, sizeof(nodes[2].s.at));
    nodes[2].s.life++;
    look(2);
    expect_none();
}
END_TEST

/* Others that believe it show it. */
START_TEST(an_old_disk)
{
    two_entries();
    restart(2);
    raft_of(2)->last = raft_of(2)->flushed = raft_of(2)->commit = nodes[2].s.at.applied = 1;
    nodes[2].s.at.checksum = 101;
    nodes[2].s.old_disk = true;
    look(2);
    append(2, 1);
    append(2, 1);
    flush(2);
    expect_none();
    append(1, 1);
    flush(1);
    commit(1, 3);
    expect_failure("commit is backed");
}
END_TEST

/* It has nothing, and may vote as if it had never been there. */
static void come_back_blank(int node)
{
    raft_of(node)->commit = raft_of(node)->flushed = raft_of(node)->last = nodes[node].s.at.applied = 0;
    nodes[node].s.at.checksum = 0;
    raft_of(node)->vote = raft_of(node)->durable_vote = RAFT_NONE;
    look(node);
}

START_TEST(a_replica_that_moved_away)
{
    two_entries();
    campaign(3, 2);
    enter(2, 2, 3);
    move_away(2);
    come_back_blank(2);
    campaign(1, 2);
    enter(2, 2, 1);
    expect_none();
}
END_TEST

START_TEST(a_replica_that_is_there_no_more)
{
    two_entries();
    campaign(3, 2);
    enter(2, 2, 3);
    come_back_blank(2);
    expect_failure("one vote in a term");
}
END_TEST

/* ---- Elections ---- */

START_TEST(two_leaders)
{
    elect(1, 1, BITS(1, 2));
    lead_quietly(3, 1, BITS(3, 1) | BITS(3, 3));
    look(3);
    expect_failure("");
}
END_TEST

START_TEST(a_leader_again_after_its_crash)
{
    elect(1, 1, BITS(1, 2));
    restart(1);
    look(1);
    raft_of(1)->last = 0;
    lead_quietly(1, 1, BITS(1, 2));
    look(1);
    expect_failure("election safety");
}
END_TEST

START_TEST(two_votes)
{
    enter(3, 1, 1);
    restart(3);
    enter(3, 1, 2);
    expect_failure("one vote in a term");
}
END_TEST

START_TEST(two_votes_in_a_life)
{
    enter(3, 1, 1);
    raft_of(3)->vote = 2;
    look(3);
    expect_failure("one vote in a term");
}
END_TEST

/* The first one was told before it was on the disk. */
START_TEST(a_vote_that_was_forgotten)
{
    enter(3, 1, RAFT_NONE);
    lead_quietly(1, 1, BITS(1, 3));
    look(1);
    look(3);
    expect_failure("one vote in a term");
}
END_TEST

START_TEST(a_vote_for_two)
{
    enter(2, 1, RAFT_NONE);
    lead_quietly(1, 1, BITS(1, 3));
    raft_of(1)->role = RAFT_CANDIDATE;
    look(1);
    lead_quietly(2, 1, BITS(2, 3));
    raft_of(2)->role = RAFT_CANDIDATE;
    look(2);
    expect_failure("one vote in a term");
}
END_TEST

START_TEST(elected_by_few)
{
    elect(1, 1, 1u << 1);
    expect_failure("elected by a quorum");
}
END_TEST

START_TEST(elected_by_one_half)
{
    static const uint8_t joint[] = { RAFT_OUTGOING | RAFT_VOTER, RAFT_OUTGOING, RAFT_OUTGOING, RAFT_VOTER, RAFT_VOTER };

    set_members(&nodes[1].s, 0, 5, joint);
    elect(1, 1, BITS(1, 4));
    expect_failure("elected by a quorum");
}
END_TEST

START_TEST(elected_by_a_learner)
{
    static const uint8_t roles[] = { RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_LEARNER };

    set_members(&nodes[1].s, 0, 4, roles);
    elect(1, 1, BITS(1, 4));
    expect_failure("elected by a quorum");
}
END_TEST

START_TEST(a_learner_leads)
{
    static const uint8_t roles[] = { RAFT_LEARNER, RAFT_VOTER, RAFT_VOTER, RAFT_VOTER };

    set_members(&nodes[1].s, 0, 4, roles);
    elect(1, 1, BITS(2, 3));
    expect_failure("who leads votes");
}
END_TEST

START_TEST(its_own_vote_is_not_durable)
{
    lead_quietly(1, 1, BITS(1, 2));
    raft_of(1)->durable_term = 0;
    look(1);
    expect_failure("a leader's vote is durable");
}
END_TEST

START_TEST(leader_without_an_entry)
{
    two_entries();
    elect(3, 2, BITS(3, 1)); /* has the first one, and its own */
    expect_failure("leader completeness");
}
END_TEST

START_TEST(leader_with_another_entry)
{
    two_entries();
    raft_of(3)->last = 2;
    nodes[3].terms[2] = 2;
    elect(3, 3, BITS(3, 1));
    expect_failure("leader completeness");
}
END_TEST

START_TEST(on_probation_and_leads)
{
    raft_of(1)->no_vote = 1;
    elect(1, 1, BITS(1, 2));
    expect_failure("who is on probation follows");
}
END_TEST

START_TEST(a_term_of_nobody)
{
    enter(1, 0, RAFT_NONE);
    enter(1, 1, RAFT_NONE);
    expect_failure("a term begins with a candidate");
}
END_TEST

/* ---- Members ---- */

START_TEST(a_configuration_that_was_cut)
{
    static const uint8_t after[] = { RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_LEARNER };

    two_entries();
    append(1, 1);
    set_members(&nodes[1].s, 3, 4, after);
    look(1);
    expect_none();
    cut(1, 3);
    nodes[1].s.configs_differ = true;
    enter(1, 2, RAFT_NONE);
    expect_failure("the last configuration is in force");
}
END_TEST

START_TEST(in_sync_for_a_while)
{
    two_entries();
    nodes[1].s.lag_ns = 500;
    nodes[1].s.members[1].in_sync = true;
    nodes[1].s.members[1].silence_ns = 500;
    nodes[1].s.members[2].silence_ns = 501;
    look(1);
    expect_none();
}
END_TEST

START_TEST(silent_and_in_sync)
{
    two_entries();
    nodes[1].s.lag_ns = 500;
    nodes[1].s.members[2].in_sync = true;
    nodes[1].s.members[2].silence_ns = 501;
    look(1);
    expect_failure("who is in sync was heard");
}
END_TEST

static void hand_over(int from, int to)
{
    raft_of(from)->transferee = to;
    look(from);
    raft_of(to)->forced = 1;
}

START_TEST(handed_over)
{
    two_entries();
    append(2, 1);
    hand_over(1, 2);
    campaign(2, 2);
    expect_none();
}
END_TEST

START_TEST(handed_over_too_early)
{
    two_entries();
    hand_over(1, 3);
    campaign(3, 2);
    expect_failure("the lead goes to who has caught up");
}
END_TEST

START_TEST(told_of_an_earlier_try)
{
    two_entries();
    hand_over(1, 3);
    raft_of(1)->transferee = RAFT_NONE;
    append(1, 1);
    hand_over(1, 3);
    campaign(3, 2);
    expect_none();
}
END_TEST

#define add(s, test) suite_add_with(s, test, looks_set_up, looks_tear_down)

Suite *watch_suite(void)
{
    Suite *s = suite_create("watch");

    add(s, a_good_history);
    add(s, what_is_not_committed_may_be_cut);
    add(s, what_is_cut_may_be_the_last_thing);
    add(s, a_leader_may_learn_of_it_late);
    add(s, members_change);
    add(s, the_old_configuration_counts_for_what_was_before);
    add(s, alone_all_is_committed);
    add(s, a_node_on_probation_knows_nothing);
    add(s, a_new_disk_knows_nothing);
    add(s, an_image_takes_the_place_of_a_log);
    add(s, a_group_that_is_gone);
    add(s, an_old_disk);
    add(s, a_replica_that_moved_away);
    add(s, a_replica_that_is_there_no_more);
    add(s, two_leaders);
    add(s, a_leader_again_after_its_crash);
    add(s, two_votes);
    add(s, two_votes_in_a_life);
    add(s, a_vote_that_was_forgotten);
    add(s, a_vote_for_two);
    add(s, elected_by_few);
    add(s, elected_by_one_half);
    add(s, elected_by_a_learner);
    add(s, a_learner_leads);
    add(s, its_own_vote_is_not_durable);
    add(s, leader_without_an_entry);
    add(s, leader_with_another_entry);
    add(s, on_probation_and_leads);
    add(s, a_term_of_nobody);
    add(s, a_configuration_that_was_cut);
    add(s, in_sync_for_a_while);
    add(s, silent_and_in_sync);
    add(s, handed_over);
    add(s, handed_over_too_early);
    add(s, told_of_an_earlier_try);
    return s;
}
