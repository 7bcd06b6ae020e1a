/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "wire/batch_support.h"
#include "wire/suites.h"

static const struct batch_limits produce = { .max_size = 1 << 20, .from_client = true };
static const struct batch_limits broker = { .max_size = 1 << 20 };

START_TEST(builder_and_parser_agree)
{
    struct batch_params p = { .base_offset = 77,
                              .leader_epoch = 5,
                              .attributes = BATCH_ATTR_TRANSACTIONAL,
                              .producer_id = 4000000000,
                              .producer_epoch = 3,
                              .base_sequence = 12 };
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&p, 3, 1000, &size);
    struct batch_view v = test_view(data, size);

    ck_assert_ptr_eq(v.data, data);
    ck_assert_uint_eq(v.size, size);
    ck_assert_int_eq(v.base_offset, 77);
    ck_assert_int_eq(v.leader_epoch, 5);
    ck_assert_uint_eq(v.attributes, BATCH_ATTR_TRANSACTIONAL);
    ck_assert_uint_eq(batch_codec(&v), BATCH_CODEC_NONE);
    ck_assert_int_eq(v.last_offset_delta, 2);
    ck_assert_int_eq(batch_last_offset(&v), 79);
    ck_assert_int_eq(v.base_timestamp, 1000);
    ck_assert_int_eq(v.max_timestamp, 1002);
    ck_assert_int_eq(v.producer_id, 4000000000);
    ck_assert_int_eq(v.producer_epoch, 3);
    ck_assert_int_eq(v.base_sequence, 12);
    ck_assert_int_eq(v.count, 3);
    ck_assert_ptr_eq(v.records.data, data + 61);
    ck_assert_uint_eq(v.records.size, size - 61);
    ck_assert_int_eq(batch_check(&v, &produce), BATCH_OK);
}
END_TEST

/* As Apache Kafka's producer writes it: one record "k" → "v", at 1700000000000. */
START_TEST(known_bytes)
{
    static const uint8_t expected[] = {
        0,    0,    0,    0,    0,    0,    0,    0,                /* base offset */
        0,    0,    0,    0x3a,                                     /* length 58 */
        0,    0,    0,    0,    2,                                  /* leader epoch, magic */
        0xe9, 0x9b, 0x8d, 0xd8, 0,    0,    0,    0,    0,    0,    /* CRC, attributes, last offset delta */
        0,    0,    1,    0x8b, 0xcf, 0xe5, 0x68, 0,                /* base timestamp */
        0,    0,    1,    0x8b, 0xcf, 0xe5, 0x68, 0,                /* max timestamp */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* producer id and epoch */
        0xff, 0xff, 0xff, 0xff, 0,    0,    0,    1,                /* base sequence, count */
        0x10, 0,    0,    0,    2,    'k',  2,    'v',  0,          /* the record */
    };
    _cleanup_(freep) uint8_t *data = NULL;
    struct batch_builder b;
    size_t size;

    batch_builder_init(&b, &BATCH_PARAMS_PLAIN, 4096);
    ck_assert_int_eq(batch_builder_add(&b, 1700000000000, slice_str("k"), slice_str("v"), NULL, 0), 0);
    ck_assert_int_eq(batch_builder_finish(&b, &data, &size), 0);
    ck_assert_uint_eq(size, sizeof(expected));
    ck_assert_mem_eq(data, expected, size);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 2, 0, &size);
    struct batch_view v;

    for (size_t n = 0; n < size; n++) {
        _cleanup_(freep) uint8_t *cut = malloc(MAX(n, (size_t)1));

        memcpy(cut, data, n);
        ck_assert_int_eq(batch_parse(cut, n, &v), BATCH_E_TRUNCATED);
        ck_assert_int_eq(batch_parse_only(slice_make(cut, n), &v), n == 0 ? BATCH_E_NONE : BATCH_E_TRUNCATED);
    }
}
END_TEST

