/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A node from its first start on, as clients see it. Each with one reactor and with several. */

#include <stdio.h>

#include "base/util.h"
#include "node/rig.h"
#include "node/suites.h"
#include "wire/error.h"

static void check_partition(struct client *c, const char *topic, int32_t partition, int n, uint64_t first_id)
{
    uint64_t ids[64];
    int64_t offsets[64], next = 0;
    int got = 0;

    while (got < n) {
        int k = ask_fetch(c, topic, partition, next, ids, offsets, 64, &next);

        ck_assert_int_gt(k, 0);
        for (int i = 0; i < k; i++)
            ck_assert_uint_eq(ids[i], first_id + (uint64_t)(got + i));
        got += k;
    }
    ck_assert_int_eq(got, n);
    ck_assert_int_eq(ask_fetch(c, topic, partition, next, ids, offsets, 64, &next), 0);
}

static void fill(struct client *c, const char *topic, int32_t n_partitions, int n)
{
    for (int32_t p = 0; p < n_partitions; p++) {
        for (int i = 0; i < n; i++) {
            int64_t offset;

            ck_assert_int_eq(ask_produce(c, topic, p, (uint64_t)(p * 1000 + i), 2, &offset), 0);
            ck_assert_int_eq(offset, i * 2);
        }
    }
}

START_TEST(records_go_in_and_out)
{
    struct rig *r = rig_new(1, (unsigned)_i);
    struct client *c, *d;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    d = rig_connect(r, 1);
    ck_assert_int_eq(ask_create(c, "a", 5), 0);
    ck_assert_int_eq(ask_create(d, "a", 5), KAFKA_E_TOPIC_ALREADY_EXISTS);
    fill(c, "a", 5, 4);
    for (int32_t p = 0; p < 5; p++)
        check_partition(d, "a", p, 4, (uint64_t)p * 1000);
    for (int life = 0; life < 3; life++) {
        if (life == 0)
            ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
        else if (life == 1)
            rig_kill(r);
        else
            rig_crash(r, SIM_CRASH_DRAW);
        rig_start_ok(r);
        c = rig_connect(r, (unsigned)life);
        for (int32_t p = 0; p < 5; p++)
            check_partition(c, "a", p, 4, (uint64_t)p * 1000);
    }
    rig_free(r);
}
END_TEST

START_TEST(topics_come_by_themselves)
{
    struct rig *r = rig_new(2, (unsigned)_i);
    struct client *c;
    int32_t n = 0;
    int16_t error;
    int64_t offset;

    rig_start_ok(r);
    c = rig_connect(r, 1);
    error = ask_metadata(c, "fresh", true, &n);
    for (int i = 0; i < 10 && error != 0; i++) {
        rig_run(r, 100 * MS);
        error = ask_metadata(c, "fresh", true, &n);
    }
    ck_assert_int_eq(error, 0);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(ask_produce(c, "fresh", 0, 1, 1, &offset), 0);
    ck_assert_int_eq(ask_metadata(c, "none", false, &n), KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    rig_free(r);
}
END_TEST

START_TEST(fetches_wait_for_data)
{
    struct rig *r = rig_new(3, (unsigned)_i);
    struct client *producer, *consumer;
    uint64_t ids[4];
    int64_t offsets[4], offset, next;
    int n;

    rig_start_ok(r);
    producer = rig_connect(r, 0);
    consumer = rig_connect(r, 1);
    ck_assert_int_eq(ask_create(producer, "a", 2), 0);
    for (int32_t p = 0; p < 2; p++) {
        send_fetch(consumer, "a", p, 0, 1, 20000);
        rig_run(r, 5000 * MS);
        ck_assert_int_eq(recv_fetch(consumer, ids, offsets, 4, &next), NO_ANSWER);
        ck_assert_int_eq(ask_produce(producer, "a", p, 77, 1, &offset), 0);
        rig_run(r, 20 * MS);
        n = recv_fetch(consumer, ids, offsets, 4, &next);
        ck_assert_int_eq(n, 1);
        ck_assert_uint_eq(ids[0], 77);
        send_fetch(consumer, "a", p, 1, 1, 2000);
        rig_run(r, 1900 * MS);
        ck_assert_int_eq(recv_fetch(consumer, ids, offsets, 4, &next), NO_ANSWER);
        rig_run(r, 200 * MS);
        ck_assert_int_eq(recv_fetch(consumer, ids, offsets, 4, &next), 0);
    }
    rig_free(r);
}
END_TEST

/* Answers come when the flush has waited, not earlier and not later. */
START_TEST(flushes_wait_for_their_time)
{
    struct rig *r = rig_new(8, (unsigned)_i);
    struct client *c;
    uint64_t sent_ns;
    int64_t offset;

    r->config.performance.batch_timeout_ns = 30 * (int64_t)MS;
    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 1), 0);
    rig_run(r, 500 * MS);
    sent_ns = r->clock.mono_ns;
    ck_assert_int_eq(ask_produce(c, "a", 0, 1, 1, &offset), 0);
    ck_assert_uint_ge(r->clock.mono_ns - sent_ns, 30 * MS);
    ck_assert_uint_le(r->clock.mono_ns - sent_ns, 31 * MS);
    ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
    r->config.performance.max_batch_size = 1;
    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_produce(c, "a", 0, 1, 1, &offset), 0);
    sent_ns = r->clock.mono_ns;
    ck_assert_int_eq(ask_produce(c, "a", 0, 1, 1, &offset), 0);
    ck_assert_uint_lt(r->clock.mono_ns - sent_ns, 10 * MS);
    rig_free(r);
}
END_TEST

