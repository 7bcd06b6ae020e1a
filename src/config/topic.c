/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/topic.h"

#include <inttypes.h>
#include <stdio.h>

#include "config/keys.h"
#include "config/number.h"
#include "config/suggest.h"
#include "config/topic_spec.h"

static const struct value_word words_timestamp[] = {
    { "CreateTime", TOPIC_CREATE_TIME },
    { "LogAppendTime", TOPIC_LOG_APPEND_TIME },
    { NULL, 0 },
};

static const struct value_word words_compression[] = { { "producer", TOPIC_COMPRESSION_PRODUCER }, { NULL, 0 } };

static const struct value_word words_compression_later[] = {
    { "uncompressed", 0 }, { "gzip", 0 }, { "snappy", 0 }, { "lz4", 0 }, { "zstd", 0 }, { NULL, 0 },
};

static const struct value_word words_cleanup[] = { { "delete", TOPIC_CLEANUP_DELETE }, { NULL, 0 } };

static const struct value_word words_cleanup_later[] = { { "compact", 0 }, { NULL, 0 } };

const struct topic_spec topic_specs[TOPIC_N_CONFIGS] = {
#define NUMBER(member, text, shape, from, worth, least, most, other, what) \
    { .name = text, \
      .synonym = other, \
      .help = what, \
      .type = CONFIG_KAFKA_##shape, \
      .offset = offsetof(struct topic_config, member), \
      .key = CONFIG_KEY_##from, \
      .unit = worth, \
      .min = least, \
      .max = most },
#define WORDS(member, text, shape, table, table_later, number, other, what) \
    { .name = text, \
      .synonym = other, \
      .help = what, \
      .type = CONFIG_KAFKA_##shape, \
      .offset = offsetof(struct topic_config, member), \
      .key = CONFIG_N_KEYS, \
      .words = table, \
      .later = table_later, \
      .default_number = number },
#include "config/topic.def"
};

static int64_t *member(const struct topic_config *t, const struct topic_spec *spec)
{
    return (int64_t *)((char *)(uintptr_t)t + spec->offset);
}

int64_t topic_spec_default(const struct topic_spec *spec, const struct config *broker)
{
    int64_t v;

    if (spec->key == CONFIG_N_KEYS)
        return spec->default_number;
    v = config_key_number(broker, &config_keys[spec->key]);
    return v == CONFIG_NONE ? -1 : v / spec->unit;
}

void topic_config_init(struct topic_config *t, const struct config *broker)
{
    memset(t, 0, sizeof(*t));
    for (size_t i = 0; i < TOPIC_N_CONFIGS; i++)
        *member(t, &topic_specs[i]) = topic_spec_default(&topic_specs[i], broker);
}

enum topic_config_id topic_config_find(struct slice name)
{
    for (size_t i = 0; i < TOPIC_N_CONFIGS; i++) {
        if (slice_eq_str(name, topic_specs[i].name))
            return (enum topic_config_id)i;
    }
    return TOPIC_N_CONFIGS;
}

const char *topic_config_name(enum topic_config_id id)
{
    return topic_specs[id].name;
}

/* --- values --- */

#define VALUE_MAX 255

/* Copies a value without the spaces around it, as Kafka takes it. False when it can't be one. */
static bool copy_trimmed(struct slice value, char text[VALUE_MAX + 1])
{
    while (value.size > 0 && value.data[0] == ' ') {
        value.data++;
        value.size--;
    }
    while (value.size > 0 && value.data[value.size - 1] == ' ')
        value.size--;
    if (value.size > VALUE_MAX || memchr(value.data, '\0', value.size) != NULL)
        return false;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    return true;
}

static int parse_number(const struct topic_spec *spec, const char *text, int64_t *ret, struct error_text *err)
{
    char quoted[VALUE_QUOTED_SIZE];
    int64_t v = 0;
    int r = number_parse_int(text, &v);

    value_quote(text, quoted);
    if (r == -EINVAL) {
        error_setf(err, "%s: %s is not a whole number", spec->name, quoted);
        return -EINVAL;
    }
    if (r < 0 || v < spec->min || v > spec->max) {
        error_setf(err, "%s: %s is out of range (%" PRId64 " to %" PRId64 ")", spec->name, quoted, spec->min,
                   spec->max);
        return -EINVAL;
    }
    *ret = v;
    return 0;
}

static const struct value_word *find_word(const struct value_word *words, const char *text, size_t size)
{
    for (const struct value_word *w = words; w != NULL && w->text != NULL; w++) {
        if (strlen(w->text) == size && memcmp(w->text, text, size) == 0)
            return w;
    }
    return NULL;
}

static int parse_word(const struct topic_spec *spec, const char *text, size_t size, int64_t *ret,
                      struct error_text *err)
{
    const struct value_word *w = find_word(spec->words, text, size);
    const struct value_spec words = { .type = VALUE_WORD, .words = spec->words };
    char quoted[VALUE_QUOTED_SIZE], allowed[64], copy[VALUE_MAX + 1];