START_TEST(impossible_lengths_are_refused)
{
    static const struct {
        uint32_t length;
        enum batch_error error;
    } cases[] = { { 0, BATCH_E_LENGTH },
                  { 48, BATCH_E_LENGTH },
                  { UINT32_MAX, BATCH_E_LENGTH },
                  { 0x80000000, BATCH_E_LENGTH },
                  { INT32_MAX, BATCH_E_TRUNCATED } };
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 2, 0, &size);
    struct batch_view v;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        store_be32(data + 8, cases[i].length);
        ck_assert_int_eq(batch_parse(data, size, &v), cases[i].error);
    }
}
END_TEST

START_TEST(only_magic_2_is_taken)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 1, 0, &size);
    struct batch_view v;

    for (unsigned magic = 0; magic < 256; magic++) {
        data[16] = (uint8_t)magic;
        ck_assert_int_eq(batch_parse(data, size, &v), magic == 2 ? BATCH_OK : BATCH_E_MAGIC);
    }
    ck_assert_int_eq(batch_error_code(BATCH_E_MAGIC), 87);
}
END_TEST

START_TEST(exactly_one_batch_where_one_is_due)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 1, 0, &size);
    _cleanup_(freep) uint8_t *two = malloc(2 * size);
    struct batch_view v;

    memcpy(two, data, size);
    memcpy(two + size, data, size);
    ck_assert_int_eq(batch_parse_only(slice_make(two, size), &v), BATCH_OK);
    ck_assert_int_eq(batch_parse_only(slice_make(two, 2 * size), &v), BATCH_E_SEVERAL);
    ck_assert_int_eq(batch_parse_only(slice_make(two, size + 1), &v), BATCH_E_SEVERAL);
    ck_assert_int_eq(batch_parse_only(SLICE_NULL, &v), BATCH_E_NONE);
}
END_TEST

START_TEST(any_flipped_bit_is_seen)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 2, 0, &size);

    for (size_t bit = 17 * 8; bit < size * 8; bit++) {
        struct batch_view v;

        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        v = test_view(data, size);
        ck_assert_int_eq(batch_check(&v, &broker), BATCH_E_CRC);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}
END_TEST

/* Sets one header field, with the CRC made good again, and checks as from a client. */
static enum batch_error check_with(const struct batch_params *p, size_t offset, unsigned field_size, uint64_t value,
                                   const struct batch_limits *limits)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(p, 3, 1000, &size);
    uint8_t be[8];
    struct batch_view v;

    store_be64(be, value);
    memcpy(data + offset, be + 8 - field_size, field_size);
    test_batch_seal(data, size);
    v = test_view(data, size);
    return batch_check(&v, limits);
}

