/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fetch of several partitions. */

#include "broker/rig.h"
#include "broker/suites.h"

#define FETCH_VERSION 12
#define MANY 20000

typedef struct wire_fetch_request_partition asked_partition;
typedef struct wire_fetch_request_topic asked_topic;

static struct rig rig;
static struct wire_fetch_response answer;
static uint8_t records[1 << 20];
static uint32_t n_links; /* of each partition's records, a byte each */
static unsigned n_reads, n_held;
static int32_t min_bytes;
static int64_t offsets; /* all that were asked for, summed up */

static size_t size_of(uint64_t group)
{
    return 1 + group % 50;
}

/* Each partition has records of a length of its own, or as many bytes as links are wanted. */
static void serve_records(struct replica_op *op)
{
    op->read.ret_high_watermark = op->read.ret_last_stable = 1000;
    op->read.ret_diverging_epoch = -1;
    op->read.ret_put_off = false;
    op->read.has_range = false;
    buf_chain_init(&op->read.chain, NULL);
    if (n_links == 0)
        buf_chain_append(&op->read.chain, NULL, records, size_of(op->group));
    for (uint32_t i = 0; i < n_links; i++)
        buf_chain_append(&op->read.chain, NULL, records + i, 1);
    op->read.ret_size = op->read.chain.size;
}

static bool serve(struct rig *r, struct replica_op *op)
{
    switch (op->kind) {
    case REPLICA_READ:
        n_reads++;
        n_held++;
        offsets += op->read.offset;
        serve_records(op);
        return true;
    case REPLICA_RELEASE:
        n_held--;
        buf_chain_fini(&op->release.target->read.chain);
        return true;
    default:
        return rig_serve(r, op);
    }
}

static void setup(void)
{
    rig_init(&rig);
    rig.serve = serve;
    rig_create(&rig, "a", 4);
    rig_create(&rig, "b", 1);
    n_links = 0;
    n_reads = n_held = 0;
    min_bytes = 0;
    offsets = 0;
}

static void teardown(void)
{
    ck_assert_uint_eq(n_held, 0);
    rig_fini(&rig);
}

static asked_partition want(int32_t partition, int64_t offset)
{
    asked_partition p;

    wire_fetch_request_partition_init(&p);
    p.partition = partition;
    p.fetch_offset = offset;
    p.partition_max_bytes = 1 << 20;
    return p;
}

static asked_topic topic_of(const char *name, asked_partition *partitions, int32_t n)
{
    return (asked_topic){ .topic = slice_str(name), .partitions = partitions, .n_partitions = n };
}

static void send_fetch(int16_t version, asked_topic *topics, int32_t n)
{
    struct wire_fetch_request m;

    wire_fetch_request_init(&m);
    m.max_bytes = INT32_MAX;
    m.min_bytes = min_bytes;
    m.max_wait_ms = 1000;
    m.topics = topics;
    m.n_topics = n;
    rig_send(&rig, WIRE_API_FETCH, version, &m);
}

static void fetch(asked_topic *topics, int32_t n)
{
    send_fetch(FETCH_VERSION, topics, n);
    ck_assert(rig_receive(&rig, WIRE_API_FETCH, FETCH_VERSION, &answer));
}

static void expect_records(const struct wire_fetch_response_partition *p, const char *topic, int32_t partition)
{
    ck_quick(p->partition_index == partition);
    ck_quick(p->error_code == 0);
    ck_quick(p->records.size == size_of(rig_topic(&rig, topic)->partitions[partition].group));
}

