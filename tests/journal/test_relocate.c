/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entries that are written again so that old files can go, and a journal that must not grow beyond its budget. */

#include <stdlib.h>

#include "base/util.h"
#include "journal/format.h"
#include "journal/rig.h"
#include "journal/suites.h"
#include "support/rand.h"

static struct rig *r;

static void setup(void)
{
    r = rig_new(1);
    r->config.file_size_bytes = 128 * 1024;
    r->config.size_bytes = 1024 * 1024;
    ck_assert_int_eq(rig_start(r), 0);
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

/* Entries of group 9, checkpointed at once, until so many files were begun. */
static void pass_files(uint64_t n)
{
    _cleanup_(freep) char *last = rig_live_file(r, -1);
    uint64_t seen = 0;

    while (seen < n) {
        _cleanup_(freep) char *now = NULL;

        rig_entry(r, 9, 8000);
        rig_settle(r);
        rig_checkpoint(r, 9, rig_group(r, 9)->sent.last_index);
        rig_settle(r);
        now = rig_live_file(r, -1);
        if (strcmp(now, last) != 0) {
            seen++;
            free(last);
            last = TAKE_PTR(now);
        }
    }
    journal_seal(r->j);
    rig_settle(r);
}

START_TEST(copies_let_the_oldest_file_go)
{
    _cleanup_(freep) char *first = rig_live_file(r, 0), *oldest = NULL;

    for (int i = 0; i < 3; i++)
        rig_entry(r, 1, 500);
    rig_settle(r);
    pass_files(3);
    oldest = rig_live_file(r, 0);
    ck_assert_str_eq(oldest, first);
    rig_relocate_all(r, 1);
    rig_settle(r);
    journal_seal(r->j);
    rig_settle(r);
    ck_assert_uint_eq(stats().n_files, 1);
    for (int i = 0; i < 3; i++) {
        rig_recover(r, SIM_CRASH_NOTHING);
        ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 3);
        ck_assert_uint_eq(rig_group(r, 1)->found.checkpoint_index, 0);
    }
    rig_entry(r, 1, 100); /* the next of the group is what it was */
    rig_settle(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 4);
}
END_TEST

/* Which copies, written in this order, let the file with entries 1 to 3 go. */
struct order {
    uint64_t copies[6];
    uint64_t checkpoint; /* before them */
    bool releases;
};

static const struct order orders[] = {
    { { 1, 2, 3 }, 0, true },
    { { 1, 2 }, 0, false },
    { { 2, 3 }, 0, false },
    { { 1, 3 }, 0, false },
    { { 3, 2, 1 }, 0, false },
    { { 2, 3 }, 1, true },
    { { 3 }, 1, false },
    { { 3 }, 2, true },
    { { 1, 2, 1, 2, 3 }, 0, true },
    { { 1, 2, 1, 3 }, 0, false },
    { { 1, 1, 2, 2, 3 }, 0, true },
    { { 2, 1, 2, 3 }, 0, true },
};

static void check_order(const struct order *o)
{
    _cleanup_(freep) char *first = rig_live_file(r, 0), *oldest = NULL, *recovered = NULL;

    for (int i = 0; i < 3; i++)
        rig_entry(r, 1, 100);
    rig_settle(r);
    if (o->checkpoint > 0)
        rig_checkpoint(r, 1, o->checkpoint);
    pass_files(2);
    for (size_t i = 0; i < ARRAY_SIZE(o->copies) && o->copies[i] != 0; i++) {
        rig_relocate(r, 1, o->copies[i]);
        if (i % 2 == 1)
            rig_settle(r);
    }
    rig_settle(r);
    pass_files(1);
    oldest = rig_live_file(r, 0);
    ck_assert_int_eq(strcmp(first, oldest) != 0, o->releases);
    rig_recover(r, SIM_CRASH_NOTHING);
    rig_entry(r, 9, 10);
    rig_settle(r);
    journal_seal(r->j);
    rig_settle(r);
    recovered = rig_live_file(r, 0);
    ck_assert_int_eq(strcmp(first, recovered) != 0, o->releases);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 3);
}

START_TEST(only_whole_rounds_release)
{
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        teardown();
        setup();
        check_order(&orders[i]);
    }
}
END_TEST

