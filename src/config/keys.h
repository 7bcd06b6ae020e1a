/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table of keys.def at run time. For the parts of this module and its manual; others use config.h. */

#include "config/config.h"

enum config_shape {
    CONFIG_SCALAR,
    CONFIG_LIST,  /* of texts; spec is of one item */
    CONFIG_PEERS, /* of peers */
};

enum config_key_flags {
    CONFIG_LIVE = 1 << 0,
    CONFIG_SECRET = 1 << 1,
    CONFIG_REFUSED = 1 << 2,
};

struct config_key {
    const char *path; /* "performance.batch_timeout" */
    const char *help;
    struct value_spec spec;
    enum config_shape shape;
    size_t offset; /* in struct config */
    size_t size;
    int64_t default_number;
    const char *default_text;  /* of a text; NULL unset */
    const char *default_shown; /* in manuals, when it isn't the value */
    int due;                   /* step; 0 as 1 */
    unsigned flags;
};

struct config_section {
    const char *name;
    const char *help;
};

extern const struct config_key config_keys[CONFIG_N_KEYS];
extern const struct config_section config_sections[]; /* ends with a NULL name */

/* NULL when there is none. */
const struct config_key *config_key_find(const char *path);
bool config_is_section(const char *name);
/* Nearest known path, or NULL. */
const char *config_key_suggest(const char *path);

static inline enum config_key_id config_key_id(const struct config_key *k)
{
    return (enum config_key_id)(k - config_keys);
}

/* Sets a scalar key, or appends to a list. Returns 0 or -EINVAL, -ERANGE with the sentence in err. The origin is the
 * caller's to set. */
int config_key_set(struct config *c, const struct config_key *k, const char *text, struct error_text *err);
/* Unchecked. */
void config_key_set_number(struct config *c, const struct config_key *k, int64_t number);
/* Empties a list, unsets a text. */
void config_key_clear(struct config *c, const struct config_key *k);

/* Of the number types. */
int64_t config_key_number(const struct config *c, const struct config_key *k);
/* Of the text types; NULL unset. */
const char *config_key_text(const struct config *c, const struct config_key *k);

bool config_key_equal(const struct config *a, const struct config *b, const struct config_key *k);
void config_key_copy(struct config *to, const struct config *from, const struct config_key *k);
bool config_key_is_default(const struct config *c, const struct config_key *k);

/* Where a value comes from, for messages: "broker.yaml:12: raft.election_rtt", "--bind-port", or just the path. */
#define CONFIG_PLACE_SIZE 512
void config_key_place(const struct config *c, const struct config_key *k, char place[CONFIG_PLACE_SIZE]);

/* Its feature comes in a later step. */
static inline bool config_key_is_due_later(const struct config_key *k)
{
    return k->due > CONFIG_STEP;
}

/* What a manual says of a key that is due later; empty for others. */
const char *config_key_due_note(const struct config_key *k);

/* The default as a manual shows it. */
void config_key_default(const struct config_key *k, char *text, size_t size);
