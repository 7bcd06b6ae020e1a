/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the disk may answer while the journal runs. */

#include "base/util.h"
#include "journal/format.h"
#include "journal/rig.h"
#include "journal/suites.h"

static struct rig *r;

static void setup(void)
{
    r = rig_new(1);
    ck_assert_int_eq(rig_start(r), 0);
}

static void teardown(void)
{
    rig_free(r);
}

/* A full disk, as seen by who makes files. */
static void fill_disk(void)
{
    struct journal_stats st;

    journal_stats(r->j, &st);
    sim_disk_set_capacity(r->disk, st.bytes_in_use + st.bytes_spare);
}

START_TEST(full_disk_then_space)
{
    fill_disk();
    for (int i = 0; i < 20; i++)
        rig_entry(r, 1, 9000);
    rig_run(r);
    ck_assert_int_eq(journal_space_error(r->j), -ENOSPC);
    ck_assert_int_eq(r->fatal_error, 0);
    ck_assert_uint_gt(rig_group(r, 1)->log.n_done, 0);
    ck_assert_uint_lt(rig_group(r, 1)->log.n_done, 20);
    journal_tick(r->j); /* tried again, in vain */
    rig_run(r);
    ck_assert_int_eq(journal_space_error(r->j), -ENOSPC);
    sim_disk_set_capacity(r->disk, 1 << 30);
    rig_run(r); /* not tried in between: no turn must cost an attempt */
    ck_assert_int_eq(journal_space_error(r->j), -ENOSPC);
    journal_tick(r->j);
    rig_settle(r);
    ck_assert_int_eq(journal_space_error(r->j), 0);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 20);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* Votes and checkpoints go on, and the checkpoints make room: nobody has to free space by hand. */