/* An entry of the group that isn't a copy stands before the copies of those before it. */
START_TEST(replay_is_in_order)
{
    for (int i = 0; i < 3; i++)
        rig_entry(r, 1, 100);
    rig_settle(r);
    pass_files(2);
    rig_entry(r, 1, 100);
    rig_settle(r);
    for (uint64_t i = 1; i <= 3; i++)
        rig_relocate(r, 1, i);
    rig_settle(r);
    pass_files(2);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 4);
    rig_relocate_all(r, 1);
    rig_entry(r, 1, 100);
    rig_settle(r);
    pass_files(2);
    rig_relocate_all(r, 1);
    rig_entry(r, 1, 70);
    rig_settle(r);
    pass_files(2);
    ck_assert_uint_le(stats().n_files, 4);
    rig_recover(r, SIM_CRASH_NOTHING); /* which checks the order */
    ck_assert_uint_eq(rig_group(r, 1)->replayed_first, 1);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 6);
}
END_TEST

/* What voids entries voids their copies; what comes in their place can be copied again. */
START_TEST(truncations_and_images_void_copies)
{
    for (int what = 0; what < 3; what++) {
        for (int i = 0; i < 6; i++)
            rig_entry(r, 1, 300);
        rig_settle(r);
        rig_relocate_all(r, 1);
        if (what < 2)
            rig_truncate(r, 1, rig_group(r, 1)->sent.last_index - 3);
        else
            rig_image(r, 1, 100);
        for (int i = 0; i < 5; i++)
            rig_entry(r, 1, 200);
        rig_settle(r);
        if (what == 1)
            rig_relocate_all(r, 1);
        pass_files(2);
        rig_relocate_all(r, 1);
        rig_settle(r);
        pass_files(1);
        ck_assert_uint_le(stats().n_files, 3);
        rig_recover(r, SIM_CRASH_NOTHING);
        rig_recover(r, SIM_CRASH_NOTHING);
    }
    rig_forget(r, 1);
    rig_settle(r);
    pass_files(1);
    ck_assert_uint_eq(stats().relocated_bytes, 0);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

START_TEST(copies_that_count_are_counted)
{
    uint64_t limit = r->config.size_bytes / 8, one = journal_record_size(32 + 1000), used;

    ck_assert_uint_eq(journal_relocation_room(r->j, 4), limit);
    for (uint64_t g = 1; g <= 3; g++)
        rig_entry(r, g, 1000);
    rig_settle(r);
    for (uint64_t g = 1; g <= 3; g++)
        rig_relocate(r, g, 1);
    ck_assert_uint_eq(journal_relocation_room(r->j, 4), limit - 3 * one);
    rig_settle(r);
    ck_assert_uint_eq(stats().relocated_bytes, 3 * one);
    ck_assert_uint_eq(journal_relocation_room(r->j, 4), limit - 3 * one);
    ck_assert_uint_eq(journal_relocation_room(r->j, 2), limit - 2 * one);
    rig_checkpoint(r, 1, 1);
    rig_settle(r);
    ck_assert_uint_eq(stats().relocated_bytes, 2 * one);
    pass_files(1);
    rig_relocate(r, 2, 1); /* moves on: the first copy counts no more */
    rig_settle(r);
    ck_assert_uint_eq(stats().relocated_bytes, 2 * one);
    rig_recover(r, SIM_CRASH_NOTHING);
    used = stats().relocated_bytes;
    ck_assert_uint_eq(used, 2 * one);
    for (uint64_t g = 2; g <= 3; g++)
        rig_checkpoint(r, g, 1);
    rig_settle(r);
    ck_assert_uint_eq(journal_relocation_room(r->j, 4), limit);
}
END_TEST

static void relocate_pin(void *ctx, uint64_t group, uint64_t index)
{
    if (group == 9)
        rig_checkpoint(r, group, rig_group(r, group)->sent.last_index);
    else
        rig_relocate_all(r, group);
}

/* Many times the budget passes by a group that is never checkpointed. */
START_TEST(idle_groups_never_pin)
{
    uint64_t written = 0, most = 0;

    for (uint64_t g = 1; g <= 8; g++)
        for (uint64_t i = 0; i < g; i++)
            rig_entry(r, g, 300);
    rig_settle(r);
    for (int i = 0; i < 1500; i++) {
        rig_entry(r, 9, 8000);
        if (i % 400 == 0)
            rig_entry(r, 8, 10);
        rig_settle(r);
        journal_pins(r->j, relocate_pin, NULL);
        rig_settle(r);
        most = MAX(most, stats().bytes_in_use + stats().bytes_spare);
        if (i % 500 == 499) {
            written += stats().bytes_written;
            rig_recover(r, SIM_CRASH_DRAW);
            ck_assert_uint_eq(rig_group(r, 7)->replayed_first, 1);
            ck_assert_uint_eq(rig_group(r, 7)->replayed_last, 7);
        }
    }
    ck_assert_uint_gt(written, 10 * r->config.size_bytes);
    ck_assert_uint_le(most, r->config.size_bytes);
}
END_TEST

/* Steps without the rig's help: nobody checkpoints. */
static void run_alone(void)
{
    while (rig_step(r))
        ;
}

static void fill_journal(uint64_t group)
{
    for (int i = 0; i < 1000 && !journal_is_full(r->j); i++) {
        rig_entry(r, group, 8000);
        run_alone();
    }
    ck_assert(journal_is_full(r->j));
}

/* Nobody checkpoints: large records wait, small ones go on, and all goes on when files went. */
START_TEST(a_full_journal_waits)
{
    uint64_t sent = 0, done;

    for (; !journal_is_full(r->j) && sent < 1000; sent++) {
        rig_entry(r, 1, 8000);
        run_alone();
    }
    ck_assert_uint_lt(sent, 1000);
    done = rig_group(r, 1)->log.n_done;
    ck_assert_uint_gt(done * 8000, r->config.size_bytes / 2);
    for (int i = 0; i < 20; i++)
        rig_entry(r, 1, 8000);
    rig_hard_state(r, 2, 5, 1);
    run_alone();
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, done);
    ck_assert_uint_eq(rig_group(r, 2)->states.n_done, 1);
    ck_assert_int_eq(journal_space_error(r->j), 0);
    ck_assert_uint_le(stats().bytes_in_use, r->config.size_bytes - 2 * r->config.file_size_bytes);
    rig_checkpoint(r, 1, done);
    run_alone();
    ck_assert(!journal_is_full(r->j));
    ck_assert(journal_is_idle(r->j));
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, sent + 20);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* The oldest file is held by an idle group alone: its copy goes before what waits. */
START_TEST(copies_get_through_a_full_journal)
{
    rig_entry(r, 2, 100);
    fill_journal(1);
    rig_checkpoint(r, 1, rig_group(r, 1)->log.n_done);
    run_alone();
    ck_assert(journal_is_full(r->j));
    rig_relocate(r, 2, 1);
    run_alone();
    ck_assert(!journal_is_full(r->j));
    ck_assert(journal_is_idle(r->j));
    ck_assert_uint_le(stats().n_files, 2);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 2)->replayed_first, 1);
}
END_TEST

