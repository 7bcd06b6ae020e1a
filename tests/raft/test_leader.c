/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/lone.h"
#include "raft/suites.h"

/* What a leader counts, sends and keeps to itself. */

static struct raft_progress progress_of(int32_t id)
{
    struct raft_progress p;

    for (uint32_t i = 0; raft_progress(lone.raft, i, &p); i++)
        if (p.id == id)
            return p;
    ck_abort_msg("no member %d", id);
}

static void acknowledge(int32_t from, uint64_t index)
{
    lone_receive(
        (struct raft_message){ .kind = RAFT_APPEND_REPLY, .from = from, .term = raft_term(lone.raft), .index = index });
}

/* Who has what, and what that commits: entries 1 and 2 are of an earlier term, the leader's own come behind them. */
START_TEST(a_majority_commits)
{
    static const struct {
        unsigned n;
        uint64_t has[5], commit;
    } cases[] = {
        { 1, { 4 }, 4 },
        { 2, { 4, 0 }, 0 },
        { 2, { 4, 3 }, 3 },
        { 2, { 2, 4 }, 0 },
        { 3, { 4, 3, 0 }, 3 },
        { 3, { 4, 2, 0 }, 0 },
        { 3, { 2, 4, 3 }, 3 },
        { 4, { 4, 4, 0, 0 }, 0 },
        { 4, { 4, 4, 3, 0 }, 3 },
        { 4, { 4, 4, 4, 0 }, 4 },
        { 5, { 4, 4, 0, 3, 0 }, 3 },
        { 5, { 4, 4, 4, 0, 0 }, 4 },
        { 5, { 4, 2, 2, 2, 2 }, 0 },
    };
    static const uint8_t voters[] = { RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_VOTER };
    static const struct raft_run run[] = { { 1, 1 } };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        lone_members(cases[i].n, voters);
        lone_start((struct raft_start){ .term = 1, .last_index = 2, .runs = run, .n_runs = 1 });
        lone_become(cases[i].n == 1 ? RAFT_FOLLOWER : RAFT_CANDIDATE);
        if (cases[i].n == 1)
            lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
        lone_step((struct raft_event){
            .kind = RAFT_STATE_FLUSHED, .term = raft_term(lone.raft), .vote = raft_vote(lone.raft) });
        for (int32_t j = 2; j <= (int32_t)cases[i].n; j++)
            lone_receive((struct raft_message){ .kind = RAFT_VOTE_REPLY, .from = j, .term = raft_term(lone.raft) });
        ck_assert_int_eq(raft_role(lone.raft), RAFT_LEADER);
        ck_assert_int_eq(lone_propose(1), 0);
        lone_step((struct raft_event){
            .kind = RAFT_LOG_FLUSHED, .index = cases[i].has[0], .term = raft_term_at(lone.raft, cases[i].has[0]) });
        for (int32_t j = 2; j <= (int32_t)cases[i].n; j++)
            acknowledge(j, cases[i].has[j - 1]);
        ck_assert_uint_eq(raft_commit_index(lone.raft), cases[i].commit);
    }
}
END_TEST

START_TEST(heartbeats_tell_no_more_than_is_acknowledged)
{
    lone_start((struct raft_start){ 0 });
    lone_lead();
    acknowledge(2, 1);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 1);
    lone_tick(20);
    ck_assert_uint_eq(lone_sent(RAFT_HEARTBEAT, 2)->commit, 1);
    ck_assert_uint_eq(lone_sent(RAFT_HEARTBEAT, 3)->commit, 0);
    ck_assert_uint_eq(lone.u.n_messages, 2);
    /* One round per interval. */
    lone_tick(10);
    ck_assert_uint_eq(lone.u.n_messages, 0);
    lone_tick(10);
    ck_assert_uint_eq(lone.u.n_messages, 2);
}
END_TEST