/* The last one counts, in the place of the first, as with Kafka. */
START_TEST(a_partition_named_more_than_once)
{
    asked_partition first[] = { want(2, 1), want(0, 2), want(2, 3), want(9, 4), want(2, 500) };
    asked_partition second[] = { want(0, 600), want(1, 7) }, other[] = { want(0, 8) };
    asked_topic topics[] = { topic_of("a", first, 5), topic_of("b", other, 1), topic_of("a", second, 2) };

    fetch(topics, 3);
    ck_assert_int_eq(answer.n_responses, 3);
    ck_assert_int_eq(answer.responses[0].n_partitions, 3);
    expect_records(&answer.responses[0].partitions[0], "a", 2);
    expect_records(&answer.responses[0].partitions[1], "a", 0);
    ck_assert_int_eq(answer.responses[0].partitions[2].partition_index, 9);
    ck_assert_int_eq(answer.responses[0].partitions[2].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(answer.responses[1].n_partitions, 1);
    expect_records(&answer.responses[1].partitions[0], "b", 0);
    ck_assert_int_eq(answer.responses[2].n_partitions, 1);
    expect_records(&answer.responses[2].partitions[0], "a", 1);
    ck_assert_uint_eq(n_reads, 4);
    ck_assert_int_eq(offsets, 500 + 600 + 7 + 8);
}
END_TEST

START_TEST(very_many_partitions)
{
    _cleanup_(freep) asked_partition *partitions = xcalloc(MANY, sizeof(*partitions));
    asked_topic topic = topic_of("many", partitions, MANY);

    rig_create(&rig, "many", MANY);
    for (int32_t i = 0; i < MANY; i++)
        partitions[i] = want(MANY - 1 - i, 0);
    fetch(&topic, 1);
    ck_assert_int_eq(answer.responses[0].n_partitions, MANY);
    for (int32_t i = 0; i < MANY; i++)
        expect_records(&answer.responses[0].partitions[i], "many", MANY - 1 - i);
}
END_TEST

/* As many as a request's memory has room for, and a clear answer beyond them. */
START_TEST(more_partitions_than_a_fetch_may_name)
{
    const int32_t max = 25000;
    _cleanup_(freep) asked_partition *partitions = xcalloc((size_t)max + 1, sizeof(*partitions));
    asked_topic topic;

    rig_create(&rig, "many", max + 1);
    for (int32_t i = 0; i < max + 1; i++)
        partitions[i] = want(i, 0);
    n_links = 2;
    topic = topic_of("many", partitions, max);
    fetch(&topic, 1);
    ck_assert_int_eq(answer.error_code, 0);
    ck_assert_int_eq(answer.responses[0].n_partitions, max);
    topic.n_partitions++;
    fetch(&topic, 1);
    ck_assert_int_eq(answer.error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(answer.n_responses, 0);
    send_fetch(6, &topic, 1);
    rig_run(&rig);
    ck_assert(sim_conn_server_closed(rig.conn));
}
END_TEST

/* However small the batches are, their pieces fit into the answer; what doesn't comes the next time. Nobody waits for
 * more bytes than can come so. */
START_TEST(more_pieces_than_an_answer_may_have)
{
    asked_partition partitions[200];
    asked_topic topic = topic_of("many", partitions, ARRAY_SIZE(partitions));
    int32_t n = 0;

    rig_create(&rig, "many", topic.n_partitions);
    for (int32_t i = 0; i < topic.n_partitions; i++)
        partitions[i] = want(i, 0);
    n_links = 10000;
    min_bytes = 1 << 20;
    fetch(&topic, 1);
    for (int32_t i = 0; i < topic.n_partitions; i++) {
        size_t size = answer.responses[0].partitions[i].records.size;

        ck_quick(size == (i < 10 ? n_links : 0));
        n += size > 0;
    }
    ck_assert_int_eq(n, 10);
    n_links = REPLICA_READ_MAX_LINKS;
    topic.n_partitions = 1;
    fetch(&topic, 1);
    ck_assert_uint_eq(answer.responses[0].partitions[0].records.size, n_links);
}
END_TEST

Suite *fetch_suite(void)
{
    Suite *s = suite_create("fetch");

    suite_add_with(s, a_partition_named_more_than_once, setup, teardown);
    suite_add_with(s, very_many_partitions, setup, teardown);
    suite_add_with(s, more_partitions_than_a_fetch_may_name, setup, teardown);
    suite_add_with(s, more_pieces_than_an_answer_may_have, setup, teardown);
    return s;
}
