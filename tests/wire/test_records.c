/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "wire/batch_support.h"
#include "wire/suites.h"

static enum batch_error walk(struct slice records, int32_t count, int *ret_n)
{
    struct records_iter it;
    struct record rec;

    records_iter_init(&it, records, count);
    for (*ret_n = 0; records_next(&it, &rec); ++*ret_n)
        ck_assert_int_eq(it.index, *ret_n + 1);
    return it.error;
}

START_TEST(keys_values_and_headers_come_back)
{
    const struct record_header headers[] = { { slice_str("h1"), slice_str("one") },
                                             { slice_str(""), SLICE_NULL },
                                             { slice_str("h1"), slice_str("two") } };
    struct batch_builder b;
    struct records_iter it;
    struct record_header h;
    struct batch_view v;
    struct record rec;
    uint8_t *data;
    size_t size;
    struct rd r;

    batch_builder_init(&b, &BATCH_PARAMS_PLAIN, 1 << 16);
    ck_assert_int_eq(batch_builder_add(&b, 500, SLICE_NULL, slice_str("value"), headers, 3), 0);
    ck_assert_int_eq(batch_builder_add(&b, 100, slice_str(""), SLICE_NULL, NULL, 0), 0);
    ck_assert_int_eq(batch_builder_finish(&b, &data, &size), 0);
    v = test_view(data, size);
    ck_assert_int_eq(v.max_timestamp, 500);

    records_iter_init(&it, v.records, v.count);
    ck_assert(records_next(&it, &rec));
    ck_assert(slice_is_null(rec.key));
    ck_assert(slice_eq_str(rec.value, "value"));
    ck_assert_int_eq(rec.n_headers, 3);
    record_headers_init(&r, &rec);
    for (int i = 0; i < 3; i++) {
        ck_assert(record_headers_next(&r, &h));
        ck_assert(slice_eq(h.key, headers[i].key));
        ck_assert(slice_eq(h.value, headers[i].value));
    }
    ck_assert(!record_headers_next(&r, &h));
    ck_assert(record_find_header(&rec, "h1", &h));
    ck_assert(slice_eq_str(h.value, "one"));
    ck_assert(!record_find_header(&rec, "h2", &h));

    ck_assert(records_next(&it, &rec));
    ck_assert(!slice_is_null(rec.key));
    ck_assert_uint_eq(rec.key.size, 0);
    ck_assert(slice_is_null(rec.value));
    ck_assert_int_eq(rec.timestamp_delta, -400);
    ck_assert_int_eq(rec.offset_delta, 1);
    ck_assert(!records_next(&it, &rec));
    ck_assert_int_eq(it.error, BATCH_OK);
    free(data);
}
END_TEST

START_TEST(every_truncation_of_the_records_is_refused)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 5, 0, &size);
    struct batch_view v = test_view(data, size);
    int n;

    for (size_t cut = 0; cut < v.records.size; cut++) {
        _cleanup_(freep) uint8_t *copy = malloc(MAX(cut, (size_t)1));

        memcpy(copy, v.records.data, cut);
        ck_assert_int_eq(walk(slice_make(copy, cut), 5, &n), BATCH_E_RECORD);
        ck_assert_int_lt(n, 5);
    }
    ck_assert_int_eq(walk(v.records, 5, &n), BATCH_OK);
    ck_assert_int_eq(n, 5);
}
END_TEST

START_TEST(count_and_bytes_must_add_up)
{
    size_t size;
    _cleanup_(freep) uint8_t *data = test_batch(&BATCH_PARAMS_PLAIN, 5, 0, &size);
    struct batch_view v = test_view(data, size);
    int n;

    ck_assert_int_eq(walk(v.records, 4, &n), BATCH_E_RECORD);
    ck_assert_int_eq(walk(v.records, 6, &n), BATCH_E_RECORD);
    ck_assert_int_eq(walk(v.records, INT32_MAX, &n), BATCH_E_RECORD);
    ck_assert_int_eq(walk(SLICE_NULL, 0, &n), BATCH_OK);
}
END_TEST