/* What passes entries that wait is there after a crash, and they aren't: nobody was told of them. */
START_TEST(what_passes_entries_is_recovered_without_them)
{
    uint64_t done;

    rig_hard_state(r, 1, 1, 1);
    fill_journal(1);
    done = rig_group(r, 1)->log.n_done;
    ck_assert_uint_lt(done, rig_group(r, 1)->sent.last_index);
    rig_hard_state(r, 1, 2, 3);
    rig_checkpoint(r, 1, 1);
    run_alone();
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, done);
    ck_assert_uint_eq(rig_group(r, 1)->states.n_done, 2);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->found.term, 2);
    ck_assert_int_eq(rig_group(r, 1)->found.vote, 3);
    ck_assert_uint_eq(rig_group(r, 1)->found.checkpoint_index, 1);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, done);
}
END_TEST

/* What it voids may be all that keeps the oldest file. */
START_TEST(truncations_get_through_a_full_journal)
{
    rig_entry(r, 2, 8000);
    fill_journal(1);
    rig_checkpoint(r, 1, rig_group(r, 1)->log.n_done);
    run_alone();
    ck_assert(journal_is_full(r->j));
    rig_truncate(r, 2, 1);
    run_alone();
    ck_assert(journal_is_idle(r->j));
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

static void kill_and_start(void)
{
    rig_stop(r);
    sim_disk_exit(r->disk);
    ck_assert_int_eq(rig_start(r), 0);
}

static uint64_t all_bytes(void)
{
    return stats().bytes_in_use + stats().bytes_spare;
}

/* Start after start, by kill -9, with nobody who makes room in between: the first has the reserve, each further one
 * takes a small file more, and all is back within the budget when there was a checkpoint. */
START_TEST(starts_of_a_full_journal_take_a_small_file_each)
{
    uint64_t size = r->config.size_bytes, small = r->config.first_file_size_bytes;

    fill_journal(1);
    for (uint64_t i = 0; i < 12; i++) {
        kill_and_start();
        rig_hard_state(r, 2, i + 1, 1);
        fill_journal(1);
        ck_assert_uint_le(all_bytes(), size + i * small);
    }
    ck_assert_uint_gt(all_bytes(), size);
    rig_checkpoint_pins(r);
    rig_settle(r);
    ck_assert_uint_le(all_bytes(), r->config.size_bytes);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* What is committed may be known only by a further entry: that gets in, though nothing has let go of a file yet. */
START_TEST(entries_get_into_the_file_of_a_start)
{
    size_t done;

    fill_journal(1);
    kill_and_start();
    rig_entry(r, 2, 100);
    run_alone();
    ck_assert_uint_eq(rig_group(r, 2)->log.n_done, 1);
    fill_journal(1);
    done = rig_group(r, 1)->log.n_done;
    rig_entry(r, 2, 100);
    run_alone();
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, done);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_ge(rig_group(r, 2)->replayed_last, 1);
}
END_TEST

/* What holds the files can't go before further entries are there: these get on, in whatever files they take. */
START_TEST(awaited_entries_get_through_a_full_journal)
{
    uint64_t done, in_use;

    rig_entry(r, 2, 100);
    fill_journal(1);
    done = rig_group(r, 1)->log.n_done;
    in_use = stats().bytes_in_use;
    r->awaited = true;
    for (uint64_t size = 0; size <= 2 * r->config.file_size_bytes; size += 8000)
        rig_entry(r, 2, 8000);
    r->awaited = false;
    rig_entry(r, 2, 8000);
    run_alone();
    ck_assert_uint_eq(rig_group(r, 2)->log.n_done + 1, rig_group(r, 2)->sent.last_index);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, done);
    ck_assert_uint_gt(stats().bytes_in_use, in_use + r->config.file_size_bytes);
    ck_assert(journal_is_full(r->j));
    /* Of one group they keep their order. */
    r->awaited = true;
    rig_entry(r, 1, 100);
    run_alone();
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, done);
    rig_checkpoint(r, 2, rig_group(r, 2)->log.n_done);
    rig_checkpoint(r, 1, done);
    run_alone();
    ck_assert(!journal_is_full(r->j));
    ck_assert(journal_is_idle(r->j));
    ck_assert_uint_le(stats().bytes_in_use, r->config.size_bytes);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* Of their own group as well: there may be no room for these before the entries are there. */
