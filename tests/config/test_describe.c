/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/describe.h"

#include "config/suites.h"

static void load(struct config *c, const char *yaml)
{
    struct config_report report;

    config_init(c);
    config_report_init(&report);
    ck_assert_int_eq(config_read(c, "f", yaml, strlen(yaml), &report), 0);
    config_report_fini(&report);
}

static void check_synonym(const struct config_synonym *s, const char *name, const char *value,
                          enum config_kafka_source source)
{
    ck_assert_str_eq(s->name, name);
    ck_assert_str_eq(s->value, value);
    ck_assert_int_eq(s->source, source);
}

START_TEST(a_topic_shows_where_a_value_comes_from)
{
    struct topic_config t;
    struct config_entry e;
    struct config c;

    load(&c, "retention: 1h\n");
    topic_config_init(&t, &c);
    topic_config_describe(&t, &c, TOPIC_CONFIG_retention_ms, &e);
    ck_assert_str_eq(e.name, "retention.ms");
    ck_assert_str_eq(e.value, "3600000");
    ck_assert_int_eq(e.type, CONFIG_KAFKA_LONG);
    ck_assert_int_eq(e.source, CONFIG_KAFKA_STATIC_BROKER);
    ck_assert(!e.is_read_only && !e.is_sensitive);
    ck_assert_uint_eq(e.n_synonyms, 2);

    ck_assert_int_eq(topic_config_set(&t, slice_str("retention.ms"), slice_str("1000"), NULL), 0);
    topic_config_describe(&t, &c, TOPIC_CONFIG_retention_ms, &e);
    ck_assert_str_eq(e.value, "1000");
    ck_assert_int_eq(e.source, CONFIG_KAFKA_DYNAMIC_TOPIC);
    ck_assert_uint_eq(e.n_synonyms, 3);
    check_synonym(&e.synonyms[0], "retention.ms", "1000", CONFIG_KAFKA_DYNAMIC_TOPIC);
    check_synonym(&e.synonyms[1], "log.retention.ms", "3600000", CONFIG_KAFKA_STATIC_BROKER);
    check_synonym(&e.synonyms[2], "log.retention.ms", "604800000", CONFIG_KAFKA_DEFAULT);

    topic_config_describe(&t, &c, TOPIC_CONFIG_retention_bytes, &e);
    ck_assert_uint_eq(e.n_synonyms, 1);
    check_synonym(&e.synonyms[0], "log.retention.bytes", "-1", CONFIG_KAFKA_DEFAULT);
    topic_config_describe(&t, &c, TOPIC_CONFIG_cleanup_policy, &e);
    ck_assert_int_eq(e.type, CONFIG_KAFKA_LIST);
    check_synonym(&e.synonyms[0], "log.cleanup.policy", "delete", CONFIG_KAFKA_DEFAULT);
    config_fini(&c);
}
END_TEST

START_TEST(the_broker_shows_kafka_s_names)
{
    static const struct {
        const char *name, *value;
        enum config_kafka_type type;
        enum config_kafka_source source;
    } rows[] = {
        { "num.partitions", "3", CONFIG_KAFKA_INT, CONFIG_KAFKA_STATIC_BROKER },
        { "log.retention.ms", "-1", CONFIG_KAFKA_LONG, CONFIG_KAFKA_STATIC_BROKER },
        { "message.max.bytes", "1048576", CONFIG_KAFKA_INT, CONFIG_KAFKA_DEFAULT },
        { "auto.create.topics.enable", "false", CONFIG_KAFKA_BOOLEAN, CONFIG_KAFKA_STATIC_BROKER },
        { "default.replication.factor", "1", CONFIG_KAFKA_INT, CONFIG_KAFKA_DEFAULT },
        { "min.insync.replicas", "1", CONFIG_KAFKA_INT, CONFIG_KAFKA_DEFAULT },
        { "log.segment.bytes", "268435456", CONFIG_KAFKA_INT, CONFIG_KAFKA_DEFAULT },
        { "log.roll.ms", "604800000", CONFIG_KAFKA_LONG, CONFIG_KAFKA_DEFAULT },
        { "log.retention.bytes", "-1", CONFIG_KAFKA_LONG, CONFIG_KAFKA_DEFAULT },
        { "connections.max.idle.ms", "600000", CONFIG_KAFKA_LONG, CONFIG_KAFKA_DEFAULT },
        { "max.connections", "10000", CONFIG_KAFKA_INT, CONFIG_KAFKA_DEFAULT },
        { "max.connections.per.ip", "1000", CONFIG_KAFKA_INT, CONFIG_KAFKA_DEFAULT },
        { "socket.request.max.bytes", "104857600", CONFIG_KAFKA_INT, CONFIG_KAFKA_DEFAULT },
    };
    struct config_entry e;
    struct config c;

    load(&c, "num_partitions: 3\nretention: none\nauto_create_topics: false\n");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t index = broker_config_find(slice_str(rows[i].name));

        ck_assert_msg(index < broker_config_count(), "%s", rows[i].name);
        broker_config_describe(&c, index, &e);
        ck_assert_str_eq(e.name, rows[i].name);
        ck_assert_str_eq(e.value, rows[i].value);
        ck_assert_int_eq(e.type, rows[i].type);
        ck_assert_int_eq(e.source, rows[i].source);
        ck_assert(e.is_read_only);
        ck_assert_ptr_nonnull(e.documentation);
    }
    ck_assert_uint_eq(broker_config_count(), ARRAY_SIZE(rows));
    ck_assert_uint_eq(broker_config_find(slice_str("num.partition")), broker_config_count());
    config_fini(&c);
}
END_TEST

/* A topic's synonyms name broker configs that the broker shows with the same value. */
START_TEST(topic_and_broker_agree)
{
    struct config_entry topic, broker;
    struct topic_config t;
    struct config c;
    size_t compared = 0;

    load(&c, "retention: 5s\nretention_size: 7MB\nsegment_size: 1MiB\nsegment_age: 90s\nmax_message_size: 2KiB\n");
    topic_config_init(&t, &c);
    for (int id = 0; id < TOPIC_N_CONFIGS; id++) {
        size_t index;

        topic_config_describe(&t, &c, (enum topic_config_id)id, &topic);
        index = broker_config_find(slice_str(topic.synonyms[0].name));
        if (index == broker_config_count())
            continue; /* not a setting of ours */
        broker_config_describe(&c, index, &broker);
        ck_assert_str_eq(topic.value, broker.value);
        ck_assert_int_eq(topic.source, broker.source);
        ck_assert_str_eq(topic.synonyms[topic.n_synonyms - 1].value, broker.synonyms[broker.n_synonyms - 1].value);
        compared++;
    }
    ck_assert_uint_eq(compared, 6);
    config_fini(&c);
}
END_TEST

Suite *describe_suite(void)
{
    Suite *s = suite_create("describe");

    suite_add(s, a_topic_shows_where_a_value_comes_from);
    suite_add(s, the_broker_shows_kafka_s_names);
    suite_add(s, topic_and_broker_agree);
    return s;
}
