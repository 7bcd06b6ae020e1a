/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Command lines by table, for every program of ours. A flag stands with one dash or two: -name=value, --name value;
 * a BOOL flag, or one with a bare value, may stand alone and never takes the next argument. "--" ends the flags. Flags
 * and other arguments may be mixed. Of a flag that is given several times flags_get() has the last value, flags_each()
 * all.
 *
 * The parsed set points into argv and into the table. Nothing is printed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/textbuf.h"
#include "config/value.h"

struct flag_spec {
    const char *name;  /* without dashes */
    const char *alias; /* a second name ("h"), or NULL */
    struct value_spec value;
    const char *value_name; /* "PORT" in --help; NULL for a BOOL that is a switch */
    const char *help;       /* one sentence */
    const char *def;        /* what holds when it isn't given, for --help; NULL: nothing to say */
    const char *bare;       /* the value of the flag when it stands alone; NULL: it needs one, but for a BOOL */
};

struct flag_value {
    const struct flag_spec *spec;
    const char *text;
    int64_t number; /* of number types */
};

struct flag_set {
    struct flag_value *values; /* in the order given */
    size_t n_values;
    char **args; /* what isn't a flag */
    size_t n_args;
};

/* Parses argv[1…]. Returns 0, or -EINVAL with a sentence that names the flag in err; the set is empty then.
 * flag_set_fini() frees it. */
int flags_parse(const struct flag_spec *specs, size_t n_specs, int argc, char **argv, struct flag_set *ret_set,
                struct error_text *err);
void flag_set_fini(struct flag_set *set);

/* The value that counts, or NULL when the flag wasn't given. name must be in the table. */
const struct flag_value *flags_get(const struct flag_set *set, const char *name);
/* All values of a flag in the order given: start with *at = 0; NULL after the last. */
const struct flag_value *flags_each(const struct flag_set *set, const char *name, size_t *at);
/* The value that counts as text, number or switch, with a fallback for when it wasn't given. */
const char *flags_text(const struct flag_set *set, const char *name, const char *fallback);
int64_t flags_number(const struct flag_set *set, const char *name, int64_t fallback);
bool flags_bool(const struct flag_set *set, const char *name);

/* It may stand alone. */
bool flag_is_switch(const struct flag_spec *spec);

/* The list of flags for --help, wrapped to 80 columns, malloc'd. */
char *flags_help(const struct flag_spec *specs, size_t n_specs);
