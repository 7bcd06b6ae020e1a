/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zstd frames (RFC 8878), one or several.
 *
 * A streaming decoder allocates the window on the frame's word, so windows are bound. Kafka's clients ask for up to
 * 128 MiB at levels 20 to 22, however small the batch: such frames are inflated in one go, where the output itself is
 * the window and the limits on the output bind the memory. */
#include <zstd.h>
#include <zstd_errors.h>

#include "wire/inflate_codec.h"

#define WINDOW_LOG_MAX 23 /* 8 MiB, what the RFC asks every decoder to take */

struct zstd_state {
    ZSTD_DCtx *ctx;
    uint8_t *whole; /* what was inflated in one go */
    size_t size, given;
};

static void zstd_close(struct inflater *i)
{
    struct zstd_state *s = i->state;

    ZSTD_freeDCtx(s->ctx);
    free(s->whole);
    free(s);
}

static int zstd_open(struct inflater *i)
{
    struct zstd_state *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -ENOMEM;
    i->state = s;
    s->ctx = ZSTD_createDCtx();
    if (s->ctx == NULL || ZSTD_isError(ZSTD_DCtx_setParameter(s->ctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
        zstd_close(i);
        return -ENOMEM;
    }
    return 0;
}

static int zstd_error(size_t r)
{
    switch (ZSTD_getErrorCode(r)) {
    case ZSTD_error_memory_allocation:
        return -ENOMEM;
    case ZSTD_error_dstSize_tooSmall:
        return BATCH_E_INFLATED_SIZE;
    default:
        return BATCH_E_INFLATE;
    }
}

/* All that is left, into memory that costs only what is written to it. */
static int zstd_whole(struct inflater *i)
{
    struct zstd_state *s = i->state;
    size_t room = inflate_room(i), by_ratio, n;

    if (!mul_overflows(i->in_total, i->limits.max_ratio, &by_ratio))
        room = MIN(room, by_ratio + INFLATE_RATIO_FREE_BYTES);
    s->whole = malloc(MAX(room, (size_t)1));
    if (s->whole == NULL)
        return -ENOMEM;
    n = ZSTD_decompressDCtx(s->ctx, s->whole, room, i->in.data, i->in.size);
    if (ZSTD_isError(n))
        return zstd_error(n);
    inflate_take(i, i->in.size);
    s->size = n;
    return 0;
}

static int zstd_step(struct inflater *i, uint8_t *to, size_t size, size_t *ret_n)
{
    struct zstd_state *s = i->state;
    ZSTD_inBuffer in = { i->in.data, i->in.size, 0 };
    ZSTD_outBuffer out = { to, size, 0 };
    size_t r;

    if (s->whole != NULL) {
        *ret_n = MIN(size, s->size - s->given);
        memcpy(to, s->whole + s->given, *ret_n);
        s->given += *ret_n;
        i->ended = s->given == s->size;
        return 0;
    }
    r = ZSTD_decompressStream(s->ctx, &out, &in);
    if (ZSTD_getErrorCode(r) == ZSTD_error_frameParameter_windowTooLarge)
        return zstd_whole(i); /* found at the start of a frame, where i->in still is */
    if (ZSTD_isError(r))
        return zstd_error(r);
    inflate_take(i, in.pos);
    *ret_n = out.pos;
    if (r != 0 && in.pos == 0 && out.pos == 0)
        return BATCH_E_INFLATE; /* cut short */
    i->ended = r == 0 && i->in.size == 0;
    return 0;
}

const struct inflate_codec inflate_zstd = { zstd_open, zstd_step, zstd_close };
