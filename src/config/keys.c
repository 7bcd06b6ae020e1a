/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/keys.h"

#include <stdio.h>

#include "config/suggest.h"

static const struct value_word words_auto[] = { { "auto", CONFIG_AUTO }, { NULL, 0 } };

static const struct value_word words_auto_none[] = { { "auto", CONFIG_AUTO }, { "none", CONFIG_NONE }, { NULL, 0 } };

static const struct value_word words_none[] = { { "none", CONFIG_NONE }, { NULL, 0 } };

static const struct value_word words_compression[] = {
    { "none", CONFIG_COMPRESSION_NONE },
    { "gzip", CONFIG_COMPRESSION_GZIP },
    { "snappy", CONFIG_COMPRESSION_SNAPPY },
    { "lz4", CONFIG_COMPRESSION_LZ4 },
    { "zstd", CONFIG_COMPRESSION_ZSTD },
    { "zlib", CONFIG_COMPRESSION_ZLIB },
    { NULL, 0 },
};

static const struct value_word words_log_level[] = {
    { "debug", CONFIG_LOG_DEBUG },
    { "info", CONFIG_LOG_INFO },
    { "warn", CONFIG_LOG_WARN },
    { "error", CONFIG_LOG_ERROR },
    { NULL, 0 },
};

static const struct value_word words_discovery[] = {
    { "memory", CONFIG_DISCOVERY_MEMORY },
    { "static", CONFIG_DISCOVERY_STATIC },
    { "etcd", CONFIG_DISCOVERY_ETCD },
    { NULL, 0 },
};

#define SHAPE_BOOL .spec.type = VALUE_BOOL, .spec.max = 1
#define SHAPE_INT .spec.type = VALUE_INT
#define SHAPE_DURATION .spec.type = VALUE_DURATION
#define SHAPE_SIZE .spec.type = VALUE_SIZE
#define SHAPE_WORD .spec.type = VALUE_WORD
#define SHAPE_STRING .spec.type = VALUE_STRING
#define SHAPE_NAME .spec.type = VALUE_NAME
#define SHAPE_HOST .spec.type = VALUE_HOST
#define SHAPE_ADDRESS .spec.type = VALUE_ADDRESS
#define SHAPE_PATH .spec.type = VALUE_PATH
#define SHAPE_ENDPOINTS .spec.type = VALUE_ENDPOINT, .shape = CONFIG_LIST
#define SHAPE_PEERS .spec.type = VALUE_ENDPOINT, .shape = CONFIG_PEERS
#define DEF(number) .default_number = (number)
#define TEXT(text) .default_text = (text)
#define SHOWN(text) .default_shown = (text)
#define RANGE(least, most) .spec.min = (least), .spec.max = (most)
#define BARE(unit) .spec.bare_unit = (unit)
#define WORDS(table) .spec.words = (table)
#define DUE(step) .due = (step)
#define LIVE .flags = CONFIG_LIVE
#define SECRET .flags = CONFIG_SECRET
#define REFUSED .flags = CONFIG_REFUSED
#define HELP(text) .help = (text)

#define MEMBER_SIZE(type, member) sizeof(((type *)0)->member)

const struct config_key config_keys[CONFIG_N_KEYS] = {
#define KEY(name, member, shape, ...) \
    [CONFIG_KEY_##name] = { .path = #name, \
                            .offset = offsetof(struct config, member), \
                            .size = MEMBER_SIZE(struct config, member), \
                            SHAPE_##shape, \
                            __VA_ARGS__ },
#define SUBKEY(section, name, member, shape, ...) \
    [CONFIG_KEY_##section##_##name] = { .path = #section "." #name, \
                                        .offset = offsetof(struct config, section.member), \
                                        .size = MEMBER_SIZE(struct config, section.member), \
                                        SHAPE_##shape, \
                                        __VA_ARGS__ },
#include "config/keys.def"
};

const struct config_section config_sections[] = {
#define KEY(...)
#define SUBKEY(...)
#define SECTION(section, text) { .name = #section, .help = (text) },
#include "config/keys.def"
    { NULL, NULL },
};

const struct config_key *config_key_find(const char *path)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        if (strcmp(config_keys[i].path, path) == 0)
            return &config_keys[i];
    }
    return NULL;
}

const char *config_key_path(enum config_key_id id)
{
    return config_keys[id].path;
}

bool config_is_section(const char *name)
{
    for (const struct config_section *s = config_sections; s->name != NULL; s++) {
        if (strcmp(s->name, name) == 0)
            return true;
    }
    return false;
}

static const char *leaf(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot != NULL ? dot + 1 : path;
}

const char *config_key_suggest(const char *path)
{
    struct suggest whole, last;

    suggest_init(&whole, path);
    suggest_init(&last, leaf(path));
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        suggest_offer(&whole, config_keys[i].path, config_keys[i].path);
        suggest_offer(&last, leaf(config_keys[i].path), config_keys[i].path);
    }
    for (const struct config_section *s = config_sections; s->name != NULL; s++)
        suggest_offer(&whole, s->name, s->name);
    /* A key of the right name in the wrong section, or a misspelt one in the right section. */
    return last.best != NULL && last.best_distance < whole.best_distance ? last.best : whole.best;
}

const char *config_key_due_note(const struct config_key *k)
{
    if (!config_key_is_due_later(k))
        return "";
    return k->flags & CONFIG_REFUSED ? "Only the default works yet." : "No effect yet.";
}

void config_key_default(const struct config_key *k, char *text, size_t size)
{
    char number[VALUE_TEXT_SIZE];

    if (k->default_shown != NULL) {
        snprintf(text, size, "%s", k->default_shown);
    } else if (k->shape != CONFIG_SCALAR) {
        snprintf(text, size, "empty");
    } else if (value_is_number(k->spec.type)) {
        value_format(&k->spec, k->default_number, number);
        snprintf(text, size, "%s", number);
    } else {
        snprintf(text, size, "%s", k->default_text != NULL ? k->default_text : "unset");
    }
}
