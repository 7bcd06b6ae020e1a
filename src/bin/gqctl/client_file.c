/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/gqctl/client_file.h"

#include <stdio.h>

#include "config/suggest.h"
#include "config/value.h"

#define MAX_FILE_BYTES (1u << 20)
#define MAX_BROKERS 64

/* --- reading --- */

struct input {
    FILE *file;
    size_t size;
};

/* Over the limit it ends the input early, which client_file_read() tells from a short file by the size. */
static size_t read_some(void *buffer, size_t size, void *ctx)
{
    struct input *in = ctx;
    size_t n = in->size > MAX_FILE_BYTES ? 0 : fread(buffer, 1, size, in->file);

    in->size += n;
    return n;
}

static int load(struct client_file *f, const char *path, struct error_text *err)
{
    struct input in = { .file = fopen(path, "re") };
    json_error_t at;
    int r = 0;

    if (in.file == NULL) {
        r = -errno;
        error_setf(err, "%s: %s", path, strerror(-r));
        return r;
    }
    f->root = json_load_callback(read_some, &in, JSON_REJECT_DUPLICATES, &at);
    if (ferror(in.file)) {
        error_setf(err, "%s: it can't be read", path);
        r = -EIO;
    } else if (in.size > MAX_FILE_BYTES) {
        error_setf(err, "%s: larger than %u bytes", path, MAX_FILE_BYTES);
        r = -EINVAL;
    } else if (f->root == NULL) {
        error_setf(err, "%s:%d: %s", path, at.line, at.text);
        r = -EINVAL;
    }
    fclose(in.file);
    return r;
}

/* --- values --- */

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}

struct place {
    const char *path; /* of the file */
    const char *section;
    struct error_text *err;
};

static int wrong_type(const struct place *at, const char *key, const char *wanted, const json_t *v)
{
    error_setf(at->err, "%s: %s%s: must be %s, not %s", at->path, at->section, key, wanted, type_name(v));
    return -EINVAL;
}

static int take_text(const struct place *at, const char *key, const json_t *v, const char **ret)
{
    if (!json_is_string(v))
        return wrong_type(at, key, "a text", v);
    if (strlen(json_string_value(v)) != json_string_length(v)) {
        error_setf(at->err, "%s: %s%s: there is a NUL character in it", at->path, at->section, key);
        return -EINVAL;
    }
    *ret = json_string_value(v);
    return 0;
}

static int take_number(const struct place *at, const char *key, const json_t *v, int64_t min, int64_t max,
                       bool *ret_has, int64_t *ret)
{
    if (!json_is_integer(v))
        return wrong_type(at, key, "a whole number", v);
    if (json_integer_value(v) < min || json_integer_value(v) > max) {
        error_setf(at->err, "%s: %s%s: %lld is not in the range of %lld to %lld", at->path, at->section, key,
                   (long long)json_integer_value(v), (long long)min, (long long)max);
        return -EINVAL;
    }
    *ret = json_integer_value(v);
    *ret_has = true;
    return 0;
}

static int check_value(const struct place *at, const char *key, const struct value_spec *spec, const char *text,
                       int64_t *ret)
{
    struct error_text why;

    if (value_parse(spec, text, ret, &why) == 0)
        return 0;
    error_setf(at->err, "%s: %s%s: %s", at->path, at->section, key, why.text);
    return -EINVAL;
}

static int take_brokers(const struct place *at, const char *key, const json_t *v, struct client_file *f)
{
    static const struct value_spec spec = { .type = VALUE_ADDRESS };
    size_t n = json_array_size(v);
    int r = 0;

    if (!json_is_array(v))
        return wrong_type(at, key, "an array of addresses", v);
    if (n == 0 || n > MAX_BROKERS) {
        error_setf(at->err, "%s: %s: must have 1 to %d addresses, not %zu", at->path, key, MAX_BROKERS, n);
        return -EINVAL;
    }
    f->brokers = xcalloc(n, sizeof(*f->brokers));
    f->n_brokers = n;
    for (size_t i = 0; r == 0 && i < n; i++) {
        char item[32];

        snprintf(item, sizeof(item), "%s[%zu]", key, i);
        r = take_text(at, item, json_array_get(v, i), &f->brokers[i]);
        if (r == 0)
            r = check_value(at, item, &spec, f->brokers[i], NULL);
    }
    return r;
}

