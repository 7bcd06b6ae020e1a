/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cursor.h"

#include "base/util.h"

#define MIN_GROWTH 64

void rd_fail(struct rd *r, int err)
{
    gq_assert(err < 0);
    if (r->error == 0)
        r->error = err;
}

const uint8_t *rd_bytes(struct rd *r, size_t n)
{
    const uint8_t *p = r->p;

    if (rd_lacks_(r, n)) {
        rd_fail(r, -EBADMSG);
        return NULL;
    }
    r->p += n;
    return p;
}

void rd_skip(struct rd *r, size_t n)
{
    if (rd_lacks_(r, n))
        rd_fail(r, -EBADMSG);
    else
        r->p += n;
}

uint32_t rd_uvarint32(struct rd *r)
{
    uint32_t v = 0;
    size_t n;

    if (r->error != 0)
        return 0;
    n = varint_get32(r->p, r->end, &v);
    if (n == 0)
        rd_fail(r, -EBADMSG);
    r->p += n;
    return v;
}

uint64_t rd_uvarint64(struct rd *r)
{
    uint64_t v = 0;
    size_t n;

    if (r->error != 0)
        return 0;
    n = varint_get64(r->p, r->end, &v);
    if (n == 0)
        rd_fail(r, -EBADMSG);
    r->p += n;
    return v;
}

int32_t rd_varint32(struct rd *r)
{
    return (int32_t)zigzag_decode(rd_uvarint32(r));
}

int64_t rd_varint64(struct rd *r)
{
    return zigzag_decode(rd_uvarint64(r));
}

void wr_init_fixed(struct wr *w, void *data, size_t size)
{
    w->start = w->p = data;
    w->end = w->p + size;
    w->grows = false;
    w->limit = size;
    w->error = 0;
}

void wr_init_growing(struct wr *w, size_t initial, size_t limit)
{
    *w = (struct wr){ .grows = true, .limit = limit };
    if (initial == 0)
        return;
    initial = MIN(initial, limit);
    w->start = w->p = malloc(MAX(initial, (size_t)1));
    if (w->start == NULL)
        w->error = -ENOMEM;
    else
        w->end = w->start + initial;
}

void wr_fini(struct wr *w)
{
    if (w->grows)
        free(w->start);
    w->start = w->p = w->end = NULL;
}

void wr_reset(struct wr *w)
{
    w->p = w->start;
    w->error = 0;
}

void wr_fail(struct wr *w, int err)
{
    gq_assert(err < 0);
    if (w->error == 0)
        w->error = err;
}

static size_t grown_size(const struct wr *w, size_t needed)
{
    size_t doubled = (size_t)(w->end - w->start) * 2;

    return MIN(MAX(MAX(needed, doubled), (size_t)MIN_GROWTH), w->limit);
}

uint8_t *wr_reserve_slow_(struct wr *w, size_t n)
{
    size_t size = wr_size(w), room;
    uint8_t *start;

    if (w->error != 0)
        return NULL;
    if (!w->grows || n > w->limit - size) {
        wr_fail(w, -ENOBUFS);
        return NULL;
    }
    room = grown_size(w, size + n);
    start = realloc(w->start, MAX(room, (size_t)1));
    if (start == NULL) {
        wr_fail(w, -ENOMEM);
        return NULL;
    }
    w->start = start;
    w->p = start + size + n;
    w->end = start + room;
    return start + size;
}

uint8_t *wr_take(struct wr *w, size_t *ret_size)
{
    uint8_t *data;
    size_t size = wr_size(w);

    gq_assert(w->grows);
    if (w->error == 0 && w->start == NULL)
        wr_reserve(w, 0); /* nothing written still gives memory to free */
    data = w->error == 0 ? w->start : NULL;
    if (data != NULL)
        *ret_size = size;
    else
        free(w->start);
    wr_init_growing(w, 0, w->limit);
    return data;
}

void wr_bytes(struct wr *w, const void *data, size_t n)
{
    uint8_t *p = wr_reserve(w, n);

    if (p != NULL && n > 0)
        memcpy(p, data, n);
}

void wr_uvarint(struct wr *w, uint64_t v)
{
    uint8_t *p = wr_reserve(w, varint_size(v));

    if (p != NULL)
        varint_put(p, v);
}

void wr_varint(struct wr *w, int64_t v)
{
    wr_uvarint(w, zigzag_encode(v));
}
