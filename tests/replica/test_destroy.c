/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The end of a group, whatever is in flight. */

#include "base/util.h"
#include "replica/rig.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)

static int count_names(void *ctx, const struct disk_dirent *ent)
{
    ++*(int *)ctx;
    return 0;
}

static int n_names(struct rig *r, const char *dir)
{
    int n = 0;

    return disk_list(r->env.disk, dir, count_names, &n) == -ENOENT ? 0 : n;
}

START_TEST(a_group_that_was_never_written_needs_no_record)
{
    struct rig *r = rig_new(1, 1);
    struct journal_stats stats;

    rig_start_ok(r);
    rig_destroy(r, 0);
    rig_settle(r);
    ck_assert(r->groups[0].destroyed);
    journal_stats(r->journal, &stats);
    ck_assert_uint_eq(stats.n_records, 0);
    rig_free(r);
}
END_TEST

START_TEST(an_idle_group_leaves_nothing)
{
    struct rig *r = rig_new(1, 2);

    rig_start_ok(r);
    for (int i = 0; i < 10; i++)
        rig_produce(r, 0, 1, 2000);
    rig_settle(r);
    ck_assert_int_gt(n_names(r, "topics/g-0"), 0);
    rig_destroy(r, 0);
    rig_settle(r);
    ck_assert(r->groups[0].destroyed);
    ck_assert_int_eq(n_names(r, "topics/g-0"), 0);
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    ck_assert_int_eq(n_names(r, "topics/g-0"), 0);
    rig_free(r);
}
END_TEST

/* The process must end then; who ends it is told which directory it was. */
START_TEST(files_that_cannot_be_removed_are_fatal)
{
    struct rig *r = rig_new(2, 1);

    rig_start_ok(r);
    rig_produce(r, 0, 1, 2000);
    rig_settle(r);
    sim_disk_fail(r->disk, SIM_DISK_UNLINK, 0, 1, -EIO);
    rig_destroy(r, 0);
    rig_run(r, 1000 * MS);
    ck_assert_int_eq(r->fatal_error, -EIO);
    ck_assert_str_eq(r->fatal_text, "topics/g-0: removing a deleted partition: Input/output error");
    rig_free(r);
}
END_TEST

/* Ops of every kind are out, in every phase that a drawn number of steps leads to. */
static void destroy_busy(uint64_t seed)
{
    struct rig *r = rig_new(seed, 2);
    struct replica *replica;
    struct rig_op *held = NULL, *late, *release;

    rig_start_ok(r);
    replica = r->groups[0].replica;
    for (int i = 0; i < 10; i++)
        rig_produce(r, 0, 1, 2000);
    if (seed % 2 == 0) {
        rig_settle(r);
        held =
            rig_ask(r, 0,
                    &(struct replica_op){ .kind = REPLICA_READ,
                                          .read = { .max_bytes = 3000, .min_one = true, .last_fetched_epoch = -1 } });
        ck_assert_int_eq(held->op.error, 0);
    }
    if (seed % 3 == 0)
        sim_disk_drop_caches(r->disk);
    rig_submit(r, 0, &(struct replica_op){ .kind = REPLICA_WATCH, .watch.offset = 1000 });
    rig_submit(r, 0, &(struct replica_op){ .kind = REPLICA_LIST_OFFSETS, .list_offsets.timestamp = 5 });
    rig_delete_records(r, 0, 0);
    if (seed % 5 == 0)
        replica_checkpoint(replica, UINT64_MAX);
    rig_produce_as(r, 0, 9, 0, 0, 1, 100);
    rig_produce_as(r, 0, 9, 0, 0, 1, 100);
    for (uint64_t i = sim_prng_below(&r->prng, 40); i > 0; i--)
        rig_step(r);
    rig_destroy(r, 0);
    late = rig_submit(r, 0, &(struct replica_op){ .kind = REPLICA_READ });
    rig_produce(r, 1, 1, 100);
    if (held != NULL) {
        rig_run(r, 1000 * MS);
        ck_assert(!r->groups[0].destroyed); /* somebody still sends from its files */
        release = rig_submit(r, 0, &(struct replica_op){ .kind = REPLICA_RELEASE, .release.target = &held->op });
        rig_wait(r, release);
    }
    rig_settle(r);
    ck_assert(r->groups[0].destroyed);
    ck_assert_int_eq(late->op.error, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    for (struct rig_op *o = r->ops; o != NULL; o = o->next)
        ck_assert(o->done);
    ck_assert_int_eq(n_names(r, "topics/g-0"), 0);
    rig_check(r);
    rig_free(r);
}

START_TEST(a_busy_group_ends_all_that_waits)
{
    for (uint64_t seed = 1; seed <= 120; seed++)
        destroy_busy(seed);
}
END_TEST

/* It holds all the files of a full journal, where entries of its own wait. */
START_TEST(a_group_that_fills_the_journal_goes)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *r = rig_new(seed, 2);

        rig_start_ok(r);
        for (int i = 0; i < 800; i++)
            rig_produce(r, 0, 1, 4000);
        rig_produce(r, 1, 1, 4000);
        for (int i = 0; i < 100000 && !journal_is_full(r->journal); i++)
            rig_step(r);
        ck_assert(journal_is_full(r->journal));
        for (uint64_t i = sim_prng_below(&r->prng, 3); i > 0; i--)
            rig_step(r);
        rig_destroy(r, 0);
        rig_run(r, 10000 * MS);
        ck_assert(r->groups[0].destroyed);
        ck_assert(!journal_is_full(r->journal));
        ck_assert_int_eq(n_names(r, "topics/g-0"), 0);
        for (struct rig_op *o = r->ops; o != NULL; o = o->next)
            ck_assert(o->done);
        rig_check(r);
        rig_free(r);
    }
}
END_TEST

/* A crash while it goes: the group is gone or the whole of it is still there. */
START_TEST(a_crash_in_between_is_harmless)
{
    for (uint64_t step = 0; step < 30; step++) {
        struct rig *r = rig_new(50, 2);

        rig_start_ok(r);
        for (int i = 0; i < 10; i++) {
            rig_produce(r, 0, 1, 2000);
            rig_produce(r, 1, 1, 100);
        }
        rig_settle(r);
        sim_disk_crash_after(r->disk, step);
        rig_destroy(r, 0);
        rig_run(r, 1000 * MS);
        rig_recover(r, SIM_CRASH_DRAW);
        rig_free(r);
    }
}
END_TEST

Suite *destroy_suite(void)
{
    Suite *s = suite_create("destroy");

    suite_add(s, a_group_that_was_never_written_needs_no_record);
    suite_add(s, an_idle_group_leaves_nothing);
    suite_add(s, files_that_cannot_be_removed_are_fatal);
    suite_add(s, a_busy_group_ends_all_that_waits);
    suite_add(s, a_group_that_fills_the_journal_goes);
    suite_add(s, a_crash_in_between_is_harmless);
    return s;
}
