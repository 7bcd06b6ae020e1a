/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/util.h"
#include "bench.h"
#include "wire/batch.h"
#include "wire/frame.h"
#include "wire/wire_messages.h"

#define FETCH_VERSION 12
#define FETCH_BYTES (8 << 20)

struct consumer {
    const struct bench_options *o;
    int fd;
    struct wr w;
    uint8_t *frame;
    size_t capacity;
    struct arena arena;
    uint64_t bytes, batches;
};

static void send_question(struct consumer *c, int32_t index, int64_t offset)
{
    struct wire_fetch_request_partition partition;
    struct wire_fetch_request_topic topic;
    struct wire_fetch_request m;
    size_t at;

    wire_fetch_request_partition_init(&partition);
    partition.partition = index;
    partition.fetch_offset = offset;
    partition.partition_max_bytes = FETCH_BYTES;
    wire_fetch_request_topic_init(&topic);
    topic.topic = slice_str(c->o->topic);
    topic.partitions = &partition;
    topic.n_partitions = 1;
    wire_fetch_request_init(&m);
    m.max_wait_ms = 500;
    m.min_bytes = 1;
    m.max_bytes = FETCH_BYTES;
    m.topics = &topic;
    m.n_topics = 1;
    wr_reset(&c->w);
    at = wire_request_begin(&c->w, wire_api(WIRE_API_FETCH), FETCH_VERSION, 1, slice_str("bench"));
    wire_fetch_request_encode(&m, &c->w, FETCH_VERSION);
    wire_frame_end(&c->w, at, 0);
    bench_send(c->fd, c->w.start, wr_size(&c->w));
}

/* Steps over the batches of an answer by their headers. A batch that is cut off at its end comes again. */
static int64_t take(struct consumer *c, struct slice records, int64_t offset)
{
    struct batch_iter it;
    struct batch_view v;

    batch_iter_init(&it, records.data, records.size);
    while (batch_next(&it, &v)) {
        c->bytes += v.size;
        c->batches++;
        offset = batch_last_offset(&v) + 1;
    }
    return offset;
}

/* True while there is more. */
static bool step(struct consumer *c, int32_t index, int64_t *offset)
{
    const struct wire_fetch_response_partition *p;
    struct wire_fetch_response m;
    int64_t before = *offset;
    size_t size;
    int32_t id;
    struct rd r;

    send_question(c, index, *offset);
    size = ask_recv_frame(c->fd, &c->frame, &c->capacity);
    arena_reset(&c->arena);
    rd_init(&r, c->frame, size);
    if (wire_response_parse(&r, wire_api(WIRE_API_FETCH), FETCH_VERSION, &id) < 0 ||
        wire_fetch_response_decode(&m, &r, FETCH_VERSION, &c->arena) < 0 || m.n_responses != 1 ||
        m.responses[0].n_partitions != 1)
        bench_refuse("an answer is malformed");
    p = &m.responses[0].partitions[0];
    if (m.error_code != 0 || p->error_code != 0)
        bench_refuse("a fetch was refused");
    *offset = take(c, p->records, *offset);
    if (*offset == before && before < p->high_watermark)
        bench_refuse("a fetch got nothing");
    return *offset < p->high_watermark;
}

int bench_fetch(const struct bench_options *o)
{
    struct consumer c = { .o = o, .fd = bench_dial(o->broker) };
    uint64_t start = bench_now_ns();
    double seconds;

    wr_init_growing(&c.w, 4096, BENCH_FRAME_MAX);
    arena_init(&c.arena, 1 << 20);
    for (long long round = 0; round < MAX(o->count, 1); round++) {
        for (int32_t i = 0; i < o->partitions; i++) {
            int64_t offset = 0;

            while (step(&c, i, &offset))
                ;
        }
    }
    seconds = (double)(bench_now_ns() - start) / 1e9;
    printf("{\"bytes\": %llu, \"batches\": %llu, \"mb_per_s\": %.1f, \"seconds\": %.4f}\n", (unsigned long long)c.bytes,
           (unsigned long long)c.batches, (double)c.bytes / 1e6 / seconds, seconds);
    arena_fini(&c.arena);
    wr_fini(&c.w);
    free(c.frame);
    close(c.fd);
    return 0;
}
