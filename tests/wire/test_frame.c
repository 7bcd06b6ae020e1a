/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "wire/error.h"
#include "wire/frame.h"
#include "wire/suites.h"
#include "wire/wire_messages.h"

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

/* Reads a copy, since the request points into the frame. */
static int parse(struct wire_request *request, struct rd *r, const uint8_t *data, size_t size)
{
    static uint8_t frame[64];

    ck_assert_uint_le(size, sizeof(frame));
    memcpy(frame, data, size);
    rd_init(r, frame, size);
    return wire_request_parse(request, r);
}

START_TEST(sizes_are_bounded)
{
    uint32_t size = 0;

    ck_assert_int_eq(wire_frame_size((const uint8_t[]){ 0, 0, 0, 8 }, 100, &size), 0);
    ck_assert_uint_eq(size, 8);
    ck_assert_int_eq(wire_frame_size((const uint8_t[]){ 0, 0, 0, 100 }, 100, &size), 0);
    ck_assert_int_eq(wire_frame_size((const uint8_t[]){ 0, 0, 0, 101 }, 100, &size), -EBADMSG);
    ck_assert_int_eq(wire_frame_size((const uint8_t[]){ 0, 0, 0, 7 }, 100, &size), -EBADMSG);
    ck_assert_int_eq(wire_frame_size((const uint8_t[]){ 0xff, 0xff, 0xff, 0xff }, WIRE_FRAME_MAX_SIZE, &size),
                     -EBADMSG);
    /* what TLS and HTTP begin with */
    ck_assert_int_eq(wire_frame_size((const uint8_t[]){ 0x16, 3, 1, 0 }, WIRE_FRAME_MAX_SIZE, &size), -EBADMSG);
    ck_assert_int_eq(wire_frame_size((const uint8_t *)"GET ", WIRE_FRAME_MAX_SIZE, &size), -EBADMSG);
    ck_assert_uint_eq(size, 100);
}
END_TEST

START_TEST(headers_are_read)
{
    struct wire_request q;
    struct rd r;

    /* version 1: Metadata 8 */
    ck_assert_int_eq(parse(&q, &r, BYTES(0, 3, 0, 8, 0, 0, 1, 2, 0, 2, 'm', 'e', 9)), 0);
    ck_assert_int_eq(q.api_key, WIRE_API_METADATA);
    ck_assert_ptr_eq(q.api, wire_api(WIRE_API_METADATA));
    ck_assert_int_eq(q.api_version, 8);
    ck_assert_int_eq(q.response_version, 8);
    ck_assert_int_eq(q.correlation_id, 258);
    ck_assert(slice_eq_str(q.client_id, "me"));
    ck_assert_uint_eq(rd_left(&r), 1);
    /* version 2: Metadata 9; the client id keeps its form, then tagged fields */
    ck_assert_int_eq(parse(&q, &r, BYTES(0, 3, 0, 9, 0, 0, 1, 2, 0, 2, 'm', 'e', 0, 9)), 0);
    ck_assert(slice_eq_str(q.client_id, "me"));
    ck_assert_uint_eq(rd_left(&r), 1);
    ck_assert_int_eq(parse(&q, &r, BYTES(0, 3, 0, 9, 0, 0, 1, 2, 0xff, 0xff, 1, 7, 2, 1, 1, 9)), 0);
    ck_assert(slice_is_null(q.client_id));
    ck_assert_uint_eq(rd_left(&r), 1);
}
END_TEST

START_TEST(malformed_headers_are_refused)
{
    struct wire_request q;
    struct rd r;

    ck_assert_int_eq(parse(&q, &r, BYTES(0, 3, 0, 8, 0, 0, 1)), -EBADMSG);
    ck_assert_int_eq(parse(&q, &r, BYTES(0, 3, 0, 8, 0, 0, 1, 2)), -EBADMSG);
    ck_assert_int_eq(parse(&q, &r, BYTES(0, 3, 0, 8, 0, 0, 1, 2, 0, 3, 'm', 'e')), -EBADMSG);
    ck_assert_int_eq(parse(&q, &r, BYTES(0, 3, 0, 9, 0, 0, 1, 2, 0, 2, 'm', 'e')), -EBADMSG);
    ck_assert_int_eq(parse(&q, &r, BYTES(0, 3, 0, 9, 0, 0, 1, 2, 0, 2, 'm', 'e', 1, 0)), -EBADMSG);
    ck_assert_int_eq(q.correlation_id, 258);
}
END_TEST

START_TEST(unknown_apis_and_versions_are_told_apart)
{
    struct wire_request q;
    struct rd r;

    ck_assert_int_eq(parse(&q, &r, BYTES(0, 11, 0, 0, 0, 0, 0, 1, 0, 0)), WIRE_E_UNKNOWN_API);
    ck_assert_ptr_null(q.api);
    ck_assert_int_eq(parse(&q, &r, BYTES(0xff, 0xff, 0, 0, 0, 0, 0, 1, 0, 0)), WIRE_E_UNKNOWN_API);
    ck_assert_int_eq(parse(&q, &r, BYTES(0, 1, 0, 3, 0, 0, 0, 1, 0, 0)), WIRE_E_UNSUPPORTED_VERSION);
    ck_assert_int_eq(parse(&q, &r, BYTES(0, 1, 0, 14, 0, 0, 0, 1, 0, 0)), WIRE_E_UNSUPPORTED_VERSION);
    ck_assert_int_eq(parse(&q, &r, BYTES(0, 1, 0xff, 0xff, 0, 0, 0, 1, 0, 0)), WIRE_E_UNSUPPORTED_VERSION);
    ck_assert_ptr_eq(q.api, wire_api(WIRE_API_FETCH));
}
END_TEST

