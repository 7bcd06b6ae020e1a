/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/varint.h"

#include <string.h>

#include "base/suites.h"
#include "support/rand.h"

START_TEST(known_encodings)
{
    static const struct {
        uint64_t value;
        const char *bytes;
        size_t size;
    } cases[] = {
        { 0, "\0", 1 },
        { 127, "\x7f", 1 },
        { 128, "\x80\x01", 2 },
        { 300, "\xac\x02", 2 },
        { UINT32_MAX, "\xff\xff\xff\xff\x0f", 5 },
        { UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t out[VARINT64_MAX_SIZE];
        uint64_t back;

        ck_assert_uint_eq(varint_put(out, cases[i].value), cases[i].size);
        ck_assert_mem_eq(out, cases[i].bytes, cases[i].size);
        ck_assert_uint_eq(varint_size(cases[i].value), cases[i].size);
        ck_assert_uint_eq(varint_get64(out, out + cases[i].size, &back), cases[i].size);
        ck_assert_uint_eq(back, cases[i].value);
    }
}
END_TEST

START_TEST(malformed_gives_nothing)
{
    static const uint8_t wide32[] = { 0xff, 0xff, 0xff, 0xff, 0x10 };
    static const uint8_t long32[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0 };
    static const uint8_t wide64[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };
    static const uint8_t long64[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0 };
    static const uint8_t padded[] = { 0x81, 0x80, 0x00 };
    uint32_t v32 = 7;
    uint64_t v64 = 7;

    ck_assert_uint_eq(varint_get32(wide32, wide32 + sizeof(wide32), &v32), 0);
    ck_assert_uint_eq(varint_get32(long32, long32 + sizeof(long32), &v32), 0);
    ck_assert_uint_eq(varint_get64(wide64, wide64 + sizeof(wide64), &v64), 0);
    ck_assert_uint_eq(varint_get64(long64, long64 + sizeof(long64), &v64), 0);
    ck_assert_uint_eq(varint_get64(long64, long64, &v64), 0);
    for (size_t n = 0; n < 5; n++)
        ck_assert_uint_eq(varint_get32(long32, long32 + n, &v32), 0);
    ck_assert_uint_eq(v32, 7);
    ck_assert_uint_eq(v64, 7);
    /* Kafka reads longer forms than needed. */
    ck_assert_uint_eq(varint_get32(padded, padded + 3, &v32), 3);
    ck_assert_uint_eq(v32, 1);
}
END_TEST

START_TEST(zigzag_round_trips)
{
    static const int64_t edges[] = { 0, -1, 1, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX };

    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
        ck_assert_int_eq(zigzag_decode(zigzag_encode(edges[i])), edges[i]);
    ck_assert_uint_eq(zigzag_encode(-1), 1);
    ck_assert_uint_eq(zigzag_encode(1), 2);
    ck_assert_uint_eq(zigzag_encode(INT64_MIN), UINT64_MAX);
}
END_TEST

/* Both widths agree on any bytes, and never read past the end. */
START_TEST(any_bytes_are_read_alike)
{
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 20000; i++) {
        uint8_t data[12], again[VARINT64_MAX_SIZE];
        size_t size = rand_below(&r, sizeof(data) + 1), n32, n64;
        uint32_t v32 = 0;
        uint64_t v64 = 0;

        for (size_t k = 0; k < size; k++)
            data[k] = (uint8_t)(rand_u64(&r) & (rand_chance(&r, 1, 4) ? 0x7f : 0xff));
        n32 = varint_get32(data, data + size, &v32);
        n64 = varint_get64(data, data + size, &v64);
        ck_assert_uint_le(n64, size);
        if (n32 != 0) {
            ck_assert_uint_eq(n32, n64);
            ck_assert_uint_eq(v32, v64);
        } else {
            ck_assert(n64 == 0 || v64 > UINT32_MAX || n64 > VARINT32_MAX_SIZE);
        }
        if (n64 != 0)
            ck_assert_uint_le(varint_put(again, v64), n64);
    }
}
END_TEST

START_TEST(values_round_trip)
{
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 20000; i++) {
        uint8_t out[VARINT64_MAX_SIZE];
        uint64_t v = rand_edgy_u64(&r), back;
        size_t n = varint_put(out, v);

        ck_assert_uint_eq(n, varint_size(v));
        ck_assert_uint_eq(varint_get64(out, out + n, &back), n);
        ck_assert_uint_eq(back, v);
        ck_assert_uint_eq(varint_get64(out, out + n - 1, &back), 0);
    }
}
END_TEST

Suite *varint_suite(void)
{
    Suite *s = suite_create("varint");

    suite_add(s, known_encodings);
    suite_add(s, malformed_gives_nothing);
    suite_add(s, zigzag_round_trips);
    suite_add(s, any_bytes_are_read_alike);
    suite_add(s, values_round_trip);
    return s;
}
