/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Record batches that Apache Kafka's own builder wrote, against what its own reader finds in them. */
#include <stdio.h>

#include "base/util.h"
#include "wire/batch.h"
#include "wire/batch_builder.h"
#include "wire/golden.h"
#include "wire/record_stream.h"
#include "wire/suites.h"

#define MAX_RECORDS 16
#define N_HEADER_WORDS 11

static const struct inflate_limits roomy = { .max_output = 16 << 20, .max_ratio = 10000 };
static const struct batch_limits any = { .max_size = 16 << 20 };

struct expected_record {
    int64_t offset, timestamp;
    struct slice key, value;
    size_t n_headers;
    struct record_header headers[4];
};

struct vector {
    char name[64];
    int64_t header[N_HEADER_WORDS - 1];
    size_t n_records;
    struct expected_record records[MAX_RECORDS];
    struct slice bytes;
};

static int64_t number(const char *word)
{
    return strtoll(word, NULL, 10);
}

static void read_record(const struct golden_line *line, struct expected_record *r)
{
    r->offset = number(line->words[1]);
    r->timestamp = number(line->words[2]);
    r->key = golden_bytes(line->words[3]);
    r->value = golden_bytes(line->words[4]);
    r->n_headers = line->n_words - 5;
    ck_assert_uint_le(r->n_headers, ARRAY_SIZE(r->headers));
    for (size_t i = 0; i < r->n_headers; i++) {
        _cleanup_(freep) char *key = xstrdup(line->words[5 + i]);
        char *value = strchr(key, '=');

        ck_assert_ptr_nonnull(value);
        *value++ = '\0';
        r->headers[i] = (struct record_header){ golden_bytes(key), golden_bytes(value) };
    }
}

static bool vector_next(struct golden_file *f, struct vector *v)
{
    struct golden_line line;

    *v = (struct vector){ 0 };
    while (golden_next(f, &line)) {
        if (strcmp(line.words[0], "batch") == 0) {
            snprintf(v->name, sizeof(v->name), "%s", line.words[1]);
        } else if (strcmp(line.words[0], "header") == 0) {
            ck_assert_uint_eq(line.n_words, N_HEADER_WORDS);
            for (size_t i = 1; i < N_HEADER_WORDS; i++)
                v->header[i - 1] = number(line.words[i]);
        } else if (strcmp(line.words[0], "record") == 0) {
            ck_assert_uint_lt(v->n_records, MAX_RECORDS);
            read_record(&line, &v->records[v->n_records++]);
        } else {
            ck_assert_str_eq(line.words[0], "bytes");
            v->bytes = golden_bytes(line.words[1]);
            return true;
        }
    }
    return false;
}

static void vector_fini(struct vector *v)
{
    for (size_t i = 0; i < v->n_records; i++) {
        golden_free(v->records[i].key);
        golden_free(v->records[i].value);
        for (size_t k = 0; k < v->records[i].n_headers; k++) {
            golden_free(v->records[i].headers[k].key);
            golden_free(v->records[i].headers[k].value);
        }
    }
    golden_free(v->bytes);
}

static void each_vector(void (*trial)(const struct vector *v, const struct batch_view *view))
{
    struct golden_file f;
    struct batch_view view;
    struct vector v;
    int n = 0;

    golden_open(&f, "batches.txt");
    for (; vector_next(&f, &v); n++) {
        ck_assert_msg(batch_parse_only(v.bytes, &view) == BATCH_OK, "%s: doesn't parse", v.name);
        trial(&v, &view);
        vector_fini(&v);
    }
    golden_close(&f);
    ck_assert_int_gt(n, 30);
}

static void trial_header(const struct vector *v, const struct batch_view *view)
{
    const int64_t have[N_HEADER_WORDS - 1] = {
        view->base_offset,   view->leader_epoch, view->attributes,     view->last_offset_delta, view->base_timestamp,
        view->max_timestamp, view->producer_id,  view->producer_epoch, view->base_sequence,     view->count
    };

    for (size_t i = 0; i < ARRAY_SIZE(have); i++)
        ck_assert_msg(have[i] == v->header[i], "%s: header field %zu is %lld", v->name, i, (long long)have[i]);
    ck_assert_msg(batch_check(view, &any) == BATCH_OK, "%s: %s", v->name, batch_error_text(batch_check(view, &any)));
}

