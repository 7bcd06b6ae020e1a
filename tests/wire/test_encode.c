/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "wire/frame.h"
#include "wire/suites.h"
#include "wire/wire_messages.h"

/* What can't be said in a version, and the bytes of a few messages, written by hand from the protocol's description. */

#define CHECK_ENCODE(message, m, version, expected) \
    do { \
        struct wr w_; \
        wr_init_growing(&w_, 0, 1 << 20); \
        wire_##message##_encode(&(m), &w_, (version)); \
        ck_assert_int_eq(w_.error, (expected)); \
        wr_fini(&w_); \
    } while (0)

START_TEST(values_that_a_version_lacks_are_refused)
{
    struct wire_fetch_response m;

    wire_fetch_response_init(&m);
    m.session_id = 5; /* from 7 on, not ignorable */
    CHECK_ENCODE(fetch_response, m, 6, -EPROTO);
    CHECK_ENCODE(fetch_response, m, 7, 0);
    m.session_id = 0;
    CHECK_ENCODE(fetch_response, m, 6, 0);
}
END_TEST

START_TEST(ignorable_values_that_a_version_lacks_are_left_out)
{
    struct wire_fetch_request m, copy;
    struct arena a;
    struct rd r;
    struct wr w;

    wire_fetch_request_init(&m);
    m.session_epoch = 9;
    m.rack_id = slice_str("r1");
    wr_init_growing(&w, 0, 1 << 20);
    wire_fetch_request_encode(&m, &w, 4);
    ck_assert_int_eq(w.error, 0);
    arena_init(&a, 1 << 20);
    rd_init(&r, w.start, wr_size(&w));
    ck_assert_int_eq(wire_fetch_request_decode(&copy, &r, 4, &a), 0);
    ck_assert_int_eq(copy.session_epoch, -1);
    ck_assert(slice_eq_str(copy.rack_id, ""));
    arena_fini(&a);
    wr_fini(&w);
}
END_TEST

START_TEST(tagged_values_that_a_version_lacks_are_refused)
{
    struct wire_produce_response_partition partition;
    struct wire_produce_response_topic topic;
    struct wire_produce_response m;

    wire_produce_response_init(&m);
    wire_produce_response_topic_init(&topic);
    wire_produce_response_partition_init(&partition);
    m.responses = &topic;
    m.n_responses = 1;
    topic.partition_responses = &partition;
    topic.n_partition_responses = 1;
    CHECK_ENCODE(produce_response, m, 9, 0);
    partition.current_leader.leader_epoch = 3;
    CHECK_ENCODE(produce_response, m, 8, -EPROTO);
    CHECK_ENCODE(produce_response, m, 9, -EPROTO);
    CHECK_ENCODE(produce_response, m, 10, 0);
}
END_TEST

START_TEST(null_is_refused_where_a_version_does_not_know_it)
{
    struct wire_metadata_response_topic topic;
    struct wire_metadata_response m;
    struct wire_metadata_request request;

    wire_metadata_response_init(&m);
    wire_metadata_response_topic_init(&topic);
    m.topics = &topic;
    m.n_topics = 1;
    topic.name = SLICE_NULL; /* from 12 on */
    CHECK_ENCODE(metadata_response, m, 11, -EPROTO);
    CHECK_ENCODE(metadata_response, m, 12, 0);
    wire_metadata_request_init(&request);
    request.n_topics = -1; /* from 1 on */
    CHECK_ENCODE(metadata_request, request, 0, -EPROTO);
    CHECK_ENCODE(metadata_request, request, 1, 0);
}
END_TEST

START_TEST(strings_that_are_too_long_are_refused)
{
    _cleanup_(freep) char *text = xcalloc(1, INT16_MAX + 1);
    struct wire_init_producer_id_request m;

    wire_init_producer_id_request_init(&m);
    m.transactional_id = slice_make(text, INT16_MAX);
    CHECK_ENCODE(init_producer_id_request, m, 0, 0);
    CHECK_ENCODE(init_producer_id_request, m, 4, 0);
    m.transactional_id.size++;
    CHECK_ENCODE(init_producer_id_request, m, 0, -EPROTO);
    CHECK_ENCODE(init_producer_id_request, m, 4, -EPROTO);
}
END_TEST

