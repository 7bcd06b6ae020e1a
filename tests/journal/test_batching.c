/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* With a time to wait a flush takes more requests with it, and none waits longer than that. */

#include "base/util.h"
#include "journal/rig.h"
#include "journal/suites.h"

#define MS UINT64_C(1000000)
#define WAIT_NS (5 * MS)

static struct rig *r;

static void setup(void)
{
    r = rig_new(1);
    ck_assert_int_eq(rig_start(r), 0);
    journal_set_batching(r->j, &(struct journal_batching){ .wait_ns = WAIT_NS, .requests = 10, .bytes = 64 * 1024 });
}

static void teardown(void)
{
    rig_free(r);
}

static struct journal_stats stats(void)
{
    struct journal_stats st;

    journal_stats(r->j, &st);
    return st;
}

/* All that can happen now. */
static void run(void)
{
    while (rig_step(r))
        ;
}

START_TEST(a_flush_waits_for_more)
{
    uint64_t until = r->clock.mono_ns + WAIT_NS;

    rig_entry(r, 1, 100);
    ck_assert_uint_eq(journal_poll(r->j, r->clock.mono_ns), until);
    sim_clock_advance(&r->clock, WAIT_NS - 1);
    rig_entry(r, 2, 100);
    ck_assert_uint_eq(journal_poll(r->j, r->clock.mono_ns), until); /* the first one's time counts */
    run();
    ck_assert_uint_eq(journal_n_flushes(r->j), 0);
    ck_assert(!journal_is_at_work(r->j, r->clock.mono_ns));
    sim_clock_advance(&r->clock, 1);
    ck_assert(journal_is_at_work(r->j, r->clock.mono_ns));
    ck_assert_uint_eq(journal_poll(r->j, r->clock.mono_ns), UINT64_MAX);
    ck_assert(journal_is_at_work(r->j, r->clock.mono_ns));
    run();
    ck_assert_uint_eq(journal_n_flushes(r->j), 1);
    ck_assert(!journal_is_at_work(r->j, r->clock.mono_ns));
    ck_assert_uint_eq(stats().n_records, 2);
    rig_entry(r, 1, 100); /* has a time of its own */
    sim_clock_advance(&r->clock, MS);
    ck_assert_uint_eq(journal_poll(r->j, r->clock.mono_ns), r->clock.mono_ns + WAIT_NS);
    sim_clock_advance(&r->clock, WAIT_NS);
    rig_settle(r);
    ck_assert_uint_eq(stats().n_flushes, 2);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

START_TEST(enough_requests_end_the_wait)
{
    for (int i = 0; i < 9; i++)
        rig_entry(r, 1, 100);
    run();
    ck_assert_uint_eq(stats().n_flushes, 0);
    rig_entry(r, 1, 100);
    rig_settle(r);
    ck_assert_uint_eq(stats().n_flushes, 1);
}
END_TEST

START_TEST(enough_bytes_end_the_wait)
{
    rig_entry(r, 1, 32 * 1024);
    run();
    ck_assert_uint_eq(stats().n_flushes, 0);
    rig_entry(r, 1, 32 * 1024);
    rig_run(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 2);
    rig_entry(r, 1, 100); /* what was flushed doesn't count any more */
    run();
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 2);
    sim_clock_advance(&r->clock, WAIT_NS);
    rig_settle(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 3);
}
END_TEST

/* Votes and checkpoints wait no longer than entries do. */
START_TEST(no_kind_waits_longer)
{
    uint64_t until = r->clock.mono_ns + WAIT_NS;

    rig_hard_state(r, 1, 3, 2);
    ck_assert_uint_eq(journal_poll(r->j, r->clock.mono_ns), until);
    sim_clock_advance(&r->clock, WAIT_NS);
    rig_settle(r);
    ck_assert_uint_eq(rig_group(r, 1)->states.n_done, 1);
    rig_entry(r, 1, 100);
    sim_clock_advance(&r->clock, WAIT_NS);
    journal_poll(r->j, r->clock.mono_ns);
    sim_clock_advance(&r->clock, WAIT_NS);
    rig_settle(r);
    rig_checkpoint(r, 1, 1);
    until = r->clock.mono_ns + WAIT_NS;
    ck_assert_uint_eq(journal_poll(r->j, r->clock.mono_ns), until);
    sim_clock_advance(&r->clock, WAIT_NS);
    rig_settle(r);
    ck_assert_uint_eq(rig_group(r, 1)->checkpoint_done, 1);
}
END_TEST

/* The time that a request spends behind a flush counts. */
START_TEST(behind_a_flush_the_time_goes_on)
{
    for (int i = 0; i < 10; i++)
        rig_entry(r, 1, 100);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, true);
    journal_poll(r->j, r->clock.mono_ns);
    rig_entry(r, 1, 100);
    journal_poll(r->j, r->clock.mono_ns);
    sim_clock_advance(&r->clock, WAIT_NS);
    ck_assert_uint_eq(journal_poll(r->j, r->clock.mono_ns), UINT64_MAX);
    sim_lane_hold(r->lane, LANE_FLUSH, 0, false);
    rig_settle(r); /* both, at one time */
    ck_assert_uint_eq(stats().n_flushes, 2);
}
END_TEST

START_TEST(without_a_time_nothing_waits)
{
    rig_entry(r, 1, 100);
    journal_poll(r->j, r->clock.mono_ns);
    journal_set_batching(r->j, &(struct journal_batching){ 0 });
    rig_settle(r);
    ck_assert_uint_eq(stats().n_flushes, 1);
    rig_entry(r, 1, 100);
    ck_assert_uint_eq(journal_poll(r->j, r->clock.mono_ns), UINT64_MAX);
    rig_settle(r);
    ck_assert_uint_eq(stats().n_flushes, 2);
}
END_TEST

Suite *batching_suite(void)
{
    Suite *s = suite_create("batching");

    suite_add_with(s, a_flush_waits_for_more, setup, teardown);
    suite_add_with(s, enough_requests_end_the_wait, setup, teardown);
    suite_add_with(s, enough_bytes_end_the_wait, setup, teardown);
    suite_add_with(s, no_kind_waits_longer, setup, teardown);
    suite_add_with(s, behind_a_flush_the_time_goes_on, setup, teardown);
    suite_add_with(s, without_a_time_nothing_waits, setup, teardown);
    return s;
}