START_TEST(malformed_records_are_refused)
{
    /* length, attributes, timestamp delta, offset delta, key, value, headers */
    static const struct {
        size_t size;
        uint8_t bytes[24];
        enum batch_error error;
    } cases[] = {
        { 9, { 16, 0, 0, 0, 2, 'k', 2, 'v', 0 }, BATCH_OK },
        { 7, { 12, 0, 0, 0, 1, 1, 0 }, BATCH_OK },
        { 7, { 12, 0, 0, 0, 3, 1, 0 }, BATCH_E_RECORD },            /* key length −2 */
        { 7, { 12, 0, 0, 0, 1, 3, 0 }, BATCH_E_RECORD },            /* value length −2 */
        { 7, { 12, 0, 0, 0, 1, 1, 1 }, BATCH_E_RECORD },            /* −1 headers */
        { 7, { 12, 0, 0, 0, 1, 1, 2 }, BATCH_E_RECORD },            /* header missing */
        { 7, { 1, 0, 0, 0, 1, 1, 0 }, BATCH_E_RECORD },             /* record length −1 */
        { 7, { 10, 0, 0, 0, 1, 1, 0 }, BATCH_E_RECORD },            /* too short */
        { 8, { 14, 0, 0, 0, 1, 1, 0, 0 }, BATCH_E_RECORD },         /* byte left over */
        { 8, { 12, 0, 0, 0, 1, 1, 0, 0 }, BATCH_E_RECORD },         /* byte after the last */
        { 9, { 16, 0, 0, 0, 4, 'k', 2, 'v', 0 }, BATCH_E_RECORD },  /* key takes too much */
        { 11, { 20, 0, 0, 0, 1, 1, 2, 2, 'h', 2, 'x' }, BATCH_OK }, /* one header */
        { 10, { 18, 0, 0, 0, 1, 1, 2, 2, 'h', 1 }, BATCH_OK },      /* with a null value */
        { 9, { 16, 0, 0, 0, 1, 1, 2, 1, 1 }, BATCH_E_RECORD },      /* with a null key */
        { 11, { 20, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80 }, BATCH_E_RECORD }, /* endless varint */
        { 11, { 20, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 1 }, BATCH_E_RECORD }, /* varint of 6 bytes for i32 */
        { 11, { 20, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0 }, BATCH_E_RECORD }, /* key of 2^31 − 1 bytes */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(freep) uint8_t *copy = malloc(cases[i].size);
        int n;

        memcpy(copy, cases[i].bytes, cases[i].size);
        ck_assert_msg(walk(slice_make(copy, cases[i].size), 1, &n) == cases[i].error, "case %zu", i);
    }
}
END_TEST

static enum batch_error check_one(const uint8_t *bytes, size_t size, int64_t base_ms, bool need_keys)
{
    const struct records_limits limits = { .base_timestamp = base_ms, .need_keys = need_keys };
    int32_t index = -1;
    enum batch_error e = records_check(slice_make(bytes, size), 1, &limits, &index);

    ck_assert_int_eq(index, e == BATCH_OK ? -1 : 0);
    return e;
}

START_TEST(contents_are_checked_on_request)
{
    static const uint8_t plain[] = { 12, 0, 2, 0, 1, 1, 0 }, second[] = { 12, 0, 0, 2, 1, 1, 0 };
    const struct records_limits limits = { .need_keys = true };
    struct batch_builder b;
    struct batch_view v;
    int32_t index = -1;
    uint8_t *data;
    size_t size;

    ck_assert_int_eq(check_one(plain, sizeof(plain), 1000, false), BATCH_OK);
    ck_assert_int_eq(check_one(plain, sizeof(plain), INT64_MAX - 1, false), BATCH_OK);
    ck_assert_int_eq(check_one(plain, sizeof(plain), INT64_MAX, false), BATCH_E_RECORD_TIMESTAMP);
    ck_assert_int_eq(check_one(plain, sizeof(plain), 1000, true), BATCH_E_RECORD_KEY);
    ck_assert_int_eq(check_one(second, sizeof(second), 1000, false), BATCH_E_RECORD_OFFSET);
    ck_assert_int_eq(check_one(plain, sizeof(plain) - 1, 1000, false), BATCH_E_RECORD);

    batch_builder_init(&b, &BATCH_PARAMS_PLAIN, 1 << 16);
    ck_assert_int_eq(batch_builder_add(&b, 1, slice_str("k"), SLICE_NULL, NULL, 0), 0);
    ck_assert_int_eq(batch_builder_add(&b, 1, SLICE_NULL, slice_str("v"), NULL, 0), 0);
    ck_assert_int_eq(batch_builder_finish(&b, &data, &size), 0);
    v = test_view(data, size);
    ck_assert_int_eq(records_check(v.records, 2, &limits, &index), BATCH_E_RECORD_KEY);
    ck_assert_int_eq(index, 1);
    free(data);
}
END_TEST

