/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A broker of one reactor in one thread: the real one from the connection to the answer, over simulated net, lanes,
 * disk and time, before a stand-in for the node. Its metadata is a real state that commands are applied to at once; its
 * partitions answer ops as rig->serve says.
 *
 * A test is a client on one connection. No Check in the functions: the fuzz target uses them too. */

#include "broker/broker.h"
#include "config/topic.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/lane.h"
#include "sim/net.h"
#include "sim/prng.h"
#include "wire/api.h"
#include "wire/error.h"
#include "wire/frame.h"
#include "wire/wire_messages.h"

#define RIG_BROKER_ID 1
#define RIG_MAX_BATCH_BYTES (16u << 20)
#define RIG_HIGH_WATERMARK 100 /* of every partition */

struct rig {
    struct sim_clock clock;
    struct sim_prng prng;
    struct sim_net *net;
    struct sim_lane *lane;
    struct sim_disk *disk;
    struct env env;
    struct buf_pool pool;
    struct config config;
    struct meta meta;
    struct broker_backend backend;
    struct broker *broker;

    /* The client. */
    struct sim_conn *conn;
    bool reads_nothing;
    struct wr sent; /* what the connection hasn't taken yet is behind n_sent */
    size_t n_sent;
    struct wr received; /* answers not taken yet are behind n_taken */
    size_t n_taken;
    uint64_t most_sent; /* bytes in one turn of the broker */
    int32_t correlation_id;
    struct arena answers; /* what decoded answers point to, until the rig ends */

    /* The node. */
    bool starting; /* not ready yet */
    struct list commands, ops, watches;
    bool hold_commands, hold_ops;                        /* leave them under way */
    unsigned n_commands, n_ops;                          /* carried out */
    int16_t refuse_commands;                             /* Kafka error code that they get instead; 0: none */
    uint64_t gone_group;                                 /* its topic was deleted meanwhile */
    bool (*serve)(struct rig *r, struct replica_op *op); /* false: it completes later */
};

void rig_init(struct rig *r);
void rig_fini(struct rig *r);

/* Works until nothing moves any more; time stands still. */
void rig_run(struct rig *r);
void rig_advance_ms(struct rig *r, unsigned ms);

/* Sends a request without waiting. key as WIRE_API_…. */
void rig_send(struct rig *r, int16_t key, int16_t version, const void *request);
/* Runs, then takes the next answer into *response (a struct of that API's response). False when none has come. */
bool rig_receive(struct rig *r, int16_t key, int16_t version, void *response);
/* Both; there must be an answer. */
void rig_call(struct rig *r, int16_t key, int16_t version, const void *request, void *response);

/* What stands in for every partition unless a test sets rig->serve: empty, all offsets below RIG_HIGH_WATERMARK gone.
 */
bool rig_serve(struct rig *r, struct replica_op *op);

/* A topic, by a command of its own. Its id is random. */
const struct meta_topic *rig_create(struct rig *r, const char *name, int32_t n_partitions);
const struct meta_topic *rig_topic(const struct rig *r, const char *name);

/* Applies a command that a test wrote. */
void rig_apply(struct rig *r, const struct wr *command);

#define ck_assert_slice_eq(have, string) \
    do { \
        struct slice s_ = (have); \
        _cleanup_(freep) char *text_ = s_.data != NULL ? xstrndup((const char *)s_.data, s_.size) : NULL; \
        ck_assert_pstr_eq(text_, string); \
    } while (0)

/* Part of a message for people. */
#define ck_assert_slice_has(have, part) \
    do { \
        struct slice s_ = (have); \
        _cleanup_(freep) char *text_ = s_.data != NULL ? xstrndup((const char *)s_.data, s_.size) : xstrdup(""); \
        ck_assert_msg(strstr(text_, part) != NULL, "'%s' is not in '%s'", part, text_); \
    } while (0)
