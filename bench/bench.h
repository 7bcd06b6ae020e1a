/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* bench-client: one program for all that bench/run measures with. Each command prints one line of JSON. */

#include <stdint.h>

#include "base/histogram.h"

struct bench_options {
    const char *broker; /* HOST:PORT */
    const char *topic;
    int size;         /* bytes of a message */
    int partitions;   /* that messages are spread over */
    double seconds;   /* how long, after a warm-up of a fifth of it */
    const char *file; /* floor: what is written and flushed */
    int server_core;  /* floor: where its serving side runs; −1 anywhere */
};

uint64_t bench_now_ns(void);
double bench_us(const struct histogram *h, double quantile);

/* kafka.c: through librdkafka. */
int bench_mock(const struct bench_options *o);    /* its mock broker: prints the address, runs until its input ends */
int bench_produce(const struct bench_options *o); /* closed loop, as fast as it goes */
int bench_consume(const struct bench_options *o); /* from the beginning to the end */

/* raw.c: one message in flight, without a client library. */
int bench_one(const struct bench_options *o);   /* Produce requests, acks=all */
int bench_floor(const struct bench_options *o); /* TCP, one write, fdatasync, reply; both sides in here */
