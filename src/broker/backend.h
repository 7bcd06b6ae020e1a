/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the broker's handlers need of the node they run in. One backend per reactor; node/ implements it, and tests
 * implement it over stand-ins. */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "config/config.h"
#include "env/env.h"
#include "meta/meta.h"
#include "replica/op.h"

struct broker_backend;

/* A metadata command on its way. Embedded in the asker's struct. */
struct broker_command {
    struct lane_mail mail;
    unsigned home_reactor; /* the router's */
    void *route;           /* the router's */
    struct list link;      /* the router's */
    struct slice body;     /* as meta_write_*() made it; stays until done() */
    int16_t error;         /* result: Kafka error code */
    /* For producer id blocks. */
    int64_t ret_producer_id_first;
    int32_t ret_producer_id_count;
    /* At home, after this reactor's copy of the metadata has applied it. Never inside the submit. */
    void (*done)(struct broker_command *c);
};

struct broker_backend_ops {
    /* Routes to the owner of op->group; unknown groups complete with UNKNOWN_TOPIC_OR_PARTITION. */
    void (*submit)(struct broker_backend *b, struct replica_op *op);
    void (*propose)(struct broker_backend *b, struct broker_command *c);
    /* False until recovery is over and while the node stops. */
    bool (*is_ready)(struct broker_backend *b);
};

struct broker_backend {
    const struct broker_backend_ops *ops;
    struct env *env;
    struct buf_pool *pool;   /* of this reactor: frames, and what replicas keep in memory */
    const struct meta *meta; /* this reactor's copy */
    /* Current settings; replaced as a whole on reload, between turns. */
    const struct config *config;
    int32_t broker_id;         /* −1: the cluster isn't formed yet */
    int32_t controller_id;     /* who leads the metadata, as far as is known; −1: nobody */
    uint64_t connection_files; /* connections of the node that there are descriptors for; 0: any number */
    uint32_t max_batch_bytes;  /* what the journal can take: no topic may allow more */
    unsigned reactor;
};
