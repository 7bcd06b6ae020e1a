/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cluster metadata as a pure state machine: brokers, topics, partitions, configs, producer id blocks.
 *
 * Commands are the bodies of COMMAND_METADATA entries (docs/format/metadata.md). meta_apply() is a function of the
 * state and the command alone; every reactor keeps a copy and applies the same commands in the same order. A command
 * that can't be carried out (topic exists, id unknown, …) changes nothing and gives a Kafka error code as result, so
 * the proposer learns it and all copies stay equal.
 *
 * The image is a set of records (kind, key, value): meta_apply() lists the records that changed, which state/ keeps
 * in SQLite; meta_load() takes them back, in any order, before the first apply. A topic's record may be large and
 * change often, so it is made when somebody wants it, and not at each change. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/uuid.h"

#define META_GROUP_ID_DEFAULT 1
#define META_TOPIC_NAME_MAX 249
#define META_PARTITIONS_MAX 100000      /* of one topic */
#define META_ALL_PARTITIONS_MAX 1000000 /* of all topics together */
#define META_CONFIG_VALUE_MAX 4096      /* bytes of a config's name or value */
#define META_CONFIGS_MAX 64             /* of a topic, and in one command */
#define META_BROKER_TEXT_MAX 255        /* bytes of a broker's node id, host, rack or raft address */
#define META_REPLICAS_MAX 32            /* of a partition */
#define META_FOUNDERS_MAX 32            /* brokers that form a cluster */
#define META_FORMERS_MAX 1000           /* data directories that a broker had before */

struct meta_config_entry {
    char *name;
    char *value;
};

struct meta_ids {
    const int32_t *ids;
    uint16_t n;
};

/* Of a partition whose brokers aren't those any more that it was placed on, or won't be. */
struct meta_move {
    uint64_t since;    /* the index of the command that said where it is to be */
    uint32_t kept;     /* bit i: the broker that it was placed on as i has had its replica ever since */
    uint16_t n_target; /* brokers that it is to be on */
    uint16_t n_all;    /* that may have a replica */
    uint16_t n_before; /* that it was on; 0: it is where it is to be */
    int32_t ids[];     /* all, the target ahead; behind them those before */
};

/* What is no part of the image is as this copy's owner last heard of it. */
struct meta_partition {
    uint64_t group;         /* never reused */
    int32_t leader;         /* broker id, −1 none; not of the image: at first the one that is to lead */
    int32_t epoch;          /* of the leader; not of the image: a new group's first is 1 */
    uint32_t in_sync;       /* bit i: replica i of all is; not of the image: at first all are, or those from before */
    struct meta_move *move; /* NULL: it is where it was placed */
};

struct meta_topic {
    struct hash_node by_name, by_id;
    struct list link; /* all topics, in order of creation */
    char *name;
    struct uuid id;
    uint64_t created_index;
    int16_t replication_factor;
    uint16_t n_replicas; /* that each partition is placed on */
    int32_t n_partitions;
    struct meta_partition *partitions;
    int32_t *replicas;                 /* broker ids, n_replicas for each partition, as they were placed */
    struct meta_config_entry *configs; /* only what was set explicitly, sorted by name */
    size_t n_configs;
};

/* A data directory that a broker had before. Groups below end_group were made while it was the broker's. */
struct meta_former {
    struct uuid incarnation;
    uint64_t end_group;
};

struct meta_broker {
    struct list link; /* all brokers, in order of their ids */
    int32_t id;
    char *node_id;
    struct uuid incarnation;
    char *host;                  /* advertised; empty: the address that the connection came in on */
    uint16_t port;               /* 0: it belongs to the cluster, and hasn't told yet where clients find it */
    char *rack;                  /* NULL none */
    char *raft_addr;             /* HOST:PORT for other brokers; NULL: it forms a cluster alone */
    bool votes;                  /* in the metadata group */
    struct meta_former *formers; /* oldest first */
    uint32_t n_formers;
};

