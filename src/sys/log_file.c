/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "sys/clock.h"
#include "sys/dirs.h"
#include "sys/log_record.h"

/* "/var/log/b1.log" is dir "/var/log", stem "b1", ext ".log". */
static void split_path(struct sys_log_tidy *t, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');

    if (dot == NULL || dot == base)
        dot = base + strlen(base);
    t->dir = slash == NULL ? xstrdup(".") : xstrndup(path, MAX((size_t)(slash - path), (size_t)1));
    t->stem = xstrndup(base, (size_t)(dot - base));
    t->ext = xstrdup(dot);
}

/* Returns the descriptor. */
static int open_path(struct sys_log_file *f)
{
    struct stat st;
    int fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    f->size_bytes = (uint64_t)st.st_size;
    return fd;
}

static void tidier_main(void *ctx)
{
    sys_log_tidy_run(&((struct sys_log_file *)ctx)->tidy, clock_real_ms(sys_clock()));
}

/* One at a time: a second one waits for the first. */
static void tidy(struct sys_log_file *f)
{
    sys_thread_join(&f->tidier);
    if (sys_thread_start(&f->tidier, "gq-log-tidy", tidier_main, f) < 0)
        tidier_main(f);
}

void sys_log_file_set_options(struct sys_log_file *f, const struct sys_log_options *options)
{
    sys_thread_join(&f->tidier);
    f->max_size_bytes = options->max_size_bytes;
    f->tidy.max_backups = options->max_backups;
    f->tidy.max_age_ns = options->max_age_ns;
    f->tidy.compress = options->compress;
    tidy(f);
}

int sys_log_file_open(struct sys_log_file *f, const struct sys_log_options *options, struct error_text *err)
{
    int r;

    *f = (struct sys_log_file){ .path = xstrdup(options->file), .fd = -1 };
    split_path(&f->tidy, f->path);
    r = sys_dirs_make(f->tidy.dir);
    f->fd = r == 0 ? open_path(f) : r;
    if (f->fd < 0) {
        r = f->fd;
        error_setf(err, "log file %s: %s", f->path, error_text(r));
        sys_log_file_close(f);
        return r;
    }
    sys_log_file_set_options(f, options);
    return 0;
}

void sys_log_file_close(struct sys_log_file *f)
{
    sys_thread_join(&f->tidier);
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f->tidy.dir);
    free(f->tidy.stem);
    free(f->tidy.ext);
}

int sys_log_file_reopen(struct sys_log_file *f)
{
    int fd = open_path(f);

    if (fd < 0)
        return fd;
    close(f->fd);
    f->fd = fd;
    return 0;
}

/* The first name that is free; two within a millisecond take the next one. */
static int put_aside(struct sys_log_file *f, int64_t real_ms)
{
    for (int i = 0; i < 1000; i++) {
        _cleanup_(freep) char *aside = NULL;
        char time[SYS_LOG_TIME_SIZE];

        sys_log_time_format(real_ms + i, true, time);
        aside = xasprintf("%s/%s-%s%s", f->tidy.dir, f->tidy.stem, time, f->tidy.ext);
        if (renameat2(AT_FDCWD, f->path, AT_FDCWD, aside, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno == EINVAL || errno == ENOSYS) /* a file system without that flag */
            return rename(f->path, aside) < 0 ? -errno : 0;
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

/* On an error the old file goes on for another max_size_bytes: a large log is better than none. Its name may be gone:
 * somebody took it, or the last time there was no new file to be had. */
static void rotate(struct sys_log_file *f, int64_t real_ms)
{
    int r = put_aside(f, real_ms);

    if ((r == 0 || r == -ENOENT) && sys_log_file_reopen(f) == 0)
        tidy(f);
    else
        f->size_bytes = 0;
}

int sys_log_file_write(struct sys_log_file *f, const char *line, size_t size, int64_t real_ms)
{
    if (f->size_bytes > 0 && f->size_bytes + size > f->max_size_bytes)
        rotate(f, real_ms);
    while (size > 0) {
        ssize_t n = write(f->fd, line, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        line += n;
        size -= (size_t)n;
        f->size_bytes += (uint64_t)n;
    }
    return 0;
}
