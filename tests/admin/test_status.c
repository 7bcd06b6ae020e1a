/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <jansson.h>

#include "admin/sample.h"
#include "admin/suites.h"

static struct sample sample;

static void setup(void)
{
    sample_init(&sample);
}

static void teardown(void)
{
    sample_fini(&sample);
}

static json_t *parse(char *text, size_t size)
{
    json_error_t err;
    json_t *doc = json_loadb(text, size, JSON_REJECT_DUPLICATES, &err);

    ck_assert_msg(doc != NULL, "%s: %s", err.text, text);
    free(text);
    return doc;
}

static json_t *get(page_fn page, unsigned want_status)
{
    unsigned status = 0;
    size_t size = 0;
    char *text = page(&sample.figures, &status, &size);

    ck_assert_uint_eq(status, want_status);
    return parse(text, size);
}

static const char *word(const json_t *doc, const char *key)
{
    return json_string_value(json_object_get(doc, key));
}

static json_int_t number(const json_t *doc, const char *key)
{
    ck_assert_msg(json_is_integer(json_object_get(doc, key)), "%s", key);
    return json_integer_value(json_object_get(doc, key));
}

START_TEST(node_and_journal)
{
    json_t *doc = get(status_text, 200), *node = json_object_get(doc, "node");
    json_t *journal = json_object_get(doc, "journal"), *broker = json_array_get(json_object_get(doc, "brokers"), 0);

    ck_assert_str_eq(word(doc, "cluster_id"), sample.report.cluster_id);
    ck_assert_str_eq(word(node, "id"), "b1");
    ck_assert_str_eq(word(node, "version"), PACKAGE_VERSION);
    ck_assert_int_eq(number(node, "shards"), 2);
    ck_assert(json_is_true(json_object_get(node, "ready")));
    ck_assert_int_eq(number(journal, "flushes"), 11);
    ck_assert_int_eq(number(journal, "bytes_in_use"), 14);
    ck_assert_str_eq(word(broker, "host"), "mq.example");
    ck_assert_str_eq(word(broker, "listen"), "127.0.0.1");
    ck_assert_int_eq(number(broker, "port"), 9092);
    json_decref(doc);
}
END_TEST

START_TEST(topics_with_their_partitions)
{
    json_t *doc = get(status_text, 200), *topics = json_object_get(doc, "topics");
    json_t *orders = json_array_get(topics, 0), *partitions = json_object_get(orders, "partitions");
    json_t *second = json_array_get(partitions, 1);

    ck_assert_uint_eq(json_array_size(topics), 2);
    ck_assert_str_eq(word(orders, "name"), "orders");
    ck_assert_int_eq(number(orders, "size_bytes"), 9600);
    ck_assert_uint_eq(json_array_size(partitions), 2);
    ck_assert_int_eq(number(second, "partition"), 1);
    ck_assert_int_eq(number(second, "log_start"), 5);
    ck_assert_int_eq(number(second, "high_watermark"), 61);
    ck_assert_int_eq(number(second, "leader"), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(topics, 1), "partitions")), 1);
    ck_assert_int_eq(number(json_object_get(doc, "omitted"), "partitions"), 0);
    json_decref(doc);
}
END_TEST

START_TEST(what_is_shown_is_bounded)
{
    json_t *doc, *topics;

    sample.figures.max_partitions = 1;
    doc = get(status_text, 200);
    topics = json_object_get(doc, "topics");
    ck_assert_uint_eq(json_array_size(topics), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(topics, 0), "partitions")), 1);
    ck_assert_int_eq(number(json_array_get(topics, 0), "size_bytes"), 9600);
    ck_assert_int_eq(number(json_object_get(doc, "omitted"), "topics"), 1);
    ck_assert_int_eq(number(json_object_get(doc, "omitted"), "partitions"), 2);
    json_decref(doc);
}
END_TEST

START_TEST(warnings)
{
    json_t *doc = get(status_text, 200), *list = json_object_get(doc, "warnings");

    ck_assert_uint_eq(json_array_size(list), 1);
    ck_assert_str_eq(json_string_value(json_array_get(list, 0)), "bind_addr: \"it\" can be reached");
    json_decref(doc);
    sample.report.disk_full = true;
    doc = get(status_text, 200);
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "warnings")), 2);
    json_decref(doc);
}
END_TEST

static void expect(page_fn page, unsigned status, const char *want)
{
    json_t *doc = get(page, status);

    ck_assert_str_eq(word(doc, "status"), want);
    json_decref(doc);
}

START_TEST(health)
{
    expect(health_text, 200, "ok");
    expect(live_text, 200, "alive");
    expect(ready_text, 200, "ready");
    sample.report.disk_full = true;
    expect(health_text, 200, "degraded");
    expect(ready_text, 200, "ready");
    sample.report.ready = false;
    expect(health_text, 503, "not ready");
    expect(ready_text, 503, "not ready");
    expect(live_text, 200, "alive");
}
END_TEST

START_TEST(errors_are_documents)
{
    struct page *page = page_error(404, "no \"such\" page");
    json_error_t err;
    json_t *doc = json_loadb(page->body, page->size, 0, &err);

    ck_assert_ptr_nonnull(doc);
    ck_assert_int_eq(number(doc, "status"), 404);
    ck_assert_str_eq(word(doc, "error"), "no \"such\" page");
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "pages")), N_PAGES);
    json_decref(doc);
    page_unref(page);
}
END_TEST

Suite *status_suite(void)
{
    Suite *s = suite_create("status");

    suite_add_with(s, node_and_journal, setup, teardown);
    suite_add_with(s, topics_with_their_partitions, setup, teardown);
    suite_add_with(s, what_is_shown_is_bounded, setup, teardown);
    suite_add_with(s, warnings, setup, teardown);
    suite_add_with(s, health, setup, teardown);
    suite_add(s, errors_are_documents);
    return s;
}