START_TEST(init_sets_defaults_other_than_zero)
{
    struct wire_create_topics_request create;
    struct wire_metadata_response_topic topic;
    struct wire_fetch_request fetch;

    wire_create_topics_request_init(&create);
    ck_assert_int_eq(create.timeout_ms, 60000);
    wire_metadata_response_topic_init(&topic);
    ck_assert_int_eq(topic.topic_authorized_operations, INT32_MIN);
    ck_assert(slice_eq_str(topic.name, ""));
    wire_fetch_request_init(&fetch);
    ck_assert_int_eq(fetch.max_bytes, INT32_MAX);
    ck_assert_int_eq(fetch.replica_id, -1);
    ck_assert(slice_is_null(fetch.cluster_id));
}
END_TEST

#define CHECK_BYTES(w, ...) \
    do { \
        const uint8_t expected_[] = { __VA_ARGS__ }; \
        ck_assert_int_eq((w).error, 0); \
        ck_assert_uint_eq(wr_size(&(w)), sizeof(expected_)); \
        ck_assert_mem_eq((w).start, expected_, sizeof(expected_)); \
    } while (0)

START_TEST(messages_have_the_bytes_of_the_protocol)
{
    struct wire_metadata_request_topic topic;
    struct wire_metadata_request m;
    uint8_t room[64];
    struct wr w;

    wire_metadata_request_init(&m);
    wire_metadata_request_topic_init(&topic);
    topic.name = slice_str("abc");
    m.topics = &topic;
    m.n_topics = 1;
    wr_init_fixed(&w, room, sizeof(room));
    wire_metadata_request_encode(&m, &w, 4);
    CHECK_BYTES(w, 0, 0, 0, 1, 0, 3, 'a', 'b', 'c', 1);
    wr_init_fixed(&w, room, sizeof(room));
    wire_metadata_request_encode(&m, &w, 12);
    CHECK_BYTES(w, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 'a', 'b', 'c', 0, 1, 0, 0);
    m.n_topics = -1;
    wr_init_fixed(&w, room, sizeof(room));
    wire_metadata_request_encode(&m, &w, 8);
    CHECK_BYTES(w, 0xff, 0xff, 0xff, 0xff, 1, 0, 0);
}
END_TEST

START_TEST(tagged_fields_have_the_bytes_of_the_protocol)
{
    struct wire_api_versions_response_supported_feature feature = { slice_str("f"), 1, 2 };
    struct wire_api_versions_response m;
    uint8_t room[64];
    struct wr w;

    wire_api_versions_response_init(&m);
    wr_init_fixed(&w, room, sizeof(room));
    wire_api_versions_response_encode(&m, &w, 3);
    CHECK_BYTES(w, 0, 0, 1, 0, 0, 0, 0, 0);
    m.supported_features = &feature;
    m.n_supported_features = 1;
    m.finalized_features_epoch = 5;
    wr_init_fixed(&w, room, sizeof(room));
    wire_api_versions_response_encode(&m, &w, 3);
    CHECK_BYTES(w, 0, 0, 1, 0, 0, 0, 0, 2, /**/ 0, 8, 2, 2, 'f', 0, 1, 0, 2, 0, /**/ 1, 8, 0, 0, 0, 0, 0, 0, 0, 5);
}
END_TEST

Suite *encode_suite(void)
{
    Suite *s = suite_create("encode");

    suite_add(s, values_that_a_version_lacks_are_refused);
    suite_add(s, ignorable_values_that_a_version_lacks_are_left_out);
    suite_add(s, tagged_values_that_a_version_lacks_are_refused);
    suite_add(s, null_is_refused_where_a_version_does_not_know_it);
    suite_add(s, strings_that_are_too_long_are_refused);
    suite_add(s, init_sets_defaults_other_than_zero);
    suite_add(s, messages_have_the_bytes_of_the_protocol);
    suite_add(s, tagged_fields_have_the_bytes_of_the_protocol);
    return s;
}