struct meta {
    uint64_t applied_index;
    uint64_t hash_seed;
    struct uuid cluster_id; /* zero until formed */
    uint16_t feature_level;
    uint64_t next_group;
    int64_t next_producer_id;
    struct hash_table topics_by_name, topics_by_id;
    struct list topics, brokers;
    size_t n_topics, n_partitions;
    bool keeps_replicas; /* a copy that looks ahead: whoever may have had a replica of a partition stays listed */
};

void meta_init(struct meta *m, uint64_t hash_seed);
void meta_fini(struct meta *m);

const struct meta_topic *meta_topic_by_name(const struct meta *m, struct slice name);
const struct meta_topic *meta_topic_by_id(const struct meta *m, const struct uuid *id);
const struct meta_broker *meta_broker_by_id(const struct meta *m, int32_t id);
const struct meta_broker *meta_broker_by_node(const struct meta *m, const char *node_id);
/* The broker's data directory when the group was made. */
const struct uuid *meta_broker_at(const struct meta_broker *b, uint64_t group);
/* It was a data directory of the broker's, and isn't any more: never again will it be. */
bool meta_broker_was(const struct meta_broker *b, const struct uuid *incarnation);
/* Formed by several brokers, who find each other by their raft addresses: apply places partitions on all of them. */
bool meta_is_cluster(const struct meta *m);
size_t meta_n_brokers(const struct meta *m);
/* The brokers that a partition was placed on, n_replicas of them: the first was to lead. */
static inline const int32_t *meta_replicas(const struct meta_topic *t, int32_t partition)
{
    return &t->replicas[(size_t)partition * t->n_replicas];
}
/* The same. */
struct meta_ids meta_placed(const struct meta_topic *t, int32_t partition);
/* Where it is to be: intent. */
struct meta_ids meta_target(const struct meta_topic *t, int32_t partition);
/* All that may have a replica, the target ahead. */
struct meta_ids meta_replicas_all(const struct meta_topic *t, int32_t partition);
/* What clients are told. */
struct meta_ids meta_replicas_shown(const struct meta_topic *t, int32_t partition);
/* Where it was before; none: it is where it is to be. */
struct meta_ids meta_before(const struct meta_topic *t, int32_t partition);
/* It isn't known to be there yet; false also for no partition. */
bool meta_is_unsettled(const struct meta_topic *t, int32_t partition);
/* It is on its way to elsewhere. */
bool meta_is_moving(const struct meta_topic *t, int32_t partition);
bool meta_ids_have(struct meta_ids ids, int32_t id);
/* The broker has had its replica since the partition was placed. */
bool meta_has_kept(const struct meta_topic *t, int32_t partition, int32_t broker_id);
/* Which of all the broker is; −1: none. */
int meta_replica_of(const struct meta_topic *t, int32_t partition, int32_t broker_id);
/* The broker as meta_write_broker()'s command makes it, in this copy and ahead of the log. */
void meta_set_broker(struct meta *m, const struct meta_broker *b);
/* What the copy's owner heard of a partition; nothing where there is none. */
void meta_note_leader(struct meta *m, const struct uuid *topic, int32_t partition, int32_t leader, int32_t epoch,
                      uint32_t in_sync);
/* NULL when unset. */
const char *meta_topic_config(const struct meta_topic *t, const char *name);

/* Kafka's rule: 1–249 of [a-zA-Z0-9._-], not "." or "..". Returns NULL when fine, else the reason. */
const char *meta_topic_name_check(struct slice name);

/* --- commands: the proposer writes one into w --- */

struct meta_topic_create {
    struct slice name;
    struct uuid id; /* random, by the proposer */
    int32_t n_partitions;
    int16_t replication_factor;
    int32_t leader; /* broker of all partitions where it is the only one; a cluster's are placed by apply */
    const struct meta_config_entry *configs; /* checked by the proposer */
    size_t n_configs;
};

struct meta_config_op {
    const char *name;
    const char *value; /* NULL: back to the default */
};

/* The first command of a cluster that several brokers form. */
struct meta_founder {
    int32_t id;
    struct uuid incarnation;
    char *node_id;
    char *raft_addr;
    bool votes; /* in the metadata group; the others learn */
};
struct meta_formation {
    struct uuid cluster_id;
    int64_t formed_ms; /* Unix time */
    uint32_t n_founders;
    struct meta_founder founders[META_FOUNDERS_MAX]; /* in order of their ids */
};

