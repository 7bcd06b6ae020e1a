/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "client/suites.h"

static int new_client(const char *addr, struct gq_error *err)
{
    struct gq_client_config config = { .broker_addrs = &addr, .n_broker_addrs = 1 };
    struct gq_client *client;
    int r = gq_client_new(&config, &client, err);

    if (r == 0)
        gq_client_free(client);
    return r;
}

START_TEST(refuses_bad_settings)
{
    struct gq_client_config config = { 0 };
    struct gq_client *client;
    struct gq_error err;
    const char *addr = "a:1";

    ck_assert_int_eq(gq_client_new(&config, &client, &err), -EINVAL);
    ck_assert_str_eq(err.text, "a client needs at least one broker address");
    ck_assert_int_eq(new_client("a:1,b:2", &err), -EINVAL);
    ck_assert_str_eq(err.text, "'a:1,b:2' is not a broker address (HOST:PORT)");
    ck_assert_int_eq(new_client("", &err), -EINVAL);
    ck_assert_int_eq(new_client("a:1", &err), 0);
    config = (struct gq_client_config){ .broker_addrs = &addr, .n_broker_addrs = 1, .timeout_ms = -1 };
    ck_assert_int_eq(gq_client_new(&config, &client, &err), -EINVAL);
    config = (struct gq_client_config){ .broker_addrs = &addr, .n_broker_addrs = 1, .compression = 9 };
    ck_assert_int_eq(gq_client_new(&config, &client, NULL), -EINVAL);
}
END_TEST

START_TEST(frees_nothing)
{
    gq_client_free(NULL);
    gq_admin_free(NULL);
    gq_producer_free(NULL);
    gq_consumer_free(NULL);
    gq_topic_list_free(NULL);
    gq_topic_info_free(NULL);
    gq_config_list_free(NULL);
}
END_TEST

/* Port 1 is nobody's. */
START_TEST(says_that_no_broker_is_there)
{
    const char *addr = "127.0.0.1:1";
    struct gq_client_config config = { .broker_addrs = &addr, .n_broker_addrs = 1, .timeout_ms = 30000 };
    struct gq_client *client;
    struct gq_admin *admin;
    struct gq_topic_list *list;
    struct gq_error err;

    ck_assert_int_eq(gq_client_new(&config, &client, NULL), 0);
    ck_assert_int_eq(gq_admin_new(client, &admin, NULL), 0);
    ck_assert_int_eq(gq_admin_list_topics(admin, &list, &err), -EHOSTUNREACH);
    ck_assert_ptr_nonnull(strstr(err.text, "no broker can be reached: 127.0.0.1:1"));
    ck_assert_ptr_nonnull(strstr(err.text, "Connection refused"));
    ck_assert_ptr_null(strstr(err.text, "after"));
    gq_admin_free(admin);
    gq_client_free(client);
}
END_TEST

static void on_log(void *ctx, int level, const char *text)
{
    __atomic_store_n((bool *)ctx, true, __ATOMIC_RELAXED);
}

START_TEST(lists_and_describes)
{
    bool logged = false;
    struct gq_client_config config = { .log = on_log, .log_ctx = &logged };
    struct mock m;
    struct gq_admin *admin;
    struct gq_topic_list *list;
    struct gq_topic_info *topic;
    struct gq_error err;

    mock_start(&m, 3, &config);
    rd_kafka_mock_topic_create(m.cluster, "orders", 4, 3);
    rd_kafka_mock_topic_create(m.cluster, "audit", 1, 1);
    ck_assert_int_eq(gq_admin_new(m.client, &admin, NULL), 0);
    ck_assert_int_eq(gq_admin_list_topics(admin, &list, &err), 0);
    ck_assert_uint_eq(list->n_topics, 2);
    ck_assert_str_eq(list->topics[0].name, "audit");
    ck_assert_str_eq(list->topics[1].name, "orders");
    ck_assert_uint_eq(list->topics[1].n_partitions, 4);
    gq_topic_list_free(list);
    ck_assert_int_eq(gq_admin_describe_topic(admin, "orders", &topic, &err), 0);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(topic->partitions[i].id, (int)i);
        ck_assert_uint_eq(topic->partitions[i].n_replicas, 3);
        ck_assert_int_eq(topic->partitions[i].start_offset, 0);
        ck_assert_int_eq(topic->partitions[i].end_offset, 0);
    }
    gq_topic_info_free(topic);
    gq_admin_free(admin);
    mock_stop(&m);
}
END_TEST

Suite *client_suite(void)
{
    Suite *s = suite_create("client");

    suite_add(s, refuses_bad_settings);
    suite_add(s, frees_nothing);
    suite_add(s, says_that_no_broker_is_there);
    suite_add(s, lists_and_describes);
    return s;
}
