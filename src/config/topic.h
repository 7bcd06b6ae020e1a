/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Topic configs: the broker's defaults with what was set for the topic. A plain value, copied at will; names and
 * values come as Kafka's requests and the metadata have them. */

#include <stdint.h>

#include "base/slice.h"
#include "config/config.h"

enum topic_timestamp_type {
    TOPIC_CREATE_TIME = 0,
    TOPIC_LOG_APPEND_TIME = 1,
};

enum topic_compression {
    TOPIC_COMPRESSION_PRODUCER = -1, /* else a codec number */
};

enum topic_cleanup {
    TOPIC_CLEANUP_DELETE = 1 << 0,
};

enum topic_config_id {
#define NUMBER(member, ...) TOPIC_CONFIG_##member,
#define WORDS(member, ...) TOPIC_CONFIG_##member,
#include "config/topic.def"
    TOPIC_N_CONFIGS
};

struct topic_config {
#define NUMBER(member, ...) int64_t member;
#define WORDS(member, ...) int64_t member;
#include "config/topic.def"
    uint32_t set; /* bit per topic_config_id: set for the topic, not inherited */
};

/* Everything as the broker has it. */
void topic_config_init(struct topic_config *t, const struct config *broker);

/* Id of a name; TOPIC_N_CONFIGS when there is none. */
enum topic_config_id topic_config_find(struct slice name);
const char *topic_config_name(enum topic_config_id id);

/* Sets one config. Returns 0, or -EINVAL with the reason for INVALID_CONFIG in err; t is unchanged then. */
int topic_config_set(struct topic_config *t, struct slice name, struct slice value, struct error_text *err);

/* Kafka's IncrementalAlterConfigs operations. */
enum topic_config_op {
    TOPIC_CONFIG_OP_SET = 0,
    TOPIC_CONFIG_OP_DELETE = 1, /* back to the broker's default; value is ignored */
    TOPIC_CONFIG_OP_APPEND = 2, /* lists only */
    TOPIC_CONFIG_OP_SUBTRACT = 3,
};

/* Returns 0 or -EINVAL as above, also for an operation that isn't one. */
int topic_config_alter(struct topic_config *t, const struct config *broker, struct slice name, int op,
                       struct slice value, struct error_text *err);

/* The value as text, as Kafka's clients expect it. */
#define TOPIC_CONFIG_TEXT_SIZE 64
void topic_config_format(const struct topic_config *t, enum topic_config_id id, char text[TOPIC_CONFIG_TEXT_SIZE]);