void meta_write_form(struct wr *w, const struct uuid *cluster_id);
void meta_write_formation(struct wr *w, const struct meta_formation *f);
/* 0, or -EBADMSG: the bytes aren't such a command. Its texts are malloc'd, for meta_formation_fini(). */
int meta_formation_read(struct slice command, struct meta_formation *ret);
void meta_formation_fini(struct meta_formation *f);
/* Register or change, also the raft address where there is one. */
void meta_write_broker(struct wr *w, const struct meta_broker *b);
/* A broker has another data directory than before, a blank one. */
void meta_write_readmission(struct wr *w, int32_t id, const struct uuid *before, const struct uuid *incarnation);
void meta_write_topic_create(struct wr *w, const struct meta_topic_create *c);
void meta_write_topic_delete(struct wr *w, const struct uuid *id);
void meta_write_partitions_add(struct wr *w, const struct uuid *id, int32_t total);
/* replace: configs not named go back to their defaults (AlterConfigs); else only what is named changes. */
void meta_write_topic_configs(struct wr *w, const struct uuid *id, bool replace, const struct meta_config_op *ops,
                              size_t n_ops);
/* wanted NULL: back to where it was. */
void meta_write_replicas(struct wr *w, const struct uuid *topic, int32_t partition, const struct meta_ids *wanted);
/* It is where it is to be since this index. */
void meta_write_settled(struct wr *w, const struct uuid *topic, int32_t partition, uint64_t since);
void meta_write_producer_ids(struct wr *w, int32_t count);

/* Whether the bytes are a command at all. A proposer must know before it puts one into the log, which no copy could
 * apply otherwise. Returns 0 or -EBADMSG. */
int meta_check(struct slice command);

/* --- apply --- */

enum meta_event_kind {
    META_NOTHING, /* refused, or nothing that others must act on */
    META_FORMED,
    META_BROKER_CHANGED,
    META_BROKER_READMITTED, /* event.broker_id */
    META_TOPIC_CREATED,
    META_TOPIC_DELETED,    /* event.deleted holds the topic until meta_event_fini() */
    META_PARTITIONS_ADDED, /* from event.first_partition on */
    META_TOPIC_CONFIGURED,
    META_REPLICAS_CHANGED, /* of event.first_partition: where it is to be */
    META_REPLICAS_SETTLED, /* it is there */
    META_PRODUCER_IDS,     /* event.producer_id_first, _count */
};

/* One record of the image: value.data == NULL means that it is gone, or, with is_late, that meta_record_now() has it.
 */
struct meta_record {
    struct list link;
    struct hash_node by_key; /* whoever's that keeps it */
    uint16_t kind;
    bool is_late;
    struct slice key, value; /* malloc'd with the record */
};

struct meta_event {
    enum meta_event_kind kind;
    int16_t error; /* Kafka error code of a refused command, 0 */
    struct meta_topic *topic;
    struct meta_topic *deleted;
    int32_t broker_id;
    int32_t first_partition;
    int64_t producer_id_first;
    int32_t producer_id_count;
    struct list records; /* struct meta_record: what changed in the image, topics late */
};

/* Applies one command body at a Raft index. Returns 0 (also for a refused one; see event.error) or -EBADMSG: not a
 * command that we know, the log is damaged or newer. */
int meta_apply(struct meta *m, uint64_t index, struct slice command, struct meta_event *ret_event);
void meta_event_fini(struct meta_event *e);

/* Takes one record of a stored image. Returns 0 or -EBADMSG. After the last, meta_load_finish() checks that all
 * belongs together and sets the applied index. */
int meta_load(struct meta *m, uint16_t kind, struct slice key, struct slice value);
int meta_load_finish(struct meta *m, uint64_t applied_index);
/* What a late record is as of now, in one that isn't late: free() it, or give it to meta_records_fini(). */
struct meta_record *meta_record_now(const struct meta *m, const struct meta_record *late);
/* All records of the image, for a full dump; none is late. */
void meta_dump(const struct meta *m, struct list *ret_records);
void meta_records_fini(struct list *records);
