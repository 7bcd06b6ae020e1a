/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "base/endian.h"
#include "txn/producer.h"
#include "txn/suites.h"

static uint8_t *image_of(const struct producer_state *s, size_t *ret_size)
{
    struct wr w;
    uint8_t *data;

    wr_init_growing(&w, 0, 1 << 20);
    producer_write(s, &w);
    data = wr_take(&w, ret_size);
    ck_assert_ptr_nonnull(data);
    return data;
}

static struct producer_state *sample(size_t max_producers)
{
    struct producer_state *s = producer_state_new(1, max_producers);

    for (int i = 0; i < 40; i++)
        producer_apply(s, 1000 - i % 4, (int16_t)(i % 4), i / 4, 1, (uint64_t)i + 1, i, 5000 + i, 4000 + i);
    producer_apply(s, 5, 2, -1, 1, 41, 40, 6000, 6000);
    return s;
}

START_TEST(an_empty_state_comes_back)
{
    struct producer_state *a = producer_state_new(1, 10), *b = producer_state_new(2, 10);
    size_t size;
    _cleanup_(freep) uint8_t *image = image_of(a, &size);

    ck_assert_uint_eq(size, 24);
    ck_assert_int_eq(producer_read(b, image, size), 0);
    ck_assert_uint_eq(producer_count(b), 0);
    producer_state_free(a);
    producer_state_free(b);
}
END_TEST

START_TEST(known_bytes)
{
    static const uint8_t expected[] = {
        'G', 'Q', 'P', 'P', 1, 0, 0, 0, 1,   0, 0, 0, 0, 0, 0, 0, /* header; CRC below */
        2,   0,   0,   0,   0, 0, 0, 0,                           /* next position */
        77,  0,   0,   0,   0, 0, 0, 0, 1,   0, 0, 0, 0, 0, 0, 0, /* id, position */
        244, 1,   0,   0,   0, 0, 0, 0, 5,   0, 0, 0, 3, 0, 2, 0, /* last timestamp, run, epoch, batches */
        10,  0,   0,   0,   0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, /* base offset, append time */
        254, 255, 255, 127, 0, 0, 0, 0,                           /* sequences 2^31 − 2 … 0 */
        13,  0,   0,   0,   0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0, /* base offset, append time */
        1,   0,   0,   0,   2, 0, 0, 0,
    };
    struct producer_state *s = producer_state_new(1, 10);
    uint8_t bytes[sizeof(expected)];
    size_t size;
    _cleanup_(freep) uint8_t *image = NULL;

    producer_apply(s, 77, 3, INT32_MAX - 1, 3, 1, 10, 100, 400);
    producer_apply(s, 77, 3, 1, 2, 2, 13, 200, 500);
    image = image_of(s, &size);
    memcpy(bytes, expected, sizeof(bytes));
    store_le32(bytes + 12, crc32c(crc32c(0, bytes, 12), bytes + 16, sizeof(bytes) - 16));
    ck_assert_uint_eq(size, sizeof(bytes));
    ck_assert_mem_eq(image, bytes, size);
    producer_state_free(s);
}
END_TEST

