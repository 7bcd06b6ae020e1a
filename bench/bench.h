/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* bench-client: one program for all that bench/run measures with. Each command prints one line of JSON; a server's
 * tells its address, and it runs until its input ends. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"

struct bench_options {
    const char *broker; /* HOST:PORT */
    const char *topic;
    int size;        /* bytes of a message, or of a write */
    int records;     /* messages of a batch */
    int partitions;  /* that messages are spread over */
    int connections; /* load: each with one batch in flight */
    int rate;        /* rate: messages per second */
    int linger_ms;   /* librdkafka's */
    int depth;       /* flow: messages in flight */
    int bytes;       /* fetch: of an answer, at most */
    double seconds;  /* how long, after a warm-up of a fifth of it */
    long long
        count; /* load, one: so many batches in place of a time; sendfile: bytes; topics: how many; fetch: rounds */
    const char *file; /* that a floor writes and flushes, or sends */
    const char *peer; /* flow, start: what the other side speaks, redis, nats or rabbit; NULL is Kafka */
    bool kafka;       /* load, one: the answers are a broker's and are checked */
    int server_core;  /* start: where the broker runs; −1 anywhere */
    char **command;   /* start: what comes after -- */
};

/* --- util.c --- */

uint64_t bench_now_ns(void);

/* Every value that was measured, so that a ratio of two quantiles is exact. */
struct samples {
    uint64_t *items;
    size_t n, capacity;
};
void samples_add(struct samples *s, uint64_t ns);
/* In microseconds; 0 when there are none. Sorts them. */
double samples_us(struct samples *s, double quantile);
void samples_fini(struct samples *s);

/* Ends the program with errno's text. */
void bench_die(const char *what) __attribute__((noreturn));
void bench_refuse(const char *what) __attribute__((noreturn));
void *bench_aligned(size_t size);
/* A connected socket without delay, or a negative errno. */
int bench_try_dial(const char *address);
int bench_dial(const char *address);
/* A listening socket on loopback; tells its address. */
int bench_listen(void);
void bench_send(int fd, const uint8_t *p, size_t n);
/* Bytes of one recv(2): a long copy in the kernel holds up what else runs on the core. */
extern int bench_recv_max;
void bench_recv(int fd, uint8_t *p, size_t n);
/* A file of zeros, written once, opened for direct I/O. */
int bench_zero_file(const char *path, size_t size);

/* When what is measured begins and ends: after a warm-up. */
struct bench_window {
    uint64_t from_ns, to_ns;
};
struct bench_window bench_window_now(const struct bench_options *o);

/* --- ask.c: requests of the Kafka protocol --- */

#define BENCH_FRAME_MAX (64 << 20)

/* One Produce request with one batch, acks=all. */
void ask_write_produce(const struct bench_options *o, int32_t partition, struct wr *w);
/* Receives a frame into memory that is the caller's and grows; returns its size. */
size_t ask_recv_frame(int fd, uint8_t **frame, size_t *capacity);
/* Kafka's error code of the one partition. */
int16_t ask_produce_error(const uint8_t *frame, size_t size);
/* One Fetch request for at most so many bytes of one partition. */
void ask_write_fetch(const char *topic, int32_t partition, int64_t offset, int bytes, struct wr *w);
/* The records of its answer, within the frame. */
struct slice ask_fetched(const uint8_t *frame, size_t size, int64_t *ret_high_watermark);
/* Metadata of a topic, with leave to make it. */
void ask_write_metadata(const char *topic, struct wr *w);
void ask_metadata(int fd, const char *topic);
int bench_topics(const struct bench_options *o); /* makes count topics of so many partitions each */
int bench_drop(const struct bench_options *o);   /* deletes a topic */

/* --- kafka.c, rate.c: through librdkafka --- */

struct rd_kafka_conf_s;
void kafka_set(struct rd_kafka_conf_s *conf, const char *name, const char *value);
int bench_mock(const struct bench_options *o);    /* its mock broker */
int bench_produce(const struct bench_options *o); /* closed loop, as fast as it goes */
int bench_rate(const struct bench_options *o);    /* open loop: latency from when a message was due */
int bench_sync(const struct bench_options *o);    /* one message in flight */
int bench_consume(const struct bench_options *o); /* from the beginning to the end */

/* --- load.c, fetch.c, start.c: without a client library --- */

int bench_one(const struct bench_options *o);   /* one Produce request in flight */
int bench_load(const struct bench_options *o);  /* many connections, one in flight on each */
int bench_fetch(const struct bench_options *o); /* from the beginning to the end */
int bench_start(const struct bench_options *o); /* exec of a broker to its first acknowledgement */

/* --- peer.c, rabbit.c: what speaks no Kafka --- */

int bench_flow(const struct bench_options *o);                /* depth messages in flight on one connection */
void peer_produce_one(const struct bench_options *o, int fd); /* until it is acknowledged */

/* --- floor.c --- */

int bench_floor(const struct bench_options *o);    /* server: frame in, one write and flush for all that wait, answer */
int bench_sendfile(const struct bench_options *o); /* server: count bytes of a file to each connection */
int bench_stream(const struct bench_options *o);   /* client of that */
int bench_disk(const struct bench_options *o);     /* direct write and fdatasync, over and over */
