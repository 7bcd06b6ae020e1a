/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/record_stream.h"

#include "base/util.h"
#include "base/varint.h"

#define CHUNK_SIZE (64 * 1024)

void record_scratch_init(struct record_scratch *s, const struct inflate_limits *limits)
{
    *s = (struct record_scratch){ .limits = *limits };
}

void record_scratch_fini(struct record_scratch *s)
{
    free(s->data);
    s->data = NULL;
    s->capacity = 0;
}

static int scratch_grow(struct record_scratch *s, size_t capacity)
{
    uint8_t *data;

    if (capacity <= s->capacity)
        return 0;
    data = realloc(s->data, capacity);
    if (data == NULL)
        return -ENOMEM;
    s->data = data;
    s->capacity = capacity;
    return 0;
}

int record_stream_init(struct record_stream *s, const struct batch_view *v, struct record_scratch *scratch)
{
    *s = (struct record_stream){ .scratch = scratch, .count = v->count };
    if (batch_codec(v) == BATCH_CODEC_NONE) {
        records_iter_init(&s->plain, v->records, v->count);
        return 0;
    }
    return inflater_new(batch_codec(v), v->records, &scratch->limits, &s->inflater);
}

void record_stream_fini(struct record_stream *s)
{
    inflater_free(TAKE_PTR(s->inflater));
}

/* Makes at least `needed` bytes from s->start on available, unless the end comes first. */
static int stream_fill(struct record_stream *s, size_t needed)
{
    struct record_scratch *scratch = s->scratch;
    size_t n;
    int r;

    if (s->end - s->start >= needed || s->ended)
        return 0;
    if (s->start > 0)
        memmove(scratch->data, scratch->data + s->start, s->end - s->start);
    s->end -= s->start;
    s->start = 0;
    r = scratch_grow(scratch, MAX(needed, (size_t)CHUNK_SIZE));
    if (r != 0)
        return r;
    r = inflater_read(s->inflater, scratch->data + s->end, scratch->capacity - s->end, &n);
    if (r != 0)
        return r;
    s->ended = n < scratch->capacity - s->end;
    s->end += n;
    return 0;
}

/* The next record's bytes behind its length. */
static int stream_body(struct record_stream *s, struct slice *ret_body)
{
    const struct record_scratch *scratch = s->scratch;
    const uint8_t *p;
    int32_t body_size;
    uint32_t length;
    size_t n;
    int r;

    r = stream_fill(s, VARINT32_MAX_SIZE);
    if (r != 0)
        return r;
    p = scratch->data + s->start;
    n = varint_get32(p, scratch->data + s->end, &length);
    body_size = (int32_t)zigzag_decode(length);
    if (n == 0 || body_size < 0)
        return BATCH_E_RECORD;
    if ((size_t)body_size > scratch->limits.max_output)
        return BATCH_E_INFLATED_SIZE;
    r = stream_fill(s, n + (size_t)body_size);
    if (r != 0)
        return r;
    if (s->end - s->start < n + (size_t)body_size)
        return BATCH_E_RECORD;
    *ret_body = slice_make(scratch->data + s->start + n, (size_t)body_size);
    s->start += n + (size_t)body_size;
    return 0;
}

static int stream_expect_end(struct record_stream *s)
{
    int r = stream_fill(s, 1);

    return r == 0 && s->end > s->start ? BATCH_E_RECORD : r;
}

bool record_stream_next(struct record_stream *s, struct record *ret_record)
{
    struct slice body;

    if (s->error != 0)
        return false;
    if (s->inflater == NULL) {
        bool more = records_next(&s->plain, ret_record);

        s->error = s->plain.error;
        return more;
    }
    if (s->index == s->count) {
        s->error = stream_expect_end(s);
        return false;
    }
    s->error = stream_body(s, &body);
    if (s->error == 0)
        s->error = record_decode(body, ret_record);
    if (s->error != 0)
        return false;
    s->index++;
    return true;
}

struct lookup {
    int64_t target_ms;
    bool first; /* stop at the first at or after the target, else keep the first of the largest */
    int64_t offset, timestamp_ms;
};

static int stream_lookup(struct record_stream *s, const struct batch_view *v, struct lookup *l)
{
    struct record rec;
    int64_t t;

    while (record_stream_next(s, &rec)) {
        if (!record_timestamp(v, &rec, &t))
            return BATCH_E_RECORD_TIMESTAMP;
        if (rec.offset_delta < 0 || rec.offset_delta > v->last_offset_delta)
            return BATCH_E_RECORD_OFFSET;
        if (l->first ? t < l->target_ms : l->offset != -1 && t <= l->timestamp_ms)
            continue;
        if (add_overflows(v->base_offset, rec.offset_delta, &l->offset))
            return BATCH_E_RECORD_OFFSET;
        l->timestamp_ms = t;
        if (l->first)
            return 0;
    }
    return s->error;
}

static int batch_lookup(const struct batch_view *v, struct record_scratch *scratch, struct lookup *l)
{
    struct record_stream s;
    int r = record_stream_init(&s, v, scratch);

    if (r != 0)
        return r;
    r = stream_lookup(&s, v, l);
    record_stream_fini(&s);
    return r;
}

int batch_find_timestamp(const struct batch_view *v, int64_t target_ms, struct record_scratch *scratch,
                         int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    struct lookup l = { .target_ms = target_ms, .first = true, .offset = -1, .timestamp_ms = -1 };
    int r = 0;

    if (v->max_timestamp >= target_ms && (v->attributes & BATCH_ATTR_APPEND_TIME)) {
        l.offset = v->base_offset;
        l.timestamp_ms = v->max_timestamp;
    } else if (v->max_timestamp >= target_ms) {
        r = batch_lookup(v, scratch, &l);
    }
    if (r != 0)
        return r;
    *ret_offset = l.offset;
    *ret_timestamp_ms = l.timestamp_ms;
    return 0;
}

int batch_max_timestamp_offset(const struct batch_view *v, struct record_scratch *scratch, int64_t *ret_offset,
                               int64_t *ret_timestamp_ms)
{
    struct lookup l = { .offset = -1, .timestamp_ms = -1 };
    int r = 0;

    if (v->attributes & BATCH_ATTR_APPEND_TIME) {
        l.offset = v->base_offset;
        l.timestamp_ms = v->max_timestamp;
    } else {
        r = batch_lookup(v, scratch, &l);
    }
    if (r != 0)
        return r;
    *ret_offset = l.offset;
    *ret_timestamp_ms = l.timestamp_ms;
    return 0;
}
