/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <snappy-c.h>

#include "base/endian.h"
#include "base/util.h"
#include "wire/compress_support.h"
#include "wire/inflate.h"
#include "wire/suites.h"

static const struct inflate_limits roomy = { .max_output = 64 << 20, .max_ratio = 10000 };

/* Compressible, but not constant. */
static uint8_t *text(size_t size)
{
    uint8_t *p = malloc(MAX(size, (size_t)1));
    uint32_t x = 1;

    for (size_t i = 0; i < size; i++) {
        x = x * 1103515245 + 12345;
        p[i] = (uint8_t)("goqueue "[x >> 29] + (x >> 20) % 3);
    }
    return p;
}

static int inflate_to(unsigned codec, struct slice in, const struct inflate_limits *limits, struct wr *out)
{
    /* An exact copy on the heap, so that reading past the end shows. */
    _cleanup_(freep) uint8_t *copy = malloc(MAX(in.size, (size_t)1));

    memcpy(copy, in.data, in.size);
    wr_init_growing(out, 0, limits->max_output + (128 << 10));
    return inflate_all(codec, slice_make(copy, in.size), limits, out);
}

START_TEST(every_format_comes_back)
{
    static const size_t sizes[] = { 1, 100, 1000, 65535, 65536, 65537, 300000 };

    for (enum test_format f = 0; f < TEST_N_FORMATS; f++)
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            size_t size;
            _cleanup_(freep) uint8_t *plain = text(sizes[i]);
            _cleanup_(freep) uint8_t *packed = test_compress(f, slice_make(plain, sizes[i]), &size);
            struct wr out;

            ck_assert_int_eq(inflate_to(test_format_codec(f), slice_make(packed, size), &roomy, &out), 0);
            ck_assert_uint_eq(wr_size(&out), sizes[i]);
            ck_assert_mem_eq(out.start, plain, sizes[i]);
            wr_fini(&out);
        }
}
END_TEST

START_TEST(reading_in_any_pieces_gives_the_same)
{
    static const size_t pieces[] = { 1, 7, 4096, 100000 };
    const size_t total = 20000;
    _cleanup_(freep) uint8_t *plain = text(total);

    for (enum test_format f = 0; f < TEST_N_FORMATS; f++)
        for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
            size_t size, n = pieces[i], filled = 0;
            _cleanup_(freep) uint8_t *packed = test_compress(f, slice_make(plain, total), &size);
            _cleanup_(freep) uint8_t *out = malloc(total + pieces[i]);
            _cleanup_(inflater_freep) struct inflater *inf = NULL;

            ck_assert_int_eq(inflater_new(test_format_codec(f), slice_make(packed, size), &roomy, &inf), 0);
            while (n == pieces[i]) {
                ck_assert_int_eq(inflater_read(inf, out + filled, pieces[i], &n), 0);
                filled += n;
                ck_assert_uint_le(filled, total);
            }
            ck_assert_uint_eq(filled, total);
            ck_assert_mem_eq(out, plain, total);
        }
}
END_TEST

START_TEST(truncations_are_refused)
{
    const size_t total = 3000;
    _cleanup_(freep) uint8_t *plain = text(total);

    for (enum test_format f = 0; f < TEST_N_FORMATS; f++) {
        size_t size;
        _cleanup_(freep) uint8_t *packed = test_compress(f, slice_make(plain, total), &size);

        for (size_t cut = 0; cut < size; cut++) {
            struct wr out;
            int r = inflate_to(test_format_codec(f), slice_make(packed, cut), &roomy, &out);

            /* At the end of a first member, frame or block the rest is a whole stream of its own. */
            if (r == 0)
                ck_assert_uint_lt(wr_size(&out), total);
            else
                ck_assert_int_eq(r, BATCH_E_INFLATE);
            if (f == TEST_GZIP || f == TEST_SNAPPY_RAW || f == TEST_LZ4 || f == TEST_ZSTD)
                ck_assert_int_ne(r, 0);
            wr_fini(&out);
        }
    }
}
END_TEST

