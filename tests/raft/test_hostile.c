/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "raft/lone.h"
#include "raft/suites.h"

/* Messages that no sound peer sends: they are refused, counted by the caller, and change nothing but perhaps the term.
 * The log has terms 1 1 2 at 1 .. 3, and 2 entries are committed. */

static const struct raft_run runs[] = { { 1, 1 }, { 3, 2 } };
static const struct raft_start three_entries = { .term = 5, .last_index = 3, .runs = runs, .n_runs = 2, .commit = 2 };

static void refused(struct raft_message m)
{
    uint64_t last = raft_last_index(lone.raft), commit = raft_commit_index(lone.raft);
    enum raft_role role = raft_role(lone.raft);

    lone_receive(m);
    ck_assert(lone.u.refused);
    ck_assert_uint_eq(lone.u.n_messages, 0);
    ck_assert_uint_eq(lone.u.append_last, 0);
    ck_assert_uint_eq(lone.u.truncate_from, 0);
    ck_assert(!lone.u.install);
    ck_assert_uint_eq(raft_last_index(lone.raft), last);
    ck_assert_uint_eq(raft_commit_index(lone.raft), commit);
    ck_assert_int_eq(raft_role(lone.raft), role);
}

START_TEST(fields_out_of_range)
{
    static const struct raft_message messages[] = {
        { .kind = (enum raft_message_kind)(RAFT_TIMEOUT_NOW + 1), .from = 2, .term = 5 },
        { .kind = (enum raft_message_kind) - 1, .from = 2, .term = 5 },
        { .kind = RAFT_HEARTBEAT, .from = RAFT_NONE, .term = 5 },
        { .kind = RAFT_HEARTBEAT, .from = 1, .term = 5 },
        { .kind = RAFT_HEARTBEAT, .from = 2, .term = 0 },
        { .kind = RAFT_HEARTBEAT, .from = 2, .term = RAFT_MAX_TERM + 1ull },
        { .kind = RAFT_HEARTBEAT, .from = 2, .term = UINT64_MAX },
        { .kind = RAFT_VOTE, .from = 2, .term = 6, .index = 3, .log_term = 6, .force = true },
        { .kind = RAFT_VOTE, .from = 2, .term = 6, .index = 0, .log_term = 1 },
        { .kind = RAFT_PRE_VOTE, .from = 2, .term = 6, .index = UINT64_MAX, .log_term = 1 },
        { .kind = RAFT_PRE_VOTE, .from = 2, .term = 6, .index = 3, .log_term = 2, .force = true },
        { .kind = RAFT_HEARTBEAT, .from = 2, .term = 5, .force = true },
        { .kind = RAFT_TIMEOUT_NOW, .from = 2, .term = 5, .force = true },
        { .kind = RAFT_APPEND, .from = 2, .term = 5, .index = 3, .log_term = 6 },
        { .kind = RAFT_APPEND, .from = 2, .term = 5, .index = 3, .log_term = 0 },
        { .kind = RAFT_APPEND, .from = 2, .term = 5, .index = 3, .log_term = 2, .n_entries = 1 },
        { .kind = RAFT_APPEND, .from = 2, .term = 5, .index = UINT64_MAX, .log_term = 2 },
        { .kind = RAFT_APPEND_REPLY,
          .from = 2,
          .term = 5,
          .reject = true,
          .index = 1,
          .hint_index = 2,
          .hint_term = 1 },
        { .kind = RAFT_APPEND_REPLY,
          .from = 2,
          .term = 5,
          .reject = true,
          .index = 2,
          .hint_index = 2,
          .hint_term = 6 },
        { .kind = RAFT_APPEND_REPLY,
          .from = 2,
          .term = 5,
          .reject = true,
          .index = 2,
          .hint_index = 2,
          .hint_term = 0 },
        { .kind = RAFT_APPEND_REPLY,
          .from = 2,
          .term = 5,
          .reject = true,
          .index = 2,
          .hint_index = 0,
          .hint_term = 1 },
        { .kind = RAFT_SNAPSHOT, .from = 2, .term = 5, .index = 9, .log_term = 3, .commit = 9 },
        { .kind = RAFT_SNAPSHOT, .from = 2, .term = 5, .index = 9, .log_term = 0, .commit = 9, .config = &lone.config },
        { .kind = RAFT_SNAPSHOT, .from = 2, .term = 5, .index = 0, .log_term = 0, .config = &lone.config },
        { .kind = RAFT_SNAPSHOT, .from = 2, .term = 5, .index = 9, .log_term = 6, .commit = 9, .config = &lone.config },
    };

    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        lone_start(three_entries);
        refused(messages[i]);
        ck_assert_uint_eq(raft_term(lone.raft), 5);
    }
}
END_TEST