START_TEST(awaited_entries_pass_copies)
{
    struct rig_group *g = rig_group(r, 2);
    uint64_t done;

    for (int i = 0; i < 60; i++)
        rig_entry(r, 2, 8000);
    run_alone();
    fill_journal(1);
    done = g->log.n_done;
    rig_relocate_all(r, 2);
    run_alone();
    ck_assert_uint_lt(g->n_copies_done, g->n_copies);
    r->awaited = true;
    rig_entry(r, 2, 100);
    r->awaited = false;
    run_alone();
    ck_assert_uint_eq(g->log.n_done, done + 1);
    ck_assert_uint_lt(g->n_copies_done, g->n_copies);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 2)->replayed_last, done + 1);
}
END_TEST

/* What holds the old files can't be checkpointed, and starts have used up the budget: its copies go into the file that
 * the last one made. */
START_TEST(copies_get_through_after_many_starts)
{
    rig_entry(r, 2, 100);
    fill_journal(1);
    for (uint64_t i = 0; i < 12; i++) {
        kill_and_start();
        rig_hard_state(r, 3, i + 1, 1);
        run_alone();
    }
    rig_checkpoint(r, 1, rig_group(r, 1)->log.n_done);
    fill_journal(1);
    rig_relocate(r, 2, 1);
    run_alone();
    ck_assert(!journal_is_full(r->j));
    ck_assert(journal_is_idle(r->j));
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 2)->replayed_first, 1);
}
END_TEST

