/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The disk format of the journal, version 1. The page that describes it: docs/format/journal.md.
 *
 *   journal/SHARD/GENERATION.journal:  file header (4096 bytes) | block | block | …
 *   block:                             block header (64 bytes) | payload | zeros up to a multiple of 4096
 *   payloads, joined:                  record | record | …, each at a multiple of 8
 *
 * All integers are little-endian. An LSN is a byte address in the journal: a file covers base_lsn .. base_lsn +
 * file_size, so the LSN of a block follows from its place. A flushed LSN says that everything below it is on disk. */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/uuid.h"

#define JOURNAL_FORMAT_VERSION 1
#define JOURNAL_FILE_MAGIC "GQJOURNL"
#define JOURNAL_BLOCK_MAGIC 0x424a5147u /* "GQJB" */

#define JOURNAL_FILE_HEADER_SIZE 4096
#define JOURNAL_BLOCK_ALIGN 4096
#define JOURNAL_BLOCK_HEADER_SIZE 64
#define JOURNAL_BLOCK_MAX (1024 * 1024) /* with header and padding */
#define JOURNAL_RECORD_ALIGN 8
#define JOURNAL_TABLE_ROWS_MAX 4096 /* of one STATE_TABLE, GROUP_LIST or CHECKPOINT record */

/* Names in journal/SHARD/: the generation in 20 digits and one of these. */
#define JOURNAL_SUFFIX_LIVE ".journal"
#define JOURNAL_SUFFIX_SPARE ".spare" /* contents mean nothing: waits to become a live file */
#define JOURNAL_SUFFIX_NEW ".new"     /* being made */

/* File header. Magic, version and crc stand at these places in every version. */
struct journal_disk_file {
    uint8_t magic[8];
    uint32_t version;
    uint32_t shard;
    uint8_t incarnation[16];  /* of the data directory */
    uint64_t generation;      /* never used twice in a shard */
    uint64_t prev_generation; /* of the file before, 0 for the first */
    uint64_t prev_end_lsn;    /* where the file before was cut by a recovery; 0: it ends with its GROUP_LIST */
    uint64_t base_lsn;
    uint64_t file_size;
    uint64_t flushed_lsn; /* known when the header was written */
    uint64_t salt;        /* random; repeated in each block */
    uint8_t reserved[4096 - 88 - 4];
    uint32_t crc; /* CRC-32C of all bytes before */
};
static_assert(sizeof(struct journal_disk_file) == JOURNAL_FILE_HEADER_SIZE, "file header");
static_assert(offsetof(struct journal_disk_file, version) == 8, "file header");
static_assert(offsetof(struct journal_disk_file, generation) == 32, "file header");
static_assert(offsetof(struct journal_disk_file, salt) == 80, "file header");
static_assert(offsetof(struct journal_disk_file, crc) == 4092, "file header");

enum journal_block_flags {
    JOURNAL_BLOCK_LAST = 1 << 0, /* ends the file's GROUP_LIST: no block of this generation follows */
};

struct journal_disk_block {
    uint32_t magic;
    uint16_t payload_offset; /* from the start of the block: 64, or more so that gathered data stay aligned */
    uint16_t flags;
    uint64_t generation;
    uint64_t salt;
    uint64_t lsn;
    uint64_t flushed_lsn;  /* known when the block was submitted; ≤ lsn */
    uint32_t payload_size; /* a multiple of 8 */
    uint32_t first_record; /* where in the payload the first record starts; payload_size: none does */
    uint32_t payload_crc;  /* CRC-32C of the payload */
    uint32_t reserved[2];
    uint32_t header_crc; /* CRC-32C of the 60 bytes before */
};
static_assert(sizeof(struct journal_disk_block) == JOURNAL_BLOCK_HEADER_SIZE, "block header");
static_assert(offsetof(struct journal_disk_block, flushed_lsn) == 32, "block header");
static_assert(offsetof(struct journal_disk_block, header_crc) == 60, "block header");

/* X(name, number, text) */
#define JOURNAL_RECORD_KINDS(X) \
    X(STATE_TABLE, 1, "state-table") \
    X(GROUP_LIST, 2, "group-list") \
    X(ENTRY, 3, "entry") \
    X(RELOCATED, 4, "relocated") \
    X(HARD_STATE, 5, "hard-state") \
    X(TRUNCATE, 6, "truncate") \
    X(CHECKPOINT, 7, "checkpoint") \
    X(LOG_START, 8, "log-start") \
    X(IMAGE_INSTALLED, 9, "image-installed") \
    X(FORGET, 10, "forget") \
    X(SEAL, 11, "seal") \
    X(FILLER, 12, "filler")