/* KIP-511: the body is not looked at, the answer has version 0. */
START_TEST(api_versions_of_the_future_are_answered_in_version_0)
{
    static const uint8_t answer[] = { 0, 0, 0, 16, 0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4 };
    struct wire_api_versions_response_api range = { WIRE_API_API_VERSIONS, 0, 4 };
    struct wire_api_versions_response m;
    struct wire_request q;
    uint8_t room[64];
    struct rd r;
    struct wr w;
    size_t at;

    ck_assert_int_eq(parse(&q, &r, BYTES(0, 18, 0, 99, 0, 0, 0, 7)), WIRE_E_UNSUPPORTED_VERSION);
    wire_api_versions_response_init(&m);
    m.error_code = KAFKA_E_UNSUPPORTED_VERSION;
    m.api_keys = &range;
    m.n_api_keys = 1;
    wr_init_fixed(&w, room, sizeof(room));
    at = wire_response_begin(&w, &q);
    wire_api_versions_response_encode(&m, &w, q.response_version);
    wire_frame_end(&w, at, 0);
    ck_assert_uint_eq(wr_size(&w), sizeof(answer));
    ck_assert_mem_eq(room, answer, sizeof(answer));
}
END_TEST

static size_t response_header_size(int16_t key, int16_t version)
{
    struct wire_request q = { .api = wire_api(key), .response_version = version };
    uint8_t room[64];
    struct wr w;

    wr_init_fixed(&w, room, sizeof(room));
    ck_assert_uint_eq(wire_response_begin(&w, &q), 0);
    return wr_size(&w) - WIRE_FRAME_PREFIX_SIZE;
}

START_TEST(response_headers_have_their_version)
{
    ck_assert_uint_eq(response_header_size(WIRE_API_METADATA, 8), 4);
    ck_assert_uint_eq(response_header_size(WIRE_API_METADATA, 9), 5);
    ck_assert_uint_eq(response_header_size(WIRE_API_API_VERSIONS, 0), 4);
    ck_assert_uint_eq(response_header_size(WIRE_API_API_VERSIONS, 3), 4);
    ck_assert_uint_eq(response_header_size(WIRE_API_API_VERSIONS, 4), 4);
    ck_assert_uint_eq(response_header_size(WIRE_API_DESCRIBE_CLUSTER, 0), 5);
}
END_TEST

START_TEST(both_sides_agree_on_headers)
{
    for (size_t i = 0; i < wire_n_apis; i++) {
        const struct wire_api *api = &wire_apis[i];

        for (int16_t version = api->min_version; version <= api->max_version; version++) {
            struct wire_request q;
            uint8_t room[64];
            int32_t id = 0;
            struct rd r;
            struct wr w;

            wr_init_fixed(&w, room, sizeof(room));
            wire_frame_end(&w, wire_request_begin(&w, api, version, -5, slice_str("x")), 0);
            ck_assert_uint_eq(load_be32(room), wr_size(&w) - WIRE_FRAME_PREFIX_SIZE);
            ck_assert_int_eq(parse(&q, &r, room + WIRE_FRAME_PREFIX_SIZE, wr_size(&w) - WIRE_FRAME_PREFIX_SIZE), 0);
            ck_assert_int_eq(wire_decode_end(&r), 0);
            ck_assert_int_eq(q.correlation_id, -5);
            ck_assert(slice_eq_str(q.client_id, "x"));

            wr_init_fixed(&w, room, sizeof(room));
            wire_response_begin(&w, &q);
            rd_init(&r, room + WIRE_FRAME_PREFIX_SIZE, wr_size(&w) - WIRE_FRAME_PREFIX_SIZE);
            ck_assert_int_eq(wire_response_parse(&r, api, version, &id), 0);
            ck_assert_int_eq(wire_decode_end(&r), 0);
            ck_assert_int_eq(id, -5);
        }
    }
}
END_TEST

START_TEST(frames_that_are_too_large_are_refused)
{
    uint8_t room[64];
    struct wr w;

    wr_init_fixed(&w, room, sizeof(room));
    wr_be32(&w, 0);
    wr_be32(&w, 0);
    wire_frame_end(&w, 0, WIRE_FRAME_MAX_SIZE - 4);
    ck_assert_int_eq(w.error, 0);
    ck_assert_uint_eq(load_be32(room), WIRE_FRAME_MAX_SIZE);
    wire_frame_end(&w, 0, WIRE_FRAME_MAX_SIZE - 3);
    ck_assert_int_eq(w.error, -EMSGSIZE);
}
END_TEST

