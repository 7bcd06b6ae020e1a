/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The orderly end: soon, with all answers out, whoever is connected and however full the disk is. */

#include "base/util.h"
#include "node/rig.h"
#include "node/suites.h"
#include "wire/error.h"

static struct rig *busy(uint64_t seed, unsigned n_reactors)
{
    struct rig *r = rig_new(seed, n_reactors);
    struct client *c;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 4), 0);
    for (int i = 0; i < 12; i++) {
        int64_t offset;

        ck_assert_int_eq(ask_produce(c, "a", i % 4, (uint64_t)i, 1, &offset), 0);
    }
    return r;
}

START_TEST(idle_clients_dont_hold_it_up)
{
    struct rig *r = busy(1, (unsigned)_i);

    for (unsigned i = 1; i < 5; i++)
        rig_connect(r, i);
    rig_run(r, 100 * MS);
    sim_conn_send(r->clients[4].conn, "\0\0", 2); /* less than a frame's size */
    rig_run(r, 1000 * MS);
    ck_assert(rig_stop(r, 10000 * MS, 1000 * MS));
    rig_free(r);
}
END_TEST

START_TEST(half_a_request_doesnt_either)
{
    struct rig *r = busy(2, (unsigned)_i);

    rig_connect(r, 1);
    sim_conn_send(r->clients[1].conn, "\0\0\0\x50\0\x12\0", 7);
    rig_run(r, 100 * MS);
    ck_assert(rig_stop(r, 2000 * MS, 3000 * MS)); /* it had its time to drain */
    rig_free(r);
}
END_TEST

/* Parked fetches are answered at once, produce requests when they are flushed. */
START_TEST(answers_go_out)
{
    struct rig *r = busy(3, (unsigned)_i);
    struct client *f = rig_connect(r, 1), *p = rig_connect(r, 2);
    uint64_t ids[8];
    int64_t offsets[8], next, offset;
    int16_t error;

    send_fetch(f, "a", 1, 3, 1, 25000);
    rig_run(r, 100 * MS);
    send_produce(p, "a", 2, 99, 1, 100);
    rig_step(r);
    node_stop(r->node, 0, 10000 * MS);
    rig_run(r, 500 * MS);
    ck_assert(f->dead);
    ck_assert(p->dead);
    ck_assert_int_eq(recv_fetch(f, ids, offsets, 8, &next), 0);
    if (recv_produce(p, &error, &offset)) /* unless it had not been received */
        ck_assert_int_eq(error, 0);
    for (unsigned i = 0; i < r->n_reactors; i++)
        ck_assert(node_is_stopped(r->node, i));
    rig_free(r);
}
END_TEST

/* Everything is in segments and checkpointed: the next start replays nothing but finds it all. */
START_TEST(all_is_checkpointed)
{
    struct rig *r = busy(4, (unsigned)_i);
    uint64_t ids[8];
    int64_t offsets[8], next;

    ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
    sim_disk_crash(r->disk, SIM_CRASH_NOTHING, NULL);
    rig_start_ok(r);
    for (int32_t p = 0; p < 4; p++)
        ck_assert_int_eq(ask_fetch(rig_connect(r, 0), "a", p, 0, ids, offsets, 8, &next), 3);
    rig_free(r);
}
END_TEST

static void fill_disk(struct rig *r)
{
    struct disk_space space;

    ck_assert_int_eq(disk_space(sim_disk_env(r->disk), &space), 0);
    sim_disk_set_capacity(r->disk, space.total_bytes - space.free_bytes);
}

/* Producers are refused, readers served, the stop ends, a start works, and with space all goes on. */
START_TEST(a_full_disk)
{
    struct rig *r = busy(5, (unsigned)_i);
    struct client *c = &r->clients[0];
    uint64_t ids[8];
    int64_t offsets[8], next, offset;
    int refused = 0;

    rig_run(r, 5000 * MS);
    fill_disk(r);
    for (int i = 0; i < 800 && refused < 3; i++) {
        int16_t error;

        send_produce(c, "a", i % 4, 1000, 1, 20000);
        rig_run(r, 20 * MS);
        if (recv_produce(c, &error, &offset)) {
            ck_assert(error == 0 || error == KAFKA_E_NOT_ENOUGH_REPLICAS); /* one that every producer retries */
            refused += error != 0;
        }
    }
    ck_assert_int_ge(refused, 3);
    c = rig_connect(r, 1);
    ck_assert_int_gt(ask_fetch(c, "a", 1, 0, ids, offsets, 8, &next), 0);
    ck_assert(rig_stop(r, 1000 * MS, 10000 * MS));
    ck_assert_int_eq(r->fatal_error, 0);
    ck_assert_int_eq(rig_start(r), 0);
    rig_run(r, 3000 * MS);
    c = rig_connect(r, 0);
    ck_assert_int_gt(ask_fetch(c, "a", 1, 0, ids, offsets, 8, &next), 0);
    ck_assert_int_eq(r->fatal_error, 0);
    sim_disk_set_capacity(r->disk, 1ull << 40);
    rig_run(r, 5000 * MS);
    ck_assert(rig_is_ready(r));
    ck_assert_int_eq(ask_produce(c, "a", 0, 5, 1, &offset), 0);
    ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
    rig_free(r);
}
END_TEST

/* Nothing can be written at all, not even the journal: requests are ended when the time is over. */
START_TEST(nothing_can_be_written)
{
    for (int drained = 0; drained < 2; drained++) {
        struct rig *r = busy(6, (unsigned)_i);
        struct client *c = &r->clients[0];

        rig_run(r, 5000 * MS);
        sim_disk_fail(r->disk, SIM_DISK_WRITE, 0, 1u << 30, -ENOSPC);
        for (int i = 0; i < 4; i++)
            send_produce(c, "a", i, 1000, 1, 100);
        if (drained)
            rig_run(r, 3000 * MS);
        else
            rig_step(r);
        ck_assert(rig_stop(r, 1000 * MS, 10000 * MS));
        ck_assert_int_eq(r->fatal_error, 0);
        rig_free(r);
    }
}
END_TEST

#define add(s, test) \
    do { \
        TCase *tc_ = tcase_create(#test); \
        tcase_set_timeout(tc_, 60); \
        tcase_add_loop_test(tc_, test, 1, 3); \
        suite_add_tcase(s, tc_); \
    } while (0)

Suite *stop_suite(void)
{
    Suite *s = suite_create("stop");

    add(s, idle_clients_dont_hold_it_up);
    add(s, half_a_request_doesnt_either);
    add(s, answers_go_out);
    add(s, all_is_checkpointed);
    add(s, a_full_disk);
    add(s, nothing_can_be_written);
    return s;
}