START_TEST(headers_are_read_and_pass_the_checks)
{
    each_vector(trial_header);
}
END_TEST

static void expect_record(const struct vector *v, const struct batch_view *view, const struct record *rec, size_t i)
{
    const struct expected_record *want = &v->records[i];
    struct record_header h;
    int64_t timestamp;
    struct rd r;

    ck_assert_int_eq(view->base_offset + rec->offset_delta, want->offset);
    ck_assert(record_timestamp(view, rec, &timestamp));
    ck_assert_int_eq(timestamp, want->timestamp);
    ck_assert_msg(slice_eq(rec->key, want->key), "%s: key of record %zu", v->name, i);
    ck_assert_msg(slice_eq(rec->value, want->value), "%s: value of record %zu", v->name, i);
    ck_assert_uint_eq((size_t)rec->n_headers, want->n_headers);
    record_headers_init(&r, rec);
    for (size_t k = 0; k < want->n_headers; k++) {
        ck_assert(record_headers_next(&r, &h));
        ck_assert(slice_eq(h.key, want->headers[k].key));
        ck_assert(slice_eq(h.value, want->headers[k].value));
    }
    ck_assert(!record_headers_next(&r, &h));
}

static void trial_records(const struct vector *v, const struct batch_view *view)
{
    struct record_scratch scratch;
    struct record_stream s;
    struct record rec;
    size_t n = 0;

    record_scratch_init(&scratch, &roomy);
    ck_assert_int_eq(record_stream_init(&s, view, &scratch), 0);
    for (; record_stream_next(&s, &rec); n++) {
        ck_assert_uint_lt(n, v->n_records);
        expect_record(v, view, &rec, n);
    }
    ck_assert_msg(s.error == 0, "%s: error %d", v->name, s.error);
    ck_assert_uint_eq(n, v->n_records);
    record_stream_fini(&s);
    record_scratch_fini(&scratch);
}

START_TEST(records_of_all_codecs_are_what_kafka_reads)
{
    each_vector(trial_records);
}
END_TEST

static void trial_truncations(const struct vector *v, const struct batch_view *view)
{
    struct batch_view cut_view;

    for (size_t n = 0; n < v->bytes.size; n += n < 512 || n + 512 > v->bytes.size ? 1 : 97) {
        _cleanup_(freep) uint8_t *cut = xmalloc(MAX(n, (size_t)1));

        memcpy(cut, v->bytes.data, n);
        if (batch_parse_only(slice_make(cut, n), &cut_view) == BATCH_OK)
            ck_abort_msg("%s: cut to %zu bytes", v->name, n);
    }
}

START_TEST(cut_batches_are_refused)
{
    each_vector(trial_truncations);
}
END_TEST

/* Sound header and CRC, records that end early. */
static void trial_cut_records(const struct vector *v, const struct batch_view *view)
{
    struct record_scratch scratch;
    size_t step = MAX(view->records.size / 100, (size_t)1);

    record_scratch_init(&scratch, &roomy);
    for (size_t n = 0; n < view->records.size; n += step) {
        _cleanup_(freep) uint8_t *cut = xmalloc(MAX(n, (size_t)1));
        struct batch_view shorter = *view;
        struct record_stream s;
        struct record rec;
        int r;

        memcpy(cut, view->records.data, n);
        shorter.records = slice_make(cut, n);
        r = record_stream_init(&s, &shorter, &scratch);
        if (r == 0) {
            while (record_stream_next(&s, &rec))
                ;
            r = s.error;
            record_stream_fini(&s);
        }
        ck_assert_msg(r > 0, "%s: records cut to %zu bytes", v->name, n);
    }
    record_scratch_fini(&scratch);
}

START_TEST(cut_records_are_refused)
{
    each_vector(trial_cut_records);
}
END_TEST

