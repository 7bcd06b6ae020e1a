/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/lone.h"
#include "raft/suites.h"

/* Roles, terms and votes, as one node sees them. */

/* Terms 1 1 2 at 1 .. 3, and term 2 on the disk. */
static const struct raft_run runs[] = { { 1, 1 }, { 3, 2 } };
static const struct raft_start three_entries = { .term = 2, .last_index = 3, .runs = runs, .n_runs = 2, .commit = 1 };

static void ask(enum raft_message_kind kind, uint64_t term, uint64_t index, uint64_t log_term, bool force)
{
    lone_receive((struct raft_message){
        .kind = kind, .from = 3, .term = term, .index = index, .log_term = log_term, .force = force });
}

/* force gets past the stickiness of those that have a leader, or lead. */
START_TEST(a_vote_is_given_from_any_role)
{
    for (enum raft_role role = RAFT_FOLLOWER; role <= RAFT_LEADER; role++) {
        uint64_t term;

        lone_start(three_entries);
        lone_become(role);
        term = raft_term(lone.raft) + 5;
        ask(RAFT_VOTE, term, 9, term - 1, true);
        ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
        ck_assert(lone.u.hard_state);
        ck_assert_uint_eq(lone.u.term, term);
        ck_assert_int_eq(lone.u.vote, 3);
        /* Only when it is durable. */
        ck_assert_ptr_null(lone_sent(RAFT_VOTE_REPLY, 3));
        lone_flush();
        ck_assert_uint_eq(raft_term(lone.raft), term);
    }
}
END_TEST

START_TEST(a_pre_vote_changes_nothing_in_any_role)
{
    for (enum raft_role role = RAFT_FOLLOWER; role <= RAFT_LEADER; role++) {
        uint64_t term;

        lone_start(three_entries);
        lone_become(role);
        if (role == RAFT_FOLLOWER)
            lone_step((struct raft_event){ .kind = RAFT_PEER_DOWN, .peer = 2 });
        term = raft_term(lone.raft);
        ask(RAFT_PRE_VOTE, term + 1, 9, term, false);
        ck_assert_int_eq(raft_role(lone.raft), role);
        ck_assert_uint_eq(raft_term(lone.raft), term);
        ck_assert(!lone.u.hard_state);
        /* Who leads doesn't even answer. */
        ck_assert((lone_sent(RAFT_PRE_VOTE_REPLY, 3) == NULL) == (role == RAFT_LEADER));
        ck_assert(role == RAFT_LEADER || !lone.u.messages[0].reject);
    }
}
END_TEST

START_TEST(votes_go_to_logs_that_are_as_new)
{
    static const struct {
        uint64_t index, term;
        bool yes;
    } logs[] = { { 0, 0, false }, { 3, 1, false }, { 9, 1, false }, { 2, 2, false },
                 { 3, 2, true },  { 4, 2, true },  { 1, 3, true },  { 3, 3, true } };

    for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
        lone_start(three_entries);
        ask(RAFT_PRE_VOTE, 4, logs[i].index, logs[i].term, false);
        ck_assert_uint_eq(lone.u.n_messages, 1);
        ck_assert(lone.u.messages[0].reject == !logs[i].yes);
        ck_assert_uint_eq(lone.u.messages[0].term, logs[i].yes ? 4 : 2);
        ask(RAFT_VOTE, 4, logs[i].index, logs[i].term, false);
        ck_assert_int_eq(raft_vote(lone.raft), logs[i].yes ? 3 : RAFT_NONE);
        ck_assert_uint_eq(raft_term(lone.raft), 4);
    }
}
END_TEST

START_TEST(one_vote_in_a_term)
{
    lone_start((struct raft_start){ .term = 1, .vote = 2 });
    ask(RAFT_VOTE, 1, 0, 0, false);
    ck_assert(lone_sent(RAFT_VOTE_REPLY, 3)->reject);
    lone_receive((struct raft_message){ .kind = RAFT_VOTE, .from = 2, .term = 1 });
    ck_assert(!lone_sent(RAFT_VOTE_REPLY, 2)->reject);
    ck_assert(!lone.u.hard_state);
}
END_TEST

