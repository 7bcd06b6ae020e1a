/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/lone.h"
#include "raft/suites.h"

/* What a follower takes, refuses and acknowledges. Its log has terms 1 1 2 at 1 .. 3, and 1 is known to be committed.
 */

static const struct raft_run runs[] = { { 1, 1 }, { 3, 2 } };
static const struct raft_start three_entries = { .term = 2, .last_index = 3, .runs = runs, .n_runs = 2, .commit = 1 };

static struct raft_entry entries[4];

static void append(uint64_t index, uint64_t log_term, uint64_t commit, unsigned n, const uint64_t *terms)
{
    for (unsigned i = 0; i < n; i++)
        entries[i] = (struct raft_entry){ .term = terms[i], .size = 10 };
    lone_receive((struct raft_message){ .kind = RAFT_APPEND,
                                        .from = 2,
                                        .term = 5,
                                        .index = index,
                                        .log_term = log_term,
                                        .commit = commit,
                                        .n_entries = n,
                                        .entries = entries });
}

START_TEST(an_append_is_taken_where_the_logs_agree)
{
    static const struct {
        uint64_t index, log_term;
        unsigned n;
        uint64_t terms[2];
        bool refused;
        uint64_t last, cut, hint;
    } cases[] = {
        { 3, 2, 0, { 0 }, false, 3, 0, 0 },    { 3, 2, 2, { 4, 5 }, false, 5, 0, 0 },
        { 3, 1, 1, { 5 }, true, 3, 0, 2 },     { 7, 4, 1, { 5 }, true, 3, 0, 3 },
        { 2, 1, 1, { 2 }, false, 3, 0, 0 },    { 2, 1, 1, { 4 }, false, 3, 3, 0 },
        { 1, 1, 2, { 1, 4 }, false, 3, 3, 0 }, { 1, 1, 1, { 3 }, false, 2, 2, 0 },
        { 0, 0, 2, { 1, 1 }, false, 3, 0, 0 }, { 2, 2, 1, { 3 }, true, 3, 0, 2 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        lone_start(three_entries);
        append(cases[i].index, cases[i].log_term, 0, cases[i].n, cases[i].terms);
        ck_assert_uint_eq(raft_last_index(lone.raft), cases[i].last);
        ck_assert_uint_eq(lone.u.truncate_from, cases[i].cut);
        lone_flush();
        /* Now the term is durable, and the same is answered. */
        append(cases[i].index, cases[i].log_term, 0, cases[i].n, cases[i].terms);
        ck_assert_uint_eq(lone.u.n_messages, 1);
        ck_assert(lone.u.messages[0].reject == cases[i].refused);
        ck_assert_uint_eq(lone.u.messages[0].index, cases[i].refused ? cases[i].index : cases[i].index + cases[i].n);
        ck_assert_uint_eq(lone.u.messages[0].hint_index, cases[i].hint);
    }
}
END_TEST

START_TEST(an_append_moves_the_commit_index)
{
    static const uint64_t term[] = { 5 };

    lone_start(three_entries);
    append(3, 2, 4, 1, term);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 4);
    /* Never back, and never over what is known to be equal. */
    append(3, 2, 2, 0, NULL);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 4);
    lone_start(three_entries);
    append(1, 1, 9, 0, NULL);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 1);
    append(1, 1, 9, 1, (const uint64_t[]){ 1 });
    ck_assert_uint_eq(raft_commit_index(lone.raft), 2);
}
END_TEST

START_TEST(a_heartbeat_moves_the_commit_index)
{
    lone_start(three_entries);
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 5, .commit = 3 });
    ck_assert_uint_eq(raft_commit_index(lone.raft), 3);
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 5, .commit = 2 });
    ck_assert_uint_eq(raft_commit_index(lone.raft), 3);
    ck_assert_uint_eq(lone.u.n_messages, 0);
    lone_flush();
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 5, .commit = 3, .context = 77 });
    ck_assert_uint_eq(lone_sent(RAFT_HEARTBEAT_REPLY, 2)->context, 77);
    ck_assert_uint_eq(lone_sent(RAFT_HEARTBEAT_REPLY, 2)->commit, 3);
}
END_TEST

/* Only what is on the disk, and only up to where the leader has shown that the logs are equal. */
START_TEST(what_is_acknowledged_is_flushed_and_equal)
{
    static const uint64_t terms[] = { 5, 5 };
    uint32_t epoch;

    lone_start(three_entries);
    append(1, 1, 0, 0, NULL);
    lone_flush();
    append(1, 1, 0, 0, NULL);
    ck_assert_uint_eq(lone_sent(RAFT_APPEND_REPLY, 2)->index, 1);
    append(3, 2, 0, 2, terms);
    epoch = lone.u.epoch;
    ck_assert_uint_eq(lone.u.n_messages, 0);
    lone_step((struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = 4, .term = 5, .epoch = epoch });
    ck_assert_uint_eq(lone_sent(RAFT_APPEND_REPLY, 2)->index, 4);
    /* Once more the same: it is answered by what the disk has. */
    append(3, 2, 0, 2, terms);
    ck_assert_uint_eq(lone_sent(RAFT_APPEND_REPLY, 2)->index, 4);
    lone_step((struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = 5, .term = 5, .epoch = epoch });
    ck_assert_uint_eq(lone_sent(RAFT_APPEND_REPLY, 2)->index, 5);
}
END_TEST

START_TEST(a_message_that_was_overtaken_cuts_nothing)
{
    static const uint64_t terms[] = { 5, 5, 5 };

    lone_start(three_entries);
    append(3, 2, 0, 3, terms);
    ck_assert_uint_eq(raft_last_index(lone.raft), 6);
    append(3, 2, 0, 1, terms);
    append(2, 1, 0, 1, (const uint64_t[]){ 2 });
    append(0, 0, 0, 1, (const uint64_t[]){ 1 });
    ck_assert_uint_eq(raft_last_index(lone.raft), 6);
    ck_assert_uint_eq(lone.u.truncate_from, 0);
}
END_TEST

