/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages that Apache Kafka's own encoder wrote: decoded, encoded again byte for byte, and cut short everywhere. */
#include <stdio.h>

#include "base/util.h"
#include "wire/frame.h"
#include "wire/golden.h"
#include "wire/suites.h"

#define ARENA_LIMIT ((size_t)16 << 20)
#define MAX_VERSIONS 32

struct vector {
    char name[128]; /* for messages of the test */
    const struct wire_message_info *info;
    int16_t version;
    struct slice bytes, encoded; /* what Kafka wrote, and what we are to write */
};

static const struct wire_message_info *message_find(const char *name)
{
    for (size_t i = 0; i < wire_n_messages; i++)
        if (strcmp(wire_messages[i].name, name) == 0)
            return &wire_messages[i];
    ck_abort_msg("no message is called %s", name);
}

static bool vector_next(struct golden_file *f, struct vector *v)
{
    struct golden_line line;

    if (!golden_next(f, &line))
        return false;
    ck_assert_msg(line.n_words == 4 || line.n_words == 5, "%s:%u: %zu words", f->name, line.number, line.n_words);
    snprintf(v->name, sizeof(v->name), "%s:%u: %s version %s %s", f->name, line.number, line.words[0], line.words[1],
             line.words[2]);
    v->info = message_find(line.words[0]);
    v->version = (int16_t)strtol(line.words[1], NULL, 10);
    ck_assert_msg(v->version >= v->info->min_version && v->version <= v->info->max_version, "%s: version", v->name);
    v->bytes = golden_bytes(line.words[3]);
    v->encoded = golden_bytes(line.words[line.n_words - 1]);
    return true;
}

static void vector_fini(struct vector *v)
{
    golden_free(v->bytes);
    golden_free(v->encoded);
}

static int decode(const struct vector *v, void *m, struct slice bytes, struct arena *a)
{
    struct rd r;

    memset(m, 0xa5, v->info->struct_size);
    rd_init(&r, bytes.data, bytes.size);
    v->info->decode(m, &r, v->version, a);
    return wire_decode_end(&r);
}

static void each_vector(void (*trial)(const struct vector *v, void *m, struct arena *a))
{
    struct golden_file f;
    struct vector v;
    struct arena a;

    arena_init(&a, ARENA_LIMIT);
    golden_open(&f, "messages.txt");
    while (vector_next(&f, &v)) {
        _cleanup_(freep) void *m = xmalloc(v.info->struct_size);

        trial(&v, m, &a);
        arena_reset(&a);
        vector_fini(&v);
    }
    golden_close(&f);
    arena_fini(&a);
}

static void trial_round_trip(const struct vector *v, void *m, struct arena *a)
{
    struct wr w;

    ck_assert_msg(decode(v, m, v->bytes, a) == 0, "%s: doesn't decode", v->name);
    wr_init_growing(&w, 0, ARENA_LIMIT);
    v->info->encode(m, &w, v->version);
    ck_assert_msg(w.error == 0, "%s: doesn't encode: %d", v->name, w.error);
    ck_assert_msg(slice_eq(slice_make(w.start != NULL ? w.start : (const uint8_t *)"", wr_size(&w)), v->encoded),
                  "%s: encodes otherwise", v->name);
    wr_fini(&w);
}

START_TEST(messages_of_kafka_come_back_byte_for_byte)
{
    each_vector(trial_round_trip);
}
END_TEST

static void trial_truncations(const struct vector *v, void *m, struct arena *a)
{
    for (size_t n = 0; n < v->bytes.size; n++) {
        uint8_t *cut = xmalloc(MAX(n, (size_t)1));

        memcpy(cut, v->bytes.data, n);
        if (decode(v, m, slice_make(cut, n), a) == 0)
            ck_abort_msg("%s: cut to %zu bytes", v->name, n);
        arena_reset(a);
        free(cut);
    }
}

START_TEST(every_truncation_is_refused)
{
    each_vector(trial_truncations);
}
END_TEST

START_TEST(every_advertised_version_is_there)
{
    size_t seen[256][MAX_VERSIONS] = { { 0 } };
    struct golden_file f;
    struct vector v;

    ck_assert_uint_le(wire_n_messages, ARRAY_SIZE(seen));
    golden_open(&f, "messages.txt");
    while (vector_next(&f, &v)) {
        ck_assert_int_lt(v.version, MAX_VERSIONS);
        seen[v.info - wire_messages][v.version]++;
        vector_fini(&v);
    }
    golden_close(&f);
    for (size_t i = 0; i < wire_n_messages; i++) {
        const struct wire_message_info *info = &wire_messages[i];
        const int16_t first = info->api_key >= 0 ? wire_api(info->api_key)->min_served : info->min_version;

        for (int16_t version = first; version <= info->max_version; version++)
            ck_assert_msg(seen[i][version] > 0, "no vectors of %s version %d", info->name, version);
    }
}
END_TEST

Suite *golden_messages_suite(void)
{
    Suite *s = suite_create("golden messages");

    suite_add(s, messages_of_kafka_come_back_byte_for_byte);
    suite_add(s, every_truncation_is_refused);
    suite_add(s, every_advertised_version_is_there);
    return s;
}
