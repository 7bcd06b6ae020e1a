/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "sys/log_file.h"
#include "sys/log_record.h"

#define GZ ".gz"
#define UNFINISHED ".gz.new"

struct old_file {
    char *path;
    int64_t real_ms;
    bool compressed;
};

struct old_files {
    struct old_file *items;
    size_t n;
};

/* The time in "2026-11-24T13-17-52.123", or -1 when it isn't one. */
static int64_t parse_time(const char *text)
{
    struct tm tm = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H-%M-%S", &tm);
    unsigned ms;

    if (end == NULL || end - text != 19 || sscanf(end, ".%3u", &ms) != 1)
        return -1;
    return (int64_t)timegm(&tm) * 1000 + ms;
}

/* Says what is behind the time and ext of one of our old files, e.g. "" or ".gz"; NULL when it isn't one. */
static const char *suffix_of(const struct sys_log_tidy *t, const char *name, int64_t *ret_ms)
{
    size_t n_stem = strlen(t->stem), n_ext = strlen(t->ext);

    if (strncmp(name, t->stem, n_stem) != 0 || name[n_stem] != '-')
        return NULL;
    name += n_stem + 1;
    *ret_ms = parse_time(name);
    if (*ret_ms < 0 || strlen(name) < SYS_LOG_TIME_SIZE - 1)
        return NULL;
    name += SYS_LOG_TIME_SIZE - 1;
    return strncmp(name, t->ext, n_ext) == 0 ? name + n_ext : NULL;
}

static void take_name(const struct sys_log_tidy *t, const char *name, struct old_files *files)
{
    int64_t real_ms;
    const char *suffix = suffix_of(t, name, &real_ms);
    char *path;

    if (suffix == NULL)
        return;
    path = xasprintf("%s/%s", t->dir, name);
    if (strcmp(suffix, "") == 0 || strcmp(suffix, GZ) == 0) {
        files->items = xrealloc(files->items, (files->n + 1) * sizeof(*files->items));
        files->items[files->n++] = (struct old_file){ .path = path, .real_ms = real_ms, .compressed = *suffix != '\0' };
        return;
    }
    if (strcmp(suffix, UNFINISHED) == 0) /* the process ended while it compressed */
        unlink(path);
    free(path);
}

static int newest_first(const void *a, const void *b)
{
    const struct old_file *x = a, *y = b;

    return x->real_ms < y->real_ms ? 1 : x->real_ms > y->real_ms ? -1 : strcmp(x->path, y->path);
}

static void list_old(const struct sys_log_tidy *t, struct old_files *files)
{
    DIR *dir = opendir(t->dir);
    struct dirent *ent;

    if (dir == NULL)
        return;
    while ((ent = readdir(dir)) != NULL)
        take_name(t, ent->d_name, files);
    closedir(dir);
    if (files->n > 0)
        qsort(files->items, files->n, sizeof(*files->items), newest_first);
}

static bool copy_into(gzFile to, int from)
{
    static _Thread_local char chunk[65536];
    ssize_t n;

    while ((n = read(from, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || gzwrite(to, chunk, (unsigned)n) != n)
            return false;
    }
    return true;
}

/* The old file goes only when the new one is whole. */
static void compress_one(const char *path)
{
    _cleanup_(freep) char *unfinished = xasprintf("%s" UNFINISHED, path), *done = xasprintf("%s" GZ, path);
    int from = open(path, O_RDONLY | O_CLOEXEC), to_fd;
    gzFile to = NULL;
    bool good;

    if (from < 0)
        return;
    to_fd = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (to_fd >= 0)
        to = gzdopen(to_fd, "wb");
    if (to == NULL && to_fd >= 0)
        close(to_fd);
    good = to != NULL && copy_into(to, from);
    if (to != NULL)
        good = gzclose(to) == Z_OK && good;
    close(from);
    if (good && rename(unfinished, done) == 0)
        unlink(path);
    else if (to_fd >= 0)
        unlink(unfinished);
}

void sys_log_tidy_run(const struct sys_log_tidy *t, int64_t now_ms)
{
    struct old_files files = { NULL, 0 };

    list_old(t, &files);
    for (size_t i = 0; i < files.n; i++) {
        const struct old_file *f = &files.items[i];
        bool too_many = t->max_backups >= 0 && i >= (size_t)t->max_backups;
        bool too_old = t->max_age_ns >= 0 && now_ms - f->real_ms > t->max_age_ns / 1000000;

        if (too_many || too_old)
            unlink(f->path);
        else if (t->compress && !f->compressed)
            compress_one(f->path);
        free(f->path);
    }
    free(files.items);
}
