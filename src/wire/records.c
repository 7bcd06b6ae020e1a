/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/records.h"

#include "base/util.h"

/* Nearly all varints in records are of one to three bytes. */
static inline bool rd_short_varint(struct rd *r, int32_t *ret)
{
    const uint8_t *p = r->p;
    uint32_t v;
    size_t n;

    if (unlikely(r->error != 0 || rd_left(r) < 3))
        return false;
    if (p[0] < 0x80) {
        v = p[0];
        n = 1;
    } else if (p[1] < 0x80) {
        v = (p[0] & 0x7fu) | (uint32_t)p[1] << 7;
        n = 2;
    } else if (p[2] < 0x80) {
        v = (p[0] & 0x7fu) | (p[1] & 0x7fu) << 7 | (uint32_t)p[2] << 14;
        n = 3;
    } else {
        return false;
    }
    r->p += n;
    *ret = (int32_t)zigzag_decode(v);
    return true;
}

static inline int64_t rd_fast_varint64(struct rd *r)
{
    int32_t v;

    return rd_short_varint(r, &v) ? v : rd_varint64(r);
}

static inline int32_t rd_fast_varint32(struct rd *r)
{
    int32_t v;

    return rd_short_varint(r, &v) ? v : rd_varint32(r);
}

/* A nullable byte string with a varint length. */
static inline struct slice rd_var_bytes(struct rd *r)
{
    int32_t size = rd_fast_varint32(r);
    const uint8_t *p;

    if (size == -1)
        return SLICE_NULL;
    if (size < 0) {
        rd_fail(r, -EBADMSG);
        return SLICE_NULL;
    }
    p = rd_bytes(r, (size_t)size);
    return p != NULL ? slice_make(p, (size_t)size) : SLICE_NULL;
}

static struct record_header rd_header(struct rd *r)
{
    struct record_header h;

    h.key = rd_var_bytes(r);
    if (slice_is_null(h.key))
        rd_fail(r, -EBADMSG);
    h.value = rd_var_bytes(r);
    return h;
}

enum batch_error record_decode(struct slice body, struct record *ret_record)
{
    struct record rec;
    struct rd r;

    rd_init(&r, body.data, body.size);
    rd_u8(&r); /* attributes: none has a meaning */
    rec.timestamp_delta = rd_fast_varint64(&r);
    rec.offset_delta = rd_fast_varint32(&r);
    rec.key = rd_var_bytes(&r);
    rec.value = rd_var_bytes(&r);
    rec.n_headers = rd_fast_varint32(&r);
    if (rec.n_headers < 0)
        return BATCH_E_RECORD;
    rec.headers = slice_make(r.p, rd_left(&r));
    for (int32_t i = 0; i < rec.n_headers && r.error == 0; i++)
        rd_header(&r);
    if (r.error != 0 || rd_left(&r) != 0)
        return BATCH_E_RECORD;
    *ret_record = rec;
    return BATCH_OK;
}

void records_iter_init(struct records_iter *it, struct slice records, int32_t count)
{
    rd_init(&it->r, records.data, records.size);
    it->index = 0;
    it->count = count;
    it->error = BATCH_OK;
}

bool records_next(struct records_iter *it, struct record *ret_record)
{
    struct slice body;

    if (it->error != BATCH_OK)
        return false;
    if (it->index >= it->count) {
        if (rd_left(&it->r) != 0)
            it->error = BATCH_E_RECORD;
        return false;
    }
    body = rd_var_bytes(&it->r);
    it->error = slice_is_null(body) ? BATCH_E_RECORD : record_decode(body, ret_record);
    if (it->error != BATCH_OK)
        return false;
    it->index++;
    return true;
}

void record_headers_init(struct rd *r, const struct record *record)
{
    rd_init(r, record->headers.data, record->headers.size);
}

bool record_headers_next(struct rd *r, struct record_header *ret_header)
{
    struct record_header h;

    if (rd_left(r) == 0)
        return false;
    h = rd_header(r);
    if (r->error != 0)
        return false;
    *ret_header = h;
    return true;
}

bool record_find_header(const struct record *record, const char *key, struct record_header *ret_header)
{
    struct record_header h;
    struct rd r;

    record_headers_init(&r, record);
    while (record_headers_next(&r, &h))
        if (slice_eq_str(h.key, key)) {
            *ret_header = h;
            return true;
        }
    return false;
}

enum batch_error records_check(struct slice records, int32_t count, const struct records_limits *limits,
                               int32_t *ret_index)
{
    enum batch_error e = BATCH_OK;
    struct records_iter it;
    struct record rec;
    int64_t timestamp;

    records_iter_init(&it, records, count);
    while (e == BATCH_OK && records_next(&it, &rec)) {
        if (rec.offset_delta != it.index - 1)
            e = BATCH_E_RECORD_OFFSET;
        else if (add_overflows(limits->base_timestamp, rec.timestamp_delta, &timestamp))
            e = BATCH_E_RECORD_TIMESTAMP;
        else if (limits->need_keys && slice_is_null(rec.key))
            e = BATCH_E_RECORD_KEY;
    }
    if (e != BATCH_OK)
        *ret_index = it.index - 1;
    else if (it.error != BATCH_OK)
        *ret_index = it.index < count ? it.index : MAX(count - 1, 0);
    return e != BATCH_OK ? e : it.error;
}

bool record_timestamp(const struct batch_view *v, const struct record *record, int64_t *ret_timestamp_ms)
{
    int64_t t;

    if (v->attributes & BATCH_ATTR_APPEND_TIME)
        t = v->max_timestamp;
    else if (add_overflows(v->base_timestamp, record->timestamp_delta, &t))
        return false;
    *ret_timestamp_ms = t;
    return true;
}