/* What holds the files is a group that goes, and what waits of it mustn't hold up its end. */
START_TEST(a_full_journal_is_rid_of_a_group_that_goes)
{
    uint64_t done;

    fill_journal(1);
    done = rig_group(r, 1)->log.n_done;
    for (uint64_t i = 1; i <= done; i++)
        rig_relocate(r, 1, i);
    for (int i = 0; i < 5; i++) {
        rig_entry(r, 1, 8000);
        rig_entry(r, 2, 8000);
    }
    rig_log_start(r, 1, 3);
    run_alone();
    ck_assert(journal_is_full(r->j));
    ck_assert_uint_eq(rig_group(r, 2)->log.n_done, 0);
    rig_withdraw(r, 1);
    ck_assert_uint_eq(rig_group(r, 1)->log.n, done);
    rig_forget(r, 1);
    run_alone();
    ck_assert(!journal_is_full(r->j));
    ck_assert(journal_is_idle(r->j));
    ck_assert_uint_eq(rig_group(r, 2)->log.n_done, 5);
    ck_assert_uint_le(stats().n_files, 2);
    ck_assert_uint_eq(stats().relocated_bytes, 0);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* What holds the files was overridden by a new leader, and what waits of it mustn't hold up the truncation. */
START_TEST(a_full_journal_is_rid_of_what_was_cut)
{
    uint64_t done;

    fill_journal(1);
    done = rig_group(r, 1)->log.n_done;
    for (uint64_t i = 1; i <= done; i++)
        rig_relocate(r, 1, i);
    for (int i = 0; i < 5; i++) {
        rig_entry(r, 1, 8000);
        rig_entry(r, 2, 8000);
    }
    run_alone();
    ck_assert(journal_is_full(r->j));
    ck_assert_uint_eq(rig_group(r, 2)->log.n_done, 0);
    rig_withdraw_entries(r, 1, 3);
    ck_assert_uint_eq(rig_group(r, 1)->log.n, done);
    rig_truncate(r, 1, 3);
    rig_entry(r, 1, 8000); /* the new leader's */
    run_alone();
    ck_assert(!journal_is_full(r->j));
    ck_assert(journal_is_idle(r->j));
    ck_assert_uint_eq(rig_group(r, 2)->log.n_done, 5);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, done + 2);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_group(r, 1)->replayed_last, 3);
}
END_TEST

/* Entries that are cut at any time, and others in their place. */
START_TEST(entries_that_are_cut_while_they_are_flushed)
{
    for (uint64_t steps = 0; steps < 40; steps++) {
        teardown();
        setup();
        for (int i = 0; i < 6; i++) {
            for (int k = 0; k < 3; k++)
                rig_entry(r, 1, 3000);
            rig_entry(r, 2, 8000);
            for (uint64_t k = 0; k < steps / 6; k++)
                rig_step(r);
            rig_withdraw_entries(r, 1, (uint64_t)i + 2);
            rig_truncate(r, 1, (uint64_t)i + 2);
            rig_entry(r, 1, 2000);
        }
        if (steps % 2 == 0) {
            rig_settle(r);
            ck_assert_uint_eq(rig_group(r, 2)->log.n_done, 6);
            ck_assert_uint_eq(rig_group(r, 1)->log.n_done, rig_group(r, 1)->log.n);
        }
        rig_recover(r, SIM_CRASH_DRAW);
    }
}
END_TEST

