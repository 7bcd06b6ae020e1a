/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/lone.h"
#include "raft/suites.h"

/* Groups at rest, and who leads first. */

static void heartbeat(bool join)
{
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT,
                                        .from = 2,
                                        .term = raft_term(lone.raft),
                                        .index = raft_last_index(lone.raft),
                                        .commit = raft_last_index(lone.raft),
                                        .join = join });
}

static void answer(int32_t from, bool join)
{
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT_REPLY,
                                        .from = from,
                                        .term = raft_term(lone.raft),
                                        .index = raft_last_index(lone.raft),
                                        .commit = raft_last_index(lone.raft),
                                        .join = join });
}

/* A follower of 2 that is in the session. */
static void rest_as_follower(void)
{
    lone.now = lone.session = 1;
    lone_start((struct raft_start){ .term = 4 });
    heartbeat(true);
    ck_assert_int_eq(lone.u.joined, 2);
    ck_assert(lone_sent(RAFT_HEARTBEAT_REPLY, 2)->join);
}

/* A leader whose two followers are. */
static void rest_as_leader(void)
{
    lone.now = lone.session = 1;
    lone_start((struct raft_start){ .term = 4 });
    lone_lead();
    answer(2, false);
    answer(3, false);
    answer(2, false);
    lone_tick(20);
    ck_assert(lone_sent(RAFT_HEARTBEAT, 2)->join && lone_sent(RAFT_HEARTBEAT, 3)->join);
    ck_assert_uint_eq(lone_sent(RAFT_HEARTBEAT, 2)->index, 1);
    answer(2, true);
    ck_assert_int_eq(lone.u.joined, 2);
    answer(3, true);
    ck_assert_int_eq(lone.u.joined, 3);
    answer(3, true);
    ck_assert_int_eq(lone.u.joined, RAFT_NONE);
}

static uint64_t heard_of(int32_t id)
{
    struct raft_progress p;

    for (uint32_t i = 0; raft_progress(lone.raft, i, &p); i++)
        if (p.id == id)
            return p.heard;
    ck_abort_msg("no member %d", id);
}

/* By its own answers, then by those of its session; and it was heard until something ends the rest. */
START_TEST(a_leader_tells_when_it_heard_somebody)
{
    lone_start((struct raft_start){ .term = 4 });
    lone_lead();
    lone.now = 30;
    answer(2, false);
    lone.now = 40;
    ck_assert_uint_eq(heard_of(2), 30);
    ck_assert_uint_lt(heard_of(3), 30);
    rest_as_leader();
    lone.session = lone.now = 500;
    ck_assert_uint_eq(heard_of(2), 500);
    lone.now = 510;
    ck_assert_int_eq(lone_propose(1), 0);
    lone.session = lone.now = 520;
    ck_assert_uint_eq(heard_of(2), 500);
}
END_TEST

/* A follower in a session campaigns only when the session falls silent, and has one tick per timeout. */
START_TEST(a_session_speaks_for_a_quiet_leader)
{
    unsigned n_ticks = 0;

    rest_as_follower();
    for (; lone.now < 10000; lone.now++) {
        lone.session = lone.now;
        if (raft_next_tick(lone.raft) > lone.now)
            continue;
        n_ticks++;
        lone_tick(0);
        ck_assert_int_eq(raft_leader(lone.raft), 2);
        ck_assert_uint_eq(lone.u.n_messages, 0);
    }
    ck_assert_uint_le(n_ticks, 100);
    /* It sticks to the leader as if it heard from it. */
    lone_receive((struct raft_message){ .kind = RAFT_PRE_VOTE, .from = 3, .term = 5 });
    ck_assert_uint_eq(lone.u.n_messages, 0);
    lone_tick(200);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_PRE_CANDIDATE);
    ck_assert(lone.u.left);
}
END_TEST

