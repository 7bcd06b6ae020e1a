/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CreateTopics and CreatePartitions. */
#include <stdio.h>

#include "broker/rig.h"
#include "broker/suites.h"

#define LAST 7 /* version of CreateTopics */

typedef struct wire_create_topics_request_topic new_topic;
typedef struct wire_create_topics_request_config new_config;

static struct rig rig;
static struct wire_create_topics_response answer;
static struct wire_create_partitions_response grown;

static void setup(void)
{
    rig_init(&rig);
}

static void teardown(void)
{
    rig_fini(&rig);
}

static new_topic named(const char *name, int32_t n_partitions, int16_t factor)
{
    return (new_topic){ .name = slice_str(name), .num_partitions = n_partitions, .replication_factor = factor };
}

static const struct wire_create_topics_response_topic *create_all(int16_t version, new_topic *topics, int32_t n,
                                                                  bool validate_only)
{
    struct wire_create_topics_request m = {
        .topics = topics,
        .n_topics = n,
        .timeout_ms = 1000,
        .validate_only = validate_only,
    };

    rig_call(&rig, WIRE_API_CREATE_TOPICS, version, &m, &answer);
    ck_assert_int_eq(answer.n_topics, n);
    for (int32_t i = 0; i < n; i++)
        ck_assert(slice_eq(answer.topics[i].name, topics[i].name));
    return answer.topics;
}

static const struct wire_create_topics_response_topic *create(new_topic topic)
{
    return create_all(LAST, &topic, 1, false);
}

static const struct wire_create_topics_response_config *config_of(const struct wire_create_topics_response_topic *t,
                                                                  const char *name)
{
    for (int32_t i = 0; i < t->n_configs; i++) {
        if (slice_eq_str(t->configs[i].name, name))
            return &t->configs[i];
    }
    ck_abort_msg("no config %s", name);
}

/* Refused with this code and these words, and nothing came of it. */
#define expect_refused(topic_, code, words) \
    do { \
        const struct wire_create_topics_response_topic *t_ = create(topic_); \
        ck_assert_int_eq(t_->error_code, code); \
        ck_assert_slice_has(t_->error_message, words); \
        ck_assert_uint_eq(rig.meta.n_topics, 0); \
        ck_assert_uint_eq(rig.n_commands, 0); \
    } while (0)

/* --- what is created --- */

START_TEST(created_in_every_version)
{
    int16_t version = (int16_t)_i;
    new_config config = { slice_str("retention.ms"), slice_str("5000") };
    new_topic topic = named("orders", 3, 1);
    const struct wire_create_topics_response_topic *t;
    const struct meta_topic *made;

    topic.configs = &config;
    topic.n_configs = 1;
    t = create_all(version, &topic, 1, false);
    made = rig_topic(&rig, "orders");
    ck_assert_int_eq(t->error_code, 0);
    ck_assert(slice_is_null(t->error_message));
    ck_assert_ptr_nonnull(made);
    ck_assert_int_eq(made->n_partitions, 3);
    ck_assert_int_eq(made->replication_factor, 1);
    ck_assert_int_eq(made->partitions[0].leader, RIG_BROKER_ID);
    ck_assert_str_eq(meta_topic_config(made, "retention.ms"), "5000");
    if (version >= 5) {
        ck_assert_int_eq(t->num_partitions, 3);
        ck_assert_int_eq(t->replication_factor, 1);
        ck_assert_int_eq(t->n_configs, TOPIC_N_CONFIGS);
        ck_assert_slice_eq(config_of(t, "retention.ms")->value, "5000");
        ck_assert_int_eq(config_of(t, "retention.ms")->config_source, 1);
        ck_assert_int_eq(config_of(t, "segment.bytes")->config_source, 5);
    }
    if (version >= 7)
        ck_assert(uuid_eq(&t->topic_id, &made->id));
}
END_TEST

