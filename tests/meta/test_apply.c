/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What commands do, and when they are refused. Codes are Kafka's. */
#include <signal.h>
#include <stdio.h>

#include "meta/state.h"
#include "meta/suites.h"

enum {
    INVALID_TOPIC = 17,
    TOPIC_EXISTS = 36,
    INVALID_PARTITIONS = 37,
    INVALID_REPLICATION_FACTOR = 38,
    INVALID_REQUEST = 42,
    UNKNOWN_TOPIC_ID = 100,
};

static struct state s;

static void setup(void)
{
    state_init(&s, 1);
}

static void teardown(void)
{
    state_fini(&s);
}

static const struct meta_topic *topic(const char *name)
{
    return meta_topic_by_name(&s.meta, slice_str(name));
}

/* Refused: the state is as before but for the index, and nobody is told to act. */
#define expect_refused(code, apply) \
    do { \
        _cleanup_(freep) char *before_ = NULL, *after_ = NULL; \
        uint64_t index_ = s.meta.applied_index; \
        s.meta.applied_index++; \
        before_ = meta_text(&s.meta); \
        s.meta.applied_index = index_; \
        ck_assert_int_eq(apply, code); \
        after_ = meta_text(&s.meta); \
        ck_assert_str_eq(after_, before_); \
        ck_assert_int_eq(s.event.kind, META_NOTHING); \
        ck_assert(list_is_empty(&s.event.records)); \
    } while (0)

static int16_t delete (uint8_t byte)
{
    struct uuid id = state_id(byte);

    meta_write_topic_delete(&s.command, &id);
    return state_apply(&s);
}

static int16_t add(uint8_t byte, int32_t total)
{
    struct uuid id = state_id(byte);

    meta_write_partitions_add(&s.command, &id, total);
    return state_apply(&s);
}

static int16_t configure(uint8_t byte, bool replace, const struct meta_config_op *ops, size_t n)
{
    struct uuid id = state_id(byte);

    meta_write_topic_configs(&s.command, &id, replace, ops, n);
    return state_apply(&s);
}

static int16_t form(uint8_t byte)
{
    struct uuid id = state_id(byte);

    meta_write_form(&s.command, &id);
    return state_apply(&s);
}

static int16_t producer_ids(int32_t count)
{
    meta_write_producer_ids(&s.command, count);
    return state_apply(&s);
}

START_TEST(a_cluster_is_formed_once)
{
    struct uuid id = state_id(1);

    expect_refused(INVALID_REQUEST, form(0));
    ck_assert_int_eq(form(1), 0);
    ck_assert_int_eq(s.event.kind, META_FORMED);
    ck_assert(uuid_eq(&s.meta.cluster_id, &id));
    expect_refused(INVALID_REQUEST, form(1));
    expect_refused(INVALID_REQUEST, form(2));
}
END_TEST

static void put_broker(int32_t id, const char *host)
{
    struct meta_broker b = {
        .id = id,
        .node_id = (char *)"node",
        .incarnation = state_id(5),
        .host = (char *)host,
        .port = 9092,
    };

    meta_write_broker(&s.command, &b);
    ck_assert_int_eq(state_apply(&s), 0);
    ck_assert_int_eq(s.event.kind, META_BROKER_CHANGED);
}

START_TEST(brokers_are_listed_by_id)
{
    const struct meta_broker *b;
    int32_t last = 0;

    put_broker(3, "c");
    put_broker(1, "a");
    put_broker(2, "b");
    put_broker(3, "d");
    list_foreach (&s.meta.brokers, b, link)
        ck_assert_int_eq(b->id, ++last);
    ck_assert_int_eq(last, 3);
    ck_assert_str_eq(meta_broker_by_id(&s.meta, 3)->host, "d");
    ck_assert_ptr_null(meta_broker_by_id(&s.meta, 4));
}
END_TEST

