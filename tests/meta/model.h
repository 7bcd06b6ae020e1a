/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Metadata as plainly as it can be said: topics and records in arrays, every question answered by walking them. */

#include "meta/meta.h"

#define MODEL_MAX_TOPICS 256
#define MODEL_MAX_PARTITIONS 8
#define MODEL_MAX_REPLICAS 3
#define MODEL_CONFIGS 4 /* named "c0" to "c3" */

struct model_topic {
    char name[8];
    uint8_t id; /* see state_id() */
    uint64_t created;
    int32_t n_partitions;
    uint64_t groups[MODEL_MAX_PARTITIONS];
    int n_replicas;
    int32_t replicas[MODEL_MAX_PARTITIONS][MODEL_MAX_REPLICAS];
    int configs[MODEL_CONFIGS]; /* -1 unset */
};

struct model {
    int n_brokers; /* that formed the cluster, 1 and on, without racks; 0: one alone */
    struct model_topic topics[MODEL_MAX_TOPICS];
    size_t n_topics;
    uint64_t next_group;
    int64_t next_producer_id;
};

struct model_topic *model_by_name(struct model *m, const char *name);
struct model_topic *model_by_id(struct model *m, uint8_t id);

/* Each returns the Kafka error code that the command must give, and changes the model when it is 0. */
int16_t model_create(struct model *m, uint64_t index, const char *name, uint8_t id, int32_t n_partitions,
                     int n_replicas);
int16_t model_delete(struct model *m, uint8_t id);
int16_t model_add(struct model *m, uint8_t id, int32_t total);
/* values: -1 takes a config back, -2 leaves it out of the command. */
int16_t model_configure(struct model *m, uint8_t id, bool replace, const int values[MODEL_CONFIGS]);
int16_t model_producer_ids(struct model *m, int32_t count);

/* What in meta differs from the model, or NULL. Static text. */
const char *model_compare(struct model *model, const struct meta *meta);

/* The image as a store keeps it that takes the records that each command changed: kind and key to value. */
struct model_store {
    struct list records; /* struct meta_record, the store's own */
};

void model_store_init(struct model_store *s);
void model_store_fini(struct model_store *s);
void model_store_take(struct model_store *s, const struct list *changes);
