/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "client/suites.h"

#define N_PARTITIONS 4

static struct mock mock;
static struct gq_producer *producer;

static void start(void)
{
    mock_start(&mock, 1, NULL);
    rd_kafka_mock_topic_create(mock.cluster, "t", N_PARTITIONS, 1);
}

static void stop(void)
{
    gq_producer_free(producer);
    mock_stop(&mock);
}

static struct gq_message message(int32_t partition, const char *key)
{
    return (struct gq_message){
        .topic = "t",
        .partition = partition,
        .key = key,
        .key_size = key != NULL ? strlen(key) : 0,
        .value = "v",
        .value_size = 1,
    };
}

START_TEST(manual_sends_go_where_they_say)
{
    struct gq_message m = message(2, NULL);
    int32_t partition;
    int64_t offset;
    struct gq_error err;

    ck_assert_int_eq(gq_producer_new(mock.client, GQ_STRATEGY_MANUAL, &producer, &err), 0);
    for (int64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(gq_producer_send(producer, &m, &partition, &offset, &err), 0);
        ck_assert_int_eq(partition, 2);
        ck_assert_int_eq(offset, i);
    }
    m.partition = GQ_PARTITION_ANY;
    ck_assert_int_eq(gq_producer_send(producer, &m, NULL, NULL, &err), -EINVAL);
    m.partition = N_PARTITIONS;
    ck_assert_int_eq(gq_producer_send(producer, &m, NULL, NULL, &err), -ENOENT);
    ck_assert_str_eq(err.text, "topic t has no partition 4: its partitions are 0 to 3");
    m.partition = -2;
    ck_assert_int_eq(gq_producer_send(producer, &m, NULL, NULL, &err), -EINVAL);
}
END_TEST

START_TEST(round_robin_takes_turns)
{
    struct gq_message m = message(GQ_PARTITION_ANY, NULL);
    int32_t first, partition;

    ck_assert_int_eq(gq_producer_new(mock.client, GQ_STRATEGY_ROUND_ROBIN, &producer, NULL), 0);
    ck_assert_int_eq(gq_producer_send(producer, &m, &first, NULL, NULL), 0);
    for (int i = 1; i < 3 * N_PARTITIONS; i++) {
        ck_assert_int_eq(gq_producer_send(producer, &m, &partition, NULL, NULL), 0);
        ck_assert_int_eq(partition, (first + i) % N_PARTITIONS);
    }
}
END_TEST

START_TEST(random_uses_all_partitions)
{
    struct gq_message m = message(GQ_PARTITION_ANY, "same");
    unsigned seen = 0;
    int32_t partition;

    ck_assert_int_eq(gq_producer_new(mock.client, GQ_STRATEGY_RANDOM, &producer, NULL), 0);
    for (int i = 0; i < 1000 && seen != (1u << N_PARTITIONS) - 1; i++) {
        ck_assert_int_eq(gq_producer_send(producer, &m, &partition, NULL, NULL), 0);
        seen |= 1u << partition;
    }
    ck_assert_uint_eq(seen, (1u << N_PARTITIONS) - 1);
}
END_TEST

/* As Kafka's Java client: (murmur2(key) & 0x7fffffff) % 4, from its own tests' hashes of "21" and "foobar". */
START_TEST(hash_keeps_equal_keys_together)
{
    struct gq_message m = message(GQ_PARTITION_ANY, "21"), other = message(GQ_PARTITION_ANY, "foobar");
    struct gq_message none = message(GQ_PARTITION_ANY, NULL);
    int32_t partition, before;

    ck_assert_int_eq(gq_producer_new(mock.client, GQ_STRATEGY_HASH, &producer, NULL), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(gq_producer_send(producer, &m, &partition, NULL, NULL), 0);
        ck_assert_int_eq(partition, (-973932308 & 0x7fffffff) % N_PARTITIONS);
        ck_assert_int_eq(gq_producer_send(producer, &other, &partition, NULL, NULL), 0);
        ck_assert_int_eq(partition, (-790332482 & 0x7fffffff) % N_PARTITIONS);
    }
    ck_assert_int_eq(gq_producer_send(producer, &none, &before, NULL, NULL), 0);
    ck_assert_int_eq(gq_producer_send(producer, &none, &partition, NULL, NULL), 0);
    ck_assert_int_ne(partition, before);
}
END_TEST

struct count {
    int good, bad;
    struct gq_error err;
};

static void on_delivered(void *ctx, const struct gq_delivery *d)
{
    struct count *c = ctx;

    if (d->result == 0) {
        ck_assert_ptr_null(d->error);
        ck_assert_int_ge(d->offset, 0);
        c->good++;
    } else {
        c->err = *d->error;
        c->bad++;
    }
}

START_TEST(every_asynchronous_send_is_answered_once)
{
    struct gq_message m = message(0, NULL);
    struct count c = { 0 };

    ck_assert_int_eq(gq_producer_new(mock.client, GQ_STRATEGY_MANUAL, &producer, NULL), 0);
    for (int i = 0; i < 5000; i++)
        ck_assert_int_eq(gq_producer_send_async(producer, &m, on_delivered, &c, NULL), 0);
    gq_producer_flush(producer);
    ck_assert_int_eq(c.good, 5000);
    ck_assert_int_eq(c.bad, 0);
    ck_assert_uint_eq(gq_producer_poll(producer, 0), 0);
}
END_TEST

START_TEST(a_refused_message_says_so)
{
    struct gq_message m = message(0, NULL);
    struct count c = { 0 };
    struct gq_error err;

    ck_assert_int_eq(gq_producer_new(mock.client, GQ_STRATEGY_MANUAL, &producer, NULL), 0);
    ck_assert_int_eq(gq_producer_send(producer, &m, NULL, NULL, NULL), 0);
    rd_kafka_mock_push_request_errors(mock.cluster, 0, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ck_assert_int_eq(gq_producer_send_async(producer, &m, on_delivered, &c, NULL), 0);
    gq_producer_flush(producer);
    ck_assert_int_eq(c.bad, 1);
    ck_assert_str_eq(c.err.name, "TOPIC_AUTHORIZATION_FAILED");
    ck_assert_int_eq(c.err.code, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    m.topic = "";
    ck_assert_int_eq(gq_producer_send(producer, &m, NULL, NULL, &err), -EINVAL);
}
END_TEST

/* Nothing must be leaked or called when a producer goes with messages on their way. */
START_TEST(freeing_drops_what_is_on_its_way)
{
    struct gq_message m = message(0, NULL);
    struct count c = { 0 };

    ck_assert_int_eq(gq_producer_new(mock.client, GQ_STRATEGY_MANUAL, &producer, NULL), 0);
    ck_assert_int_eq(gq_producer_send(producer, &m, NULL, NULL, NULL), 0);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(gq_producer_send_async(producer, &m, on_delivered, &c, NULL), 0);
    gq_producer_free(producer);
    producer = NULL;
    ck_assert_int_eq(c.good + c.bad, 0);
}
END_TEST

Suite *producer_suite(void)
{
    Suite *s = suite_create("producer");

    suite_add_with(s, manual_sends_go_where_they_say, start, stop);
    suite_add_with(s, round_robin_takes_turns, start, stop);
    suite_add_with(s, random_uses_all_partitions, start, stop);
    suite_add_with(s, hash_keeps_equal_keys_together, start, stop);
    suite_add_with(s, every_asynchronous_send_is_answered_once, start, stop);
    suite_add_with(s, a_refused_message_says_so, start, stop);
    suite_add_with(s, freeing_drops_what_is_on_its_way, start, stop);
    return s;
}