START_TEST(a_session_speaks_for_quiet_followers)
{
    unsigned n_ticks = 0;

    rest_as_leader();
    for (; lone.now < 10000; lone.now++) {
        lone.session = lone.now;
        if (raft_next_tick(lone.raft) > lone.now)
            continue;
        n_ticks++;
        lone_tick(0);
        ck_assert_uint_eq(lone.u.n_messages, 0);
    }
    ck_assert_int_eq(raft_role(lone.raft), RAFT_LEADER);
    ck_assert_uint_le(n_ticks, 101);
    lone_tick(200);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
    ck_assert(lone.u.left);
}
END_TEST

/* With the flag nothing ticks at all, and the loss of the session begins the timer where it was last heard. */
START_TEST(a_quiet_group_costs_nothing)
{
    lone.limits.quiesce = true;
    rest_as_follower();
    ck_assert_uint_eq(raft_next_tick(lone.raft), UINT64_MAX);
    lone.now = 5000;
    lone.session = 4900;
    lone_tick(0);
    ck_assert_int_eq(raft_leader(lone.raft), 2);
    lone_step((struct raft_event){ .kind = RAFT_SESSION_LOST, .peer = 3 });
    ck_assert_uint_eq(raft_next_tick(lone.raft), UINT64_MAX);
    lone_step((struct raft_event){ .kind = RAFT_SESSION_LOST, .peer = 2 });
    ck_assert_uint_ge(raft_next_tick(lone.raft), 5000);
    ck_assert_uint_lt(raft_next_tick(lone.raft), 5100);

    rest_as_leader();
    ck_assert_uint_eq(raft_next_tick(lone.raft), UINT64_MAX);
    lone.now = 5000;
    lone.session = 4950;
    lone_step((struct raft_event){ .kind = RAFT_SESSION_LOST, .peer = 3 });
    ck_assert_uint_eq(raft_next_tick(lone.raft), 5020);
    lone_tick(20);
    ck_assert_ptr_nonnull(lone_sent(RAFT_HEARTBEAT, 3));
    ck_assert_ptr_null(lone_sent(RAFT_HEARTBEAT, 2));
}
END_TEST

START_TEST(everything_wakes_a_leader)
{
    struct raft_config learner;

    lone.limits.quiesce = true;
    rest_as_leader();
    ck_assert_int_eq(lone_propose(1), 0);
    ck_assert(lone.u.left);
    ck_assert_uint_eq(raft_next_tick(lone.raft), lone.now + 20);
    rest_as_leader();
    learner = lone.config;
    learner.members[learner.n_members++] = (struct raft_config_member){ .id = 4, .roles = RAFT_LEARNER };
    ck_assert_int_eq(lone_propose_config(&learner), 0);
    ck_assert(lone.u.left);
    rest_as_leader();
    lone_step((struct raft_event){ .kind = RAFT_PEER_DOWN, .peer = 2 });
    ck_assert_uint_eq(raft_next_tick(lone.raft), lone.now + 20);
    /* A read asks all, again where an answer is missing, and then the group rests as before. */
    rest_as_leader();
    lone_step((struct raft_event){ .kind = RAFT_READ });
    ck_assert_uint_eq(lone.u.n_messages, 2);
    ck_assert(!lone.u.left);
    for (unsigned i = 0; i < 3; i++) {
        lone_tick(20);
        ck_assert_uint_eq(lone.u.n_messages, 2);
    }
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT_REPLY,
                                        .from = 2,
                                        .term = 5,
                                        .index = 1,
                                        .commit = 1,
                                        .context = lone_sent(RAFT_HEARTBEAT, 2)->context,
                                        .join = true });
    ck_assert_uint_eq(lone.u.reads_done, 1);
    lone_tick(20);
    ck_assert_uint_eq(lone.u.n_messages, 0);
    ck_assert_uint_eq(raft_next_tick(lone.raft), UINT64_MAX);
    /* Another term. */
    lone_receive(
        (struct raft_message){ .kind = RAFT_VOTE, .from = 3, .term = 9, .index = 1, .log_term = 5, .force = true });
    ck_assert(lone.u.left);
}
END_TEST

