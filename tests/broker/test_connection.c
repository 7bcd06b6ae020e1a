/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections, and how requests wait, are answered in order and end. */
#include "broker/internal.h"
#include "broker/rig.h"
#include "broker/suites.h"

#define FETCH_VERSION 12

static struct rig rig;
static int64_t high_watermark;
static unsigned n_reads, n_releases;
static struct replica_op *watching;

/* A partition without records. */
static void serve_empty(struct rig *r, struct replica_op *op)
{
    gq_assert(r == &rig);
    switch (op->kind) {
    case REPLICA_READ:
        n_reads++;
        op->read.ret_high_watermark = op->read.ret_last_stable = high_watermark;
        op->read.ret_diverging_epoch = -1;
        op->read.ret_size = 0;
        op->read.has_range = false;
        buf_chain_init(&op->read.chain, NULL);
        break;
    case REPLICA_RELEASE:
        n_releases++;
        break;
    default:
        rig_serve(r, op);
        break;
    }
}

/* Answers everything but watches, which stay until they are canceled. */
static void run_watching(void)
{
    struct replica_op *op, *tmp;

    rig.hold_ops = true;
    for (unsigned i = 0; i < 20; i++) {
        rig_run(&rig);
        list_foreach_safe (&rig.ops, op, tmp, link) {
            list_remove(&op->link);
            if (op->kind == REPLICA_WATCH) {
                watching = op;
                continue;
            }
            op->error = 0;
            if (op->kind == REPLICA_CANCEL) {
                if (watching == op->cancel.target) {
                    watching = NULL;
                    op->cancel.target->error = REPLICA_OP_CANCELED;
                    op->cancel.target->done(op->cancel.target);
                }
            } else {
                serve_empty(&rig, op);
            }
            op->done(op);
        }
    }
}

static void setup(void)
{
    rig_init(&rig);
    rig_create(&rig, "a", 1);
    high_watermark = 7;
    n_reads = n_releases = 0;
    watching = NULL;
}

static void teardown(void)
{
    ck_assert_uint_eq(n_reads, n_releases);
    rig_fini(&rig);
}

static struct broker_stats stats(void)
{
    struct broker_stats s = { 0 };

    histogram_init(&s.produce_ns);
    histogram_init(&s.fetch_ns);
    broker_add_stats(rig.broker, &s);
    return s;
}

static void send_fetch(int32_t max_wait_ms)
{
    struct wire_fetch_request_partition partition;
    struct wire_fetch_request_topic topic = { .topic = slice_str("a"), .partitions = &partition, .n_partitions = 1 };
    struct wire_fetch_request m;

    wire_fetch_request_init(&m);
    wire_fetch_request_partition_init(&partition);
    partition.fetch_offset = 7;
    partition.partition_max_bytes = 1 << 20;
    m.max_wait_ms = max_wait_ms;
    m.min_bytes = 1;
    m.topics = &topic;
    m.n_topics = 1;
    rig_send(&rig, WIRE_API_FETCH, FETCH_VERSION, &m);
}

static void send_versions(void)
{
    struct wire_api_versions_request m;

    wire_api_versions_request_init(&m);
    rig_send(&rig, WIRE_API_API_VERSIONS, 0, &m);
}

static void send_produce(int16_t acks)
{
    struct wire_produce_request_partition partition = { .index = 99, .records = slice_str("") };
    struct wire_produce_request_topic topic = { .name = slice_str("a"),
                                                .partition_data = &partition,
                                                .n_partition_data = 1 };
    struct wire_produce_request m;

    wire_produce_request_init(&m);
    m.acks = acks;
    m.timeout_ms = 1000;
    m.topic_data = &topic;
    m.n_topic_data = 1;
    rig_send(&rig, WIRE_API_PRODUCE, 7, &m);
}

static void expect_closed(bool closed)
{
    rig_run(&rig);
    ck_assert_int_eq(sim_conn_server_closed(rig.conn), closed);
}

