/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/util.h"
#include "wire/frame.h"
#include "wire/sample.h"
#include "wire/suites.h"

/* What holds for every message in every version, tried with random values. */

#define ROUNDS 12
#define MAX_SIZE ((size_t)16 << 20)

typedef void (*trial_fn)(const struct wire_message_info *info, const struct sample_functions *f, int16_t version,
                         struct sample *s);

static void try_version(const struct wire_message_info *info, const struct sample_functions *f, int16_t version,
                        uint64_t seed, trial_fn trial)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct sample s;

        sample_init(&s, seed + round);
        s.is_small = round % 4 != 0;
        trial(info, f, version, &s);
        sample_fini(&s);
    }
}

static void try_table(const struct wire_message_info *infos, const struct sample_functions *f, size_t n, struct rand *r,
                      trial_fn trial)
{
    for (size_t i = 0; i < n; i++) {
        for (int16_t v = infos[i].min_version; v <= infos[i].max_version; v++)
            try_version(&infos[i], &f[i], v, rand_u64(r), trial);
    }
}

static void try_all(struct rand *r, trial_fn trial)
{
    try_table(wire_messages, wire_samples, wire_n_messages, r, trial);
    try_table(every_messages, every_samples, every_n_messages, r, trial);
}

/* Encodes into memory of exactly the needed size, so that the address sanitizer sees a read beyond it. */
static uint8_t *encode(const struct wire_message_info *info, const void *m, int16_t version, size_t *ret_size)
{
    struct wr w;
    uint8_t *copy;

    wr_init_growing(&w, 256, MAX_SIZE);
    info->encode(m, &w, version);
    ck_assert_msg(w.error == 0, "%s v%d: encode: %d", info->name, version, w.error);
    copy = xmalloc(wr_size(&w) + (wr_size(&w) == 0));
    memcpy(copy, w.start, wr_size(&w));
    *ret_size = wr_size(&w);
    wr_fini(&w);
    return copy;
}

static int decode(const struct wire_message_info *info, void *m, const uint8_t *data, size_t size, int16_t version,
                  struct arena *a)
{
    struct rd r;

    rd_init(&r, data, size);
    info->decode(m, &r, version, a);
    return wire_decode_end(&r);
}

static void *new_message(const struct wire_message_info *info, struct sample *s)
{
    void *m = sample_array(s, 1, info->struct_size);

    memset(m, 0xa5, info->struct_size);
    return m;
}

static void trial_round_trip(const struct wire_message_info *info, const struct sample_functions *f, int16_t version,
                             struct sample *s)
{
    void *m = new_message(info, s), *copy = new_message(info, s);
    _cleanup_(freep) uint8_t *data = NULL, *again = NULL;
    size_t size, again_size;
    int err;

    f->fill(m, s, version);
    data = encode(info, m, version, &size);
    err = decode(info, copy, data, size, version, &s->arena);
    ck_assert_msg(err == 0, "%s v%d: decode: %d", info->name, version, err);
    ck_assert_msg(f->equal(m, copy), "%s v%d: another message came back", info->name, version);
    again = encode(info, copy, version, &again_size);
    ck_assert_uint_eq(size, again_size);
    ck_assert_mem_eq(data, again, size);
}

START_TEST(messages_survive_the_round_trip)
{
    struct rand r;

    rand_init(&r);
    try_all(&r, trial_round_trip);
}
END_TEST

static void trial_truncation(const struct wire_message_info *info, const struct sample_functions *f, int16_t version,
                             struct sample *s)
{
    void *m = new_message(info, s);
    _cleanup_(freep) uint8_t *data = NULL;
    size_t size, step;

    f->fill(m, s, version);
    data = encode(info, m, version, &size);
    step = 1 + size / 512;
    for (size_t cut = 0; cut < size; cut += step) {
        _cleanup_(freep) uint8_t *part = xmalloc(cut + (cut == 0));
        int err;

        memcpy(part, data, cut);
        err = decode(info, m, part, cut, version, &s->arena);
        ck_assert_msg(err == -EBADMSG, "%s v%d: cut at %zu of %zu: %d", info->name, version, cut, size, err);
    }
}

START_TEST(truncated_messages_are_refused)
{
    struct rand r;

    rand_init(&r);
    try_all(&r, trial_truncation);
}
END_TEST

static void trial_trailing_byte(const struct wire_message_info *info, const struct sample_functions *f, int16_t version,
                                struct sample *s)
{
    void *m = new_message(info, s);
    _cleanup_(freep) uint8_t *data = NULL;
    size_t size;

    f->fill(m, s, version);
    data = encode(info, m, version, &size);
    data = xrealloc(data, size + 1);
    data[size] = 0;
    ck_assert_int_eq(decode(info, m, data, size + 1, version, &s->arena), -EBADMSG);
}

