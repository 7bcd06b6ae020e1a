/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>

#include "base/util.h"
#include "client/suites.h"

#define N_PARTITIONS 2
#define WAIT_MS 20000

static struct mock mock;
static struct gq_consumer *consumer;

static void send_numbers(int32_t partition, int from, int to)
{
    struct gq_producer *p;
    struct gq_header header = { "h", "x", 1 };

    ck_assert_int_eq(gq_producer_new(mock.client, GQ_STRATEGY_MANUAL, &p, NULL), 0);
    for (int i = from; i < to; i++) {
        struct gq_message m = {
            .topic = "t",
            .partition = partition,
            .key = "k",
            .key_size = 1,
            .value = &i,
            .value_size = sizeof(i),
            .headers = &header,
            .n_headers = 1,
            .timestamp_ms = 1000 + i,
        };

        ck_assert_int_eq(gq_producer_send(p, &m, NULL, NULL, NULL), 0);
    }
    gq_producer_free(p);
}

static void start(void)
{
    mock_start(&mock, 1, NULL);
    rd_kafka_mock_topic_create(mock.cluster, "t", N_PARTITIONS, 1);
    send_numbers(0, 0, 10);
    send_numbers(1, 100, 105);
}

static void stop(void)
{
    gq_consumer_free(consumer);
    mock_stop(&mock);
}

static void open_consumer(bool follow)
{
    ck_assert_int_eq(gq_consumer_new(mock.client, follow, &consumer, NULL), 0);
}

static void expect(int32_t partition, int64_t offset, int number)
{
    struct gq_record r;
    int value;

    ck_assert_int_eq(gq_consumer_poll(consumer, WAIT_MS, &r, NULL), 0);
    ck_assert_str_eq(r.topic, "t");
    ck_assert_int_eq(r.partition, partition);
    ck_assert_int_eq(r.offset, offset);
    ck_assert_int_eq(r.timestamp_ms, 1000 + number);
    ck_assert_uint_eq(r.key_size, 1);
    ck_assert_mem_eq(r.key, "k", 1);
    ck_assert_uint_eq(r.n_headers, 1);
    ck_assert_str_eq(r.headers[0].name, "h");
    ck_assert_mem_eq(r.headers[0].value, "x", 1);
    ck_assert_uint_eq(r.value_size, sizeof(value));
    memcpy(&value, r.value, sizeof(value));
    ck_assert_int_eq(value, number);
}

static void expect_end(void)
{
    struct gq_record r;

    ck_assert_int_eq(gq_consumer_poll(consumer, WAIT_MS, &r, NULL), GQ_E_END);
    ck_assert_int_eq(gq_consumer_remaining(consumer), 0);
}

START_TEST(reads_a_partition_to_its_end)
{
    open_consumer(false);
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 0, GQ_OFFSET_BEGINNING, NULL), 0);
    ck_assert_int_eq(gq_consumer_remaining(consumer), 10);
    for (int i = 0; i < 10; i++)
        expect(0, i, i);
    expect_end();
}
END_TEST

START_TEST(reads_from_an_offset)
{
    open_consumer(false);
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 0, 7, NULL), 0);
    for (int i = 7; i < 10; i++)
        expect(0, i, i);
    expect_end();
}
END_TEST

START_TEST(reads_all_partitions)
{
    struct gq_record r;
    int n[N_PARTITIONS] = { 0 };

    open_consumer(false);
    ck_assert_int_eq(gq_consumer_add(consumer, "t", GQ_PARTITION_ANY, GQ_OFFSET_BEGINNING, NULL), 0);
    for (int i = 0; i < 15; i++) {
        ck_assert_int_eq(gq_consumer_poll(consumer, WAIT_MS, &r, NULL), 0);
        ck_assert_int_eq(r.offset, n[r.partition]++);
    }
    expect_end();
    ck_assert_int_eq(n[0], 10);
    ck_assert_int_eq(n[1], 5);
}
END_TEST

START_TEST(does_not_go_beyond_the_end_at_the_start)
{
    open_consumer(false);
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 1, GQ_OFFSET_BEGINNING, NULL), 0);
    send_numbers(1, 105, 120);
    /* Long enough for them to be fetched, so that they would be seen; nothing depends on it otherwise. */
    nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 500000000 }, NULL);
    for (int i = 0; i < 5; i++)
        expect(1, i, 100 + i);
    expect_end();
}
END_TEST

START_TEST(follows)
{
    struct gq_record r;

    open_consumer(true);
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 0, GQ_OFFSET_END, NULL), 0);
    ck_assert_int_eq(gq_consumer_poll(consumer, 1, &r, NULL), -EAGAIN);
    send_numbers(0, 10, 12);
    expect(0, 10, 10);
    expect(0, 11, 11);
    ck_assert_int_eq(gq_consumer_poll(consumer, 1, &r, NULL), -EAGAIN);
}
END_TEST

START_TEST(empty_reads_end_at_once)
{
    open_consumer(false);
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 0, GQ_OFFSET_END, NULL), 0);
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 1, 5, NULL), 0);
    expect_end();
}
END_TEST

START_TEST(refuses_what_is_not_there)
{
    struct gq_error err;

    open_consumer(false);
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 0, 11, &err), -ERANGE);
    ck_assert_str_eq(err.text, "offset 11 is outside of partition 0 of t: it holds offsets 0 to 9");
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 2, 0, &err), -ENOENT);
    ck_assert_str_eq(err.text, "topic t has no partition 2: its partitions are 0 to 1");
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 0, -3, &err), -EINVAL);
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 0, 0, &err), 0);
    ck_assert_int_eq(gq_consumer_add(consumer, "t", 0, 0, &err), -EEXIST);
}
END_TEST

Suite *consumer_suite(void)
{
    Suite *s = suite_create("consumer");

    suite_add_with(s, reads_a_partition_to_its_end, start, stop);
    suite_add_with(s, reads_from_an_offset, start, stop);
    suite_add_with(s, reads_all_partitions, start, stop);
    suite_add_with(s, does_not_go_beyond_the_end_at_the_start, start, stop);
    suite_add_with(s, follows, start, stop);
    suite_add_with(s, empty_reads_end_at_once, start, stop);
    suite_add_with(s, refuses_what_is_not_there, start, stop);
    return s;
}
