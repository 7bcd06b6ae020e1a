/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "wire/batch_support.h"
#include "wire/compress_support.h"
#include "wire/record_stream.h"
#include "wire/suites.h"

static const struct inflate_limits roomy = { .max_output = 64 << 20, .max_ratio = 10000 };

/* Packs a plain batch's records; the caller frees it. */
static uint8_t *repack(enum test_format f, const uint8_t *plain, size_t plain_size, size_t *ret_size)
{
    struct batch_view v = test_view(plain, plain_size);
    size_t size;
    _cleanup_(freep) uint8_t *packed = test_compress(f, v.records, &size);

    return test_batch_of(slice_make(packed, size), test_format_codec(f), v.count, v.base_timestamp, v.max_timestamp,
                         ret_size);
}

static int walk(const uint8_t *data, size_t size, const struct inflate_limits *limits, int *ret_n)
{
    struct batch_view v = test_view(data, size);
    struct record_scratch scratch;
    struct record_stream s;
    struct record rec;
    char key[16];
    int r;

    *ret_n = 0;
    record_scratch_init(&scratch, limits);
    r = record_stream_init(&s, &v, &scratch);
    if (r == 0) {
        while (record_stream_next(&s, &rec)) {
            snprintf(key, sizeof(key), "k%d", *ret_n);
            ck_assert(slice_eq_str(rec.key, key));
            ck_assert_int_eq(rec.offset_delta, *ret_n);
            ++*ret_n;
        }
        r = s.error;
        record_stream_fini(&s);
    }
    record_scratch_fini(&scratch);
    return r;
}

START_TEST(all_codecs_walk_alike)
{
    static const int counts[] = { 1, 10, 20000 };

    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        size_t size, packed_size;
        _cleanup_(freep) uint8_t *plain = test_batch(&BATCH_PARAMS_PLAIN, counts[i], 1000, &size);
        int n;

        ck_assert_int_eq(walk(plain, size, &roomy, &n), 0);
        ck_assert_int_eq(n, counts[i]);
        for (enum test_format f = 0; f < TEST_N_FORMATS; f++) {
            _cleanup_(freep) uint8_t *packed = repack(f, plain, size, &packed_size);

            ck_assert_int_eq(walk(packed, packed_size, &roomy, &n), 0);
            ck_assert_int_eq(n, counts[i]);
        }
    }
}
END_TEST

START_TEST(count_and_bytes_must_add_up_inside_too)
{
    size_t size, packed_size;
    _cleanup_(freep) uint8_t *plain = test_batch(&BATCH_PARAMS_PLAIN, 10, 1000, &size);
    int n;

    for (enum test_format f = 0; f < TEST_N_FORMATS; f++) {
        _cleanup_(freep) uint8_t *packed = repack(f, plain, size, &packed_size);

        store_be32(packed + 57, 9);
        ck_assert_int_eq(walk(packed, packed_size, &roomy, &n), BATCH_E_RECORD);
        ck_assert_int_eq(n, 9);
        store_be32(packed + 57, 11);
        ck_assert_int_eq(walk(packed, packed_size, &roomy, &n), BATCH_E_RECORD);
        ck_assert_int_eq(n, 10);
    }
}
END_TEST

START_TEST(large_records_pass_and_lies_do_not)
{
    static const uint8_t lie[] = { 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 1, 0 }; /* a record of 2^31 − 1 bytes */
    const size_t big = 500000;
    _cleanup_(freep) uint8_t *value = calloc(1, big), *plain = NULL, *packed = NULL, *small = NULL, *liar = NULL;
    struct batch_builder b;
    size_t size, packed_size, small_size;
    int n;

    batch_builder_init(&b, &BATCH_PARAMS_PLAIN, 1 << 20);
    ck_assert_int_eq(batch_builder_add(&b, 1, slice_str("k0"), slice_make(value, big), NULL, 0), 0);
    ck_assert_int_eq(batch_builder_add(&b, 1, slice_str("k1"), slice_make(value, 1), NULL, 0), 0);
    ck_assert_int_eq(batch_builder_finish(&b, &plain, &size), 0);
    packed = repack(TEST_ZSTD, plain, size, &packed_size);
    ck_assert_int_eq(walk(packed, packed_size, &roomy, &n), 0);
    ck_assert_int_eq(n, 2);

    small = test_compress(TEST_ZSTD, slice_make(lie, sizeof(lie)), &small_size);
    liar = test_batch_of(slice_make(small, small_size), BATCH_CODEC_ZSTD, 1, 0, 0, &packed_size);
    ck_assert_int_eq(walk(liar, packed_size, &roomy, &n), BATCH_E_INFLATED_SIZE);
}
END_TEST