static void append(uint64_t index, uint64_t log_term, unsigned n, const uint64_t *terms,
                   const struct raft_config *config)
{
    struct raft_entry entries[4] = { 0 };
    struct raft_message m = { .kind = RAFT_APPEND, .from = 2, .term = 5, .index = index, .log_term = log_term };

    for (unsigned i = 0; i < n; i++)
        entries[i] = (struct raft_entry){ .term = terms[i], .size = 10, .config = config };
    m.n_entries = n;
    m.entries = entries;
    refused(m);
}

START_TEST(entries_that_cant_be)
{
    struct raft_config none = { .n_members = 0 }, twice = { 2, { { 1, RAFT_VOTER }, { 1, RAFT_VOTER } } },
                       many = { .n_members = RAFT_MAX_MEMBERS + 1 }, roles = { 1, { { 1, 64 } } },
                       nobody = { 1, { { 1, RAFT_LEARNER } } }, negative = { 1, { { -5, RAFT_VOTER } } };
    const struct raft_config *configs[] = { &none, &twice, &many, &roles, &nobody, &negative };

    lone_start(three_entries);
    append(3, 2, 1, (const uint64_t[]){ 0 }, NULL);
    append(3, 2, 1, (const uint64_t[]){ 1 }, NULL);
    append(3, 2, 1, (const uint64_t[]){ 6 }, NULL);
    append(3, 2, 2, (const uint64_t[]){ 4, 3 }, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(configs); i++)
        append(3, 2, 1, (const uint64_t[]){ 5 }, configs[i]);
}
END_TEST

START_TEST(a_cut_of_what_is_committed)
{
    lone_start(three_entries);
    append(0, 0, 2, (const uint64_t[]){ 1, 2 }, NULL);
    append(1, 1, 1, (const uint64_t[]){ 4 }, NULL);
    append(0, 0, 1, (const uint64_t[]){ 3 }, NULL);
}
END_TEST

/* A leader doesn't take back what it sent itself. */
START_TEST(a_cut_of_the_leaders_own_entries)
{
    struct raft_entry entry = { .term = 4, .size = 10 };

    lone_start(three_entries);
    lone_receive((struct raft_message){
        .kind = RAFT_APPEND, .from = 2, .term = 5, .index = 3, .log_term = 2, .n_entries = 1, .entries = &entry });
    ck_assert_uint_eq(raft_last_index(lone.raft), 4);
    append(3, 2, 1, (const uint64_t[]){ 5 }, NULL);
    append(2, 1, 1, (const uint64_t[]){ 3 }, NULL);
}
END_TEST

/* Only the last configuration of a log can be uncommitted, so only that one can be cut. */
START_TEST(a_cut_of_two_configurations)
{
    static const struct raft_config configs[] = { { 1, { { 2, RAFT_VOTER } } }, { 1, { { 3, RAFT_VOTER } } } };
    struct raft_entry entries[2] = { { .term = 3, .size = 10, .config = &configs[0] },
                                     { .term = 3, .size = 10, .config = &configs[1] } };
    struct raft_message m = { .kind = RAFT_APPEND, .from = 2, .term = 5, .index = 3, .log_term = 2, .n_entries = 2 };

    lone_start(three_entries);
    m.entries = entries;
    lone_receive(m);
    ck_assert(lone.u.config_changed && !lone.u.refused);
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 3, .term = 6 });
    entries[0] = (struct raft_entry){ .term = 6, .size = 10 };
    m = (struct raft_message){ .kind = RAFT_APPEND, .from = 3, .term = 6, .index = 3, .log_term = 2, .n_entries = 1 };
    m.entries = entries;
    refused(m);
}
END_TEST

