/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads blocks of a journal file through a window of memory, and puts records together that span them. Blocking. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/disk.h"
#include "journal/format.h"

/* One for any number of files, one after the other. */
struct journal_block_reader {
    struct disk_file *io;
    struct journal_file_header header; /* generation, salt, base LSN and size of the file count */
    uint8_t *window;                   /* JOURNAL_BLOCK_MAX bytes, aligned */
    uint64_t window_start;
    size_t window_size;
    uint64_t narrow_end; /* some place before it can't be read: no more is read at once than is needed */
    /* Set by who goes on behind damage: what can't be read is zeros in the window, all around it is there. */
    bool patchy;
    bool unreadable[JOURNAL_BLOCK_MAX / DISK_ALIGN]; /* of the window, in patchy mode */
};

void journal_block_reader_init(struct journal_block_reader *r);
void journal_block_reader_fini(struct journal_block_reader *r);

/* Opens path and reads the header. Returns 0 with *ret_verdict set, or a negative errno. A file that is too short for
 * a header counts as damaged. */
int journal_block_reader_open(struct journal_block_reader *r, struct env_disk *disk, const char *path,
                              enum journal_header_verdict *ret_verdict);

/* The same for who looks at the header first and at few files further: reads no more than that. */
int journal_block_reader_open_header(struct journal_block_reader *r, struct env_disk *disk, const char *path,
                                     enum journal_header_verdict *ret_verdict);

enum journal_block_verdict {
    JOURNAL_BLOCK_BAD,     /* no header of this file's generation for this place */
    JOURNAL_BLOCK_PARTIAL, /* a good header, but the payload isn't what was written */
    JOURNAL_BLOCK_GOOD,
};

/* The block at an aligned offset. Returns enum journal_block_verdict or a negative errno. *ret_payload holds until the
 * next call. */
int journal_block_reader_at(struct journal_block_reader *r, uint64_t offset, struct journal_block *ret,
                            const uint8_t **ret_payload);

/* With patchy: some byte of this place in the last block's surroundings can't be read. A place that wasn't looked at
 * counts as readable. */
bool journal_block_reader_lacks(const struct journal_block_reader *r, uint64_t offset, uint64_t size);

/* Puts records together. */
struct journal_record_reader {
    uint8_t *span; /* the start of a record that goes on in the next block */
    size_t span_size, span_capacity;
    size_t span_total; /* of the record with header and padding; 0: none is open */
    uint64_t span_lsn; /* of its block */
    size_t max_size;   /* a record that would be larger is malformed */
};

void journal_record_reader_fini(struct journal_record_reader *r);
/* Forgets an open record. */
void journal_record_reader_reset(struct journal_record_reader *r);

/* Returns non-zero to end. lsn is that of the block in which the record starts. */
typedef int (*journal_record_fn)(void *ctx, uint64_t lsn, const struct journal_record *record);

/* Hands over the records that end in this block. Returns 0, what fn returned, or -EBADMSG when the records don't fit
 * together; a reader that was reset takes any block and starts with its first record. */
int journal_record_reader_block(struct journal_record_reader *r, const struct journal_block *b, const uint8_t *payload,
                                journal_record_fn fn, void *ctx);
