/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/describe.h"

#include <inttypes.h>
#include <stdio.h>

#include "config/keys.h"
#include "config/topic_spec.h"

struct broker_spec {
    const char *name;
    enum config_kafka_type type;
    enum config_key_id key;
    int64_t unit;
};

static const struct broker_spec broker_specs[] = {
#define BROKER(text, shape, from, worth) { text, CONFIG_KAFKA_##shape, CONFIG_KEY_##from, worth },
#include "config/broker.def"
};

static void add_synonym(struct config_entry *e, const char *name, enum config_kafka_source source, const char *value)
{
    struct config_synonym *s = &e->synonyms[e->n_synonyms++];

    gq_assert(e->n_synonyms <= CONFIG_SYNONYMS_MAX);
    s->name = name;
    s->source = source;
    snprintf(s->value, sizeof(s->value), "%s", value);
}

static void take_first_synonym(struct config_entry *e)
{
    e->source = e->synonyms[0].source;
    memcpy(e->value, e->synonyms[0].value, sizeof(e->value));
}

static bool is_given(const struct config *c, enum config_key_id key)
{
    return c->origin[key].source != CONFIG_FROM_DEFAULT;
}

void topic_config_describe(const struct topic_config *t, const struct config *broker, enum topic_config_id id,
                           struct config_entry *ret_entry)
{
    const struct topic_spec *spec = &topic_specs[id];
    struct config_entry e = { .name = spec->name, .documentation = spec->help, .type = spec->type };
    char text[TOPIC_CONFIG_TEXT_SIZE];
    int64_t v;

    if (t->set & (UINT32_C(1) << id)) {
        topic_config_format(t, id, text);
        add_synonym(&e, spec->name, CONFIG_KAFKA_DYNAMIC_TOPIC, text);
    }
    if (spec->key != CONFIG_N_KEYS && is_given(broker, spec->key)) {
        topic_spec_format(spec, topic_spec_default(spec, broker), text);
        add_synonym(&e, spec->synonym, CONFIG_KAFKA_STATIC_BROKER, text);
    }
    v = spec->key == CONFIG_N_KEYS ? spec->default_number : config_keys[spec->key].default_number;
    topic_spec_format(spec, v == CONFIG_NONE || spec->key == CONFIG_N_KEYS ? v : v / spec->unit, text);
    add_synonym(&e, spec->synonym, CONFIG_KAFKA_DEFAULT, text);
    take_first_synonym(&e);
    *ret_entry = e;
}

size_t broker_config_count(void)
{
    return ARRAY_SIZE(broker_specs);
}

size_t broker_config_find(struct slice name)
{
    size_t i = 0;

    while (i < ARRAY_SIZE(broker_specs) && !slice_eq_str(name, broker_specs[i].name))
        i++;
    return i;
}

const char *broker_config_key(size_t index)
{
    gq_assert(index < ARRAY_SIZE(broker_specs));
    return config_key_path(broker_specs[index].key);
}

static void format(const struct broker_spec *spec, int64_t number, char text[TOPIC_CONFIG_TEXT_SIZE])
{
    if (spec->type == CONFIG_KAFKA_BOOLEAN)
        snprintf(text, TOPIC_CONFIG_TEXT_SIZE, "%s", number != 0 ? "true" : "false");
    else
        snprintf(text, TOPIC_CONFIG_TEXT_SIZE, "%" PRId64, number == CONFIG_NONE ? -1 : number / spec->unit);
}

void broker_config_describe(const struct config *broker, size_t index, struct config_entry *ret_entry)
{
    const struct broker_spec *spec = &broker_specs[index];
    const struct config_key *k = &config_keys[spec->key];
    struct config_entry e = { .name = spec->name, .documentation = k->help, .type = spec->type, .is_read_only = true };
    char text[TOPIC_CONFIG_TEXT_SIZE];
    int64_t now = config_key_number(broker, k), unset = k->default_number;

    gq_assert(index < ARRAY_SIZE(broker_specs));
    /* "auto" is no number that a client could use. */
    if (spec->key == CONFIG_KEY_default_replication_factor) {
        now = config_replication_factor(broker);
        unset = now;
    }
    if (is_given(broker, spec->key)) {
        format(spec, now, text);
        add_synonym(&e, spec->name, CONFIG_KAFKA_STATIC_BROKER, text);
    }
    format(spec, unset, text);
    add_synonym(&e, spec->name, CONFIG_KAFKA_DEFAULT, text);
    take_first_synonym(&e);
    *ret_entry = e;
}