START_TEST(full_disk_heals_by_checkpoints)
{
    sim_disk_set_capacity(r->disk, 400 * 1024);
    for (int i = 0; i < 60; i++) {
        rig_entry(r, 1, 9000);
        rig_run(r);
    }
    ck_assert_int_eq(journal_space_error(r->j), -ENOSPC);
    ck_assert_uint_lt(rig_group(r, 1)->log.n_done, 60);
    for (uint64_t term = 1; term <= 3; term++) {
        rig_hard_state(r, 2, term, 1);
        rig_log_start(r, 3, (int64_t)term);
        rig_run(r);
        ck_assert_uint_eq(rig_group(r, 2)->states.n_done, term);
        ck_assert_uint_eq(rig_group(r, 3)->log.n_done, term);
    }
    for (int i = 0; i < 10 && !journal_is_idle(r->j); i++) {
        rig_checkpoint_pins(r);
        rig_run(r);
        journal_tick(r->j);
        rig_run(r);
    }
    rig_settle(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 60);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* A request of a group that waits isn't passed by one that builds on it. */
START_TEST(full_disk_keeps_the_order_of_a_group)
{
    fill_disk();
    for (int i = 0; i < 10; i++)
        rig_entry(r, 1, 9000);
    rig_log_start(r, 1, 5);
    rig_forget(r, 1);
    rig_run(r);
    ck_assert_int_eq(journal_space_error(r->j), -ENOSPC);
    ck_assert_uint_lt(rig_group(r, 1)->log.n_done, 10);
    sim_disk_set_capacity(r->disk, 1 << 30);
    journal_tick(r->j);
    rig_settle(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 12);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* The reserve lets a start through, and so the checkpoints that free space. */
START_TEST(start_on_a_full_disk)
{
    for (int i = 0; i < 20; i++) {
        rig_entry(r, 1, 9000);
        rig_settle(r);
    }
    for (int i = 0; i < 3; i++) {
        fill_disk();
        rig_recover(r, SIM_CRASH_NOTHING);
        rig_hard_state(r, 2, (uint64_t)i + 1, 1);
        rig_checkpoint(r, 1, rig_group(r, 1)->sent.last_index);
        rig_run(r);
        journal_seal(r->j); /* what was left unused goes, and a new reserve is made */
        rig_run(r);
        journal_tick(r->j);
        rig_settle(r);
        ck_assert_uint_eq(rig_group(r, 2)->states.n_done, (uint64_t)i + 1);
    }
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* Until there is none for the file that a start begins with: what is there can be read all the same, and the file is
 * made when there is room. */
START_TEST(start_without_any_room)
{
    static const enum sim_disk_crash crashes[] = { SIM_CRASH_NOTHING, SIM_CRASH_ALL, SIM_CRASH_DRAW };
    struct journal_stats st;

    for (int i = 0; i < 20; i++) {
        rig_entry(r, 1, 9000);
        rig_settle(r);
    }
    for (int i = 0; i < 12; i++) {
        fill_disk();
        rig_recover(r, crashes[i % 3]);
        rig_entry(r, 1, 100);
        rig_hard_state(r, 2, (uint64_t)i + 1, 1);
        rig_run(r);
        ck_assert_int_eq(journal_has_room(r->j, 100), !journal_lacks_file(r->j));
        if (!journal_lacks_file(r->j))
            ck_assert_uint_eq(rig_group(r, 2)->states.n_done, (uint64_t)i + 1);
    }
    ck_assert(journal_lacks_file(r->j));
    ck_assert_int_eq(journal_space_error(r->j), -ENOSPC);
    ck_assert(!journal_is_idle(r->j));
    journal_seal(r->j);
    journal_tick(r->j); /* in vain */
    rig_run(r);
    ck_assert(journal_lacks_file(r->j));
    ck_assert(journal_needs_tick(r->j));
    journal_stats(r->j, &st);
    ck_assert_uint_gt(st.n_files, 0);
    sim_disk_set_capacity(r->disk, 1 << 30);
    journal_tick(r->j);
    rig_settle(r);
    ck_assert(!journal_lacks_file(r->j));
    ck_assert_int_eq(journal_space_error(r->j), 0);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, rig_group(r, 1)->log.n);
    rig_entry(r, 1, 9000);
    rig_settle(r);
    ck_assert_uint_eq(rig_count(r, JOURNAL_SUFFIX_NEW), 0);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* A journal without a file must get its first one: from then on a missing one is a loss. */
START_TEST(first_start_without_any_room)
{
    rig_free(r);
    r = rig_new(1);
    sim_disk_set_capacity(r->disk, 4096);
    ck_assert_int_eq(rig_start(r), -ENOSPC);
    sim_disk_set_capacity(r->disk, 1 << 30);
    ck_assert_int_eq(rig_start(r), 0);
    rig_entry(r, 1, 100);
    rig_settle(r);
}
END_TEST

START_TEST(no_descriptors_then_some)
{
    sim_disk_fail(r->disk, SIM_DISK_OPEN, 0, 2, -EMFILE); /* the reserve, the next file */
    rig_entry(r, 1, 9000);
    rig_run(r);
    ck_assert_int_eq(journal_space_error(r->j), -EMFILE);
    journal_tick(r->j);
    rig_settle(r);
    ck_assert_int_eq(journal_space_error(r->j), 0);
}
END_TEST

/* ENOSPC of the flush itself, as copy-on-write file systems give it: the same bytes go to the same place later. */
START_TEST(flush_without_space)
{
    rig_entry(r, 1, 100);
    rig_settle(r);
    sim_disk_fail(r->disk, SIM_DISK_WRITE, 0, 2, -EDQUOT);
    rig_entry(r, 1, 100);
    rig_entry(r, 2, 5000);
    rig_run(r);
    ck_assert_int_eq(journal_space_error(r->j), -EDQUOT);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 1);
    rig_entry(r, 1, 100);
    rig_run(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 1);
    journal_tick(r->j); /* fails again */
    rig_run(r);
    journal_tick(r->j);
    rig_settle(r);
    ck_assert_int_eq(journal_space_error(r->j), 0);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 3);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

START_TEST(file_switch_without_space)
{
    uint64_t done;

    for (int i = 0; i < 3; i++) {
        rig_entry(r, 1, 9000);
        rig_settle(r);
    }
    /* the end of the old file is written, then the new one fails */
    sim_disk_fail(r->disk, SIM_DISK_WRITE, 1, 1, -ENOSPC);
    done = rig_group(r, 1)->log.n_done;
    rig_entry(r, 1, 9000);
    rig_run(r);
    ck_assert_int_eq(journal_space_error(r->j), -ENOSPC);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, done);
    journal_tick(r->j);
    rig_settle(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, done + 1);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

START_TEST(interrupted_writes_are_written_again)
{
    sim_disk_fail(r->disk, SIM_DISK_WRITE, 0, 5, -EINTR);
    rig_entry(r, 1, 100);
    rig_settle(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 1);
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

/* Nothing is done, and nothing is tried again. */
static void expect_death(int err)
{
    uint64_t writes, syncs;

    rig_run(r);
    ck_assert_int_eq(r->fatal_error, err);
    writes = sim_disk_calls(r->disk, SIM_DISK_WRITE);
    syncs = sim_disk_calls(r->disk, SIM_DISK_SYNC_DATA);
    for (int i = 0; i < 3; i++) {
        journal_tick(r->j);
        journal_seal(r->j);
        rig_entry(r, 1, 100);
        rig_run(r);
    }
    ck_assert_uint_eq(sim_disk_calls(r->disk, SIM_DISK_WRITE), writes);
    ck_assert_uint_eq(sim_disk_calls(r->disk, SIM_DISK_SYNC_DATA), syncs);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 0);
}

START_TEST(write_error_is_fatal)
{
    sim_disk_fail(r->disk, SIM_DISK_WRITE, 0, 1, -EIO);
    rig_entry(r, 1, 100);
    expect_death(-EIO);
    ck_assert_ptr_nonnull(strstr(r->fatal_what, "writing"));
    rig_recover(r, SIM_CRASH_DRAW);
}
END_TEST

/* Also when it says that space is short: what was lost is not known. */
START_TEST(sync_error_is_fatal)
{
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    sim_disk_fail(r->disk, SIM_DISK_SYNC_DATA, 0, 1, -ENOSPC);
    rig_entry(r, 1, 100);
    expect_death(-EIO);
    ck_assert_ptr_nonnull(strstr(r->fatal_what, "syncing"));
    rig_recover(r, SIM_CRASH_NOTHING);
}
END_TEST

START_TEST(sync_error_of_a_new_file_is_fatal)
{
    rig_entry(r, 1, 100);
    journal_poll(r->j, r->clock.mono_ns);
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    rig_run(r);
    ck_assert_uint_eq(rig_group(r, 1)->log.n_done, 1);
    sim_disk_fail(r->disk, SIM_DISK_SYNC_DIR, 0, 1, -EIO);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    rig_run(r);
    ck_assert_int_eq(r->fatal_error, -EIO);
    rig_recover(r, SIM_CRASH_DRAW);
}
END_TEST

START_TEST(start_tells_what_failed)
{
    static const enum sim_disk_call calls[] = { SIM_DISK_WRITE, SIM_DISK_SYNC_DATA, SIM_DISK_SYNC_DIR, SIM_DISK_RENAME,
                                                SIM_DISK_LIST };

    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        rig_stop(r);
        sim_disk_exit(r->disk);
        ck_assert_int_eq(rig_open(r), 0);
        sim_disk_fail(r->disk, calls[i], 0, 1, -EIO);
        ck_assert_int_eq(rig_go(r), -EIO);
        ck_assert_ptr_nonnull(strstr(r->err.text, "journal/0"));
        sim_disk_crash(r->disk, SIM_CRASH_DRAW, &r->prng);
        ck_assert_int_eq(rig_start(r), 0);
    }
}
END_TEST

/* What an interrupted start or preparation leaves goes at the next start. */
START_TEST(leftovers_go)
{
    struct disk_file *f;

    rig_stop(r);
    ck_assert_int_eq(disk_open(r->config.disk, "journal/0/00000000000000000077.new", DISK_WRITE | DISK_CREATE, &f), 0);
    disk_close(f);
    ck_assert_int_eq(disk_open(r->config.disk, "journal/0/00000000000000000078.spare", DISK_WRITE | DISK_CREATE, &f),
                     0);
    disk_close(f);
    ck_assert_int_eq(disk_open(r->config.disk, "journal/0/notes.txt", DISK_WRITE | DISK_CREATE, &f), 0);
    disk_close(f);
    ck_assert_int_eq(rig_start(r), 0);
    ck_assert_uint_eq(rig_count(r, JOURNAL_SUFFIX_NEW), 0);
    ck_assert_uint_eq(rig_count(r, JOURNAL_SUFFIX_SPARE), 0);
    ck_assert_uint_eq(rig_count(r, "notes.txt"), 1);
    ck_assert_uint_eq(rig_count(r, "00000000000000000079.journal"), 1); /* no generation is used twice */
}
END_TEST

Suite *faults_suite(void)
{
    Suite *s = suite_create("faults");

    suite_add_with(s, full_disk_then_space, setup, teardown);
    suite_add_with(s, full_disk_heals_by_checkpoints, setup, teardown);
    suite_add_with(s, full_disk_keeps_the_order_of_a_group, setup, teardown);
    suite_add_with(s, start_on_a_full_disk, setup, teardown);
    suite_add_with(s, start_without_any_room, setup, teardown);
    suite_add_with(s, first_start_without_any_room, setup, teardown);
    suite_add_with(s, no_descriptors_then_some, setup, teardown);
    suite_add_with(s, flush_without_space, setup, teardown);
    suite_add_with(s, file_switch_without_space, setup, teardown);
    suite_add_with(s, interrupted_writes_are_written_again, setup, teardown);
    suite_add_with(s, write_error_is_fatal, setup, teardown);
    suite_add_with(s, sync_error_is_fatal, setup, teardown);
    suite_add_with(s, sync_error_of_a_new_file_is_fatal, setup, teardown);
    suite_add_with(s, start_tells_what_failed, setup, teardown);
    suite_add_with(s, leftovers_go, setup, teardown);
    return s;
}