START_TEST(every_rule_of_the_header_is_checked)
{
    static const struct batch_params with_pid = { .producer_id = 1, .producer_epoch = 0, .base_sequence = 0 };
    static const struct {
        size_t offset;
        unsigned size;
        uint64_t value;
        enum batch_error from_client, from_broker;
        int code;
    } cases[] = {
        { 21, 2, 0, BATCH_OK, BATCH_OK, 0 },
        { 21, 2, 4, BATCH_OK, BATCH_OK, 0 },
        { 21, 2, 5, BATCH_E_CODEC, BATCH_E_CODEC, 76 },
        { 21, 2, 7, BATCH_E_CODEC, BATCH_E_CODEC, 76 },
        { 21, 2, BATCH_ATTR_APPEND_TIME, BATCH_E_APPEND_TIME, BATCH_OK, 32 },
        { 21, 2, BATCH_ATTR_TRANSACTIONAL, BATCH_OK, BATCH_OK, 0 },
        { 21, 2, BATCH_ATTR_CONTROL, BATCH_E_CONTROL, BATCH_OK, 87 },
        { 21, 2, 0x0040, BATCH_E_RESERVED, BATCH_OK, 87 },
        { 21, 2, 0x8000, BATCH_E_RESERVED, BATCH_OK, 87 },
        { 23, 4, 1, BATCH_E_OFFSETS, BATCH_E_OFFSETS, 87 },
        { 23, 4, 3, BATCH_E_OFFSETS, BATCH_E_OFFSETS, 87 },
        { 23, 4, INT32_MAX, BATCH_E_OFFSETS, BATCH_E_OFFSETS, 87 },
        { 23, 4, UINT32_MAX, BATCH_E_OFFSETS, BATCH_E_OFFSETS, 87 },
        { 57, 4, 0, BATCH_E_COUNT, BATCH_E_COUNT, 87 },
        { 57, 4, UINT32_MAX, BATCH_E_COUNT, BATCH_E_COUNT, 87 },
        { 57, 4, 0x80000000, BATCH_E_COUNT, BATCH_E_COUNT, 87 },
        { 43, 8, (uint64_t)-2, BATCH_E_PRODUCER_ID, BATCH_E_PRODUCER_ID, 87 },
        { 51, 2, 0xffff, BATCH_E_SEQUENCE, BATCH_E_SEQUENCE, 87 },
        { 53, 4, UINT32_MAX, BATCH_E_SEQUENCE, BATCH_E_SEQUENCE, 87 },
        { 53, 4, INT32_MAX, BATCH_OK, BATCH_OK, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ck_assert_int_eq(check_with(&with_pid, cases[i].offset, cases[i].size, cases[i].value, &produce),
                         cases[i].from_client);
        ck_assert_int_eq(check_with(&with_pid, cases[i].offset, cases[i].size, cases[i].value, &broker),
                         cases[i].from_broker);
        if (cases[i].from_client != BATCH_OK)
            ck_assert_int_eq(batch_error_code(cases[i].from_client), cases[i].code);
    }
    ck_assert_int_eq(check_with(&BATCH_PARAMS_PLAIN, 21, 2, BATCH_ATTR_TRANSACTIONAL, &produce), BATCH_E_TRANSACTIONAL);
}
END_TEST

START_TEST(limits_of_the_caller_are_checked)
{
    struct batch_limits limits = produce;
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 3, 1000, &size);
    struct batch_view v = test_view(data, size);

    limits.max_size = size;
    ck_assert_int_eq(batch_check(&v, &limits), BATCH_OK);
    limits.max_size = size - 1;
    ck_assert_int_eq(batch_check(&v, &limits), BATCH_E_TOO_LARGE);
    ck_assert_int_eq(batch_error_code(BATCH_E_TOO_LARGE), 10);

    limits = produce;
    limits.refuse_zstd = true;
    ck_assert_int_eq(check_with(&BATCH_PARAMS_PLAIN, 21, 2, BATCH_CODEC_ZSTD, &limits), BATCH_E_ZSTD);
    ck_assert_int_eq(check_with(&BATCH_PARAMS_PLAIN, 21, 2, BATCH_CODEC_LZ4, &limits), BATCH_OK);
}
END_TEST

START_TEST(declared_records_must_fit)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 3, 1000, &size);
    struct batch_view v;

    /* Three records of 11 bytes hold at most 33 / 7 records, with 7 the least that one takes. */
    for (int count = 3; count <= 6; count++) {
        store_be32(data + 23, (uint32_t)count - 1);
        store_be32(data + 57, (uint32_t)count);
        test_batch_seal(data, size);
        v = test_view(data, size);
        ck_assert_int_eq(batch_check(&v, &broker), count <= 33 / 7 ? BATCH_OK : BATCH_E_RECORDS_SIZE);
    }
}
END_TEST

START_TEST(control_batches_take_no_sequence)
{
    struct batch_params p = { .attributes = BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL,
                              .producer_id = 9,
                              .producer_epoch = 1,
                              .base_sequence = BATCH_NO_SEQUENCE };
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&p, 1, 1000, &size);
    struct batch_view v = test_view(data, size);

    ck_assert_int_eq(batch_check(&v, &broker), BATCH_OK);
    ck_assert_int_eq(batch_check(&v, &produce), BATCH_E_CONTROL);
}
END_TEST

