/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "bench.h"

#define QUEUE_MESSAGES "500000"
#define CONSUME_BATCH 10000
#define CONSUME_WAIT_MS 10

void kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char err[256];

    if (rd_kafka_conf_set(conf, name, value, err, sizeof(err)) != RD_KAFKA_CONF_OK)
        bench_refuse(err);
}

static rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char err[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, err, sizeof(err));

    if (rk == NULL)
        bench_refuse(err);
    return rk;
}

int bench_mock(const struct bench_options *o)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_mock_cluster_t *cluster;
    rd_kafka_t *rk;
    char end;

    kafka_set(conf, "log_level", "2");
    rk = client_new(RD_KAFKA_PRODUCER, conf);
    cluster = rd_kafka_mock_cluster_new(rk, 1);
    rd_kafka_mock_topic_create(cluster, o->topic, o->partitions, 1);
    printf("{\"broker\": \"%s\"}\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (read(STDIN_FILENO, &end, 1) > 0)
        ;
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);
    return 0;
}

struct produced {
    uint64_t acked, failed;
    uint64_t all;               /* acknowledged at any time */
    struct bench_window window; /* what is acknowledged within it counts */
};

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *ctx)
{
    struct produced *p = ctx;
    uint64_t now = bench_now_ns();

    p->all += m->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->failed++;
    } else if (now >= p->window.from_ns && now < p->window.to_ns) {
        p->acked++;
    }
}

static rd_kafka_t *producer_new(const struct bench_options *o, struct produced *p)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char linger[16];

    kafka_set(conf, "bootstrap.servers", o->broker);
    kafka_set(conf, "acks", "all");
    snprintf(linger, sizeof(linger), "%d", o->linger_ms);
    kafka_set(conf, "linger.ms", linger);
    kafka_set(conf, "queue.buffering.max.messages", QUEUE_MESSAGES);
    kafka_set(conf, "queue.buffering.max.kbytes", "1048576");
    kafka_set(conf, "log_level", "2");
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_opaque(conf, p);
    return client_new(RD_KAFKA_PRODUCER, conf);
}

/* Sends until the time is over; when the client's queue is full it waits for room. */
static void produce_all(const struct bench_options *o, rd_kafka_t *rk, struct produced *p)
{
    _cleanup_(freep) char *payload = malloc((size_t)o->size);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, o->topic, NULL);

    memset(payload, 'x', (size_t)o->size);
    for (uint64_t i = 0; (i & 63) != 0 || bench_now_ns() < p->window.to_ns; i++) {
        while (rd_kafka_produce(topic, (int32_t)(i % (uint64_t)o->partitions), RD_KAFKA_MSG_F_COPY, payload,
                                (size_t)o->size, NULL, 0, NULL) != 0)
            rd_kafka_poll(rk, 5);
        if ((i & 1023) == 0)
            rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 30000);
    rd_kafka_topic_destroy(topic);
}

int bench_produce(const struct bench_options *o)
{
    struct produced *p = xcalloc(1, sizeof(*p));
    rd_kafka_t *rk = producer_new(o, p);
    double rate;

    p->window = bench_window_now(o);
    produce_all(o, rk, p);
    rate = (double)p->acked / o->seconds;
    printf("{\"messages_per_s\": %.0f, \"mb_per_s\": %.1f, \"all_mb\": %.3f, \"failed\": %llu}\n", rate,
           rate * o->size / 1e6, (double)p->all * o->size / 1e6, (unsigned long long)p->failed);
    rd_kafka_destroy(rk);
    free(p);
    return 0;
}

int bench_consume(const struct bench_options *o)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_message_t **batch = xcalloc(CONSUME_BATCH, sizeof(*batch));
    rd_kafka_queue_t *queue;
    rd_kafka_topic_t *topic;
    rd_kafka_t *rk;
    uint64_t bytes = 0, messages = 0, start, last;
    int ended = 0;

    kafka_set(conf, "bootstrap.servers", o->broker);
    kafka_set(conf, "enable.partition.eof", "true");
    kafka_set(conf, "check.crcs", "false");
    kafka_set(conf, "fetch.message.max.bytes", "8388608");
    kafka_set(conf, "log_level", "2");
    rk = client_new(RD_KAFKA_CONSUMER, conf);
    queue = rd_kafka_queue_new(rk);
    topic = rd_kafka_topic_new(rk, o->topic, NULL);
    start = last = bench_now_ns();
    for (int32_t i = 0; i < o->partitions; i++)
        rd_kafka_consume_start_queue(topic, i, RD_KAFKA_OFFSET_BEGINNING, queue);
    while (ended < o->partitions) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, CONSUME_WAIT_MS, batch, CONSUME_BATCH);
        uint64_t before = messages;

        for (ssize_t i = 0; i < n; i++) {
            ended += batch[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
            messages += batch[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR;
            bytes += batch[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR ? batch[i]->len : 0;
            rd_kafka_message_destroy(batch[i]);
        }
        if (messages > before) /* the end is told late, after an empty fetch */
            last = bench_now_ns();
    }
    printf("{\"messages\": %llu, \"mb_per_s\": %.1f}\n", (unsigned long long)messages,
           (double)bytes / 1e6 / ((double)(last - start) / 1e9));
    for (int32_t i = 0; i < o->partitions; i++)
        rd_kafka_consume_stop(topic, i);
    rd_kafka_topic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    free(batch);
    return 0;
}

struct delivery {
    bool done, failed;
};

static void delivered_one(rd_kafka_t *rk, const rd_kafka_message_t *m, void *ctx)
{
    struct delivery *d = ctx;

    d->done = true;
    d->failed = m->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

int bench_sync(const struct bench_options *o)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    _cleanup_(freep) char *payload = xcalloc(1, (size_t)o->size);
    struct samples latency_ns = { 0 };
    struct bench_window window = bench_window_now(o);
    struct delivery d = { 0 };
    unsigned long long all = 0; /* with those of the warm-up */
    uint64_t start, now = 0;
    rd_kafka_topic_t *topic;
    rd_kafka_t *rk;

    kafka_set(conf, "bootstrap.servers", o->broker);
    kafka_set(conf, "acks", "all");
    kafka_set(conf, "linger.ms", "0");
    kafka_set(conf, "log_level", "2");
    rd_kafka_conf_set_dr_msg_cb(conf, delivered_one);
    rd_kafka_conf_set_opaque(conf, &d);
    rk = client_new(RD_KAFKA_PRODUCER, conf);
    topic = rd_kafka_topic_new(rk, o->topic, NULL);
    while (now < window.to_ns) {
        start = bench_now_ns();
        d.done = false;
        if (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, payload, (size_t)o->size, NULL, 0, NULL) != 0)
            bench_refuse("a message was refused");
        while (!d.done)
            rd_kafka_poll(rk, 1000);
        if (d.failed)
            bench_refuse("a message was refused");
        now = bench_now_ns();
        all++;
        if (start >= window.from_ns)
            samples_add(&latency_ns, now - start);
    }
    printf("{\"all\": %llu, \"count\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", all, latency_ns.n,
           samples_us(&latency_ns, 0.5), samples_us(&latency_ns, 0.99));
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    samples_fini(&latency_ns);
    return 0;
}
