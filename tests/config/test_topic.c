/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/topic.h"

#include <errno.h>
#include <stdio.h>

#include "config/suites.h"

static struct config broker;
static struct topic_config topic;
static struct error_text err;

static void setup(void)
{
    config_init(&broker);
    topic_config_init(&topic, &broker);
}

static void teardown(void)
{
    config_fini(&broker);
}

static int set(const char *name, const char *value)
{
    return topic_config_set(&topic, slice_str(name), slice_str(value), &err);
}

static int alter(const char *name, int op, const char *value)
{
    return topic_config_alter(&topic, &broker, slice_str(name), op, slice_str(value), &err);
}

START_TEST(defaults_come_from_the_broker)
{
    ck_assert_int_eq(topic.retention_ms, INT64_C(604800000));
    ck_assert_int_eq(topic.retention_bytes, -1);
    ck_assert_int_eq(topic.segment_bytes, 256 * VALUE_MIB);
    ck_assert_int_eq(topic.segment_ms, INT64_C(604800000));
    ck_assert_int_eq(topic.max_message_bytes, VALUE_MIB);
    ck_assert_int_eq(topic.min_insync_replicas, 1);
    ck_assert_int_eq(topic.message_timestamp_type, TOPIC_CREATE_TIME);
    ck_assert_int_eq(topic.compression_type, TOPIC_COMPRESSION_PRODUCER);
    ck_assert_int_eq(topic.cleanup_policy, TOPIC_CLEANUP_DELETE);
    ck_assert_uint_eq(topic.set, 0);
    broker.retention_ns = CONFIG_NONE;
    broker.segment_age_ns = VALUE_HOUR;
    broker.retention_size_bytes = 12345;
    topic_config_init(&topic, &broker);
    ck_assert_int_eq(topic.retention_ms, -1);
    ck_assert_int_eq(topic.segment_ms, 3600000);
    ck_assert_int_eq(topic.retention_bytes, 12345);
}
END_TEST

START_TEST(every_config_can_be_set)
{
    ck_assert_int_eq(set("retention.ms", "1000"), 0);
    ck_assert_int_eq(topic.retention_ms, 1000);
    ck_assert_int_eq(set("retention.bytes", "-1"), 0);
    ck_assert_int_eq(set("segment.bytes", "1048576"), 0);
    ck_assert_int_eq(topic.segment_bytes, VALUE_MIB);
    ck_assert_int_eq(set("segment.ms", " 60000 "), 0); /* Kafka trims too */
    ck_assert_int_eq(topic.segment_ms, 60000);
    ck_assert_int_eq(set("max.message.bytes", "2000000"), 0);
    ck_assert_int_eq(topic.max_message_bytes, 2000000);
    ck_assert_int_eq(set("min.insync.replicas", "2"), 0);
    ck_assert_int_eq(topic.min_insync_replicas, 2);
    ck_assert_int_eq(set("message.timestamp.type", "LogAppendTime"), 0);
    ck_assert_int_eq(topic.message_timestamp_type, TOPIC_LOG_APPEND_TIME);
    ck_assert_int_eq(set("compression.type", "producer"), 0);
    ck_assert_int_eq(set("cleanup.policy", "delete"), 0);
    ck_assert_uint_eq(topic.set, (1U << TOPIC_N_CONFIGS) - 1);
}
END_TEST

START_TEST(refusals_give_the_reason)
{
    static const struct {
        const char *name, *value, *reason;
    } rows[] = {
        { "retention.ms", "7d", "retention.ms: '7d' is not a whole number" },
        { "retention.ms", "-2", "retention.ms: '-2' is out of range (-1 to 9223372036854775807)" },
        { "segment.bytes", "14", "segment.bytes: '14' is out of range (4096 to 2147483647)" },
        { "segment.bytes", "99999999999999999999",
          "segment.bytes: '99999999999999999999' is out of range (4096 to 2147483647)" },
        { "segment.ms", "", "segment.ms: '' is not a whole number" },
        { "max.message.bytes", NULL, "max.message.bytes: has no value" },
        { "message.timestamp.type", "createtime",
          "message.timestamp.type: 'createtime' is not one of CreateTime or LogAppendTime" },
        { "compression.type", "gzip", "compression.type: 'gzip' doesn't work yet, only 'producer' does" },
        { "compression.type", "lzma", "compression.type: 'lzma' is not 'producer'" },
        { "cleanup.policy", "compact", "cleanup.policy: 'compact' doesn't work yet, only 'delete' does" },
        { "cleanup.policy", "delete,compact", "cleanup.policy: 'compact' doesn't work yet, only 'delete' does" },
        { "cleanup.policy", "", "cleanup.policy: must not be empty" },
        { "retention", "1", "unknown topic config 'retention' (did you mean retention.ms?)" },
        { "retnetion.ms", "1", "unknown topic config 'retnetion.ms' (did you mean retention.ms?)" },
        { "unclean.leader.election.enable", "true", "unknown topic config 'unclean.leader.election.enable'" },
        { NULL, "1", "the name of a topic config is malformed" },
    };
    struct topic_config before = topic;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ck_assert_int_eq(set(rows[i].name, rows[i].value), -EINVAL);
        ck_assert_str_eq(err.text, rows[i].reason);
    }
    ck_assert_int_eq(topic_config_set(&topic, slice_make("retention.ms\0", 13), slice_str("1"), &err), -EINVAL);
    ck_assert_int_eq(topic_config_set(&topic, slice_str("retention.ms"), slice_make("1\0002", 3), &err), -EINVAL);
    ck_assert_int_eq(memcmp(&before, &topic, sizeof(topic)), 0);
}
END_TEST

