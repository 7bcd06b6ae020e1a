/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "client/internal.h"

#define BATCH 1000

struct part {
    bool is_read;    /* was added */
    bool is_started; /* librdkafka fetches it */
    int64_t next;
    int64_t end; /* as it was when the partition was added */
};

struct topic {
    struct topic *next;
    char *name;
    rd_kafka_topic_t *handle; /* its opaque is this struct */
    struct part *parts;
    int32_t n_parts;
};

struct gq_consumer {
    struct session session; /* first: librdkafka's opaque points to it */
    bool follow;
    rd_kafka_queue_t *queue; /* all partitions */
    struct topic *topics;
    size_t n_unread; /* partitions that haven't reached their end yet */
    rd_kafka_message_t *batch[BATCH];
    size_t n_batch, at; /* batch[at-1] is what the caller looks at */
    struct gq_header *headers;
    size_t headers_size;
};

/* --- life --- */

int gq_consumer_new(struct gq_client *client, bool follow, struct gq_consumer **ret_consumer, struct gq_error *err)
{
    static const struct setting settings[] = {
        { "enable.partition.eof", "true" },
        { "auto.offset.reset", "error" },
        { "check.crcs", "true" },
    };
    struct gq_consumer *c = xcalloc(1, sizeof(*c));
    int r = session_open(&c->session, client, RD_KAFKA_CONSUMER, settings, ARRAY_SIZE(settings), NULL, err);

    if (r < 0) {
        free(c);
        return r;
    }
    c->follow = follow;
    c->queue = rd_kafka_queue_new(c->session.kafka);
    *ret_consumer = c;
    return 0;
}

static void drop_batch(struct gq_consumer *c)
{
    for (size_t i = 0; i < c->n_batch; i++)
        rd_kafka_message_destroy(c->batch[i]);
    c->n_batch = 0;
    c->at = 0;
}

static void stop_part(struct topic *t, int32_t partition)
{
    if (t->parts[partition].is_started)
        rd_kafka_consume_stop(t->handle, partition);
    t->parts[partition].is_started = false;
}

static void drop_topic(struct topic *t)
{
    for (int32_t i = 0; i < t->n_parts; i++)
        stop_part(t, i);
    if (t->handle != NULL)
        rd_kafka_topic_destroy(t->handle);
    free(t->parts);
    free(t->name);
    free(t);
}

void gq_consumer_free(struct gq_consumer *c)
{
    if (c == NULL)
        return;
    drop_batch(c);
    while (c->topics != NULL) {
        struct topic *t = c->topics;

        c->topics = t->next;
        drop_topic(t);
    }
    rd_kafka_queue_destroy(c->queue);
    session_close(&c->session);
    free(c->headers);
    free(c);
}

/* --- adding partitions --- */

static int open_topic(struct gq_consumer *c, const char *name, struct topic **ret, struct gq_error *err)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_topic_conf_new();
    struct topic *t = xcalloc(1, sizeof(*t));
    const struct rd_kafka_metadata *md;
    int r;

    rd_kafka_topic_conf_set_opaque(conf, t);
    t->name = xstrdup(name);
    t->handle = session_open_topic(&c->session, name, conf, err);
    r = t->handle != NULL ? session_topic_metadata(&c->session, t->handle, 0, &md, err) : -EINVAL;
    if (r < 0) {
        drop_topic(t);
        return r;
    }
    t->n_parts = md->topics[0].partition_cnt;
    t->parts = xcalloc((size_t)t->n_parts, sizeof(*t->parts));
    rd_kafka_metadata_destroy(md);
    t->next = c->topics;
    c->topics = t;
    *ret = t;
    return 0;
}

static int find_topic(struct gq_consumer *c, const char *name, struct topic **ret, struct gq_error *err)
{
    for (struct topic *t = c->topics; t != NULL; t = t->next) {
        if (strcmp(t->name, name) == 0) {
            *ret = t;
            return 0;
        }
    }
    return open_topic(c, name, ret, err);
}

static int out_of_range(const struct topic *t, int32_t partition, int64_t offset, int64_t start, int64_t end,
                        struct gq_error *err)
{
    if (start == end)
        return error_set(err, -ERANGE, "OFFSET_OUT_OF_RANGE",
                         "offset %lld is outside of partition %d of %s: it is empty, its next offset is %lld",
                         (long long)offset, (int)partition, t->name, (long long)end);
    return error_set(err, -ERANGE, "OFFSET_OUT_OF_RANGE",
                     "offset %lld is outside of partition %d of %s: it holds offsets %lld to %lld", (long long)offset,
                     (int)partition, t->name, (long long)start, (long long)end - 1);
}

static int add_part(struct gq_consumer *c, struct topic *t, int32_t partition, int64_t offset, struct gq_error *err)
{
    struct part *p = &t->parts[partition];
    int64_t start, end;
    int r;

    if (p->is_read)
        return error_set(err, -EEXIST, "", "partition %d of %s is being read already", (int)partition, t->name);
    r = session_offsets(&c->session, t->name, partition, &start, &end, err);
    if (r < 0)
        return r;
    if (offset >= 0 && (offset < start || offset > end))
        return out_of_range(t, partition, offset, start, end, err);
    *p = (struct part){ .is_read = true, .end = end };
    p->next = offset == GQ_OFFSET_BEGINNING ? start : offset == GQ_OFFSET_END ? end : offset;
    if (p->next < end)
        c->n_unread++;
    else if (!c->follow)
        return 0;
    if (rd_kafka_consume_start_queue(t->handle, partition, p->next, c->queue) != 0)
        return error_from_kafka(err, rd_kafka_last_error(), NULL);
    p->is_started = true;
    return 0;
}