START_TEST(a_log_that_doesnt_fit_the_start)
{
    static const struct raft_run run[] = { { 6, 3 } };

    lone_start((struct raft_start){
        .term = 5, .start_index = 5, .start_term = 3, .last_index = 6, .runs = run, .n_runs = 1, .commit = 5 });
    append(3, 1, 4, (const uint64_t[]){ 1, 1, 1, 1 }, NULL);
    append(3, 1, 3, (const uint64_t[]){ 1, 2, 3 }, NULL);
}
END_TEST

START_TEST(two_leaders_of_a_term)
{
    lone_start(three_entries);
    lone_lead();
    for (enum raft_message_kind kind = RAFT_APPEND; kind <= RAFT_SNAPSHOT; kind += 2)
        refused((struct raft_message){
            .kind = kind, .from = 2, .term = 6, .index = 3, .log_term = 2, .commit = 3, .config = &lone.config });
    lone_start(three_entries);
    lone_become(RAFT_FOLLOWER);
    refused((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 3, .term = 5 });
    ck_assert_int_eq(raft_leader(lone.raft), 2);
}
END_TEST

/* Only the leader hands over. One of a newer term may be unknown here yet. */
START_TEST(an_order_of_who_doesnt_lead)
{
    struct raft_message order = { .kind = RAFT_TIMEOUT_NOW, .from = 3, .term = 5 };

    lone_start(three_entries);
    lone_become(RAFT_FOLLOWER);
    refused(order);
    ck_assert_uint_eq(raft_term(lone.raft), 5);
    ck_assert_int_eq(raft_leader(lone.raft), 2);
    order.from = 2;
    lone_receive(order);
    ck_assert(!lone.u.refused);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_CANDIDATE);
    lone_start(three_entries);
    lone_become(RAFT_FOLLOWER);
    order.from = 3;
    order.term = 6;
    lone_receive(order);
    ck_assert(!lone.u.refused);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_CANDIDATE);
    lone_start(three_entries);
    lone_lead();
    refused(order);
}
END_TEST

START_TEST(answers_to_what_nobody_asked)
{
    lone_start(three_entries);
    lone_lead();
    refused((struct raft_message){ .kind = RAFT_APPEND_REPLY, .from = 2, .term = 6, .index = 5 });
    refused((struct raft_message){ .kind = RAFT_HEARTBEAT_REPLY, .from = 2, .term = 6, .index = 5 });
    /* An answer to a read that is still to come would let it pass when nobody answers. */
    refused((struct raft_message){ .kind = RAFT_HEARTBEAT_REPLY, .from = 2, .term = 6, .context = 1 });
    lone_step((struct raft_event){ .kind = RAFT_READ });
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT_REPLY, .from = 2, .term = 6, .context = 1 });
    ck_assert(!lone.u.refused);
    /* Votes before anyone was asked: the own one isn't durable yet. */
    lone_start(three_entries);
    lone_become(RAFT_CANDIDATE);
    refused((struct raft_message){ .kind = RAFT_VOTE_REPLY, .from = 2, .term = 6 });
}
END_TEST

START_TEST(more_terms_than_a_log_can_have)
{
    const uint32_t n = RAFT_MAX_RUNS + 10;
    struct raft_entry *entries = xcalloc(n, sizeof(*entries));

    for (uint32_t i = 0; i < n; i++)
        entries[i].term = i + 1;
    lone_start((struct raft_start){ .term = 5 });
    refused((struct raft_message){ .kind = RAFT_APPEND, .from = 2, .term = n, .n_entries = n, .entries = entries });
    lone_receive((struct raft_message){
        .kind = RAFT_APPEND, .from = 2, .term = n, .n_entries = RAFT_MAX_RUNS - 1, .entries = entries });
    ck_assert_uint_eq(raft_last_index(lone.raft), RAFT_MAX_RUNS - 1);
    free(entries);
}
END_TEST

