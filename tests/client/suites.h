/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "client/goqueue.h"
#include "support/suite.h"

Suite *client_suite(void);
Suite *producer_suite(void);
Suite *consumer_suite(void);
Suite *status_suite(void);

/* A cluster of librdkafka's mock brokers, and a client of it. */
struct mock {
    rd_kafka_t *owner;
    rd_kafka_mock_cluster_t *cluster;
    struct gq_client *client;
};

/* config may be NULL; its broker addresses are filled in. */
void mock_start(struct mock *m, int n_brokers, const struct gq_client_config *config);
void mock_stop(struct mock *m);