START_TEST(a_topic_is_created)
{
    struct uuid id = state_id(7);
    const struct meta_topic *t;

    ck_assert_int_eq(state_create(&s, "orders", 7, 3), 0);
    ck_assert_int_eq(s.event.kind, META_TOPIC_CREATED);
    t = topic("orders");
    ck_assert_ptr_eq(s.event.topic, t);
    ck_assert_ptr_eq(meta_topic_by_id(&s.meta, &id), t);
    ck_assert_int_eq(t->n_partitions, 3);
    ck_assert_uint_eq(t->created_index, 1);
    for (int32_t p = 0; p < 3; p++) {
        ck_assert_uint_eq(t->partitions[p].group, META_GROUP_ID_DEFAULT + 1 + (uint64_t)p);
        ck_assert_int_eq(t->partitions[p].leader, 1);
        ck_assert_int_eq(t->partitions[p].epoch, 1);
    }
    ck_assert_uint_eq(s.meta.n_topics, 1);
    ck_assert_uint_eq(s.meta.n_partitions, 3);
    ck_assert_ptr_null(topic("order"));
    ck_assert_ptr_null(topic("Orders"));
}
END_TEST

START_TEST(a_topic_that_exists_stays_as_it_is)
{
    ck_assert_int_eq(state_create(&s, "orders", 7, 3), 0);
    expect_refused(TOPIC_EXISTS, state_create(&s, "orders", 8, 5));
    expect_refused(INVALID_REQUEST, state_create(&s, "other", 7, 1));
    expect_refused(INVALID_REQUEST, state_create(&s, "other", 0, 1));
}
END_TEST

START_TEST(topics_have_partitions)
{
    expect_refused(INVALID_PARTITIONS, state_create(&s, "t", 7, 0));
    expect_refused(INVALID_PARTITIONS, state_create(&s, "t", 7, -1));
    expect_refused(INVALID_PARTITIONS, state_create(&s, "t", 7, META_PARTITIONS_MAX + 1));
    ck_assert_int_eq(state_create(&s, "t", 7, META_PARTITIONS_MAX), 0);
    ck_assert_uint_eq(s.meta.next_group, META_GROUP_ID_DEFAULT + 1 + META_PARTITIONS_MAX);
}
END_TEST

START_TEST(all_partitions_together_are_limited)
{
    char name[16];
    uint8_t id = 1;

    for (size_t n = 0; n < META_ALL_PARTITIONS_MAX; n += META_PARTITIONS_MAX, id++) {
        snprintf(name, sizeof(name), "t%u", id);
        ck_assert_int_eq(state_create(&s, name, id, META_PARTITIONS_MAX - (id == 1)), 0);
    }
    ck_assert_int_eq(state_create(&s, "t", id, 2), INVALID_PARTITIONS);
    ck_assert_int_eq(add(1, META_PARTITIONS_MAX + 1), INVALID_PARTITIONS);
    ck_assert_int_eq(state_create(&s, "t", id, 1), 0);
    ck_assert_int_eq(add(1, META_PARTITIONS_MAX), INVALID_PARTITIONS);
    ck_assert_int_eq(delete (id), 0);
    ck_assert_int_eq(add(1, META_PARTITIONS_MAX), 0);
    ck_assert_uint_eq(s.meta.n_partitions, META_ALL_PARTITIONS_MAX);
}
END_TEST

START_TEST(topics_have_replicas_and_a_name)
{
    struct meta_topic_create create = {
        .name = slice_str("t"),
        .id = state_id(7),
        .n_partitions = 1,
        .leader = 1,
    };

    meta_write_topic_create(&s.command, &create);
    expect_refused(INVALID_REPLICATION_FACTOR, state_apply(&s));
    expect_refused(INVALID_TOPIC, state_create(&s, "", 7, 1));
    expect_refused(INVALID_TOPIC, state_create(&s, "..", 7, 1));
    expect_refused(INVALID_TOPIC, state_create(&s, "a/b", 7, 1));
}
END_TEST

START_TEST(a_deleted_topic_is_handed_out)
{
    ck_assert_int_eq(state_create(&s, "orders", 7, 3), 0);
    ck_assert_int_eq(delete (7), 0);
    ck_assert_int_eq(s.event.kind, META_TOPIC_DELETED);
    ck_assert_str_eq(s.event.deleted->name, "orders");
    ck_assert_int_eq(s.event.deleted->n_partitions, 3);
    ck_assert_ptr_null(topic("orders"));
    ck_assert_uint_eq(s.meta.n_topics, 0);
    ck_assert_uint_eq(s.meta.n_partitions, 0);
    expect_refused(UNKNOWN_TOPIC_ID, delete (7));
}
END_TEST

