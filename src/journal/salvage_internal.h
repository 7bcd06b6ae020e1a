/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of the salvage share: salvage.c finds the blocks, salvage_record.c takes their records. */

#include "journal/block_reader.h"
#include "journal/files.h"
#include "journal/salvage.h"

/* One live file, by its name. */
struct salvage_file {
    struct journal_file_header header;
    bool header_good;  /* else the header is told from the blocks, where there are any */
    bool has_base;     /* salt and LSNs are known */
    bool ended;        /* by a block flagged as the last */
    uint64_t size;     /* what is there of it */
    uint64_t last_end; /* behind its last block that could be told; JOURNAL_FILE_HEADER_SIZE: none */
    uint64_t end;      /* where it ends when its own last block or the next header says so; else 0 */
};

struct salvage {
    struct journal_salvage *s;
    const struct uuid *incarnation;
    struct error_text *err;
    struct salvage_file *files;
    size_t n, capacity;
    uint64_t frontier;
    struct journal_block_reader blocks;
    struct journal_record_reader records;

    /* The block that is being taken. */
    struct salvage_file *file;
    struct journal_block block;
    uint64_t position;
    const uint8_t *payload;
    bool suspect;      /* its payload isn't what was written */
    bool span_suspect; /* nor that of the block in which the open record began */
    uint64_t span_position;
    uint64_t hidden; /* where a stretch without blocks begins by a place that can't be read; 0: none */

    uint64_t ordinal;        /* of the record */
    uint64_t damage_ordinal; /* of the last damage that could have held entries that nothing else tells of */
    uint64_t clear_ordinal;  /* of the last table or list that tells of all entries before it */
    uint64_t n_strange;      /* records of the block that are wrong and can't be placed */
    uint32_t table_part;
    size_t table_rows;
    uint64_t table_ordinal; /* where the table began */
};

/* Takes the records of the block; with what is left of a record that began before. */
void salvage_block(struct salvage *sv);
/* The chain of blocks is broken here: an open record is lost. */
void salvage_gap(struct salvage *sv);
/* Which groups may have lost entries that nothing tells of. */
void salvage_finish(struct salvage *sv);