START_TEST(bytes_left_over_are_refused)
{
    _cleanup_(freep) uint8_t *plain = text(500);

    for (enum test_format f = 0; f < TEST_N_FORMATS; f++) {
        size_t size;
        _cleanup_(freep) uint8_t *packed = test_compress(f, slice_make(plain, 500), &size);
        _cleanup_(freep) uint8_t *longer = malloc(size + 1);
        struct wr out;

        memcpy(longer, packed, size);
        longer[size] = 0x7f;
        ck_assert_int_eq(inflate_to(test_format_codec(f), slice_make(longer, size + 1), &roomy, &out), BATCH_E_INFLATE);
        wr_fini(&out);
    }
}
END_TEST

START_TEST(damage_never_harms)
{
    const size_t total = 3000;
    _cleanup_(freep) uint8_t *plain = text(total);

    for (enum test_format f = 0; f < TEST_N_FORMATS; f++) {
        size_t size;
        _cleanup_(freep) uint8_t *packed = test_compress(f, slice_make(plain, total), &size);

        for (size_t i = 0; i < size; i++) {
            static const struct inflate_limits limits = { .max_output = 1 << 20, .max_ratio = 1000 };
            struct wr out;

            packed[i] ^= (uint8_t)(1 + i % 255);
            inflate_to(test_format_codec(f), slice_make(packed, size), &limits, &out);
            ck_assert_uint_le(wr_size(&out), limits.max_output);
            wr_fini(&out);
            packed[i] ^= (uint8_t)(1 + i % 255);
        }
    }
}
END_TEST

START_TEST(output_is_capped)
{
    const size_t total = 100000;
    _cleanup_(freep) uint8_t *plain = text(total);
    struct inflate_limits limits = { .max_ratio = 10000 };

    for (enum test_format f = 0; f < TEST_N_FORMATS; f++) {
        size_t size;
        _cleanup_(freep) uint8_t *packed = test_compress(f, slice_make(plain, total), &size);
        struct wr out;

        limits.max_output = total;
        ck_assert_int_eq(inflate_to(test_format_codec(f), slice_make(packed, size), &limits, &out), 0);
        wr_fini(&out);
        limits.max_output = total - 1;
        ck_assert_int_eq(inflate_to(test_format_codec(f), slice_make(packed, size), &limits, &out),
                         BATCH_E_INFLATED_SIZE);
        wr_fini(&out);
    }
}
END_TEST

START_TEST(ratio_is_capped)
{
    const size_t total = 8 << 20;
    _cleanup_(freep) uint8_t *zeros = calloc(1, total);
    const struct inflate_limits limits = { .max_output = 64 << 20, .max_ratio = 10 };

    for (enum test_format f = 0; f < TEST_N_FORMATS; f++) {
        size_t size;
        _cleanup_(freep) uint8_t *packed = test_compress(f, slice_make(zeros, total), &size);
        struct wr out;

        ck_assert_int_eq(inflate_to(test_format_codec(f), slice_make(packed, size), &limits, &out),
                         BATCH_E_INFLATE_RATIO);
        ck_assert_uint_le(wr_size(&out), total);
        wr_fini(&out);
    }
}
END_TEST

START_TEST(little_output_may_have_any_ratio)
{
    const struct inflate_limits limits = { .max_output = 64 << 20, .max_ratio = 2 };
    size_t size;
    _cleanup_(freep) uint8_t *zeros = calloc(1, 100000);
    _cleanup_(freep) uint8_t *packed = test_compress(TEST_ZSTD, slice_make(zeros, 100000), &size);
    struct wr out;

    ck_assert_int_eq(inflate_to(BATCH_CODEC_ZSTD, slice_make(packed, size), &limits, &out), 0);
    wr_fini(&out);
}
END_TEST

