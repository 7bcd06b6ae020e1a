/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Producing to queues that speak no Kafka: one connection with so many messages in flight, and what they answer. Such a
 * protocol is a few lines here, so that what is measured is the queue and not some client library. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/util.h"
#include "bench.h"
#include "peer.h"

#define CHUNKS 8 /* that what is in flight is sent in */

void peer_receive(int fd, struct answers *a)
{
    ssize_t n;

    if (a->size == ANSWERS_MAX)
        bench_refuse("an answer is too large");
    n = recv(fd, a->data + a->size, ANSWERS_MAX - a->size, 0);
    if (n == 0)
        bench_refuse("the connection was closed");
    if (n < 0)
        bench_die("recv");
    a->size += (size_t)n;
    a->data[a->size] = '\0';
}

/* Up to and with a text that is waited for; all of it is dropped. */
static void receive_until(int fd, struct answers *a, const char *text)
{
    for (a->size = 0, a->data[0] = '\0'; strstr(a->data, text) == NULL;)
        peer_receive(fd, a);
    if (strstr(a->data, "\"error\"") != NULL || strstr(a->data, "-ERR") != NULL)
        bench_refuse(a->data);
    a->size = 0;
}

/* --- Redis: XADD to one stream --- */

static void write_messages(struct wr *w, const char *head, const char *payload, int size, int n)
{
    for (int i = 0; i < n; i++) {
        wr_bytes(w, head, strlen(head));
        wr_bytes(w, payload, (size_t)size);
        wr_bytes(w, "\r\n", 2);
    }
}

static void redis_write(const struct bench_options *o, const char *payload, int n, struct wr *w)
{
    char head[256];

    snprintf(head, sizeof(head), "*5\r\n$4\r\nXADD\r\n$%zu\r\n%s\r\n$1\r\n*\r\n$1\r\nv\r\n$%d\r\n", strlen(o->topic),
             o->topic, o->size);
    write_messages(w, head, payload, o->size, n);
}

/* An entry's name: $LENGTH, a line's end, the name, a line's end. */
static size_t redis_take(const char *text, size_t size, int *ret_acked)
{
    const char *end = memchr(text, '\n', size);
    size_t whole;

    if (end == NULL)
        return 0;
    if (text[0] != '$')
        bench_refuse(text);
    whole = (size_t)(end + 1 - text) + strtoul(text + 1, NULL, 10) + 2;
    *ret_acked = 1;
    return whole <= size ? whole : 0;
}

/* --- NATS: a JetStream stream with files --- */

static void nats_open(const struct bench_options *o, int fd, struct answers *a)
{
    char config[256], text[1024];
    int size =
        snprintf(config, sizeof(config),
                 "{\"name\":\"%s\",\"subjects\":[\"%s\"],\"storage\":\"file\",\"num_replicas\":1}", o->topic, o->topic);
    int n = snprintf(text, sizeof(text),
                     "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"c\",\"version\":\"1\"}\r\n"
                     "SUB in.made 1\r\nSUB in.ack 2\r\nPUB $JS.API.STREAM.CREATE.%s in.made %d\r\n%s\r\n",
                     o->topic, size, config);

    bench_send(fd, (const uint8_t *)text, (size_t)n);
    receive_until(fd, a, "\"did_create\"");
}

static void nats_write(const struct bench_options *o, const char *payload, int n, struct wr *w)
{
    char head[256];

    snprintf(head, sizeof(head), "PUB %s in.ack %d\r\n", o->topic, o->size);
    write_messages(w, head, payload, o->size, n);
}

/* MSG in.ack 2 SIZE, a line's end, JSON of that size, a line's end; or PING. */
static size_t nats_take(const char *text, size_t size, int *ret_acked)
{
    const char *end = memchr(text, '\n', size), *space;
    size_t whole;

    if (end == NULL)
        return 0;
    whole = (size_t)(end + 1 - text);
    *ret_acked = strncmp(text, "MSG ", 4) == 0;
    if (text[0] == '-')
        bench_refuse(text);
    if (*ret_acked == 0)
        return whole;
    space = memrchr(text, ' ', whole);
    whole += strtoul(space + 1, NULL, 10) + 2;
    if (whole > size)
        return 0;
    if (memmem(end, whole - (size_t)(end - text), "\"seq\"", 5) == NULL)
        bench_refuse(text);
    return whole;
}

