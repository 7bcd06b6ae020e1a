/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cursor.h"

#include <stdlib.h>

#include "base/suites.h"
#include "base/util.h"
#include "support/rand.h"

START_TEST(reads_in_order)
{
    static const uint8_t data[] = { 0x01, 0x02, 0x03, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 'x', 'y', 0xac, 0x02, 0x03 };
    struct rd r;

    rd_init(&r, data, sizeof(data));
    ck_assert_uint_eq(rd_u8(&r), 1);
    ck_assert_uint_eq(rd_be16(&r), 0x0203);
    ck_assert_uint_eq(rd_le16(&r), 0x0302);
    ck_assert_uint_eq(rd_be32(&r), 0x04050607);
    ck_assert_ptr_eq(rd_bytes(&r, 2), data + 9);
    ck_assert_uint_eq(rd_uvarint32(&r), 300);
    ck_assert_int_eq(rd_varint32(&r), -2);
    ck_assert_uint_eq(rd_left(&r), 0);
    ck_assert_uint_eq(rd_offset(&r), sizeof(data));
    ck_assert_int_eq(r.error, 0);
    ck_assert_ptr_nonnull(rd_bytes(&r, 0));
}
END_TEST

START_TEST(read_error_sticks)
{
    static const uint8_t data[] = { 1, 2, 3 };
    struct rd r;

    rd_init(&r, data, sizeof(data));
    ck_assert_uint_eq(rd_be32(&r), 0);
    ck_assert_int_eq(r.error, -EBADMSG);
    ck_assert_uint_eq(rd_u8(&r), 0); /* would fit, but comes after an error */
    ck_assert_ptr_null(rd_bytes(&r, 0));
    ck_assert_uint_eq(rd_uvarint64(&r), 0);
    rd_skip(&r, 1);
    ck_assert_uint_eq(rd_offset(&r), 0);
    rd_fail(&r, -EINVAL);
    ck_assert_int_eq(r.error, -EBADMSG);
}
END_TEST

START_TEST(skip_and_own_error)
{
    static const uint8_t data[] = { 1, 2, 3 };
    struct rd r;

    rd_init(&r, data, sizeof(data));
    rd_skip(&r, 3);
    ck_assert_int_eq(r.error, 0);
    rd_skip(&r, SIZE_MAX);
    ck_assert_int_eq(r.error, -EBADMSG);
    rd_init(&r, data, sizeof(data));
    rd_fail(&r, -EINVAL);
    rd_skip(&r, 100);
    ck_assert_int_eq(r.error, -EINVAL);
}
END_TEST

START_TEST(malformed_varint_fails)
{
    static const uint8_t wide[] = { 0xff, 0xff, 0xff, 0xff, 0x1f }, cut[] = { 0x80, 0x80 };
    struct rd r;

    rd_init(&r, wide, sizeof(wide));
    ck_assert_uint_eq(rd_uvarint32(&r), 0);
    ck_assert_int_eq(r.error, -EBADMSG);
    ck_assert_uint_eq(rd_offset(&r), 0);
    rd_init(&r, wide, sizeof(wide));
    ck_assert_uint_eq(rd_uvarint64(&r), 0x1ffffffff);
    rd_init(&r, cut, sizeof(cut));
    rd_varint64(&r);
    ck_assert_int_eq(r.error, -EBADMSG);
}
END_TEST

START_TEST(fixed_writer_stops_when_full)
{
    uint8_t data[6] = { 0 };
    struct wr w;

    wr_init_fixed(&w, data, 5);
    wr_be32(&w, 0x01020304);
    wr_le16(&w, 0xffff);
    ck_assert_int_eq(w.error, -ENOBUFS);
    wr_u8(&w, 9); /* would fit */
    wr_bytes(&w, "", 0);
    ck_assert_uint_eq(wr_size(&w), 4);
    ck_assert_mem_eq(data, "\1\2\3\4\0\0", 6);
    wr_reset(&w);
    wr_u8(&w, 9);
    ck_assert_int_eq(w.error, 0);
    ck_assert_uint_eq(data[0], 9);
    wr_fini(&w);
}
END_TEST

