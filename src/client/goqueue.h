/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libgoqueue: topics, messages and status of a goqueue cluster, from C.
 *
 * Stands on librdkafka, and on libcurl where Kafka has no call. A client holds the settings; admin, producer and
 * consumer each keep connections of their own and must be freed before their client. An object may be used by any
 * thread, but by one at a time; callbacks run in the thread that calls into their object, but for the log callback,
 * which runs in any.
 *
 * Functions return 0 or a negative errno, and then fill in *err, which may be NULL:
 *
 *     -ETIMEDOUT      no answer within the timeout        -EHOSTUNREACH  no broker answers at all
 *     -ENOENT         no such topic or partition          -EEXIST        there is such a topic
 *     -EINVAL         a request that can't be right       -ERANGE        an offset outside of the partition
 *     -EMSGSIZE       a message too large for the topic   -EREMOTEIO     anything else that a broker refuses
 *
 * Positive results are GQ_E_*: no failures, but something that the caller must tell apart. What a ret_ parameter
 * points to is set only on success. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GQ_PUBLIC __attribute__((visibility("default")))

struct gq_client;
struct gq_admin;
struct gq_producer;
struct gq_consumer;

struct gq_error {
    int32_t code;  /* Kafka's error code where a broker gave one, else 0 */
    char name[64]; /* its name ("INVALID_REPLICATION_FACTOR"), or empty */
    char text[448];
};

#define GQ_E_END 1 /* everything up to the end was read */

/* --- client --- */

enum gq_compression {
    GQ_COMPRESSION_NONE,
    GQ_COMPRESSION_GZIP,
    GQ_COMPRESSION_SNAPPY,
    GQ_COMPRESSION_LZ4,
    GQ_COMPRESSION_ZSTD,
};

/* A zeroed struct with broker addresses is a good configuration: 0 and NULL mean the default. All is copied. */
struct gq_client_config {
    const char *const *broker_addrs; /* HOST:PORT; one that answers is enough */
    size_t n_broker_addrs;
    int32_t timeout_ms;       /* of each call, and of each message until it is acknowledged; 10000 */
    const char *client_id;    /* how brokers see us; "goqueue" */
    int32_t batch_messages;   /* most messages in a batch; 10000 */
    int32_t batch_timeout_ms; /* how long an asynchronous send waits for company; 5, negative: not at all */
    int64_t pending_bytes;    /* most bytes on their way; a send waits then; 32 MiB */
    enum gq_compression compression;
    /* What happens on connections, level as in syslog(3). text has no newline. */
    void (*log)(void *ctx, int level, const char *text);
    void *log_ctx;
};

GQ_PUBLIC int gq_client_new(const struct gq_client_config *config, struct gq_client **ret_client, struct gq_error *err);
GQ_PUBLIC void gq_client_free(struct gq_client *client);

/* What a broker says at /cluster/status: JSON, malloc'd. The first address that answers counts. */
GQ_PUBLIC int gq_client_cluster_status(struct gq_client *client, char **ret_json, struct gq_error *err);

/* --- admin --- */

struct gq_config {
    const char *name;
    const char *value;
};

struct gq_new_topic {
    const char *name;
    int32_t partitions;
    int32_t replicas;
    const struct gq_config *configs;
    size_t n_configs;
};

struct gq_partition_info {
    int32_t id;
    int32_t leader; /* -1: none at the moment */
    int32_t *replicas;
    size_t n_replicas;
    int32_t *in_sync;
    size_t n_in_sync;
    int64_t start_offset; /* of the first record; -1 where it wasn't asked for */
    int64_t end_offset;   /* of the next record to come */
};

struct gq_topic_info {
    char *name;
    struct gq_partition_info *partitions; /* by id */
    size_t n_partitions;
};

struct gq_topic_list {
    struct gq_topic_info *topics; /* by name */
    size_t n_topics;
};

struct gq_config_info {
    char *name;
    char *value; /* NULL: none, or not shown */
    bool is_default;
    bool is_read_only;
};

struct gq_config_list {
    struct gq_config_info *configs; /* by name */
    size_t n_configs;
};

GQ_PUBLIC int gq_admin_new(struct gq_client *client, struct gq_admin **ret_admin, struct gq_error *err);
GQ_PUBLIC void gq_admin_free(struct gq_admin *admin);

GQ_PUBLIC int gq_admin_create_topic(struct gq_admin *admin, const struct gq_new_topic *topic, struct gq_error *err);
GQ_PUBLIC int gq_admin_delete_topic(struct gq_admin *admin, const char *name, struct gq_error *err);
/* Without offsets. */
GQ_PUBLIC int gq_admin_list_topics(struct gq_admin *admin, struct gq_topic_list **ret_list, struct gq_error *err);
/* With offsets, of the partitions that have a leader. */
GQ_PUBLIC int gq_admin_describe_topic(struct gq_admin *admin, const char *name, struct gq_topic_info **ret_topic,
                                      struct gq_error *err);
