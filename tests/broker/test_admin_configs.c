/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DescribeConfigs, AlterConfigs and IncrementalAlterConfigs. */
#include <stdio.h>

#include "broker/rig.h"
#include "broker/suites.h"
#include "config/describe.h"

#define TOPIC 2
#define BROKER 4
#define DYNAMIC CONFIG_KAFKA_DYNAMIC_TOPIC
#define DEFAULT CONFIG_KAFKA_DEFAULT

typedef struct wire_describe_configs_request_resource asked;
typedef struct wire_describe_configs_response_result told;
typedef struct wire_describe_configs_response_config told_config;
typedef struct wire_incremental_alter_configs_request_resource altered;
typedef struct wire_incremental_alter_configs_request_config change;

static struct rig rig;
static struct wire_describe_configs_response described;
static struct wire_incremental_alter_configs_response changed;

static void setup(void)
{
    rig_init(&rig);
    rig_create(&rig, "t", 1);
}

static void teardown(void)
{
    rig_fini(&rig);
}

/* --- DescribeConfigs --- */

static asked resource(int8_t type, const char *name)
{
    return (asked){ .resource_type = type, .resource_name = slice_str(name), .n_configuration_keys = -1 };
}

static const told *describe(int16_t version, asked what)
{
    struct wire_describe_configs_request m = {
        .resources = &what,
        .n_resources = 1,
        .include_synonyms = true,
        .include_documentation = version >= 3,
    };

    rig_call(&rig, WIRE_API_DESCRIBE_CONFIGS, version, &m, &described);
    ck_assert_int_eq(described.n_results, 1);
    ck_assert_int_eq(described.results[0].resource_type, what.resource_type);
    ck_assert(slice_eq(described.results[0].resource_name, what.resource_name));
    return &described.results[0];
}

static const told_config *config_of(const told *t, const char *name)
{
    for (int32_t i = 0; i < t->n_configs; i++) {
        if (slice_eq_str(t->configs[i].name, name))
            return &t->configs[i];
    }
    ck_abort_msg("no config %s", name);
}

/* What the topic runs with, by the protocol. */
static void expect_config(const char *name, const char *value, int source)
{
    const told_config *c = config_of(describe(4, resource(TOPIC, "t")), name);

    ck_assert_slice_eq(c->value, value);
    ck_assert_int_eq(c->config_source, source);
}

START_TEST(described_in_every_version)
{
    int16_t version = (int16_t)_i;
    const told *t = describe(version, resource(TOPIC, "t"));
    const told_config *c = config_of(t, "retention.ms");

    ck_assert_int_eq(t->error_code, 0);
    ck_assert_int_eq(t->n_configs, TOPIC_N_CONFIGS);
    ck_assert_slice_eq(c->value, "604800000");
    ck_assert_int_eq(c->config_source, DEFAULT);
    ck_assert(!c->read_only);
    ck_assert_int_eq(c->n_synonyms, 1);
    ck_assert_slice_eq(c->synonyms[0].name, "log.retention.ms");
    if (version >= 3) {
        ck_assert_int_eq(c->config_type, CONFIG_KAFKA_LONG);
        ck_assert_slice_has(c->documentation, "How long");
    }
}
END_TEST

START_TEST(without_what_was_not_asked_for)
{
    asked what = resource(TOPIC, "t");
    struct wire_describe_configs_request m = { .resources = &what, .n_resources = 1 };

    rig_call(&rig, WIRE_API_DESCRIBE_CONFIGS, 4, &m, &described);
    for (int32_t i = 0; i < TOPIC_N_CONFIGS; i++) {
        ck_assert_int_eq(described.results[0].configs[i].n_synonyms, 0);
        ck_assert(slice_is_null(described.results[0].configs[i].documentation));
    }
}
END_TEST

START_TEST(keys_are_a_filter)
{
    struct slice keys[] = { slice_str("segment.ms"), slice_str("no.such"), slice_str("segment.bytes") };
    asked what = resource(TOPIC, "t");
    const told *t;

    what.configuration_keys = keys;
    what.n_configuration_keys = 3;
    t = describe(4, what);
    ck_assert_int_eq(t->n_configs, 2);
    config_of(t, "segment.ms");
    config_of(t, "segment.bytes");
    what.n_configuration_keys = 0;
    ck_assert_int_eq(describe(4, what)->n_configs, TOPIC_N_CONFIGS);
}
END_TEST