START_TEST(every_role_yields_to_a_newer_term)
{
    static const enum raft_message_kind kinds[] = { RAFT_VOTE, RAFT_APPEND, RAFT_HEARTBEAT, RAFT_PRE_VOTE_REPLY };

    for (enum raft_role role = RAFT_FOLLOWER; role <= RAFT_LEADER; role++) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
            bool leads = kinds[i] == RAFT_APPEND || kinds[i] == RAFT_HEARTBEAT;

            lone_start(three_entries);
            lone_become(role);
            lone_receive((struct raft_message){ .kind = kinds[i],
                                                .from = 3,
                                                .term = 7,
                                                .force = kinds[i] == RAFT_VOTE,
                                                .reject = kinds[i] == RAFT_PRE_VOTE_REPLY });
            ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
            ck_assert_uint_eq(raft_term(lone.raft), 7);
            ck_assert_int_eq(raft_vote(lone.raft), RAFT_NONE);
            ck_assert_int_eq(raft_leader(lone.raft), leads ? 3 : RAFT_NONE);
        }
    }
}
END_TEST

START_TEST(a_candidate_follows_a_leader_of_its_term)
{
    static const enum raft_message_kind kinds[] = { RAFT_APPEND, RAFT_HEARTBEAT };

    for (enum raft_role role = RAFT_PRE_CANDIDATE; role <= RAFT_CANDIDATE; role++) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
            int32_t vote;

            lone_start(three_entries);
            lone_become(role);
            vote = raft_vote(lone.raft);
            lone_receive((struct raft_message){ .kind = kinds[i], .from = 3, .term = raft_term(lone.raft) });
            ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
            ck_assert_int_eq(raft_leader(lone.raft), 3);
            /* It stays its vote of the term. */
            ck_assert_int_eq(raft_vote(lone.raft), vote);
        }
    }
}
END_TEST

START_TEST(all_old_terms_are_void)
{
    static const struct raft_entry entry = { .term = 1, .size = 10 };

    for (enum raft_role role = RAFT_FOLLOWER; role <= RAFT_LEADER; role++) {
        for (enum raft_message_kind kind = RAFT_PRE_VOTE; kind <= RAFT_TIMEOUT_NOW; kind++) {
            struct raft_message m = { .kind = kind, .from = 3, .term = 1, .commit = 3 };
            uint64_t last, term;

            lone_start(three_entries);
            lone_become(role);
            lone_flush();
            last = raft_last_index(lone.raft);
            term = raft_term(lone.raft);
            if (kind == RAFT_APPEND)
                m.n_entries = 1, m.entries = &entry;
            if (kind == RAFT_SNAPSHOT)
                m.index = 9, m.log_term = 1, m.config = &lone.config;
            lone_receive(m);
            ck_assert_int_eq(raft_role(lone.raft), role);
            ck_assert_uint_eq(raft_last_index(lone.raft), last);
            ck_assert_uint_eq(raft_commit_index(lone.raft), 1);
            /* A leader of an old term, or who asks in one, learns of ours. */
            for (uint32_t i = 0; i < lone.u.n_messages; i++) {
                ck_assert(lone.u.messages[i].reject);
                ck_assert_uint_eq(lone.u.messages[i].term, term);
            }
            ck_assert_uint_eq(lone.u.n_messages, kind == RAFT_APPEND || kind == RAFT_HEARTBEAT ||
                                                     kind == RAFT_SNAPSHOT || kind == RAFT_PRE_VOTE);
        }
    }
}
END_TEST

