/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading and writing cursors with a sticky error: a run of calls is checked once at its end.
 *
 * rd_*: after an error every read gives zero and moves nothing. Slices point into the input (zero copy).
 * wr_*: either over a caller's fixed memory, or growing (malloc); after an error nothing is written. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endian.h"
#include "base/slice.h"
#include "base/varint.h"

struct rd {
    const uint8_t *start, *p, *end;
    int error; /* 0, or -EBADMSG: input too short or a malformed varint; decoders may set others */
};

static inline void rd_init(struct rd *r, const void *data, size_t size)
{
    r->start = r->p = data;
    r->end = r->p + size;
    r->error = 0;
}

static inline size_t rd_left(const struct rd *r)
{
    return (size_t)(r->end - r->p);
}

static inline size_t rd_offset(const struct rd *r)
{
    return (size_t)(r->p - r->start);
}

/* Keeps the first error; err is negative. */
void rd_fail(struct rd *r, int err);

/* n bytes in place, or NULL with the error set. */
const uint8_t *rd_bytes(struct rd *r, size_t n);
void rd_skip(struct rd *r, size_t n);

static inline bool rd_lacks_(const struct rd *r, size_t size)
{
    return __builtin_expect(r->error != 0 || rd_left(r) < size, 0);
}

static inline uint8_t load_u8_(const uint8_t *p)
{
    return *p;
}

#define DEFINE_RD_(name, type, size, load) \
    static inline type rd_##name(struct rd *r) \
    { \
        if (rd_lacks_(r, size)) { \
            rd_fail(r, -EBADMSG); \
            return 0; \
        } \
        type v = (type)load(r->p); \
        r->p += (size); \
        return v; \
    }

DEFINE_RD_(u8, uint8_t, 1, load_u8_)
DEFINE_RD_(be16, uint16_t, 2, load_be16)
DEFINE_RD_(be32, uint32_t, 4, load_be32)
DEFINE_RD_(be64, uint64_t, 8, load_be64)
DEFINE_RD_(le16, uint16_t, 2, load_le16)
DEFINE_RD_(le32, uint32_t, 4, load_le32)
DEFINE_RD_(le64, uint64_t, 8, load_le64)

uint32_t rd_uvarint32(struct rd *r);
uint64_t rd_uvarint64(struct rd *r);
int32_t rd_varint32(struct rd *r); /* zigzag */
int64_t rd_varint64(struct rd *r); /* zigzag */

struct wr {
    uint8_t *start, *p, *end;
    bool grows;   /* start was malloc'd by us and may move */
    size_t limit; /* a growing one never gets larger */
    int error;    /* 0, -ENOBUFS (fixed memory or limit is full), -ENOMEM */
};

void wr_init_fixed(struct wr *w, void *data, size_t size);
/* initial may be 0; limit bounds the size. Free with wr_fini() or keep the memory with wr_take(). */
void wr_init_growing(struct wr *w, size_t initial, size_t limit);
void wr_fini(struct wr *w);
/* Empties it, keeps the memory, clears the error. */
void wr_reset(struct wr *w);
/* Of a growing one: the written bytes as malloc'd memory that the caller frees; NULL on error. The writer is empty
 * and without error afterwards. */
uint8_t *wr_take(struct wr *w, size_t *ret_size);

static inline size_t wr_size(const struct wr *w)
{
    return (size_t)(w->p - w->start);
}

uint8_t *wr_reserve_slow_(struct wr *w, size_t n);

/* Makes room for n bytes and steps over them; NULL on error. The pointer holds until the next call. */
static inline uint8_t *wr_reserve(struct wr *w, size_t n)
{
    uint8_t *p = w->p;

    if (__builtin_expect(w->error != 0 || p == NULL || (size_t)(w->end - p) < n, 0))
        return wr_reserve_slow_(w, n);
    w->p += n;
    return p;
}

void wr_bytes(struct wr *w, const void *data, size_t n);
void wr_fail(struct wr *w, int err);

static inline void store_u8_(uint8_t *p, uint8_t v)
{
    *p = v;
}

#define DEFINE_WR_(name, type, size, store) \
    static inline void wr_##name(struct wr *w, type v) \
    { \
        uint8_t *p = wr_reserve(w, size); \
        if (p != NULL) \
            store(p, v); \
    }

DEFINE_WR_(u8, uint8_t, 1, store_u8_)
DEFINE_WR_(be16, uint16_t, 2, store_be16)
DEFINE_WR_(be32, uint32_t, 4, store_be32)
DEFINE_WR_(be64, uint64_t, 8, store_be64)
DEFINE_WR_(le16, uint16_t, 2, store_le16)
DEFINE_WR_(le32, uint32_t, 4, store_le32)
DEFINE_WR_(le64, uint64_t, 8, store_le64)

void wr_uvarint(struct wr *w, uint64_t v);
void wr_varint(struct wr *w, int64_t v); /* zigzag */