START_TEST(append_time_is_the_time_of_every_record)
{
    struct batch_view v = { .base_timestamp = 10, .max_timestamp = 99 };
    struct record rec = { .timestamp_delta = 5 };
    int64_t t;

    ck_assert(record_timestamp(&v, &rec, &t));
    ck_assert_int_eq(t, 15);
    v.attributes = BATCH_ATTR_APPEND_TIME;
    ck_assert(record_timestamp(&v, &rec, &t));
    ck_assert_int_eq(t, 99);
    v.attributes = 0;
    v.base_timestamp = INT64_MAX;
    ck_assert(!record_timestamp(&v, &rec, &t));
}
END_TEST

START_TEST(builder_keeps_its_limit)
{
    struct batch_builder b;
    uint8_t *data;
    size_t size;

    batch_builder_init(&b, &BATCH_PARAMS_PLAIN, 100);
    ck_assert_int_eq(batch_builder_add(&b, 1, SLICE_NULL, slice_make("0123456789", 10), NULL, 0), 0);
    ck_assert_int_eq(batch_builder_add(&b, 1, SLICE_NULL, slice_make("0123456789012345", 16), NULL, 0), -ENOBUFS);
    ck_assert_int_eq(batch_builder_add(&b, 1, SLICE_NULL, slice_make("x", 1), NULL, 0), 0);
    ck_assert_int_eq(batch_builder_finish(&b, &data, &size), 0);
    ck_assert_uint_le(size, 100);
    ck_assert_int_eq(test_view(data, size).count, 2);
    free(data);

    batch_builder_init(&b, &BATCH_PARAMS_PLAIN, 100);
    ck_assert_int_eq(batch_builder_finish(&b, &data, &size), -ENODATA);
    batch_builder_init(&b, &BATCH_PARAMS_PLAIN, 10);
    ck_assert_int_eq(batch_builder_add(&b, 1, SLICE_NULL, SLICE_NULL, NULL, 0), -ENOBUFS);
    batch_builder_fini(&b);
}
END_TEST

START_TEST(builder_refuses_what_the_format_cannot_say)
{
    const struct record_header no_key = { SLICE_NULL, slice_str("x") };
    struct batch_builder b;

    batch_builder_init(&b, &BATCH_PARAMS_PLAIN, 1000);
    ck_assert_int_eq(batch_builder_add(&b, -1, SLICE_NULL, SLICE_NULL, &no_key, 1), -EINVAL);
    ck_assert_int_eq(batch_builder_add(&b, -2, SLICE_NULL, SLICE_NULL, NULL, 0), 0);
    ck_assert_int_eq(batch_builder_add(&b, INT64_MAX, SLICE_NULL, SLICE_NULL, NULL, 0), -EINVAL);
    batch_builder_fini(&b);
}
END_TEST

Suite *records_suite(void)
{
    Suite *s = suite_create("records");

    suite_add(s, keys_values_and_headers_come_back);
    suite_add(s, every_truncation_of_the_records_is_refused);
    suite_add(s, count_and_bytes_must_add_up);
    suite_add(s, malformed_records_are_refused);
    suite_add(s, contents_are_checked_on_request);
    suite_add(s, append_time_is_the_time_of_every_record);
    suite_add(s, builder_keeps_its_limit);
    suite_add(s, builder_refuses_what_the_format_cannot_say);
    return s;
}