START_TEST(growing_writer_keeps_its_limit)
{
    struct wr w;

    wr_init_growing(&w, 0, 100);
    for (int i = 0; i < 100; i++)
        wr_u8(&w, (uint8_t)i);
    ck_assert_int_eq(w.error, 0);
    ck_assert_uint_le((size_t)(w.end - w.start), 100);
    wr_u8(&w, 0);
    ck_assert_int_eq(w.error, -ENOBUFS);
    ck_assert_uint_eq(wr_size(&w), 100);
    wr_reset(&w);
    ck_assert_ptr_null(wr_reserve(&w, SIZE_MAX));
    ck_assert_int_eq(w.error, -ENOBUFS);
    wr_fini(&w);
}
END_TEST

START_TEST(taken_bytes_are_the_callers)
{
    struct wr w;
    size_t size = 99;
    uint8_t *data;

    wr_init_growing(&w, 3, 1000);
    wr_bytes(&w, "hello", 5);
    data = wr_take(&w, &size);
    ck_assert_uint_eq(size, 5);
    ck_assert_mem_eq(data, "hello", 5);
    free(data);
    ck_assert_uint_eq(wr_size(&w), 0);
    data = wr_take(&w, &size); /* nothing written: still memory */
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq(size, 0);
    free(data);
    wr_u8(&w, 1);
    wr_fail(&w, -EINVAL);
    wr_fail(&w, -EIO);
    ck_assert_int_eq(w.error, -EINVAL);
    ck_assert_ptr_null(wr_take(&w, &size));
    ck_assert_int_eq(w.error, 0);
    wr_u8(&w, 1);
    ck_assert_uint_eq(wr_size(&w), 1);
    wr_fini(&w);
    wr_init_growing(&w, 10, 0);
    data = wr_take(&w, &size);
    ck_assert_ptr_nonnull(data);
    free(data);
}
END_TEST

struct item {
    unsigned kind;
    uint64_t value;
};

static void write_item(struct wr *w, const struct item *i)
{
    switch (i->kind) {
    case 0:
        wr_u8(w, (uint8_t)i->value);
        break;
    case 1:
        wr_be16(w, (uint16_t)i->value);
        break;
    case 2:
        wr_le32(w, (uint32_t)i->value);
        break;
    case 3:
        wr_be64(w, i->value);
        break;
    case 4:
        wr_le64(w, i->value);
        break;
    case 5:
        wr_uvarint(w, i->value);
        break;
    default:
        wr_varint(w, (int64_t)i->value);
    }
}

static void check_item(struct rd *r, const struct item *i)
{
    switch (i->kind) {
    case 0:
        ck_assert_uint_eq(rd_u8(r), (uint8_t)i->value);
        break;
    case 1:
        ck_assert_uint_eq(rd_be16(r), (uint16_t)i->value);
        break;
    case 2:
        ck_assert_uint_eq(rd_le32(r), (uint32_t)i->value);
        break;
    case 3:
        ck_assert_uint_eq(rd_be64(r), i->value);
        break;
    case 4:
        ck_assert_uint_eq(rd_le64(r), i->value);
        break;
    case 5:
        ck_assert_uint_eq(rd_uvarint64(r), i->value);
        break;
    default:
        ck_assert_int_eq(rd_varint64(r), (int64_t)i->value);
    }
}

START_TEST(what_is_written_reads_back)
{
    struct rand rnd;

    rand_init(&rnd);
    for (int round = 0; round < 500; round++) {
        struct item items[50];
        size_t n = rand_below(&rnd, ARRAY_SIZE(items) + 1);
        struct wr w;
        struct rd r;

        wr_init_growing(&w, rand_below(&rnd, 20), 10000);
        for (size_t i = 0; i < n; i++) {
            items[i] = (struct item){ (unsigned)rand_below(&rnd, 7), rand_edgy_u64(&rnd) };
            write_item(&w, &items[i]);
        }
        ck_assert_int_eq(w.error, 0);
        rd_init(&r, w.start, wr_size(&w));
        for (size_t i = 0; i < n; i++)
            check_item(&r, &items[i]);
        ck_assert_int_eq(r.error, 0);
        ck_assert_uint_eq(rd_left(&r), 0);
        wr_fini(&w);
    }
}
END_TEST

Suite *cursor_suite(void)
{
    Suite *s = suite_create("cursor");

    suite_add(s, reads_in_order);
    suite_add(s, read_error_sticks);
    suite_add(s, skip_and_own_error);
    suite_add(s, malformed_varint_fails);
    suite_add(s, fixed_writer_stops_when_full);
    suite_add(s, growing_writer_keeps_its_limit);
    suite_add(s, taken_bytes_are_the_callers);
    suite_add(s, what_is_written_reads_back);
    return s;
}
