/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Offline: everything that a log's directory holds, read to the last byte, and a segment written again. Blocking; only
 * what is called rewrite writes.
 *
 * A survey doesn't judge: it says which entries are whole. What lies behind the last checkpoint may be garbage that a
 * crash left, and the journal has it. */

#include "log/log.h"

struct log_survey_segment {
    uint64_t base_index;
    int64_t base_offset;    /* of its first entry, from the header or else from that entry */
    uint64_t prev_term;     /* of the entry before; 0 unknown */
    uint32_t prev_checksum; /* likewise; holds with header_good */
    uint64_t n;             /* entries: up to the next segment, else as many as the table has records */
    bool header_good;
    bool tidy;       /* files have the very sizes that the table says */
    uint8_t present; /* a bit per part (log/format.h) */
};

/* Entries next to each other that are damaged in the same way. */
struct log_survey_bad {
    uint64_t first, last;
    char file[32]; /* name in the directory */
    uint64_t position;
    const char *what;
};

struct log_survey_snapshot {
    uint64_t index;
    int64_t next_offset; /* of a good one */
    bool good;
};

struct log_survey {
    struct env_disk *disk;
    char *dir;
    struct log_survey_segment *segments; /* oldest first */
    size_t n_segments;
    struct log_survey_bad *bads; /* by index */
    size_t n_bads;
    struct log_survey_snapshot *snapshots; /* by index */
    size_t n_snapshots;
    int64_t log_start;              /* the largest that a whole entry's command sets; 0 none */
    struct survey_rebuilt *rebuilt; /* entries whose table record was made again */
    size_t n_rebuilt;
    struct survey_files *open;
};

/* Reads everything. Returns 0, LOG_E_VERSION or a negative errno with err set. A missing directory is an empty one. */
int log_survey(struct env_disk *disk, const char *dir, struct log_survey **ret, struct error_text *err);
void log_survey_free(struct log_survey *s); /* takes NULL */

/* The segment that has the entry, or NULL. */
const struct log_survey_segment *log_survey_find(const struct log_survey *s, uint64_t index);
/* The damage that hits the entry, or NULL. */
const struct log_survey_bad *log_survey_bad(const struct log_survey *s, uint64_t index);

/* One whole entry. */
struct log_survey_entry {
    uint64_t term;
    uint32_t checksum;
    struct entry_header header;
    const uint8_t *data; /* the envelope; holds until the next call */
    size_t size;
    /* Its table record was damaged: batches and commands are what was written, append time and checksum are not. */
    bool rebuilt;
};
/* Returns 0, -ENOENT, -EBADMSG (damaged) or another errno. */
int log_survey_read(struct log_survey *s, uint64_t index, struct log_survey_entry *ret);

/* One new segment in an empty directory. */
struct log_rewrite;
/* before: the entry before the first one; its index + 1 names the segment. Returns 0 or an error with err set. */
int log_rewrite_begin(struct env_disk *disk, const char *dir, const struct log_position *before,
                      struct log_rewrite **ret, struct error_text *err);
/* The next entry. Returns 0 or a negative errno. */
int log_rewrite_add(struct log_rewrite *w, uint64_t index, uint64_t term, uint32_t checksum, const void *data,
                    size_t size);
/* Makes it durable and frees w; also after an error. */
int log_rewrite_end(struct log_rewrite *w);
/* A partition snapshot as of an entry, durable but for its name. */
int log_rewrite_snapshot(struct env_disk *disk, const char *dir, const struct log_position *at, struct slice body);
