/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of meta/ share. docs/format/metadata.md describes commands and image records. */

#include "meta/meta.h"

enum meta_op {
    META_OP_FORM = 1,
    META_OP_BROKER = 2,
    META_OP_TOPIC_CREATE = 3,
    META_OP_TOPIC_DELETE = 4,
    META_OP_PARTITIONS_ADD = 5,
    META_OP_TOPIC_CONFIGS = 6,
    META_OP_PRODUCER_IDS = 7,
    META_OP_FORM_CLUSTER = 8,
    META_OP_CLUSTER_BROKER = 9,
    META_OP_READMIT = 10,
    META_OP_REPLICAS = 11,
    META_OP_SETTLED = 12,
};

enum meta_record_kind {
    META_RECORD_CLUSTER = 1, /* key empty */
    META_RECORD_BROKER = 2,  /* key i32 id */
    META_RECORD_TOPIC = 3,   /* key uuid: everything about the topic, its partitions and configs */
};

/* Kafka error codes that apply gives. */
enum {
    META_UNKNOWN_TOPIC_OR_PARTITION = 3,
    META_INVALID_TOPIC = 17,
    META_TOPIC_EXISTS = 36,
    META_INVALID_PARTITIONS = 37,
    META_INVALID_REPLICATION_FACTOR = 38,
    META_INVALID_REPLICA_ASSIGNMENT = 39,
    META_INVALID_REQUEST = 42,
    META_NO_REASSIGNMENT = 85,
    META_UNKNOWN_TOPIC_ID = 100,
    META_DUPLICATE_BROKER = 101,
};

/* A command as it was read; which members count follows from op. */
struct meta_command {
    enum meta_op op;
    struct uuid id;             /* the cluster's or a topic's */
    struct meta_broker *broker; /* TAKE_PTR by who keeps it */
    struct meta_topic *topic;   /* the same; without partitions */
    struct meta_formation *formation;
    int32_t broker_id, partition;
    struct uuid before, incarnation;
    uint64_t since;
    bool cancel;
    uint16_t n_ids;
    int32_t ids[META_REPLICAS_MAX];
    int32_t count; /* partitions or producer ids */
    int32_t leader;
    bool replace;
    struct meta_config_entry *configs; /* value NULL: back to the default */
    size_t n_configs;
};

/* command.c: reads a whole command body. Returns 0, or -EBADMSG: it is none. */
int meta_command_read(struct meta_command *c, struct slice body);
void meta_command_fini(struct meta_command *c);

/* Strings are u32 length and bytes; NULL is length 2^32 − 1. */
void meta_put_string(struct wr *w, const char *s);
void meta_put_slice(struct wr *w, struct slice s);
/* malloc'd, or NULL for the null string and after an error. At most max bytes, no NULs. */
char *meta_get_string(struct rd *r, size_t max);
void meta_put_uuid(struct wr *w, const struct uuid *u);
void meta_get_uuid(struct rd *r, struct uuid *ret);

struct meta_topic *meta_topic_new(void);
void meta_topic_free(struct meta_topic *t);
void meta_broker_free(struct meta_broker *b);
struct meta_broker *meta_find_broker(const struct meta *m, int32_t id);
void meta_add_former(struct meta_broker *b, const struct uuid *incarnation, uint64_t end_group);
void meta_copy_formers(struct meta_broker *to, const struct meta_broker *from);
/* Into and out of the tables and counts. */
void meta_link_topic(struct meta *m, struct meta_topic *t);
void meta_unlink_topic(struct meta *m, struct meta_topic *t);
struct meta_topic *meta_find_topic(const struct meta *m, const struct uuid *id);
/* value NULL removes it. */
void meta_set_config(struct meta_topic *t, const char *name, const char *value);
void meta_clear_configs(struct meta_topic *t);
/* Grows to total partitions, groups from first_group on, with n_replicas places each that are to be filled. */
void meta_add_partitions(struct meta_topic *t, int32_t total, uint64_t first_group);
static inline int32_t *meta_replica_places(struct meta_topic *t, int32_t partition)
{
    return &t->replicas[(size_t)partition * t->n_replicas];
}
/* The partitions from `from` on have their replicas: leaders and who is in sync follow from them. */
void meta_settle_partitions(struct meta_topic *t, int32_t from);

/* move.c */
void meta_apply_replicas(struct meta *m, uint64_t index, const struct meta_command *c, struct meta_event *e);
void meta_apply_settled(struct meta *m, const struct meta_command *c, struct meta_event *e);
/* Whoever was there before, or always, may have a replica, and who isn't to have one has it only on the way. */
bool meta_move_is_sound(const struct meta_topic *t, int32_t partition);
/* since and kept are the caller's to set. */
struct meta_move *meta_move_new(struct meta_ids target, struct meta_ids others, struct meta_ids before);
void meta_settle_in_sync(struct meta_topic *t, int32_t partition);

/* place.c: chooses brokers for the topic's partitions from `from` on; there are as many as a partition needs. */
void meta_place(const struct meta *m, struct meta_topic *t, int32_t from);

/* Bytes of a topic's record with all that may be in it: its head, each partition with its replicas and where it goes
 * elsewhere, the configs. */
#define META_TOPIC_RECORD_MAX \
    ((size_t)(1 + 4 + META_TOPIC_NAME_MAX + 8 + 2 + 2 + 4 + 4 + 4) + \
     (size_t)META_PARTITIONS_MAX * (8 + 4 * META_REPLICAS_MAX + 4 + 8 + 4 + 3 * 2 + 2 * 4 * META_REPLICAS_MAX) + \
     (size_t)META_CONFIGS_MAX * 2 * (4 + META_CONFIG_VALUE_MAX))

/* image.c: lists the record of what changed; a topic's is late. */
void meta_note_cluster(const struct meta *m, struct list *records);
void meta_note_broker(const struct meta_broker *b, struct list *records);
void meta_note_topic(const struct meta_topic *t, bool gone, struct list *records);
/* A broker as a command and the image have it, without raft address; reading gives NULL after an error. */
struct meta_broker *meta_get_broker(struct rd *r);
void meta_put_broker(struct wr *w, const struct meta_broker *b);
void meta_link_broker(struct meta *m, struct meta_broker *b);
