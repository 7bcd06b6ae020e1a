/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Kafka record batch v2 (KIP-98, "Record Batch" in the Kafka protocol guide).
 *
 * Views point into the caller's bytes and own nothing; any thread. The header is big-endian and unaligned:
 *
 *    0 base offset i64       16 magic i8 = 2             27 base timestamp i64 (ms)   51 producer epoch i16
 *    8 length i32            17 CRC-32C of 21..end u32   35 max timestamp i64 (ms)    53 base sequence i32
 *   12 leader epoch i32      21 attributes i16           43 producer id i64           57 record count i32
 *                            23 last offset delta i32                                 61 records
 *
 * The CRC leaves out what a broker patches in: base offset, length, leader epoch, magic. */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"
#include "wire/error.h"

struct batch_header {
    uint8_t base_offset[8];
    uint8_t length[4]; /* of all that follows this field */
    uint8_t leader_epoch[4];
    uint8_t magic[1];
    uint8_t crc[4];
    uint8_t attributes[2];
    uint8_t last_offset_delta[4];
    uint8_t base_timestamp[8];
    uint8_t max_timestamp[8];
    uint8_t producer_id[8];
    uint8_t producer_epoch[2];
    uint8_t base_sequence[4];
    uint8_t count[4];
};

#define BATCH_HEADER_SIZE 61
#define BATCH_LENGTH_END 12 /* what the length field doesn't count: offset and itself */
#define BATCH_CRC_START 21  /* first byte that the CRC covers */
#define BATCH_MAGIC 2

static_assert(sizeof(struct batch_header) == BATCH_HEADER_SIZE, "record batch v2 header");
static_assert(offsetof(struct batch_header, leader_epoch) == BATCH_LENGTH_END, "record batch v2 length");
static_assert(offsetof(struct batch_header, magic) == 16, "record batch magic");
static_assert(offsetof(struct batch_header, attributes) == BATCH_CRC_START, "record batch v2 checksum");
static_assert(offsetof(struct batch_header, max_timestamp) == 35, "record batch v2 max timestamp");
static_assert(offsetof(struct batch_header, count) == 57, "record batch v2 record count");

/* Attribute bits. */
#define BATCH_ATTR_CODEC 0x0007
#define BATCH_ATTR_APPEND_TIME 0x0008 /* every record's time is the max timestamp, given by the broker */
#define BATCH_ATTR_TRANSACTIONAL 0x0010
#define BATCH_ATTR_CONTROL 0x0020
#define BATCH_ATTR_RESERVED 0xffc0 /* bit 6 (delete horizon) is the broker's own, the others have no meaning yet */

enum batch_codec {
    BATCH_CODEC_NONE = 0,
    BATCH_CODEC_GZIP = 1,
    BATCH_CODEC_SNAPPY = 2,
    BATCH_CODEC_LZ4 = 3,
    BATCH_CODEC_ZSTD = 4,
};

#define BATCH_NO_PRODUCER_ID (-1)
#define BATCH_NO_PRODUCER_EPOCH (-1)
#define BATCH_NO_SEQUENCE (-1)
#define BATCH_NO_TIMESTAMP (-1)

