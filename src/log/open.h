/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the two halves of opening share: open.c lists and changes files, check.c looks at what is in them. Blocking. */

#include "log/internal.h"

/* Descriptors of a log without a shared cache. */
#define LOG_CACHE_OWN 4

struct scan_file {
    uint64_t index;
    uint8_t kinds; /* a bit per enum segment_file */
    bool live;     /* set by check_segments() */
};

/* The files of a directory, by index. */
struct scan {
    struct scan_file *files;
    size_t n, capacity;
    char **tmp; /* files that don't count */
    size_t n_tmp;
    bool has_image; /* of these one or more */
    bool dir_exists;
};

/* Lists the files: one item per index, in order of the indexes. A missing directory has none. */
int scan_dir(struct env_disk *disk, const char *dir, struct scan *scan);
void scan_fini(struct scan *scan);

/* beyond.c: after check_segments(), before anything is cut. */
void beyond_find(const struct log *l, const struct scan *scan, struct log_beyond *b);

/* Decides which segments are live, checks them and fills the log's segments and terms. last_sizes: of the last
 * segment's files as they are. Returns 0, LOG_E_*, or a negative errno, with err set. */
int check_segments(struct log *l, struct scan *scan, uint64_t last_sizes[SEGMENT_N_PARTS], struct error_text *err);
