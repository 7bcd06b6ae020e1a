/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <sys/stat.h>

#include "bin/gqctl/gqctl.h"
#include "bin/gqctl/say.h"
#include "journal/dump.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "log/dump.h"
#include "log/log.h"
#include "sys/disk.h"

struct dumping {
    const char *path;
    bool json;
    bool is_damaged;
};

/* --- items of both kinds of files --- */

static void begin_item(const struct dumping *d, const char *kind, uint64_t position, json_t **ret_object)
{
    *ret_object = NULL;
    if (d->json)
        *ret_object = json_pack("{s:s, s:I, s:s}", "file", d->path, "position", (json_int_t)position, "kind", kind);
    else
        printf("%12llu  %-10s", (unsigned long long)position, kind);
}

/* Numbers may have all 64 bits, which JSON integers of jansson don't: those stay texts. */
static void add_field(json_t *object, const char *name, const char *value, bool is_number)
{
    json_t *number = object != NULL && is_number ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;

    if (object != NULL)
        json_object_set_new(object, name, number != NULL ? number : json_string(value));
    else
        printf(" %s=%s", name, value);
}

static int end_item(json_t *object)
{
    if (object != NULL)
        print_json(object);
    else
        putchar('\n');
    return ferror(stdout) ? -EIO : 0;
}

static int on_journal_item(void *ctx, const struct journal_dump_item *item)
{
    struct dumping *d = ctx;
    json_t *object;

    d->is_damaged = d->is_damaged || item->kind == JOURNAL_DUMP_DAMAGE;
    begin_item(d, item->name, item->position, &object);
    for (size_t i = 0; i < item->n_fields; i++)
        add_field(object, item->fields[i].name, item->fields[i].value, item->fields[i].is_number);
    return end_item(object);
}

static int on_log_item(void *ctx, const struct log_dump_item *item)
{
    struct dumping *d = ctx;
    json_t *object;

    d->is_damaged = d->is_damaged || strcmp(item->kind, "damage") == 0;
    begin_item(d, item->kind, item->position, &object);
    for (unsigned i = 0; i < item->n_fields; i++)
        add_field(object, item->fields[i].name, item->fields[i].value, item->fields[i].is_number);
    return end_item(object);
}

/* --- files --- */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name), suffix_size = strlen(suffix);

    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

static bool is_of_segment(const char *name)
{
    return has_suffix(name, ".log") || has_suffix(name, ".entries") || has_suffix(name, ".aux") ||
           has_suffix(name, ".snapshot");
}

/* Results above 0 are the modules' own: what they mean has been printed as an item, or is in why. */
static int dump_on(struct env_disk *disk, const char *name, struct dumping *d)
{
    struct error_text why = { .text = "" };
    int r;

    if (is_of_segment(name))
        r = log_dump(disk, name, on_log_item, d);
    else
        r = journal_dump(disk, name, on_journal_item, d, &why);
    if (ferror(stdout))
        return EXIT_FAILURE;
    if (r < 0 || (r > 0 && !d->is_damaged))
        say_error("%s: %s", d->path, why.text[0] != '\0' ? why.text : r < 0 ? strerror(-r) : "it is damaged");
    else if (d->is_damaged)
        say_error("%s: there is damage in it", d->path);
    return r == 0 && !d->is_damaged ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The disk makes missing directories, so a path that leads nowhere ends before there is one. */
static int dump_file(const char *path, bool json)
{
    struct dumping d = { .path = path, .json = json };
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL ? xstrdup(".") : xstrndup(path, MAX((size_t)(slash - path), (size_t)1));
    struct env_disk *disk;
    struct stat st;
    int status, r = stat(path, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;

    if (r == 0)
        r = sys_disk_new(directory, &disk);
    free(directory);
    if (r < 0) {
        say_error("%s: %s", path, r == -EINVAL ? "it is no regular file" : strerror(-r));
        return EXIT_FAILURE;
    }
    status = dump_on(disk, slash == NULL ? path : slash + 1, &d);
    sys_disk_free(disk);
    return status;
}

int run_log_dump(struct run *run)
{
    const struct settings *s = run->settings;
    int status = EXIT_SUCCESS;

    for (size_t i = 0; i < s->n_files; i++) {
        int r;

        if (s->n_files > 1 && !s->json)
            printf("%s%s:\n", i > 0 ? "\n" : "", s->files[i]);
        r = dump_file(s->files[i], s->json);
        if (status == EXIT_SUCCESS)
            status = r;
    }
    return status;
}
