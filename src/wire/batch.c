/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/batch.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"

/* Length, attributes, two deltas, key and value length, header count: a byte each. */
#define RECORD_MIN_SIZE 7

static const struct {
    enum kafka_error code;
    const char *text;
} errors[] = {
#define ERROR_ENTRY(name, kafka_name, error_text) { KAFKA_E_##kafka_name, (error_text) },
    BATCH_ERRORS(ERROR_ENTRY)
#undef ERROR_ENTRY
};

enum kafka_error batch_error_code(int e)
{
    gq_assert(e > BATCH_E_FIRST_ && e < BATCH_E_END_);
    return errors[e - BATCH_E_FIRST_ - 1].code;
}

const char *batch_error_text(int e)
{
    gq_assert(e > BATCH_E_FIRST_ && e < BATCH_E_END_);
    return errors[e - BATCH_E_FIRST_ - 1].text;
}

static void view_fill(struct batch_view *v, const uint8_t *data, size_t size)
{
    const struct batch_header *h = (const struct batch_header *)data;

    *v = (struct batch_view){
        .data = data,
        .size = size,
        .base_offset = (int64_t)load_be64(h->base_offset),
        .leader_epoch = (int32_t)load_be32(h->leader_epoch),
        .crc = load_be32(h->crc),
        .attributes = load_be16(h->attributes),
        .last_offset_delta = (int32_t)load_be32(h->last_offset_delta),
        .base_timestamp = (int64_t)load_be64(h->base_timestamp),
        .max_timestamp = (int64_t)load_be64(h->max_timestamp),
        .producer_id = (int64_t)load_be64(h->producer_id),
        .producer_epoch = (int16_t)load_be16(h->producer_epoch),
        .base_sequence = (int32_t)load_be32(h->base_sequence),
        .count = (int32_t)load_be32(h->count),
        .records = slice_make(data + BATCH_HEADER_SIZE, size - BATCH_HEADER_SIZE),
    };
}

enum batch_error batch_parse(const void *data, size_t size, struct batch_view *ret_view)
{
    const struct batch_header *h = data;
    int32_t length;

    /* The magic comes first: older formats have shorter headers, and lengths that mean something else. */
    if (size <= offsetof(struct batch_header, magic))
        return BATCH_E_TRUNCATED;
    if (h->magic[0] != BATCH_MAGIC)
        return BATCH_E_MAGIC;
    length = (int32_t)load_be32(h->length);
    if (length < BATCH_HEADER_SIZE - BATCH_LENGTH_END)
        return BATCH_E_LENGTH;
    if (size - BATCH_LENGTH_END < (size_t)length)
        return BATCH_E_TRUNCATED;
    view_fill(ret_view, data, (size_t)length + BATCH_LENGTH_END);
    return BATCH_OK;
}

enum batch_error batch_parse_only(struct slice records, struct batch_view *ret_view)
{
    struct batch_view v;
    enum batch_error e;

    if (records.size == 0)
        return BATCH_E_NONE;
    e = batch_parse(records.data, records.size, &v);
    if (e != BATCH_OK)
        return e;
    if (v.size != records.size)
        return BATCH_E_SEVERAL;
    *ret_view = v;
    return BATCH_OK;
}

bool batch_crc_ok(const struct batch_view *v)
{
    return crc32c(0, v->data + BATCH_CRC_START, v->size - BATCH_CRC_START) == v->crc;
}

static enum batch_error check_attributes(const struct batch_view *v, const struct batch_limits *limits)
{
    if (batch_codec(v) > BATCH_CODEC_ZSTD)
        return BATCH_E_CODEC;
    if (batch_codec(v) == BATCH_CODEC_ZSTD && limits->refuse_zstd)
        return BATCH_E_ZSTD;
    if (!limits->from_client)
        return BATCH_OK;
    if (v->attributes & BATCH_ATTR_CONTROL)
        return BATCH_E_CONTROL;
    if (v->attributes & BATCH_ATTR_APPEND_TIME)
        return BATCH_E_APPEND_TIME;
    if (v->attributes & BATCH_ATTR_RESERVED)
        return BATCH_E_RESERVED;
    return BATCH_OK;
}

static enum batch_error check_counts(const struct batch_view *v)
{
    if (v->count <= 0)
        return BATCH_E_COUNT;
    if ((int64_t)v->last_offset_delta + 1 != v->count)
        return BATCH_E_OFFSETS;
    if (batch_codec(v) == BATCH_CODEC_NONE && v->records.size / RECORD_MIN_SIZE < (size_t)v->count)
        return BATCH_E_RECORDS_SIZE;
    return BATCH_OK;
}

static enum batch_error check_producer(const struct batch_view *v)
{
    if (v->producer_id == BATCH_NO_PRODUCER_ID)
        return v->attributes & BATCH_ATTR_TRANSACTIONAL ? BATCH_E_TRANSACTIONAL : BATCH_OK;
    if (v->producer_id < 0)
        return BATCH_E_PRODUCER_ID;
    /* A control batch has a producer, but no place in its sequence. */
    if (v->producer_epoch < 0 || (v->base_sequence < 0 && !(v->attributes & BATCH_ATTR_CONTROL)))
        return BATCH_E_SEQUENCE;
    return BATCH_OK;
}

enum batch_error batch_check(const struct batch_view *v, const struct batch_limits *limits)
{
    enum batch_error e;

    if (v->size > limits->max_size)
        return BATCH_E_TOO_LARGE;
    if (!batch_crc_ok(v))
        return BATCH_E_CRC;
    e = check_attributes(v, limits);
    if (e == BATCH_OK)
        e = check_counts(v);
    if (e == BATCH_OK)
        e = check_producer(v);
    return e;
}

void batch_iter_init(struct batch_iter *it, const void *data, size_t size)
{
    it->p = data;
    it->end = it->p + size;
    it->error = BATCH_OK;
}

bool batch_next(struct batch_iter *it, struct batch_view *ret_view)
{
    if (it->error != BATCH_OK || it->p == it->end)
        return false;
    it->error = batch_parse(it->p, (size_t)(it->end - it->p), ret_view);
    if (it->error != BATCH_OK)
        return false;
    it->p += ret_view->size;
    return true;
}

void batch_set_base_offset(uint8_t *data, int64_t base_offset)
{
    store_be64(((struct batch_header *)data)->base_offset, (uint64_t)base_offset);
}

void batch_set_leader_epoch(uint8_t *data, int32_t leader_epoch)
{
    store_be32(((struct batch_header *)data)->leader_epoch, (uint32_t)leader_epoch);
}

void batch_set_append_time(uint8_t *data, size_t size, int64_t append_time_ms)
{
    struct batch_header *h = (struct batch_header *)data;
    const size_t changed = offsetof(struct batch_header, producer_id) - BATCH_CRC_START;
    uint32_t before, after;

    gq_assert(size >= BATCH_HEADER_SIZE);
    before = crc32c(0, data + BATCH_CRC_START, changed);
    store_be16(h->attributes, load_be16(h->attributes) | BATCH_ATTR_APPEND_TIME);
    store_be64(h->max_timestamp, (uint64_t)append_time_ms);
    after = crc32c(0, data + BATCH_CRC_START, changed);

    /* With X and Y as the changed part before and after and R the rest, crc(XR) = shift(crc(X)) ^ crc(R), so
     * crc(YR) = shift(crc(X) ^ crc(Y)) ^ crc(XR), which is what combine does. */
    store_be32(h->crc, crc32c_combine(before ^ after, load_be32(h->crc), size - BATCH_CRC_START - changed));
}
