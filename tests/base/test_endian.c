/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/endian.h"

#include "base/suites.h"

START_TEST(byte_orders)
{
    static const uint8_t data[9] = { 0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88 };
    const uint8_t *p = data + 1; /* unaligned */

    ck_assert_uint_eq(load_le16(p), 0x0201);
    ck_assert_uint_eq(load_be16(p), 0x0102);
    ck_assert_uint_eq(load_le32(p), 0x04030201);
    ck_assert_uint_eq(load_be32(p), 0x01020304);
    ck_assert_uint_eq(load_le64(p), 0x8807060504030201);
    ck_assert_uint_eq(load_be64(p), 0x0102030405060788);
}
END_TEST

START_TEST(stores_touch_only_their_bytes)
{
    uint8_t data[10] = { 0 };

    store_be16(data + 1, 0x0102);
    ck_assert_mem_eq(data, "\0\1\2\0", 4);
    store_le32(data + 1, 0x04030201);
    ck_assert_mem_eq(data, "\0\1\2\3\4\0", 6);
    store_be64(data + 1, 0x0807060504030201);
    ck_assert_mem_eq(data, "\0\10\7\6\5\4\3\2\1\0", 10);
}
END_TEST

Suite *endian_suite(void)
{
    Suite *s = suite_create("endian");

    suite_add(s, byte_orders);
    suite_add(s, stores_touch_only_their_bytes);
    return s;
}
