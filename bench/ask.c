/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/endian.h"
#include "base/util.h"
#include "bench.h"
#include "wire/batch_builder.h"
#include "wire/frame.h"
#include "wire/wire_messages.h"

#define PRODUCE_VERSION 9
#define FETCH_VERSION 12
#define METADATA_VERSION 9
#define CREATE_VERSION 5
#define DELETE_VERSION 5
#define NO_ERROR 0

static uint8_t *make_batch(const struct bench_options *o, size_t *ret_size)
{
    _cleanup_(freep) uint8_t *payload = xcalloc(1, (size_t)o->size);
    struct batch_params params = BATCH_PARAMS_PLAIN;
    struct batch_builder b;
    uint8_t *batch;

    batch_builder_init(&b, &params, BENCH_FRAME_MAX);
    for (int i = 0; i < o->records; i++) {
        if (batch_builder_add(&b, 1, SLICE_NULL, slice_make(payload, (size_t)o->size), NULL, 0) < 0)
            bench_refuse("the batch gets too large");
    }
    if (batch_builder_finish(&b, &batch, ret_size) < 0)
        bench_refuse("the batch can't be made");
    return batch;
}

void ask_write_produce(const struct bench_options *o, int32_t index, struct wr *w)
{
    struct wire_produce_request_partition partition = { .index = index };
    struct wire_produce_request_topic topic = { .partition_data = &partition, .n_partition_data = 1 };
    struct wire_produce_request m;
    size_t batch_size, at;
    _cleanup_(freep) uint8_t *batch = make_batch(o, &batch_size);

    partition.records = slice_make(batch, batch_size);
    topic.name = slice_str(o->topic);
    wire_produce_request_init(&m);
    m.acks = -1;
    m.timeout_ms = 30000;
    m.topic_data = &topic;
    m.n_topic_data = 1;
    at = wire_request_begin(w, wire_api(WIRE_API_PRODUCE), PRODUCE_VERSION, 1, slice_str("bench"));
    wire_produce_request_encode(&m, w, PRODUCE_VERSION);
    wire_frame_end(w, at, 0);
    if (w->error != 0)
        bench_refuse("the request can't be encoded");
}

size_t ask_recv_frame(int fd, uint8_t **frame, size_t *capacity)
{
    uint8_t prefix[4];
    size_t size;

    bench_recv(fd, prefix, sizeof(prefix));
    size = load_be32(prefix);
    if (size > BENCH_FRAME_MAX)
        bench_refuse("an answer is too large");
    if (size > *capacity) {
        *frame = xrealloc(*frame, size);
        *capacity = size;
    }
    bench_recv(fd, *frame, size);
    return size;
}

int16_t ask_produce_error(const uint8_t *frame, size_t size)
{
    struct wire_produce_response m;
    struct arena a;
    int16_t error;
    int32_t id;
    struct rd r;

    arena_init(&a, 1 << 20);
    rd_init(&r, frame, size);
    if (wire_response_parse(&r, wire_api(WIRE_API_PRODUCE), PRODUCE_VERSION, &id) < 0 ||
        wire_produce_response_decode(&m, &r, PRODUCE_VERSION, &a) < 0 || m.n_responses != 1 ||
        m.responses[0].n_partition_responses != 1)
        bench_refuse("an answer is malformed");
    error = m.responses[0].partition_responses[0].error_code;
    arena_fini(&a);
    return error;
}

void ask_write_fetch(const char *topic_name, int32_t index, int64_t offset, int bytes, struct wr *w)
{
    struct wire_fetch_request_partition partition;
    struct wire_fetch_request_topic topic;
    struct wire_fetch_request m;
    size_t at;

    wire_fetch_request_partition_init(&partition);
    partition.partition = index;
    partition.fetch_offset = offset;
    partition.partition_max_bytes = bytes;
    wire_fetch_request_topic_init(&topic);
    topic.topic = slice_str(topic_name);
    topic.partitions = &partition;
    topic.n_partitions = 1;
    wire_fetch_request_init(&m);
    m.max_wait_ms = 500;
    m.min_bytes = 1;
    m.max_bytes = bytes;
    m.topics = &topic;
    m.n_topics = 1;
    at = wire_request_begin(w, wire_api(WIRE_API_FETCH), FETCH_VERSION, 1, slice_str("bench"));
    wire_fetch_request_encode(&m, w, FETCH_VERSION);
    wire_frame_end(w, at, 0);
}

struct slice ask_fetched(const uint8_t *frame, size_t size, int64_t *ret_high_watermark)
{
    const struct wire_fetch_response_partition *p;
    struct wire_fetch_response m;
    struct slice records;
    struct arena a;
    int32_t id;
    struct rd r;

    arena_init(&a, 1 << 20);
    rd_init(&r, frame, size);
    if (wire_response_parse(&r, wire_api(WIRE_API_FETCH), FETCH_VERSION, &id) < 0 ||
        wire_fetch_response_decode(&m, &r, FETCH_VERSION, &a) < 0 || m.n_responses != 1 ||
        m.responses[0].n_partitions != 1)
        bench_refuse("an answer is malformed");
    p = &m.responses[0].partitions[0];
    if (m.error_code != 0 || p->error_code != 0)
        bench_refuse("a fetch was refused");
    *ret_high_watermark = p->high_watermark;
    records = p->records;
    arena_fini(&a);
    return records;
}

