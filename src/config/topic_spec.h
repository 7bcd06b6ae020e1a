/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* topic.def at run time, for the parts of this module. */

#include "config/describe.h"
#include "config/topic.h"

struct topic_spec {
    const char *name;
    const char *synonym; /* broker config that it inherits from */
    const char *help;
    enum config_kafka_type type;
    size_t offset; /* in struct topic_config */
    /* Numbers. */
    enum config_key_id key; /* of the default; CONFIG_N_KEYS for words */
    int64_t unit;
    int64_t min, max;
    /* Words; of a LIST each is a bit. */
    const struct value_word *words, *later;
    int64_t default_number;
};

extern const struct topic_spec topic_specs[TOPIC_N_CONFIGS];

/* What a topic inherits. */
int64_t topic_spec_default(const struct topic_spec *spec, const struct config *broker);
void topic_spec_format(const struct topic_spec *spec, int64_t number, char text[TOPIC_CONFIG_TEXT_SIZE]);
