/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DeleteTopics and DeleteRecords. */
#include "broker/rig.h"
#include "broker/suites.h"

#define LAST 6 /* version of DeleteTopics */

typedef struct wire_delete_topics_request_topic which;

static struct rig rig;
static struct wire_delete_topics_response answer;
static struct wire_delete_records_response trimmed;

static void setup(void)
{
    rig_init(&rig);
    rig_create(&rig, "a", 1);
    rig_create(&rig, "b", 2);
}

static void teardown(void)
{
    rig_fini(&rig);
}

static which by_name(const char *name)
{
    return (which){ .name = slice_str(name) };
}

static which by_id(struct uuid id)
{
    return (which){ .name = SLICE_NULL, .topic_id = id };
}

static struct uuid id_of(const char *name)
{
    return rig_topic(&rig, name)->id;
}

static const struct wire_delete_topics_response_topic *delete_all(which *topics, int32_t n)
{
    struct wire_delete_topics_request m = { .topics = topics, .n_topics = n, .timeout_ms = 1000 };

    rig_call(&rig, WIRE_API_DELETE_TOPICS, LAST, &m, &answer);
    ck_assert_int_eq(answer.n_responses, n);
    return answer.responses;
}

START_TEST(by_name_in_old_versions)
{
    struct slice names[] = { slice_str("a"), slice_str("none"), slice_str("b"), slice_str("b") };
    struct wire_delete_topics_request m = { .topic_names = names, .n_topic_names = 4, .timeout_ms = 1000 };

    rig_call(&rig, WIRE_API_DELETE_TOPICS, (int16_t)_i, &m, &answer);
    ck_assert_int_eq(answer.n_responses, 4);
    ck_assert_slice_eq(answer.responses[0].name, "a");
    ck_assert_int_eq(answer.responses[0].error_code, 0);
    ck_assert_int_eq(answer.responses[1].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(answer.responses[2].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(answer.responses[3].error_code, KAFKA_E_INVALID_REQUEST);
    if (_i >= 5)
        ck_assert_slice_has(answer.responses[1].error_message, "no such topic");
    ck_assert_uint_eq(rig.meta.n_topics, 1);
    ck_assert_ptr_nonnull(rig_topic(&rig, "b"));
}
END_TEST

START_TEST(by_name_or_id)
{
    struct uuid a = id_of("a"), b = id_of("b");
    which topics[] = { by_name("a"), by_id(b) };
    const struct wire_delete_topics_response_topic *t = delete_all(topics, 2);

    ck_assert_int_eq(t[0].error_code, 0);
    ck_assert_slice_eq(t[0].name, "a");
    ck_assert(uuid_eq(&t[0].topic_id, &a));
    ck_assert_int_eq(t[1].error_code, 0);
    ck_assert_slice_eq(t[1].name, "b");
    ck_assert(uuid_eq(&t[1].topic_id, &b));
    ck_assert_uint_eq(rig.meta.n_topics, 0);
}
END_TEST

START_TEST(unknown_ones)
{
    struct uuid id = { { 9 } };
    which topics[] = { by_name("none"), by_id(id) };
    const struct wire_delete_topics_response_topic *t = delete_all(topics, 2);

    ck_assert_int_eq(t[0].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(t[1].error_code, KAFKA_E_UNKNOWN_TOPIC_ID);
    ck_assert(slice_is_null(t[1].name));
    ck_assert(uuid_eq(&t[1].topic_id, &id));
    ck_assert_uint_eq(rig.n_commands, 0);
}
END_TEST

/* One topic under its name and its id is one topic twice. */
START_TEST(named_twice)
{
    which topics[] = { by_name("a"), by_id(id_of("a")), by_id(id_of("b")) };
    const struct wire_delete_topics_response_topic *t = delete_all(topics, 3);

    ck_assert_int_eq(t[0].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_slice_has(t[0].error_message, "more than once");
    ck_assert_int_eq(t[1].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(t[2].error_code, 0);
    ck_assert_ptr_nonnull(rig_topic(&rig, "a"));
}
END_TEST

START_TEST(by_both_or_neither)
{
    which topics[] = { { slice_str("a"), id_of("a") }, { SLICE_NULL, { { 0 } } } };
    const struct wire_delete_topics_response_topic *t = delete_all(topics, 2);

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(t[i].error_code, KAFKA_E_INVALID_REQUEST);
        ck_assert_slice_has(t[i].error_message, "by one of both");
    }
    ck_assert_uint_eq(rig.n_commands, 0);
}
END_TEST

START_TEST(somebody_else_was_faster)
{
    which topics[] = { by_name("a"), by_id(id_of("b")) };
    struct wire_delete_topics_request m = { .topics = topics, .n_topics = 2, .timeout_ms = 1000 };

    rig.hold_commands = true;
    rig_send(&rig, WIRE_API_DELETE_TOPICS, LAST, &m);
    rig_send(&rig, WIRE_API_DELETE_TOPICS, LAST, &m);
    rig_run(&rig);
    rig.hold_commands = false;
    ck_assert(rig_receive(&rig, WIRE_API_DELETE_TOPICS, LAST, &answer));
    ck_assert_int_eq(answer.responses[0].error_code, 0);
    ck_assert_int_eq(answer.responses[1].error_code, 0);
    ck_assert(rig_receive(&rig, WIRE_API_DELETE_TOPICS, LAST, &answer));
    ck_assert_int_eq(answer.responses[0].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(answer.responses[1].error_code, KAFKA_E_UNKNOWN_TOPIC_ID);
    ck_assert_slice_eq(answer.responses[1].name, "b");
    ck_assert(!slice_is_null(answer.responses[1].error_message));
}
END_TEST

START_TEST(too_late)
{
    which topic = by_name("a");
    struct wire_delete_topics_request m = { .topics = &topic, .n_topics = 1, .timeout_ms = 100 };

    rig.hold_commands = true;
    rig_send(&rig, WIRE_API_DELETE_TOPICS, LAST, &m);
    rig_run(&rig);
    rig_advance_ms(&rig, 100);
    ck_assert(rig_receive(&rig, WIRE_API_DELETE_TOPICS, LAST, &answer));
    ck_assert_int_eq(answer.responses[0].error_code, KAFKA_E_REQUEST_TIMED_OUT);
    ck_assert_slice_eq(answer.responses[0].name, "a");
}
END_TEST

/* --- DeleteRecords --- */

typedef struct wire_delete_records_request_partition until;

static const struct wire_delete_records_response_topic *trim(int16_t version, const char *name, until *partitions,
                                                             int32_t n)
{
    struct wire_delete_records_request_topic topic = { slice_str(name), partitions, n };
    struct wire_delete_records_request m = { .topics = &topic, .n_topics = 1, .timeout_ms = 1000 };

    rig_send(&rig, WIRE_API_DELETE_RECORDS, version, &m);
    if (!rig_receive(&rig, WIRE_API_DELETE_RECORDS, version, &trimmed)) {
        rig_advance_ms(&rig, 1000);
        ck_assert(rig_receive(&rig, WIRE_API_DELETE_RECORDS, version, &trimmed));
    }
    ck_assert_int_eq(trimmed.n_topics, 1);
    ck_assert_slice_eq(trimmed.topics[0].name, name);
    ck_assert_int_eq(trimmed.topics[0].n_partitions, n);
    return trimmed.topics;
}

START_TEST(records_in_every_version)
{
    until partitions[] = { { 0, 10 }, { 1, -1 }, { 2, 5 }, { -1, 5 } };
    const struct wire_delete_records_response_topic *t = trim((int16_t)_i, "b", partitions, 4);

    ck_assert_int_eq(t->partitions[0].error_code, 0);
    ck_assert_int_eq(t->partitions[0].low_watermark, 10);
    ck_assert_int_eq(t->partitions[1].error_code, 0);
    ck_assert_int_eq(t->partitions[1].low_watermark, RIG_HIGH_WATERMARK);
    for (int i = 2; i < 4; i++) {
        ck_assert_int_eq(t->partitions[i].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
        ck_assert_int_eq(t->partitions[i].low_watermark, -1);
        ck_assert_int_eq(t->partitions[i].partition_index, partitions[i].partition_index);
    }
}
END_TEST

START_TEST(records_that_are_not_there)
{
    until partition = { 0, RIG_HIGH_WATERMARK + 1 };
    const struct wire_delete_records_response_topic *t = trim(2, "a", &partition, 1);

    ck_assert_int_eq(t->partitions[0].error_code, KAFKA_E_OFFSET_OUT_OF_RANGE);
    ck_assert_int_eq(t->partitions[0].low_watermark, -1);
    partition.offset = -2;
    ck_assert_int_eq(trim(2, "a", &partition, 1)->partitions[0].error_code, KAFKA_E_OFFSET_OUT_OF_RANGE);
    partition.offset = 0;
    ck_assert_int_eq(trim(2, "none", &partition, 1)->partitions[0].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

START_TEST(records_of_a_topic_that_goes)
{
    until partition = { 0, 10 };

    rig.gone_group = rig_topic(&rig, "a")->partitions[0].group;
    ck_assert_int_eq(trim(2, "a", &partition, 1)->partitions[0].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

/* What was done is told, what is under way is not done. */
START_TEST(records_too_late)
{
    until partitions[] = { { 0, 10 }, { 7, 10 } };
    const struct wire_delete_records_response_topic *t;

    rig.hold_ops = true;
    t = trim(2, "a", partitions, 2);
    ck_assert_int_eq(t->partitions[0].error_code, KAFKA_E_REQUEST_TIMED_OUT);
    ck_assert_int_eq(t->partitions[0].low_watermark, -1);
    ck_assert_int_eq(t->partitions[1].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    rig.hold_ops = false;
    rig_run(&rig);
    ck_assert_uint_eq(rig.n_ops, 1);
}
END_TEST

static void add_loop(Suite *s, const char *name, const TTest *test, int from, int to)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test, from, to);
    suite_add_tcase(s, tc);
}

Suite *admin_delete_suite(void)
{
    Suite *s = suite_create("admin: delete");

    add_loop(s, "by_name_in_old_versions", by_name_in_old_versions, 1, LAST);
    suite_add_with(s, by_name_or_id, setup, teardown);
    suite_add_with(s, unknown_ones, setup, teardown);
    suite_add_with(s, named_twice, setup, teardown);
    suite_add_with(s, by_both_or_neither, setup, teardown);
    suite_add_with(s, somebody_else_was_faster, setup, teardown);
    suite_add_with(s, too_late, setup, teardown);
    add_loop(s, "records_in_every_version", records_in_every_version, 0, 3);
    suite_add_with(s, records_that_are_not_there, setup, teardown);
    suite_add_with(s, records_of_a_topic_that_goes, setup, teardown);
    suite_add_with(s, records_too_late, setup, teardown);
    return s;
}
