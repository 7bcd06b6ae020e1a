/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What one decompressor gives to inflate.c. Private to libwireinflate. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/inflate.h"

struct inflater {
    const struct inflate_codec *codec;
    struct inflate_limits limits;
    struct slice in; /* what is left */
    size_t in_total, out_total;
    bool ended;
    void *state; /* the codec's */
};

struct inflate_codec {
    /* Sets i->state; frees what it made when it fails. */
    int (*open)(struct inflater *i);
    /* Takes from i->in, gives 0 < n ≤ size bytes or sets i->ended (maybe with bytes); size > 0. An input that ends
     * too early is BATCH_E_INFLATE, never a step without progress. */
    int (*step)(struct inflater *i, uint8_t *to, size_t size, size_t *ret_n);
    void (*close)(struct inflater *i);
};

extern const struct inflate_codec inflate_gzip, inflate_snappy, inflate_lz4, inflate_zstd;

/* Room left under the output limit. */
static inline size_t inflate_room(const struct inflater *i)
{
    return i->limits.max_output > i->out_total ? i->limits.max_output - i->out_total : 0;
}

static inline void inflate_take(struct inflater *i, size_t n)
{
    i->in.data += n;
    i->in.size -= n;
}
