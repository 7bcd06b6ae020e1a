/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/gqctl/settings.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "bin/gqctl/command_table.h"
#include "config/suggest.h"

#define DEFAULT_BROKER "127.0.0.1:9092"
#define DEFAULT_TIMEOUT_NS (10 * VALUE_SEC)

#define usage(err, ...) (error_setf(err, __VA_ARGS__), EX_USAGE)

/* Text of the settings' own, NUL-terminated. */
static const char *keep(struct settings *s, const char *text, size_t size)
{
    s->copies = xrealloc(s->copies, (s->n_copies + 1) * sizeof(*s->copies));
    s->copies[s->n_copies] = xstrndup(text, size);
    return s->copies[s->n_copies++];
}

/* --- which command --- */

/* Matches the words at the start of args. Returns how many there are, 0: no command. */
static size_t match_words(char **args, size_t n_args, enum command *ret)
{
    for (size_t i = 0; i < n_command_specs; i++) {
        const char *words = command_specs[i].words, *space;

        if (words == NULL || n_args == 0)
            continue;
        space = strchr(words, ' ');
        if (space == NULL
                ? strcmp(args[0], words) == 0
                : n_args > 1 && strlen(args[0]) == (size_t)(space - words) &&
                      strncmp(args[0], words, (size_t)(space - words)) == 0 && strcmp(args[1], space + 1) == 0) {
            *ret = (enum command)i;
            return space == NULL ? 1 : 2;
        }
    }
    return 0;
}

static int unknown_command(char **args, size_t n_args, struct error_text *err)
{
    char *wanted = n_args > 1 ? xasprintf("%s %s", args[0], args[1]) : xstrdup(args[0]);
    char quoted[VALUE_QUOTED_SIZE];
    struct suggest nearest;

    suggest_init(&nearest, wanted);
    for (size_t i = 0; i < n_command_specs; i++) {
        if (command_specs[i].words != NULL)
            suggest_offer(&nearest, command_specs[i].words, command_specs[i].words);
    }
    value_quote(nearest.best != NULL ? wanted : args[0], quoted);
    free(wanted);
    if (nearest.best != NULL)
        return usage(err, "unknown command %s (did you mean gqctl %s?)", quoted, nearest.best);
    return usage(err, "unknown command %s (gqctl help lists them all)", quoted);
}

static int take_words(struct settings *s, struct error_text *err)
{
    char **args = s->flags.args;
    size_t n_args = s->flags.n_args, n = match_words(args, n_args, &s->command);
    const struct command_spec *spec;

    if (n == 0)
        return unknown_command(args, n_args, err);
    if (s->command == COMMAND_HELP) {
        if (n_args > 1 && match_words(args + 1, n_args - 1, &s->help_about) == 0)
            return unknown_command(args + 1, n_args - 1, err);
        return 0;
    }
    spec = &command_specs[s->command];
    if (s->command == COMMAND_LOG_DUMP) {
        s->files = args + n;
        s->n_files = n_args - n;
        return s->n_files > 0 ? 0 : usage(err, "log dump needs the path of a file");
    }
    if (spec->args != NULL && n_args == n)
        return usage(err, "%s needs the name of a topic", spec->words);
    if (n_args > n + (spec->args != NULL))
        return usage(err, "%s: unexpected argument '%s'", spec->words, args[n_args - 1]);
    if (spec->args != NULL)
        s->topic = args[n];
    return 0;
}

static int take_guide_command(struct settings *s, struct error_text *err)
{
    const char *name = flags_text(&s->flags, "cmd", s->file.type);
    char quoted[VALUE_QUOTED_SIZE];

    if (name == NULL || name[0] == '\0')
        return usage(err, "no command is given (gqctl help lists them all)");
    for (size_t i = 0; i < n_command_specs; i++) {
        if (command_specs[i].guide != NULL && strcmp(command_specs[i].guide, name) == 0) {
            s->command = (enum command)i;
            return 0;
        }
    }
    value_quote(name, quoted);
    error_setf(
        err,
        "unknown command %s: must be create-topic, list-topics, describe-topic, topic-info, delete-topic, produce or "
        "consume",
        quoted);
    return flags_get(&s->flags, "cmd") != NULL ? EX_USAGE : EX_CONFIG;
}

static const char *command_name(const struct settings *s, bool is_guide)
{
    return is_guide ? command_specs[s->command].guide : command_specs[s->command].words;
}