/* Some of it is in a flush already, which gets on, or the power goes. */
START_TEST(a_group_that_goes_while_it_is_flushed)
{
    for (uint64_t steps = 0; steps < 40; steps++) {
        teardown();
        setup();
        for (int i = 0; i < 6; i++) {
            rig_hard_state(r, 1, 1 + (uint64_t)i, 1);
            rig_entry(r, 1, 8000);
            rig_entry(r, 2, 8000);
            for (uint64_t k = 0; k < steps / 6; k++)
                rig_step(r);
        }
        rig_withdraw(r, 1);
        rig_forget(r, 1);
        if (steps % 2 == 0) {
            rig_settle(r);
            ck_assert_uint_eq(rig_group(r, 2)->log.n_done, 6);
            ck_assert_uint_eq(rig_group(r, 1)->log.n_done, rig_group(r, 1)->log.n);
            ck_assert_uint_eq(rig_group(r, 1)->states.n_done, rig_group(r, 1)->states.n);
        }
        rig_recover(r, SIM_CRASH_DRAW);
    }
}
END_TEST

/* Small records alone, more than the current file has room for: they get the file that is left to them. */
START_TEST(small_records_get_through_a_full_journal)
{
    uint64_t term = 0, done;

    fill_journal(1);
    done = rig_group(r, 1)->log.n_done;
    for (; term < 60; term++) {
        rig_hard_state(r, 2 + term % 3, term + 1, 1);
        run_alone();
    }
    for (uint64_t g = 2; g < 5; g++)
        ck_assert_uint_eq(rig_group(r, g)->states.n_done, 20);
    ck_assert(journal_is_full(r->j));
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, done);
    ck_assert_uint_le(stats().bytes_in_use + stats().bytes_spare, r->config.size_bytes);
    rig_checkpoint(r, 1, done);
    run_alone();
    ck_assert(journal_is_idle(r->j));
    ck_assert_uint_le(stats().bytes_in_use, r->config.size_bytes);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* Four files are the least there can be: whatever the budget, requests of any size get through. */