/* Probing after a broken connection, with nothing to send: an answered heartbeat ends it. */
START_TEST(an_answered_heartbeat_ends_a_probe)
{
    lone_start((struct raft_start){ 0 });
    lone_lead();
    acknowledge(2, 1);
    acknowledge(2, 1);
    ck_assert_int_eq(progress_of(2).state, RAFT_REPLICATE);
    lone_step((struct raft_event){ .kind = RAFT_PEER_DOWN, .peer = 2 });
    ck_assert_int_eq(progress_of(2).state, RAFT_PROBE);
    lone_propose(1);
    ck_assert_uint_eq(lone_sent(RAFT_APPEND, 2)->n_entries, 1);
    /* One message at a time. */
    lone_propose(1);
    ck_assert_ptr_null(lone_sent(RAFT_APPEND, 2));
    lone_receive(
        (struct raft_message){ .kind = RAFT_HEARTBEAT_REPLY, .from = 2, .term = raft_term(lone.raft), .index = 1 });
    ck_assert_uint_eq(lone_sent(RAFT_APPEND, 2)->index, 1);
    ck_assert_uint_eq(lone_sent(RAFT_APPEND, 2)->n_entries, 2);
    acknowledge(2, 3);
    ck_assert_int_eq(progress_of(2).state, RAFT_REPLICATE);
}
END_TEST

START_TEST(what_is_answered_twice_or_late_moves_nothing_back)
{
    lone_start((struct raft_start){ 0 });
    lone_lead();
    lone_propose(3);
    lone_flush();
    acknowledge(2, 4);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 4);
    acknowledge(2, 2);
    acknowledge(2, 4);
    lone_receive((struct raft_message){ .kind = RAFT_APPEND_REPLY,
                                        .from = 2,
                                        .term = raft_term(lone.raft),
                                        .reject = true,
                                        .index = 3,
                                        .hint_index = 1,
                                        .hint_term = 1 });
    ck_assert_uint_eq(progress_of(2).match, 4);
    ck_assert_uint_eq(progress_of(2).next, 5);
    ck_assert_int_eq(progress_of(2).state, RAFT_REPLICATE);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 4);
}
END_TEST

/* The APPENDs to node 2 in the last update have so many entries, one behind the other from first on. */
static void check_sizes(uint64_t first, const uint32_t *sizes, unsigned n)
{
    unsigned at = 0;

    for (uint32_t i = 0; i < lone.u.n_messages; i++) {
        const struct raft_message *m = &lone.u.messages[i];

        if (m->kind != RAFT_APPEND || m->to != 2)
            continue;
        ck_assert_uint_lt(at, n);
        ck_assert_uint_eq(m->index, first - 1);
        ck_assert_uint_eq(m->n_entries, sizes[at++]);
        first += m->n_entries;
    }
    ck_assert_uint_eq(at, n);
}

START_TEST(a_message_is_within_its_limits)
{
    static const struct {
        uint32_t entries, bytes, sizes[4];
        unsigned n;
    } cases[] = {
        { 3, 1000, { 3, 3, 1 }, 3 },
        { 7, 1000, { 7 }, 1 },
        { 100, 30, { 3, 3, 1 }, 3 },
        { 2, 30, { 2, 2, 2, 1 }, 4 },
        { 3, 20, { 2, 2, 2, 1 }, 4 },
        { 100, 9, { 1, 1, 1, 1 }, 4 }, /* each is larger and goes alone; the window is full */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        lone.limits.message_entries = cases[i].entries;
        lone.limits.message_bytes = cases[i].bytes;
        lone_start((struct raft_start){ 0 });
        lone_lead();
        acknowledge(2, 1);
        ck_assert_int_eq(lone_propose(7), 0);
        check_sizes(2, cases[i].sizes, cases[i].n);
    }
}
END_TEST

/* Two random logs: it takes at most as many refusals as there are terms in them until the leader knows where they
 * agree. */