START_TEST(a_late_flush_of_a_lost_campaign_asks_nobody)
{
    lone_start(three_entries);
    lone_become(RAFT_CANDIDATE);
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 4 });
    lone_step((struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = 3, .vote = 1 });
    ck_assert_uint_eq(lone.u.n_messages, 0);
    lone_step((struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = 4, .vote = RAFT_NONE });
    ck_assert_uint_eq(lone.u.n_messages, 1);
    ck_assert_uint_eq(lone.u.messages[0].kind, RAFT_HEARTBEAT_REPLY);
}
END_TEST

START_TEST(pre_votes_dont_count_as_votes)
{
    lone_start(three_entries);
    lone_become(RAFT_CANDIDATE);
    lone_flush();
    lone_receive((struct raft_message){ .kind = RAFT_PRE_VOTE_REPLY, .from = 3, .term = 3 });
    ck_assert_int_eq(raft_role(lone.raft), RAFT_CANDIDATE);
    /* Nor those of another term, nor those of who has no vote. */
    lone_become(RAFT_PRE_CANDIDATE);
    lone_receive((struct raft_message){ .kind = RAFT_PRE_VOTE_REPLY, .from = 3, .term = 9 });
    lone_receive((struct raft_message){ .kind = RAFT_PRE_VOTE_REPLY, .from = 7, .term = 4 });
    ck_assert_int_eq(raft_role(lone.raft), RAFT_PRE_CANDIDATE);
}
END_TEST

START_TEST(only_voters_campaign)
{
    static const uint8_t roles[][2] = { { RAFT_LEARNER, RAFT_VOTER }, { 0, RAFT_VOTER } };

    for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
        lone_members(2, roles[i]);
        if (roles[i][0] == 0) /* 1 isn't in the configuration */
            lone.config.members[0].id = 9, lone.config.members[0].roles = RAFT_VOTER;
        lone_start(three_entries);
        lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
        lone_tick(500);
        ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
        lone_receive((struct raft_message){ .kind = RAFT_TIMEOUT_NOW, .from = 2, .term = 2 });
        lone_receive((struct raft_message){ .kind = RAFT_VOTE_REPLY, .from = 2, .term = 2 });
        ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
        ck_assert_uint_eq(raft_term(lone.raft), 2);
        /* But they vote: who asks may know better. */
        ask(RAFT_VOTE, 3, 3, 2, false);
        ck_assert_int_eq(raft_vote(lone.raft), 3);
    }
}
END_TEST

START_TEST(a_leader_doesnt_campaign)
{
    lone_start(three_entries);
    lone_lead();
    lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
    ck_assert_int_eq(raft_role(lone.raft), RAFT_LEADER);
    ck_assert_uint_eq(lone.u.n_messages, 0);
    lone_receive((struct raft_message){ .kind = RAFT_TIMEOUT_NOW, .from = 2, .term = raft_term(lone.raft) });
    ck_assert_int_eq(raft_role(lone.raft), RAFT_LEADER);
}
END_TEST

/* From one timeout to two, and no two nodes alike: that is what makes split votes rare. */
START_TEST(timeouts_are_drawn)
{
    for (unsigned candidate = 0; candidate <= 1; candidate++) {
        bool seen[100] = { false };
        unsigned n_seen = 0;

        for (uint64_t seed = 0; seed < 1000; seed++) {
            uint64_t timeout;

            lone_start((struct raft_start){ .seed = seed });
            if (candidate == 1)
                lone_become(RAFT_CANDIDATE);
            timeout = raft_next_tick(lone.raft) - lone.now;
            ck_quick(timeout >= 100 && timeout < 200);
            n_seen += !seen[timeout - 100];
            seen[timeout - 100] = true;
        }
        ck_assert_uint_gt(n_seen, 90);
    }
}
END_TEST