static int count_names(void *ctx, const struct disk_dirent *ent)
{
    ++*(int *)ctx;
    return 0;
}

static int n_topic_dirs(struct rig *r)
{
    int n = 0;

    ck_assert_int_eq(disk_list(sim_disk_env(r->disk), "topics", count_names, &n), 0);
    return n;
}

START_TEST(deleted_topics_leave_nothing)
{
    struct rig *r = rig_new(4, (unsigned)_i);
    struct client *c, *watcher;
    uint64_t ids[4];
    int64_t offsets[4], next;
    int n;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    watcher = rig_connect(r, 1);
    ck_assert_int_eq(ask_create(c, "a", 4), 0);
    ck_assert_int_eq(ask_create(c, "b", 4), 0);
    fill(c, "a", 4, 3);
    fill(c, "b", 4, 3);
    rig_run(r, 500 * MS);
    ck_assert_int_eq(n_topic_dirs(r), 8);
    send_fetch(watcher, "a", 1, 6, 1, 20000);
    rig_run(r, 100 * MS);
    ck_assert_int_eq(ask_delete(c, "a"), 0);
    rig_run(r, 500 * MS);
    n = recv_fetch(watcher, ids, offsets, 4, &next);
    ck_assert_int_eq(n, -KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION); /* it was told at once */
    ck_assert_int_eq(n_topic_dirs(r), 4);
    ck_assert_int_eq(ask_produce(c, "a", 0, 1, 1, &next), KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(ask_create(c, "a", 1), 0); /* again, as another topic */
    fill(c, "a", 1, 2);
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    c = rig_connect(r, 0);
    check_partition(c, "a", 0, 2, 0);
    check_partition(c, "b", 3, 3, 3000);
    rig_free(r);
}
END_TEST

static int first_name(void *ctx, const struct disk_dirent *ent)
{
    snprintf(ctx, 64, "topics/%s", ent->name);
    return 1;
}

static unsigned n_told(const struct rig *r, const char *path)
{
    unsigned n = 0;

    for (const char *p = r->notices; (p = strstr(p, path)) != NULL; p++)
        n++;
    return n;
}

/* Somebody's files in the directory of a topic that goes don't hold the node up, now or at a start. */
START_TEST(what_is_not_the_topics_stays)
{
    struct rig *r = rig_new(14, (unsigned)_i);
    struct env_disk *disk = sim_disk_env(r->disk);
    char dir[64];
    _cleanup_(freep) char *sub = NULL, *below = NULL;
    struct client *c;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 1), 0);
    fill(c, "a", 1, 3);
    rig_run(r, 500 * MS);
    ck_assert_int_eq(disk_list(disk, "topics", first_name, dir), 1);
    sub = xasprintf("%s/lost+found", dir);
    below = xasprintf("%s/below", sub);
    ck_assert_int_eq(disk_mkdir(disk, sub), 0);
    ck_assert_int_eq(disk_mkdir(disk, below), 0);
    ck_assert_int_eq(ask_delete(c, "a"), 0);
    rig_run(r, 500 * MS);
    ck_assert_int_eq(r->fatal_error, 0);
    ck_assert_uint_eq(n_told(r, dir), 1);
    ck_assert_int_eq(r->notices[0], '!');
    ck_assert_int_eq(ask_create(c, "a", 1), 0);
    fill(c, "a", 1, 2);
    for (int i = 0; i < 2; i++) {
        rig_crash(r, SIM_CRASH_ALL);
        rig_start_ok(r);
        ck_assert_uint_eq(n_told(r, dir), 1);
        check_partition(rig_connect(r, 0), "a", 0, 2, 0);
    }
    ck_assert_int_eq(disk_unlink(disk, below), 0);
    ck_assert_int_eq(disk_unlink(disk, sub), 0);
    rig_crash(r, SIM_CRASH_ALL);
    rig_start_ok(r);
    ck_assert_uint_eq(n_told(r, dir), 0);
    rig_free(r);
}
END_TEST

