/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"

#include <string.h>

#include "base/suites.h"
#include "support/rand.h"

typedef uint32_t (*crc_fn)(uint32_t crc, const void *data, size_t size);

static const crc_fn both[] = { crc32c, crc32c_portable };

/* RFC 3720, B.4. */
START_TEST(published_vectors)
{
    static const uint8_t zeros[32];
    uint8_t ones[32], up[32], down[32];

    memset(ones, 0xff, sizeof(ones));
    for (int i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(both[i](0, "123456789", 9), 0xe3069283);
        ck_assert_uint_eq(both[i](0, zeros, 32), 0x8a9136aa);
        ck_assert_uint_eq(both[i](0, ones, 32), 0x62a8ab43);
        ck_assert_uint_eq(both[i](0, up, 32), 0x46dd794e);
        ck_assert_uint_eq(both[i](0, down, 32), 0x113fdb5c);
        ck_assert_uint_eq(both[i](0, "", 0), 0);
        ck_assert_uint_eq(both[i](0x12345678, NULL, 0), 0x12345678);
    }
}
END_TEST

START_TEST(both_agree_at_any_size_and_alignment)
{
    static uint8_t data[8192];
    struct rand r;

    rand_init(&r);
    rand_fill(&r, data, sizeof(data));
    for (int i = 0; i < 5000; i++) {
        size_t at = rand_below(&r, 64), size = i < 2000 ? (size_t)i : rand_below(&r, sizeof(data) - at);
        uint32_t seed = (uint32_t)rand_u64(&r);

        ck_assert_uint_eq(crc32c(seed, data + at, size), crc32c_portable(seed, data + at, size));
    }
}
END_TEST

START_TEST(pieces_and_combination_equal_the_whole)
{
    static uint8_t data[4096];
    struct rand r;

    rand_init(&r);
    rand_fill(&r, data, sizeof(data));
    for (int i = 0; i < 2000; i++) {
        size_t size = rand_below(&r, sizeof(data) + 1), cut = rand_below(&r, size + 1);
        uint32_t a = crc32c(0, data, cut), b = crc32c(0, data + cut, size - cut), whole = crc32c(0, data, size);

        ck_assert_uint_eq(crc32c(a, data + cut, size - cut), whole);
        ck_assert_uint_eq(crc32c_combine(a, b, size - cut), whole);
        ck_assert_uint_eq(crc32c_combine_portable(a, b, size - cut), whole);
    }
}
END_TEST

/* Lengths too large to hash: combining n bytes of zero twice is combining 2n. */
START_TEST(combination_adds_up_for_huge_lengths)
{
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 2000; i++) {
        uint64_t n = rand_edgy_u64(&r) >> 1, m = rand_edgy_u64(&r) >> 1;
        uint32_t crc = (uint32_t)rand_u64(&r);

        ck_assert_uint_eq(crc32c_combine(crc32c_combine(crc, 0, n), 0, m), crc32c_combine(crc, 0, n + m));
        ck_assert_uint_eq(crc32c_combine(crc, ~crc, n), crc32c_combine_portable(crc, ~crc, n));
    }
}
END_TEST

Suite *crc32c_suite(void)
{
    Suite *s = suite_create("crc32c");

    suite_add(s, published_vectors);
    suite_add(s, both_agree_at_any_size_and_alignment);
    suite_add(s, pieces_and_combination_equal_the_whole);
    suite_add(s, combination_adds_up_for_huge_lengths);
    return s;
}
