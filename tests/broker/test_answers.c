/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What answers hold that a client doesn't read, and that it all comes back. */
#include "broker/internal.h"
#include "broker/items.h"
#include "broker/rig.h"
#include "broker/suites.h"
#include "wire/batch_builder.h"

#define CONFIGS_VERSION 4
#define OFFSETS_VERSION 6
#define PRODUCE_VERSION 9
#define N_REQUESTS 12
#define N_RESOURCES 3000 /* whose configs are more than BROKER_HELD_MAX */

static struct rig rig;

static void setup(void)
{
    rig_init(&rig);
}

static void teardown(void)
{
    rig_fini(&rig);
}

static uint64_t memory(void)
{
    return rig.broker->memory_used;
}

static uint64_t n_requests(void)
{
    return rig.broker->stats.requests;
}

static void ask_configs(int32_t n, int8_t type, const char *name)
{
    _cleanup_(freep) struct wire_describe_configs_request_resource *resources = xcalloc((size_t)n, sizeof(*resources));
    struct wire_describe_configs_request m = { .resources = resources,
                                               .n_resources = n,
                                               .include_documentation = true };

    for (int32_t i = 0; i < n; i++) {
        wire_describe_configs_request_resource_init(&resources[i]);
        resources[i].resource_type = type;
        resources[i].resource_name = slice_str(name);
        resources[i].n_configuration_keys = -1;
    }
    rig_send(&rig, WIRE_API_DESCRIBE_CONFIGS, CONFIGS_VERSION, &m);
}

static void expect_configs(int32_t n)
{
    struct wire_describe_configs_response answer;

    arena_reset(&rig.answers);
    ck_assert(rig_receive(&rig, WIRE_API_DESCRIBE_CONFIGS, CONFIGS_VERSION, &answer));
    ck_assert_int_eq(answer.n_results, n);
}

/* Answers that are more than a connection may hold are begun one by one, and each of them comes. */
START_TEST(who_does_not_read_is_bounded)
{
    rig.reads_nothing = true;
    for (int32_t i = 0; i < N_REQUESTS; i++)
        ask_configs(N_RESOURCES + i, BROKER_RESOURCE_BROKER, "");
    rig_run(&rig);
    ck_assert_uint_eq(n_requests(), 1);
    ck_assert_uint_ge(memory(), BROKER_HELD_MAX);
    ck_assert_uint_le(memory(), 4 * BROKER_HELD_MAX);
    rig.reads_nothing = false;
    for (int32_t i = 0; i < N_REQUESTS; i++)
        expect_configs(N_RESOURCES + i);
    ck_assert_uint_eq(n_requests(), N_REQUESTS);
    ck_assert_uint_eq(memory(), 0);
}
END_TEST

/* Where the answers of all are more than the budget, each connection has one at a time. */
START_TEST(the_budget_is_of_all)
{
    struct sim_conn *other = rig.conn;

    rig.config.request_memory_bytes = 64 << 10;
    rig.reads_nothing = true;
    ask_configs(N_RESOURCES, BROKER_RESOURCE_BROKER, "");
    rig_run(&rig);
    rig.conn = sim_net_connect(rig.net, 0, "192.0.2.1", 40001);
    for (int32_t i = 1; i <= N_REQUESTS; i++)
        ask_configs(200 + i, BROKER_RESOURCE_BROKER, "");
    rig_run(&rig);
    ck_assert_uint_eq(n_requests(), 2);
    rig.reads_nothing = false;
    for (int32_t i = 1; i <= N_REQUESTS; i++)
        expect_configs(200 + i);
    sim_conn_close(other);
    rig_run(&rig);
    ck_assert_uint_eq(memory(), 0);
}
END_TEST

static void ask_offsets(int32_t n)
{
    struct wire_list_offsets_request_partition *partitions = xcalloc((size_t)n, sizeof(*partitions));
    struct wire_list_offsets_request_topic topic = { .name = slice_str("many"),
                                                     .partitions = partitions,
                                                     .n_partitions = n };
    struct wire_list_offsets_request m;

    wire_list_offsets_request_init(&m);
    m.topics = &topic;
    m.n_topics = 1;
    for (int32_t i = 0; i < n; i++) {
        wire_list_offsets_request_partition_init(&partitions[i]);
        partitions[i].partition_index = i;
        partitions[i].timestamp = -1;
    }
    rig_send(&rig, WIRE_API_LIST_OFFSETS, OFFSETS_VERSION, &m);
    free(partitions);
}

