/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/flags.h"

#include <stdio.h>

#include "config/suggest.h"

#define HELP_COLUMN 30
#define HELP_WIDTH 80

struct parser {
    const struct flag_spec *specs;
    size_t n_specs;
    int argc, next;
    char **argv;
    struct flag_set set;
    struct error_text *err;
};

void flag_set_fini(struct flag_set *set)
{
    free(set->values);
    free(set->args);
    *set = (struct flag_set){ 0 };
}

static bool is_named(const struct flag_spec *spec, const char *name, size_t size)
{
    return (strlen(spec->name) == size && memcmp(spec->name, name, size) == 0) ||
           (spec->alias != NULL && strlen(spec->alias) == size && memcmp(spec->alias, name, size) == 0);
}

static const struct flag_spec *find_spec(const struct parser *p, const char *name, size_t size)
{
    for (size_t i = 0; i < p->n_specs; i++) {
        if (is_named(&p->specs[i], name, size))
            return &p->specs[i];
    }
    return NULL;
}

static int unknown_flag(const struct parser *p, const char *name, size_t size)
{
    char *wanted = xstrndup(name, size);
    char quoted[VALUE_QUOTED_SIZE];
    struct suggest nearest;

    suggest_init(&nearest, wanted);
    for (size_t i = 0; i < p->n_specs; i++)
        suggest_offer(&nearest, p->specs[i].name, p->specs[i].name);
    value_quote(wanted, quoted);
    if (nearest.best != NULL)
        error_setf(p->err, "unknown flag %s (did you mean --%s?)", quoted, nearest.best);
    else
        error_setf(p->err, "unknown flag %s (--help lists them all)", quoted);
    free(wanted);
    return -EINVAL;
}

static int add_value(struct parser *p, const struct flag_spec *spec, const char *text)
{
    struct flag_value v = { .spec = spec, .text = text };
    struct error_text err;

    if (value_parse(&spec->value, text, &v.number, &err) < 0) {
        error_setf(p->err, "--%s: %s", spec->name, err.text);
        return -EINVAL;
    }
    p->set.values[p->set.n_values++] = v;
    return 0;
}

bool flag_is_switch(const struct flag_spec *spec)
{
    return spec->value.type == VALUE_BOOL || spec->bare != NULL;
}

/* arg without its dashes: NAME or NAME=VALUE. */
static int parse_flag(struct parser *p, const char *arg)
{
    size_t size = strcspn(arg, "=");
    const struct flag_spec *spec = find_spec(p, arg, size);

    if (spec == NULL)
        return unknown_flag(p, arg, size);
    if (arg[size] == '=')
        return add_value(p, spec, arg + size + 1);
    if (flag_is_switch(spec))
        return add_value(p, spec, spec->bare != NULL ? spec->bare : "true");
    if (p->next == p->argc) {
        error_setf(p->err, "--%s needs a value (--%s=%s)", spec->name, spec->name,
                   spec->value_name != NULL ? spec->value_name : "VALUE");
        return -EINVAL;
    }
    return add_value(p, spec, p->argv[p->next++]);
}

static int parse_all(struct parser *p)
{
    bool flags_ended = false;

    while (p->next < p->argc) {
        char *arg = p->argv[p->next++];
        int r;

        /* A lone dash is an argument: standard input by custom. */
        if (flags_ended || arg[0] != '-' || arg[1] == '\0') {
            p->set.args[p->set.n_args++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            flags_ended = true;
        } else {
            r = parse_flag(p, arg + (arg[1] == '-' ? 2 : 1));
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int flags_parse(const struct flag_spec *specs, size_t n_specs, int argc, char **argv, struct flag_set *ret_set,
                struct error_text *err)
{
    struct parser p = { .specs = specs, .n_specs = n_specs, .argc = argc, .next = 1, .argv = argv, .err = err };
    int r;

    p.set.values = xcalloc((size_t)argc + 1, sizeof(*p.set.values));
    p.set.args = xcalloc((size_t)argc + 1, sizeof(*p.set.args));
    r = parse_all(&p);
    if (r < 0)
        flag_set_fini(&p.set);
    *ret_set = p.set;
    return r;
}

const struct flag_value *flags_get(const struct flag_set *set, const char *name)
{
    for (size_t i = set->n_values; i > 0; i--) {
        if (strcmp(set->values[i - 1].spec->name, name) == 0)
            return &set->values[i - 1];
    }
    return NULL;
}

const struct flag_value *flags_each(const struct flag_set *set, const char *name, size_t *at)
{
    while (*at < set->n_values) {
        const struct flag_value *v = &set->values[(*at)++];

        if (strcmp(v->spec->name, name) == 0)
            return v;
    }
    return NULL;
}

const char *flags_text(const struct flag_set *set, const char *name, const char *fallback)
{
    const struct flag_value *v = flags_get(set, name);

    return v != NULL ? v->text : fallback;
}

int64_t flags_number(const struct flag_set *set, const char *name, int64_t fallback)
{
    const struct flag_value *v = flags_get(set, name);

    gq_assert(v == NULL || value_is_number(v->spec->value.type));
    return v != NULL ? v->number : fallback;
}

bool flags_bool(const struct flag_set *set, const char *name)
{
    return flags_number(set, name, 0) != 0;
}

/* --- help --- */

/* Words of text from column on, indented to HELP_COLUMN on further lines. */
static void print_wrapped(FILE *f, const char *text, int column)
{
    while (*text != '\0') {
        int size = (int)strcspn(text, " ");

        if (column > HELP_COLUMN && column + 1 + size > HELP_WIDTH) {
            fprintf(f, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            fputc(' ', f);
            column++;
        }
        fprintf(f, "%.*s", size, text);
        column += size;
        text += size + (text[size] == ' ');
    }
    fputc('\n', f);
}

static void print_flag(FILE *f, const struct flag_spec *spec)
{
    char *text;
    int column = fprintf(f, "  --%s", spec->name);

    if (spec->value_name != NULL)
        column += fprintf(f, flag_is_switch(spec) ? "[=%s]" : "=%s", spec->value_name);
    if (column >= HELP_COLUMN - 1) {
        fputc('\n', f);
        column = 0;
    }
    fprintf(f, "%*s", HELP_COLUMN - column, "");
    text = spec->def != NULL ? xasprintf("%s (default: %s)", spec->help, spec->def) : xstrdup(spec->help);
    print_wrapped(f, text, HELP_COLUMN);
    free(text);
}

char *flags_help(const struct flag_spec *specs, size_t n_specs)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    gq_assert(f != NULL);
    for (size_t i = 0; i < n_specs; i++)
        print_flag(f, &specs[i]);
    gq_assert(fclose(f) == 0);
    return text;
}
