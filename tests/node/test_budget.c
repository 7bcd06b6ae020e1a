/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Producers that wait for room in performance.write_cache_size, as clients see it. Workers that stand still keep
 * everything from its segment. Each with one reactor and with several, so that ops come by mail too. */

#include "base/util.h"
#include "node/rig.h"
#include "node/suites.h"
#include "wire/error.h"

#define LARGE 100000

static struct rig *rig_without_workers(uint64_t seed, unsigned n_reactors)
{
    struct rig *r = rig_new(seed, n_reactors);

    r->config.performance.write_cache_size_bytes = 1 << 20;
    rig_start_ok(r);
    for (unsigned i = 0; i < RIG_MAX_CLIENTS; i++)
        rig_connect(r, i);
    ck_assert_int_eq(ask_create(&r->clients[0], "a", 1), 0);
    rig_run(r, 1000 * MS);
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    return r;
}

/* More than there is room for; returns how many were answered. */
static int fill(struct rig *r, int n)
{
    int64_t offset;
    int16_t error;
    int n_done = 0;

    for (int i = 0; i < n; i++)
        send_produce(&r->clients[0], "a", 0, (uint64_t)i, 1, LARGE);
    rig_run(r, 1000 * MS);
    for (; recv_produce(&r->clients[0], &error, &offset); n_done++) {
        ck_assert_int_eq(error, 0);
        ck_assert_int_eq(offset, n_done);
    }
    return n_done;
}

static int read_all(struct rig *r, uint64_t *ids, int max)
{
    int64_t offsets[64], next = 0;
    int got = 0, n;

    while ((n = ask_fetch(&r->clients[7], "a", 0, next, ids + got, offsets, max - got, &next)) > 0)
        got += n;
    ck_assert_int_eq(n, 0);
    return got;
}

START_TEST(who_waited_too_long_was_not_stored)
{
    struct rig *r = rig_without_workers(1, (unsigned)_i);
    uint64_t ids[64];
    int64_t offset;
    int16_t error;
    int n = fill(r, 10), k = 0;

    ck_assert_int_gt(n, 2);
    ck_assert_int_lt(n, 6); /* a shard's part is half a MiB */
    for (unsigned i = 1; i < 4; i++)
        send_produce_within(&r->clients[i], "a", 0, 100 + i, 1, 1000, -1, 200);
    rig_run(r, 190 * MS);
    ck_assert(!recv_produce(&r->clients[1], &error, &offset));
    for (int i = 0; i < 5; i++)
        rig_run(r, 100 * MS);
    for (unsigned i = 1; i < 4; i++) {
        ck_assert(recv_produce(&r->clients[i], &error, &offset));
        ck_assert_int_eq(error, KAFKA_E_NOT_ENOUGH_REPLICAS); /* producers retry it */
        ck_assert_int_eq(offset, -1);
    }
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    rig_run(r, 1000 * MS);
    for (; recv_produce(&r->clients[0], &error, &offset); n++) {
        ck_assert_int_eq(error, 0);
        ck_assert_int_eq(offset, n);
    }
    ck_assert_int_eq(n, 10);
    k = read_all(r, ids, 64);
    ck_assert_int_eq(k, 10);
    for (int i = 0; i < k; i++)
        ck_assert_uint_eq(ids[i], (uint64_t)i);
    ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
    rig_free(r);
}
END_TEST

/* One that is in the journal already, but not on disk, is answered as ever: it may be stored. */
START_TEST(who_is_under_way_is_told_so)
{
    struct rig *r = rig_without_workers(2, (unsigned)_i);
    uint64_t ids[64];
    int64_t offset;
    int16_t error;

    for (unsigned s = 0; s < 2; s++)
        sim_lane_hold(r->lane, LANE_FLUSH, s, true);
    send_produce_within(&r->clients[1], "a", 0, 7, 1, 1000, -1, 200);
    rig_run(r, 300 * MS);
    rig_run(r, MS);
    ck_assert(recv_produce(&r->clients[1], &error, &offset));
    ck_assert_int_eq(error, KAFKA_E_REQUEST_TIMED_OUT);
    for (unsigned s = 0; s < 2; s++)
        sim_lane_hold(r->lane, LANE_FLUSH, s, false);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    rig_run(r, 1000 * MS);
    ck_assert_int_eq(read_all(r, ids, 64), 1);
    rig_free(r);
}
END_TEST

/* Without acks there is nobody to tell: it waits as long as it takes, also when its connection has gone. */
START_TEST(without_acks_it_waits)
{
    struct rig *r = rig_without_workers(3, (unsigned)_i);
    uint64_t ids[64];
    int n = fill(r, 10);

    ck_assert_int_lt(n, 6);
    send_produce_within(&r->clients[1], "a", 0, 101, 1, 1000, 0, 200);
    send_produce_within(&r->clients[2], "a", 0, 102, 1, 1000, 0, 200);
    rig_run(r, 10000 * MS);
    rig_disconnect(r, 2);
    rig_run(r, 1000 * MS);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    rig_run(r, 1000 * MS);
    n = read_all(r, ids, 64);
    ck_assert_int_eq(n, 12);
    for (int i = 0; i < 10; i++)
        ck_assert_uint_eq(ids[i], (uint64_t)i);
    ck_assert_uint_eq(ids[10] + ids[11], 203);
    rig_free(r);
}
END_TEST

START_TEST(deletion_ends_the_wait)
{
    struct rig *r = rig_without_workers(4, (unsigned)_i);
    int64_t offset;
    int16_t error;
    int n = fill(r, 10);

    send_produce_within(&r->clients[2], "a", 0, 102, 1, 1000, 0, 200);
    rig_run(r, 100 * MS);
    ck_assert_int_eq(ask_delete(&r->clients[1], "a"), 0);
    rig_run(r, 100 * MS);
    for (; recv_produce(&r->clients[0], &error, &offset); n++)
        ck_assert_int_eq(error, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(n, 10);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
    rig_free(r);
}
END_TEST

/* What waits is stored if there is room in time, else it is told that it wasn't. */
START_TEST(stopping_ends_the_wait)
{
    for (int in_time = 0; in_time < 2; in_time++) {
        struct rig *r = rig_without_workers(5, (unsigned)_i);
        uint64_t ids[64];
        int n = fill(r, 10);

        ck_assert_int_lt(n, 6);
        node_stop(r->node, 0, 1000 * MS);
        rig_run(r, 500 * MS);
        if (!in_time)
            rig_run(r, 1000 * MS);
        sim_lane_hold(r->lane, LANE_POOL, 0, false);
        for (int i = 0; i < 2000 && !node_is_stopped(r->node, 0); i++)
            rig_run(r, 10 * MS);
        ck_assert(node_is_stopped(r->node, 0));
        rig_kill(r);
        rig_start_ok(r);
        for (unsigned i = 0; i < RIG_MAX_CLIENTS; i++)
            rig_connect(r, i);
        if (in_time)
            n = 10;
        else
            ck_assert_int_le(n, 6);
        ck_assert_int_eq(read_all(r, ids, 64), n);
        rig_free(r);
    }
}
END_TEST

#define add(s, test) \
    do { \
        TCase *tc_ = tcase_create(#test); \
        tcase_add_loop_test(tc_, test, 1, 4); \
        suite_add_tcase(s, tc_); \
    } while (0)

Suite *budget_suite(void)
{
    Suite *s = suite_create("budget");

    add(s, who_waited_too_long_was_not_stored);
    add(s, who_is_under_way_is_told_so);
    add(s, without_acks_it_waits);
    add(s, deletion_ends_the_wait);
    add(s, stopping_ends_the_wait);
    return s;
}
