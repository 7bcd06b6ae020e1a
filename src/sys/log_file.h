/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A log file that is put aside when it has grown, and what becomes of the old ones. The log's thread owns it; old files
 * are compressed and removed on a thread that lives as long as that takes. */

#include "base/textbuf.h"
#include "sys/log.h"
#include "sys/thread.h"

/* What the tidying thread works on: its own copy. */
struct sys_log_tidy {
    char *dir, *stem, *ext; /* old files are dir/stem-TIME + ext, then .gz when compressed */
    int64_t max_backups, max_age_ns;
    bool compress;
};

struct sys_log_file {
    char *path;
    int fd;
    uint64_t size_bytes;
    uint64_t max_size_bytes;
    struct sys_log_tidy tidy;
    struct sys_thread tidier;
};

/* Opens options->file for appending, made with mode 0640, its directory too. Returns 0, or a negative errno and a
 * text. */
int sys_log_file_open(struct sys_log_file *f, const struct sys_log_options *options, struct error_text *err);
/* Waits for the tidying. */
void sys_log_file_close(struct sys_log_file *f);

void sys_log_file_set_options(struct sys_log_file *f, const struct sys_log_options *options);

/* Puts the file aside first, when the line would make it too large; real_ms is for its name. Returns 0, or a negative
 * errno: some or none of the line was written, and the next write tries again. */
int sys_log_file_write(struct sys_log_file *f, const char *line, size_t size, int64_t real_ms);

/* Opens the name again. When that fails, the open file is kept. */
int sys_log_file_reopen(struct sys_log_file *f);

/* Removes old files beyond count and age, as of now_ms (Unix time), and compresses the rest. Goes on at errors.
 * log_tidy.c */
void sys_log_tidy_run(const struct sys_log_tidy *t, int64_t now_ms);
