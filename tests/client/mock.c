/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "client/suites.h"

#define MAX_BROKERS 3

static rd_kafka_t *new_owner(void)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *owner;

    ck_assert_int_eq(rd_kafka_conf_set(conf, "log_level", "0", text, sizeof(text)), RD_KAFKA_CONF_OK);
    owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    ck_assert_ptr_nonnull(owner);
    return owner;
}

void mock_start(struct mock *m, int n_brokers, const struct gq_client_config *config)
{
    struct gq_client_config c = config != NULL ? *config : (struct gq_client_config){ 0 };
    char *list, *rest;
    const char *addrs[MAX_BROKERS];

    m->owner = new_owner();
    m->cluster = rd_kafka_mock_cluster_new(m->owner, n_brokers);
    ck_assert_ptr_nonnull(m->cluster);
    list = strdup(rd_kafka_mock_cluster_bootstraps(m->cluster));
    c.n_broker_addrs = 0;
    for (char *addr = strtok_r(list, ",", &rest); addr != NULL; addr = strtok_r(NULL, ",", &rest)) {
        ck_assert_uint_lt(c.n_broker_addrs, MAX_BROKERS);
        addrs[c.n_broker_addrs++] = addr;
    }
    c.broker_addrs = addrs;
    ck_assert_int_eq(gq_client_new(&c, &m->client, NULL), 0);
    free(list);
}

void mock_stop(struct mock *m)
{
    gq_client_free(m->client);
    rd_kafka_mock_cluster_destroy(m->cluster);
    rd_kafka_destroy(m->owner);
}