START_TEST(logs_are_joined_in_as_many_rounds_as_terms)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct raft_run runs[2][8];
        uint64_t agree = seed % 7, last[2], state = seed * 0x9e3779b97f4a7c15;
        size_t n[2] = { 0, 0 };
        struct raft_message reply = { .kind = RAFT_APPEND_REPLY, .from = 2, .reject = true };
        struct raft *follower;
        unsigned n_rounds = 0;

        for (unsigned who = 0; who < 2; who++) {
            uint64_t term = 1;

            if (agree > 0)
                runs[who][n[who]++] = (struct raft_run){ 1, 1 };
            last[who] = agree;
            while (n[who] < 2 + seed % 6) {
                state = state * 6364136223846793005 + 1442695040888963407;
                /* Behind where they agree, no term is in both. */
                term += 2 + (state >> 40) % 3 * 2;
                runs[who][n[who]++] = (struct raft_run){ last[who] + 1, term + who };
                last[who] += 1 + (state >> 50) % 4;
            }
        }
        lone_start((struct raft_start){
            .term = 100, .last_index = last[1], .runs = runs[1], .n_runs = n[1], .commit = agree });
        follower = TAKE_PTR(lone.raft);
        lone_start((struct raft_start){
            .term = 100, .last_index = last[0], .runs = runs[0], .n_runs = n[0], .commit = agree });
        lone_lead();
        reply.term = raft_term(lone.raft);
        reply.index = last[0];
        while (raft_term_at(follower, reply.index) != raft_term_at(lone.raft, reply.index)) {
            struct raft_update u;
            struct raft_message m = { .kind = RAFT_APPEND, .from = 1, .to = 1, .term = 101, .index = reply.index };

            n_rounds++;
            m.from = 3;
            m.log_term = raft_term_at(lone.raft, reply.index);
            raft_step(follower, &(struct raft_event){ .kind = RAFT_RECEIVE, .message = &m }, &u);
            raft_step(follower, &(struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = 101, .vote = RAFT_NONE }, &u);
            raft_step(follower, &(struct raft_event){ .kind = RAFT_RECEIVE, .message = &m }, &u);
            ck_quick(u.n_messages == 1 && u.messages[0].reject);
            reply.hint_index = u.messages[0].hint_index;
            reply.hint_term = u.messages[0].hint_term;
            lone_receive(reply);
            reply.index = progress_of(2).next - 1;
        }
        ck_assert_uint_le(n_rounds, n[0] + n[1]);
        ck_assert_uint_ge(reply.index, agree);
        raft_free(follower);
    }
}
END_TEST

START_TEST(a_late_flush_of_a_lost_lead_isnt_acknowledged)
{
    lone_start((struct raft_start){ 0 });
    lone_lead();
    lone_propose(2);
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 2 });
    lone_step((struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = 2, .vote = RAFT_NONE });
    lone_step((struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = 3, .term = 1 });
    ck_assert_uint_eq(raft_commit_index(lone.raft), 0);
    /* Nobody has shown that the new leader's log has them. */
    for (uint32_t i = 0; i < lone.u.n_messages; i++)
        ck_assert_uint_eq(lone.u.messages[i].index, 0);
}
END_TEST

START_TEST(no_change_before_the_first_entry_is_committed)
{
    struct raft_config learner;

    lone_start((struct raft_start){ 0 });
    lone_lead();
    learner = lone.config;
    learner.members[learner.n_members++] = (struct raft_config_member){ .id = 4, .roles = RAFT_LEARNER };
    ck_assert_int_eq(lone_propose_config(&learner), RAFT_E_CONFIG_PENDING);
    acknowledge(2, 1);
    ck_assert_int_eq(lone_propose_config(&learner), 0);
    ck_assert_int_eq(lone_propose_config(&lone.config), RAFT_E_CONFIG_PENDING);
    lone_flush();
    acknowledge(2, 2);
    ck_assert_int_eq(lone_propose_config(&lone.config), 0);
}
END_TEST

START_TEST(no_change_while_leadership_moves)
{
    lone_start((struct raft_start){ 0 });
    lone_lead();
    acknowledge(2, 1);
    lone_step((struct raft_event){ .kind = RAFT_TRANSFER, .peer = 3 });
    ck_assert_int_eq(lone.u.error, 0);
    ck_assert_int_eq(lone_propose_config(&lone.config), RAFT_E_TRANSFER);
    lone_step((struct raft_event){ .kind = RAFT_TRANSFER, .peer = RAFT_NONE });
    ck_assert_int_eq(lone_propose_config(&lone.config), 0);
}
END_TEST

