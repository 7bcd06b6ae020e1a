/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gzip by zlib. Several members one after the other are one stream, as for gzip(1) and Java's GZIPInputStream. */
#include <zlib.h>

#include "wire/inflate_codec.h"

#define GZIP_ONLY 16 /* added to the window bits: no zlib or raw streams */

static int gzip_open(struct inflater *i)
{
    z_stream *z = calloc(1, sizeof(*z));

    if (z == NULL)
        return -ENOMEM;
    if (inflateInit2(z, MAX_WBITS + GZIP_ONLY) != Z_OK) {
        free(z);
        return -ENOMEM;
    }
    i->state = z;
    return 0;
}

static int gzip_step(struct inflater *i, uint8_t *to, size_t size, size_t *ret_n)
{
    z_stream *z = i->state;
    const uInt room = (uInt)MIN(size, (size_t)INT32_MAX);
    int r;

    z->next_in = (Bytef *)i->in.data;
    z->avail_in = (uInt)i->in.size;
    z->next_out = to;
    z->avail_out = room;
    r = inflate(z, Z_NO_FLUSH);
    if (r == Z_MEM_ERROR)
        return -ENOMEM;
    if (r != Z_OK && r != Z_STREAM_END)
        return BATCH_E_INFLATE; /* Z_BUF_ERROR among them: the input ended early */
    inflate_take(i, i->in.size - z->avail_in);
    *ret_n = room - z->avail_out;
    if (r == Z_STREAM_END && i->in.size == 0)
        i->ended = true;
    else if (r == Z_STREAM_END && inflateReset(z) != Z_OK)
        return BATCH_E_INFLATE;
    return 0;
}

static void gzip_close(struct inflater *i)
{
    inflateEnd(i->state);
    free(i->state);
}

const struct inflate_codec inflate_gzip = { gzip_open, gzip_step, gzip_close };
