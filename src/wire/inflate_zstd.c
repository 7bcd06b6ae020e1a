/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zstd frames (RFC 8878); the window is bounded, since the decoder allocates it on the frame's word. */
#include <zstd.h>
#include <zstd_errors.h>

#include "wire/inflate_codec.h"

static int zstd_open(struct inflater *i)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();

    if (ctx == NULL)
        return -ENOMEM;
    if (ZSTD_isError(ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, INFLATE_ZSTD_WINDOW_LOG_MAX))) {
        ZSTD_freeDCtx(ctx);
        return -ENOMEM;
    }
    i->state = ctx;
    return 0;
}

static int zstd_error(size_t r)
{
    switch (ZSTD_getErrorCode(r)) {
    case ZSTD_error_memory_allocation:
        return -ENOMEM;
    case ZSTD_error_frameParameter_windowTooLarge:
        return BATCH_E_ZSTD_WINDOW;
    default:
        return BATCH_E_INFLATE;
    }
}

static int zstd_step(struct inflater *i, uint8_t *to, size_t size, size_t *ret_n)
{
    ZSTD_inBuffer in = { i->in.data, i->in.size, 0 };
    ZSTD_outBuffer out = { to, size, 0 };
    size_t r = ZSTD_decompressStream(i->state, &out, &in);

    if (ZSTD_isError(r))
        return zstd_error(r);
    inflate_take(i, in.pos);
    *ret_n = out.pos;
    if (r != 0 && in.pos == 0 && out.pos == 0)
        return BATCH_E_INFLATE; /* cut short */
    i->ended = r == 0 && i->in.size == 0;
    return 0;
}

static void zstd_close(struct inflater *i)
{
    ZSTD_freeDCtx(i->state);
}

const struct inflate_codec inflate_zstd = { zstd_open, zstd_step, zstd_close };