/* New voters were never heard of, but there was no time to hear them: the clock of check-quorum begins with them. */
START_TEST(new_voters_get_a_timeout_to_answer)
{
    static const uint8_t alone[] = { RAFT_VOTER, RAFT_LEARNER };
    static const struct raft_config both = { 2, { { 1, RAFT_VOTER | RAFT_OUTGOING }, { 2, RAFT_VOTER } } };

    lone_members(2, alone);
    lone_start((struct raft_start){ 0 });
    lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
    lone_flush();
    lone_flush();
    ck_assert_uint_eq(raft_commit_index(lone.raft), 1);
    lone_tick(90);
    acknowledge(2, 1);
    acknowledge(2, 1);
    ck_assert_int_eq(lone_propose_config(&both), 0);
    lone_tick(99);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_LEADER);
    lone_tick(30);
    lone_tick(100);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
}
END_TEST

/* Nothing is sent to who came to rest after that, so nothing more would be heard of it. */
START_TEST(who_has_all_may_vote_after_a_lost_connection)
{
    static const uint8_t roles[] = { RAFT_VOTER, RAFT_LEARNER };
    static const struct raft_config both = { 2, { { 1, RAFT_VOTER | RAFT_OUTGOING }, { 2, RAFT_VOTER } } };

    lone_members(2, roles);
    lone_start((struct raft_start){ 0 });
    lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
    lone_flush();
    lone_flush();
    ck_assert_int_eq(lone_propose_config(&both), RAFT_E_CONFIG_UNCAUGHT_UP);
    acknowledge(2, 1);
    acknowledge(2, 1);
    lone_step((struct raft_event){ .kind = RAFT_PEER_DOWN, .peer = 2 });
    ck_assert_int_eq(lone_propose_config(&both), 0);
}
END_TEST

/* Its vote may be needed as soon as the next configuration is there, and it gives none before one has named it. */
START_TEST(who_votes_next_has_been_named)
{
    static const uint8_t alone[] = { RAFT_VOTER };
    static const struct raft_config learner = { 2, { { 1, RAFT_VOTER }, { 2, RAFT_LEARNER } } },
                                    both = { 2, { { 1, RAFT_VOTER | RAFT_OUTGOING }, { 2, RAFT_VOTER } } };

    lone_members(1, alone);
    lone_start((struct raft_start){ 0 });
    lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
    lone_flush();
    lone_flush();
    ck_assert_int_eq(lone_propose_config(&learner), 0);
    lone_flush();
    acknowledge(2, 1); /* the rest is on its way */
    ck_assert_uint_eq(raft_commit_index(lone.raft), 2);
    ck_assert_int_eq(lone_propose_config(&both), RAFT_E_CONFIG_UNCAUGHT_UP);
    acknowledge(2, 2);
    ck_assert_int_eq(lone_propose(1), 0);
    lone_flush();
    ck_assert_uint_eq(raft_commit_index(lone.raft), 3);
    ck_assert_int_eq(lone_propose_config(&both), 0);
}
END_TEST

/* Who is alone has nothing to tick for, until it has company. */
START_TEST(a_single_leader_gets_company)
{
    static const uint8_t alone[] = { RAFT_VOTER };
    static const struct raft_config learner = { 2, { { 1, RAFT_VOTER }, { 2, RAFT_LEARNER } } },
                                    both = { 2, { { 1, RAFT_VOTER | RAFT_OUTGOING }, { 2, RAFT_VOTER } } };

    lone_members(1, alone);
    lone_start((struct raft_start){ 0 });
    lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
    lone_flush();
    lone_flush();
    lone_tick(300);
    ck_assert_uint_eq(raft_next_tick(lone.raft), UINT64_MAX);
    ck_assert_int_eq(lone_propose_config(&learner), 0);
    ck_assert_uint_eq(raft_next_tick(lone.raft), lone.now + 20);
    lone_flush();
    acknowledge(2, 2);
    acknowledge(2, 2);
    ck_assert_int_eq(lone_propose_config(&both), 0);
    lone_tick(100);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_LEADER);
    lone_tick(100);
    lone_tick(100);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
}
END_TEST

START_TEST(leadership_goes_to_other_voters_only)
{
    static const uint8_t roles[] = { RAFT_VOTER, RAFT_VOTER, RAFT_LEARNER };
    static const int32_t not_targets[] = { 1, 3, 4 };

    lone_members(3, roles);
    lone_start((struct raft_start){ 0 });
    lone_lead();
    for (size_t i = 0; i < ARRAY_SIZE(not_targets); i++) {
        lone_step((struct raft_event){ .kind = RAFT_TRANSFER, .peer = not_targets[i] });
        ck_assert_int_eq(lone.u.error, RAFT_E_TARGET);
    }
    ck_assert_int_eq(lone_propose(1), 0);
}
END_TEST