GQ_PUBLIC int gq_admin_topic_configs(struct gq_admin *admin, const char *name, struct gq_config_list **ret_configs,
                                     struct gq_error *err);

GQ_PUBLIC void gq_topic_list_free(struct gq_topic_list *list);
GQ_PUBLIC void gq_topic_info_free(struct gq_topic_info *topic);
GQ_PUBLIC void gq_config_list_free(struct gq_config_list *list);

/* --- producer --- */

/* Which partition a message goes to that names none. */
enum gq_strategy {
    GQ_STRATEGY_MANUAL, /* such a message is refused with -EINVAL */
    GQ_STRATEGY_ROUND_ROBIN,
    GQ_STRATEGY_RANDOM,
    GQ_STRATEGY_HASH, /* equal keys to equal partitions (murmur2, as Kafka's Java client); without a key round robin */
};

struct gq_header {
    const char *name;
    const void *value; /* NULL: null */
    size_t value_size;
};

#define GQ_PARTITION_ANY (-1)

struct gq_message {
    const char *topic;
    int32_t partition; /* or GQ_PARTITION_ANY */
    const void *key;   /* NULL: none */
    size_t key_size;
    const void *value; /* NULL: null */
    size_t value_size;
    const struct gq_header *headers;
    size_t n_headers;
    int64_t timestamp_ms; /* 0: now */
};

struct gq_delivery {
    int result;                   /* 0, or the negative errno of this message */
    const struct gq_error *error; /* NULL when result is 0 */
    const char *topic;
    int32_t partition; /* negative when it got none */
    int64_t offset;    /* negative when it has none */
};

/* Runs once for each message that gq_producer_send_async() took. */
typedef void (*gq_delivery_fn)(void *ctx, const struct gq_delivery *delivery);

/* Producers are idempotent: a message is stored once, in order, however often it was sent. */
GQ_PUBLIC int gq_producer_new(struct gq_client *client, enum gq_strategy strategy, struct gq_producer **ret_producer,
                              struct gq_error *err);
/* What isn't acknowledged yet is lost, and its callbacks don't run: flush first. */
GQ_PUBLIC void gq_producer_free(struct gq_producer *producer);

/* Sends one message and waits until it is on disk. ret_partition and ret_offset may be NULL. */
GQ_PUBLIC int gq_producer_send(struct gq_producer *producer, const struct gq_message *message, int32_t *ret_partition,
                               int64_t *ret_offset, struct gq_error *err);
/* Takes a message (all is copied) and returns; waits where too much is on its way. delivered runs in a later call of
 * this producer's functions. The first message to a topic waits for the topic's metadata. */
GQ_PUBLIC int gq_producer_send_async(struct gq_producer *producer, const struct gq_message *message,
                                     gq_delivery_fn delivered, void *ctx, struct gq_error *err);
/* Runs the callbacks that are due, waiting up to timeout_ms for the first. Returns how many messages are on their
 * way. */
GQ_PUBLIC size_t gq_producer_poll(struct gq_producer *producer, int32_t timeout_ms);
/* Waits until nothing is on its way. Each message ends after the client's timeout, so this does too. */
GQ_PUBLIC void gq_producer_flush(struct gq_producer *producer);

/* --- consumer --- */

#define GQ_OFFSET_BEGINNING (-2)
#define GQ_OFFSET_END (-1)

/* Read until the next call with this consumer. */
struct gq_record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* -1: none */
    const void *key;      /* NULL: none */
    size_t key_size;
    const void *value; /* NULL: null */
    size_t value_size;
    const struct gq_header *headers;
    size_t n_headers;
};

/* A consumer of explicit partitions, outside of any group: reads up to the ends that the partitions had when they were
 * added, or with follow goes on for ever. */
GQ_PUBLIC int gq_consumer_new(struct gq_client *client, bool follow, struct gq_consumer **ret_consumer,
                              struct gq_error *err);
GQ_PUBLIC void gq_consumer_free(struct gq_consumer *consumer);

/* Adds a partition (GQ_PARTITION_ANY: all of the topic) from an offset on. -ERANGE when the partition doesn't reach
 * from there on: *err names what it holds. -EEXIST when it was added before. */
GQ_PUBLIC int gq_consumer_add(struct gq_consumer *consumer, const char *topic, int32_t partition, int64_t offset,
                              struct gq_error *err);
/* The next record, in order within each partition. -EAGAIN after timeout_ms without one (*err then tells the last
 * trouble with connections, if any); GQ_E_END when all partitions are read. */
GQ_PUBLIC int gq_consumer_poll(struct gq_consumer *consumer, int32_t timeout_ms, struct gq_record *ret_record,
                               struct gq_error *err);
/* Records that lie between here and the ends known at the start, for a progress display. */
GQ_PUBLIC int64_t gq_consumer_remaining(const struct gq_consumer *consumer);

#ifdef __cplusplus
}
#endif