START_TEST(defaults_are_the_configs)
{
    const struct wire_create_topics_response_topic *t;

    rig.config.num_partitions = 4;
    t = create(named("orders", -1, -1));
    ck_assert_int_eq(t->error_code, 0);
    ck_assert_int_eq(t->num_partitions, 4);
    ck_assert_int_eq(t->replication_factor, 1);
    ck_assert_int_eq(rig_topic(&rig, "orders")->n_partitions, 4);
}
END_TEST

START_TEST(only_validated)
{
    new_topic topics[] = { named("fine", 2, 1), named("bad/name", 2, 1) };
    const struct wire_create_topics_response_topic *t = create_all(LAST, topics, 2, true);

    ck_assert_int_eq(t[0].error_code, 0);
    ck_assert_int_eq(t[0].num_partitions, 2);
    ck_assert(uuid_is_zero(&t[0].topic_id));
    ck_assert_int_eq(t[1].error_code, KAFKA_E_INVALID_TOPIC_EXCEPTION);
    ck_assert_uint_eq(rig.meta.n_topics, 0);
    ck_assert_uint_eq(rig.n_commands, 0);
}
END_TEST

START_TEST(many_in_one_request)
{
    new_topic topics[500];
    char names[500][8];
    const struct wire_create_topics_response_topic *t;

    for (int i = 0; i < 500; i++) {
        snprintf(names[i], sizeof(names[i]), i % 2 == 0 ? "t%d" : "t/%d", i);
        topics[i] = named(names[i], 1, 1);
    }
    t = create_all(LAST, topics, 500, false);
    for (int i = 0; i < 500; i++)
        ck_assert_int_eq(t[i].error_code, i % 2 == 0 ? 0 : KAFKA_E_INVALID_TOPIC_EXCEPTION);
    ck_assert_uint_eq(rig.meta.n_topics, 250);
}
END_TEST

START_TEST(none_in_a_request)
{
    create_all(LAST, NULL, 0, false);
}
END_TEST

/* --- what is refused --- */

START_TEST(bad_names)
{
    char longest[META_TOPIC_NAME_MAX + 2] = { 0 };

    memset(longest, 'x', META_TOPIC_NAME_MAX + 1);
    expect_refused(named("", 1, 1), KAFKA_E_INVALID_TOPIC_EXCEPTION, "empty");
    expect_refused(named("..", 1, 1), KAFKA_E_INVALID_TOPIC_EXCEPTION, "'..'");
    expect_refused(named("a b", 1, 1), KAFKA_E_INVALID_TOPIC_EXCEPTION, "letters");
    expect_refused(named(longest, 1, 1), KAFKA_E_INVALID_TOPIC_EXCEPTION, "249");
    longest[META_TOPIC_NAME_MAX] = '\0';
    ck_assert_int_eq(create(named(longest, 1, 1))->error_code, 0);
}
END_TEST

START_TEST(a_topic_exists)
{
    const struct wire_create_topics_response_topic *t;

    ck_assert_int_eq(create(named("orders", 3, 1))->error_code, 0);
    t = create(named("orders", 5, 1));
    ck_assert_int_eq(t->error_code, KAFKA_E_TOPIC_ALREADY_EXISTS);
    ck_assert_slice_has(t->error_message, "exists");
    ck_assert_int_eq(rig_topic(&rig, "orders")->n_partitions, 3);
}
END_TEST

/* Two clients at once: both are proposed, one of them is applied. */
START_TEST(somebody_else_was_faster)
{
    new_topic topic = named("orders", 1, 1);
    struct wire_create_topics_request m = { .topics = &topic, .n_topics = 1, .timeout_ms = 1000 };

    rig.hold_commands = true;
    rig_send(&rig, WIRE_API_CREATE_TOPICS, LAST, &m);
    rig_send(&rig, WIRE_API_CREATE_TOPICS, LAST, &m);
    ck_assert(!rig_receive(&rig, WIRE_API_CREATE_TOPICS, LAST, &answer));
    rig.hold_commands = false;
    ck_assert(rig_receive(&rig, WIRE_API_CREATE_TOPICS, LAST, &answer));
    ck_assert_int_eq(answer.topics[0].error_code, 0);
    ck_assert(rig_receive(&rig, WIRE_API_CREATE_TOPICS, LAST, &answer));
    ck_assert_int_eq(answer.topics[0].error_code, KAFKA_E_TOPIC_ALREADY_EXISTS);
    ck_assert_slice_has(answer.topics[0].error_message, "exists");
    ck_assert_uint_eq(rig.n_commands, 2);
}
END_TEST

