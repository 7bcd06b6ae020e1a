/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <time.h>

#include "client/internal.h"

/* A broker may create the topic while we wait; one that doesn't says for this long that there is none. */
#define UNKNOWN_TOPIC_PATIENCE_MS 2000
#define ROOM_POLL_MS 100
#define MAX_MESSAGE_BYTES "100000000"
#define MAX_QUEUE_KBYTES "204800"
#define MAX_FIELDS 8

/* A message on its way. What the strategy needs is drawn when it is sent: librdkafka calls partitioners in any
 * thread, and again when the number of partitions changes. */
struct sending {
    struct sending *next; /* of the free ones */
    gq_delivery_fn delivered;
    void *ctx;
    uint32_t pick;
    size_t size;
};

struct topic {
    struct topic *next;
    char *name;
    rd_kafka_topic_t *handle;
    int32_t n_partitions;
};

struct gq_producer {
    struct session session; /* first: librdkafka's opaque points to it */
    enum gq_strategy strategy;
    struct topic *topics; /* latest used first */
    struct sending *free;
    size_t n_pending;
    int64_t pending_bytes;
    uint32_t turn;
    uint64_t random;
    bool closing; /* the caller is not told any more */
};

/* --- delivery --- */

static struct sending *take_sending(struct gq_producer *p)
{
    struct sending *s = p->free;

    if (s == NULL)
        return xcalloc(1, sizeof(*s));
    p->free = s->next;
    return s;
}

static void drop_sending(struct gq_producer *p, struct sending *s)
{
    s->next = p->free;
    p->free = s;
}

static void on_delivered(rd_kafka_t *kafka, const rd_kafka_message_t *m, void *opaque)
{
    struct gq_producer *p = container_of(opaque, struct gq_producer, session);
    struct sending *s = m->_private;
    struct gq_error err;
    struct gq_delivery d = { .topic = rd_kafka_topic_name(m->rkt), .partition = m->partition, .offset = m->offset };

    if (m->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT) {
        d.result = session_timed_out(&p->session, &err);
    } else if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        d.result = error_from_kafka(&err, m->err, NULL);
    }
    d.error = d.result < 0 ? &err : NULL;
    d.offset = d.result < 0 ? -1 : m->offset;
    p->n_pending--;
    p->pending_bytes -= (int64_t)s->size;
    if (!p->closing)
        s->delivered(s->ctx, &d);
    drop_sending(p, s);
}

/* --- partitions --- */

static int32_t pick_partition(const rd_kafka_topic_t *topic, const void *key, size_t key_size, int32_t n_partitions,
                              void *topic_opaque, void *message_opaque)
{
    const struct sending *s = message_opaque;

    return (int32_t)(s->pick % (uint32_t)n_partitions);
}

static int32_t pick_by_key(const rd_kafka_topic_t *topic, const void *key, size_t key_size, int32_t n_partitions,
                           void *topic_opaque, void *message_opaque)
{
    if (key == NULL)
        return pick_partition(topic, key, key_size, n_partitions, topic_opaque, message_opaque);
    return rd_kafka_msg_partitioner_murmur2(topic, key, key_size, n_partitions, topic_opaque, message_opaque);
}