void ask_write_metadata(const char *name, struct wr *w)
{
    struct wire_metadata_request_topic topic;
    struct wire_metadata_request m;
    size_t at;

    wire_metadata_request_topic_init(&topic);
    topic.name = slice_str(name);
    wire_metadata_request_init(&m);
    m.topics = &topic;
    m.n_topics = 1;
    m.allow_auto_topic_creation = true;
    at = wire_request_begin(w, wire_api(WIRE_API_METADATA), METADATA_VERSION, 1, slice_str("bench"));
    wire_metadata_request_encode(&m, w, METADATA_VERSION);
    wire_frame_end(w, at, 0);
}

void ask_metadata(int fd, const char *name)
{
    _cleanup_(freep) uint8_t *frame = NULL;
    size_t capacity = 0;
    struct wr w;

    wr_init_growing(&w, 256, BENCH_FRAME_MAX);
    ask_write_metadata(name, &w);
    bench_send(fd, w.start, wr_size(&w));
    wr_fini(&w);
    ask_recv_frame(fd, &frame, &capacity);
}

static int16_t create_topic(int fd, const char *name, int partitions)
{
    struct wire_create_topics_request_topic topic;
    struct wire_create_topics_request m;
    struct wire_create_topics_response answer;
    _cleanup_(freep) uint8_t *frame = NULL;
    size_t capacity = 0, at, size;
    struct arena a;
    int16_t error;
    int32_t id;
    struct rd r;
    struct wr w;

    wire_create_topics_request_topic_init(&topic);
    topic.name = slice_str(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    wire_create_topics_request_init(&m);
    m.topics = &topic;
    m.n_topics = 1;
    m.timeout_ms = 30000;
    wr_init_growing(&w, 256, BENCH_FRAME_MAX);
    at = wire_request_begin(&w, wire_api(WIRE_API_CREATE_TOPICS), CREATE_VERSION, 1, slice_str("bench"));
    wire_create_topics_request_encode(&m, &w, CREATE_VERSION);
    wire_frame_end(&w, at, 0);
    bench_send(fd, w.start, wr_size(&w));
    wr_fini(&w);
    size = ask_recv_frame(fd, &frame, &capacity);
    arena_init(&a, 1 << 20);
    rd_init(&r, frame, size);
    if (wire_response_parse(&r, wire_api(WIRE_API_CREATE_TOPICS), CREATE_VERSION, &id) < 0 ||
        wire_create_topics_response_decode(&answer, &r, CREATE_VERSION, &a) < 0 || answer.n_topics != 1)
        bench_refuse("an answer is malformed");
    error = answer.topics[0].error_code;
    arena_fini(&a);
    return error;
}

int bench_topics(const struct bench_options *o)
{
    int fd = bench_dial(o->broker);
    int n = o->count > 0 ? (int)o->count : 1;

    for (int i = 0; i < n; i++) {
        char name[256];

        if (n == 1)
            snprintf(name, sizeof(name), "%s", o->topic);
        else
            snprintf(name, sizeof(name), "%s-%d", o->topic, i);
        if (create_topic(fd, name, o->partitions) != NO_ERROR)
            bench_refuse("the topic was refused");
    }
    close(fd);
    printf("{\"topics\": %d, \"partitions\": %lld}\n", n, (long long)n * o->partitions);
    return 0;
}

int bench_drop(const struct bench_options *o)
{
    struct slice name = slice_str(o->topic);
    struct wire_delete_topics_request m;
    struct wire_delete_topics_response answer;
    _cleanup_(freep) uint8_t *frame = NULL;
    size_t capacity = 0, at, size;
    int fd = bench_dial(o->broker);
    struct arena a;
    int32_t id;
    struct rd r;
    struct wr w;

    wire_delete_topics_request_init(&m);
    m.topic_names = &name;
    m.n_topic_names = 1;
    m.timeout_ms = 30000;
    wr_init_growing(&w, 256, BENCH_FRAME_MAX);
    at = wire_request_begin(&w, wire_api(WIRE_API_DELETE_TOPICS), DELETE_VERSION, 1, slice_str("bench"));
    wire_delete_topics_request_encode(&m, &w, DELETE_VERSION);
    wire_frame_end(&w, at, 0);
    bench_send(fd, w.start, wr_size(&w));
    wr_fini(&w);
    size = ask_recv_frame(fd, &frame, &capacity);
    close(fd);
    arena_init(&a, 1 << 20);
    rd_init(&r, frame, size);
    if (wire_response_parse(&r, wire_api(WIRE_API_DELETE_TOPICS), DELETE_VERSION, &id) < 0 ||
        wire_delete_topics_response_decode(&answer, &r, DELETE_VERSION, &a) < 0 || answer.n_responses != 1)
        bench_refuse("an answer is malformed");
    if (answer.responses[0].error_code != NO_ERROR)
        bench_refuse("the topic can't be deleted");
    arena_fini(&a);
    printf("{\"topics\": 1}\n");
    return 0;
}
