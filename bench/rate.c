/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages at a fixed rate, whatever becomes of them: each is due at its place in the schedule, and its latency counts
 * from then, so that a broker that stalls pays for all that came due meanwhile. */

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "bench.h"

#define WAKE_NS 200000

struct schedule {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    const struct bench_options *o;
    struct bench_window window;
    atomic_bool ended;
    uint64_t start_ns;
    /* What follows is the polling thread's. */
    uint64_t failed;
    struct samples latency_ns;
};

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *ctx)
{
    struct schedule *s = ctx;
    uint64_t due = s->start_ns + (uint64_t)((double)(uintptr_t)m->_private * 1e9 / s->o->rate);

    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        s->failed++;
        return;
    }
    if (due < s->window.from_ns || due >= s->window.to_ns)
        return;
    samples_add(&s->latency_ns, bench_now_ns() - due);
}

static void *poll_deliveries(void *ctx)
{
    struct schedule *s = ctx;

    while (!atomic_load(&s->ended))
        rd_kafka_poll(s->rk, 50);
    return NULL;
}

static void sleep_until(uint64_t ns)
{
    struct timespec t = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Sends all that is due, sleeps a little, until the end. */
static void keep_pace(struct schedule *s, const char *payload)
{
    const struct bench_options *o = s->o;
    uint64_t n = 0, now;

    while ((now = bench_now_ns()) < s->window.to_ns) {
        uint64_t due = (uint64_t)((double)(now - s->start_ns) * o->rate / 1e9);

        for (; n <= due; n++) {
            while (rd_kafka_produce(s->topic, (int32_t)(n % (uint64_t)o->partitions), RD_KAFKA_MSG_F_COPY,
                                    (void *)payload, (size_t)o->size, NULL, 0, (void *)(uintptr_t)n) != 0)
                sleep_until(bench_now_ns() + WAKE_NS);
        }
        sleep_until(now + WAKE_NS);
    }
}

static rd_kafka_t *client_new(struct schedule *s)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char err[256], linger[16];
    rd_kafka_t *rk;

    snprintf(linger, sizeof(linger), "%d", s->o->linger_ms);
    kafka_set(conf, "bootstrap.servers", s->o->broker);
    kafka_set(conf, "acks", "all");
    kafka_set(conf, "linger.ms", linger);
    kafka_set(conf, "queue.buffering.max.messages", "1000000");
    kafka_set(conf, "log_level", "2");
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_opaque(conf, s);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof(err));
    if (rk == NULL)
        bench_refuse(err);
    return rk;
}

int bench_rate(const struct bench_options *o)
{
    struct schedule *s = xcalloc(1, sizeof(*s));
    _cleanup_(freep) char *payload = xcalloc(1, (size_t)o->size);
    pthread_t poller;

    s->o = o;
    s->rk = client_new(s);
    s->topic = rd_kafka_topic_new(s->rk, o->topic, NULL);
    s->start_ns = bench_now_ns();
    s->window = bench_window_now(o);
    if (pthread_create(&poller, NULL, poll_deliveries, s) != 0)
        bench_refuse("no thread");
    keep_pace(s, payload);
    rd_kafka_flush(s->rk, 30000);
    atomic_store(&s->ended, true);
    pthread_join(poller, NULL);
    printf("{\"acked\": %zu, \"failed\": %llu, \"late\": %d, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
           s->latency_ns.n, (unsigned long long)s->failed, rd_kafka_outq_len(s->rk),
           samples_us(&s->latency_ns, 0.5) / 1e3, samples_us(&s->latency_ns, 0.99) / 1e3,
           samples_us(&s->latency_ns, 1) / 1e3);
    rd_kafka_topic_destroy(s->topic);
    rd_kafka_destroy(s->rk);
    samples_fini(&s->latency_ns);
    free(s);
    return 0;
}