START_TEST(values_of_any_size_are_safe)
{
    char huge[4096];

    memset(huge, ',', sizeof(huge));
    ck_assert_int_eq(topic_config_set(&topic, slice_str("cleanup.policy"), slice_make(huge, sizeof(huge)), &err),
                     -EINVAL);
    ck_assert_int_eq(topic_config_set(&topic, slice_str("cleanup.policy"), slice_make(huge, 255), &err), -EINVAL);
    ck_assert_int_eq(topic_config_set(&topic, slice_make(huge, sizeof(huge)), slice_str("1"), &err), -EINVAL);
    memset(huge, ' ', sizeof(huge));
    ck_assert_int_eq(topic_config_set(&topic, slice_str("segment.ms"), slice_make(huge, sizeof(huge)), &err), -EINVAL);
}
END_TEST

START_TEST(alter_operations)
{
    ck_assert_int_eq(alter("retention.ms", TOPIC_CONFIG_OP_SET, "5"), 0);
    ck_assert_int_eq(topic.retention_ms, 5);
    ck_assert_int_eq(alter("retention.ms", TOPIC_CONFIG_OP_DELETE, NULL), 0);
    ck_assert_int_eq(topic.retention_ms, INT64_C(604800000));
    ck_assert_uint_eq(topic.set, 0);
    ck_assert_int_eq(alter("retention.ms", TOPIC_CONFIG_OP_APPEND, "5"), -EINVAL);
    ck_assert_str_eq(err.text, "retention.ms: is not a list, so nothing can be appended to or subtracted from it");
    ck_assert_int_eq(alter("cleanup.policy", TOPIC_CONFIG_OP_APPEND, "delete"), 0);
    ck_assert_int_eq(topic.cleanup_policy, TOPIC_CLEANUP_DELETE);
    ck_assert_int_eq(alter("cleanup.policy", TOPIC_CONFIG_OP_SUBTRACT, "delete"), -EINVAL);
    ck_assert_str_eq(err.text, "cleanup.policy: must not be empty");
    ck_assert_int_eq(alter("cleanup.policy", 4, "delete"), -EINVAL);
    ck_assert_str_eq(err.text, "cleanup.policy: there is no operation 4");
    ck_assert_int_eq(alter("flush.ms", TOPIC_CONFIG_OP_DELETE, NULL), -EINVAL);
}
END_TEST

START_TEST(what_is_formatted_can_be_set_again)
{
    char text[TOPIC_CONFIG_TEXT_SIZE];

    for (int id = 0; id < TOPIC_N_CONFIGS; id++) {
        topic_config_format(&topic, (enum topic_config_id)id, text);
        ck_assert_msg(set(topic_config_name((enum topic_config_id)id), text) == 0, "%s", err.text);
    }
    topic_config_format(&topic, TOPIC_CONFIG_cleanup_policy, text);
    ck_assert_str_eq(text, "delete");
    topic_config_format(&topic, TOPIC_CONFIG_retention_bytes, text);
    ck_assert_str_eq(text, "-1");
}
END_TEST

Suite *topic_suite(void)
{
    Suite *s = suite_create("topic");
    TCase *tc = tcase_create("topic");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, defaults_come_from_the_broker);
    tcase_add_test(tc, every_config_can_be_set);
    tcase_add_test(tc, refusals_give_the_reason);
    tcase_add_test(tc, values_of_any_size_are_safe);
    tcase_add_test(tc, alter_operations);
    tcase_add_test(tc, what_is_formatted_can_be_set_again);
    suite_add_tcase(s, tc);
    return s;
}