/* The last request counts; asked for twice, it begins anew; a candidate of a newer term ends it. */
START_TEST(a_transfer_can_be_asked_for_again)
{
    lone_start((struct raft_start){ 0 });
    lone_lead();
    acknowledge(2, 1);
    acknowledge(3, 1);
    lone_step((struct raft_event){ .kind = RAFT_TRANSFER, .peer = 2 });
    ck_assert_ptr_nonnull(lone_sent(RAFT_TIMEOUT_NOW, 2));
    lone_tick(50);
    lone_step((struct raft_event){ .kind = RAFT_TRANSFER, .peer = 3 });
    ck_assert_ptr_nonnull(lone_sent(RAFT_TIMEOUT_NOW, 3));
    acknowledge(2, 1);
    lone_tick(60);
    ck_assert_int_eq(lone_propose(1), RAFT_E_TRANSFER);
    lone_receive(
        (struct raft_message){ .kind = RAFT_VOTE, .from = 3, .term = 2, .index = 1, .log_term = 1, .force = true });
    ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
    ck_assert_int_eq(lone_propose(1), RAFT_E_NOT_LEADER);
}
END_TEST

START_TEST(an_image_that_arrived_opens_the_window)
{
    static const struct raft_run run[] = { { 6, 1 } };

    for (unsigned failed = 0; failed <= 1; failed++) {
        lone_start((struct raft_start){
            .term = 1, .start_index = 5, .start_term = 1, .last_index = 7, .runs = run, .n_runs = 1, .commit = 5 });
        lone_lead();
        lone_receive((struct raft_message){
            .kind = RAFT_APPEND_REPLY, .from = 2, .term = raft_term(lone.raft), .reject = true, .index = 7 });
        ck_assert_uint_eq(lone_sent(RAFT_SNAPSHOT, 2)->index, 5);
        ck_assert_int_eq(progress_of(2).state, RAFT_IMAGE);
        /* Nothing else goes there meanwhile. */
        lone_propose(1);
        ck_assert_ptr_null(lone_sent(RAFT_APPEND, 2));
        if (failed == 1) {
            lone_step((struct raft_event){ .kind = RAFT_SNAPSHOT_FAILED, .peer = 2 });
            ck_assert_int_eq(progress_of(2).state, RAFT_PROBE);
            ck_assert_uint_eq(progress_of(2).next, 1);
            lone_propose(1);
            ck_assert_uint_eq(lone.u.n_messages, 0);
            continue;
        }
        acknowledge(2, 5);
        ck_assert_int_eq(progress_of(2).state, RAFT_REPLICATE);
        ck_assert_uint_eq(lone_sent(RAFT_APPEND, 2)->index, 5);
        ck_assert_uint_eq(progress_of(2).next, raft_last_index(lone.raft) + 1);
        ck_assert_uint_eq(progress_of(2).inflight_messages, 1);
    }
}
END_TEST

Suite *raft_leader_suite(void)
{
    Suite *s = suite_create("raft_leader");

#define ADD(test) suite_add_with(s, test, lone_setup, lone_teardown)
    ADD(a_majority_commits);
    ADD(heartbeats_tell_no_more_than_is_acknowledged);
    ADD(an_answered_heartbeat_ends_a_probe);
    ADD(what_is_answered_twice_or_late_moves_nothing_back);
    ADD(a_message_is_within_its_limits);
    ADD(logs_are_joined_in_as_many_rounds_as_terms);
    ADD(a_late_flush_of_a_lost_lead_isnt_acknowledged);
    ADD(no_change_before_the_first_entry_is_committed);
    ADD(no_change_while_leadership_moves);
    ADD(new_voters_get_a_timeout_to_answer);
    ADD(who_has_all_may_vote_after_a_lost_connection);
    ADD(who_votes_next_has_been_named);
    ADD(a_single_leader_gets_company);
    ADD(leadership_goes_to_other_voters_only);
    ADD(a_transfer_can_be_asked_for_again);
    ADD(an_image_that_arrived_opens_the_window);
#undef ADD
    return s;
}