START_TEST(advertised_is_handled)
{
    int n = 0;

    for (size_t i = 0; i < wire_n_apis; i++)
        ck_assert_msg(broker_handler_of(wire_apis[i].key) != NULL, "%s has no handler", wire_apis[i].name);
#define X(key, name) \
    ck_assert_msg(wire_api(WIRE_API_##key) != NULL, #key " isn't advertised"); \
    n++;
    BROKER_HANDLERS(X)
#undef X
    ck_assert_uint_eq(n, wire_n_apis);
}
END_TEST

START_TEST(fetch_times_out)
{
    struct wire_fetch_response answer;
    struct broker_stats s;

    send_fetch(500);
    run_watching();
    ck_assert_ptr_nonnull(watching);
    ck_assert_uint_eq(stats().fetches_parked, 1);
    sim_clock_advance(&rig.clock, 499ull * 1000 * 1000);
    run_watching();
    ck_assert_uint_eq(stats().fetches_parked, 1);
    sim_clock_advance(&rig.clock, 1000 * 1000);
    run_watching();
    ck_assert(rig_receive(&rig, WIRE_API_FETCH, FETCH_VERSION, &answer));
    ck_assert_int_eq(answer.responses[0].partitions[0].high_watermark, 7);
    run_watching();
    s = stats();
    ck_assert_uint_eq(s.fetches_parked, 0);
    ck_assert_uint_eq(s.requests_in_flight, 0);
}
END_TEST

static void set_idle_timeout(int64_t ns)
{
    rig.config.performance.connection_idle_timeout_ns = ns;
}

/* One that waits for its answer isn't idle, however long that takes. */
START_TEST(idle_connections_are_closed)
{
    set_idle_timeout(1000 * 1000 * 1000);
    send_fetch(5000);
    run_watching();
    rig_advance_ms(&rig, 3000);
    run_watching();
    ck_assert(!sim_conn_server_closed(rig.conn));
    rig_advance_ms(&rig, 3000);
    run_watching();
    rig_advance_ms(&rig, 1001);
    expect_closed(true);
    ck_assert_uint_eq(rig.broker->stats.connections_closed_idle, 1);
}
END_TEST

START_TEST(none_is_closed_without_a_timeout)
{
    set_idle_timeout(CONFIG_NONE);
    send_versions();
    expect_closed(false);
    send_fetch(5000);
    run_watching();
    rig_advance_ms(&rig, 4000);
    run_watching();
    ck_assert_uint_eq(stats().fetches_parked, 1);
    rig_advance_ms(&rig, 2000);
    run_watching();
    rig_advance_ms(&rig, 1000000000);
    expect_closed(false);
    ck_assert_uint_eq(rig.broker->stats.connections_closed_idle, 0);
}
END_TEST

START_TEST(answers_keep_their_order)
{
    struct wire_fetch_response fetched;
    struct wire_api_versions_response versions;

    send_fetch(500);
    send_versions();
    run_watching();
    ck_assert_uint_eq(wr_size(&rig.received), 0); /* ready, but behind the fetch */
    sim_clock_advance(&rig.clock, 500ull * 1000 * 1000);
    run_watching();
    ck_assert(rig_receive(&rig, WIRE_API_FETCH, FETCH_VERSION, &fetched));
    ck_assert(rig_receive(&rig, WIRE_API_API_VERSIONS, 0, &versions));
    ck_assert_int_eq(versions.n_api_keys, (int32_t)wire_n_apis);
    run_watching();
}
END_TEST

START_TEST(peer_ends_a_parked_fetch)
{
    send_fetch(INT32_MAX);
    run_watching();
    ck_assert_uint_eq(stats().fetches_parked, 1);
    if (_i == 0)
        sim_conn_shutdown(rig.conn);
    else
        sim_conn_reset(rig.conn);
    run_watching();
    ck_assert_uint_eq(stats().fetches_parked, 0);
    ck_assert_uint_eq(stats().connections, 0);
    ck_assert(broker_is_drained(rig.broker));
}
END_TEST

/* The connection dies while its read is under way. */
START_TEST(disconnect_while_reading)
{
    send_fetch(500);
    rig.hold_ops = true;
    rig_run(&rig);
    sim_conn_reset(rig.conn);
    rig_run(&rig);
    ck_assert_uint_eq(stats().connections, 0);
    ck_assert_uint_eq(stats().requests_in_flight, 1);
    run_watching();
    ck_assert(broker_is_drained(rig.broker));
}
END_TEST

START_TEST(cut_at_every_byte)
{
    _cleanup_(freep) uint8_t *bytes = NULL;
    size_t size;

    send_versions();
    send_versions();
    size = wr_size(&rig.sent);
    bytes = xmalloc(size);
    memcpy(bytes, rig.sent.start, size);
    wr_reset(&rig.sent);
    for (size_t cut = 0; cut < size; cut++) {
        struct sim_conn *c = sim_net_connect(rig.net, 0, "192.0.2.2", 50000);

        for (size_t i = 0; i < cut; i++) {
            ck_assert_int_eq(sim_conn_send(c, bytes + i, 1), 1);
            rig_run(&rig);
        }
        sim_conn_close(c);
        for (unsigned i = 0; i <= BROKER_MAX_LOOKS; i++)
            rig_advance_ms(&rig, 20); /* less than a prefix is looked at again and again */
        rig_run(&rig);
        ck_assert_uint_eq(stats().connections, 1); /* the rig's own */
        ck_assert_uint_eq(stats().request_memory_bytes, 0);
    }
}
END_TEST

START_TEST(impossible_sizes)
{
    static const uint32_t sizes[] = { 0, 1, 0x80000000, 0xffffffff, 0x7fffffff };

    wr_be32(&rig.sent, sizes[_i]);
    wr_be32(&rig.sent, 0);
    expect_closed(true);
    ck_assert_uint_eq(stats().oversized_requests, 1);
}
END_TEST

START_TEST(produce_without_acks)
{
    send_produce(0);
    send_versions();
    expect_closed(true); /* a failure can be told by no other means */
    ck_assert_uint_eq(stats().produce_errors, 1);
    ck_assert_uint_eq(wr_size(&rig.received), 0);
}
END_TEST

START_TEST(produce_with_acks)
{
    struct wire_produce_response answer;

    send_produce(1);
    ck_assert(rig_receive(&rig, WIRE_API_PRODUCE, 7, &answer));
    ck_assert_int_eq(answer.responses[0].partition_responses[0].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    expect_closed(false);
}
END_TEST

START_TEST(stop_drops_half_a_request)
{
    wr_be32(&rig.sent, 100000);
    wr_be32(&rig.sent, 0);
    expect_closed(false);
    broker_stop(rig.broker);
    expect_closed(true);
    ck_assert(broker_is_drained(rig.broker));
}
END_TEST

START_TEST(many_pipelined)
{
    struct wire_api_versions_response answer;

    for (unsigned i = 0; i < 2000; i++)
        send_versions();
    for (unsigned i = 0; i < 2000; i++)
        ck_assert(rig_receive(&rig, WIRE_API_API_VERSIONS, 0, &answer));
    ck_assert_uint_eq(stats().requests, 2000);
    ck_assert_uint_eq(stats().request_memory_bytes, 0);
}
END_TEST

static const unsigned pool_sizes[] = { 0, 1, 100 };

/* What many requests at once needed stays ready for so many connections, and no more. */
START_TEST(the_pool_keeps_what_its_size_says)
{
    unsigned size = pool_sizes[_i];
    struct wire_api_versions_response answer;

    sim_conn_close(TAKE_PTR(rig.conn));
    broker_stop(rig.broker);
    rig_run(&rig);
    broker_free(rig.broker);
    rig.config.performance.connection_pool_size = size;
    rig.broker = broker_new(&rig.backend, 1);
    rig.conn = sim_net_connect(rig.net, 0, "192.0.2.1", 40001);
    for (unsigned i = 0; i < 500; i++)
        send_versions();
    for (unsigned i = 0; i < 500; i++)
        ck_assert(rig_receive(&rig, WIRE_API_API_VERSIONS, 0, &answer));
    ck_assert_uint_le(rig.broker->n_idle_requests, size * BROKER_IDLE_REQUESTS);
    if (size > 0)
        ck_assert_uint_ge(rig.broker->n_idle_requests, BROKER_IDLE_REQUESTS);
}
END_TEST

static uint8_t records[64 << 10];
static struct buf_chain chain;

/* 4 MiB in one partition, from memory. */
static bool serve_large(struct rig *r, struct replica_op *op)
{
    if (op->kind != REPLICA_READ && op->kind != REPLICA_RELEASE)
        return rig_serve(r, op);
    serve_empty(r, op);
    if (op->kind == REPLICA_READ) {
        op->read.chain = chain;
        op->read.ret_size = chain.size;
    }
    return true;
}

/* However much a connection takes at once, others have their turn. */
START_TEST(a_large_answer_leaves_in_shares)
{
    struct wire_fetch_response answer;

    buf_chain_init(&chain, NULL);
    for (int i = 0; i < 64; i++)
        buf_chain_append(&chain, NULL, records, sizeof(records));
    sim_conn_close(rig.conn);
    sim_net_set_buffer(rig.net, 8 << 20);
    rig.conn = sim_net_connect(rig.net, 0, "192.0.2.1", 40001);
    rig.serve = serve_large;
    send_fetch(0);
    ck_assert(rig_receive(&rig, WIRE_API_FETCH, FETCH_VERSION, &answer));
    ck_assert_uint_eq(answer.responses[0].partitions[0].records.size, 4 << 20);
    ck_assert_uint_ge(rig.most_sent, BROKER_SEND_SHARE);
    ck_assert_uint_le(rig.most_sent, BROKER_SEND_SHARE + 2 * sizeof(records));
    buf_chain_fini(&chain);
}
END_TEST

static int n_put_off; /* < 0: as often as there is a read */

/* Readers have been lent all that there is. */
static bool serve_put_off(struct rig *r, struct replica_op *op)
{
    if (op->kind != REPLICA_READ && op->kind != REPLICA_RELEASE)
        return rig_serve(r, op);
    serve_empty(r, op);
    if (op->kind != REPLICA_READ)
        return true;
    ck_assert(op->read.urgent == (n_reads % 2 == 0));
    op->read.ret_put_off = n_put_off != 0;
    n_put_off -= n_put_off > 0;
    if (op->read.ret_put_off)
        return true;
    op->read.chain = chain;
    op->read.ret_size = chain.size;
    return true;
}

/* Where nothing comes for want of means, a fetch asks for one partition urgently, once, before it waits. */
START_TEST(a_fetch_insists_on_one_partition)
{
    struct wire_fetch_response answer;

    buf_chain_init(&chain, NULL);
    buf_chain_append(&chain, NULL, records, 1000);
    rig.serve = serve_put_off;
    n_put_off = 1;
    send_fetch(1000000);
    ck_assert(rig_receive(&rig, WIRE_API_FETCH, FETCH_VERSION, &answer));
    ck_assert_uint_eq(answer.responses[0].partitions[0].records.size, 1000);
    ck_assert_uint_eq(n_reads, 2);
    ck_assert_uint_eq(n_releases, 2);
    n_put_off = -1;
    send_fetch(0);
    ck_assert(rig_receive(&rig, WIRE_API_FETCH, FETCH_VERSION, &answer));
    ck_assert_uint_eq(answer.responses[0].partitions[0].records.size, 0);
    ck_assert_uint_eq(n_reads, 4);
    buf_chain_fini(&chain);
}
END_TEST

Suite *connection_suite(void)
{
    Suite *s = suite_create("connection");
    TCase *t = tcase_create("connection");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, advertised_is_handled);
    tcase_add_test(t, fetch_times_out);
    tcase_add_test(t, idle_connections_are_closed);
    tcase_add_test(t, none_is_closed_without_a_timeout);
    tcase_add_test(t, answers_keep_their_order);
    tcase_add_loop_test(t, peer_ends_a_parked_fetch, 0, 2);
    tcase_add_test(t, disconnect_while_reading);
    tcase_add_test(t, cut_at_every_byte);
    tcase_add_loop_test(t, impossible_sizes, 0, 5);
    tcase_add_test(t, produce_without_acks);
    tcase_add_test(t, produce_with_acks);
    tcase_add_test(t, stop_drops_half_a_request);
    tcase_add_test(t, many_pipelined);
    tcase_add_test(t, a_large_answer_leaves_in_shares);
    tcase_add_test(t, a_fetch_insists_on_one_partition);
    tcase_add_loop_test(t, the_pool_keeps_what_its_size_says, 0, ARRAY_SIZE(pool_sizes));
    suite_add_tcase(s, t);
    return s;
}