/* What can be wrong with a batch: name, Kafka error code, reason. */
#define BATCH_ERRORS(X) \
    X(NONE, INVALID_RECORD, "no record batch where exactly one is due") \
    X(SEVERAL, INVALID_RECORD, "more than one record batch, or bytes after it") \
    X(TRUNCATED, CORRUPT_MESSAGE, "record batch ends early") \
    X(LENGTH, CORRUPT_MESSAGE, "record batch length is impossible") \
    X(MAGIC, INVALID_RECORD, "record batch magic is not 2") \
    X(TOO_LARGE, MESSAGE_TOO_LARGE, "record batch is larger than max.message.bytes") \
    X(CRC, CORRUPT_MESSAGE, "record batch checksum doesn't match") \
    X(CODEC, UNSUPPORTED_COMPRESSION_TYPE, "unknown compression codec") \
    X(ZSTD, UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce version 7 or later") \
    X(RESERVED, INVALID_RECORD, "reserved attribute bits are set") \
    X(CONTROL, INVALID_RECORD, "clients may not write control records") \
    X(APPEND_TIME, INVALID_TIMESTAMP, "clients may not set the timestamp type to LogAppendTime") \
    X(COUNT, INVALID_RECORD, "record count is not positive") \
    X(OFFSETS, INVALID_RECORD, "last offset delta and record count disagree") \
    X(RECORDS_SIZE, INVALID_RECORD, "more records are declared than fit") \
    X(PRODUCER_ID, INVALID_RECORD, "negative producer id other than -1") \
    X(SEQUENCE, INVALID_RECORD, "producer id without a sequence or epoch") \
    X(TRANSACTIONAL, INVALID_RECORD, "transactional records without a producer id") \
    X(RECORD, INVALID_RECORD, "malformed record") \
    X(RECORD_OFFSET, INVALID_RECORD, "record offset deltas don't count from 0") \
    X(RECORD_TIMESTAMP, INVALID_TIMESTAMP, "record timestamp is out of range") \
    X(RECORD_KEY, INVALID_RECORD, "record without a key for a compacted topic") \
    X(INFLATE, INVALID_RECORD, "compressed records can't be inflated") \
    X(INFLATED_SIZE, MESSAGE_TOO_LARGE, "compressed records inflate to more than the limit") \
    X(INFLATE_RATIO, INVALID_RECORD, "compressed records inflate beyond the allowed ratio")

/* BATCH_E_NONE, BATCH_E_SEVERAL, … */
enum batch_error {
    BATCH_OK = 0,
    BATCH_E_FIRST_ = ERROR_BASE_WIRE + 50 - 1,
#define BATCH_ERROR_ENUM_(name, code, text) BATCH_E_##name,
    BATCH_ERRORS(BATCH_ERROR_ENUM_)
#undef BATCH_ERROR_ENUM_
        BATCH_E_END_
};

/* The error's Kafka code and a short reason for logs and error messages. e is one of BATCH_E_*. */
enum kafka_error batch_error_code(int e);
const char *batch_error_text(int e);

struct batch_view {
    const uint8_t *data; /* the whole batch, header first */
    size_t size;         /* header and records */
    int64_t base_offset;
    int32_t leader_epoch;
    uint32_t crc;
    uint16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp, max_timestamp; /* ms */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;
    struct slice records; /* as stored: compressed when the codec says so */
};

static inline unsigned batch_codec(const struct batch_view *v)
{
    return v->attributes & BATCH_ATTR_CODEC;
}

static inline int64_t batch_last_offset(const struct batch_view *v)
{
    return (int64_t)((uint64_t)v->base_offset + (uint64_t)(int64_t)v->last_offset_delta);
}

/* Reads the header of the batch at the start of data; more may follow it. Checks only what the view needs to be
 * safe: the length and the magic. Returns BATCH_OK, or TRUNCATED, LENGTH or MAGIC. */
enum batch_error batch_parse(const void *data, size_t size, struct batch_view *ret_view);

/* The same where exactly one batch is due (each partition of a Produce request): also NONE and SEVERAL. */
enum batch_error batch_parse_only(struct slice records, struct batch_view *ret_view);

struct batch_limits {
    size_t max_size;  /* max.message.bytes; counts header and records as stored */
    bool refuse_zstd; /* Produce below version 7 */
    bool from_client; /* refuses what only a broker writes: control records, LogAppendTime, reserved bits */
};

/* Every check on a parsed batch that doesn't need its records; the CRC is computed once, here. What a damaged
 * transfer breaks is looked at first (size, CRC), so that only a sound batch gets an error that ends retries. */
enum batch_error batch_check(const struct batch_view *v, const struct batch_limits *limits);

/* Computes the CRC alone. */
bool batch_crc_ok(const struct batch_view *v);

/* Walks batches that lie back to back; a batch cut off at the end is an error.
 *     batch_iter_init(&it, data, size);
 *     while (batch_next(&it, &view)) …
 *     if (it.error != BATCH_OK) … at it.p */
struct batch_iter {
    const uint8_t *p, *end;
    enum batch_error error;
};

void batch_iter_init(struct batch_iter *it, const void *data, size_t size);
bool batch_next(struct batch_iter *it, struct batch_view *ret_view);

/* Patch a checked batch in place; data is its first byte. Base offset and leader epoch lie outside the CRC. */
void batch_set_base_offset(uint8_t *data, int64_t base_offset);
void batch_set_leader_epoch(uint8_t *data, int32_t leader_epoch);

/* Sets the timestamp type to LogAppendTime, and the max timestamp. The CRC is carried over by combining, not
 * computed again: it takes no pass over the records, and still speaks for the bytes that the producer sent. */
void batch_set_append_time(uint8_t *data, size_t size, int64_t append_time_ms);