/* xorshift64*; spreads load, nothing depends on its quality. */
static uint32_t draw(struct gq_producer *p)
{
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;
    return (uint32_t)((p->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

static void drop_topic(struct topic *t)
{
    if (t == NULL)
        return;
    if (t->handle != NULL)
        rd_kafka_topic_destroy(t->handle);
    free(t->name);
    free(t);
}

/* Asks how many partitions there are, which creates the topic where brokers do that. */
static int ask_partitions(struct gq_producer *p, struct topic *t, struct gq_error *err)
{
    const struct rd_kafka_metadata *md;
    int r = session_topic_metadata(&p->session, t->handle, UNKNOWN_TOPIC_PATIENCE_MS, &md, err);

    if (r < 0)
        return r;
    t->n_partitions = md->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(md);
    return 0;
}

static int open_topic(struct gq_producer *p, const char *name, struct topic **ret, struct gq_error *err)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_topic_conf_new();
    struct topic *t = xcalloc(1, sizeof(*t));
    int r;

    rd_kafka_topic_conf_set_partitioner_cb(conf, p->strategy == GQ_STRATEGY_HASH ? pick_by_key : pick_partition);
    t->name = xstrdup(name);
    t->handle = session_open_topic(&p->session, name, conf, err);
    r = t->handle != NULL ? ask_partitions(p, t, err) : -EINVAL;
    if (r < 0) {
        drop_topic(t);
        return r;
    }
    t->next = p->topics;
    p->topics = t;
    *ret = t;
    return 0;
}

static int find_topic(struct gq_producer *p, const char *name, struct topic **ret, struct gq_error *err)
{
    for (struct topic **at = &p->topics; *at != NULL; at = &(*at)->next) {
        struct topic *t = *at;

        if (strcmp(t->name, name) != 0)
            continue;
        *at = t->next;
        t->next = p->topics;
        p->topics = t;
        *ret = t;
        return 0;
    }
    return open_topic(p, name, ret, err);
}

static int check_partition(struct gq_producer *p, struct topic *t, int32_t partition, struct gq_error *err)
{
    int r;

    if (partition == GQ_PARTITION_ANY && p->strategy == GQ_STRATEGY_MANUAL)
        return error_set(err, -EINVAL, "", "with the manual strategy a message must name its partition");
    if (partition < GQ_PARTITION_ANY)
        return error_set(err, -EINVAL, "", "%d is no partition", (int)partition);
    if (partition < t->n_partitions)
        return 0;
    r = ask_partitions(p, t, err);
    if (r < 0 || partition < t->n_partitions)
        return r;
    return error_set(err, -ENOENT, "", "topic %s has no partition %d: its partitions are 0 to %d", t->name,
                     (int)partition, (int)t->n_partitions - 1);
}

/* --- sending --- */

/* Waits until there is room. Messages leave after their timeout at the latest, so this ends. */
static void wait_room(struct gq_producer *p, size_t size)
{
    int64_t limit = p->session.client->config.pending_bytes;

    while (p->n_pending > 0 && p->pending_bytes + (int64_t)size > limit)
        rd_kafka_poll(p->session.kafka, ROOM_POLL_MS);
}

static rd_kafka_headers_t *copy_headers(const struct gq_message *m, size_t *size)
{
    rd_kafka_headers_t *headers;

    if (m->n_headers == 0)
        return NULL;
    headers = rd_kafka_headers_new(m->n_headers);
    for (size_t i = 0; i < m->n_headers; i++) {
        const struct gq_header *h = &m->headers[i];

        rd_kafka_header_add(headers, h->name, -1, h->value, (ssize_t)h->value_size);
        *size += strlen(h->name) + h->value_size;
    }
    return headers;
}

/* One try. Takes the headers over on success. */
static rd_kafka_error_t *hand_over(struct gq_producer *p, const struct topic *t, const struct gq_message *m,
                                   rd_kafka_headers_t *headers, struct sending *s)
{
    rd_kafka_vu_t fields[MAX_FIELDS] = {
        { .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = t->handle },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = m->partition },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { (void *)m->value, m->value_size } },
        { .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { (void *)m->key, m->key_size } },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = s },
        { .vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = m->timestamp_ms },
    };
    size_t n = MAX_FIELDS - 1;

    if (headers != NULL)
        fields[n++] = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers };
    return rd_kafka_produceva(p->session.kafka, fields, n);
}