START_TEST(a_follower_refuses_what_only_a_leader_does)
{
    lone_start(three_entries);
    lone_become(RAFT_FOLLOWER);
    ck_assert_int_eq(lone_propose(1), RAFT_E_NOT_LEADER);
    ck_assert_int_eq(lone_propose_config(&lone.config), RAFT_E_NOT_LEADER);
    lone_step((struct raft_event){ .kind = RAFT_READ });
    ck_assert_int_eq(lone.u.error, RAFT_E_NOT_LEADER);
    lone_step((struct raft_event){ .kind = RAFT_TRANSFER, .peer = 3 });
    ck_assert_int_eq(lone.u.error, RAFT_E_NOT_LEADER);
    /* It sends no heartbeats, whatever comes. */
    lone_tick(30);
    ck_assert_uint_eq(lone.u.n_messages, 0);
    lone_receive((struct raft_message){ .kind = RAFT_APPEND_REPLY, .from = 3, .term = 2, .index = 3 });
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT_REPLY, .from = 3, .term = 2, .index = 3 });
    ck_assert_uint_eq(lone.u.n_messages, 0);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 1);
}
END_TEST

static void send_image(uint64_t index, uint64_t term, const struct raft_config *config)
{
    lone_receive((struct raft_message){ .kind = RAFT_SNAPSHOT,
                                        .from = 2,
                                        .term = 5,
                                        .index = index,
                                        .log_term = term,
                                        .commit = index,
                                        .config = config });
}

START_TEST(an_image_replaces_log_and_configuration)
{
    static const uint8_t roles[][4] = {
        { RAFT_VOTER, RAFT_VOTER, RAFT_LEARNER, 0 },
        { RAFT_VOTER | RAFT_OUTGOING, RAFT_OUTGOING, RAFT_VOTER, RAFT_OUTGOING | RAFT_LEARNER },
        { RAFT_LEARNER, RAFT_VOTER, RAFT_VOTER, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
        struct raft_config config;
        uint64_t index;

        lone_start(three_entries);
        lone_members(roles[i][3] == 0 ? 3 : 4, roles[i]);
        send_image(7, 4, &lone.config);
        ck_assert(lone.u.install && lone.u.config_changed);
        ck_assert_uint_eq(lone.u.install_index, 7);
        ck_assert_uint_eq(raft_start_index(lone.raft), 7);
        ck_assert_uint_eq(raft_last_index(lone.raft), 7);
        ck_assert_uint_eq(raft_commit_index(lone.raft), 7);
        ck_assert_uint_eq(raft_term_at(lone.raft, 7), 4);
        ck_assert_uint_eq(raft_flushed_index(lone.raft), 0);
        raft_config(lone.raft, &config, &index);
        ck_assert_uint_eq(index, 7);
        ck_assert_uint_eq(config.n_members, lone.config.n_members);
        for (uint32_t j = 0; j < config.n_members; j++) {
            ck_assert_int_eq(config.members[j].id, lone.config.members[j].id);
            ck_assert_uint_eq(config.members[j].roles, lone.config.members[j].roles);
        }
        /* It is acknowledged when it is on the disk. */
        ck_assert_uint_eq(lone.u.n_messages, 0);
        lone_flush();
        ck_assert_uint_eq(lone_sent(RAFT_APPEND_REPLY, 2)->index, 7);
    }
}
END_TEST

START_TEST(an_image_of_what_is_there_isnt_taken)
{
    lone_start(three_entries);
    lone_become(RAFT_FOLLOWER);
    /* The log goes on behind it; it only tells what is committed. */
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 5 });
    lone_flush();
    send_image(2, 1, &lone.config);
    ck_assert(!lone.u.install);
    ck_assert_uint_eq(raft_last_index(lone.raft), 3);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 2);
    ck_assert_uint_eq(lone_sent(RAFT_APPEND_REPLY, 2)->index, 2);
    /* Nor is one from below what is committed. */
    send_image(1, 1, &lone.config);
    ck_assert(!lone.u.install);
    ck_assert_uint_eq(raft_commit_index(lone.raft), 2);
}
END_TEST

START_TEST(entries_from_below_the_start_are_known)
{
    static const struct raft_run run[] = { { 6, 3 } };
    static const uint64_t terms[] = { 2, 3, 3, 3 };

    lone_start((struct raft_start){
        .term = 5, .start_index = 5, .start_term = 3, .last_index = 6, .runs = run, .n_runs = 1, .commit = 5 });
    append(3, 2, 0, 4, terms);
    ck_assert_uint_eq(raft_last_index(lone.raft), 7);
    ck_assert_uint_eq(lone.u.append_first, 7);
    ck_assert_uint_eq(lone.u.truncate_from, 0);
}
END_TEST

Suite *raft_follower_suite(void)
{
    Suite *s = suite_create("raft_follower");

#define ADD(test) suite_add_with(s, test, lone_setup, lone_teardown)
    ADD(an_append_is_taken_where_the_logs_agree);
    ADD(an_append_moves_the_commit_index);
    ADD(a_heartbeat_moves_the_commit_index);
    ADD(what_is_acknowledged_is_flushed_and_equal);
    ADD(a_message_that_was_overtaken_cuts_nothing);
    ADD(a_follower_refuses_what_only_a_leader_does);
    ADD(an_image_replaces_log_and_configuration);
    ADD(an_image_of_what_is_there_isnt_taken);
    ADD(entries_from_below_the_start_are_known);
#undef ADD
    return s;
}