START_TEST(named_twice)
{
    new_topic topics[] = { named("a", 1, 1), named("b", 1, 1), named("a", 2, 1), named("a", 3, 1) };
    const struct wire_create_topics_response_topic *t = create_all(LAST, topics, 4, false);

    ck_assert_int_eq(t[0].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_slice_has(t[0].error_message, "more than once");
    ck_assert_int_eq(t[1].error_code, 0);
    ck_assert_int_eq(t[2].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(t[3].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_uint_eq(rig.meta.n_topics, 1);
}
END_TEST

START_TEST(bad_numbers)
{
    expect_refused(named("t", 0, 1), KAFKA_E_INVALID_PARTITIONS, "1 to 100000 partitions, not 0");
    expect_refused(named("t", -2, 1), KAFKA_E_INVALID_PARTITIONS, "-2");
    expect_refused(named("t", META_PARTITIONS_MAX + 1, 1), KAFKA_E_INVALID_PARTITIONS, "100001");
    expect_refused(named("t", 1, 0), KAFKA_E_INVALID_REPLICATION_FACTOR, "0 is not possible");
    expect_refused(named("t", 1, -2), KAFKA_E_INVALID_REPLICATION_FACTOR, "-2 is not possible");
    expect_refused(named("t", 1, 3), KAFKA_E_INVALID_REPLICATION_FACTOR, "there is one broker");
    rig.config.default_replication_factor = 3;
    expect_refused(named("t", 1, -1), KAFKA_E_INVALID_REPLICATION_FACTOR, "there is one broker");
}
END_TEST

START_TEST(too_many_partitions_in_all)
{
    char name[16];
    const struct wire_create_topics_response_topic *t;

    for (int i = 0; i < META_ALL_PARTITIONS_MAX / META_PARTITIONS_MAX; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        rig_create(&rig, name, META_PARTITIONS_MAX - (i == 0));
    }
    t = create(named("t", 2, 1));
    ck_assert_int_eq(t->error_code, KAFKA_E_INVALID_PARTITIONS);
    ck_assert_slice_has(t->error_message, "room for 1 more");
    ck_assert_int_eq(create(named("t", 1, 1))->error_code, 0);
}
END_TEST

static new_topic with_config(const char *name, struct slice value)
{
    static new_config config;
    new_topic topic = named("t", 1, 1);

    config = (new_config){ slice_str(name), value };
    topic.configs = &config;
    topic.n_configs = 1;
    return topic;
}

START_TEST(bad_configs)
{
    expect_refused(with_config("retention.mss", slice_str("1")), KAFKA_E_INVALID_CONFIG, "did you mean retention.ms?");
    expect_refused(with_config("retention.ms", slice_str("soon")), KAFKA_E_INVALID_CONFIG, "not a whole number");
    expect_refused(with_config("retention.ms", slice_str("-2")), KAFKA_E_INVALID_CONFIG, "out of range");
    expect_refused(with_config("retention.ms", SLICE_NULL), KAFKA_E_INVALID_CONFIG, "has no value");
    expect_refused(with_config("retention.ms", slice_make("1\0002", 3)), KAFKA_E_INVALID_CONFIG, "malformed");
    expect_refused(with_config("max.message.bytes", slice_str("16777217")), KAFKA_E_INVALID_CONFIG, "journal_size");
    expect_refused(with_config("cleanup.policy", slice_str("compact")), KAFKA_E_INVALID_CONFIG, "doesn't work yet");
    expect_refused(with_config("compression.type", slice_str("brotli")), KAFKA_E_INVALID_CONFIG, "compression.type");
}
END_TEST

/* What a client may write around a value doesn't get into the log: there it would be too long to be read again. */
START_TEST(values_are_stored_as_the_table_writes_them)
{
    char value[META_CONFIG_VALUE_MAX + 100] = { 0 };

    memset(value, ' ', sizeof(value) - 1);
    memcpy(value + 50, "0005000", 7);
    ck_assert_int_eq(create(with_config("retention.ms", slice_str(value)))->error_code, 0);
    ck_assert_str_eq(meta_topic_config(rig_topic(&rig, "t"), "retention.ms"), "5000");
}
END_TEST

/* --- manual assignments --- */

#define MAX_ASSIGNED 4

static new_topic assigned(const char *name, int32_t n, const int32_t *partitions, int32_t broker)
{
    static struct wire_create_topics_request_assignment assignments[MAX_ASSIGNED];
    static int32_t brokers[1];
    new_topic topic = named(name, -1, -1);

    brokers[0] = broker;
    topic.assignments = assignments;
    topic.n_assignments = n;
    for (int32_t i = 0; i < n; i++)
        assignments[i] = (struct wire_create_topics_request_assignment){ partitions[i], brokers, 1 };
    return topic;
}

START_TEST(assigned_by_hand)
{
    const int32_t partitions[] = { 2, 0, 1 };
    const struct wire_create_topics_response_topic *t;

    rig.config.default_replication_factor = 3;
    t = create(assigned("t", 3, partitions, RIG_BROKER_ID));
    ck_assert_int_eq(t->error_code, 0);
    ck_assert_int_eq(t->num_partitions, 3);
    ck_assert_int_eq(t->replication_factor, 1);
    ck_assert_int_eq(rig_topic(&rig, "t")->n_partitions, 3);
}
END_TEST

START_TEST(assigned_badly)
{
    const int32_t good[] = { 0, 1 }, gap[] = { 0, 2 }, twice[] = { 1, 1 }, negative[] = { 0, -1 };
    new_topic topic;

    expect_refused(assigned("t", 2, gap, RIG_BROKER_ID), KAFKA_E_INVALID_REPLICA_ASSIGNMENT, "each once");
    expect_refused(assigned("t", 2, twice, RIG_BROKER_ID), KAFKA_E_INVALID_REPLICA_ASSIGNMENT, "each once");
    expect_refused(assigned("t", 2, negative, RIG_BROKER_ID), KAFKA_E_INVALID_REPLICA_ASSIGNMENT, "each once");
    expect_refused(assigned("t", 2, good, 7), KAFKA_E_INVALID_REPLICA_ASSIGNMENT, "this broker");
    topic = assigned("t", 2, good, RIG_BROKER_ID);
    topic.assignments[1].n_broker_ids = 0;
    expect_refused(topic, KAFKA_E_INVALID_REPLICA_ASSIGNMENT, "this broker");
    topic = assigned("t", 2, good, RIG_BROKER_ID);
    topic.num_partitions = 2;
    expect_refused(topic, KAFKA_E_INVALID_REQUEST, "must be -1");
}
END_TEST

/* --- the time is over --- */

START_TEST(timed_out)
{
    new_topic topics[] = { named("a", 1, 1), named("b/", 1, 1) };
    struct wire_create_topics_request m = { .topics = topics, .n_topics = 2, .timeout_ms = 1000 };

    rig.hold_commands = true;
    rig_send(&rig, WIRE_API_CREATE_TOPICS, LAST, &m);
    rig_run(&rig);
    rig_advance_ms(&rig, 999);
    ck_assert(!rig_receive(&rig, WIRE_API_CREATE_TOPICS, LAST, &answer));
    rig_advance_ms(&rig, 1);
    ck_assert(rig_receive(&rig, WIRE_API_CREATE_TOPICS, LAST, &answer));
    ck_assert_int_eq(answer.topics[0].error_code, KAFKA_E_REQUEST_TIMED_OUT);
    ck_assert_int_eq(answer.topics[1].error_code, KAFKA_E_INVALID_TOPIC_EXCEPTION);
    rig.hold_commands = false;
    rig_run(&rig);
    ck_assert_ptr_nonnull(rig_topic(&rig, "a")); /* it went on all the same */
}
END_TEST

START_TEST(the_client_has_gone)
{
    new_topic topic = named("a", 1, 1);
    struct wire_create_topics_request m = { .topics = &topic, .n_topics = 1, .timeout_ms = 1000 };

    rig.hold_commands = true;
    rig_send(&rig, WIRE_API_CREATE_TOPICS, LAST, &m);
    rig_run(&rig);
    sim_conn_close(TAKE_PTR(rig.conn));
    rig_run(&rig);
    rig.hold_commands = false;
    rig_run(&rig);
    ck_assert_ptr_nonnull(rig_topic(&rig, "a"));
}
END_TEST

START_TEST(the_log_refuses)
{
    rig.refuse_commands = KAFKA_E_KAFKA_STORAGE_ERROR;
    ck_assert_int_eq(create(named("a", 1, 1))->error_code, KAFKA_E_KAFKA_STORAGE_ERROR);
    ck_assert_slice_has(answer.topics[0].error_message, "disk");
    ck_assert_int_eq(answer.topics[0].n_configs, 0);
}
END_TEST

/* --- CreatePartitions --- */

typedef struct wire_create_partitions_request_topic more;

static const struct wire_create_partitions_response_topic *grow_all(int16_t version, more *topics, int32_t n,
                                                                    bool validate_only)
{
    struct wire_create_partitions_request m = {
        .topics = topics,
        .n_topics = n,
        .timeout_ms = 1000,
        .validate_only = validate_only,
    };

    rig_call(&rig, WIRE_API_CREATE_PARTITIONS, version, &m, &grown);
    ck_assert_int_eq(grown.n_results, n);
    for (int32_t i = 0; i < n; i++)
        ck_assert(slice_eq(grown.results[i].name, topics[i].name));
    return grown.results;
}

static more to(const char *name, int32_t count)
{
    return (more){ .name = slice_str(name), .count = count, .n_assignments = -1 };
}

START_TEST(grown_in_every_version)
{
    more topic = to("orders", 5);

    rig_create(&rig, "orders", 3);
    ck_assert_int_eq(grow_all((int16_t)_i, &topic, 1, true)->error_code, 0);
    ck_assert_int_eq(rig_topic(&rig, "orders")->n_partitions, 3);
    ck_assert_int_eq(grow_all((int16_t)_i, &topic, 1, false)->error_code, 0);
    ck_assert_int_eq(rig_topic(&rig, "orders")->n_partitions, 5);
}
END_TEST

START_TEST(not_grown)
{
    more topics[] = { to("orders", 3),   to("bills", META_PARTITIONS_MAX + 1), to("other", 2), to("a", 2), to("a", 3),
                      to("negative", -1) };
    const struct wire_create_partitions_response_topic *t;

    rig_create(&rig, "orders", 3);
    rig_create(&rig, "bills", 3);
    rig_create(&rig, "a", 1);
    rig_create(&rig, "negative", 1);
    t = grow_all(3, topics, 6, false);
    ck_assert_int_eq(t[0].error_code, KAFKA_E_INVALID_PARTITIONS);
    ck_assert_slice_has(t[0].error_message, "has 3 partitions");
    ck_assert_int_eq(t[1].error_code, KAFKA_E_INVALID_PARTITIONS);
    ck_assert_slice_has(t[1].error_message, "1 to 100000");
    ck_assert_int_eq(t[2].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(t[3].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(t[4].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_slice_has(t[4].error_message, "more than once");
    ck_assert_int_eq(t[5].error_code, KAFKA_E_INVALID_PARTITIONS);
    ck_assert_uint_eq(rig.n_commands, 0);
}
END_TEST

START_TEST(grown_by_hand)
{
    int32_t here[] = { RIG_BROKER_ID }, there[] = { 7 };
    struct wire_create_partitions_request_assignment assignments[] = { { here, 1 }, { there, 1 } };
    more topic = to("orders", 5);
    const struct wire_create_partitions_response_topic *t;

    rig_create(&rig, "orders", 3);
    topic.assignments = assignments;
    topic.n_assignments = 2;
    t = grow_all(3, &topic, 1, false);
    ck_assert_int_eq(t->error_code, KAFKA_E_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_slice_has(t->error_message, "this broker");
    topic.n_assignments = 1;
    ck_assert_int_eq(grow_all(3, &topic, 1, false)->error_code, KAFKA_E_INVALID_REPLICA_ASSIGNMENT);
    assignments[1].broker_ids = here;
    topic.n_assignments = 2;
    ck_assert_int_eq(grow_all(3, &topic, 1, false)->error_code, 0);
    ck_assert_int_eq(rig_topic(&rig, "orders")->n_partitions, 5);
}
END_TEST

START_TEST(grown_by_two_at_once)
{
    more topic = to("orders", 5);
    struct wire_create_partitions_request m = { .topics = &topic, .n_topics = 1, .timeout_ms = 1000 };

    rig_create(&rig, "orders", 3);
    rig.hold_commands = true;
    rig_send(&rig, WIRE_API_CREATE_PARTITIONS, 3, &m);
    rig_send(&rig, WIRE_API_CREATE_PARTITIONS, 3, &m);
    rig_run(&rig);
    rig.hold_commands = false;
    ck_assert(rig_receive(&rig, WIRE_API_CREATE_PARTITIONS, 3, &grown));
    ck_assert_int_eq(grown.results[0].error_code, 0);
    ck_assert(rig_receive(&rig, WIRE_API_CREATE_PARTITIONS, 3, &grown));
    ck_assert_int_eq(grown.results[0].error_code, KAFKA_E_INVALID_PARTITIONS);
    ck_assert(!slice_is_null(grown.results[0].error_message));
    ck_assert_int_eq(rig_topic(&rig, "orders")->n_partitions, 5);
}
END_TEST

START_TEST(grown_too_late)
{
    more topic = to("orders", 5);
    struct wire_create_partitions_request m = { .topics = &topic, .n_topics = 1, .timeout_ms = 0 };

    rig_create(&rig, "orders", 3);
    rig.hold_commands = true;
    rig_call(&rig, WIRE_API_CREATE_PARTITIONS, 3, &m, &grown);
    ck_assert_int_eq(grown.results[0].error_code, KAFKA_E_REQUEST_TIMED_OUT);
}
END_TEST

static void add_loop(Suite *s, const char *name, const TTest *test, int from, int to_)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test, from, to_);
    suite_add_tcase(s, tc);
}

Suite *admin_create_suite(void)
{
    Suite *s = suite_create("admin: create");

    add_loop(s, "created_in_every_version", created_in_every_version, 2, LAST + 1);
    suite_add_with(s, defaults_are_the_configs, setup, teardown);
    suite_add_with(s, only_validated, setup, teardown);
    suite_add_with(s, many_in_one_request, setup, teardown);
    suite_add_with(s, none_in_a_request, setup, teardown);
    suite_add_with(s, bad_names, setup, teardown);
    suite_add_with(s, a_topic_exists, setup, teardown);
    suite_add_with(s, somebody_else_was_faster, setup, teardown);
    suite_add_with(s, named_twice, setup, teardown);
    suite_add_with(s, bad_numbers, setup, teardown);
    suite_add_with(s, too_many_partitions_in_all, setup, teardown);
    suite_add_with(s, bad_configs, setup, teardown);
    suite_add_with(s, values_are_stored_as_the_table_writes_them, setup, teardown);
    suite_add_with(s, assigned_by_hand, setup, teardown);
    suite_add_with(s, assigned_badly, setup, teardown);
    suite_add_with(s, timed_out, setup, teardown);
    suite_add_with(s, the_client_has_gone, setup, teardown);
    suite_add_with(s, the_log_refuses, setup, teardown);
    add_loop(s, "grown_in_every_version", grown_in_every_version, 0, 4);
    suite_add_with(s, not_grown, setup, teardown);
    suite_add_with(s, grown_by_hand, setup, teardown);
    suite_add_with(s, grown_by_two_at_once, setup, teardown);
    suite_add_with(s, grown_too_late, setup, teardown);
    return s;
}
