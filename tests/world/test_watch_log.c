/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One run for each thing that can be wrong with logs, commits and members. */

#include "base/util.h"
#include "world/looks.h"
#include "world/suites.h"

/* ---- Commit ---- */

START_TEST(committed_by_one)
{
    two_entries();
    append(1, 1);
    flush(1);
    append(2, 1); /* in memory only */
    commit(1, 3);
    expect_failure("commit is backed");
}
END_TEST

START_TEST(committed_with_an_unflushed_own)
{
    two_entries();
    append(1, 1);
    append(2, 1);
    flush(2);
    commit(1, 3);
    expect_failure("commit is backed");
}
END_TEST

START_TEST(committed_with_another_entry_there)
{
    two_entries();
    elect(2, 2, BITS(2, 3));
    append(1, 1);
    flush(1);
    flush(2);
    commit(2, 3);
    expect_failure("commit is backed");
}
END_TEST

START_TEST(committed_by_a_learner)
{
    static const uint8_t roles[] = { RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_LEARNER };

    two_entries();
    append(1, 1);
    set_members(&nodes[1].s, 3, 4, roles);
    flush(1);
    for (int i = 0; i < 3; i++)
        append(4, 1);
    flush(4);
    commit(1, 3);
    expect_failure("commit is backed");
}
END_TEST

START_TEST(committed_by_one_half)
{
    static const uint8_t joint[] = { RAFT_OUTGOING | RAFT_VOTER, RAFT_OUTGOING, RAFT_OUTGOING, RAFT_VOTER, RAFT_VOTER };

    two_entries();
    append(1, 1);
    set_members(&nodes[1].s, 3, 5, joint);
    flush(1);
    for (int i = 0; i < 3; i++)
        append(4, 1);
    flush(4);
    commit(1, 3);
    expect_failure("commit is backed");
}
END_TEST

START_TEST(an_old_term_by_counting)
{
    two_entries();
    append(1, 1);
    flush(1);
    append(2, 1);
    flush(2);
    elect(2, 2, BITS(2, 3));
    commit(2, 3);
    expect_failure("commit by the own term");
}
END_TEST

START_TEST(another_entry_is_committed)
{
    two_entries();
    append(3, 2);
    flush(3);
    commit(3, 2);
    expect_failure("log matching");
}
END_TEST

START_TEST(another_entry_is_applied)
{
    two_entries();
    raft_of(2)->commit = 2;
    nodes[2].s.at.applied = 2;
    nodes[2].s.at.checksum = 5;
    look(2);
    expect_failure("state machine safety");
}
END_TEST

START_TEST(a_committed_entry_is_cut)
{
    two_entries();
    commit(2, 2);
    cut(2, 2);
    nodes[2].terms[2] = 2;
    raft_of(2)->last = 2;
    raft_of(2)->flushed = 2;
    look(2);
    expect_failure("nothing committed is cut");
}
END_TEST

START_TEST(counted_before_it_is_flushed)
{
    two_entries();
    append(2, 1);
    nodes[2].s.at.ahead = 1;
    flush(2);
    expect_failure("what counts as flushed is");
}
END_TEST

/* ---- What goes back ---- */

START_TEST(flushed_and_gone)
{
    two_entries();
    restart(2);
    raft_of(2)->last = raft_of(2)->flushed = 1;
    look(2);
    expect_failure("what is flushed stays");
}
END_TEST

/* It was there when the replica was closed. */
START_TEST(flushed_and_gone_after_a_close)
{
    two_entries();
    append(2, 1);
    flush(2);
    close_replica(2);
    restart(2);
    raft_of(2)->last = raft_of(2)->flushed = 2;
    look(2);
    expect_failure("what is flushed stays");
}
END_TEST

START_TEST(committed_and_cut_at_a_close)
{
    two_entries();
    commit(2, 2);
    cut(2, 2);
    close_replica(2);
    expect_failure("nothing committed is cut");
}
END_TEST

START_TEST(flushed_and_another_one)
{
    two_entries();
    restart(2);
    nodes[2].terms[2] = 3;
    look(2);
    expect_failure("what is flushed stays");
}
END_TEST

START_TEST(a_term_goes_back)
{
    enter(1, 4, RAFT_NONE);
    raft_of(1)->term = 3;
    look(1);
    expect_failure("terms go on");
}
END_TEST

START_TEST(a_durable_term_is_forgotten)
{
    enter(1, 4, RAFT_NONE);
    restart(1);
    raft_of(1)->term = raft_of(1)->durable_term = 3;
    look(1);
    expect_failure("a durable term stays");
}
END_TEST

START_TEST(commit_goes_back)
{
    two_entries();
    raft_of(1)->commit = 1;
    nodes[1].s.at.applied = 1;
    look(1);
    expect_failure("what is committed stays");
}
END_TEST

START_TEST(the_log_start_goes_back)
{
    two_entries();
    nodes[1].s.at.log_start = 2;
    look(1);
    expect_none();
    nodes[1].s.at.log_start = 1;
    if (_i == 1)
        restart(1);
    look(1);
    expect_failure("the log start stays");
}
END_TEST

/* A new leader doesn't know of it. */
START_TEST(a_log_start_is_lost_with_its_leader)
{
    two_entries();
    commit(2, 2);
    nodes[1].s.at.log_start = nodes[1].s.at.next_log_start = 2;
    look(1);
    elect(2, 2, BITS(2, 3));
    flush(2);
    append(3, 1);
    append(3, 2);
    flush(3);
    expect_none();
    commit(2, 3);
    expect_failure("the log start outlives a leader");
}
END_TEST

