/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/produce_layout.h"

#include "base/arena.h"
#include "base/util.h"
#include "support/rand.h"
#include "wire/frame.h"
#include "wire/suites.h"
#include "wire/wire_messages.h"

static const char *const names[] = { "", "t", "a.longer-name_of-a-topic" };

static void write_request(struct wr *w, int16_t version, const char *name, const char *client)
{
    static uint8_t records[2][300];
    struct wire_produce_request_partition partitions[2] = {
        { .index = 7, .records = slice_make(records[0], sizeof(records[0])) },
        { .index = 8, .records = slice_make(records[1], sizeof(records[1])) },
    };
    struct wire_produce_request_topic topic = { .name = slice_str(name),
                                                .partition_data = partitions,
                                                .n_partition_data = 2 };
    struct wire_produce_request m;
    size_t at;

    wire_produce_request_init(&m);
    m.acks = -1;
    m.topic_data = &topic;
    m.n_topic_data = 1;
    at = wire_request_begin(w, wire_api(WIRE_API_PRODUCE), version, 1, slice_str(client));
    wire_produce_request_encode(&m, w, version);
    wire_frame_end(w, at, 0);
    ck_assert_int_eq(w->error, 0);
}

/* Where the decoder finds them. */
static size_t decoded(const uint8_t *frame, size_t size)
{
    struct wire_produce_request m;
    struct wire_request q;
    struct arena a;
    struct rd r;
    size_t at;

    arena_init(&a, 1 << 20);
    rd_init(&r, frame, size);
    ck_assert_int_eq(wire_request_parse(&q, &r), 0);
    ck_assert_int_eq(wire_produce_request_decode(&m, &r, q.api_version, &a), 0);
    at = (size_t)(m.topic_data[0].partition_data[0].records.data - frame);
    arena_fini(&a);
    return at;
}

START_TEST(finds_the_first_records)
{
    for (int16_t version = 3; version <= wire_api(WIRE_API_PRODUCE)->max_version; version++) {
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            struct wr w;
            const uint8_t *frame;
            size_t size, want;

            wr_init_growing(&w, 0, 1 << 16);
            write_request(&w, version, names[i], names[ARRAY_SIZE(names) - 1 - i]);
            frame = w.start + WIRE_FRAME_PREFIX_SIZE;
            size = wr_size(&w) - WIRE_FRAME_PREFIX_SIZE;
            want = decoded(frame, size);
            ck_assert_uint_eq(wire_produce_first_records(frame, size), want);
            ck_assert_uint_eq(wire_produce_first_records(frame, want), want);
            for (size_t n = 0; n < want; n++)
                ck_assert_uint_eq(wire_produce_first_records(frame, n), 0);
            wr_fini(&w);
        }
    }
}
END_TEST

START_TEST(other_bytes_tell_nothing_beyond_them)
{
    uint8_t frame[64];
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 10000; i++) {
        rand_fill(&r, frame, sizeof(frame));
        if (rand_chance(&r, 1, 2))
            memcpy(frame, (const uint8_t[]){ 0, 0, 0, (uint8_t)rand_below(&r, 14) }, 4);
        ck_assert_uint_le(wire_produce_first_records(frame, sizeof(frame)), sizeof(frame));
    }
    memcpy(frame, (const uint8_t[]){ 0, 3, 0, 8 }, 4);
    ck_assert_uint_eq(wire_produce_first_records(frame, sizeof(frame)), 0);
}
END_TEST

Suite *produce_layout_suite(void)
{
    Suite *s = suite_create("produce_layout");

    suite_add(s, finds_the_first_records);
    suite_add(s, other_bytes_tell_nothing_beyond_them);
    return s;
}