enum journal_record_kind {
#define X(name, number, text) JOURNAL_RECORD_##name = number,
    JOURNAL_RECORD_KINDS(X)
#undef X
};

enum journal_record_flags {
    JOURNAL_RECORD_MORE = 1 << 0, /* STATE_TABLE, GROUP_LIST: the next record holds the next part */
};

/* Before each record's body. A record may span blocks, this header never does; a record never spans files. */
struct journal_disk_record {
    uint32_t size; /* of the body; zeros follow up to a multiple of 8 */
    uint8_t kind;
    uint8_t flags;
    uint16_t reserved;
};
static_assert(sizeof(struct journal_disk_record) == 8, "record header");

/* Body of STATE_TABLE: this, then its rows. The parts together name every group of the shard. */
struct journal_disk_table {
    uint32_t n_rows;
    uint32_t part; /* 0, 1, … */
};
static_assert(sizeof(struct journal_disk_table) == 8, "table");

struct journal_disk_state {
    uint64_t group;
    uint64_t term;
    uint64_t checkpoint_index;
    uint64_t checkpoint_term;
    int64_t checkpoint_offset;
    int64_t log_start;
    uint64_t last_index; /* of the entries that come before this table; 0: none */
    uint64_t last_term;
    int32_t vote;
    uint32_t checkpoint_checksum;
    uint32_t last_checksum;
    uint32_t reserved;
};
static_assert(sizeof(struct journal_disk_state) == 80, "state row");
static_assert(offsetof(struct journal_disk_state, vote) == 64, "state row");

/* Body of GROUP_LIST: this, then its rows. It names every group that has a record in the file. */
struct journal_disk_list {
    uint64_t generation; /* of the file that it is about */
    uint32_t n_rows;
    uint32_t part;
};
static_assert(sizeof(struct journal_disk_list) == 16, "group list");

/* Which kinds of records of a group lie in a file. */
enum journal_usage_flags {
    JOURNAL_HAS_ENTRY = 1 << 0, /* also relocated ones */
    JOURNAL_HAS_HARD_STATE = 1 << 1,
    JOURNAL_HAS_TRUNCATE = 1 << 2,
    JOURNAL_HAS_CHECKPOINT = 1 << 3,
    JOURNAL_HAS_LOG_START = 1 << 4,
    JOURNAL_HAS_IMAGE = 1 << 5,
    JOURNAL_HAS_FORGET = 1 << 6,
};

struct journal_disk_usage {
    uint64_t group;
    uint64_t first_index, last_index; /* smallest and largest of its entries here; 0: none */
    uint64_t last_term;               /* of the entry at last_index */
    uint32_t flags;                   /* enum journal_usage_flags */
    uint32_t reserved;
};
static_assert(sizeof(struct journal_disk_usage) == 40, "usage row");

/* ENTRY and RELOCATED: this, then the envelope. */
struct journal_disk_entry {
    uint64_t group;
    uint64_t index;
    uint64_t term;
    uint32_t checksum;      /* CRC-32C of the envelope */
    uint32_t prev_checksum; /* of the group's entry at index − 1; 0 for index 1 */
};
static_assert(sizeof(struct journal_disk_entry) == 32, "entry");

struct journal_disk_hard_state {
    uint64_t group;
    uint64_t term;
    int32_t vote; /* broker id, −1 none */
    uint32_t reserved;
};
static_assert(sizeof(struct journal_disk_hard_state) == 24, "hard state");

/* The group's entries from index on are void. */
struct journal_disk_truncate {
    uint64_t group;
    uint64_t index;
    uint64_t prev_term; /* of the entry at index − 1 */
    uint32_t prev_checksum;
    uint32_t reserved;
};
static_assert(sizeof(struct journal_disk_truncate) == 32, "truncate");

/* Body of CHECKPOINT: this, then its rows. */
struct journal_disk_checkpoints {
    uint32_t n_rows;
    uint32_t reserved;
};
static_assert(sizeof(struct journal_disk_checkpoints) == 8, "checkpoints");

struct journal_disk_checkpoint {
    uint64_t group;
    uint64_t index;
    uint64_t term;
    int64_t offset; /* the next one */
    uint32_t checksum;
    uint32_t reserved;
};
static_assert(sizeof(struct journal_disk_checkpoint) == 40, "checkpoint row");

struct journal_disk_log_start {
    uint64_t group;
    int64_t log_start;
};
static_assert(sizeof(struct journal_disk_log_start) == 16, "log start");