START_TEST(the_log_begins_earlier_again)
{
    two_entries();
    raft_of(1)->start = 2;
    look(1);
    raft_of(1)->start = 1;
    look(1);
    expect_failure("the log start stays");
}
END_TEST

START_TEST(a_leader_cuts_its_log)
{
    two_entries();
    append(1, 1);
    cut(1, 3);
    look(1);
    expect_failure("a leader only appends");
}
END_TEST

START_TEST(applied_and_not_flushed)
{
    two_entries();
    append(3, 1);
    raft_of(3)->commit = 2;
    nodes[3].s.at.applied = 2;
    look(3);
    expect_failure("applied is committed and flushed");
}
END_TEST

START_TEST(applied_and_not_committed)
{
    two_entries();
    append(1, 1);
    flush(1);
    nodes[1].s.at.applied = 3;
    look(1);
    expect_failure("applied is committed and flushed");
}
END_TEST

START_TEST(committed_beyond_the_end)
{
    two_entries();
    raft_of(3)->commit = 9;
    look(3);
    expect_failure("start ≤ commit ≤ last");
}
END_TEST

/* ---- Reads ---- */

/* Node 2 leads by now, and has committed its first entry. */
START_TEST(a_read_at_a_former_leader)
{
    two_entries();
    commit(2, 2);
    raft_of(1)->reads_asked = 1;
    look(1);
    elect(2, 2, BITS(2, 3));
    flush(2);
    append(3, 1);
    append(3, 2);
    flush(3);
    commit(2, 3);
    raft_of(1)->reads_done = 1;
    raft_of(1)->read_index = 2;
    look(1);
    expect_none(); /* it was asked before */
    raft_of(1)->reads_asked = 2;
    look(1);
    look(3);
    raft_of(1)->reads_done = 2;
    look(1);
    expect_failure("reads see all that was committed");
}
END_TEST

START_TEST(a_read_that_nobody_is_asked_about)
{
    two_entries();
    raft_of(1)->reads_asked = 1;
    look(1);
    look(2);
    raft_of(1)->reads_done = 1;
    raft_of(1)->read_index = 2;
    look(1);
    expect_none();
    raft_of(1)->reads_asked = 2;
    look(1);
    look(4); /* has no vote */
    raft_of(1)->reads_done = 2;
    look(1);
    expect_failure("reads wait for a quorum");
}
END_TEST

START_TEST(open_too_early)
{
    two_entries();
    commit(2, 2);
    elect(2, 2, BITS(2, 3));
    expect_none();
    nodes[2].s.at.open = 1;
    look(2);
    expect_failure("a leader serves when an entry of its own is applied");
}
END_TEST

/* ---- Members ---- */

/* From three to five at once. */
START_TEST(quorums_do_not_overlap)
{
    static const uint8_t after[] = { RAFT_VOTER, 0, 0, RAFT_VOTER, RAFT_VOTER };

    two_entries();
    append(1, 1);
    set_members(&nodes[1].s, 3, 5, after);
    flush(1);
    for (int i = 0; i < 3; i++)
        append(4, 1);
    flush(4);
    commit(1, 3);
    expect_failure("quorums overlap");
}
END_TEST

/* ---- Applied states ---- */

START_TEST(states_that_are_equal)
{
    show_state(1, 7, 70);
    show_state(2, 8, 80);
    show_state(1, 9, 90);
    show_state(3, 7, 70);
    show_state(1, 8, 80);
    expect_none();
}
END_TEST

START_TEST(another_state_than_others)
{
    show_state(1, 7, 70);
    show_state(2, 7, 71);
    expect_failure("states are equal");
}
END_TEST

/* A node alone. */
START_TEST(another_state_behind_a_power_loss)
{
    show_state(1, 7, 70);
    show_state(1, 9, 90);
    show_state(1, 7, 71);
    expect_failure("states are equal");
}
END_TEST

#define add(s, test) suite_add_with(s, test, looks_set_up, looks_tear_down)

Suite *watch_log_suite(void)
{
    Suite *s = suite_create("watch_log");
    TCase *tc = tcase_create("the_log_start_goes_back");

    add(s, committed_by_one);
    add(s, committed_with_an_unflushed_own);
    add(s, committed_with_another_entry_there);
    add(s, committed_by_a_learner);
    add(s, committed_by_one_half);
    add(s, an_old_term_by_counting);
    add(s, another_entry_is_committed);
    add(s, another_entry_is_applied);
    add(s, a_committed_entry_is_cut);
    add(s, counted_before_it_is_flushed);
    add(s, flushed_and_gone);
    add(s, flushed_and_gone_after_a_close);
    add(s, committed_and_cut_at_a_close);
    add(s, flushed_and_another_one);
    add(s, a_term_goes_back);
    add(s, a_durable_term_is_forgotten);
    add(s, commit_goes_back);
    add(s, a_log_start_is_lost_with_its_leader);
    add(s, the_log_begins_earlier_again);
    add(s, a_leader_cuts_its_log);
    add(s, applied_and_not_flushed);
    add(s, applied_and_not_committed);
    add(s, committed_beyond_the_end);
    add(s, a_read_at_a_former_leader);
    add(s, a_read_that_nobody_is_asked_about);
    add(s, open_too_early);
    add(s, quorums_do_not_overlap);
    add(s, states_that_are_equal);
    add(s, another_state_than_others);
    add(s, another_state_behind_a_power_loss);
    tcase_add_checked_fixture(tc, looks_set_up, looks_tear_down);
    tcase_add_loop_test(tc, the_log_start_goes_back, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
