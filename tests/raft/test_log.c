/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"
#include "raft/lone.h"
#include "raft/suites.h"

/* Terms 1 1 1 3 3 7 at 1 .. 6. */
static void make_log(struct raft_log *log)
{
    static const struct raft_run runs[] = { { 1, 1 }, { 4, 3 }, { 6, 7 } };

    raft_log_init(log, &(struct raft_start){ .last_index = 6, .runs = runs, .n_runs = ARRAY_SIZE(runs) });
}

START_TEST(terms_are_known_from_start_to_last)
{
    static const uint64_t terms[] = { 0, 1, 1, 1, 3, 3, 7, 0 };
    struct raft_log log;

    make_log(&log);
    for (uint64_t i = 0; i < ARRAY_SIZE(terms); i++)
        ck_assert_uint_eq(raft_log_term(&log, i), terms[i]);
    ck_assert_uint_eq(raft_log_last_term(&log), 7);
    raft_log_append(&log, 7);
    raft_log_append(&log, 8);
    ck_assert_uint_eq(raft_log_term(&log, 7), 7);
    ck_assert_uint_eq(raft_log_term(&log, 8), 8);
    raft_log_fini(&log);
}
END_TEST

START_TEST(a_hint_skips_whole_terms)
{
    struct raft_log log;

    make_log(&log);
    ck_assert_uint_eq(raft_log_find(&log, 6, 7), 6);
    ck_assert_uint_eq(raft_log_find(&log, 6, 6), 5);
    ck_assert_uint_eq(raft_log_find(&log, 6, 2), 3);
    ck_assert_uint_eq(raft_log_find(&log, 100, 3), 5);
    ck_assert_uint_eq(raft_log_find(&log, 2, 3), 2);
    ck_assert_uint_eq(raft_log_find(&log, 6, 0), 0);
    raft_log_compact(&log, 4);
    ck_assert_uint_eq(raft_log_find(&log, 6, 2), 4);
    raft_log_fini(&log);
}
END_TEST

/* Runs of 1 to 3 entries, of terms 2, 4, 6, …; each answer is what a look at entry by entry gives. */
START_TEST(any_number_of_runs_is_looked_up)
{
    for (uint32_t n = 0; n <= 17; n++) {
        struct raft_log log;
        uint64_t found;

        raft_log_init(&log, &(struct raft_start){ .start_index = 5, .start_term = 1, .last_index = 5 });
        for (uint32_t run = 0; run < n; run++)
            for (uint32_t i = 0; i <= run % 3; i++)
                raft_log_append(&log, 2 * run + 2);
        for (uint64_t index = 6, run = 0; index <= log.last; run++)
            for (uint64_t i = 0; i <= run % 3; i++)
                ck_assert_uint_eq(raft_log_term(&log, index++), 2 * run + 2);
        for (uint64_t index = 0; index <= log.last + 2; index++)
            for (uint64_t term = 0; term <= 2 * n + 3; term++) {
                found = MIN(index, log.last);
                while (found > log.start && raft_log_term(&log, found) > term)
                    found--;
                ck_assert_uint_eq(raft_log_find(&log, index, term), MAX(found, log.start));
            }
        raft_log_fini(&log);
    }
}
END_TEST

START_TEST(a_cut_takes_back_what_was_flushed)
{
    struct raft_log log;
    uint32_t epoch;

    make_log(&log);
    epoch = log.epoch;
    raft_log_truncate(&log, 5);
    ck_assert_uint_eq(log.last, 4);
    ck_assert_uint_eq(log.flushed, 4);
    ck_assert_uint_ne(log.epoch, epoch);
    ck_assert_uint_eq(raft_log_last_term(&log), 3);
    raft_log_truncate(&log, 1);
    ck_assert_uint_eq(raft_log_last_term(&log), 0);
    raft_log_append(&log, 2);
    ck_assert_uint_eq(raft_log_term(&log, 1), 2);
    raft_log_fini(&log);
}
END_TEST

START_TEST(compaction_keeps_the_term_at_the_start)
{
    for (uint64_t start = 0; start <= 6; start++) {
        struct raft_log log;
        uint64_t terms[] = { 0, 1, 1, 1, 3, 3, 7 };

        make_log(&log);
        raft_log_compact(&log, start);
        for (uint64_t i = 0; i <= 6; i++)
            ck_assert_uint_eq(raft_log_term(&log, i), i < start ? 0 : terms[i]);
        raft_log_append(&log, 9);
        ck_assert_uint_eq(raft_log_term(&log, 7), 9);
        raft_log_fini(&log);
    }
}
END_TEST

static uint32_t entry_size(void *ctx, uint64_t index)
{
    (void)ctx;
    (void)index;
    return 10;
}

static struct raft_update update;

static void step(struct raft *raft, struct raft_event event)
{
    raft_step(raft, &event, &update);
}

