/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Produce, as far as it is this reactor's. */
#include "broker/rig.h"
#include "broker/suites.h"
#include "wire/batch_builder.h"

#define PRODUCE_VERSION 9

static struct rig rig;
static struct replica_op last;

static bool serve(struct rig *r, struct replica_op *op)
{
    last = *op;
    return rig_serve(r, op);
}

static void setup(void)
{
    rig_init(&rig);
    rig.serve = serve;
    last = (struct replica_op){ 0 };
}

static void teardown(void)
{
    rig_fini(&rig);
}

/* A batch of one record; the error. */
static int16_t produce(const char *topic, int32_t partition, int64_t producer_id, int32_t sequence)
{
    struct wire_produce_request m;
    struct wire_produce_request_topic t;
    struct wire_produce_request_partition p;
    struct wire_produce_response response;
    struct batch_params params = BATCH_PARAMS_PLAIN;
    struct batch_builder builder;
    _cleanup_(freep) uint8_t *data = NULL;
    size_t size;

    params.producer_id = producer_id;
    params.producer_epoch = producer_id >= 0 ? 3 : -1;
    params.base_sequence = sequence;
    batch_builder_init(&builder, &params, 1 << 20);
    ck_assert_int_eq(batch_builder_add(&builder, 1, SLICE_NULL, slice_str("value"), NULL, 0), 0);
    ck_assert_int_eq(batch_builder_finish(&builder, &data, &size), 0);
    wire_produce_request_init(&m);
    wire_produce_request_topic_init(&t);
    wire_produce_request_partition_init(&p);
    m.acks = -1;
    m.timeout_ms = 1000;
    m.topic_data = &t;
    m.n_topic_data = 1;
    t.name = slice_str(topic);
    t.partition_data = &p;
    t.n_partition_data = 1;
    p.index = partition;
    p.records = slice_make(data, size);
    rig_call(&rig, WIRE_API_PRODUCE, PRODUCE_VERSION, &m, &response);
    return response.responses[0].partition_responses[0].error_code;
}

/* A client sends several batches at once: the partition hears with the next one that there was one before it. */
START_TEST(what_was_refused_goes_with_the_next_batch)
{
    ck_assert_int_eq(produce("a", 1, 7, 4), KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(produce("a", 1, 7, 5), KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(produce("a", 1, -1, -1), KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    rig_create(&rig, "a", 2);
    rig_create(&rig, "b", 2);
    for (int i = 0; i < 4; i++) { /* of others */
        ck_assert_int_eq(produce(i == 0 ? "b" : "a", i != 1, i == 2 ? 8 : i == 3 ? -1 : 7, i == 3 ? -1 : 6), 0);
        ck_assert(!last.produce.has_refused);
    }
    ck_assert_int_eq(produce("a", 1, 7, 6), 0);
    ck_assert(last.produce.has_refused);
    ck_assert_int_eq(last.produce.refused_sequence, 4);
    ck_assert_int_eq(last.produce.refused_epoch, 3);
    ck_assert_int_eq(produce("a", 1, 7, 7), 0); /* it knows */
    ck_assert(!last.produce.has_refused);
}
END_TEST

Suite *produce_suite(void)
{
    Suite *s = suite_create("produce");

    suite_add_with(s, what_was_refused_goes_with_the_next_batch, setup, teardown);
    return s;
}
