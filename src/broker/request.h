/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A request from its frame to its answer, and what the handlers in api/ have to work with.
 *
 * A handler is called once, with the body's cursor. It decodes (memory comes from the request's arena, strings point
 * into the frame), then either answers at once, or starts ops and commands and goes on when all are back: next() is
 * called when the last of them came home. A handler never blocks and never waits in any other way but
 * broker_request_sleep().
 *
 * The frame, the arena and the handler's state live until the handler has returned, the answer was sent (or the
 * connection died, or the answer is whole in req->out and has to wait) and no op is in flight. A dead connection
 * doesn't stop a handler; its answer is thrown away. */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cursor.h"
#include "base/heap.h"
#include "broker/backend.h"
#include "broker/broker.h"
#include "config/topic.h"
#include "wire/error.h"
#include "wire/frame.h"
#include "wire/wire_messages.h"

struct broker_conn;
struct broker_request;

typedef void (*broker_next_fn)(struct broker_request *req);

/* A piece of an answer: bytes in memory, or a range of a file. */
struct broker_segment {
    struct slice bytes;
    struct disk_file *file; /* when not NULL: bytes.size bytes from position on */
    uint64_t position;
};

struct broker_request {
    struct broker *broker;
    struct broker_backend *backend;
    struct broker_conn *conn; /* NULL when it died */
    struct list link;         /* of the connection, in order of arrival */
    struct wire_request header;
    struct buf *buf;    /* holds the frame; NULL once it was given back */
    struct slice frame; /* the whole request behind its size */
    struct arena arena;
    void *state;         /* the handler's, in the arena */
    broker_next_fn next; /* when n_pending gets to 0, or the sleep ends */
    /* When the answer was sent or thrown away, or has to wait and doesn't need it: gives back what the handler still
     * holds (by ops). May be NULL. */
    broker_next_fn release;
    unsigned n_pending; /* ops and commands under way */
    bool parked;        /* sleeps for what may never come: woken early when the peer ends or the broker stops */
    uint64_t received_ns;

    /* request.c and send.c only */
    enum {
        BROKER_REQUEST_RUNNING,
        BROKER_REQUEST_ANSWERED, /* out holds the answer, or nothing for acks=0 */
        BROKER_REQUEST_FAILED,   /* the connection closes when its turn comes */
        BROKER_REQUEST_OVER,     /* sent or thrown away */
    } phase;
    struct wr out;
    size_t held;                 /* bytes of arena and out as the connection knows them */
    size_t charged;              /* and the budget: 0 until answered */
    struct broker_segment whole; /* an answer that is all in out */
    struct broker_segment *segments;
    uint32_t n_segments, segment; /* segment and sent: where sending is */
    size_t sent;
    struct heap_node timer;
    struct list asks; /* struct broker_ask */
};

/* Memory of the request, zeroed. NULL when its limit is reached: the request was failed then, and the handler
 * returns. */
void *broker_alloc(struct broker_request *req, size_t n, size_t size);

/* --- answers --- */

/* Encodes a response message with its generated encoder, by the table of wire/api.h, and marks the request answered.
 * An encoding error closes the connection and is counted. */
void broker_answer(struct broker_request *req, const void *response);
/* acks=0: there is none; the request is over. */
void broker_answer_nothing(struct broker_request *req);
/* The answer in pieces that the handler laid out itself (Fetch): segments live in the arena, bytes in req->out or
 * wherever the handler keeps them until release(). */
void broker_answer_segments(struct broker_request *req, struct broker_segment *segments, uint32_t n_segments);
/* The request can't be answered (malformed, or acks=0 failed): the connection closes after the answers before it. */
void broker_request_fail(struct broker_request *req);
/* Counts a partition's or topic's error code and gives it back; 0 isn't counted. */
int16_t broker_count_error(struct broker_request *req, int16_t error);

/* --- asking --- */

struct broker_op {
    struct replica_op op; /* first */
    struct broker_request *request;
    bool is_back; /* done() was called since the start */
    bool wakes;   /* its end also ends the request's sleep */
};

/* Fills what all ops need; the caller sets the kind's own members, then starts it. */
void broker_op_init(struct broker_request *req, struct broker_op *op, enum replica_op_kind kind, uint64_t group,
                    int32_t current_leader_epoch);
void broker_op_start(struct broker_op *op);

struct broker_ask {
    struct broker_command command; /* first */
    struct list link;              /* of the request */
    struct broker_request *request;
    struct wr body; /* the caller writes the command into it; freed when the request ends */
    enum {
        BROKER_ASK_NEW,
        BROKER_ASK_UNDER_WAY,
        BROKER_ASK_BACK,
    } phase;
};