/* Old librdkafka asks for Produce 0 to 2 when it thinks that the broker is old. */
START_TEST(old_produce_requests_can_be_answered)
{
    static const uint8_t request[] = { 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff, /* header */
                                       0, 1, 0, 0, 0, 5, 0, 0, 0,    1,    0, 1, 't', 0,
                                       0, 0, 1, 0, 0, 0, 4, 0, 0,    0,    2, 9, 9 };
    static const uint8_t answer_start[] = { 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 4, 0, 35 };
    struct wire_produce_response_partition partition;
    struct wire_produce_response_topic topic;
    struct wire_produce_response answer;
    struct wire_produce_request m;
    struct wire_request q;
    struct arena a;
    struct rd r;
    struct wr w;

    arena_init(&a, 1 << 20);
    ck_assert_int_eq(parse(&q, &r, request, sizeof(request)), 0);
    ck_assert(q.api_version < q.api->min_served);
    ck_assert_int_eq(wire_produce_request_decode(&m, &r, q.api_version, &a), 0);
    ck_assert_int_eq(wire_decode_end(&r), 0);
    wire_produce_response_init(&answer);
    wire_produce_response_topic_init(&topic);
    wire_produce_response_partition_init(&partition);
    answer.responses = &topic;
    answer.n_responses = 1;
    topic.name = m.topic_data[0].name;
    topic.partition_responses = &partition;
    topic.n_partition_responses = 1;
    partition.index = m.topic_data[0].partition_data[0].index;
    partition.error_code = KAFKA_E_UNSUPPORTED_VERSION;
    partition.base_offset = -1;
    wr_init_growing(&w, 0, 1 << 20);
    wire_produce_response_encode(&answer, &w, 2);
    ck_assert_int_eq(w.error, 0);
    ck_assert_uint_eq(wr_size(&w), 4 + 3 + 4 + 4 + 2 + 8 + 8 + 4);
    ck_assert_mem_eq(w.start, answer_start, sizeof(answer_start));
    wr_fini(&w);
    arena_fini(&a);
}
END_TEST

START_TEST(the_table_tells_what_is_advertised)
{
    ck_assert(wire_api_is_known(WIRE_API_PRODUCE));
    ck_assert(!wire_api_is_known(11));
    ck_assert(!wire_api_is_known(-1));
    ck_assert(!wire_api_is_known(INT16_MAX));
    for (size_t i = 0; i < wire_n_apis; i++) {
        const struct wire_api *api = &wire_apis[i];

        ck_assert_ptr_eq(wire_api(api->key), api);
        ck_assert(i == 0 || wire_apis[i - 1].key < api->key);
        ck_assert(api->request->is_request && !api->response->is_request);
        ck_assert_int_eq(api->min_served, api->key == WIRE_API_PRODUCE ? 3 : api->min_version);
    }
    ck_assert_str_eq(wire_api(WIRE_API_OFFSET_FOR_LEADER_EPOCH)->name, "OffsetForLeaderEpoch");
    /* librdkafka up to 2.11 switches features off without these */
    ck_assert(wire_api_has_version(wire_api(WIRE_API_PRODUCE), 0));
    ck_assert(wire_api_has_version(wire_api(WIRE_API_PRODUCE), 7));
    ck_assert(wire_api_has_version(wire_api(WIRE_API_FIND_COORDINATOR), 0));
}
END_TEST

START_TEST(errors_have_names_and_texts)
{
    ck_assert_str_eq(kafka_error_name(KAFKA_E_UNKNOWN_SERVER_ERROR), "UNKNOWN_SERVER_ERROR");
    ck_assert_str_eq(kafka_error_name(2), "CORRUPT_MESSAGE");
    ck_assert_str_eq(kafka_error_name(133), "SHARE_SESSION_LIMIT_REACHED");
    ck_assert_ptr_null(kafka_error_name(-2));
    ck_assert_ptr_null(kafka_error_name(134));
    ck_assert_str_eq(kafka_error_text(INT16_MAX), "unknown error code");
    ck_assert(kafka_error_is_retriable(KAFKA_E_NOT_LEADER_OR_FOLLOWER));
    ck_assert(!kafka_error_is_retriable(KAFKA_E_MESSAGE_TOO_LARGE));
    for (int code = -1; code <= 133; code++)
        ck_assert_msg(kafka_error_name(code) != NULL, "%d", code);
}
END_TEST

Suite *frame_suite(void)
{
    Suite *s = suite_create("frame");

    suite_add(s, sizes_are_bounded);
    suite_add(s, headers_are_read);
    suite_add(s, malformed_headers_are_refused);
    suite_add(s, unknown_apis_and_versions_are_told_apart);
    suite_add(s, api_versions_of_the_future_are_answered_in_version_0);
    suite_add(s, response_headers_have_their_version);
    suite_add(s, both_sides_agree_on_headers);
    suite_add(s, frames_that_are_too_large_are_refused);
    suite_add(s, old_produce_requests_can_be_answered);
    suite_add(s, the_table_tells_what_is_advertised);
    suite_add(s, errors_have_names_and_texts);
    return s;
}
