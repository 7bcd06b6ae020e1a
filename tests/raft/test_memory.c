/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/alloc.h"
#include "raft/lone.h"
#include "raft/suites.h"

/* What a group asks the heap for: little when it begins, and then nothing. */

static const struct raft_run runs[] = { { 1, 1 }, { 3, 2 } };
static const struct raft_start three_entries = { .term = 2, .last_index = 3, .runs = runs, .n_runs = 2, .commit = 1 };

START_TEST(three_members_take_512_bytes)
{
    struct alloc_count before = alloc_count, after;

    lone_start(three_entries);
    after = alloc_count;
    ck_assert_uint_gt(after.n_calls, before.n_calls);
    ck_assert_uint_le(after.n_bytes - before.n_bytes, 512);
    ck_assert_uint_eq(raft_memory(lone.raft), after.n_bytes - before.n_bytes);
    /* Nor does it grow by leading and resting. */
    lone_start((struct raft_start){ .term = 1 });
    lone_lead();
    for (int32_t peer = 2; peer <= 3; peer++)
        lone_receive(
            (struct raft_message){ .kind = RAFT_HEARTBEAT_REPLY, .from = peer, .term = 2, .index = 1, .commit = 1 });
    ck_assert_uint_le(raft_memory(lone.raft), 512);
}
END_TEST

static void lead_on(uint64_t last)
{
    uint64_t term = raft_term(lone.raft);

    ck_quick(lone_propose(3) == 0); /* ck_assert() would allocate */
    lone_step((struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = last + 3, .term = term, .epoch = lone.u.epoch });
    for (int32_t peer = 2; peer <= 3; peer++)
        lone_receive((struct raft_message){ .kind = RAFT_APPEND_REPLY, .from = peer, .term = term, .index = last + 3 });
    ck_quick(raft_commit_index(lone.raft) == last + 3);
    lone_step((struct raft_event){ .kind = RAFT_READ });
    lone_tick(20);
    for (int32_t peer = 2; peer <= 3; peer++)
        lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT_REPLY,
                                            .from = peer,
                                            .term = term,
                                            .index = last + 3,
                                            .commit = last + 3,
                                            .context = lone.u.n_messages > 0 ? lone.u.messages[0].context : 0 });
    lone_step((struct raft_event){ .kind = RAFT_COMPACT, .index = last });
}

START_TEST(a_leader_allocates_nothing)
{
    struct alloc_count before;

    lone_start(three_entries);
    lone_lead();
    lead_on(raft_last_index(lone.raft));
    before = alloc_count;
    for (unsigned i = 0; i < 1000; i++)
        lead_on(raft_last_index(lone.raft));
    ck_assert_uint_eq(alloc_count.n_calls, before.n_calls);
}
END_TEST

static void follow_on(uint64_t last)
{
    static const struct raft_entry entries[2] = { { .term = 3, .size = 10 }, { .term = 3, .size = 10 } };
    struct raft_message m = { .kind = RAFT_APPEND, .from = 2, .term = 3, .index = last, .commit = last };

    m.log_term = raft_term_at(lone.raft, last);
    m.n_entries = 2;
    m.entries = entries;
    lone_receive(m);
    lone_flush();
    ck_quick(raft_flushed_index(lone.raft) == last + 2);
    /* A message again, one that is refused, a heartbeat, a question for a vote. */
    lone_receive(m);
    m.index = last + 9;
    lone_receive(m);
    lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = 3, .commit = last + 1 });
    lone_receive((struct raft_message){ .kind = RAFT_PRE_VOTE, .from = 3, .term = 4 });
    lone_tick(10);
}

START_TEST(a_follower_allocates_nothing)
{
    struct alloc_count before;

    lone_start((struct raft_start){ .term = 2 });
    follow_on(0);
    before = alloc_count;
    for (unsigned i = 0; i < 1000; i++)
        follow_on(raft_last_index(lone.raft));
    ck_assert_uint_eq(alloc_count.n_calls, before.n_calls);
}
END_TEST

Suite *raft_memory_suite(void)
{
    Suite *s = suite_create("raft_memory");

    suite_add_with(s, three_members_take_512_bytes, lone_setup, lone_teardown);
    suite_add_with(s, a_leader_allocates_nothing, lone_setup, lone_teardown);
    suite_add_with(s, a_follower_allocates_nothing, lone_setup, lone_teardown);
    return s;
}