/* Unless too few are left to lead. */
START_TEST(who_is_away_keeps_nobody_awake)
{
    lone.limits.quiesce = true;
    lone.now = lone.session = 1;
    lone_start((struct raft_start){ .term = 4 });
    lone_lead();
    lone.away = 1u << 3;
    answer(2, false);
    answer(2, false);
    lone_tick(20);
    ck_assert(lone_sent(RAFT_HEARTBEAT, 2)->join);
    ck_assert_ptr_null(lone_sent(RAFT_HEARTBEAT, 3));
    answer(2, true);
    ck_assert_uint_eq(raft_next_tick(lone.raft), UINT64_MAX);
    /* It is looked after when it is there again, the other one rests on. */
    lone.away = 0;
    lone_step((struct raft_event){ .kind = RAFT_PEER_UP, .peer = 2 });
    ck_assert_uint_eq(raft_next_tick(lone.raft), UINT64_MAX);
    lone_step((struct raft_event){ .kind = RAFT_PEER_UP, .peer = 3 });
    ck_assert(!lone.u.left);
    ck_assert_uint_eq(raft_next_tick(lone.raft), lone.now + 20);
    lone_tick(20);
    ck_assert_ptr_null(lone_sent(RAFT_HEARTBEAT, 2));
    ck_assert_ptr_nonnull(lone_sent(RAFT_HEARTBEAT, 3));
    answer(3, false);
    answer(3, true);
    ck_assert_uint_eq(raft_next_tick(lone.raft), UINT64_MAX);
    /* With both away it leads no longer than it has a quorum. */
    lone.away = 1u << 2 | 1u << 3;
    lone_step((struct raft_event){ .kind = RAFT_SESSION_LOST, .peer = 2 });
    lone_step((struct raft_event){ .kind = RAFT_SESSION_LOST, .peer = 3 });
    for (unsigned i = 0; i < 10; i++)
        lone_tick(20);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
}
END_TEST

START_TEST(everything_wakes_a_follower)
{
    static const struct raft_entry entry = { .term = 4, .size = 10 };

    lone.limits.quiesce = true;
    rest_as_follower();
    lone_receive((struct raft_message){ .kind = RAFT_APPEND, .from = 2, .term = 4, .n_entries = 1, .entries = &entry });
    ck_assert(lone.u.left);
    ck_assert_uint_lt(raft_next_tick(lone.raft), lone.now + 200);
    rest_as_follower();
    heartbeat(false);
    ck_assert(lone.u.left);
    ck_assert_uint_lt(raft_next_tick(lone.raft), lone.now + 200);
    rest_as_follower();
    lone_step((struct raft_event){ .kind = RAFT_PEER_DOWN, .peer = 2 });
    ck_assert_uint_le(raft_next_tick(lone.raft), lone.now + 10);
    rest_as_follower();
    lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
    ck_assert(lone.u.left);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_PRE_CANDIDATE);
    rest_as_follower();
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 3, .term = 5 });
    ck_assert(lone.u.left);
    ck_assert_int_eq(lone.u.joined, RAFT_NONE);
}
END_TEST

START_TEST(who_isnt_at_rest_doesnt_join)
{
    static const struct raft_run run[] = { { 1, 1 } };
    struct raft_start start = { .term = 4, .last_index = 2, .runs = run, .n_runs = 1, .commit = 2 };

    lone.now = 1;
    /* Without a session. */
    lone_start(start);
    heartbeat(true);
    ck_assert_int_eq(lone.u.joined, RAFT_NONE);
    lone.session = 1;
    heartbeat(true);
    ck_assert_int_eq(lone.u.joined, 2);
    /* On probation. */
    start.no_vote = true;
    lone_start(start);
    heartbeat(true);
    ck_assert_int_eq(lone.u.joined, RAFT_NONE);
    ck_assert(!lone_sent(RAFT_HEARTBEAT_REPLY, 2)->join);
    start.no_vote = false;
    /* With a log that is longer than the leader's. */
    lone_start(start);
    lone_receive(
        (struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 4, .index = 1, .commit = 1, .join = true });
    ck_assert_int_eq(lone.u.joined, RAFT_NONE);
    /* In a term that isn't durable. */
    lone_receive(
        (struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 5, .index = 2, .commit = 2, .join = true });
    ck_assert_int_eq(lone.u.joined, RAFT_NONE);
    lone_flush();
    heartbeat(true);
    ck_assert_int_eq(lone.u.joined, 2);
}
END_TEST