START_TEST(bytes_behind_a_message_are_refused)
{
    struct rand r;

    rand_init(&r);
    try_all(&r, trial_trailing_byte);
}
END_TEST

/* Whatever changed bytes decode to can be said again, and means the same. */
static void trial_damage(const struct wire_message_info *info, const struct sample_functions *f, int16_t version,
                         struct sample *s)
{
    void *m = new_message(info, s), *copy = new_message(info, s);
    _cleanup_(freep) uint8_t *data = NULL;
    size_t size;

    f->fill(m, s, version);
    data = encode(info, m, version, &size);
    for (unsigned n = 0; n < 30 && size > 0; n++) {
        _cleanup_(freep) uint8_t *again = NULL;
        size_t again_size;

        data[rand_below(&s->rand, size)] = (uint8_t)rand_edgy_u64(&s->rand);
        if (decode(info, m, data, size, version, &s->arena) != 0)
            continue;
        again = encode(info, m, version, &again_size);
        ck_assert_int_eq(decode(info, copy, again, again_size, version, &s->arena), 0);
        ck_assert(f->equal(m, copy));
    }
}

START_TEST(damaged_messages_do_no_harm)
{
    struct rand r;

    rand_init(&r);
    try_all(&r, trial_damage);
}
END_TEST

static void check_other_versions(const struct wire_message_info *info, const struct sample_functions *f,
                                 struct sample *s)
{
    static const uint8_t zeros[512];
    const int16_t versions[] = { (int16_t)(info->min_version - 1), (int16_t)(info->max_version + 1), INT16_MIN,
                                 INT16_MAX };
    void *m = new_message(info, s);
    struct wr w;

    f->fill(m, s, info->max_version);
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        ck_assert_int_eq(decode(info, new_message(info, s), zeros, sizeof(zeros), versions[i], &s->arena),
                         -EPROTONOSUPPORT);
        wr_init_growing(&w, 0, MAX_SIZE);
        info->encode(m, &w, versions[i]);
        ck_assert_int_eq(w.error, -EPROTO);
        wr_fini(&w);
    }
}

START_TEST(other_versions_are_refused)
{
    struct sample s;

    sample_init(&s, 1);
    for (size_t i = 0; i < wire_n_messages; i++)
        check_other_versions(&wire_messages[i], &wire_samples[i], &s);
    sample_fini(&s);
}
END_TEST

/* A buffer that is too small in any place gives -ENOBUFS and no write beyond it. */
START_TEST(encoding_stops_at_the_end_of_the_buffer)
{
    struct sample s;
    struct wr w;

    sample_init(&s, 2);
    s.is_small = true;
    for (size_t i = 0; i < every_n_messages; i++) {
        const struct wire_message_info *info = &every_messages[i];
        void *m = new_message(info, &s);
        _cleanup_(freep) uint8_t *data = NULL;
        size_t size;

        every_samples[i].fill(m, &s, info->max_version);
        data = encode(info, m, info->max_version, &size);
        for (size_t room = 0; room < size; room++) {
            _cleanup_(freep) uint8_t *small = xmalloc(room + (room == 0));

            wr_init_fixed(&w, small, room);
            info->encode(m, &w, info->max_version);
            ck_assert_int_eq(w.error, -ENOBUFS);
        }
    }
    sample_fini(&s);
}
END_TEST

START_TEST(init_sets_what_decoding_calls_default)
{
    struct sample s;

    sample_init(&s, 3);
    for (size_t i = 0; i < wire_n_messages; i++) {
        const struct wire_message_info *info = &wire_messages[i];

        for (int16_t v = info->min_version; v <= info->max_version; v++) {
            void *m = new_message(info, &s), *copy = new_message(info, &s);
            _cleanup_(freep) uint8_t *data = NULL;
            size_t size;

            info->init(m);
            data = encode(info, m, v, &size);
            ck_assert_int_eq(decode(info, copy, data, size, v, &s.arena), 0);
            ck_assert_msg(wire_samples[i].equal(m, copy), "%s v%d", info->name, v);
        }
    }
    sample_fini(&s);
}
END_TEST

Suite *messages_suite(void)
{
    Suite *s = suite_create("messages");

    suite_add(s, messages_survive_the_round_trip);
    suite_add(s, truncated_messages_are_refused);
    suite_add(s, bytes_behind_a_message_are_refused);
    suite_add(s, damaged_messages_do_no_harm);
    suite_add(s, other_versions_are_refused);
    suite_add(s, encoding_stops_at_the_end_of_the_buffer);
    suite_add(s, init_sets_what_decoding_calls_default);
    return s;
}