static int enqueue(struct gq_producer *p, const struct topic *t, const struct gq_message *m,
                   rd_kafka_headers_t *headers, struct sending *s, struct gq_error *err)
{
    for (;;) {
        rd_kafka_error_t *error = hand_over(p, t, m, headers, s);
        bool is_full;
        int r;

        if (error == NULL)
            return 0;
        is_full = rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL && p->n_pending > 0;
        r = is_full ? 0 : error_from_kafka(err, rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        if (!is_full)
            return r;
        rd_kafka_poll(p->session.kafka, ROOM_POLL_MS);
    }
}

int gq_producer_send_async(struct gq_producer *p, const struct gq_message *m, gq_delivery_fn delivered, void *ctx,
                           struct gq_error *err)
{
    size_t size = m->key_size + m->value_size;
    rd_kafka_headers_t *headers;
    struct sending *s;
    struct topic *t;
    int r = find_topic(p, m->topic, &t, err);

    if (r == 0)
        r = check_partition(p, t, m->partition, err);
    if (r < 0)
        return r;
    headers = copy_headers(m, &size);
    wait_room(p, size);
    s = take_sending(p);
    *s = (struct sending){ .delivered = delivered, .ctx = ctx, .size = size };
    s->pick = p->strategy == GQ_STRATEGY_RANDOM ? draw(p) : p->turn++;
    r = enqueue(p, t, m, headers, s, err);
    if (r < 0) {
        if (headers != NULL)
            rd_kafka_headers_destroy(headers);
        drop_sending(p, s);
        return r;
    }
    p->n_pending++;
    p->pending_bytes += (int64_t)size;
    rd_kafka_poll(p->session.kafka, 0);
    return 0;
}

/* --- one message, waited for --- */

struct answer {
    bool done;
    int result;
    int32_t partition;
    int64_t offset;
    struct gq_error *err;
};

static void on_answer(void *ctx, const struct gq_delivery *d)
{
    struct answer *a = ctx;

    a->done = true;
    a->result = d->result;
    a->partition = d->partition;
    a->offset = d->offset;
    if (d->error != NULL && a->err != NULL)
        *a->err = *d->error;
}

int gq_producer_send(struct gq_producer *p, const struct gq_message *message, int32_t *ret_partition,
                     int64_t *ret_offset, struct gq_error *err)
{
    struct answer a = { .err = err };
    int r = gq_producer_send_async(p, message, on_answer, &a, err);

    if (r < 0)
        return r;
    /* Flushing doesn't wait for company. */
    while (!a.done)
        rd_kafka_flush(p->session.kafka, client_timeout_ms(p->session.client));
    if (a.result < 0)
        return a.result;
    if (ret_partition != NULL)
        *ret_partition = a.partition;
    if (ret_offset != NULL)
        *ret_offset = a.offset;
    return 0;
}

size_t gq_producer_poll(struct gq_producer *p, int32_t timeout_ms)
{
    rd_kafka_poll(p->session.kafka, timeout_ms);
    return p->n_pending;
}

void gq_producer_flush(struct gq_producer *p)
{
    while (p->n_pending > 0)
        rd_kafka_flush(p->session.kafka, ROOM_POLL_MS);
}

/* --- life --- */

static const char *compression_name(enum gq_compression compression)
{
    static const char *const names[] = { "none", "gzip", "snappy", "lz4", "zstd" };

    return names[compression];
}

static int open_session(struct gq_producer *p, const struct gq_client *client, struct gq_error *err)
{
    char timeout[16], linger[16], batch[16];
    const struct setting settings[] = {
        { "enable.idempotence", "true" },
        { "message.timeout.ms", timeout },
        { "queue.buffering.max.ms", linger },
        { "batch.num.messages", batch },
        { "compression.codec", compression_name(client->config.compression) },
        /* Else messages without a key don't reach our partitioner. */
        { "sticky.partitioning.linger.ms", "0" },
        { "message.max.bytes", MAX_MESSAGE_BYTES },
        { "queue.buffering.max.kbytes", MAX_QUEUE_KBYTES },
        { "queue.buffering.max.messages", "1000000" },
    };

    snprintf(timeout, sizeof(timeout), "%d", (int)client->config.timeout_ms);
    snprintf(linger, sizeof(linger), "%d", (int)MAX(client->config.batch_timeout_ms, 0));
    snprintf(batch, sizeof(batch), "%d", (int)client->config.batch_messages);
    return session_open(&p->session, client, RD_KAFKA_PRODUCER, settings, ARRAY_SIZE(settings), on_delivered, err);
}

int gq_producer_new(struct gq_client *client, enum gq_strategy strategy, struct gq_producer **ret_producer,
                    struct gq_error *err)
{
    struct gq_producer *p;
    struct timespec now;
    int r;

    if ((unsigned)strategy > GQ_STRATEGY_HASH)
        return error_set(err, -EINVAL, "", "there is no strategy with number %d", (int)strategy);
    p = xcalloc(1, sizeof(*p));
    p->strategy = strategy;
    clock_gettime(CLOCK_REALTIME, &now);
    p->random = ((uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec ^ (uintptr_t)p) | 1;
    r = open_session(p, client, err);
    if (r < 0) {
        free(p);
        return r;
    }
    *ret_producer = p;
    return 0;
}

void gq_producer_free(struct gq_producer *p)
{
    if (p == NULL)
        return;
    p->closing = true;
    rd_kafka_purge(p->session.kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    gq_producer_flush(p);
    while (p->topics != NULL) {
        struct topic *t = p->topics;

        p->topics = t->next;
        drop_topic(t);
    }
    session_close(&p->session);
    while (p->free != NULL) {
        struct sending *s = p->free;

        p->free = s->next;
        free(s);
    }
    free(p);
}
