/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* model.c: what the system was asked, and what it told. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/uuid.h"
#include "sim/prng.h"
#include "world/world.h"

#define WORLD_MAX_TOPICS 4
#define WORLD_MAX_PARTITIONS 4 /* of a topic */
#define MODEL_EPOCHS 256

/* What one life of a node told of a partition. */
struct told {
    uint32_t life;
    int64_t high_watermark, log_start;
};

/* Of one life of its topic: one that is made again has new ones. */
struct partition {
    struct list link; /* of the model */
    unsigned topic;
    int32_t index;
    uint32_t place; /* as the recorder calls it */
    bool gone;      /* its topic's deletion was asked for: nothing is held against the model any more */
    uint64_t *log;  /* id of the record that was seen at an offset; 0: none yet */
    size_t n_log, log_capacity;
    uint64_t *read;                     /* by the audit that is under way: one bit for each offset */
    int64_t high_watermark, log_start;  /* the largest that anybody was told */
    struct told told[WORLD_MAX_NODES];  /* where there are several replicas */
    int32_t leader_epoch;               /* the largest that the audit was told */
    int64_t start_asked;                /* the largest that DeleteRecords asked for; INT64_MAX: retention is on */
    uint32_t epoch_lives[MODEL_EPOCHS]; /* which process wrote in that epoch; 0: not known */
    bool moved;                         /* somebody has asked for it to be elsewhere */
    bool unsure;                        /* and wasn't told what became of that */
    uint64_t stays_until_ns;
    int32_t wanted[WORLD_MAX_NODES]; /* brokers that it is to be on, as was agreed to */
    int32_t n_wanted;                /* 0: not known */
};

enum topic_state {
    TOPIC_ABSENT,
    TOPIC_CREATING,
    TOPIC_MADE, /* not all reactors may know it yet, or that the one before is gone */
    TOPIC_LIVE,
    TOPIC_DELETING,
};

struct topic {
    char name[16];
    enum topic_state state;
    struct uuid id;   /* while it is live */
    uint64_t live_ns; /* of TOPIC_MADE: when it is */
    int32_t n_partitions;
    int16_t n_replicas, min_insync;
    unsigned n_lives; /* it was made so often */
    bool has_retention;
    bool may_retain; /* somebody asked for it, and may hit the topic when it is made again */
    struct partition *partitions[WORLD_MAX_PARTITIONS];
};

/* A record is known by its id, its index here plus 1. */
struct sent_record {
    struct partition *partition;
    int64_t acked_offset; /* -1: not acknowledged, or without it */
    uint32_t life;        /* of the process that acknowledged it */
    uint16_t tries;       /* sent so often without a certain no */
    uint16_t copies;      /* seen at so many offsets */
    bool once;            /* of an idempotent producer */
    bool acked;
    bool fenced;         /* sent by who mustn't write any more: no try */
    bool acked_alone;    /* by a leader that didn't wait for the others */
    int32_t alone_epoch; /* that was in this epoch or a later one */
    bool late;           /* in a topic that was made after it was sent */
    uint8_t producer;    /* client */
};

struct model {
    struct world *world;
    struct topic topics[WORLD_MAX_TOPICS];
    unsigned n_topics;
    struct list partitions; /* those that are gone too */
    struct sent_record *records;
    size_t n_records, records_capacity;
};

struct model *model_new(struct world *w);
void model_free(struct model *m);
/* In a cluster: how many replicas topics have. */
void model_draw_replicas(struct model *m, struct sim_prng *prng);
bool model_is_replicated(const struct model *m, const struct partition *p);
struct partition *model_partition(struct model *m, unsigned topic, int32_t partition);
/* The topic's deletion is asked for; it is there again, and empty. */
void model_delete_topic(struct model *m, struct topic *t);
void model_begin_topic(struct model *m, struct topic *t);
/* It is to be made again: in a cluster by another name, since who hasn't heard yet that the one before is gone would
 * take what is meant for the next. */
void model_rename_topic(struct model *m, struct topic *t);
/* A new record; returns its id. */
uint64_t model_add(struct model *m, struct partition *p, unsigned producer, bool once);
/* count records from id on are sent; a certain no takes that back. */
void model_sent(struct model *m, uint64_t id, int32_t count);
void model_refused(struct model *m, uint64_t id, int32_t count);
/* The record is sent by a producer that mustn't write any more, and may be nowhere as long as its topic is there. */
void model_fenced(struct model *m, uint64_t id);
/* offset -1: it wasn't told. life: of the process that said so. */
void model_acked(struct model *m, uint64_t id, int32_t count, int64_t offset, uint32_t life);
/* By a leader that didn't wait for other replicas, in this epoch or a later one: as long as it leads the records are
 * there. */
void model_acked_alone(struct model *m, uint64_t id, int32_t count, int64_t offset, int32_t epoch);
void model_saw(struct model *m, struct partition *p, int64_t offset, uint64_t id, bool in_audit);
/* The record at this offset is known to be this one. */
bool model_knows(const struct partition *p, int64_t offset, uint64_t id);
/* It was sent to the topic that had this name before. */
bool model_is_late(const struct model *m, uint64_t id);
/* Each time that it was sent it was refused for certain. */
bool model_is_refused(const struct model *m, uint64_t id);
/* The record at this offset lies in a batch of this leader epoch. */
void model_saw_epoch(struct model *m, struct partition *p, int64_t offset, int32_t epoch);
/* What was known when a question was asked; the answer may not fall behind. Where there are several replicas, a leader
 * that doesn't know that it leads no more, or a new one that doesn't know yet what is committed, may tell less than
 * somebody else did: only the same life of a node may not. The end of the log, when it is asked for, is what all know.
 */
struct floor {
    int64_t high_watermark, log_start;
    uint32_t life; /* of the node that is asked */
};
struct floor model_floor(const struct model *m, const struct partition *p, uint32_t life);
struct floor model_floor_of_end(const struct model *m, const struct partition *p, uint32_t life);
/* -1 for what the answer didn't tell. */
void model_told(struct model *m, struct partition *p, const struct floor *floor, int64_t high_watermark,
                int64_t log_start);
void model_begin_audit(struct model *m);
/* A record that whoever leads still has acknowledged by itself, and that nobody has seen yet; 0: there is none. */
uint64_t model_find_unseen(const struct model *m, const struct partition *p);
/* The partition was read from start to end in this audit. */
void model_end_audit(struct model *m, struct partition *p, int64_t start, int64_t end);
