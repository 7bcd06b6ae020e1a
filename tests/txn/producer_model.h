/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Producer state as plainly as it can be said: the whole log in an array, every question answered by walking it. */

#include <stddef.h>
#include <stdint.h>

#include "txn/producer.h"

#define MODEL_MAX_BATCHES 4096
#define MODEL_MAX_IDS 8 /* 0 and on */

struct model_batch {
    int64_t id;
    int16_t epoch;
    int32_t first, count;
    uint64_t index;
    int64_t offset, append_time, max_timestamp;
    bool evicted; /* its id was forgotten after it */
};

/* The earliest of an id without state that was refused. */
struct model_refused {
    bool is;
    int16_t epoch;
    int32_t first;
};

struct model {
    size_t max_producers;
    struct model_refused refused[MODEL_MAX_IDS];
    struct model_batch log[MODEL_MAX_BATCHES];
    size_t n, n_applied;
};

/* Adds a proposed batch, in log order. */
void model_propose(struct model *m, const struct model_batch *b);
/* Applies the oldest proposed one. */
void model_apply(struct model *m);
void model_truncate(struct model *m, uint64_t from_index);
/* What only memory has is gone. */
void model_restart(struct model *m);
struct producer_verdict model_check(const struct model *m, int64_t id, int16_t epoch, int32_t first, int32_t count);
/* Ids with applied state. */
size_t model_count(const struct model *m);