int gq_consumer_add(struct gq_consumer *c, const char *topic, int32_t partition, int64_t offset, struct gq_error *err)
{
    struct topic *t;
    int r;

    if (offset < GQ_OFFSET_BEGINNING)
        return error_set(err, -EINVAL, "", "%lld is no offset", (long long)offset);
    r = find_topic(c, topic, &t, err);
    if (r < 0)
        return r;
    if (partition < GQ_PARTITION_ANY || partition >= t->n_parts)
        return error_set(err, -ENOENT, "", "topic %s has no partition %d: its partitions are 0 to %d", topic,
                         (int)partition, (int)t->n_parts - 1);
    if (partition != GQ_PARTITION_ANY)
        return add_part(c, t, partition, offset, err);
    for (int32_t i = 0; r == 0 && i < t->n_parts; i++)
        r = add_part(c, t, i, offset, err);
    return r;
}

/* --- reading --- */

/* All before next is read. Transaction markers have offsets but are never seen, so the end may be passed unseen. */
static void advance(struct gq_consumer *c, struct topic *t, int32_t partition, int64_t next)
{
    struct part *p = &t->parts[partition];
    bool was_unread = p->next < p->end;

    p->next = MAX(p->next, next);
    if (!was_unread || p->next < p->end)
        return;
    c->n_unread--;
    if (!c->follow)
        stop_part(t, partition);
}

static void take_headers(struct gq_consumer *c, const rd_kafka_message_t *m, struct gq_record *record)
{
    rd_kafka_headers_t *headers;
    size_t n;

    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    n = rd_kafka_header_cnt(headers);
    if (n > c->headers_size) {
        c->headers = xrealloc(c->headers, n * sizeof(*c->headers));
        c->headers_size = n;
    }
    for (size_t i = 0; i < n; i++) {
        struct gq_header *h = &c->headers[i];

        rd_kafka_header_get_all(headers, i, &h->name, &h->value, &h->value_size);
    }
    record->headers = c->headers;
    record->n_headers = n;
}

static void take_record(struct gq_consumer *c, const struct topic *t, const rd_kafka_message_t *m,
                        struct gq_record *ret)
{
    rd_kafka_timestamp_type_t type;

    *ret = (struct gq_record){
        .topic = t->name,
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_ms = rd_kafka_message_timestamp(m, &type),
        .key = m->key,
        .key_size = m->key_len,
        .value = m->payload,
        .value_size = m->len,
    };
    take_headers(c, m, ret);
}

/* 1: ret_record is set. 0: there is nothing to see in this one. */
static int look_at(struct gq_consumer *c, const rd_kafka_message_t *m, struct gq_record *ret_record,
                   struct gq_error *err)
{
    struct topic *t = rd_kafka_topic_opaque(m->rkt);

    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        advance(c, t, m->partition, m->offset);
        return 0;
    }
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_from_kafka(err, m->err, rd_kafka_message_errstr(m));
    /* What was fetched with the last records up to the end. */
    if (!c->follow && m->offset >= t->parts[m->partition].end) {
        advance(c, t, m->partition, m->offset);
        return 0;
    }
    advance(c, t, m->partition, m->offset + 1);
    take_record(c, t, m, ret_record);
    return 1;
}

static int nothing_came(const struct gq_consumer *c, struct gq_error *err)
{
    return error_set(err, -EAGAIN, "", "%s", c->session.trouble);
}

/* A batch call waits until it is full, so waiting is for one message. */
static int fetch_batch(struct gq_consumer *c, int64_t wait_ms, struct gq_error *err)
{
    ssize_t n = rd_kafka_consume_batch_queue(c->queue, 0, c->batch, BATCH);

    if (n < 0)
        return error_from_kafka(err, rd_kafka_last_error(), NULL);
    if (n == 0 && wait_ms > 0) {
        c->batch[0] = rd_kafka_consume_queue(c->queue, (int)MIN(wait_ms, INT32_MAX));
        n = c->batch[0] != NULL;
    }
    c->n_batch = (size_t)n;
    rd_kafka_poll(c->session.kafka, 0);
    return 0;
}

int gq_consumer_poll(struct gq_consumer *c, int32_t timeout_ms, struct gq_record *ret_record, struct gq_error *err)
{
    int64_t deadline_ms = clock_ms() + timeout_ms;

    for (;;) {
        int r;

        while (c->at < c->n_batch) {
            r = look_at(c, c->batch[c->at++], ret_record, err);
            if (r != 0)
                return r < 0 ? r : 0;
        }
        drop_batch(c);
        if (!c->follow && c->n_unread == 0)
            return GQ_E_END;
        r = fetch_batch(c, deadline_ms - clock_ms(), err);
        if (r < 0)
            return r;
        if (c->n_batch == 0 && clock_ms() >= deadline_ms)
            return nothing_came(c, err);
    }
}

int64_t gq_consumer_remaining(const struct gq_consumer *c)
{
    int64_t n = 0;

    for (const struct topic *t = c->topics; t != NULL; t = t->next) {
        for (int32_t i = 0; i < t->n_parts; i++)
            n += MAX(t->parts[i].end - t->parts[i].next, 0);
    }
    return n;
}
