/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The directory of a journal: names, making a file, taking it out of use. Blocking calls, one at a time. */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/list.h"
#include "env/disk.h"
#include "journal/block_writer.h"
#include "journal/format.h"

struct journal_file {
    struct list link; /* journal.files or journal.voids */
    struct journal_file_header header;
    uint64_t end;         /* offset behind the last block */
    uint64_t table_lsn;   /* end of the flush that holds its STATE_TABLE; UINT64_MAX: not on disk yet */
    uint64_t ordinal;     /* of its first record, among those that recovery read */
    struct disk_file *io; /* of the current and the prepared file, else NULL */
    struct list usages;
    struct arena usage_memory;
    size_t n_usages;
    size_t n_pins;            /* groups with live entries here above their durable checkpoint */
    uint64_t relocated_bytes; /* of relocated entries of these groups */
};

struct journal_file *journal_file_new(const struct journal_file_header *h);
/* Closes it and frees its usages. Takes NULL. */
void journal_file_free(struct journal_file *f);

static inline uint64_t journal_file_end_lsn(const struct journal_file *f)
{
    return f->header.base_lsn + f->end;
}

struct journal_spare {
    struct list link;
    uint64_t generation; /* its name */
    uint64_t size;
};

struct journal_dir {
    struct env_disk *disk;
    char *path;
};

enum journal_name_kind {
    JOURNAL_NAME_LIVE,
    JOURNAL_NAME_SPARE,
    JOURNAL_NAME_NEW,
};

/* The path of a file; the caller frees it. */
char *journal_path(const struct journal_dir *d, uint64_t generation, enum journal_name_kind kind);
/* False when it is no name of ours. */
bool journal_name_parse(const char *name, uint64_t *ret_generation, enum journal_name_kind *ret_kind);

/* Makes the directory and its parents. */
int journal_dir_make(const struct journal_dir *d);

/* A file that is filled with zeros bit by bit; until it is made a live one its name is that of a new file. */
struct journal_blank {
    uint64_t generation; /* in its name */
    uint64_t size;
    uint64_t filled;
    struct disk_file *io; /* NULL until something is filled */
};
/* Fills up to a place. Returns 0, or a negative errno with *what set to what was being done; the file is gone then. */
int journal_blank_fill(const struct journal_dir *d, struct journal_blank *b, uint64_t to, const char **what);
/* Closes and removes it, if that is possible; what is left is removed at the next start. */
void journal_blank_drop(const struct journal_dir *d, struct journal_blank *b);

/* How to make a live file of a spare, of a blank that has been filled, or of nothing. */
struct journal_make {
    struct journal_file_header header;
    uint64_t spare; /* generation in the name of the spare to use, or 0 */
    uint64_t blank; /* in that of the blank, io is then its; both 0: fill a new file with zeros */
    /* Whole records that are written behind the header before the file gets its name; the header's flushed LSN
     * then says so. May be empty. */
    struct slice head;
    struct journal_staging *staging; /* for head */
    struct disk_file *io;
    uint64_t end; /* result: of the blocks with head */
};
/* Returns 0, or a negative errno with *what set to what was being done; a spare that was to be used may then have any
 * contents, but it is still a spare, and a new file is gone if that was possible. */
int journal_file_make(const struct journal_dir *d, struct journal_make *m, const char **what);

/* A spare of zeros. The same errors. */
int journal_file_reserve(const struct journal_dir *d, uint64_t generation, uint64_t size, const char **what);

/* From live to spare, or away. */
int journal_file_retire(const struct journal_dir *d, uint64_t generation, bool keep, const char **what);
int journal_file_drop(const struct journal_dir *d, uint64_t generation, enum journal_name_kind kind, const char **what);
