/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/inflate.h"

#include "wire/inflate_codec.h"

#define CHUNK_SIZE (64 * 1024)

static const struct inflate_codec *codec_find(unsigned codec)
{
    switch (codec) {
    case BATCH_CODEC_GZIP:
        return &inflate_gzip;
    case BATCH_CODEC_SNAPPY:
        return &inflate_snappy;
    case BATCH_CODEC_LZ4:
        return &inflate_lz4;
    case BATCH_CODEC_ZSTD:
        return &inflate_zstd;
    default:
        return NULL;
    }
}

int inflater_new(unsigned codec, struct slice in, const struct inflate_limits *limits, struct inflater **ret_inflater)
{
    _cleanup_(inflater_freep) struct inflater *i = NULL;
    const struct inflate_codec *c = codec_find(codec);
    int r;

    if (c == NULL)
        return BATCH_E_CODEC;
    if (in.size == 0 || in.size > INT32_MAX)
        return BATCH_E_INFLATE;
    i = calloc(1, sizeof(*i));
    if (i == NULL)
        return -ENOMEM;
    i->in = in;
    i->in_total = in.size;
    i->limits = *limits;
    r = c->open(i);
    if (r != 0)
        return r;
    i->codec = c;
    *ret_inflater = TAKE_PTR(i);
    return 0;
}

void inflater_free(struct inflater *i)
{
    if (i == NULL)
        return;
    if (i->codec != NULL)
        i->codec->close(i);
    free(i);
}

static int check_limits(const struct inflater *i)
{
    if (i->out_total > i->limits.max_output)
        return BATCH_E_INFLATED_SIZE;
    if (i->out_total > INFLATE_RATIO_FREE_BYTES && i->out_total / i->in_total >= i->limits.max_ratio)
        return BATCH_E_INFLATE_RATIO;
    return 0;
}

int inflater_read(struct inflater *i, void *to, size_t size, size_t *ret_size)
{
    size_t filled = 0;

    while (filled < size && !i->ended) {
        size_t n = 0;
        int r = i->codec->step(i, (uint8_t *)to + filled, size - filled, &n);

        if (r != 0)
            return r;
        filled += n;
        i->out_total += n;
        r = check_limits(i);
        if (r != 0)
            return r;
    }
    *ret_size = filled;
    return 0;
}

int inflate_all(unsigned codec, struct slice in, const struct inflate_limits *limits, struct wr *out)
{
    _cleanup_(inflater_freep) struct inflater *i = NULL;
    size_t n = CHUNK_SIZE;
    int r = inflater_new(codec, in, limits, &i);

    while (r == 0 && n == CHUNK_SIZE) {
        uint8_t *to = wr_reserve(out, CHUNK_SIZE);

        if (to == NULL)
            return out->error == -ENOBUFS ? BATCH_E_INFLATED_SIZE : out->error;
        r = inflater_read(i, to, CHUNK_SIZE, &n);
        out->p -= CHUNK_SIZE - (r == 0 ? n : 0);
    }
    return r;
}
