/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/compress_support.h"

#include <check.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/endian.h"
#include "base/util.h"
#include "wire/batch.h"

#define XERIAL_BLOCK 1000

unsigned test_format_codec(enum test_format f)
{
    switch (f) {
    case TEST_GZIP:
    case TEST_GZIP_TWO_MEMBERS:
        return BATCH_CODEC_GZIP;
    case TEST_SNAPPY_RAW:
    case TEST_SNAPPY_XERIAL:
        return BATCH_CODEC_SNAPPY;
    case TEST_LZ4:
        return BATCH_CODEC_LZ4;
    default:
        return BATCH_CODEC_ZSTD;
    }
}

static size_t gzip_put(uint8_t *to, size_t room, struct slice in)
{
    z_stream z = { 0 };

    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)in.data;
    z.avail_in = (uInt)in.size;
    z.next_out = to;
    z.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static size_t snappy_put(uint8_t *to, size_t room, struct slice in)
{
    size_t n = room;

    ck_assert_int_eq(snappy_compress((const char *)in.data, in.size, (char *)to, &n), SNAPPY_OK);
    return n;
}

static size_t xerial_put(uint8_t *to, size_t room, struct slice in)
{
    static const uint8_t header[16] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1 };
    size_t n = sizeof(header);

    memcpy(to, header, n);
    for (size_t at = 0; at < in.size; at += XERIAL_BLOCK) {
        struct slice block = slice_make(in.data + at, MIN(in.size - at, (size_t)XERIAL_BLOCK));
        size_t size = snappy_put(to + n + 4, room - n - 4, block);

        store_be32(to + n, (uint32_t)size);
        n += 4 + size;
    }
    return n;
}

static size_t zstd_put(uint8_t *to, size_t room, struct slice in)
{
    size_t n = ZSTD_compress(to, room, in.data, in.size, 3);

    ck_assert(!ZSTD_isError(n));
    return n;
}

static size_t lz4_put(uint8_t *to, size_t room, struct slice in)
{
    size_t n = LZ4F_compressFrame(to, room, in.data, in.size, NULL);

    ck_assert(!LZ4F_isError(n));
    return n;
}

uint8_t *test_compress(enum test_format f, struct slice in, size_t *ret_size)
{
    static size_t (*const put[])(uint8_t *, size_t, struct slice) = {
        [TEST_GZIP] = gzip_put,
        [TEST_GZIP_TWO_MEMBERS] = gzip_put,
        [TEST_SNAPPY_RAW] = snappy_put,
        [TEST_SNAPPY_XERIAL] = xerial_put,
        [TEST_LZ4] = lz4_put,
        [TEST_ZSTD] = zstd_put,
        [TEST_ZSTD_TWO_FRAMES] = zstd_put,
    };
    const size_t room = 2 * in.size + 65536;
    uint8_t *to = malloc(room);
    size_t half = 0, n = 0;

    if (f == TEST_GZIP_TWO_MEMBERS || f == TEST_ZSTD_TWO_FRAMES) {
        half = in.size / 2;
        n = put[f](to, room, slice_make(in.data, half));
    }
    n += put[f](to + n, room - n, slice_make(in.data + half, in.size - half));
    *ret_size = n;
    return realloc(to, n);
}

uint8_t *test_zstd_window(int window_log, struct slice in, size_t *ret_size)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    const size_t room = in.size + 65536;
    uint8_t *to = malloc(room);
    ZSTD_outBuffer out = { to, room, 0 };
    ZSTD_inBuffer source = { in.data, in.size, 0 };

    ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, 0);
    /* Two steps, so that the compressor can't know the size and shrink the window. */
    ck_assert_uint_ne(ZSTD_compressStream2(ctx, &out, &source, ZSTD_e_flush), 1);
    ck_assert_uint_eq(ZSTD_compressStream2(ctx, &out, &source, ZSTD_e_end), 0);
    ZSTD_freeCCtx(ctx);
    *ret_size = out.pos;
    return realloc(to, out.pos);
}