/* Our builder writes what Kafka's does. */
static void trial_build(const struct vector *v, const struct batch_view *view)
{
    const struct batch_params p = { .base_offset = view->base_offset,
                                    .leader_epoch = view->leader_epoch,
                                    .attributes = view->attributes,
                                    .producer_id = view->producer_id,
                                    .producer_epoch = view->producer_epoch,
                                    .base_sequence = view->base_sequence };
    struct batch_builder b;
    uint8_t *data;
    size_t size;

    if (batch_codec(view) != BATCH_CODEC_NONE || (view->attributes & BATCH_ATTR_APPEND_TIME))
        return;
    batch_builder_init(&b, &p, 1 << 20);
    for (size_t i = 0; i < v->n_records; i++) {
        const struct expected_record *rec = &v->records[i];

        ck_assert_int_eq(batch_builder_add(&b, rec->timestamp, rec->key, rec->value, rec->headers, rec->n_headers), 0);
    }
    ck_assert_int_eq(batch_builder_finish(&b, &data, &size), 0);
    ck_assert_msg(slice_eq(slice_make(data, size), v->bytes), "%s: built otherwise", v->name);
    free(data);
}

START_TEST(the_builder_writes_the_same_bytes)
{
    each_vector(trial_build);
}
END_TEST

/* To another time and back: the bytes, CRC included, are those of Kafka's builder again. */
START_TEST(append_time_is_patched_as_kafka_would)
{
    struct golden_file f;
    struct vector v;
    int n = 0;

    golden_open(&f, "batches.txt");
    while (vector_next(&f, &v)) {
        if (strncmp(v.name, "append-time-", 12) == 0) {
            _cleanup_(freep) uint8_t *data = xmalloc(v.bytes.size);
            struct batch_view view;

            memcpy(data, v.bytes.data, v.bytes.size);
            batch_set_append_time(data, v.bytes.size, v.header[5] + 1);
            ck_assert_int_eq(batch_parse(data, v.bytes.size, &view), BATCH_OK);
            ck_assert_int_eq(batch_check(&view, &any), BATCH_OK);
            batch_set_append_time(data, v.bytes.size, v.header[5]);
            ck_assert_mem_eq(data, v.bytes.data, v.bytes.size);
            n++;
        }
        vector_fini(&v);
    }
    golden_close(&f);
    ck_assert_int_gt(n, 4);
}
END_TEST

static int64_t expected_offset_at(const struct vector *v, int64_t target, int64_t *ret_timestamp)
{
    for (size_t i = 0; i < v->n_records; i++)
        if (v->records[i].timestamp >= target) {
            *ret_timestamp = v->records[i].timestamp;
            return v->records[i].offset;
        }
    *ret_timestamp = -1;
    return -1;
}

static void trial_times(const struct vector *v, const struct batch_view *view)
{
    struct record_scratch scratch;

    record_scratch_init(&scratch, &roomy);
    for (size_t i = 0; i < v->n_records; i++)
        for (int64_t d = -1; d <= 1; d++) {
            int64_t target = (int64_t)((uint64_t)v->records[i].timestamp + (uint64_t)d), offset, timestamp, want;

            ck_assert_int_eq(batch_find_timestamp(view, target, &scratch, &offset, &timestamp), 0);
            ck_assert_int_eq(offset, expected_offset_at(v, target, &want));
            ck_assert_int_eq(timestamp, want);
        }
    record_scratch_fini(&scratch);
}

START_TEST(times_are_found)
{
    each_vector(trial_times);
}
END_TEST

Suite *golden_batches_suite(void)
{
    Suite *s = suite_create("golden batches");

    suite_add(s, headers_are_read_and_pass_the_checks);
    suite_add(s, records_of_all_codecs_are_what_kafka_reads);
    suite_add(s, cut_batches_are_refused);
    suite_add(s, cut_records_are_refused);
    suite_add(s, the_builder_writes_the_same_bytes);
    suite_add(s, append_time_is_patched_as_kafka_would);
    suite_add(s, times_are_found);
    return s;
}