    if (w != NULL) {
        *ret = w->number;
        return 0;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    value_quote(copy, quoted);
    value_format_allowed(&words, allowed, sizeof(allowed));
    if (find_word(spec->later, text, size) != NULL)
        error_setf(err, "%s: %s doesn't work yet, only '%s' does", spec->name, quoted, allowed);
    else if (spec->words[1].text == NULL)
        error_setf(err, "%s: %s is not '%s'", spec->name, quoted, allowed);
    else
        error_setf(err, "%s: %s is not one of %s", spec->name, quoted, allowed);
    return -EINVAL;
}

/* "a,b": the bits of all words. */
static int parse_list(const struct topic_spec *spec, const char *text, int64_t *ret, struct error_text *err)
{
    int64_t bits = 0, bit;

    while (*text != '\0') {
        size_t size, trimmed;
        int r;

        text += strspn(text, " ");
        size = trimmed = strcspn(text, ",");
        while (trimmed > 0 && text[trimmed - 1] == ' ')
            trimmed--;
        r = parse_word(spec, text, trimmed, &bit, err);
        if (r < 0)
            return r;
        bits |= bit;
        text += size + (text[size] == ',');
    }
    *ret = bits;
    return 0;
}

static int parse_value(const struct topic_spec *spec, struct slice value, int64_t *ret, struct error_text *err)
{
    char text[VALUE_MAX + 1];

    if (slice_is_null(value) || !copy_trimmed(value, text)) {
        error_setf(err, "%s: %s", spec->name, slice_is_null(value) ? "has no value" : "the value is malformed");
        return -EINVAL;
    }
    if (spec->words == NULL)
        return parse_number(spec, text, ret, err);
    if (spec->type == CONFIG_KAFKA_LIST)
        return parse_list(spec, text, ret, err);
    return parse_word(spec, text, strlen(text), ret, err);
}

/* --- operations --- */

static int unknown_name(struct slice name, struct error_text *err)
{
    char text[VALUE_MAX + 1], quoted[VALUE_QUOTED_SIZE];
    struct suggest nearest;

    if (slice_is_null(name) || !copy_trimmed(name, text)) {
        error_setf(err, "the name of a topic config is malformed");
        return -EINVAL;
    }
    suggest_init(&nearest, text);
    for (size_t i = 0; i < TOPIC_N_CONFIGS; i++)
        suggest_offer(&nearest, topic_specs[i].name, topic_specs[i].name);
    value_quote(text, quoted);
    if (nearest.best != NULL)
        error_setf(err, "unknown topic config %s (did you mean %s?)", quoted, nearest.best);
    else
        error_setf(err, "unknown topic config %s", quoted);
    return -EINVAL;
}

static int store(struct topic_config *t, enum topic_config_id id, int64_t v, struct error_text *err)
{
    const struct topic_spec *spec = &topic_specs[id];

    if (spec->type == CONFIG_KAFKA_LIST && v == 0) {
        error_setf(err, "%s: must not be empty", spec->name);
        return -EINVAL;
    }
    *member(t, spec) = v;
    t->set |= UINT32_C(1) << id;
    return 0;
}

static int alter_list(struct topic_config *t, enum topic_config_id id, bool append, struct slice value,
                      struct error_text *err)
{
    const struct topic_spec *spec = &topic_specs[id];
    int64_t v, now = *member(t, spec);
    int r;

    if (spec->type != CONFIG_KAFKA_LIST) {
        error_setf(err, "%s: is not a list, so nothing can be appended to or subtracted from it", spec->name);
        return -EINVAL;
    }
    r = parse_value(spec, value, &v, err);
    return r < 0 ? r : store(t, id, append ? now | v : now & ~v, err);
}

int topic_config_set(struct topic_config *t, struct slice name, struct slice value, struct error_text *err)
{
    enum topic_config_id id = topic_config_find(name);
    int64_t v;
    int r;

    if (id == TOPIC_N_CONFIGS)
        return unknown_name(name, err);
    r = parse_value(&topic_specs[id], value, &v, err);
    return r < 0 ? r : store(t, id, v, err);
}

int topic_config_alter(struct topic_config *t, const struct config *broker, struct slice name, int op,
                       struct slice value, struct error_text *err)
{
    enum topic_config_id id = topic_config_find(name);

    if (id == TOPIC_N_CONFIGS)
        return unknown_name(name, err);
    switch (op) {
    case TOPIC_CONFIG_OP_SET:
        return topic_config_set(t, name, value, err);
    case TOPIC_CONFIG_OP_DELETE:
        *member(t, &topic_specs[id]) = topic_spec_default(&topic_specs[id], broker);
        t->set &= ~(UINT32_C(1) << id);
        return 0;
    case TOPIC_CONFIG_OP_APPEND:
    case TOPIC_CONFIG_OP_SUBTRACT:
        return alter_list(t, id, op == TOPIC_CONFIG_OP_APPEND, value, err);
    default:
        error_setf(err, "%s: there is no operation %d", topic_specs[id].name, op);
        return -EINVAL;
    }
}

/* --- text --- */

void topic_spec_format(const struct topic_spec *spec, int64_t number, char text[TOPIC_CONFIG_TEXT_SIZE])
{
    size_t n = 0;

    text[0] = '\0';
    if (spec->words == NULL) {
        snprintf(text, TOPIC_CONFIG_TEXT_SIZE, "%" PRId64, number);
        return;
    }
    for (const struct value_word *w = spec->words; w->text != NULL; w++) {
        if (spec->type == CONFIG_KAFKA_LIST ? (number & w->number) != 0 : number == w->number)
            n += (size_t)snprintf(text + n, TOPIC_CONFIG_TEXT_SIZE - n, "%s%s", n > 0 ? "," : "", w->text);
    }
}

void topic_config_format(const struct topic_config *t, enum topic_config_id id, char text[TOPIC_CONFIG_TEXT_SIZE])
{
    topic_spec_format(&topic_specs[id], *member(t, &topic_specs[id]), text);
}