static const struct protocol redis_protocol = { "redis", NULL, redis_write, redis_take, NULL };
static const struct protocol nats_protocol = { "nats", nats_open, nats_write, nats_take, NULL };
static const struct protocol *const protocols[] = { &redis_protocol, &nats_protocol, &rabbit_protocol };

static const struct protocol *protocol_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (strcmp(name, protocols[i]->name) == 0)
            return protocols[i];
    }
    bench_refuse("there is no such peer");
}

/* --- the loop --- */

struct flow {
    const struct bench_options *o;
    const struct protocol *protocol;
    int fd;
    struct wr chunk;
    int chunk_messages, in_flight;
    uint64_t acked, all; /* after the warm-up, and at any time */
    struct bench_window window;
    struct answers answers;
};

static void count_answers(struct flow *f)
{
    uint64_t now = bench_now_ns();
    size_t at = 0, n;
    int acked;

    while ((n = f->protocol->take(f->answers.data + at, f->answers.size - at, &acked)) > 0) {
        at += n;
        f->in_flight -= acked;
        f->all += (uint64_t)acked;
        f->acked += now >= f->window.from_ns ? (uint64_t)acked : 0;
    }
    f->answers.size -= at;
    memmove(f->answers.data, f->answers.data + at, f->answers.size + 1);
}

static struct flow *flow_new(const struct bench_options *o)
{
    struct flow *f = xcalloc(1, sizeof(*f));
    _cleanup_(freep) char *payload = malloc((size_t)o->size);

    memset(payload, 'x', (size_t)o->size);
    f->o = o;
    f->protocol = protocol_named(o->peer);
    f->fd = bench_dial(o->broker);
    if (f->protocol->open != NULL)
        f->protocol->open(o, f->fd, &f->answers);
    f->chunk_messages = MAX(1, o->depth / CHUNKS);
    wr_init_growing(&f->chunk, 4096, BENCH_FRAME_MAX);
    f->protocol->write(o, payload, f->chunk_messages, &f->chunk);
    f->window = bench_window_now(o);
    return f;
}

static void flow_free(struct flow *f)
{
    if (f->protocol->close != NULL)
        f->protocol->close(f->o, f->fd, &f->answers);
    close(f->fd);
    wr_fini(&f->chunk);
    free(f);
}

int bench_flow(const struct bench_options *o)
{
    struct samples latency_ns = { 0 };
    struct flow *f = flow_new(o);
    uint64_t now = bench_now_ns(), start = now;
    double rate;

    while (now < f->window.to_ns || f->in_flight > 0) {
        for (; now < f->window.to_ns && f->in_flight + f->chunk_messages <= o->depth;
             f->in_flight += f->chunk_messages) {
            start = bench_now_ns();
            bench_send(f->fd, f->chunk.start, wr_size(&f->chunk));
        }
        peer_receive(f->fd, &f->answers);
        count_answers(f);
        now = bench_now_ns();
        if (o->depth == 1 && f->in_flight == 0 && start >= f->window.from_ns && start < f->window.to_ns)
            samples_add(&latency_ns, now - start);
    }
    /* With the time of what was in flight at the end: a slow one may acknowledge only then. */
    rate = (double)f->acked / ((double)(now - f->window.from_ns) / 1e9);
    printf("{\"messages_per_s\": %.0f, \"mb_per_s\": %.1f, \"all_mb\": %.3f, \"all\": %llu, \"failed\": 0, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f}\n",
           rate, rate * o->size / 1e6, (double)f->all * o->size / 1e6, (unsigned long long)f->all,
           samples_us(&latency_ns, 0.5), samples_us(&latency_ns, 0.99));
    samples_fini(&latency_ns);
    flow_free(f);
    return 0;
}

void peer_produce_one(const struct bench_options *o, int fd)
{
    const struct protocol *protocol = protocol_named(o->peer);
    _cleanup_(freep) char *payload = xcalloc(1, (size_t)o->size);
    struct answers *a = xcalloc(1, sizeof(*a));
    size_t at = 0, n;
    int acked = 0;
    struct wr w;

    if (protocol->open != NULL)
        protocol->open(o, fd, a);
    wr_init_growing(&w, 4096, BENCH_FRAME_MAX);
    protocol->write(o, payload, 1, &w);
    bench_send(fd, w.start, wr_size(&w));
    while (acked == 0) {
        n = protocol->take(a->data + at, a->size - at, &acked);
        at += n;
        if (n == 0)
            peer_receive(fd, a);
    }
    wr_fini(&w);
    free(a);
}