START_TEST(iteration_gives_every_batch)
{
    size_t sizes[3], total = 0;
    _cleanup_(freep) uint8_t *blob = malloc(4096);
    struct batch_iter it;
    struct batch_view v;
    int n = 0;

    for (int i = 0; i < 3; i++) {
        _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, i + 1, 1000, &sizes[i]);

        memcpy(blob + total, data, sizes[i]);
        total += sizes[i];
    }
    batch_iter_init(&it, blob, total);
    while (batch_next(&it, &v))
        ck_assert_int_eq(v.count, ++n);
    ck_assert_int_eq(n, 3);
    ck_assert_int_eq(it.error, BATCH_OK);

    batch_iter_init(&it, blob, total - 1);
    for (n = 0; batch_next(&it, &v); n++)
        ;
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(it.error, BATCH_E_TRUNCATED);
    ck_assert_ptr_eq(it.p, blob + sizes[0] + sizes[1]);
    ck_assert(!batch_next(&it, &v));

    batch_iter_init(&it, blob, 0);
    ck_assert(!batch_next(&it, &v));
    ck_assert_int_eq(it.error, BATCH_OK);
}
END_TEST

START_TEST(offset_and_epoch_are_patched_outside_the_crc)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 3, 1000, &size);
    struct batch_view v;

    batch_set_base_offset(data, INT64_C(0x0123456789abcdef));
    batch_set_leader_epoch(data, 0x01020304);
    v = test_view(data, size);
    ck_assert_int_eq(v.base_offset, INT64_C(0x0123456789abcdef));
    ck_assert_int_eq(v.leader_epoch, 0x01020304);
    ck_assert_int_eq(batch_check(&v, &produce), BATCH_OK);
}
END_TEST

START_TEST(append_time_keeps_the_crc_right)
{
    for (int count = 1; count <= 4096; count *= 8) {
        size_t size;
        _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, count, 1000, &size);
        struct batch_view v;

        for (int64_t t = 99; t < INT64_C(1) << 50; t *= 1000) {
            batch_set_append_time(data, size, t);
            v = test_view(data, size);
            ck_assert_int_eq(v.max_timestamp, t);
            ck_assert_int_eq(v.base_timestamp, 1000);
            ck_assert_uint_eq(v.attributes, BATCH_ATTR_APPEND_TIME);
            ck_assert_int_eq(batch_check(&v, &broker), BATCH_OK);
        }
    }
}
END_TEST

START_TEST(append_time_does_not_hide_damage)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 3, 1000, &size);
    struct batch_view v;

    data[size - 1] ^= 1;
    batch_set_append_time(data, size, 5000);
    v = test_view(data, size);
    ck_assert_int_eq(batch_check(&v, &broker), BATCH_E_CRC);
}
END_TEST

Suite *batch_suite(void)
{
    Suite *s = suite_create("batch");

    suite_add(s, builder_and_parser_agree);
    suite_add(s, known_bytes);
    suite_add(s, every_truncation_is_refused);
    suite_add(s, impossible_lengths_are_refused);
    suite_add(s, only_magic_2_is_taken);
    suite_add(s, exactly_one_batch_where_one_is_due);
    suite_add(s, any_flipped_bit_is_seen);
    suite_add(s, every_rule_of_the_header_is_checked);
    suite_add(s, limits_of_the_caller_are_checked);
    suite_add(s, declared_records_must_fit);
    suite_add(s, control_batches_take_no_sequence);
    suite_add(s, iteration_gives_every_batch);
    suite_add(s, offset_and_epoch_are_patched_outside_the_crc);
    suite_add(s, append_time_keeps_the_crc_right);
    suite_add(s, append_time_does_not_hide_damage);
    return s;
}
