/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The records inside a batch, uncompressed: a bounded walk that copies nothing.
 *
 *   record = length varint | attributes i8 | timestamp delta varlong | offset delta varint
 *          | key length varint | key | value length varint | value | header count varint | headers
 *   header = key length varint | key | value length varint | value
 *
 * All varints are zigzag; a length of −1 is null (a header's key can't be null). */

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/slice.h"
#include "wire/batch.h"

struct record {
    int64_t timestamp_delta; /* ms, to the batch's base timestamp */
    int32_t offset_delta;    /* to its base offset */
    struct slice key, value; /* maybe null */
    int32_t n_headers;
    struct slice headers; /* encoded, already checked */
};

/* Walks `count` records that fill `records` exactly. Every length is checked against the record it is in; records
 * and headers with bytes left over are refused.
 *     records_iter_init(&it, records, count);
 *     while (records_next(&it, &record)) …
 *     if (it.error != BATCH_OK) … record number it.index is malformed, or bytes follow the last one */
struct records_iter {
    struct rd r;
    int32_t index; /* records given so far */
    int32_t count;
    enum batch_error error;
};

void records_iter_init(struct records_iter *it, struct slice records, int32_t count);
bool records_next(struct records_iter *it, struct record *ret_record);

/* Decodes one record that fills body exactly; body begins behind the length. */
enum batch_error record_decode(struct slice body, struct record *ret_record);

struct record_header {
    struct slice key;   /* never null */
    struct slice value; /* maybe null */
};

/* Walks the headers of a record that records_next() gave. */
void record_headers_init(struct rd *r, const struct record *record);
bool record_headers_next(struct rd *r, struct record_header *ret_header);

/* The first header with this key, as consumers that look for one do. */
bool record_find_header(const struct record *record, const char *key, struct record_header *ret_header);

struct records_limits {
    int64_t base_timestamp;
    bool need_keys; /* the topic is compacted */
};

/* Walks all records and checks that offset deltas count from 0, that timestamps don't overflow, and keys where they
 * are needed. On an error *ret_index is the record's number, for Produce's record_errors. */
enum batch_error records_check(struct slice records, int32_t count, const struct records_limits *limits,
                               int32_t *ret_index);

/* Timestamp of a record in its batch; false when the sum doesn't fit. */
bool record_timestamp(const struct batch_view *v, const struct record *record, int64_t *ret_timestamp_ms);