START_TEST(nothing_happens_before_the_timeout)
{
    lone_start(three_entries);
    lone_tick(99);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
    ck_assert_uint_eq(lone.u.n_messages, 0);
    lone_tick(100);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_PRE_CANDIDATE);
    ck_assert_uint_eq(lone.u.n_messages, 2);
    /* And again, until somebody answers. */
    lone_tick(200);
    ck_assert_uint_eq(lone.u.n_messages, 2);
    ck_assert_uint_eq(raft_term(lone.raft), 2);
}
END_TEST

/* The hard state may be lost: this node may have voted, and for a log that it doesn't have. */
START_TEST(without_hard_state_no_vote_and_no_lead)
{
    struct raft_start start = three_entries;

    start.no_vote = true;
    lone_start(start);
    lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
    lone_tick(500);
    lone_receive((struct raft_message){ .kind = RAFT_TIMEOUT_NOW, .from = 2, .term = 2 });
    ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
    ask(RAFT_PRE_VOTE, 4, 9, 3, false);
    ck_assert(lone_sent(RAFT_PRE_VOTE_REPLY, 3)->reject);
    ask(RAFT_VOTE, 4, 9, 3, true);
    ck_assert_int_eq(raft_vote(lone.raft), RAFT_NONE);
    lone_flush();
    ck_assert_ptr_null(lone_sent(RAFT_VOTE_REPLY, 3));
    /* It follows. */
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 4, .commit = 3 });
    ck_assert_int_eq(raft_leader(lone.raft), 2);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 3);
    /* Until it is readmitted. */
    ck_assert_int_eq(raft_check_config(lone.raft, &lone.config), RAFT_E_NOT_LEADER);
    raft_set_no_vote(lone.raft, false);
    lone_tick(500);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_PRE_CANDIDATE);
    ask(RAFT_PRE_VOTE, 5, 9, 4, false);
    ck_assert(!lone_sent(RAFT_PRE_VOTE_REPLY, 3)->reject);
}
END_TEST

/* Bodies are lost, but what the log's end was is known: it can tell who has at least that, and can't lead. */
START_TEST(without_bodies_a_vote_and_no_lead)
{
    struct raft_start start = three_entries;

    start.no_lead = true;
    lone_start(start);
    lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
    lone_tick(500);
    lone_receive((struct raft_message){ .kind = RAFT_TIMEOUT_NOW, .from = 2, .term = 2 });
    ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
    ask(RAFT_VOTE, 3, 2, 2, false);
    ck_assert_int_eq(raft_vote(lone.raft), RAFT_NONE);
    ask(RAFT_VOTE, 3, 3, 2, false);
    ck_assert_int_eq(raft_vote(lone.raft), 3);
    lone_flush();
    ck_assert(!lone_sent(RAFT_VOTE_REPLY, 3)->reject);
    /* That it may vote again doesn't bring them back. */
    raft_set_no_vote(lone.raft, true);
    raft_set_no_vote(lone.raft, false);
    lone_tick(500);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
}
END_TEST

Suite *raft_vote_suite(void)
{
    Suite *s = suite_create("raft_vote");

#define ADD(test) suite_add_with(s, test, lone_setup, lone_teardown)
    ADD(a_vote_is_given_from_any_role);
    ADD(a_pre_vote_changes_nothing_in_any_role);
    ADD(votes_go_to_logs_that_are_as_new);
    ADD(one_vote_in_a_term);
    ADD(every_role_yields_to_a_newer_term);
    ADD(a_candidate_follows_a_leader_of_its_term);
    ADD(all_old_terms_are_void);
    ADD(a_late_flush_of_a_lost_campaign_asks_nobody);
    ADD(pre_votes_dont_count_as_votes);
    ADD(only_voters_campaign);
    ADD(a_leader_doesnt_campaign);
    ADD(timeouts_are_drawn);
    ADD(nothing_happens_before_the_timeout);
    ADD(without_hard_state_no_vote_and_no_lead);
    ADD(without_bodies_a_vote_and_no_lead);
#undef ADD
    return s;
}