static int check_flags(const struct settings *s, bool is_guide, struct error_text *err)
{
    uint32_t allowed = (UINT32_C(1) << s->command) | (is_guide ? GUIDE : 0);

    for (size_t i = 0; i < s->flags.n_values; i++) {
        const struct flag_spec *spec = s->flags.values[i].spec;

        if (strcmp(spec->name, "group") == 0)
            return usage(err, "--%s needs consumer groups, which this version doesn't have", spec->name);
        if ((gqctl_flag_commands[spec - gqctl_flags] & allowed) != 0)
            continue;
        if (strcmp(spec->name, "config") == 0)
            return usage(err, "--%s sets a config of a new topic; the client's own file is --client-config",
                         spec->name);
        return usage(err, "--%s means nothing to %s", spec->name, command_name(s, is_guide));
    }
    return 0;
}

/* --- values --- */

static int read_file(struct settings *s, const char *path, struct error_text *err)
{
    int r;

    if (path == NULL && access(CLIENT_FILE_DEFAULT, F_OK) < 0)
        return 0;
    r = client_file_read(&s->file, path != NULL ? path : CLIENT_FILE_DEFAULT, err);
    return r < 0 ? EX_CONFIG : 0;
}

static void take_connection(struct settings *s)
{
    const struct flag_set *flags = &s->flags;
    const struct flag_value *v;
    int64_t timeout_ns = s->file.timeout_ns > 0 ? s->file.timeout_ns : DEFAULT_TIMEOUT_NS;
    size_t at = 0;

    s->brokers = xcalloc(flags->n_values + s->file.n_brokers + 1, sizeof(*s->brokers));
    while ((v = flags_each(flags, "broker", &at)) != NULL)
        s->brokers[s->n_brokers++] = v->text;
    for (size_t i = 0; s->n_brokers == 0 && i < s->file.n_brokers; i++)
        s->brokers[i] = s->file.brokers[i];
    if (s->n_brokers == 0)
        s->n_brokers = s->file.n_brokers;
    if (s->n_brokers == 0)
        s->brokers[s->n_brokers++] = DEFAULT_BROKER;
    s->timeout_ms = (int32_t)(flags_number(flags, "timeout", timeout_ns) / VALUE_MSEC);
    s->timeout_ms = MAX(s->timeout_ms, 1);
    s->log_file = flags_text(flags, "log", s->file.log_file);
    if (s->log_file != NULL && s->log_file[0] == '\0')
        s->log_file = NULL;
    s->json = flags_bool(flags, "json");
}

/* The one place of "flag over file over default". */
static void take_command_values(struct settings *s, bool is_guide)
{
    const struct flag_set *flags = &s->flags;
    struct client_file none = { 0 };
    const struct client_file *file = is_guide ? &s->file : &none;
    int64_t offset;

    if (is_guide)
        s->topic = flags_text(flags, "topic", file->topic);
    s->message = flags_text(flags, "message", file->message);
    s->partitions = (int32_t)flags_number(flags, "partitions", 1);
    s->replicas = (int32_t)flags_number(flags, "replicas", file->has_replicas ? file->replicas : 1);
    s->partition = (int32_t)flags_number(flags, "partition", file->has_partition ? file->partition : GQ_PARTITION_ANY);
    s->count = flags_number(flags, "count", file->has_count ? file->count : -1);
    offset = flags_number(flags, "offset", file->has_offset ? file->offset : -1);
    s->offset = offset >= 0 ? offset : offset == GQ_OFFSET_WORD_END ? GQ_OFFSET_END : GQ_OFFSET_BEGINNING;
    s->strategy =
        (enum gq_strategy)flags_number(flags, "strategy", s->partition >= 0 ? GQ_STRATEGY_MANUAL : GQ_STRATEGY_HASH);
    s->compression = (enum gq_compression)flags_number(flags, "compression", GQ_COMPRESSION_NONE);
    s->key_delimiter = flags_text(flags, "key-delimiter", "")[0];
    s->follow = flags_bool(flags, "follow");
    s->format = flags_text(flags, "format", NULL);
}