static void expect_offsets(int32_t n)
{
    struct wire_list_offsets_response answer;

    arena_reset(&rig.answers);
    ck_assert(rig_receive(&rig, WIRE_API_LIST_OFFSETS, OFFSETS_VERSION, &answer));
    ck_assert_int_eq(answer.topics[0].n_partitions, n);
}

/* A large frame with one record. */
static void ask_produce(int32_t timeout_ms)
{
    static uint8_t value[BROKER_SMALL_FRAME];
    struct batch_params params = BATCH_PARAMS_PLAIN;
    struct wire_produce_request_partition partition = { .index = 0 };
    struct wire_produce_request_topic topic = { .name = slice_str("many"),
                                                .partition_data = &partition,
                                                .n_partition_data = 1 };
    struct wire_produce_request m;
    struct batch_builder builder;
    _cleanup_(freep) uint8_t *data = NULL;
    size_t size;

    batch_builder_init(&builder, &params, 1 << 20);
    ck_assert_int_eq(batch_builder_add(&builder, 1, SLICE_NULL, slice_make(value, sizeof(value)), NULL, 0), 0);
    ck_assert_int_eq(batch_builder_finish(&builder, &data, &size), 0);
    partition.records = slice_make(data, size);
    wire_produce_request_init(&m);
    m.acks = -1;
    m.timeout_ms = timeout_ms;
    m.topic_data = &topic;
    m.n_topic_data = 1;
    rig_send(&rig, WIRE_API_PRODUCE, PRODUCE_VERSION, &m);
}

static void expect_produce(int16_t error)
{
    struct wire_produce_response answer;

    ck_assert(rig_receive(&rig, WIRE_API_PRODUCE, PRODUCE_VERSION, &answer));
    ck_assert_int_eq(answer.responses[0].partition_responses[0].error_code, error);
}

/* Requests at work count as answers do. */
START_TEST(who_asks_much_at_once_is_bounded)
{
    rig_create(&rig, "many", 1000);
    rig.hold_ops = true;
    for (int32_t i = 0; i < 60; i++)
        ask_offsets(1000 - i);
    rig_run(&rig);
    ck_assert_uint_gt(n_requests(), 1);
    ck_assert_uint_lt(n_requests(), 30);
    rig.hold_ops = false;
    for (int32_t i = 0; i < 60; i++)
        expect_offsets(1000 - i);
    ck_assert_uint_eq(memory(), 0);
}
END_TEST

/* A limit that is reached meanwhile doesn't leave half a frame to the time that frames have. */
START_TEST(a_frame_that_was_begun_is_read)
{
    rig_create(&rig, "many", 5000);
    rig.hold_ops = true;
    ask_offsets(10);
    ask_offsets(5000);
    ask_offsets(11);
    rig.sent.p -= 1000;
    rig_run(&rig);
    ck_assert_uint_eq(n_requests(), 1);
    rig.config.request_memory_bytes = 0; /* as if the answers of others had it */
    rig.sent.p += 1000;
    rig_run(&rig);
    ck_assert_uint_eq(n_requests(), 2);
    rig.hold_ops = false;
    expect_offsets(10);
    expect_offsets(5000);
    expect_offsets(11);
    ck_assert_uint_eq(memory(), 0);
}
END_TEST

/* An answer that waits is all that its request keeps; so there is room for the next one. */
START_TEST(an_unread_answer_keeps_only_itself)
{
    struct wire_metadata_request m = { .n_topics = -1 };
    struct wire_metadata_response answer;
    uint64_t held;

    rig_create(&rig, "many", 50000);
    rig.reads_nothing = true;
    rig_send(&rig, WIRE_API_METADATA, 12, &m);
    rig_send(&rig, WIRE_API_METADATA, 12, &m);
    rig_run(&rig);
    held = memory();
    ck_assert_uint_eq(n_requests(), 2);
    rig.reads_nothing = false;
    ck_assert(rig_receive(&rig, WIRE_API_METADATA, 12, &answer));
    ck_assert(rig_receive(&rig, WIRE_API_METADATA, 12, &answer));
    ck_assert_uint_ge(held, rig.n_taken);
    ck_assert_uint_le(held, 2 * rig.n_taken); /* its memory grows by doubling */
    ck_assert_uint_eq(memory(), 0);
}
END_TEST

