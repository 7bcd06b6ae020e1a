/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What producer.c and producer_image.c share. */

#include "base/hash.h"
#include "base/list.h"
#include "txn/producer.h"

/* Sequences are 31 bits and wrap; distances up to this can be told from gaps. */
#define SEQUENCE_MASK 0x7fffffffu
#define RUN_MAX (1u << 30)

struct producer_batch {
    int32_t first_sequence, last_sequence;
    int64_t base_offset;
    int64_t append_time_ms;
};

/* A proposed batch. */
struct producer_pending {
    struct list link;       /* the producer's, in log order; the free list's */
    struct list state_link; /* all of the state, in log order */
    struct producer *producer;
    struct producer_batch batch;
    uint64_t index;
    int16_t epoch;
};

struct producer {
    struct hash_node node;
    int64_t id;
    struct list pending;

    /* Without state: what was refused, and has to come first. Linked in the state's `refused` then. */
    struct list refused_link;
    int32_t refused_sequence;
    int16_t refused_epoch;

    /* Applied; linked in the state's `applied` when there is any. */
    struct list applied_link;
    uint64_t position;
    int64_t last_timestamp_ms;
    uint32_t run; /* sequences up to the last that are in the log without a gap; stops counting at RUN_MAX */
    int16_t epoch;
    uint8_t n_batches;
    struct producer_batch batches[PRODUCER_WINDOW]; /* oldest first */
};

struct producer_state {
    uint64_t hash_seed;
    size_t max_producers;
    struct hash_table by_id;
    struct list applied; /* producers with applied state, longest unused first */
    size_t n_applied;
    uint64_t next_position;
    struct list pending; /* all proposed batches, in log order */
    struct list free_pending;
    struct list refused; /* producers without state of which a batch was refused, longest ago first */
    size_t n_refused;
};

static inline uint32_t batch_n_sequences(const struct producer_batch *b)
{
    return (((uint32_t)b->last_sequence - (uint32_t)b->first_sequence) & SEQUENCE_MASK) + 1;
}

static inline int32_t sequence_add(int32_t sequence, uint32_t n)
{
    return (int32_t)(((uint32_t)sequence + n) & SEQUENCE_MASK);
}

/* How far `sequence` lies behind `last`. */
static inline uint32_t sequence_behind(int32_t sequence, int32_t last)
{
    return ((uint32_t)last - (uint32_t)sequence) & SEQUENCE_MASK;
}

static inline bool producer_is_applied(const struct producer *p)
{
    return list_is_linked(&p->applied_link);
}

/* Somewhat smaller at most, as sequences wrap. */
static inline bool sequence_is_at_or_before(int32_t sequence, int32_t other)
{
    return sequence_behind(sequence, other) < RUN_MAX;
}

/* Of two batches that were refused it is the first one, or of a later epoch, where the other doesn't count any more. */
static inline bool producer_comes_before(int16_t epoch, int32_t sequence, int16_t other_epoch, int32_t other_sequence)
{
    return epoch == other_epoch ? sequence_is_at_or_before(sequence, other_sequence) : epoch > other_epoch;
}

struct producer *producer_find(const struct producer_state *s, int64_t id);
/* Adds a producer without any state. */
struct producer *producer_add(struct producer_state *s, int64_t id);
/* Makes it the last used one. */
void producer_touch(struct producer_state *s, struct producer *p, uint64_t position);
/* Forgets the longest unused above the cap. */
void producer_evict(struct producer_state *s);
