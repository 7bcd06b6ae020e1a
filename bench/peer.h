/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What flow and start need of a queue that speaks no Kafka. All of it ends the program when the queue refuses. */

#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"
#include "bench.h"

#define ANSWERS_MAX (256 << 10)

struct answers {
    char data[ANSWERS_MAX + 1]; /* ends with a 0 */
    size_t size;
};

struct protocol {
    const char *name;
    /* Makes what messages go to, if that must be. */
    void (*open)(const struct bench_options *o, int fd, struct answers *a);
    /* So many messages, each of o->size bytes. */
    void (*write)(const struct bench_options *o, const char *payload, int n, struct wr *w);
    /* The size of the first answer when it is whole, else 0; *ret_acked: so many messages does it acknowledge. */
    size_t (*take)(const char *text, size_t size, int *ret_acked);
    /* Deletes what open() made, if the queue is kept for further runs. */
    void (*close)(const struct bench_options *o, int fd, struct answers *a);
};

/* What has come, at least a byte more than there was. */
void peer_receive(int fd, struct answers *a);

extern const struct protocol rabbit_protocol;
