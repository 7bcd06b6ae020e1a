/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One lz4 frame, as Kafka's clients write since message format 1. */
#include <lz4frame.h>

#include "wire/inflate_codec.h"

static int lz4_open(struct inflater *i)
{
    LZ4F_dctx *ctx;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
        return -ENOMEM;
    i->state = ctx;
    return 0;
}

static int lz4_step(struct inflater *i, uint8_t *to, size_t size, size_t *ret_n)
{
    size_t taken = i->in.size, given = size;
    size_t r = LZ4F_decompress(i->state, to, &given, i->in.data, &taken, NULL);

    if (LZ4F_isError(r))
        return BATCH_E_INFLATE;
    inflate_take(i, taken);
    *ret_n = given;
    if (r == 0 && i->in.size > 0)
        return BATCH_E_INFLATE; /* bytes behind the frame */
    if (r != 0 && taken == 0 && given == 0)
        return BATCH_E_INFLATE; /* cut short */
    i->ended = r == 0;
    return 0;
}

static void lz4_close(struct inflater *i)
{
    LZ4F_freeDecompressionContext(i->state);
}

const struct inflate_codec inflate_lz4 = { lz4_open, lz4_step, lz4_close };
