/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the rooms of the library share: the client's settings, errors, and one connection pool ("session") to the
 * brokers per admin, producer or consumer. */

#include <librdkafka/rdkafka.h>

#include "base/util.h"
#include "client/goqueue.h"

struct gq_client {
    struct gq_client_config config; /* broker_addrs and client_id are the client's own */
    char **addrs;
    size_t n_addrs;
};

#define SESSION_TROUBLE_SIZE 256

struct session {
    const struct gq_client *client;
    rd_kafka_t *kafka;
    bool all_down;                      /* no broker could be reached since the last answer */
    char trouble[SESSION_TROUBLE_SIZE]; /* last trouble with a connection, or empty */
};

/* A setting of librdkafka. */
struct setting {
    const char *name;
    const char *value;
};

/* --- error.c --- */

/* Fills in err (may be NULL) and returns result. */
int error_set(struct gq_error *err, int result, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* From librdkafka's code, a broker's or one of its own; text NULL: the code's usual words. */
int error_from_kafka(struct gq_error *err, rd_kafka_resp_err_t code, const char *text);

/* --- session.c --- */

int64_t clock_ms(void);
int32_t client_timeout_ms(const struct gq_client *client);

/* The session must stay where it is until session_close(). delivered: for producers, else NULL. */
int session_open(struct session *s, const struct gq_client *client, rd_kafka_type_t type,
                 const struct setting *settings, size_t n_settings,
                 void (*delivered)(rd_kafka_t *, const rd_kafka_message_t *, void *), struct gq_error *err);
/* Messages and events that wait are dropped. Takes a closed session. */
void session_close(struct session *s);

/* NULL when that is no name for a topic (-EINVAL). Takes conf over, which may be NULL. */
rd_kafka_topic_t *session_open_topic(struct session *s, const char *name, rd_kafka_topic_conf_t *conf,
                                     struct gq_error *err);

/* What session_metadata() asks for. */
enum metadata_scope {
    METADATA_BROKERS,
    METADATA_ALL_TOPICS,
    METADATA_TOPIC,
};

/* Asks until a broker answers or the deadline is reached; ends early when no broker can be reached at all. topic is
 * for METADATA_TOPIC. rd_kafka_metadata_destroy() frees the answer. */
int session_metadata(struct session *s, enum metadata_scope scope, rd_kafka_topic_t *topic, int64_t deadline_ms,
                     const struct rd_kafka_metadata **ret, struct gq_error *err);
/* The metadata of one topic that has all its partitions, waiting for what is being created. Fails with -ENOENT when
 * there is no such topic for patience_ms. */
int session_topic_metadata(struct session *s, rd_kafka_topic_t *topic, int32_t patience_ms,
                           const struct rd_kafka_metadata **ret, struct gq_error *err);
/* Start and end of a partition. */
int session_offsets(struct session *s, const char *topic, int32_t partition, int64_t *ret_start, int64_t *ret_end,
                    struct gq_error *err);
int session_timed_out(const struct session *s, struct gq_error *err);
