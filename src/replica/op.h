/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the broker asks of a partition. An op is made on the reactor of a connection (its home), runs on the reactor
 * that owns the partition, and completes at home: done() is called there exactly once, never inside the submit.
 * Embedded in the asker's struct; everything it points to must stay until done(). */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/slice.h"
#include "env/lane.h"
#include "log/log.h"
#include "txn/producer.h"
#include "wire/batch.h"

enum replica_op_kind {
    REPLICA_PRODUCE,
    REPLICA_READ,
    REPLICA_RELEASE, /* gives back what a READ holds; every READ without error must be followed by one */
    REPLICA_WATCH,   /* completes when something is visible at or above watch.offset */
    /* Ends the op in cancel.target early: a WATCH (it completes with REPLICA_OP_CANCELED), or a PRODUCE that waits for
     * room (NOT_ENOUGH_REPLICAS: nothing of it was or will be stored). Any other goes on, but it is settled whether it
     * does: the target's end, if it is one by this, comes home before the CANCEL does. */
    REPLICA_CANCEL,
    REPLICA_LIST_OFFSETS,
    REPLICA_EPOCH_END,
    REPLICA_DELETE_RECORDS,
    REPLICA_DESCRIBE_PRODUCERS,
    REPLICA_DESCRIBE_LOG,
};

#define REPLICA_ACKS_ALL (-1)
#define REPLICA_READ_MAX_LINKS 16384 /* of a READ's chain: batches that are so small are read in parts */
#define REPLICA_OP_CANCELED (-1000)  /* not a Kafka code: never leaves the broker */

/* Special timestamps of ListOffsets. */
#define LIST_OFFSETS_LATEST (-1)
#define LIST_OFFSETS_EARLIEST (-2)
#define LIST_OFFSETS_MAX_TIMESTAMP (-3)

struct replica_op {
    struct lane_mail mail; /* the router's */
    struct list link;      /* the replica's while it waits */
    unsigned home_reactor;
    void *route; /* the router's */
    uint64_t group;
    enum replica_op_kind kind;
    int32_t current_leader_epoch; /* as the client knows it; −1: don't check */
    bool follower; /* READ, WATCH: a member that only follows may answer too, as far as it has applied the log */
    void (*done)(struct replica_op *op);

    /* The replica's: of a round that shows that this node leads. verdict: what a PRODUCE is refused for then.
     * read_index, of a PRODUCE that is applied: what enough replicas have to flush. */
    uint64_t ticket, read_index;
    int16_t verdict;

    int16_t error;             /* Kafka error code */
    const char *error_message; /* static text, or NULL */

    union {
        struct {
            struct batch_view batch; /* exactly one, checked */
            /* The buffer that batch lies in with a reference for the partition, which may keep it: it then patches the
             * batch in place and sets this to NULL. NULL from the start: the batch isn't changed. */
            struct buf *frame;
            /* Ends when as many have flushed it: REPLICA_ACKS_ALL (a majority, and min.insync.replicas), 1 (the
             * leader), 0 (nobody: when it is proposed). A group with one voter has no difference to make. */
            int8_t acks;
            bool held; /* the replica's: it waits for room */
            /* The asker refused this one of the same producer before, when it didn't know the partition. */
            bool has_refused;
            int16_t refused_epoch;
            int32_t refused_sequence;
            int64_t ret_base_offset;
            int64_t ret_append_time_ms; /* −1 unless the topic uses LogAppendTime */
            int64_t ret_log_start;
        } produce;
        struct {
            int64_t offset;
            size_t max_bytes; /* at least one whole batch comes anyway when min_one */
            bool min_one;
            bool read_committed;
            bool urgent; /* the asker has nothing else and would have to wait */
            /* What a new leader, or a follower, can't tell yet may come by and by. Till then it is waited for (0:
             * without end); then a leader has nothing, and a follower says OFFSET_NOT_AVAILABLE. */
            uint64_t wait_until_ns;
            /* Results also on OFFSET_OUT_OF_RANGE. */
            int64_t ret_high_watermark, ret_last_stable, ret_log_start;
            /* The records: in memory (chain) or in a file (range), or none (size 0). */
            size_t ret_size;
            struct buf_chain chain;
            bool has_range;
            struct log_range range;
            /* There is something, but nothing to hold it with: no descriptor, and no memory. What asks again urgently
             * gets some of it in any case. */
            bool ret_put_off;
            /* KIP-320: set when last_fetched_epoch diverges (Fetch v12+). */
            int32_t last_fetched_epoch;  /* −1: don't check */
            int32_t ret_diverging_epoch; /* −1 none */
            int64_t ret_diverging_offset;
            /* the replica's, while data is read from a cold file */
            struct lane_work work;
            struct log_warm warm;
            struct log_copy copy; /* its data until the RELEASE */
            size_t lent_bytes;    /* of it, or of the chain's links, as the shard counts them */
            struct replica *replica;
            unsigned warm_rounds;
        } read;
        struct {
            struct replica_op *target; /* the READ op whose result is given back */
        } release;
        struct {
            int64_t offset;
            bool read_committed;
        } watch;
        struct {
            struct replica_op *target;
        } cancel;
        struct {
            int64_t timestamp; /* or LIST_OFFSETS_* */
            bool read_committed;
            int64_t ret_offset, ret_timestamp; /* −1 when there is none */
            int32_t ret_leader_epoch;
            struct lane_work work;
            struct log_time_query query;
            struct replica *replica;
        } list_offsets;
        struct {
            int32_t epoch;
            int32_t ret_epoch; /* −1 when unknown */
            int64_t ret_end_offset;
        } epoch_end;
        struct {
            int64_t offset; /* −1: the high watermark */
            int64_t ret_low_watermark;
        } delete_records;
        struct {
            struct producer_info *ret_producers; /* malloc'd, the asker frees */
            size_t ret_n_producers;
        } describe_producers;
        struct {
            uint64_t ret_size_bytes;
            int64_t ret_log_start, ret_end_offset;
        } describe_log;
    };
};