/* All entries of the group before are void; its log goes on from here. */
struct journal_disk_image {
    uint64_t group;
    uint64_t index;
    uint64_t term;
    int64_t offset; /* the next one */
    int64_t log_start;
    uint32_t checksum;
    uint32_t reserved;
};
static_assert(sizeof(struct journal_disk_image) == 48, "image installed");

/* The group is gone, with all its records before. */
struct journal_disk_forget {
    uint64_t group;
};
static_assert(sizeof(struct journal_disk_forget) == 8, "forget");

/* ---- In memory ---- */

struct journal_file_header {
    uint32_t version;
    uint32_t shard;
    struct uuid incarnation;
    uint64_t generation, prev_generation, prev_end_lsn, base_lsn, file_size, flushed_lsn, salt;
};

void journal_file_header_write(const struct journal_file_header *h, struct journal_disk_file *to);

enum journal_header_verdict {
    JOURNAL_HEADER_GOOD,
    JOURNAL_HEADER_NEWER,   /* intact, of a newer version: only the version is set */
    JOURNAL_HEADER_DAMAGED, /* the fields are set all the same, to be distrusted */
};
enum journal_header_verdict journal_file_header_read(const void *data, struct journal_file_header *ret);

struct journal_block {
    uint64_t generation, salt;
    uint64_t lsn, flushed_lsn;
    uint16_t payload_offset, flags;
    uint32_t payload_size, first_record;
    uint32_t payload_crc;
};

/* Bytes that a block takes on disk. */
size_t journal_block_size(const struct journal_block *b);
/* Writes the header with its CRC in front of a block whose payload_crc is set. */
void journal_block_write(const struct journal_block *b, void *to);
/* False when these 64 bytes are no intact block header with plausible sizes. Place and payload are the caller's to
 * check. */
bool journal_block_read(const void *data, struct journal_block *ret);

/* One whole record; body holds size bytes. */
struct journal_record {
    uint8_t kind; /* enum journal_record_kind, or one that is unknown */
    uint8_t flags;
    const uint8_t *body;
    size_t size;
};

/* Bytes that a record with such a body takes in the payload. */
static inline size_t journal_record_size(size_t body_size)
{
    return sizeof(struct journal_disk_record) + ((body_size + JOURNAL_RECORD_ALIGN - 1) & ~(size_t)7);
}

/* NULL when unknown. */
const char *journal_record_name(uint8_t kind);

/* Copies the fixed part of a body in host order; false when the size doesn't fit the kind. Those with rows hold
 * exactly the rows that they count. */
bool journal_record_entry(const struct journal_record *r, struct journal_disk_entry *ret, struct slice *ret_data);
bool journal_record_hard_state(const struct journal_record *r, struct journal_disk_hard_state *ret);
bool journal_record_truncate(const struct journal_record *r, struct journal_disk_truncate *ret);
bool journal_record_log_start(const struct journal_record *r, struct journal_disk_log_start *ret);
bool journal_record_image(const struct journal_record *r, struct journal_disk_image *ret);
bool journal_record_forget(const struct journal_record *r, struct journal_disk_forget *ret);
bool journal_record_table(const struct journal_record *r, struct journal_disk_table *ret);
bool journal_record_list(const struct journal_record *r, struct journal_disk_list *ret);
bool journal_record_checkpoints(const struct journal_record *r, struct journal_disk_checkpoints *ret);

/* Row i of a record that passed the check above, in host order. */
struct journal_disk_state journal_record_state_row(const struct journal_record *r, uint32_t i);
struct journal_disk_usage journal_record_usage_row(const struct journal_record *r, uint32_t i);
struct journal_disk_checkpoint journal_record_checkpoint_row(const struct journal_record *r, uint32_t i);

/* To disk order and back, in place (the same operation). */
void journal_swap_entry(struct journal_disk_entry *e);
void journal_swap_hard_state(struct journal_disk_hard_state *h);
void journal_swap_truncate(struct journal_disk_truncate *t);
void journal_swap_log_start(struct journal_disk_log_start *l);
void journal_swap_image(struct journal_disk_image *i);
void journal_swap_forget(struct journal_disk_forget *f);
void journal_swap_table(struct journal_disk_table *t);
void journal_swap_state(struct journal_disk_state *s);
void journal_swap_list(struct journal_disk_list *l);
void journal_swap_usage(struct journal_disk_usage *u);
void journal_swap_checkpoints(struct journal_disk_checkpoints *c);
void journal_swap_checkpoint(struct journal_disk_checkpoint *c);
