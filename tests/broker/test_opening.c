/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A node that is just starting lets connections in, and answers when it knows what to say. */
#include "broker/internal.h"
#include "broker/rig.h"
#include "broker/suites.h"

static struct rig rig;
static struct wire_metadata_response answer;
static int n_http;

static void setup(void)
{
    rig_init(&rig);
    rig.starting = true;
    n_http = 0;
}

static void teardown(void)
{
    rig_fini(&rig);
}

static void ask(void)
{
    struct wire_metadata_request m = { .n_topics = -1 };

    rig_send(&rig, WIRE_API_METADATA, 12, &m);
}

START_TEST(requests_wait_for_the_node)
{
    ask();
    ask();
    ck_assert(!rig_receive(&rig, WIRE_API_METADATA, 12, &answer));
    rig_advance_ms(&rig, 1000);
    ck_assert(!rig_receive(&rig, WIRE_API_METADATA, 12, &answer));
    rig.starting = false;
    for (int i = 0; i < 2; i++) {
        ck_assert(rig_receive(&rig, WIRE_API_METADATA, 12, &answer));
        ck_assert_int_eq(answer.n_brokers, 1);
    }
}
END_TEST

/* One that can't get ready, as on a full disk, still tells what it knows. */
START_TEST(requests_do_not_wait_for_ever)
{
    ask();
    ck_assert(!rig_receive(&rig, WIRE_API_METADATA, 12, &answer));
    rig_advance_ms(&rig, BROKER_OPEN_NS / 1000000 - 1);
    ck_assert(!rig_receive(&rig, WIRE_API_METADATA, 12, &answer));
    rig_advance_ms(&rig, 1);
    ck_assert(rig_receive(&rig, WIRE_API_METADATA, 12, &answer));
}
END_TEST

/* A node that stops isn't ready either, but answers what comes until it has gone. */
START_TEST(open_stays_open)
{
    rig.starting = false;
    ask();
    ck_assert(rig_receive(&rig, WIRE_API_METADATA, 12, &answer));
    rig.starting = true;
    ask();
    ck_assert(rig_receive(&rig, WIRE_API_METADATA, 12, &answer));
}
END_TEST

static void take_http(void *ctx, unsigned reactor, struct net_conn *conn)
{
    ck_assert_ptr_eq(ctx, &rig);
    ck_assert_uint_eq(reactor, 0);
    n_http++;
    net_close(conn);
}

START_TEST(http_does_not_wait)
{
    broker_set_http(rig.broker, take_http, &rig);
    wr_bytes(&rig.sent, "GET /health HTTP/1.1\r\n\r\n", 24);
    rig_run(&rig);
    ck_assert_int_eq(n_http, 1);
}
END_TEST

/* Nothing spins while requests wait. */
START_TEST(waiting_costs_nothing)
{
    uint64_t now = clock_mono_ns(rig.env.clock);

    ask();
    rig_run(&rig);
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_eq(sim_net_turn(rig.net, 0), 0);
        ck_assert_uint_gt(broker_turn(rig.broker, now), now + 1000000);
    }
}
END_TEST

Suite *opening_suite(void)
{
    Suite *s = suite_create("opening");

    suite_add_with(s, requests_wait_for_the_node, setup, teardown);
    suite_add_with(s, requests_do_not_wait_for_ever, setup, teardown);
    suite_add_with(s, open_stays_open, setup, teardown);
    suite_add_with(s, http_does_not_wait, setup, teardown);
    suite_add_with(s, waiting_costs_nothing, setup, teardown);
    return s;
}