/* A follower that stopped believing in its leader for a while forgot how far it had heard that the logs are equal. */
START_TEST(what_is_committed_is_equal)
{
    static const struct raft_run run[] = { { 1, 4 } };

    lone.now = lone.session = 1;
    lone_start((struct raft_start){ .term = 4, .last_index = 2, .runs = run, .n_runs = 1, .commit = 1 });
    lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
    heartbeat(true);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 2);
    ck_assert_int_eq(lone.u.joined, 2);
    ck_assert(lone_sent(RAFT_HEARTBEAT_REPLY, 2)->join);
    ck_assert_uint_eq(lone_sent(RAFT_HEARTBEAT_REPLY, 2)->index, 2);
}
END_TEST

/* Who agreed to what was asked before an entry came doesn't rest. */
START_TEST(a_late_answer_doesnt_join)
{
    lone.now = lone.session = 1;
    lone_start((struct raft_start){ .term = 4 });
    lone_lead();
    answer(2, false);
    answer(2, false);
    lone_tick(20);
    lone_propose(1);
    lone_receive((struct raft_message){
        .kind = RAFT_HEARTBEAT_REPLY, .from = 2, .term = 5, .index = 1, .commit = 1, .join = true });
    ck_assert_int_eq(lone.u.joined, RAFT_NONE);
}
END_TEST

START_TEST(a_rank_delays_and_decays)
{
    for (uint8_t rank = 0; rank <= RAFT_MAX_RANK; rank++) {
        uint64_t handicap = rank * 50u;

        lone_start((struct raft_start){ .term = 1, .rank = rank });
        for (unsigned i = 0; i < 8; i++) {
            uint64_t timeout = raft_next_tick(lone.raft) - lone.now;

            ck_assert_uint_ge(timeout, 100 + handicap);
            ck_assert_uint_lt(timeout, 200 + handicap);
            lone_tick(timeout);
            ck_assert_int_eq(raft_role(lone.raft), RAFT_PRE_CANDIDATE);
            handicap /= 2;
        }
        /* A leader makes it what it was. */
        lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 1 });
        ck_assert_uint_ge(raft_next_tick(lone.raft), lone.now + 100 + rank * 50);
        /* The rank has no say in votes. */
        lone_step((struct raft_event){ .kind = RAFT_PEER_DOWN, .peer = 2 });
        ck_assert_uint_ge(raft_next_tick(lone.raft), lone.now + rank * 11);
        lone_receive((struct raft_message){ .kind = RAFT_VOTE, .from = 3, .term = 9 });
        ck_assert_int_eq(raft_vote(lone.raft), 3);
        lone_step((struct raft_event){ .kind = RAFT_RANK, .index = 0 });
        lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 3, .term = 9 });
        ck_assert_uint_lt(raft_next_tick(lone.raft), lone.now + 200);
    }
}
END_TEST

Suite *raft_rest_suite(void)
{
    Suite *s = suite_create("raft_rest");

#define ADD(test) suite_add_with(s, test, lone_setup, lone_teardown)
    ADD(a_leader_tells_when_it_heard_somebody);
    ADD(a_session_speaks_for_a_quiet_leader);
    ADD(a_session_speaks_for_quiet_followers);
    ADD(a_quiet_group_costs_nothing);
    ADD(everything_wakes_a_leader);
    ADD(who_is_away_keeps_nobody_awake);
    ADD(everything_wakes_a_follower);
    ADD(who_isnt_at_rest_doesnt_join);
    ADD(what_is_committed_is_equal);
    ADD(a_late_answer_doesnt_join);
    ADD(a_rank_delays_and_decays);
#undef ADD
    return s;
}
