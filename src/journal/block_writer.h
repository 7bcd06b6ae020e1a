/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Cuts records into blocks and writes them to a journal file: each block is gathered in aligned memory, large data
 * where it lies, and written when it is full or the flush ends. Blocking; on the flush thread, or at start. */

#include <stddef.h>
#include <stdint.h>

#include "env/disk.h"
#include "journal/format.h"

/* Aligned memory that is kept between flushes, at most JOURNAL_BLOCK_MAX. */
struct journal_staging {
    uint8_t *data;
    size_t capacity;
};

/* Room for a block of so many bytes of payload, or the largest block. */
void journal_staging_grow(struct journal_staging *s, size_t payload_size);
void journal_staging_fini(struct journal_staging *s);

/* Whole records in memory, growing. */
struct journal_bytes {
    uint8_t *data;
    size_t size, capacity;
};

void journal_bytes_fini(struct journal_bytes *b);
/* Appends a record with a body of body_size zeros; returns the body. It holds until the next call. */
uint8_t *journal_bytes_record(struct journal_bytes *b, enum journal_record_kind kind, uint8_t flags, size_t body_size);

/* A record's last piece from this size on isn't copied into the staging memory, if it lies at a multiple of
 * JOURNAL_RECORD_ALIGN: its whole pages are written from where they are, in a block that starts so that the place in
 * the file has the alignment of the memory. */
#define JOURNAL_DIRECT_MIN (32 * 1024)
#define JOURNAL_BLOCK_PIECES (2 * JOURNAL_BLOCK_MAX / JOURNAL_DIRECT_MIN + 3)

/* Bytes on disk that this may cost beyond those of the record: pages that stay half empty. Upper bound. */
uint64_t journal_direct_cost(size_t piece_size);

struct journal_block_writer {
    struct disk_file *io;
    struct journal_staging *staging;
    uint64_t base_lsn;
    uint64_t position; /* of the block that is being gathered */
    uint64_t limit;    /* size of the file */
    struct journal_block block;
    size_t used;     /* payload so far */
    bool has_record; /* block.first_record is set */
    /* The block so far: pieces of the staging memory, and of others' memory between them. */
    struct iovec pieces[JOURNAL_BLOCK_PIECES];
    int n_pieces;
    size_t staged;    /* bytes of the staging memory, header and what is before the payload included */
    size_t run_start; /* of these, where the last piece begins: it isn't in pieces yet */
    size_t hashed;    /* of these, in crc already */
    uint32_t crc;     /* of the payload */
    int error;        /* sticky */
};

/* flushed_lsn: what the blocks will tell. position: where the first goes. */
void journal_block_writer_init(struct journal_block_writer *w, struct disk_file *io, struct journal_staging *staging,
                               const struct journal_file_header *h, uint64_t position, uint64_t flushed_lsn);
/* A record whose body is the pieces joined. They must stay until the writer has finished. last_crc: CRC32C of the last
 * piece if that is known, which spares a pass over it; or NULL. */
void journal_block_writer_record(struct journal_block_writer *w, enum journal_record_kind kind,
                                 const struct slice *pieces, int n_pieces, const uint32_t *last_crc);
/* Ready-made records. */
void journal_block_writer_records(struct journal_block_writer *w, struct slice records);
/* Writes what is gathered. Returns 0 or the first error; *ret_position is behind the last block. No sync. */
int journal_block_writer_finish(struct journal_block_writer *w, uint16_t flags, uint64_t *ret_position);
