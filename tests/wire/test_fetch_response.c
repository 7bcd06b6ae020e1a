/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "wire/fetch_response.h"
#include "wire/suites.h"

#define N_PARTITIONS 6
#define FRAME_SIZE 4096

/* A response of two topics; partition i has records of sizes[i] bytes. */
struct scene {
    struct wire_fetch_response message;
    struct wire_fetch_response_topic topics[2];
    struct wire_fetch_response_partition partitions[N_PARTITIONS];
    struct wire_request request;
    struct wire_gap list[N_PARTITIONS];
    struct wire_gaps gaps;
};

static const size_t sizes[N_PARTITIONS] = { 10, 0, 200, 1, 0, 300 };
static const uint8_t record_bytes[300] = { 1, 2, 3, 4, 5, 6, 7 };

static void set_up(struct scene *s, int16_t version, bool elsewhere)
{
    *s = (struct scene){ .request = { .api = wire_api(WIRE_API_FETCH),
                                      .api_version = version,
                                      .response_version = version,
                                      .correlation_id = 77 } };
    s->gaps = (struct wire_gaps){ .list = s->list, .max = N_PARTITIONS };
    wire_fetch_response_init(&s->message);
    s->message.responses = s->topics;
    s->message.n_responses = 2;
    for (int i = 0; i < 2; i++) {
        wire_fetch_response_topic_init(&s->topics[i]);
        s->topics[i].topic = slice_str("t");
        s->topics[i].partitions = s->partitions + i * N_PARTITIONS / 2;
        s->topics[i].n_partitions = N_PARTITIONS / 2;
    }
    for (int i = 0; i < N_PARTITIONS; i++) {
        wire_fetch_response_partition_init(&s->partitions[i]);
        s->partitions[i].partition_index = i;
        s->partitions[i].records = elsewhere ? wire_records_elsewhere(sizes[i]) : slice_make(record_bytes, sizes[i]);
    }
    s->partitions[4].records = SLICE_NULL;
}

/* Puts the pieces together as a connection would. */
static void join_pieces(const struct scene *s, const struct wr *w, struct wr *to)
{
    struct wire_pieces pieces;
    struct wire_piece piece;

    for (wire_pieces_init(&pieces, w, 0, &s->gaps); wire_pieces_next(&pieces, &piece);) {
        ck_assert_uint_gt(piece.bytes.size, 0);
        wr_bytes(to, piece.bytes.data, piece.bytes.size);
        if (piece.gap != NULL)
            wr_bytes(to, record_bytes, piece.gap->size);
    }
}

START_TEST(pieces_are_the_copied_response)
{
    for (int16_t version = 4; version <= 13; version++) {
        uint8_t whole[FRAME_SIZE], parts[FRAME_SIZE], joined[FRAME_SIZE];
        struct wr w, p, j;
        struct scene s;

        set_up(&s, version, false);
        wr_init_fixed(&w, whole, sizeof(whole));
        wire_fetch_response_write(&w, &s.request, &s.message, &s.gaps);
        ck_assert_int_eq(w.error, 0);
        ck_assert_uint_eq(s.gaps.n, 0);
        ck_assert_uint_eq(load_be32(whole), wr_size(&w) - WIRE_FRAME_PREFIX_SIZE);

        set_up(&s, version, true);
        wr_init_fixed(&p, parts, sizeof(parts));
        wire_fetch_response_write(&p, &s.request, &s.message, &s.gaps);
        ck_assert_int_eq(p.error, 0);
        ck_assert_uint_eq(s.gaps.n, 4);
        ck_assert_uint_eq(s.gaps.bytes, 511);
        ck_assert_uint_eq(wr_size(&p) + s.gaps.bytes, wr_size(&w));

        wr_init_fixed(&j, joined, sizeof(joined));
        join_pieces(&s, &p, &j);
        ck_assert_uint_eq(wr_size(&j), wr_size(&w));
        ck_assert_mem_eq(joined, whole, wr_size(&w));
    }
}
END_TEST

START_TEST(gaps_name_their_partition)
{
    static const int expected[] = { 0, 2, 3, 5 };
    uint8_t room[FRAME_SIZE];
    struct scene s;
    struct wr w;

    set_up(&s, 13, true);
    ck_assert_uint_eq(wire_fetch_response_max_gaps(&s.message), 5);
    wr_init_fixed(&w, room, sizeof(room));
    wire_fetch_response_write(&w, &s.request, &s.message, &s.gaps);
    for (uint32_t i = 0; i < s.gaps.n; i++) {
        const struct wire_fetch_response_partition *partition =
            container_of(s.gaps.list[i].records, struct wire_fetch_response_partition, records);

        ck_assert_int_eq(partition->partition_index, expected[i]);
        ck_assert_uint_eq(s.gaps.list[i].size, sizes[expected[i]]);
    }
}
END_TEST

START_TEST(copied_and_distant_records_mix)
{
    uint8_t room[FRAME_SIZE], joined[FRAME_SIZE];
    struct wire_fetch_response m;
    struct scene s;
    struct arena a;
    struct wr w, j;
    struct rd r;
    int32_t id;

    set_up(&s, 12, true);
    s.partitions[2].records = slice_make("xyz", 3);
    wr_init_fixed(&w, room, sizeof(room));
    wire_fetch_response_write(&w, &s.request, &s.message, &s.gaps);
    ck_assert_int_eq(w.error, 0);
    ck_assert_uint_eq(s.gaps.n, 3);
    wr_init_fixed(&j, joined, sizeof(joined));
    join_pieces(&s, &w, &j);
    arena_init(&a, 1 << 20);
    rd_init(&r, joined + WIRE_FRAME_PREFIX_SIZE, wr_size(&j) - WIRE_FRAME_PREFIX_SIZE);
    ck_assert_int_eq(wire_response_parse(&r, s.request.api, 12, &id), 0);
    ck_assert_int_eq(wire_fetch_response_decode(&m, &r, 12, &a), 0);
    ck_assert_int_eq(wire_decode_end(&r), 0);
    ck_assert(slice_eq_str(m.responses[0].partitions[2].records, "xyz"));
    ck_assert(slice_is_null(m.responses[1].partitions[1].records));
    ck_assert(slice_eq(m.responses[1].partitions[2].records, slice_make(record_bytes, 300)));
    arena_fini(&a);
}
END_TEST

START_TEST(distant_records_need_room_for_their_gap)
{
    uint8_t room[FRAME_SIZE];
    struct scene s;
    struct wr w;

    set_up(&s, 12, true);
    s.gaps.max = 3;
    wr_init_fixed(&w, room, sizeof(room));
    wire_fetch_response_write(&w, &s.request, &s.message, &s.gaps);
    ck_assert_int_eq(w.error, -EPROTO);
    /* the plain encoder has nothing to copy from */
    wr_init_fixed(&w, room, sizeof(room));
    wire_fetch_response_encode(&s.message, &w, 12);
    ck_assert_int_eq(w.error, -EPROTO);
}
END_TEST

Suite *fetch_response_suite(void)
{
    Suite *s = suite_create("fetch_response");

    suite_add(s, pieces_are_the_copied_response);
    suite_add(s, gaps_name_their_partition);
    suite_add(s, copied_and_distant_records_mix);
    suite_add(s, distant_records_need_room_for_their_gap);
    return s;
}
