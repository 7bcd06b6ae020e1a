/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Configs as DescribeConfigs shows them: of a topic, and the broker's own under Kafka's names. */

#include <stdbool.h>

#include "config/topic.h"

/* Kafka's ConfigDef types and config sources. */
enum config_kafka_type {
    CONFIG_KAFKA_BOOLEAN = 1,
    CONFIG_KAFKA_STRING = 2,
    CONFIG_KAFKA_INT = 3,
    CONFIG_KAFKA_LONG = 5,
    CONFIG_KAFKA_LIST = 7,
};

enum config_kafka_source {
    CONFIG_KAFKA_DYNAMIC_TOPIC = 1,
    CONFIG_KAFKA_STATIC_BROKER = 4,
    CONFIG_KAFKA_DEFAULT = 5,
};

struct config_synonym {
    const char *name;
    char value[TOPIC_CONFIG_TEXT_SIZE];
    enum config_kafka_source source;
};

#define CONFIG_SYNONYMS_MAX 3

struct config_entry {
    const char *name;
    char value[TOPIC_CONFIG_TEXT_SIZE];
    const char *documentation;
    enum config_kafka_type type;
    enum config_kafka_source source; /* is_default of old versions: source == CONFIG_KAFKA_DEFAULT */
    bool is_read_only;
    bool is_sensitive;
    /* Where the value comes from and what it would be without that, strongest first; the first is the value's. */
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    size_t n_synonyms;
};

void topic_config_describe(const struct topic_config *t, const struct config *broker, enum topic_config_id id,
                           struct config_entry *ret_entry);

/* The broker's, in the order of their names. */
size_t broker_config_count(void);
/* Index of a name, or broker_config_count(). */
size_t broker_config_find(struct slice name);
/* The YAML key that an entry shows. */
const char *broker_config_key(size_t index);
void broker_config_describe(const struct config *broker, size_t index, struct config_entry *ret_entry);