/* Splits each value of a flag at its first '='. */
static int take_pairs(struct settings *s, const char *flag, struct error_text *err)
{
    const struct flag_value *v;
    size_t at = 0;

    s->headers = xcalloc(s->flags.n_values + 1, sizeof(*s->headers));
    s->configs = xcalloc(s->flags.n_values + 1, sizeof(*s->configs));
    while ((v = flags_each(&s->flags, flag, &at)) != NULL) {
        const char *equals = strchr(v->text, '=');
        const char *name;

        if (equals == NULL || equals == v->text)
            return usage(err, "--%s: '%s' is not of the form NAME=VALUE", flag, v->text);
        name = keep(s, v->text, (size_t)(equals - v->text));
        if (s->command == COMMAND_TOPIC_CREATE)
            s->configs[s->n_configs++] = (struct gq_config){ name, equals + 1 };
        else
            s->headers[s->n_headers++] = (struct gq_header){ name, equals + 1, strlen(equals + 1) };
    }
    return 0;
}

static int check_produce(const struct settings *s, bool is_guide, struct error_text *err)
{
    bool has_strategy = flags_get(&s->flags, "strategy") != NULL;

    if (is_guide && s->message == NULL)
        return usage(err, "produce needs a message (-message=TEXT)");
    if (s->message == NULL && s->count >= 0)
        return usage(err, "--count says how often to send --message, and there is none");
    if (s->message != NULL && s->key_delimiter != '\0')
        return usage(err, "--key-delimiter is for lines of standard input, not for --message");
    if (has_strategy && s->strategy == GQ_STRATEGY_MANUAL && s->partition < 0)
        return usage(err, "--strategy=manual needs --partition");
    if (has_strategy && s->strategy != GQ_STRATEGY_MANUAL && s->partition >= 0)
        return usage(err, "--partition and --strategy both pick the partition: give one of them");
    return 0;
}

static int check_values(const struct settings *s, bool is_guide, struct error_text *err)
{
    const char *name = command_name(s, is_guide);

    if (s->command == COMMAND_LOG_DUMP)
        return 0;
    if (command_specs[s->command].args != NULL || s->command == COMMAND_TOPIC_INFO) {
        if (s->topic == NULL || s->topic[0] == '\0')
            return usage(err, "%s needs a topic (%s)", name, is_guide ? "-topic=NAME" : "its name");
    }
    if (s->command == COMMAND_PRODUCE)
        return check_produce(s, is_guide, err);
    if (flags_bool(&s->flags, "from-beginning") && flags_get(&s->flags, "offset") != NULL)
        return usage(err, "--from-beginning and --offset both say where to begin: give one of them");
    if (s->json && s->format != NULL)
        return usage(err, "--json and --format both say what to print: give one of them");
    return 0;
}

static int resolve(struct settings *s, struct error_text *err)
{
    bool is_guide = s->flags.n_args == 0;
    const char *path = flags_text(&s->flags, is_guide ? "config" : "client-config", NULL);
    int r = 0;

    if (!is_guide)
        r = take_words(s, err);
    if (r == 0 && s->command != COMMAND_HELP && s->command != COMMAND_LOG_DUMP)
        r = read_file(s, path, err);
    if (r == 0 && is_guide)
        r = take_guide_command(s, err);
    if (r == 0)
        r = check_flags(s, is_guide, err);
    if (r != 0 || s->command == COMMAND_HELP)
        return r;
    take_connection(s);
    take_command_values(s, is_guide);
    r = check_values(s, is_guide, err);
    if (r != 0)
        return r;
    if (s->command == COMMAND_TOPIC_CREATE && !is_guide)
        return take_pairs(s, "config", err);
    return take_pairs(s, "header", err);
}

int settings_init(struct settings *s, int argc, char **argv, struct error_text *err)
{
    *s = (struct settings){ 0 };
    if (flags_parse(gqctl_flags, n_gqctl_flags, argc, argv, &s->flags, err) < 0)
        return EX_USAGE;
    if (flags_bool(&s->flags, "version")) {
        s->command = COMMAND_VERSION;
        return 0;
    }
    if (flags_bool(&s->flags, "help")) {
        s->command = COMMAND_HELP;
        match_words(s->flags.args, s->flags.n_args, &s->help_about);
        return 0;
    }
    return resolve(s, err);
}

void settings_fini(struct settings *s)
{
    for (size_t i = 0; i < s->n_copies; i++)
        free(s->copies[i]);
    free(s->copies);
    free(s->brokers);
    free(s->headers);
    free(s->configs);
    client_file_fini(&s->file);
    flag_set_fini(&s->flags);
    *s = (struct settings){ 0 };
}
