/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/primitives.h"

#include <assert.h>
#include <string.h>

#include "base/endian.h"
#include "base/util.h"
#include "base/varint.h"

static_assert(sizeof(double) == 8, "float64 is a double");

const uint8_t wire_elsewhere_mark[1];

/* The length or count of a compact type: -1 is null. */
static int64_t get_compact_length(struct rd *r)
{
    return (int64_t)rd_uvarint32(r) - 1;
}

static struct slice get_slice(struct rd *r, int64_t size, int64_t max_size, bool nullable)
{
    const uint8_t *data;

    if (size == -1 && nullable && r->error == 0)
        return SLICE_NULL;
    if (size < 0 || size > max_size) {
        rd_fail(r, -EBADMSG);
        return SLICE_NULL;
    }
    data = rd_bytes(r, (size_t)size);
    return data != NULL ? slice_make(data, (size_t)size) : SLICE_NULL;
}

struct slice wire_get_string(struct rd *r, bool compact, bool nullable)
{
    int64_t size = compact ? get_compact_length(r) : (int16_t)rd_be16(r);

    return get_slice(r, size, WIRE_STRING_MAX_SIZE, nullable);
}

struct slice wire_get_bytes(struct rd *r, bool compact, bool nullable)
{
    int64_t size = compact ? get_compact_length(r) : (int32_t)rd_be32(r);

    return get_slice(r, size, INT32_MAX, nullable);
}

double wire_get_float64(struct rd *r)
{
    uint64_t bits = rd_be64(r);
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

struct uuid wire_get_uuid(struct rd *r)
{
    const uint8_t *data = rd_bytes(r, sizeof(struct uuid));
    struct uuid u = { 0 };

    if (data != NULL)
        memcpy(u.bytes, data, sizeof(u.bytes));
    return u;
}

int32_t wire_get_count(struct rd *r, bool compact, bool nullable, size_t min_size)
{
    int64_t n = compact ? get_compact_length(r) : (int32_t)rd_be32(r);

    if (r->error != 0)
        return 0;
    if (n == -1 && nullable)
        return -1;
    if (n < 0 || n > INT32_MAX || (uint64_t)n > rd_left(r) / min_size) {
        rd_fail(r, -EBADMSG);
        return 0;
    }
    return (int32_t)n;
}

void *wire_get_array(struct rd *r, struct arena *a, int32_t n, size_t element_size)
{
    size_t size;
    void *p;

    if (n <= 0 || r->error != 0)
        return NULL;
    p = mul_overflows((size_t)n, element_size, &size) ? NULL : arena_alloc(a, size);
    if (p == NULL)
        rd_fail(r, -ENOMEM);
    return p;
}

bool wire_get_presence(struct rd *r)
{
    int8_t v = (int8_t)rd_u8(r);

    if (v != 1 && v != -1)
        rd_fail(r, -EBADMSG);
    return v == 1;
}

void wire_tags_begin(struct wire_tags *t, struct rd *r)
{
    t->from = r;
    t->n_left = rd_uvarint32(r);
    t->tag = 0;
    t->is_first = true;
    rd_init(&t->value, r->p, 0);
}

bool wire_tags_next(struct wire_tags *t)
{
    uint32_t tag, size;
    const uint8_t *data;

    if (t->from->error != 0 || t->n_left == 0)
        return false;
    tag = rd_uvarint32(t->from);
    size = rd_uvarint32(t->from);
    data = rd_bytes(t->from, size);
    if (data == NULL)
        return false;
    if (!t->is_first && tag <= t->tag) {
        rd_fail(t->from, -EBADMSG);
        return false;
    }
    t->is_first = false;
    t->tag = tag;
    t->n_left--;
    rd_init(&t->value, data, size);
    return true;
}

void wire_tag_end(struct wire_tags *t)
{
    if (t->value.error != 0)
        rd_fail(t->from, t->value.error);
    else if (rd_left(&t->value) != 0)
        rd_fail(t->from, -EBADMSG);
}

void wire_skip_tags(struct rd *r)
{
    struct wire_tags t;

    for (wire_tags_begin(&t, r); wire_tags_next(&t);)
        ;
}

/* Writes a length or count; false after an error. */
static bool put_length(struct wr *w, int64_t n, bool compact, bool is_short)
{
    if (compact)
        wr_uvarint(w, (uint64_t)(n + 1));
    else if (is_short)
        wr_be16(w, (uint16_t)n);
    else
        wr_be32(w, (uint32_t)n);
    return w->error == 0;
}

static void put_slice(struct wr *w, struct slice s, size_t max_size, bool compact, bool nullable, bool is_short)
{
    if (slice_is_null(s)) {
        if (nullable)
            put_length(w, -1, compact, is_short);
        else
            wr_fail(w, -EPROTO);
        return;
    }
    if (s.size > max_size || wire_records_are_elsewhere(s)) {
        wr_fail(w, -EPROTO);
        return;
    }
    if (put_length(w, (int64_t)s.size, compact, is_short))
        wr_bytes(w, s.data, s.size);
}

void wire_put_string(struct wr *w, struct slice s, bool compact, bool nullable)
{
    put_slice(w, s, WIRE_STRING_MAX_SIZE, compact, nullable, true);
}

void wire_put_bytes(struct wr *w, struct slice s, bool compact, bool nullable)
{
    put_slice(w, s, INT32_MAX, compact, nullable, false);
}

void wire_put_records(struct wr *w, const struct slice *s, bool compact, bool nullable, struct wire_gaps *gaps)
{
    if (gaps == NULL || !wire_records_are_elsewhere(*s)) {
        wire_put_bytes(w, *s, compact, nullable);
        return;
    }
    if (s->size > INT32_MAX || (s->size > 0 && gaps->n == gaps->max)) {
        wr_fail(w, -EPROTO);
        return;
    }
    if (!put_length(w, (int64_t)s->size, compact, false) || s->size == 0)
        return;
    gaps->list[gaps->n++] = (struct wire_gap){ .at = wr_size(w), .size = s->size, .records = s };
    gaps->bytes += s->size;
}

void wire_put_float64(struct wr *w, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    wr_be64(w, bits);
}

void wire_put_uuid(struct wr *w, const struct uuid *u)
{
    wr_bytes(w, u->bytes, sizeof(u->bytes));
}

void wire_put_count(struct wr *w, int32_t n, bool compact, bool nullable)
{
    if (n < 0 && !nullable)
        wr_fail(w, -EPROTO);
    else
        put_length(w, n < 0 ? -1 : n, compact, false);
}

bool wire_put_presence(struct wr *w, bool is_present, bool nullable)
{
    if (nullable)
        wr_u8(w, is_present ? 1 : UINT8_MAX);
    else if (!is_present)
        wr_fail(w, -EPROTO);
    return is_present;
}

size_t wire_put_tag_begin(struct wr *w, uint32_t tag)
{
    wr_uvarint(w, tag);
    wr_u8(w, 0); /* the size; most fit into one byte */
    return wr_size(w);
}

void wire_put_tag_end(struct wr *w, size_t at)
{
    size_t size, extra;

    if (w->error != 0)
        return;
    size = wr_size(w) - at;
    extra = varint_size(size) - 1;
    if (extra > 0) {
        if (wr_reserve(w, extra) == NULL)
            return;
        memmove(w->start + at + extra, w->start + at, size);
    }
    varint_put(w->start + at - 1, size);
}