/* An ask in the arena, its body ready to be written; NULL when the request's memory is used up. */
struct broker_ask *broker_ask_new(struct broker_request *req);
void broker_ask_start(struct broker_ask *ask);
/* How it ended: 0 (also when it was never started) or a Kafka error code; REQUEST_TIMED_OUT while it is under way. It
 * goes on all the same then. */
int16_t broker_ask_error(const struct broker_ask *ask);

/* The same for anything else that comes back on this reactor (work on a lane): one back for each out. */
void broker_request_out(struct broker_request *req);
void broker_request_back(struct broker_request *req);

/* next() is called at the deadline unless the request has been answered or woken by then. One sleep at a time. */
void broker_request_sleep(struct broker_request *req, uint64_t deadline_ns);
/* The peer has ended its side, or there is none, or the broker stops: not the time to wait for more. */
bool broker_request_is_hurried(const struct broker_request *req);
/* Ends the sleep at the next turn. Harmless when there is none. */
void broker_request_wake(struct broker_request *req);
/* No more calls for the sleep. */
void broker_request_stay_awake(struct broker_request *req);
uint64_t broker_now_ns(const struct broker_request *req);

/* --- handlers --- */

typedef void (*broker_handler_fn)(struct broker_request *req, struct rd *body);

/* The table: one line for each API that is served (handlers.c checks that wire's table has the same). */
#define BROKER_HANDLERS(X) \
    X(PRODUCE, produce) \
    X(FETCH, fetch) \
    X(LIST_OFFSETS, list_offsets) \
    X(METADATA, metadata) \
    X(FIND_COORDINATOR, find_coordinator) \
    X(API_VERSIONS, api_versions) \
    X(CREATE_TOPICS, create_topics) \
    X(DELETE_TOPICS, delete_topics) \
    X(DELETE_RECORDS, delete_records) \
    X(INIT_PRODUCER_ID, init_producer_id) \
    X(OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch) \
    X(DESCRIBE_CONFIGS, describe_configs) \
    X(ALTER_CONFIGS, alter_configs) \
    X(DESCRIBE_LOG_DIRS, describe_log_dirs) \
    X(CREATE_PARTITIONS, create_partitions) \
    X(INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs) \
    X(ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments) \
    X(LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments) \
    X(DESCRIBE_CLUSTER, describe_cluster) \
    X(DESCRIBE_PRODUCERS, describe_producers)

#define X(key, name) void broker_handle_##name(struct broker_request *req, struct rd *body);
BROKER_HANDLERS(X)
#undef X

/* --- what several handlers do --- */

/* Decodes the body whole or fails the request; false: over. */
bool broker_decode(struct broker_request *req, struct rd *body, void *message);

/* A partition by name or id: 0 and the group, or UNKNOWN_TOPIC_OR_PARTITION / UNKNOWN_TOPIC_ID. */
int16_t broker_find_partition(const struct broker_request *req, const struct meta_topic *topic, int32_t partition,
                              const struct meta_partition **ret);

/* next is called now when nothing is pending, else when all that was started is back. */
void broker_request_then(struct broker_request *req, broker_next_fn next);
/* The same, but after this time at the latest: what is under way then has to be answered as timed out. */
void broker_request_then_within(struct broker_request *req, int32_t timeout_ms, broker_next_fn next);

/* A copy of a NUL-terminated text in the arena; NULL when the request failed. */
const char *broker_text(struct broker_request *req, const char *text);

/* It has said where clients find it. */
bool broker_is_registered(const struct meta_broker *b);
/* Host and port that this connection's client is told for a broker of the cluster. */
void broker_advertised(const struct broker_request *req, const struct meta_broker *b, struct slice *ret_host,
                       int32_t *ret_port);

/* What the topic's configs ask of this node beyond what the table of configs knows: 0, or INVALID_CONFIG with
 * *ret_message. */
int16_t broker_topic_config_check(struct broker_request *req, const struct topic_config *config,
                                  const char **ret_message);

/* Whether a topic may grow by n_new to n_total partitions: 0, or INVALID_PARTITIONS with *ret_message. */
int16_t broker_check_partitions(struct broker_request *req, int32_t n_new, int32_t n_total, const char **ret_message);

struct broker_new_topic {
    struct slice name;
    int32_t n_partitions;       /* −1: the default */
    int16_t replication_factor; /* −1: the default */
    const struct wire_create_topics_request_config *configs;
    int32_t n_configs;
};

/* What becomes of it. */
struct broker_topic_plan {
    struct uuid id;
    int32_t n_partitions;
    int16_t replication_factor;
    struct topic_config config;
};

/* Checks what CreateTopics and automatic creation share, and writes the command. Returns 0, or a Kafka error code with
 * *ret_message (in the arena or static) saying why. */
int16_t broker_topic_create(struct broker_request *req, const struct broker_new_topic *topic, struct wr *w,
                            struct broker_topic_plan *ret_plan, const char **ret_message);
