/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/endian.h"
#include "base/util.h"
#include "node/rig.h"
#include "wire/batch_builder.h"
#include "wire/frame.h"
#include "wire/records.h"

#define ASK_LIMIT_NS (30000 * MS)

enum {
    PRODUCE_VERSION = 9,
    FETCH_VERSION = 12,
    METADATA_VERSION = 9,
    CREATE_VERSION = 5,
    DELETE_VERSION = 5,
};

struct client *rig_connect(struct rig *r, unsigned i)
{
    struct client *c = &r->clients[i];

    rig_disconnect(r, i);
    c->conn = sim_net_connect(r->net, c->reactor, "127.0.0.1", (uint16_t)(40000 + i));
    wr_init_growing(&c->out, 256, 64 << 20);
    return c;
}

void client_send(struct client *c, int16_t key, int16_t version, const void *message)
{
    const struct wire_api *api = wire_api(key);
    size_t at;

    if (c->n_sent == wr_size(&c->out)) {
        wr_reset(&c->out);
        c->n_sent = 0;
    }
    at = wire_request_begin(&c->out, api, version, c->next_correlation++, slice_str("rig"));
    api->request->encode(message, &c->out, version);
    wire_frame_end(&c->out, at, 0);
    ck_assert_int_eq(c->out.error, 0);
}

bool client_recv(struct client *c, int16_t key, int16_t version, void *ret_message)
{
    const struct wire_api *api = wire_api(key);
    int32_t correlation;
    size_t size;
    uint8_t *frame;
    struct rd in;

    if (c->n_in < 4 || c->n_in < 4 + (size_t)load_be32(c->in))
        return false;
    size = load_be32(c->in);
    arena_reset(&c->rig->arena);
    frame = arena_alloc(&c->rig->arena, size);
    memcpy(frame, c->in + 4, size);
    memmove(c->in, c->in + 4 + size, c->n_in - 4 - size);
    c->n_in -= 4 + size;
    rd_init(&in, frame, size);
    ck_assert_int_eq(wire_response_parse(&in, api, version, &correlation), 0);
    ck_assert_int_eq(api->response->decode(ret_message, &in, version, &c->rig->arena), 0);
    ck_assert_int_eq(wire_decode_end(&in), 0);
    return true;
}

bool client_ask(struct client *c, int16_t key, int16_t version, const void *message, void *ret_message)
{
    uint64_t end = c->rig->clock.mono_ns + ASK_LIMIT_NS;

    client_send(c, key, version, message);
    while (!client_recv(c, key, version, ret_message)) {
        if (c->dead || c->rig->fatal_error != 0 || c->rig->clock.mono_ns > end)
            return false;
        rig_run(c->rig, MS / 10);
    }
    return true;
}

int16_t ask_create(struct client *c, const char *topic, int32_t n_partitions)
{
    return ask_create_of(c, topic, n_partitions, 1);
}

int16_t ask_create_of(struct client *c, const char *topic, int32_t n_partitions, int16_t n_replicas)
{
    struct wire_create_topics_request m;
    struct wire_create_topics_request_topic t;
    struct wire_create_topics_response answer;

    wire_create_topics_request_init(&m);
    wire_create_topics_request_topic_init(&t);
    t.name = slice_str(topic);
    t.num_partitions = n_partitions;
    t.replication_factor = n_replicas;
    m.topics = &t;
    m.n_topics = 1;
    if (!client_ask(c, WIRE_API_CREATE_TOPICS, CREATE_VERSION, &m, &answer))
        return NO_ANSWER;
    return answer.topics[0].error_code;
}

int16_t ask_delete(struct client *c, const char *topic)
{
    struct wire_delete_topics_request m;
    struct wire_delete_topics_response answer;
    struct slice name = slice_str(topic);

    wire_delete_topics_request_init(&m);
    m.topic_names = &name;
    m.n_topic_names = 1;
    m.timeout_ms = 10000;
    if (!client_ask(c, WIRE_API_DELETE_TOPICS, DELETE_VERSION, &m, &answer))
        return NO_ANSWER;
    return answer.responses[0].error_code;
}

int16_t ask_metadata(struct client *c, const char *topic, bool create, int32_t *ret_n_partitions)
{
    struct wire_metadata_request m;
    struct wire_metadata_request_topic t;
    struct wire_metadata_response answer;

    wire_metadata_request_init(&m);
    wire_metadata_request_topic_init(&t);
    t.name = slice_str(topic);
    m.topics = &t;
    m.n_topics = 1;
    m.allow_auto_topic_creation = create;
    if (!client_ask(c, WIRE_API_METADATA, METADATA_VERSION, &m, &answer))
        return NO_ANSWER;
    ck_assert_int_eq(answer.n_brokers, 1);
    ck_assert_int_eq(answer.brokers[0].port, 9092);
    *ret_n_partitions = answer.topics[0].n_partitions;
    return answer.topics[0].error_code;
}

static uint8_t *make_batch(uint64_t id, int32_t count, size_t value_size, size_t *ret_size)
{
    _cleanup_(freep) uint8_t *value = xcalloc(1, value_size + 12);
    struct batch_builder b;
    uint8_t *data;

    batch_builder_init(&b, &BATCH_PARAMS_PLAIN, 1 << 24);
    for (int32_t i = 0; i < count; i++) {
        memcpy(value, &id, 8);
        memcpy(value + 8, &i, 4);
        ck_assert_int_eq(batch_builder_add(&b, 1700000000000, SLICE_NULL, slice_make(value, value_size + 12), NULL, 0),
                         0);
    }
    ck_assert_int_eq(batch_builder_finish(&b, &data, ret_size), 0);
    return data;
}

