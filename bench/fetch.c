/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/util.h"
#include "bench.h"
#include "wire/batch.h"

struct consumer {
    const struct bench_options *o;
    int fd;
    struct wr w;
    uint8_t *frame;
    size_t capacity;
    uint64_t bytes, batches;
};

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
    int64_t before = *offset, high_watermark;
    struct slice records;
    size_t size;

    wr_reset(&c->w);
    ask_write_fetch(c->o->topic, index, *offset, c->o->bytes, &c->w);
    bench_send(c->fd, c->w.start, wr_size(&c->w));
    size = ask_recv_frame(c->fd, &c->frame, &c->capacity);
    records = ask_fetched(c->frame, size, &high_watermark);
    *offset = take(c, records, *offset);
    if (*offset == before && before < high_watermark)
        bench_refuse("a fetch got nothing");
    return *offset < high_watermark;
}

int bench_fetch(const struct bench_options *o)
{
    struct consumer c = { .o = o, .fd = bench_dial(o->broker) };
    uint64_t start = bench_now_ns();
    double seconds;

    wr_init_growing(&c.w, 4096, BENCH_FRAME_MAX);
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
    wr_fini(&c.w);
    free(c.frame);
    close(c.fd);
    return 0;
}