/* Topics go while others produce to them and read from them, on all reactors. */
START_TEST(deletion_races_with_everything)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct rig *r = rig_new(100 + seed, (unsigned)_i);
        struct client *c[4];

        rig_start_ok(r);
        for (unsigned i = 0; i < 4; i++)
            c[i] = rig_connect(r, i);
        for (int round = 0; round < 4; round++) {
            ck_assert_int_eq(ask_create(c[0], "a", 3), 0);
            for (unsigned k = 0; k < 8; k++) {
                send_produce(c[1], "a", (int32_t)(k % 3), k, 1, 2000);
                send_fetch(c[2], "a", (int32_t)(k % 3), 0, 1, 500);
                send_fetch(c[3], "a", (int32_t)(k % 3), (int64_t)(k % 2), 1 << 19, 300);
                for (uint64_t s = sim_prng_below(&r->prng, 12); s > 0; s--)
                    rig_step(r);
            }
            if (seed % 3 == 0) {
                rig_disconnect(r, 2); /* with answers on their way */
                c[2] = rig_connect(r, 2);
            }
            ck_assert_int_eq(ask_delete(c[0], "a"), 0);
        }
        rig_run(r, 2000 * MS);
        ck_assert_int_eq(n_topic_dirs(r), 0);
        ck_assert_int_eq(r->fatal_error, 0);
        ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
        rig_free(r);
    }
}
END_TEST

START_TEST(an_idle_node_sleeps)
{
    struct rig *r = rig_new(5, (unsigned)_i);
    struct client *c;
    uint64_t until;
    unsigned n_turns = 0;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 3), 0);
    fill(c, "a", 3, 2);
    rig_run(r, 20000 * MS);
    until = r->clock.mono_ns + 60000 * MS;
    while (r->clock.mono_ns < until) {
        while (rig_step(r))
            ;
        ck_assert_uint_gt(r->deadline_ns, r->clock.mono_ns);
        sim_clock_advance_to(&r->clock, MIN(until, r->deadline_ns));
        n_turns++;
    }
    ck_assert_uint_le(n_turns, 60 / 5 * (unsigned)_i + 3);
    rig_free(r);
}
END_TEST