START_TEST(group_ids_are_never_used_again)
{
    ck_assert_int_eq(state_create(&s, "orders", 7, 3), 0);
    ck_assert_int_eq(delete (7), 0);
    ck_assert_int_eq(state_create(&s, "orders", 8, 1), 0);
    ck_assert_uint_eq(topic("orders")->partitions[0].group, META_GROUP_ID_DEFAULT + 4);
}
END_TEST

START_TEST(partitions_are_added)
{
    ck_assert_int_eq(state_create(&s, "a", 7, 2), 0);
    ck_assert_int_eq(state_create(&s, "b", 8, 1), 0);
    expect_refused(INVALID_PARTITIONS, add(7, 2));
    expect_refused(INVALID_PARTITIONS, add(7, 1));
    expect_refused(INVALID_PARTITIONS, add(7, -1));
    expect_refused(INVALID_PARTITIONS, add(7, META_PARTITIONS_MAX + 1));
    expect_refused(UNKNOWN_TOPIC_ID, add(9, 5));
    ck_assert_int_eq(add(7, 4), 0);
    ck_assert_int_eq(s.event.kind, META_PARTITIONS_ADDED);
    ck_assert_ptr_eq(s.event.topic, topic("a"));
    ck_assert_int_eq(s.event.first_partition, 2);
    ck_assert_uint_eq(topic("a")->partitions[1].group, META_GROUP_ID_DEFAULT + 2);
    ck_assert_uint_eq(topic("a")->partitions[2].group, META_GROUP_ID_DEFAULT + 4);
    ck_assert_uint_eq(topic("a")->partitions[3].group, META_GROUP_ID_DEFAULT + 5);
    ck_assert_uint_eq(s.meta.n_partitions, 5);
}
END_TEST

START_TEST(configs_are_set_and_taken_back)
{
    const struct meta_topic *t;

    ck_assert_int_eq(state_create(&s, "t", 7, 1), 0);
    t = topic("t");
    ck_assert_int_eq(configure(7, false, (struct meta_config_op[]){ { "b", "1" }, { "a", "2" }, { "c", "3" } }, 3), 0);
    ck_assert_int_eq(s.event.kind, META_TOPIC_CONFIGURED);
    ck_assert_ptr_eq(s.event.topic, t);
    ck_assert_uint_eq(t->n_configs, 3);
    ck_assert_str_eq(t->configs[0].name, "a"); /* sorted */
    ck_assert_str_eq(meta_topic_config(t, "b"), "1");

    ck_assert_int_eq(configure(7, false, (struct meta_config_op[]){ { "a", NULL }, { "b", "4" }, { "x", NULL } }, 3),
                     0);
    ck_assert_uint_eq(t->n_configs, 2);
    ck_assert_ptr_null(meta_topic_config(t, "a"));
    ck_assert_str_eq(meta_topic_config(t, "b"), "4");
    ck_assert_str_eq(meta_topic_config(t, "c"), "3");

    ck_assert_int_eq(configure(7, true, (struct meta_config_op[]){ { "d", "5" } }, 1), 0);
    ck_assert_uint_eq(t->n_configs, 1);
    ck_assert_str_eq(meta_topic_config(t, "d"), "5");

    ck_assert_int_eq(configure(7, true, NULL, 0), 0);
    ck_assert_uint_eq(t->n_configs, 0);
    expect_refused(UNKNOWN_TOPIC_ID, configure(9, true, NULL, 0));
}
END_TEST

/* All configs of a topic together are limited, not only those of a command. */
START_TEST(configs_are_limited)
{
    static char names[META_CONFIGS_MAX + 1][4];
    struct meta_config_op ops[META_CONFIGS_MAX + 1];
    const struct meta_topic *t;

    for (int i = 0; i <= META_CONFIGS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "c%d", i);
        ops[i] = (struct meta_config_op){ names[i], "1" };
    }
    ck_assert_int_eq(state_create(&s, "t", 7, 1), 0);
    t = topic("t");
    ck_assert_int_eq(configure(7, false, ops, META_CONFIGS_MAX - 1), 0);
    expect_refused(INVALID_REQUEST, configure(7, false, &ops[META_CONFIGS_MAX - 1], 2));
    ck_assert_uint_eq(t->n_configs, META_CONFIGS_MAX - 1);
    ck_assert_int_eq(configure(7, false, &ops[1], META_CONFIGS_MAX - 1), 0); /* all but one are there */
    expect_refused(INVALID_REQUEST, configure(7, false, &ops[META_CONFIGS_MAX], 1));
    ck_assert_int_eq(configure(7, true, &ops[1], META_CONFIGS_MAX), 0);
    ck_assert_uint_eq(t->n_configs, META_CONFIGS_MAX);
    ck_assert_int_eq(configure(7, false, &(struct meta_config_op){ "c1", NULL }, 1), 0);
    ck_assert_int_eq(configure(7, false, ops, 1), 0);
    ck_assert_uint_eq(t->n_configs, META_CONFIGS_MAX);
}
END_TEST

