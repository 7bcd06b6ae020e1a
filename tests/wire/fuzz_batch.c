/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/fuzz.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "wire/batch.h"
#include "wire/inflate.h"
#include "wire/record_stream.h"
#include "wire/records.h"

/* Record batches of any bytes: what a broker patches keeps the rest and the checksum; inflating keeps its limits; a
 * walk of the compressed records and one of the inflated ones see the same; look-ups by time find what a walk finds.
 *
 *   input = flags u8 | batches
 *   flags: 1 put the first batch's length right, 2 its checksum, 4 not from a client, 8 zstd is refused */

enum flags {
    FIX_LENGTH = 1,
    FIX_CRC = 2,
    NOT_FROM_CLIENT = 4,
    REFUSE_ZSTD = 8,
};

static const struct inflate_limits limits = { .max_output = 1 << 20, .max_ratio = 200 };

static void put_right(uint8_t *data, size_t size, uint8_t flags)
{
    struct batch_header *h = (struct batch_header *)data;

    if (size < BATCH_HEADER_SIZE)
        return;
    if ((flags & FIX_LENGTH) != 0)
        store_be32(h->length, (uint32_t)(size - BATCH_LENGTH_END));
    if ((flags & FIX_CRC) != 0) {
        size_t end = MIN(size, (size_t)load_be32(h->length) + BATCH_LENGTH_END);

        if (end > BATCH_CRC_START)
            store_be32(h->crc, crc32c(0, data + BATCH_CRC_START, end - BATCH_CRC_START));
    }
}

/* Batches that lie back to back cover the bytes up to an error, or all. */
static void walk_batches(const uint8_t *data, size_t size)
{
    struct batch_iter it;
    struct batch_view v;
    const uint8_t *at = data;

    batch_iter_init(&it, data, size);
    while (batch_next(&it, &v)) {
        gq_assert(v.data == at && v.size >= BATCH_HEADER_SIZE && v.size <= (size_t)(data + size - at));
        at += v.size;
    }
    gq_assert(it.p == at && (it.error != BATCH_OK || at == data + size));
}

static void patch(const struct batch_view *v)
{
    _cleanup_(freep) uint8_t *copy = memcpy(xmalloc(v->size), v->data, v->size);
    struct batch_view p;

    batch_set_base_offset(copy, 0x123456789a);
    batch_set_leader_epoch(copy, 77);
    gq_assert(batch_parse_only(slice_make(copy, v->size), &p) == BATCH_OK && batch_crc_ok(&p));
    gq_assert(p.base_offset == 0x123456789a && p.leader_epoch == 77 && p.attributes == v->attributes);
    gq_assert(memcmp(copy + BATCH_CRC_START, v->data + BATCH_CRC_START, v->size - BATCH_CRC_START) == 0);
    batch_set_append_time(copy, v->size, 1234567);
    gq_assert(batch_parse_only(slice_make(copy, v->size), &p) == BATCH_OK && batch_crc_ok(&p));
    gq_assert(p.max_timestamp == 1234567 && p.attributes == (v->attributes | BATCH_ATTR_APPEND_TIME));
    gq_assert(p.base_timestamp == v->base_timestamp && p.producer_id == v->producer_id && p.count == v->count);
    gq_assert(memcmp(p.records.data, v->records.data, v->records.size) == 0);
}

static void expect_same(const struct record *a, const struct record *b)
{
    gq_assert(a->timestamp_delta == b->timestamp_delta && a->offset_delta == b->offset_delta);
    gq_assert(slice_eq(a->key, b->key) && slice_eq(a->value, b->value) && a->n_headers == b->n_headers);
    gq_assert(slice_eq(a->headers, b->headers));
}

/* The largest timestamp, and the first record at or after half of it, by a plain walk. */
struct walked {
    bool ok; /* all records are sound and their times too */
    int64_t max_time, max_offset;
    int64_t target, found_offset;
};