START_TEST(thousand_partitions)
{
    struct rig *r = rig_new(6, (unsigned)_i);
    struct client *c;
    uint64_t journal;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "many", 1000), 0);
    for (int32_t p = 0; p < 1000; p += 7) {
        int64_t offset;

        ck_assert_int_eq(ask_produce(c, "many", p, (uint64_t)p, 1, &offset), 0);
    }
    ck_assert(rig_stop(r, 1000 * MS, 60000 * MS));
    journal = sim_disk_calls(r->disk, SIM_DISK_SYNC_DATA);
    rig_start_ok(r);
    ck_assert_uint_lt(sim_disk_calls(r->disk, SIM_DISK_SYNC_DATA) - journal, 100); /* starting isn't per partition */
    c = rig_connect(r, 1);
    for (int32_t p = 0; p < 1000; p += 70)
        check_partition(c, "many", p, 1, (uint64_t)p);
    ck_assert_int_eq(ask_delete(c, "many"), 0);
    rig_run(r, 5000 * MS);
    ck_assert_int_eq(n_topic_dirs(r), 0);
    rig_free(r);
}
END_TEST

START_TEST(settings_are_reloaded)
{
    struct rig *r = rig_new(7, (unsigned)_i);
    struct config old;
    struct client *c;
    int64_t offset;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 2), 0);
    ck_assert_int_eq(ask_produce(c, "a", 1, 1, 1, &offset), 0);
    config_copy(&old, &r->config);
    r->config.max_message_size_bytes = 100;
    for (unsigned i = 0; i < r->n_reactors; i++)
        node_reload(r->node, i, &r->config);
    ck_assert_int_eq(ask_produce(c, "a", 0, 1, 1, &offset), KAFKA_E_MESSAGE_TOO_LARGE);
    ck_assert_int_eq(ask_produce(c, "a", 1, 1, 1, &offset), KAFKA_E_MESSAGE_TOO_LARGE);
    config_fini(&r->config);
    r->config = old;
    for (unsigned i = 0; i < r->n_reactors; i++)
        node_reload(r->node, i, &r->config);
    ck_assert_int_eq(ask_produce(c, "a", 0, 1, 1, &offset), 0);
    rig_free(r);
}
END_TEST

static void collected(struct node_report *report)
{
    report->done = NULL;
}

START_TEST(figures_add_up)
{
    struct rig *r = rig_new(8, (unsigned)_i);
    struct node_report report = { .done = collected, .want_partitions = true };
    struct client *c;
    int64_t high = 0;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 4), 0);
    fill(c, "a", 4, 3);
    node_collect(r->node, &report);
    rig_run(r, 100 * MS);
    ck_assert_ptr_null(report.done);
    ck_assert(report.ready);
    ck_assert_uint_eq(report.n_topics, 1);
    ck_assert_uint_eq(report.n_partitions, 4);
    for (size_t i = 0; i < report.n_partitions; i++)
        high += report.partitions[i].high_watermark;
    ck_assert_int_eq(high, 24);
    ck_assert_uint_eq(report.produced_records, 24);
    ck_assert_uint_eq(report.produced_batches, 12);
    ck_assert_uint_eq(report.broker.connections, 1);
    ck_assert(!report.disk_full);
    node_report_fini(&report);
    rig_free(r);
}
END_TEST

#define add(s, test) \
    do { \
        TCase *tc_ = tcase_create(#test); \
        tcase_set_timeout(tc_, 60); \
        tcase_add_loop_test(tc_, test, 1, 4); \
        suite_add_tcase(s, tc_); \
    } while (0)

Suite *life_suite(void)
{
    Suite *s = suite_create("life");

    add(s, records_go_in_and_out);
    add(s, topics_come_by_themselves);
    add(s, fetches_wait_for_data);
    add(s, flushes_wait_for_their_time);
    add(s, deleted_topics_leave_nothing);
    add(s, what_is_not_the_topics_stays);
    add(s, deletion_races_with_everything);
    add(s, an_idle_node_sleeps);
    add(s, thousand_partitions);
    add(s, settings_are_reloaded);
    add(s, figures_add_up);
    return s;
}