/* A large request whose answer isn't read must not keep others' large requests out. */
START_TEST(an_unread_answer_does_not_hold_its_frame)
{
    char name[240] = { 0 };
    struct sim_conn *other = rig.conn;

    memset(name, 'x', sizeof(name) - 1);
    rig.config.request_memory_bytes = 64 << 10;
    rig.reads_nothing = true;
    ask_configs(400, BROKER_RESOURCE_TOPIC, name);
    rig_run(&rig);
    ck_assert_uint_eq(n_requests(), 1);
    ck_assert_uint_gt(memory(), 0);
    ck_assert_uint_eq(rig.broker->large_used, 0);
    rig.conn = sim_net_connect(rig.net, 0, "192.0.2.1", 40001);
    rig.reads_nothing = false;
    ask_configs(300, BROKER_RESOURCE_TOPIC, name);
    expect_configs(300);
    ask_configs(1, BROKER_RESOURCE_TOPIC, name);
    expect_configs(1);
    sim_conn_close(other);
    rig_run(&rig);
    ck_assert_uint_eq(memory(), 0);
}
END_TEST

static struct replica_op *slow;

/* The batch is in the journal and doesn't get home. */
static bool serve_cancels_only(struct rig *r, struct replica_op *op)
{
    if (op->kind != REPLICA_PRODUCE)
        return rig_serve(r, op);
    slow = op;
    return false;
}

/* The frame of a batch goes when the answer has to wait, but not while the batch is under way. */
START_TEST(an_unread_produce_gives_its_frame_back)
{
    rig_create(&rig, "many", 1);
    rig.reads_nothing = true;
    ask_configs(200, BROKER_RESOURCE_BROKER, "");
    ask_produce(10000);
    rig_run(&rig);
    ck_assert_uint_eq(n_requests(), 2);
    ck_assert_uint_eq(rig.broker->large_used, 0);
    rig.hold_ops = true;
    ask_produce(10);
    rig_run(&rig);
    rig_advance_ms(&rig, 10);
    rig.hold_ops = false;
    rig.serve = serve_cancels_only;
    rig_run(&rig); /* the time is over, the batch still under way */
    ck_assert_uint_gt(rig.broker->large_used, 0);
    ck_assert_ptr_nonnull(slow);
    slow->done(slow);
    rig.reads_nothing = false;
    expect_configs(200);
    expect_produce(0);
    expect_produce(KAFKA_E_REQUEST_TIMED_OUT);
    ck_assert_uint_eq(memory(), 0);
}
END_TEST

/* Reads so much and no more; false when there was less. */
static bool read_bytes(size_t n)
{
    uint8_t bytes[4096];

    while (n > 0) {
        ssize_t got = sim_conn_recv(rig.conn, bytes, MIN(n, sizeof(bytes)));

        if (got <= 0) {
            rig_run(&rig);
            got = sim_conn_recv(rig.conn, bytes, MIN(n, sizeof(bytes)));
        }
        if (got <= 0)
            return false;
        n -= (size_t)got;
    }
    rig_run(&rig);
    return true;
}

START_TEST(a_connection_dies_at_any_moment)
{
    bool more = true;

    rig_create(&rig, "many", 300);
    rig.reads_nothing = true;
    for (size_t at = 0; more; at += 30011) {
        struct wire_metadata_request m = { .n_topics = -1 };

        for (int32_t i = 0; i < N_REQUESTS; i++) {
            ask_configs(1 + 5 * i, BROKER_RESOURCE_BROKER, "");
            rig_send(&rig, WIRE_API_METADATA, 12, &m);
            ask_offsets(20);
            ask_produce(10);
        }
        rig.hold_ops = at % 3 == 0;
        more = read_bytes(at) || rig.hold_ops;
        if (at % 2 == 0)
            sim_conn_reset(rig.conn);
        sim_conn_close(rig.conn);
        rig.n_sent = 0;
        wr_reset(&rig.sent);
        rig.conn = sim_net_connect(rig.net, 0, "192.0.2.1", 40001);
        rig_run(&rig);
        rig.hold_ops = false;
        rig_advance_ms(&rig, 1000);
        ck_assert_uint_eq(memory(), 0);
        ck_assert_uint_eq(rig.broker->n_live_requests, 0);
    }
    ck_assert_uint_gt(n_requests(), 10 * N_REQUESTS);
}
END_TEST

Suite *answers_suite(void)
{
    Suite *s = suite_create("answers");

    suite_add_with(s, who_does_not_read_is_bounded, setup, teardown);
    suite_add_with(s, the_budget_is_of_all, setup, teardown);
    suite_add_with(s, who_asks_much_at_once_is_bounded, setup, teardown);
    suite_add_with(s, a_frame_that_was_begun_is_read, setup, teardown);
    suite_add_with(s, an_unread_answer_keeps_only_itself, setup, teardown);
    suite_add_with(s, an_unread_answer_does_not_hold_its_frame, setup, teardown);
    suite_add_with(s, an_unread_produce_gives_its_frame_back, setup, teardown);
    suite_add_with(s, a_connection_dies_at_any_moment, setup, teardown);
    return s;
}