/* The same term and index twice: only the epoch tells the first write from the second. */
START_TEST(a_completion_of_an_earlier_epoch_is_dropped)
{
    static const struct raft_ops ops = { .entry_size = entry_size };
    struct raft_config config = { 3, { { 1, RAFT_VOTER }, { 2, RAFT_VOTER }, { 3, RAFT_VOTER } } };
    struct raft *raft = raft_new(&lone_limits, &ops, NULL,
                                 &(struct raft_start){ .id = 1, .term = 4, .vote = RAFT_NONE, .config = &config });
    struct raft_entry a = { .term = 2, .size = 10 }, b = { .term = 3, .size = 10 };
    struct raft_message m = { .kind = RAFT_APPEND, .from = 2, .to = 1, .term = 4, .n_entries = 1, .entries = &a };
    uint32_t first;

    ck_assert_uint_le(raft_memory(raft), 512);
    step(raft, (struct raft_event){ .kind = RAFT_RECEIVE, .message = &m });
    ck_assert_uint_eq(update.append_first, 1);
    ck_assert_uint_eq(update.append_term, 2);
    first = update.epoch;
    /* Leaders of later terms replace it, and bring it back. */
    m.from = 3;
    m.term = 5;
    m.entries = &b;
    step(raft, (struct raft_event){ .kind = RAFT_RECEIVE, .message = &m });
    ck_assert_uint_eq(update.truncate_from, 1);
    m.from = 2;
    m.term = 6;
    m.entries = &a;
    step(raft, (struct raft_event){ .kind = RAFT_RECEIVE, .message = &m });
    ck_assert_uint_eq(update.truncate_from, 1);
    step(raft, (struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = 6, .vote = RAFT_NONE });
    step(raft, (struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = 1, .term = 2, .epoch = first });
    ck_assert_uint_eq(raft_flushed_index(raft), 0);
    ck_assert_uint_eq(update.n_messages, 0);
    step(raft, (struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = 1, .term = 2, .epoch = first + 2 });
    ck_assert_uint_eq(raft_flushed_index(raft), 1);
    ck_assert_uint_eq(update.n_messages, 1);
    ck_assert_uint_eq(update.messages[0].index, 1);
    raft_free(raft);
}
END_TEST

/* The only voter's core may go while nothing is on its way, and another one leads on in the term, with no first entry.
 */
START_TEST(a_sole_voter_leads_on)
{
    static const struct raft_ops ops = { .entry_size = entry_size };
    struct raft_config config = { 1, { { 1, RAFT_VOTER } } };
    struct raft_entry e = { .size = 10 };
    struct raft *raft = raft_new(&lone_limits, &ops, NULL,
                                 &(struct raft_start){ .id = 1,
                                                       .term = 4,
                                                       .vote = 1,
                                                       .start_index = 9,
                                                       .start_term = 3,
                                                       .last_index = 9,
                                                       .commit = 9,
                                                       .config = &config,
                                                       .lead = true });

    ck_assert_uint_eq(raft_next_tick(raft), UINT64_MAX);
    step(raft, (struct raft_event){ .kind = RAFT_READ });
    ck_assert_uint_eq(update.reads_done, update.read_ticket);
    ck_assert_uint_eq(update.read_index, 9);
    step(raft, (struct raft_event){ .kind = RAFT_PROPOSE, .entries = &e, .n_entries = 1 });
    ck_assert_int_eq(update.error, 0);
    ck_assert(!update.noop);
    ck_assert(!update.hard_state);
    ck_assert_uint_eq(update.append_first, 10);
    ck_assert_uint_eq(update.append_term, 4);
    ck_assert_uint_eq(update.commit, 9);
    step(raft, (struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = 10, .term = 4, .epoch = update.epoch });
    ck_assert_uint_eq(update.commit, 10);
    ck_assert_uint_eq(raft_uncommitted_bytes(raft), 0);
    raft_free(raft);
}
END_TEST

/* Others may come to it while some of its entries are on their way: they are committed when they are flushed, and from
 * the configuration on when more than this node says so. */
START_TEST(a_sole_voter_leads_on_with_entries_on_their_way)
{
    static const struct raft_ops ops = { .entry_size = entry_size };
    const struct raft_config alone = { 1, { { 1, RAFT_VOTER } } },
                             both = { 2, { { 1, RAFT_VOTER }, { 2, RAFT_LEARNER } } };
    const struct raft_run runs[] = { { 8, 3 }, { 9, 4 } };
    struct raft_entry e = { .size = 10, .config = &both };
    struct raft *raft = raft_new(&lone_limits, &ops, NULL,
                                 &(struct raft_start){ .id = 1,
                                                       .term = 4,
                                                       .vote = 1,
                                                       .start_index = 7,
                                                       .start_term = 3,
                                                       .last_index = 12,
                                                       .runs = runs,
                                                       .n_runs = 2,
                                                       .commit = 9,
                                                       .n_unflushed = 3,
                                                       .config = &alone,
                                                       .lead = true });

    ck_assert_uint_eq(raft_flushed_index(raft), 9);
    ck_assert_uint_gt(raft_uncommitted_bytes(raft), 0);
    ck_assert_int_eq(raft_check_config(raft, &both), 0);
    step(raft, (struct raft_event){ .kind = RAFT_PROPOSE, .entries = &e, .n_entries = 1 });
    ck_assert_int_eq(update.error, 0);
    ck_assert_uint_eq(update.append_first, 13);
    ck_assert_int_eq(raft_check_config(raft, &both), RAFT_E_CONFIG_PENDING);
    step(raft, (struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = 12, .term = 4 });
    ck_assert_uint_eq(update.commit, 12);
    step(raft, (struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = 13, .term = 4 });
    ck_assert_uint_eq(update.commit, 13);
    ck_assert_uint_eq(raft_uncommitted_bytes(raft), 0);
    ck_assert_int_eq(raft_check_config(raft, &both), 0);
    raft_free(raft);
}
END_TEST

Suite *raft_log_suite(void)
{
    Suite *s = suite_create("raft_log");

    suite_add(s, terms_are_known_from_start_to_last);
    suite_add(s, a_hint_skips_whole_terms);
    suite_add(s, any_number_of_runs_is_looked_up);
    suite_add(s, a_cut_takes_back_what_was_flushed);
    suite_add(s, compaction_keeps_the_term_at_the_start);
    suite_add(s, a_completion_of_an_earlier_epoch_is_dropped);
    suite_add(s, a_sole_voter_leads_on);
    suite_add(s, a_sole_voter_leads_on_with_entries_on_their_way);
    return s;
}