START_TEST(producer_ids_come_in_blocks)
{
    ck_assert_int_eq(producer_ids(1000), 0);
    ck_assert_int_eq(s.event.kind, META_PRODUCER_IDS);
    ck_assert_int_eq(s.event.producer_id_first, 0);
    ck_assert_int_eq(s.event.producer_id_count, 1000);
    ck_assert_int_eq(producer_ids(1), 0);
    ck_assert_int_eq(s.event.producer_id_first, 1000);
    expect_refused(INVALID_REQUEST, producer_ids(0));
    expect_refused(INVALID_REQUEST, producer_ids(-1));
}
END_TEST

START_TEST(producer_ids_end_one_day)
{
    s.meta.next_producer_id = INT64_MAX - 10;
    expect_refused(INVALID_REQUEST, producer_ids(11));
    ck_assert_int_eq(producer_ids(10), 0);
    ck_assert_int_eq(s.meta.next_producer_id, INT64_MAX);
    expect_refused(INVALID_REQUEST, producer_ids(1));
}
END_TEST

START_TEST(names)
{
    char longest[META_TOPIC_NAME_MAX + 2];

    memset(longest, 'x', sizeof(longest));
    ck_assert_ptr_null(meta_topic_name_check(slice_make(longest, META_TOPIC_NAME_MAX)));
    ck_assert_ptr_nonnull(meta_topic_name_check(slice_make(longest, META_TOPIC_NAME_MAX + 1)));
    ck_assert_ptr_null(meta_topic_name_check(slice_str("aZ09._-")));
    ck_assert_ptr_null(meta_topic_name_check(slice_str("...")));
    ck_assert_ptr_nonnull(meta_topic_name_check(slice_str(".")));
    ck_assert_ptr_nonnull(meta_topic_name_check(slice_str("..")));
    ck_assert_ptr_nonnull(meta_topic_name_check(slice_str("")));
    ck_assert_ptr_nonnull(meta_topic_name_check(SLICE_NULL));
    for (int c = 0; c < 256; c++) {
        char name = (char)c;
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';

        ck_assert_int_eq(meta_topic_name_check(slice_make(&name, 1)) == NULL, fine);
    }
}
END_TEST

START_TEST(indexes_grow)
{
    struct meta_event e;

    ck_assert_int_eq(producer_ids(1), 0);
    meta_write_producer_ids(&s.command, 1);
    meta_apply(&s.meta, 1, slice_make(s.command.start, wr_size(&s.command)), &e);
}
END_TEST

Suite *meta_apply_suite(void)
{
    Suite *suite = suite_create("apply");

    suite_add_with(suite, a_cluster_is_formed_once, setup, teardown);
    suite_add_with(suite, brokers_are_listed_by_id, setup, teardown);
    suite_add_with(suite, a_topic_is_created, setup, teardown);
    suite_add_with(suite, a_topic_that_exists_stays_as_it_is, setup, teardown);
    suite_add_with(suite, topics_have_partitions, setup, teardown);
    suite_add_with(suite, all_partitions_together_are_limited, setup, teardown);
    suite_add_with(suite, topics_have_replicas_and_a_name, setup, teardown);
    suite_add_with(suite, a_deleted_topic_is_handed_out, setup, teardown);
    suite_add_with(suite, group_ids_are_never_used_again, setup, teardown);
    suite_add_with(suite, partitions_are_added, setup, teardown);
    suite_add_with(suite, configs_are_set_and_taken_back, setup, teardown);
    suite_add_with(suite, configs_are_limited, setup, teardown);
    suite_add_with(suite, producer_ids_come_in_blocks, setup, teardown);
    suite_add_with(suite, producer_ids_end_one_day, setup, teardown);
    suite_add(suite, names);
    TCase *tc = tcase_create("indexes_grow");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test_raise_signal(tc, indexes_grow, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