START_TEST(a_tiny_budget_still_moves)
{
    teardown();
    r = rig_new(2);
    r->config.size_bytes = 1;
    ck_assert_int_eq(rig_start(r), 0);
    for (int i = 0; i < 200; i++) {
        rig_entry(r, 1 + (uint64_t)i % 2, i % 3 == 0 ? journal_max_entry(r->j) : 100);
        rig_settle(r);
        ck_assert_uint_le(stats().bytes_in_use + stats().bytes_spare,
                          4 * r->config.file_size_bytes + r->config.first_file_size_bytes);
    }
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* The oldest file could go, but no flushed LSN on the disk tells of a later table, and what waits can't be flushed. */
START_TEST(a_full_journal_tells_of_its_last_table)
{
    teardown();
    r = rig_new(2);
    r->config.size_bytes = 1;
    ck_assert_int_eq(rig_start(r), 0);
    rig_entry(r, 1, 40000);
    rig_settle(r);
    rig_checkpoint(r, 1, 1);
    rig_settle(r);
    for (int i = 0; i < 5; i++) /* four fill the next file in one flush */
        rig_entry(r, 1, 55000);
    run_alone();
    ck_assert(journal_is_idle(r->j));
    ck_assert_uint_eq(stats().n_files, 2);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* ---- Crashes ---- */

static void note_random_pin(void *ctx, uint64_t group, uint64_t index)
{
    struct rig *rig = ctx;
    struct rig_group *g = rig_group(rig, group);

    if (group != 4 && g->log.n_done == g->log.n)
        rig_relocate_all(rig, group);
    else if (g->log.n_done == g->log.n && g->checkpoint_sent < g->sent.last_index)
        rig_checkpoint(rig, group, g->sent.last_index);
}

static void workload(struct rig *rig)
{
    for (int round = 0; round < 10 && rig->fatal_error == 0; round++) {
        for (int i = 0; i < 3; i++)
            rig_entry(rig, 4, 9000);
        rig_random(rig, 3, 400);
        for (int i = 0; i < 3; i++)
            rig_step(rig);
        rig_random(rig, 2, 100);
        rig_run(rig);
        if (rig->fatal_error != 0)
            break;
        journal_pins(rig->j, note_random_pin, rig);
        if (round == 6 && rig_may_checkpoint(rig, 2, rig_group(rig, 2)->sent.last_index))
            rig_checkpoint(rig, 2, rig_group(rig, 2)->sent.last_index);
        rig_step(rig);
        journal_tick(rig->j);
        rig_run(rig);
    }
}

static struct rig *rig_tight(uint64_t seed)
{
    struct rig *rig = rig_new(seed);

    rig->config.file_size_bytes = 64 * 1024;
    rig->config.size_bytes = 512 * 1024; /* full now and then: hard states and checkpoints pass entries */
    return rig;
}

START_TEST(crash_at_each_step)
{
    uint64_t steps, copies = 0;

    for (uint64_t seed = 21; seed < 24; seed++) {
        r = rig_tight(seed);
        ck_assert_int_eq(rig_start(r), 0);
        workload(r);
        rig_settle(r);
        for (size_t i = 0; i < r->n_groups; i++)
            copies += r->groups[i].n_copies;
        steps = sim_disk_steps(r->disk);
        rig_free(r);
        for (uint64_t step = 0; step < steps; step++) {
            r = rig_tight(seed);
            sim_disk_crash_after(r->disk, step);
            if (rig_start(r) == 0)
                workload(r);
            rig_recover(r, SIM_CRASH_DRAW);
            workload(r);
            rig_settle(r);
            rig_recover(r, SIM_CRASH_NOTHING);
            rig_free(r);
        }
    }
    ck_assert_uint_gt(copies, 30);
}
END_TEST

START_TEST(many_lives)
{
    struct rand rand;

    rand_init(&rand);
    for (int life = 0; life < 20; life++) {
        r = rig_tight(rand_u64(&rand));
        ck_assert_int_eq(rig_start(r), 0);
        for (int era = 0; era < 10; era++) {
            if (rand_chance(&rand, 2, 3))
                sim_disk_crash_after(r->disk, rand_below(&rand, 200));
            workload(r);
            if (rand_chance(&rand, 1, 3)) {
                rig_stop(r);
                sim_disk_exit(r->disk);
                ck_assert_int_eq(rig_start(r), 0);
            } else {
                rig_recover(r, SIM_CRASH_DRAW);
            }
        }
        rig_free(r);
    }
}
END_TEST

Suite *relocate_suite(void)
{
    Suite *s = suite_create("relocate");

    suite_add_with(s, copies_let_the_oldest_file_go, setup, teardown);
    suite_add_with(s, only_whole_rounds_release, setup, teardown);
    suite_add_with(s, replay_is_in_order, setup, teardown);
    suite_add_with(s, truncations_and_images_void_copies, setup, teardown);
    suite_add_with(s, copies_that_count_are_counted, setup, teardown);
    suite_add_with(s, idle_groups_never_pin, setup, teardown);
    suite_add_with(s, a_full_journal_waits, setup, teardown);
    suite_add_with(s, copies_get_through_a_full_journal, setup, teardown);
    suite_add_with(s, what_passes_entries_is_recovered_without_them, setup, teardown);
    suite_add_with(s, truncations_get_through_a_full_journal, setup, teardown);
    suite_add_with(s, starts_of_a_full_journal_take_a_small_file_each, setup, teardown);
    suite_add_with(s, copies_get_through_after_many_starts, setup, teardown);
    suite_add_with(s, entries_get_into_the_file_of_a_start, setup, teardown);
    suite_add_with(s, awaited_entries_get_through_a_full_journal, setup, teardown);
    suite_add_with(s, awaited_entries_pass_copies, setup, teardown);
    suite_add_with(s, a_full_journal_is_rid_of_a_group_that_goes, setup, teardown);
    suite_add_with(s, a_group_that_goes_while_it_is_flushed, setup, teardown);
    suite_add_with(s, a_full_journal_is_rid_of_what_was_cut, setup, teardown);
    suite_add_with(s, entries_that_are_cut_while_they_are_flushed, setup, teardown);
    suite_add_with(s, small_records_get_through_a_full_journal, setup, teardown);
    suite_add_with(s, a_tiny_budget_still_moves, setup, teardown);
    suite_add_with(s, a_full_journal_tells_of_its_last_table, setup, teardown);
    suite_add(s, crash_at_each_step);
    suite_add(s, many_lives);
    return s;
}