/* As many leaders as a group that never loses its beginning has in years: one more can still lead. */
START_TEST(many_leaders)
{
    const uint32_t n = 100000;
    struct raft_entry *entries = xcalloc(n, sizeof(*entries));

    for (uint32_t i = 0; i < n; i++)
        entries[i].term = i + 1;
    lone_start((struct raft_start){ .term = 5 });
    lone_receive(
        (struct raft_message){ .kind = RAFT_APPEND, .from = 2, .term = n, .n_entries = n, .entries = entries });
    ck_assert_uint_eq(raft_last_index(lone.raft), n);
    lone_tick(1000);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_PRE_CANDIDATE);
    free(entries);
}
END_TEST

/* As many terms as entries, and hints and entries that point to the first ones: none may cost a walk through all. */
START_TEST(many_terms_are_looked_up)
{
    enum { N = 1 << 17, N_ENTRIES = 1 << 15, N_REJECTS = 10000, N_APPENDS = 20 };
    struct raft_run *many = xcalloc(N, sizeof(*many));
    struct raft_entry *entries = xcalloc(N_ENTRIES, sizeof(*entries));

    for (uint32_t i = 0; i < N; i++)
        many[i] = (struct raft_run){ .first = i + 1, .term = i + 1 };
    for (uint32_t i = 0; i < N_ENTRIES; i++)
        entries[i] = (struct raft_entry){ .term = i + 2, .size = 10 };
    lone_start((struct raft_start){ .term = N, .last_index = N, .runs = many, .n_runs = N, .commit = N });
    for (unsigned i = 0; i < N_REJECTS; i++) {
        lone_receive((struct raft_message){ .kind = RAFT_APPEND, .from = 2, .term = N, .index = N, .log_term = 1 });
        ck_assert(!lone.u.refused);
    }
    for (unsigned i = 0; i < N_APPENDS; i++) {
        lone_receive((struct raft_message){ .kind = RAFT_APPEND,
                                            .from = 2,
                                            .term = N,
                                            .index = 1,
                                            .log_term = 1,
                                            .n_entries = N_ENTRIES,
                                            .entries = entries });
        ck_assert(!lone.u.refused);
    }
    lone_lead();
    for (unsigned i = 0; i < N_REJECTS; i++) {
        uint64_t term = raft_term(lone.raft);

        lone_receive((struct raft_message){ .kind = RAFT_APPEND_REPLY, .from = 2, .term = term, .index = 1 });
        lone_receive((struct raft_message){ .kind = RAFT_APPEND_REPLY,
                                            .from = 2,
                                            .term = term,
                                            .reject = true,
                                            .index = N,
                                            .hint_index = N - 1,
                                            .hint_term = 1 });
        ck_assert(!lone.u.refused);
        ck_assert_uint_eq(lone_sent(RAFT_APPEND, 2)->index, 1);
    }
    free(entries);
    free(many);
}
END_TEST

/* The last term of all: who is in it can't go on, and doesn't fall over. */
START_TEST(the_last_term)
{
    lone_start(three_entries);
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = RAFT_MAX_TERM });
    ck_assert(!lone.u.refused);
    lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
    lone_receive((struct raft_message){ .kind = RAFT_TIMEOUT_NOW, .from = 2, .term = RAFT_MAX_TERM });
    lone_tick(1000);
    ck_assert_int_eq(raft_role(lone.raft), RAFT_FOLLOWER);
    ck_assert_uint_eq(raft_term(lone.raft), RAFT_MAX_TERM);
}
END_TEST

Suite *raft_hostile_suite(void)
{
    Suite *s = suite_create("raft_hostile");

#define ADD(test) suite_add_with(s, test, lone_setup, lone_teardown)
    ADD(fields_out_of_range);
    ADD(entries_that_cant_be);
    ADD(a_cut_of_what_is_committed);
    ADD(a_cut_of_the_leaders_own_entries);
    ADD(a_cut_of_two_configurations);
    ADD(a_log_that_doesnt_fit_the_start);
    ADD(two_leaders_of_a_term);
    ADD(an_order_of_who_doesnt_lead);
    ADD(answers_to_what_nobody_asked);
    ADD(more_terms_than_a_log_can_have);
    ADD(many_leaders);
    ADD(many_terms_are_looked_up);
    ADD(the_last_term);
#undef ADD
    return s;
}