void send_produce(struct client *c, const char *topic, int32_t partition, uint64_t id, int32_t count, size_t value_size)
{
    send_produce_within(c, topic, partition, id, count, value_size, -1, 30000);
}

void send_produce_within(struct client *c, const char *topic, int32_t partition, uint64_t id, int32_t count,
                         size_t value_size, int16_t acks, int32_t timeout_ms)
{
    struct wire_produce_request m;
    struct wire_produce_request_topic t;
    struct wire_produce_request_partition p;
    _cleanup_(freep) uint8_t *data = NULL;
    size_t size;

    data = make_batch(id, count, value_size, &size);
    wire_produce_request_init(&m);
    wire_produce_request_topic_init(&t);
    wire_produce_request_partition_init(&p);
    m.acks = acks;
    m.timeout_ms = timeout_ms;
    m.topic_data = &t;
    m.n_topic_data = 1;
    t.name = slice_str(topic);
    t.partition_data = &p;
    t.n_partition_data = 1;
    p.index = partition;
    p.records = slice_make(data, size);
    client_send(c, WIRE_API_PRODUCE, PRODUCE_VERSION, &m);
}

bool recv_produce(struct client *c, int16_t *ret_error, int64_t *ret_offset)
{
    struct wire_produce_response answer;
    const struct wire_produce_response_partition *p;

    if (!client_recv(c, WIRE_API_PRODUCE, PRODUCE_VERSION, &answer))
        return false;
    p = &answer.responses[0].partition_responses[0];
    *ret_error = p->error_code;
    *ret_offset = p->base_offset;
    return true;
}

int16_t ask_produce(struct client *c, const char *topic, int32_t partition, uint64_t id, int32_t count,
                    int64_t *ret_offset)
{
    uint64_t end = c->rig->clock.mono_ns + ASK_LIMIT_NS;
    int16_t error;

    send_produce(c, topic, partition, id, count, 100);
    while (!recv_produce(c, &error, ret_offset)) {
        if (c->dead || c->rig->fatal_error != 0 || c->rig->clock.mono_ns > end)
            return NO_ANSWER;
        rig_run(c->rig, MS / 10);
    }
    return error;
}

void send_fetch(struct client *c, const char *topic, int32_t partition, int64_t offset, int32_t min_bytes,
                int32_t max_wait_ms)
{
    struct wire_fetch_request m;
    struct wire_fetch_request_topic t;
    struct wire_fetch_request_partition p;

    wire_fetch_request_init(&m);
    wire_fetch_request_topic_init(&t);
    wire_fetch_request_partition_init(&p);
    m.min_bytes = min_bytes;
    m.max_wait_ms = max_wait_ms;
    m.max_bytes = 1 << 20;
    m.topics = &t;
    m.n_topics = 1;
    t.topic = slice_str(topic);
    t.partitions = &p;
    t.n_partitions = 1;
    p.partition = partition;
    p.fetch_offset = offset;
    p.partition_max_bytes = 1 << 20;
    client_send(c, WIRE_API_FETCH, FETCH_VERSION, &m);
}

static int take_batches(struct slice records, uint64_t *to, int64_t *offsets, int max, int64_t *ret_next)
{
    struct batch_iter it;
    struct batch_view v;
    int n = 0;

    batch_iter_init(&it, records.data, records.size);
    while (n < max && batch_next(&it, &v)) {
        struct records_iter rit;
        struct record rec;

        ck_assert(batch_crc_ok(&v));
        records_iter_init(&rit, v.records, v.count);
        ck_assert(records_next(&rit, &rec));
        memcpy(&to[n], rec.value.data, 8);
        offsets[n++] = v.base_offset;
        *ret_next = batch_last_offset(&v) + 1;
    }
    ck_assert_int_eq(it.error, BATCH_OK);
    return n;
}

int recv_fetch(struct client *c, uint64_t *to, int64_t *offsets, int max, int64_t *ret_next)
{
    struct wire_fetch_response answer;
    const struct wire_fetch_response_partition *p;

    if (!client_recv(c, WIRE_API_FETCH, FETCH_VERSION, &answer))
        return NO_ANSWER;
    p = &answer.responses[0].partitions[0];
    if (p->error_code != 0)
        return -p->error_code;
    return take_batches(p->records, to, offsets, max, ret_next);
}

int ask_fetch(struct client *c, const char *topic, int32_t partition, int64_t offset, uint64_t *to, int64_t *offsets,
              int max, int64_t *ret_next)
{
    uint64_t end = c->rig->clock.mono_ns + ASK_LIMIT_NS;
    int n;

    send_fetch(c, topic, partition, offset, 0, 0);
    while ((n = recv_fetch(c, to, offsets, max, ret_next)) == NO_ANSWER) {
        if (c->dead || c->rig->fatal_error != 0 || c->rig->clock.mono_ns > end)
            return NO_ANSWER;
        rig_run(c->rig, MS / 10);
    }
    return n;
}