/* Records at 100, 300, 200, 300, 50. */
static uint8_t *jumbled(size_t *ret_size)
{
    static const int64_t times[] = { 100, 300, 200, 300, 50 };
    struct batch_params p = BATCH_PARAMS_PLAIN;
    struct batch_builder b;
    uint8_t *data;

    p.base_offset = 1000;
    batch_builder_init(&b, &p, 4096);
    for (size_t i = 0; i < ARRAY_SIZE(times); i++)
        ck_assert_int_eq(batch_builder_add(&b, times[i], SLICE_NULL, SLICE_NULL, NULL, 0), 0);
    ck_assert_int_eq(batch_builder_finish(&b, &data, ret_size), 0);
    return data;
}

static void expect_times(const uint8_t *data, size_t size, int64_t base)
{
    static const struct {
        int64_t target, offset, timestamp;
    } cases[] = { { INT64_MIN, 0, 100 }, { 100, 0, 100 }, { 101, 1, 300 }, { 300, 1, 300 }, { 301, -1, -1 } };
    struct batch_view v = test_view(data, size);
    struct record_scratch scratch;
    int64_t offset, t;

    record_scratch_init(&scratch, &roomy);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ck_assert_int_eq(batch_find_timestamp(&v, cases[i].target, &scratch, &offset, &t), 0);
        ck_assert_int_eq(offset, cases[i].offset < 0 ? -1 : base + cases[i].offset);
        ck_assert_int_eq(t, cases[i].timestamp);
    }
    ck_assert_int_eq(batch_max_timestamp_offset(&v, &scratch, &offset, &t), 0);
    ck_assert_int_eq(offset, base + 1);
    ck_assert_int_eq(t, 300);
    record_scratch_fini(&scratch);
}

START_TEST(times_are_found_in_every_codec)
{
    size_t size, packed_size;
    _cleanup_(freep) uint8_t *plain = jumbled(&size);

    expect_times(plain, size, 1000);
    for (enum test_format f = 0; f < TEST_N_FORMATS; f++) {
        _cleanup_(freep) uint8_t *packed = repack(f, plain, size, &packed_size);

        expect_times(packed, packed_size, 0);
        batch_set_base_offset(packed, INT64_C(1) << 40);
        expect_times(packed, packed_size, INT64_C(1) << 40);
    }
}
END_TEST

START_TEST(append_time_needs_no_walk)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = jumbled(&size);
    struct record_scratch scratch;
    struct batch_view v;
    int64_t offset, t;

    batch_set_append_time(data, size, 900);
    memset(data + BATCH_HEADER_SIZE, 0xff, size - BATCH_HEADER_SIZE);
    v = test_view(data, size);
    record_scratch_init(&scratch, &roomy);
    ck_assert_int_eq(batch_find_timestamp(&v, 900, &scratch, &offset, &t), 0);
    ck_assert_int_eq(offset, 1000);
    ck_assert_int_eq(t, 900);
    ck_assert_int_eq(batch_find_timestamp(&v, 901, &scratch, &offset, &t), 0);
    ck_assert_int_eq(offset, -1);
    ck_assert_int_eq(batch_max_timestamp_offset(&v, &scratch, &offset, &t), 0);
    ck_assert_int_eq(offset, 1000);
    record_scratch_fini(&scratch);
}
END_TEST

START_TEST(look_ups_report_damage)
{
    size_t size, packed_size;
    _cleanup_(freep) uint8_t *plain = jumbled(&size);
    _cleanup_(freep) uint8_t *packed = repack(TEST_LZ4, plain, size, &packed_size);
    struct batch_view v;
    struct record_scratch scratch;
    int64_t offset = 7, t = 7;

    record_scratch_init(&scratch, &roomy);
    packed[BATCH_HEADER_SIZE] ^= 0xff;
    v = test_view(packed, packed_size);
    ck_assert_int_eq(batch_find_timestamp(&v, 100, &scratch, &offset, &t), BATCH_E_INFLATE);
    ck_assert_int_eq(batch_max_timestamp_offset(&v, &scratch, &offset, &t), BATCH_E_INFLATE);
    plain[BATCH_HEADER_SIZE] = 1;
    v = test_view(plain, size);
    ck_assert_int_eq(batch_find_timestamp(&v, 100, &scratch, &offset, &t), BATCH_E_RECORD);
    ck_assert_int_eq(offset, 7);
    ck_assert_int_eq(t, 7);
    record_scratch_fini(&scratch);
}
END_TEST

Suite *record_stream_suite(void)
{
    Suite *s = suite_create("record stream");

    suite_add(s, all_codecs_walk_alike);
    suite_add(s, count_and_bytes_must_add_up_inside_too);
    suite_add(s, large_records_pass_and_lies_do_not);
    suite_add(s, times_are_found_in_every_codec);
    suite_add(s, append_time_needs_no_walk);
    suite_add(s, look_ups_report_damage);
    return s;
}
