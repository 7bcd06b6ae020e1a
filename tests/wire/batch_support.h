/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Batches for tests. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "wire/batch.h"
#include "wire/batch_builder.h"
#include "wire/records.h"

/* A batch of `count` records "k<i>" → "v<i>", at first_ms + i; the caller frees it. */
static inline uint8_t *test_batch(const struct batch_params *params, int count, int64_t first_ms, size_t *ret_size)
{
    struct batch_builder b;
    uint8_t *data = NULL;

    batch_builder_init(&b, params, 1 << 20);
    for (int i = 0; i < count; i++) {
        char key[16], value[16];

        snprintf(key, sizeof(key), "k%d", i);
        snprintf(value, sizeof(value), "v%d", i);
        ck_assert_int_eq(batch_builder_add(&b, first_ms + i, slice_str(key), slice_str(value), NULL, 0), 0);
    }
    ck_assert_int_eq(batch_builder_finish(&b, &data, ret_size), 0);
    return data;
}

static inline void test_batch_seal(uint8_t *data, size_t size)
{
    store_be32(((struct batch_header *)data)->crc, crc32c(0, data + BATCH_CRC_START, size - BATCH_CRC_START));
}

static inline struct batch_view test_view(const uint8_t *data, size_t size)
{
    struct batch_view v;

    ck_assert_int_eq(batch_parse(data, size, &v), BATCH_OK);
    return v;
}

/* A batch whose records section is `records`, which may be compressed; the caller frees it. */
static inline uint8_t *test_batch_of(struct slice records, unsigned codec, int32_t count, int64_t base_ms,
                                     int64_t max_ms, size_t *ret_size)
{
    size_t size = BATCH_HEADER_SIZE + records.size;
    uint8_t *data = calloc(1, size);
    struct batch_header *h = (struct batch_header *)data;

    store_be32(h->length, (uint32_t)(size - BATCH_LENGTH_END));
    h->magic[0] = BATCH_MAGIC;
    store_be16(h->attributes, (uint16_t)codec);
    store_be32(h->last_offset_delta, (uint32_t)(count - 1));
    store_be64(h->base_timestamp, (uint64_t)base_ms);
    store_be64(h->max_timestamp, (uint64_t)max_ms);
    store_be64(h->producer_id, UINT64_MAX);
    store_be16(h->producer_epoch, UINT16_MAX);
    store_be32(h->base_sequence, UINT32_MAX);
    store_be32(h->count, (uint32_t)count);
    memcpy(data + BATCH_HEADER_SIZE, records.data, records.size);
    test_batch_seal(data, size);
    *ret_size = size;
    return data;
}