static int take_timeout(const struct place *at, const char *key, const json_t *v, struct client_file *f)
{
    static const struct value_spec spec = { .type = VALUE_DURATION,
                                            .min = VALUE_MSEC,
                                            .max = CLIENT_FILE_TIMEOUT_MAX_NS };
    const char *text;
    int r = take_text(at, key, v, &text);

    return r < 0 ? r : check_value(at, key, &spec, text, &f->timeout_ns);
}

static int unknown_key(const struct place *at, const char *key, const char *const *known)
{
    struct suggest nearest;
    char quoted[VALUE_QUOTED_SIZE];

    suggest_init(&nearest, key);
    for (size_t i = 0; known[i] != NULL; i++)
        suggest_offer(&nearest, known[i], known[i]);
    value_quote(key, quoted);
    error_setf(at->err, "%s: unknown key %s%s%s%s%s", at->path, quoted, at->section[0] != '\0' ? " in command" : "",
               nearest.best != NULL ? " (did you mean " : "", nearest.best != NULL ? nearest.best : "",
               nearest.best != NULL ? "?)" : "");
    return -EINVAL;
}

/* --- sections --- */

static int take_command_key(const struct place *at, const char *key, const json_t *v, struct client_file *f)
{
    static const char *const known[] = { "type", "topic", "partition", "replicas", "message", "offset", "count", NULL };

    if (strcmp(key, "type") == 0)
        return take_text(at, key, v, &f->type);
    if (strcmp(key, "topic") == 0)
        return take_text(at, key, v, &f->topic);
    if (strcmp(key, "message") == 0)
        return take_text(at, key, v, &f->message);
    if (strcmp(key, "partition") == 0)
        return take_number(at, key, v, -1, INT32_MAX, &f->has_partition, &f->partition);
    if (strcmp(key, "replicas") == 0)
        return take_number(at, key, v, 1, INT16_MAX, &f->has_replicas, &f->replicas);
    if (strcmp(key, "offset") == 0)
        return take_number(at, key, v, -1, INT64_MAX, &f->has_offset, &f->offset);
    if (strcmp(key, "count") == 0)
        return take_number(at, key, v, -1, INT64_MAX, &f->has_count, &f->count);
    return unknown_key(at, key, known);
}

static int take_command(const struct place *at, const char *key, json_t *section, struct client_file *f)
{
    struct place inside = { .path = at->path, .section = "command.", .err = at->err };
    const char *name;
    json_t *v;
    int r;

    if (!json_is_object(section))
        return wrong_type(at, key, "an object", section);
    json_object_foreach(section, name, v)
    {
        r = take_command_key(&inside, name, v, f);
        if (r < 0)
            return r;
    }
    return 0;
}

static int take_key(const struct place *at, const char *key, json_t *v, struct client_file *f)
{
    static const char *const known[] = { "broker_addrs", "timeout", "log_file", "command", NULL };

    if (strcmp(key, "broker_addrs") == 0)
        return take_brokers(at, key, v, f);
    if (strcmp(key, "timeout") == 0)
        return take_timeout(at, key, v, f);
    if (strcmp(key, "log_file") == 0)
        return take_text(at, key, v, &f->log_file);
    if (strcmp(key, "command") == 0)
        return take_command(at, key, v, f);
    return unknown_key(at, key, known);
}

int client_file_read(struct client_file *f, const char *path, struct error_text *err)
{
    struct place at = { .path = path, .section = "", .err = err };
    const char *key;
    json_t *v;
    int r;

    *f = (struct client_file){ 0 };
    r = load(f, path, err);
    if (r < 0)
        return r;
    if (!json_is_object(f->root)) {
        error_setf(err, "%s: must hold an object, not %s", path, type_name(f->root));
        return -EINVAL;
    }
    json_object_foreach(f->root, key, v)
    {
        r = take_key(&at, key, v, f);
        if (r < 0)
            return r;
    }
    return 0;
}

void client_file_fini(struct client_file *f)
{
    free(f->brokers);
    json_decref(f->root);
    *f = (struct client_file){ 0 };
}
