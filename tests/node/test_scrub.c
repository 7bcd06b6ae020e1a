/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The scrubber goes through all partitions, tells of damage, and leaves time to others. */

#include <stdio.h>

#include "base/util.h"
#include "node/rig.h"
#include "node/suites.h"
#include "wire/error.h"

#define HOUR_MS UINT64_C(3600000)

static void collected(struct node_report *report)
{
    report->done = NULL;
}

static void collect(struct rig *r, struct node_report *report)
{
    *report = (struct node_report){ .done = collected, .want_partitions = true };
    node_collect(r->node, report);
    rig_run(r, 10 * MS);
    ck_assert_ptr_null(report->done);
}

/* Partitions with sealed segments that are synced, since the node was stopped since. */
static struct rig *stored(uint64_t seed, int n_reactors)
{
    struct rig *r = rig_new(seed, (unsigned)n_reactors);
    struct client *c;
    int64_t offset;

    r->config.segment_size_bytes = 4096;
    r->config.retention_ns = CONFIG_NONE;
    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 4), 0);
    for (uint64_t i = 0; i < 80; i++)
        ck_assert_int_eq(ask_produce(c, "a", (int32_t)(i % 4), i, 5, &offset), 0);
    ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
    return r;
}

struct found {
    char path[128];
    unsigned n;
};

static struct sim_disk *found_disk;

/* The first segment of some partition. */
static int note_dir(void *ctx, const struct disk_dirent *ent)
{
    struct found *f = ctx;

    snprintf(f->path, sizeof(f->path), "topics/%.80s/00000000000000000001.log", ent->name);
    return sim_disk_flip(found_disk, f->path, 100, 1) == 0;
}

START_TEST(damage_is_told_once_a_pass)
{
    struct rig *r = stored(60, _i);
    struct node_report report;
    struct found f = { "", 0 };
    uint64_t n_segments, n_damaged = 0;

    found_disk = r->disk;
    ck_assert_int_eq(disk_list(sim_disk_env(r->disk), "topics", note_dir, &f), 1);
    rig_start_ok(r);
    rig_run(r, 60000 * MS);
    ck_assert_uint_eq(r->n_damaged, 1);
    ck_assert_ptr_nonnull(strstr(r->damage, f.path));
    ck_assert_ptr_nonnull(strstr(r->damage, "a-"));
    collect(r, &report);
    n_segments = report.scrub_segments;
    ck_assert_uint_ge(n_segments, 4);
    ck_assert_uint_gt(report.scrub_bytes, 0);
    ck_assert_uint_eq(report.scrub_damaged, 1);
    for (size_t i = 0; i < report.n_partitions; i++)
        n_damaged += report.partitions[i].damaged_segments;
    ck_assert_uint_eq(n_damaged, 1);
    node_report_fini(&report);
    rig_run(r, 24 * HOUR_MS * MS); /* each segment once a week */
    collect(r, &report);
    ck_assert_uint_eq(report.scrub_segments, n_segments);
    node_report_fini(&report);
    rig_run(r, 7 * 24 * HOUR_MS * MS);
    ck_assert_uint_eq(r->n_damaged, 2);
    collect(r, &report);
    ck_assert_uint_eq(report.scrub_segments, 2 * n_segments);
    node_report_fini(&report);
    ck_assert_int_eq(r->fatal_error, 0);
    rig_free(r);
}
END_TEST

START_TEST(off_is_off)
{
    struct rig *r = stored(61, _i);
    struct node_report report;

    r->config.scrub_rate_bytes = 0;
    rig_start_ok(r);
    rig_run(r, 60000 * MS);
    collect(r, &report);
    ck_assert_uint_eq(report.scrub_bytes, 0);
    node_report_fini(&report);
    rig_free(r);
}
END_TEST

/* While it is at work topics are deleted, and the node stops. */
START_TEST(topics_may_go_meanwhile)
{
    for (uint64_t seed = 62; seed < 72; seed++) {
        struct rig *r = stored(seed, _i);
        struct client *c;

        r->config.scrub_rate_bytes = 1 << 20;
        rig_start_ok(r);
        c = rig_connect(r, 0);
        rig_run(r, (4000 + seed % 10 * 200) * MS);
        ck_assert_int_eq(ask_delete(c, "a"), 0);
        rig_run(r, (seed % 3) * 1000 * MS);
        ck_assert_int_eq(ask_create(c, "a", 2), 0);
        rig_run(r, seed % 7 * 100 * MS);
        ck_assert_int_eq(r->fatal_error, 0);
        ck_assert_uint_eq(r->n_damaged, 0);
        ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
        rig_free(r);
    }
}
END_TEST

#define add(s, test) \
    do { \
        TCase *tc_ = tcase_create(#test); \
        tcase_set_timeout(tc_, 60); \
        tcase_add_loop_test(tc_, test, 1, 4); \
        suite_add_tcase(s, tc_); \
    } while (0)

Suite *scrub_suite(void)
{
    Suite *s = suite_create("scrub");

    add(s, damage_is_told_once_a_pass);
    add(s, off_is_off);
    add(s, topics_may_go_meanwhile);
    return s;
}
