/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <time.h>

#include "client/internal.h"

/* The first try at metadata is short, so that a broker that isn't there is noticed soon; each one after it is twice
 * as long, so that a slow one gets its chance to answer. */
#define FIRST_TRY_MS 500
#define RETRY_PAUSE_MS 50

int64_t clock_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* --- opening --- */

/* "10.0.0.1:9092/bootstrap: Connect to … failed: Connection refused (after 0ms in state CONNECT)": the parenthesis
 * helps only those who know librdkafka. */
static void on_error(rd_kafka_t *kafka, int code, const char *reason, void *opaque)
{
    struct session *s = opaque;
    const char *end = strstr(reason, " (after ");

    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        s->all_down = true;
        return;
    }
    snprintf(s->trouble, sizeof(s->trouble), "%.*s", end != NULL ? (int)(end - reason) : (int)strlen(reason), reason);
}

static void on_log(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
    const struct session *s = rd_kafka_opaque(kafka);

    s->client->config.log(s->client->config.log_ctx, level, text);
}

static void drop_log(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct gq_error *err)
{
    char text[256];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
        return 0;
    return error_set(err, -EINVAL, "", "%s", text);
}

static int set_addresses(rd_kafka_conf_t *conf, const struct gq_client *client, struct gq_error *err)
{
    char *list = xstrdup(client->addrs[0]);
    int r;

    for (size_t i = 1; i < client->n_addrs; i++) {
        char *longer = xasprintf("%s,%s", list, client->addrs[i]);

        free(list);
        list = longer;
    }
    r = set(conf, "bootstrap.servers", list, err);
    free(list);
    return r;
}

static int set_all(rd_kafka_conf_t *conf, const struct gq_client *client, const struct setting *settings,
                   size_t n_settings, struct gq_error *err)
{
    int r = set_addresses(conf, client, err);

    if (r == 0)
        r = set(conf, "client.id", client->config.client_id, err);
    if (r == 0)
        r = set(conf, "reconnect.backoff.max.ms", "1000", err);
    for (size_t i = 0; r == 0 && i < n_settings; i++)
        r = set(conf, settings[i].name, settings[i].value, err);
    return r;
}

int session_open(struct session *s, const struct gq_client *client, rd_kafka_type_t type,
                 const struct setting *settings, size_t n_settings,
                 void (*delivered)(rd_kafka_t *, const rd_kafka_message_t *, void *), struct gq_error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];
    int r;

    *s = (struct session){ .client = client };
    rd_kafka_conf_set_opaque(conf, s);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, client->config.log != NULL ? on_log : drop_log);
    if (delivered != NULL)
        rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    r = set_all(conf, client, settings, n_settings, err);
    if (r == 0) {
        s->kafka = rd_kafka_new(type, conf, text, sizeof(text));
        if (s->kafka != NULL)
            return 0;
        r = error_set(err, -EINVAL, "", "%s", text);
    }
    rd_kafka_conf_destroy(conf);
    return r;
}

void session_close(struct session *s)
{
    if (s->kafka == NULL)
        return;
    rd_kafka_destroy_flags(s->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    s->kafka = NULL;
}

rd_kafka_topic_t *session_open_topic(struct session *s, const char *name, rd_kafka_topic_conf_t *conf,
                                     struct gq_error *err)
{
    rd_kafka_topic_t *topic = name[0] != '\0' ? rd_kafka_topic_new(s->kafka, name, conf) : NULL;

    if (topic != NULL)
        return topic;
    if (conf != NULL)
        rd_kafka_topic_conf_destroy(conf);
    error_set(err, -EINVAL, "", "'%s' is no name for a topic", name);
    return NULL;
}

/* --- asking --- */

int session_timed_out(const struct session *s, struct gq_error *err)
{
    int32_t timeout_ms = client_timeout_ms(s->client);

    if (s->trouble[0] != '\0')
        return error_set(err, -ETIMEDOUT, "", "no answer within %d ms: %s", timeout_ms, s->trouble);
    return error_set(err, -ETIMEDOUT, "", "no answer within %d ms", timeout_ms);
}

static int unreachable(const struct session *s, struct gq_error *err)
{
    return error_set(err, -EHOSTUNREACH, "", "no broker can be reached%s%s", s->trouble[0] != '\0' ? ": " : "",
                     s->trouble);
}

int session_metadata(struct session *s, enum metadata_scope scope, rd_kafka_topic_t *topic, int64_t deadline_ms,
                     const struct rd_kafka_metadata **ret, struct gq_error *err)
{
    for (int64_t try_ms = FIRST_TRY_MS;; try_ms *= 2) {
        int64_t left_ms = deadline_ms - clock_ms();
        rd_kafka_resp_err_t code;

        if (left_ms <= 0)
            return session_timed_out(s, err);
        code = rd_kafka_metadata(s->kafka, scope == METADATA_ALL_TOPICS, topic, ret, (int)MIN(try_ms, left_ms));
        rd_kafka_poll(s->kafka, 0);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            s->all_down = false;
            return 0;
        }
        if (s->all_down)
            return unreachable(s, err);
        if (code != RD_KAFKA_RESP_ERR__TIMED_OUT && code != RD_KAFKA_RESP_ERR__TRANSPORT)
            return error_from_kafka(err, code, NULL);
    }
}

/* A topic that is being created is unknown, or has no leader, or no partitions for a moment. */
static bool may_come_soon(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void pause_ms(int64_t ms)
{
    struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    nanosleep(&ts, NULL);
}

int session_topic_metadata(struct session *s, rd_kafka_topic_t *topic, int32_t patience_ms,
                           const struct rd_kafka_metadata **ret, struct gq_error *err)
{
    int64_t start_ms = clock_ms(), deadline_ms = start_ms + client_timeout_ms(s->client);

    for (;;) {
        const struct rd_kafka_metadata *md;
        rd_kafka_resp_err_t code;
        int r = session_metadata(s, METADATA_TOPIC, topic, deadline_ms, &md, err);

        if (r < 0)
            return r;
        code = md->topic_cnt == 1 ? md->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && md->topics[0].partition_cnt > 0) {
            *ret = md;
            return 0;
        }
        rd_kafka_metadata_destroy(md);
        if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && clock_ms() - start_ms >= patience_ms)
            return error_from_kafka(err, code, "there is no such topic");
        if (!may_come_soon(code) || (code != RD_KAFKA_RESP_ERR_NO_ERROR && clock_ms() >= deadline_ms))
            return error_from_kafka(err, code, NULL);
        pause_ms(RETRY_PAUSE_MS);
    }
}

int session_offsets(struct session *s, const char *topic, int32_t partition, int64_t *ret_start, int64_t *ret_end,
                    struct gq_error *err)
{
    int64_t start, end;
    rd_kafka_resp_err_t code =
        rd_kafka_query_watermark_offsets(s->kafka, topic, partition, &start, &end, client_timeout_ms(s->client));

    rd_kafka_poll(s->kafka, 0);
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT)
        return session_timed_out(s, err);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_from_kafka(err, code, NULL);
    *ret_start = start;
    *ret_end = end;
    return 0;
}