START_TEST(state_comes_back_and_goes_on_alike)
{
    struct producer_state *a = sample(10), *b = producer_state_new(99, 10);
    struct producer_verdict v;
    size_t size, again_size;
    _cleanup_(freep) uint8_t *image = image_of(a, &size), *again = NULL;

    ck_assert_int_eq(producer_read(b, image, size), 0);
    again = image_of(b, &again_size);
    ck_assert_uint_eq(again_size, size);
    ck_assert_mem_eq(again, image, size);
    producer_check(b, 1000, 0, 9, 1, &v);
    ck_assert_int_eq(v.kind, PRODUCER_DUPLICATE);
    ck_assert_int_eq(v.base_offset, 36);
    ck_assert_int_eq(v.append_time_ms, 5036);
    producer_check(b, 1000, 0, 0, 1, &v);
    ck_assert_int_eq(v.error, PRODUCER_E_DUPLICATE_SEQUENCE);
    producer_check(b, 5, 2, 1, 1, &v);
    ck_assert_int_eq(v.error, PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    producer_state_free(a);
    producer_state_free(b);
}
END_TEST

START_TEST(the_overlay_is_not_in_the_image)
{
    struct producer_state *s = sample(10);
    size_t size, again_size;
    _cleanup_(freep) uint8_t *image = image_of(s, &size), *again = NULL;

    producer_propose(s, 1000, 0, 10, 1, 50, 41, 7000);
    producer_propose(s, 1, 0, 0, 1, 51, 42, 7000);
    again = image_of(s, &again_size);
    ck_assert_uint_eq(again_size, size);
    ck_assert_mem_eq(again, image, size);
    producer_state_free(s);
}
END_TEST

START_TEST(eviction_order_comes_back)
{
    struct producer_state *a = sample(5), *b = producer_state_new(99, 5);
    size_t size, b_size;
    _cleanup_(freep) uint8_t *image = image_of(a, &size), *x = NULL, *y = NULL;

    ck_assert_int_eq(producer_read(b, image, size), 0);
    producer_apply(a, 2000, 0, 0, 1, 60, 60, 60, 60);
    producer_apply(b, 2000, 0, 0, 1, 60, 60, 60, 60);
    x = image_of(a, &size);
    y = image_of(b, &b_size);
    ck_assert_uint_eq(size, b_size);
    ck_assert_mem_eq(x, y, size);
    producer_state_free(a);
    producer_state_free(b);
}
END_TEST

START_TEST(a_smaller_cap_evicts_at_once)
{
    struct producer_state *a = sample(10), *b = producer_state_new(99, 2);
    struct producer_info info[2];
    size_t size;
    _cleanup_(freep) uint8_t *image = image_of(a, &size);

    ck_assert_int_eq(producer_read(b, image, size), 0);
    ck_assert_uint_eq(producer_count(b), 2);
    producer_list(b, info);
    ck_assert_int_eq(info[0].producer_id, 5);
    ck_assert_int_eq(info[1].producer_id, 997);
    producer_state_free(a);
    producer_state_free(b);
}
END_TEST

static int read_copy(const uint8_t *data, size_t size)
{
    struct producer_state *s = producer_state_new(3, 10);
    _cleanup_(freep) uint8_t *copy = malloc(MAX(size, (size_t)1));
    int r;

    memcpy(copy, data, size);
    r = producer_read(s, copy, size);
    producer_state_free(s);
    return r;
}

START_TEST(damage_and_truncation_are_refused)
{
    struct producer_state *s = sample(10);
    size_t size;
    _cleanup_(freep) uint8_t *image = image_of(s, &size);

    for (size_t n = 0; n < size; n++)
        ck_assert_int_eq(read_copy(image, n), -EBADMSG);
    for (size_t i = 0; i < size; i++) {
        image[i] ^= 0x10;
        ck_assert_int_eq(read_copy(image, size), -EBADMSG);
        image[i] ^= 0x10;
    }
    ck_assert_int_eq(read_copy(image, size), 0);
    producer_state_free(s);
}
END_TEST

/* Changes one field, with the checksum made good again. */
static int read_with(const uint8_t *image, size_t size, size_t at, unsigned width, uint64_t value)
{
    _cleanup_(freep) uint8_t *copy = malloc(size);
    uint8_t le[8];

    memcpy(copy, image, size);
    store_le64(le, value);
    memcpy(copy + at, le, width);
    store_le32(copy + 12, crc32c(crc32c(0, copy, 12), copy + 16, size - 16));
    return read_copy(copy, size);
}

START_TEST(nonsense_with_a_good_checksum_is_refused)
{
    const size_t first = 24, second = 24 + 32; /* id 5 has no batches */
    struct producer_state *s = sample(10);
    size_t size;
    _cleanup_(freep) uint8_t *image = image_of(s, &size);

    ck_assert_int_eq(read_with(image, size, first, 8, 5), 0);
    ck_assert_int_eq(read_with(image, size, 4, 2, 2), -EBADMSG);                  /* version */
    ck_assert_int_eq(read_with(image, size, 6, 2, 1), -EBADMSG);                  /* reserved */
    ck_assert_int_eq(read_with(image, size, 8, 4, 4), -EBADMSG);                  /* too few producers */
    ck_assert_int_eq(read_with(image, size, 8, 4, 6), -EBADMSG);                  /* too many */
    ck_assert_int_eq(read_with(image, size, 8, 4, UINT32_MAX), -EBADMSG);         /* far too many */
    ck_assert_int_eq(read_with(image, size, 16, 8, 40), -EBADMSG);                /* a position beyond the next */
    ck_assert_int_eq(read_with(image, size, first, 8, UINT64_MAX), -EBADMSG);     /* negative id */
    ck_assert_int_eq(read_with(image, size, second, 8, 5), -EBADMSG);             /* equal ids */
    ck_assert_int_eq(read_with(image, size, first + 8, 8, 39), -EBADMSG);         /* equal positions */
    ck_assert_int_eq(read_with(image, size, first + 24, 4, 1u << 31), -EBADMSG);  /* run */
    ck_assert_int_eq(read_with(image, size, first + 28, 2, 0x8000), -EBADMSG);    /* negative epoch */
    ck_assert_int_eq(read_with(image, size, second + 30, 1, 6), -EBADMSG);        /* six batches */
    ck_assert_int_eq(read_with(image, size, first + 31, 1, 1), -EBADMSG);         /* reserved */
    ck_assert_int_eq(read_with(image, size, second + 48, 4, 1u << 31), -EBADMSG); /* negative sequence */
    ck_assert_int_eq(read_with(image, size, second + 52, 4, 100), -EBADMSG);      /* a gap behind it */
    producer_state_free(s);
}
END_TEST

Suite *producer_image_suite(void)
{
    Suite *s = suite_create("producer image");

    suite_add(s, an_empty_state_comes_back);
    suite_add(s, known_bytes);
    suite_add(s, state_comes_back_and_goes_on_alike);
    suite_add(s, the_overlay_is_not_in_the_image);
    suite_add(s, eviction_order_comes_back);
    suite_add(s, a_smaller_cap_evicts_at_once);
    suite_add(s, damage_and_truncation_are_refused);
    suite_add(s, nonsense_with_a_good_checksum_is_refused);
    return s;
}