START_TEST(large_zstd_windows_are_taken_within_the_limits)
{
    const size_t total = 200000;
    _cleanup_(freep) uint8_t *plain = text(total);
    struct inflate_limits limits = { .max_ratio = 10000 };

    for (int window_log = 22; window_log <= 27; window_log++) {
        size_t size;
        _cleanup_(freep) uint8_t *packed = test_zstd_window(window_log, slice_make(plain, total), &size);
        struct wr out;

        limits.max_output = total;
        ck_assert_int_eq(inflate_to(BATCH_CODEC_ZSTD, slice_make(packed, size), &limits, &out), 0);
        ck_assert_uint_eq(wr_size(&out), total);
        ck_assert_mem_eq(out.start, plain, total);
        wr_fini(&out);
        limits.max_output = total - 1;
        ck_assert_int_eq(inflate_to(BATCH_CODEC_ZSTD, slice_make(packed, size), &limits, &out), BATCH_E_INFLATED_SIZE);
        wr_fini(&out);
        ck_assert_int_eq(inflate_to(BATCH_CODEC_ZSTD, slice_make(packed, size - 1), &roomy, &out), BATCH_E_INFLATE);
        wr_fini(&out);
    }
}
END_TEST

/* The second frame is the one with the large window. */
START_TEST(windows_may_grow_from_frame_to_frame)
{
    size_t small_size, large_size;
    _cleanup_(freep) uint8_t *plain = text(3000);
    _cleanup_(freep) uint8_t *small = test_zstd_window(20, slice_make(plain, 1000), &small_size);
    _cleanup_(freep) uint8_t *large = test_zstd_window(27, slice_make(plain + 1000, 2000), &large_size);
    _cleanup_(freep) uint8_t *both = malloc(small_size + large_size);
    struct wr out;

    memcpy(both, small, small_size);
    memcpy(both + small_size, large, large_size);
    ck_assert_int_eq(inflate_to(BATCH_CODEC_ZSTD, slice_make(both, small_size + large_size), &roomy, &out), 0);
    ck_assert_uint_eq(wr_size(&out), 3000);
    ck_assert_mem_eq(out.start, plain, 3000);
    wr_fini(&out);
}
END_TEST

START_TEST(snappy_claims_are_not_believed)
{
    /* A raw block that says it holds 2^32 − 1 bytes, and a frame with a block length past the end. */
    static const uint8_t raw[] = { 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 'a' };
    static const uint8_t framed[] = { 0x82, 'S', 'N', 'A', 'P', 'P',  'Y',  0,    0,    0, 0,
                                      1,    0,   0,   0,   1,   0xff, 0xff, 0xff, 0xff, 1, 'a' };
    struct wr out;

    ck_assert_int_eq(inflate_to(BATCH_CODEC_SNAPPY, slice_make(raw, sizeof(raw)), &roomy, &out), BATCH_E_INFLATE);
    wr_fini(&out);
    ck_assert_int_eq(inflate_to(BATCH_CODEC_SNAPPY, slice_make(framed, sizeof(framed)), &roomy, &out), BATCH_E_INFLATE);
    wr_fini(&out);
}
END_TEST

START_TEST(other_codecs_are_refused)
{
    struct inflater *inf;

    ck_assert_int_eq(inflater_new(BATCH_CODEC_NONE, slice_str("x"), &roomy, &inf), BATCH_E_CODEC);
    ck_assert_int_eq(inflater_new(5, slice_str("x"), &roomy, &inf), BATCH_E_CODEC);
    for (unsigned codec = BATCH_CODEC_GZIP; codec <= BATCH_CODEC_ZSTD; codec++)
        ck_assert_int_eq(inflater_new(codec, slice_make("", 0), &roomy, &inf), BATCH_E_INFLATE);
}
END_TEST

Suite *inflate_suite(void)
{
    Suite *s = suite_create("inflate");

    suite_add(s, every_format_comes_back);
    suite_add(s, reading_in_any_pieces_gives_the_same);
    suite_add(s, truncations_are_refused);
    suite_add(s, bytes_left_over_are_refused);
    suite_add(s, damage_never_harms);
    suite_add(s, output_is_capped);
    suite_add(s, ratio_is_capped);
    suite_add(s, little_output_may_have_any_ratio);
    suite_add(s, large_zstd_windows_are_taken_within_the_limits);
    suite_add(s, windows_may_grow_from_frame_to_frame);
    suite_add(s, snappy_claims_are_not_believed);
    suite_add(s, other_codecs_are_refused);
    return s;
}
