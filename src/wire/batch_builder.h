/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds one uncompressed batch: init, add, …, then finish or fini. For control batches, tools and tests. */

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/slice.h"
#include "wire/batch.h"
#include "wire/records.h"

struct batch_params {
    int64_t base_offset;
    int32_t leader_epoch;
    uint16_t attributes; /* BATCH_ATTR_APPEND_TIME, _TRANSACTIONAL, _CONTROL */
    int64_t producer_id; /* BATCH_NO_PRODUCER_ID, then epoch and sequence are −1 as well */
    int16_t producer_epoch;
    int32_t base_sequence;
};

#define BATCH_PARAMS_PLAIN \
    (struct batch_params) \
    { \
        .producer_id = BATCH_NO_PRODUCER_ID, .producer_epoch = BATCH_NO_PRODUCER_EPOCH, \
        .base_sequence = BATCH_NO_SEQUENCE \
    }

struct batch_builder {
    struct wr w;
    struct batch_params params;
    int64_t base_timestamp, max_timestamp;
    int32_t count;
};

/* The batch never gets larger than max_size, at most INT32_MAX. */
void batch_builder_init(struct batch_builder *b, const struct batch_params *params, size_t max_size);
void batch_builder_fini(struct batch_builder *b);

/* Adds a record; key and value may be null slices. The first record's timestamp is the base. Returns 0, -ENOBUFS
 * when the batch would get too large (it stays as it was), -ENOMEM, -EINVAL for a null header key or for a
 * timestamp too far from the base. */
int batch_builder_add(struct batch_builder *b, int64_t timestamp_ms, struct slice key, struct slice value,
                      const struct record_header *headers, size_t n_headers);

/* Fills in the header and gives the batch as malloc'd memory. Returns 0, -ENODATA without a record, or -ENOMEM. The
 * builder needs no fini afterwards. */
int batch_builder_finish(struct batch_builder *b, uint8_t **ret_data, size_t *ret_size);