START_TEST(a_broker_is_described)
{
    const told *t;
    const told_config *c;

    rig.config.num_partitions = 7;
    rig.config.origin[CONFIG_KEY_num_partitions].source = CONFIG_FROM_FILE;
    t = describe(4, resource(BROKER, "1"));
    ck_assert_int_eq(t->error_code, 0);
    ck_assert_int_eq(t->n_configs, (int)broker_config_count());
    c = config_of(t, "num.partitions");
    ck_assert_slice_eq(c->value, "7");
    ck_assert_int_eq(c->config_source, CONFIG_KAFKA_STATIC_BROKER);
    ck_assert(c->read_only);
    ck_assert_int_eq(c->n_synonyms, 2);
    ck_assert_int_eq(describe(4, resource(BROKER, ""))->n_configs, (int)broker_config_count());
}
END_TEST

START_TEST(others_are_not)
{
    const told *t = describe(4, resource(TOPIC, "none"));

    ck_assert_int_eq(t->error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_slice_has(t->error_message, "no such topic");
    ck_assert_int_eq(t->n_configs, 0);
    t = describe(4, resource(BROKER, "2"));
    ck_assert_int_eq(t->error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_slice_has(t->error_message, "only this broker");
    t = describe(4, resource(8, "1"));
    ck_assert_int_eq(t->error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_slice_has(t->error_message, "topics and brokers");
}
END_TEST

START_TEST(each_resource_by_itself)
{
    asked what[] = { resource(TOPIC, "none"), resource(TOPIC, "t"), resource(99, "x") };
    struct wire_describe_configs_request m = { .resources = what, .n_resources = 3 };

    rig_call(&rig, WIRE_API_DESCRIBE_CONFIGS, 4, &m, &described);
    ck_assert_int_eq(described.results[0].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(described.results[1].error_code, 0);
    ck_assert_int_eq(described.results[2].error_code, KAFKA_E_INVALID_REQUEST);
}
END_TEST

/* --- IncrementalAlterConfigs --- */

static change one(const char *name, int8_t op, const char *value)
{
    return (change){ .name = slice_str(name), .config_operation = op, .value = slice_str(value) };
}

static const struct wire_incremental_alter_configs_response_resource *alter_all(int16_t version, altered *resources,
                                                                                int32_t n, bool validate_only)
{
    struct wire_incremental_alter_configs_request m = {
        .resources = resources,
        .n_resources = n,
        .validate_only = validate_only,
    };

    rig_call(&rig, WIRE_API_INCREMENTAL_ALTER_CONFIGS, version, &m, &changed);
    ck_assert_int_eq(changed.n_responses, n);
    for (int32_t i = 0; i < n; i++) {
        ck_assert_int_eq(changed.responses[i].resource_type, resources[i].resource_type);
        ck_assert(slice_eq(changed.responses[i].resource_name, resources[i].resource_name));
    }
    return changed.responses;
}

static const struct wire_incremental_alter_configs_response_resource *alter(change *changes, int32_t n)
{
    altered t = { TOPIC, slice_str("t"), changes, n };

    return alter_all(1, &t, 1, false);
}

/* The topic's configs are all or none changed. */
#define expect_refused(code, words, ...) \
    do { \
        change changes_[] = { one("segment.ms", TOPIC_CONFIG_OP_SET, "77"), __VA_ARGS__ }; \
        const struct wire_incremental_alter_configs_response_resource *r_ = \
            alter(changes_, (int32_t)ARRAY_SIZE(changes_)); \
        ck_assert_int_eq(r_->error_code, code); \
        ck_assert_slice_has(r_->error_message, words); \
        ck_assert_uint_eq(rig.n_commands, 0); \
        expect_config("segment.ms", "604800000", DEFAULT); \
    } while (0)

START_TEST(altered_in_every_version)
{
    change set[] = { one("retention.ms", TOPIC_CONFIG_OP_SET, "  5000 "),
                     one("segment.bytes", TOPIC_CONFIG_OP_SET, "8192") };
    change unset[] = { one("retention.ms", TOPIC_CONFIG_OP_DELETE, NULL),
                       one("segment.ms", TOPIC_CONFIG_OP_DELETE, "ignored") };
    altered t = { TOPIC, slice_str("t"), set, 2 };

    ck_assert_int_eq(alter_all((int16_t)_i, &t, 1, true)->error_code, 0);
    expect_config("retention.ms", "604800000", DEFAULT);
    ck_assert_int_eq(alter_all((int16_t)_i, &t, 1, false)->error_code, 0);
    expect_config("retention.ms", "5000", DYNAMIC);
    expect_config("segment.bytes", "8192", DYNAMIC);
    ck_assert_str_eq(meta_topic_config(rig_topic(&rig, "t"), "retention.ms"), "5000");
    t.configs = unset;
    ck_assert_int_eq(alter_all((int16_t)_i, &t, 1, false)->error_code, 0);
    expect_config("retention.ms", "604800000", DEFAULT);
    expect_config("segment.bytes", "8192", DYNAMIC);
    ck_assert_uint_eq(rig_topic(&rig, "t")->n_configs, 1);
}
END_TEST

START_TEST(lists_grow_and_shrink)
{
    change append = one("cleanup.policy", TOPIC_CONFIG_OP_APPEND, "delete");

    ck_assert_int_eq(alter(&append, 1)->error_code, 0);
    expect_config("cleanup.policy", "delete", DYNAMIC);
    rig.n_commands = 0;
    expect_refused(KAFKA_E_INVALID_CONFIG, "must not be empty",
                   one("cleanup.policy", TOPIC_CONFIG_OP_SUBTRACT, "delete"));
    expect_refused(KAFKA_E_INVALID_CONFIG, "doesn't work yet",
                   one("cleanup.policy", TOPIC_CONFIG_OP_APPEND, "compact"));
    expect_refused(KAFKA_E_INVALID_CONFIG, "not a list", one("retention.ms", TOPIC_CONFIG_OP_APPEND, "1"));
}
END_TEST

START_TEST(bad_changes)
{
    expect_refused(KAFKA_E_INVALID_CONFIG, "did you mean", one("retention.mss", TOPIC_CONFIG_OP_SET, "1"));
    expect_refused(KAFKA_E_INVALID_CONFIG, "unknown topic config", one("no.such", TOPIC_CONFIG_OP_DELETE, NULL));
    expect_refused(KAFKA_E_INVALID_CONFIG, "not a whole number", one("retention.ms", TOPIC_CONFIG_OP_SET, "x"));
    expect_refused(KAFKA_E_INVALID_CONFIG, "journal_size", one("max.message.bytes", TOPIC_CONFIG_OP_SET, "16777217"));
    expect_refused(KAFKA_E_INVALID_CONFIG, "no operation 9", one("retention.ms", 9, "1"));
    expect_refused(KAFKA_E_INVALID_REQUEST, "no value", one("retention.ms", TOPIC_CONFIG_OP_SET, NULL));
    expect_refused(KAFKA_E_INVALID_REQUEST, "no value", one("cleanup.policy", TOPIC_CONFIG_OP_APPEND, NULL));
    expect_refused(KAFKA_E_INVALID_REQUEST, "more than once", one("segment.ms", TOPIC_CONFIG_OP_DELETE, NULL));
}
END_TEST

START_TEST(bad_resources)
{
    change set = one("num.partitions", TOPIC_CONFIG_OP_SET, "5"),
           topics = one("retention.ms", TOPIC_CONFIG_OP_SET, "5");
    altered resources[] = {
        { BROKER, slice_str("1"), &set, 1 },       { BROKER, slice_str(""), NULL, 0 },
        { TOPIC, slice_str("none"), &topics, 1 },  { 8, slice_str("t"), &topics, 1 },
        { TOPIC, slice_str("twice"), &topics, 1 }, { TOPIC, slice_str("twice"), &topics, 1 },
        { TOPIC, slice_str("1"), &topics, 1 },     { TOPIC, slice_str("t"), &topics, 1 },
    };
    const struct wire_incremental_alter_configs_response_resource *r;

    rig_create(&rig, "twice", 1);
    rig_create(&rig, "1", 1);
    r = alter_all(1, resources, 8, false);
    ck_assert_int_eq(r[0].error_code, KAFKA_E_INVALID_CONFIG);
    ck_assert_slice_has(r[0].error_message, "YAML file: num_partitions");
    ck_assert_int_eq(r[1].error_code, KAFKA_E_INVALID_CONFIG);
    ck_assert_slice_has(r[1].error_message, "YAML file");
    ck_assert_int_eq(r[2].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(r[3].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_slice_has(r[3].error_message, "only topics");
    ck_assert_int_eq(r[4].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_slice_has(r[4].error_message, "more than once");
    ck_assert_int_eq(r[5].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(r[6].error_code, 0); /* a topic of a broker's name is another thing */
    ck_assert_int_eq(r[7].error_code, 0);
    ck_assert_uint_eq(rig.n_commands, 2);
    expect_config("retention.ms", "5", DYNAMIC);
    ck_assert_uint_eq(rig_topic(&rig, "twice")->n_configs, 0);
}
END_TEST

START_TEST(the_log_refuses)
{
    change set = one("retention.ms", TOPIC_CONFIG_OP_SET, "5");

    rig.refuse_commands = KAFKA_E_KAFKA_STORAGE_ERROR;
    ck_assert_int_eq(alter(&set, 1)->error_code, KAFKA_E_KAFKA_STORAGE_ERROR);
    ck_assert(!slice_is_null(changed.responses[0].error_message));
    expect_config("retention.ms", "604800000", DEFAULT);
}
END_TEST

START_TEST(no_changes)
{
    ck_assert_int_eq(alter(NULL, 0)->error_code, 0);
}
END_TEST

/* --- AlterConfigs --- */

static const struct wire_alter_configs_response_resource *replace(int16_t version,
                                                                  struct wire_alter_configs_request_config *configs,
                                                                  int32_t n, bool validate_only)
{
    static struct wire_alter_configs_response m;
    struct wire_alter_configs_request_resource t = { TOPIC, slice_str("t"), configs, n };
    struct wire_alter_configs_request request = {
        .resources = &t,
        .n_resources = 1,
        .validate_only = validate_only,
    };

    rig_call(&rig, WIRE_API_ALTER_CONFIGS, version, &request, &m);
    ck_assert_int_eq(m.n_responses, 1);
    ck_assert_slice_eq(m.responses[0].resource_name, "t");
    return &m.responses[0];
}

START_TEST(replaced_in_every_version)
{
    struct wire_alter_configs_request_config first[] = { { slice_str("retention.ms"), slice_str("5000") },
                                                         { slice_str("segment.ms"), slice_str("6000") } };
    struct wire_alter_configs_request_config second[] = { { slice_str("segment.ms"), slice_str("7000") } };
    int16_t version = (int16_t)_i;

    ck_assert_int_eq(replace(version, first, 2, false)->error_code, 0);
    expect_config("retention.ms", "5000", DYNAMIC);
    expect_config("segment.ms", "6000", DYNAMIC);
    ck_assert_int_eq(replace(version, second, 1, true)->error_code, 0);
    expect_config("retention.ms", "5000", DYNAMIC);
    ck_assert_int_eq(replace(version, second, 1, false)->error_code, 0);
    expect_config("retention.ms", "604800000", DEFAULT);
    expect_config("segment.ms", "7000", DYNAMIC);
    ck_assert_int_eq(replace(version, NULL, 0, false)->error_code, 0);
    ck_assert_uint_eq(rig_topic(&rig, "t")->n_configs, 0);
}
END_TEST

START_TEST(not_replaced)
{
    struct wire_alter_configs_request_config first = { slice_str("retention.ms"), slice_str("5000") };
    struct wire_alter_configs_request_config bad[] = { { slice_str("segment.ms"), slice_str("6000") },
                                                       { slice_str("no.such"), slice_str("1") } };
    struct wire_alter_configs_request_config null = { slice_str("segment.ms"), SLICE_NULL };

    ck_assert_int_eq(replace(2, &first, 1, false)->error_code, 0);
    ck_assert_int_eq(replace(2, bad, 2, false)->error_code, KAFKA_E_INVALID_CONFIG);
    ck_assert_int_eq(replace(2, &null, 1, false)->error_code, KAFKA_E_INVALID_REQUEST);
    bad[1].name = bad[0].name;
    ck_assert_int_eq(replace(2, bad, 2, false)->error_code, KAFKA_E_INVALID_REQUEST);
    expect_config("retention.ms", "5000", DYNAMIC);
    expect_config("segment.ms", "604800000", DEFAULT);
}
END_TEST

static void add_loop(Suite *s, const char *name, const TTest *test, int from, int to)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test, from, to);
    suite_add_tcase(s, tc);
}

Suite *admin_configs_suite(void)
{
    Suite *s = suite_create("admin: configs");

    add_loop(s, "described_in_every_version", described_in_every_version, 1, 5);
    suite_add_with(s, without_what_was_not_asked_for, setup, teardown);
    suite_add_with(s, keys_are_a_filter, setup, teardown);
    suite_add_with(s, a_broker_is_described, setup, teardown);
    suite_add_with(s, others_are_not, setup, teardown);
    suite_add_with(s, each_resource_by_itself, setup, teardown);
    add_loop(s, "altered_in_every_version", altered_in_every_version, 0, 2);
    suite_add_with(s, lists_grow_and_shrink, setup, teardown);
    suite_add_with(s, bad_changes, setup, teardown);
    suite_add_with(s, bad_resources, setup, teardown);
    suite_add_with(s, the_log_refuses, setup, teardown);
    suite_add_with(s, no_changes, setup, teardown);
    add_loop(s, "replaced_in_every_version", replaced_in_every_version, 0, 3);
    suite_add_with(s, not_replaced, setup, teardown);
    return s;
}