static void look_at(struct walked *w, const struct batch_view *v, const struct record *rec)
{
    int64_t time, offset = (int64_t)((uint64_t)v->base_offset + (uint64_t)(int64_t)rec->offset_delta);

    if (!record_timestamp(v, rec, &time)) {
        w->ok = false;
        return;
    }
    if (w->max_offset < 0 || time > w->max_time) {
        w->max_time = time;
        w->max_offset = offset;
    }
    if (w->found_offset < 0 && time >= w->target)
        w->found_offset = offset;
}

static void walk_records(const struct batch_view *v, struct slice plain, struct record_scratch *scratch,
                         struct walked *w)
{
    struct record_stream s;
    struct records_iter it;
    struct record a, b;

    if (record_stream_init(&s, v, scratch) != 0)
        return;
    records_iter_init(&it, plain, v->count);
    while (record_stream_next(&s, &a)) {
        gq_assert(records_next(&it, &b));
        expect_same(&a, &b);
        look_at(w, v, &a);
    }
    gq_assert((s.error == 0) == (!records_next(&it, &b) && it.error == BATCH_OK));
    w->ok &= s.error == 0;
    record_stream_fini(&s);
}

static void look_up(const struct batch_view *v, struct record_scratch *scratch, const struct walked *w)
{
    int64_t offset, time;
    int r = batch_find_timestamp(v, w->target, scratch, &offset, &time);

    if (!w->ok || (v->attributes & BATCH_ATTR_APPEND_TIME) != 0 || v->base_offset < 0 || v->base_offset > INT32_MAX)
        return;
    gq_assert(r == 0 && offset == (v->max_timestamp >= w->target ? w->found_offset : -1));
    gq_assert(offset < 0 || time >= w->target);
    gq_assert(batch_max_timestamp_offset(v, scratch, &offset, &time) == 0);
    gq_assert(offset == w->max_offset && time == w->max_time);
}

static void check_records(const struct batch_view *v)
{
    struct records_limits records_limits = { .base_timestamp = v->base_timestamp };
    struct walked w = { .ok = true, .max_offset = -1, .found_offset = -1, .target = v->base_timestamp };
    struct record_scratch scratch;
    struct slice plain = v->records;
    int32_t index = -1;
    struct wr out;

    wr_init_growing(&out, 256, 2 << 20);
    if (batch_codec(v) != BATCH_CODEC_NONE) {
        if (inflate_all(batch_codec(v), v->records, &limits, &out) != 0) {
            wr_fini(&out);
            return;
        }
        plain = slice_make(out.start, wr_size(&out));
        gq_assert(plain.size <= limits.max_output);
    }
    if (records_check(plain, v->count, &records_limits, &index) != BATCH_OK) {
        gq_assert(index >= 0 && index <= v->count);
        w.ok = false;
    }
    record_scratch_init(&scratch, &limits);
    walk_records(v, plain, &scratch, &w);
    look_up(v, &scratch, &w);
    record_scratch_fini(&scratch);
    wr_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(freep) uint8_t *copy = NULL;
    struct batch_limits batch_limits = { .max_size = 1 << 20 };
    struct batch_view v;

    if (size == 0)
        return 0;
    copy = memcpy(xmalloc(size), data + 1, size - 1);
    put_right(copy, size - 1, data[0]);
    walk_batches(copy, size - 1);
    if (batch_parse_only(slice_make(copy, size - 1), &v) != BATCH_OK)
        return 0;
    batch_limits.from_client = (data[0] & NOT_FROM_CLIENT) == 0;
    batch_limits.refuse_zstd = (data[0] & REFUSE_ZSTD) != 0;
    if (batch_check(&v, &batch_limits) != BATCH_OK)
        return 0;
    gq_assert(batch_crc_ok(&v) && v.count > 0 && v.last_offset_delta == v.count - 1);
    patch(&v);
    check_records(&v);
    return 0;
}
