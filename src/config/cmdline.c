/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/cmdline.h"

#include <stdio.h>
#include <sys/stat.h>

#include "config/keys.h"

#define DEFAULT_FILE "./broker.yaml"
#define DEFAULT_DIR "/etc/goqueue"
#define NO_KEY CONFIG_N_KEYS

static const struct value_word repair_words[] = {
    { "look", CMDLINE_REPAIR_LOOK },
    { "yes", CMDLINE_REPAIR_YES },
    { "keep-oldest", CMDLINE_REPAIR_KEEP_OLDEST },
    { "keep-newest", CMDLINE_REPAIR_KEEP_NEWEST },
    { NULL, 0 },
};

static const struct flag_spec specs[] = {
#define KEYFLAG(flag, key, shape, shown) \
    { .name = flag, .value = { .type = VALUE_##shape, .max = 0 }, .value_name = shown },
#define FLAG(flag, other, shape, shown, text, otherwise) \
    { .name = flag, \
      .alias = other, \
      .value = { .type = VALUE_##shape }, \
      .value_name = shown, \
      .help = text, \
      .def = otherwise },
#define CHOICE(flag, table, alone, shown, text) \
    { .name = flag, .value = { .type = VALUE_WORD, .words = table }, .value_name = shown, .help = text, .bare = alone },
#include "config/cmdline.def"
};

static const enum config_key_id spec_keys[] = {
#define KEYFLAG(flag, key, shape, shown) CONFIG_KEY_##key,
#define FLAG(...) NO_KEY,
#define CHOICE(...) NO_KEY,
#include "config/cmdline.def"
};

const char *cmdline_flag_of(enum config_key_id id)
{
    for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
        if (spec_keys[i] == id)
            return specs[i].name;
    }
    return NULL;
}

/* --- parsing --- */

int cmdline_parse(struct cmdline *ret_cmdline, int argc, char **argv, struct config_report *report)
{
    struct cmdline cl = { .action = CMDLINE_RUN };
    char quoted[VALUE_QUOTED_SIZE];
    struct error_text err;

    *ret_cmdline = cl;
    if (flags_parse(specs, ARRAY_SIZE(specs), argc, argv, &cl.flags, &err) < 0) {
        config_report_usage(report, "%s", err.text);
        return CONFIG_E_INVALID;
    }
    if (flags_bool(&cl.flags, "help")) {
        cl.action = CMDLINE_HELP;
    } else if (flags_bool(&cl.flags, "version")) {
        cl.action = CMDLINE_VERSION;
    } else if (cl.flags.n_args > 0) {
        value_quote(cl.flags.args[0], quoted);
        config_report_usage(report, "unexpected argument %s (flags are --NAME=VALUE, --help lists them)", quoted);
        flag_set_fini(&cl.flags);
        return CONFIG_E_INVALID;
    } else if (flags_bool(&cl.flags, "check-config")) {
        cl.action = CMDLINE_CHECK_CONFIG;
    } else if (flags_get(&cl.flags, "repair") != NULL) {
        cl.action = CMDLINE_REPAIR;
        cl.repair = (enum cmdline_repair)flags_number(&cl.flags, "repair", CMDLINE_REPAIR_LOOK);
    }
    *ret_cmdline = cl;
    return 0;
}

void cmdline_fini(struct cmdline *cl)
{
    flag_set_fini(&cl->flags);
}

/* --- loading --- */

static bool is_service(const struct config_environment *env)
{
    return env->configuration_directory != NULL || env->notify_socket != NULL;
}

/* The first of a list "A:B", malloc'd. */
static char *first_directory(const char *list)
{
    return xstrndup(list, strcspn(list, ":"));
}

/* malloc'd, or NULL when no file is to be read. */
static char *choose_file(const struct cmdline *cl, const struct config_environment *env)
{
    const char *file = flags_text(&cl->flags, "config", NULL);
    const char *node_id = flags_text(&cl->flags, "node-id", NULL);
    char *dir, *path = NULL;
    struct stat st;

    if (file != NULL)
        return xstrdup(file);
    if (!is_service(env))
        return stat(DEFAULT_FILE, &st) == 0 || errno != ENOENT ? xstrdup(DEFAULT_FILE) : NULL;
    if (node_id != NULL) {
        dir = first_directory(env->configuration_directory != NULL ? env->configuration_directory : DEFAULT_DIR);
        path = xasprintf("%s/%s.yaml", dir, node_id);
        free(dir);
    }
    return path;
}

static void take_environment(struct config *c, const struct config_environment *env)
{
    if (env->state_directory == NULL)
        return;
    free(c->data_dir);
    c->data_dir = first_directory(env->state_directory);
}

/* "a,b" item by item. */
static int set_list(struct config *c, const struct config_key *k, const char *text, struct error_text *err)
{
    int r = 0;

    config_key_clear(c, k);
    while (*text != '\0' && r == 0) {
        size_t size = strcspn(text, ",");
        char *item = xstrndup(text, size);

        r = config_key_set(c, k, item, err);
        free(item);
        text += size + (text[size] == ',');
    }
    return r;
}

static void apply_flag(struct config *c, enum config_key_id id, const struct flag_value *v,
                       struct config_report *report)
{
    const struct config_key *k = &config_keys[id];
    struct error_text err;
    int r;

    r = k->shape == CONFIG_LIST ? set_list(c, k, v->text, &err) : config_key_set(c, k, v->text, &err);
    if (r < 0)
        config_report_usage(report, "--%s: %s", v->spec->name, err.text);
    c->origin[id] = (struct config_origin){ .source = CONFIG_FROM_FLAG };
}

static void apply_flags(struct config *c, const struct flag_set *flags, struct config_report *report)
{
    for (size_t i = 0; i < flags->n_values; i++) {
        const struct flag_value *v = &flags->values[i];
        enum config_key_id id = spec_keys[v->spec - specs];

        if (id != NO_KEY && flags_get(flags, v->spec->name) == v)
            apply_flag(c, id, v, report);
    }
}

int cmdline_load(const struct cmdline *cl, const struct config_environment *env, struct config *c,
                 struct config_report *report)
{
    char *file = choose_file(cl, env);

    config_init(c);
    take_environment(c, env);
    if (file != NULL)
        config_read_file(c, file, report);
    free(file);
    apply_flags(c, &cl->flags, report);
    config_finish(c, report);
    return report->n_errors == 0 ? 0 : CONFIG_E_INVALID;
}

/* --- help --- */

void cmdline_table_init(struct cmdline_table *t)
{
    for (size_t i = 0; i < CMDLINE_N_FLAGS; i++) {
        struct flag_spec *spec = &t->specs[i];
        const struct config_key *k;

        *spec = specs[i];
        if (spec_keys[i] == NO_KEY)
            continue;
        k = &config_keys[spec_keys[i]];
        snprintf(t->helps[i], sizeof(t->helps[i]), "%s%s%s", k->help, config_key_is_due_later(k) ? " " : "",
                 config_key_due_note(k));
        spec->help = t->helps[i];
        if (k->shape != CONFIG_SCALAR)
            continue;
        config_key_default(k, t->defaults[i], sizeof(t->defaults[i]));
        spec->def = t->defaults[i];
    }
}

char *cmdline_help(const char *program)
{
    struct cmdline_table table;
    char *flags, *text;

    cmdline_table_init(&table);
    flags = flags_help(table.specs, CMDLINE_N_FLAGS);
    text = xasprintf("Usage: %s --node-id=NAME [--FLAG=VALUE]...\n\n"
                     "Stores and serves messages over the Kafka protocol. One dash is as good as two,\n"
                     "and the command line wins over the configuration file.\n\n%s\n"
                     "See brokerd(8) and goqueue.yaml(5).\n",
                     program, flags);
    free(flags);
    return text;
}
