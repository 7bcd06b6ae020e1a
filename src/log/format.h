/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files of a segment: NAME.log, NAME.entries, NAME.aux and NAME.snapshot. Format page: docs/format/segment.md.
 *
 * .log and .aux are bytes of entries without any framing; .entries says which bytes are whose. All integers are
 * little-endian. Pure functions; any thread. */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/entry.h"

/* NAME: the Raft index of the segment's first entry (of a snapshot: of the first entry that it doesn't cover). */
#define SEGMENT_NAME_DIGITS 20
#define SEGMENT_FILE_NAME_SIZE 32 /* with suffix and NUL */

#define SEGMENT_FILES(X) \
    X(LOG, ".log") \
    X(ENTRIES, ".entries") \
    X(AUX, ".aux") \
    X(SNAPSHOT, ".snapshot")

enum segment_file {
#define X_(name, suffix) SEGMENT_##name,
    SEGMENT_FILES(X_)
#undef X_
        SEGMENT_N_FILES
};

#define SEGMENT_N_PARTS 3 /* .log, .entries, .aux: what appending writes */

const char *segment_suffix(enum segment_file kind);
void segment_file_name(char to[SEGMENT_FILE_NAME_SIZE], uint64_t index, enum segment_file kind);
/* False when name is none of the four. */
bool segment_file_parse(const char *name, uint64_t *ret_index, enum segment_file *ret_kind);

/* .entries: one header, then one record of the same size per entry. A record never crosses a 512-byte sector. */
#define TABLE_MAGIC "GQTABLE"
#define TABLE_VERSION 1
#define TABLE_RECORD_SIZE 128

struct table_header_disk {
    uint8_t magic[8];
    uint16_t version, header_size, record_size, reserved0;
    uint64_t base_index;
    uint64_t prev_term; /* of the entry before the first; 0 when the first is entry 1 */
    int64_t base_offset;
    uint32_t prev_checksum;
    uint8_t reserved1[80];
    uint32_t crc; /* CRC-32C of all bytes before it */
};

struct table_record_disk {
    uint64_t index, term;
    int64_t append_time_ms;
    int64_t first_offset;
    uint32_t offset_count;
    uint8_t type, version; /* of the envelope */
    uint16_t feature_level;
    uint64_t log_position, aux_position;
    uint32_t log_size, aux_size;
    uint32_t log_crc;  /* CRC-32C of its bytes in .log; 0 when there are none */
    uint32_t checksum; /* the entry's */
    int64_t max_timestamp;
    int64_t running_max_timestamp, running_max_offset;
    uint8_t reserved[28];
    uint32_t crc; /* CRC-32C of all bytes before it */
};

static_assert(sizeof(struct table_header_disk) == TABLE_RECORD_SIZE, "table header");
static_assert(offsetof(struct table_header_disk, base_index) == 16, "table header");
static_assert(offsetof(struct table_header_disk, prev_checksum) == 40, "table header");
static_assert(offsetof(struct table_header_disk, crc) == 124, "table header");
static_assert(sizeof(struct table_record_disk) == TABLE_RECORD_SIZE, "table record");
static_assert(offsetof(struct table_record_disk, offset_count) == 32, "table record");
static_assert(offsetof(struct table_record_disk, log_position) == 40, "table record");
static_assert(offsetof(struct table_record_disk, log_crc) == 64, "table record");
static_assert(offsetof(struct table_record_disk, max_timestamp) == 72, "table record");
static_assert(offsetof(struct table_record_disk, crc) == 124, "table record");

struct table_header {
    uint64_t base_index, prev_term;
    int64_t base_offset;
    uint32_t prev_checksum;
};

/* No record with a time: timestamps are −1 then (as Kafka has it), or what a client wrote below that. */
#define TABLE_NO_TIMESTAMP INT64_MIN

struct table_record {
    uint64_t index, term;
    struct entry_header header; /* sizes are those in .aux and .log */
    uint64_t log_position, aux_position;
    uint32_t log_crc, checksum;
    int64_t max_timestamp;         /* of its batches but for control batches; TABLE_NO_TIMESTAMP: it has none */
    int64_t running_max_timestamp; /* of the segment's entries up to this one */
    int64_t running_max_offset;    /* base offset of the first batch that has it; −1: none */
};

static inline int64_t table_record_next_offset(const struct table_record *r)
{
    return r->header.first_offset + r->header.offset_count;
}

static inline uint64_t table_record_log_end(const struct table_record *r)
{
    return r->log_position + r->header.batches_size;
}

static inline uint64_t table_record_aux_end(const struct table_record *r)
{
    return r->aux_position + r->header.commands_size;
}

/* Where record i lies in the file, and how many whole records a file of some size has. */
static inline uint64_t table_position(uint64_t i)
{
    return (i + 1) * TABLE_RECORD_SIZE;
}

static inline uint64_t table_count(uint64_t file_size)
{
    return file_size < TABLE_RECORD_SIZE ? 0 : file_size / TABLE_RECORD_SIZE - 1;
}

#define FORMAT_E_VERSION 1111 /* intact, but of a version that this program doesn't know */

void table_header_write(const struct table_header *h, uint8_t to[TABLE_RECORD_SIZE]);
/* 0, -EBADMSG, or FORMAT_E_VERSION. */
int table_header_read(const uint8_t from[TABLE_RECORD_SIZE], struct table_header *ret);
void table_record_write(const struct table_record *r, uint8_t to[TABLE_RECORD_SIZE]);
/* 0 or -EBADMSG: wrong CRC, or fields that no entry can have. */
int table_record_read(const uint8_t from[TABLE_RECORD_SIZE], struct table_record *ret);

/* What is wrong with a record behind the one before it in its table, or NULL. prev NULL: the first one. */
const char *table_record_follows(const struct table_header *h, const struct table_record *prev,
                                 const struct table_record *r);

/* .snapshot: the header, then the body. */
#define SNAPSHOT_MAGIC "GQPSNAP"
#define SNAPSHOT_VERSION 1
#define SNAPSHOT_HEADER_SIZE 64

struct snapshot_header_disk {
    uint8_t magic[8];
    uint16_t version, header_size;
    uint32_t body_crc;
    uint64_t index, term;
    int64_t next_offset;
    uint64_t body_size;
    uint32_t checksum; /* of the entry at index */
    uint8_t reserved[8];
    uint32_t crc; /* CRC-32C of all header bytes before it */
};

static_assert(sizeof(struct snapshot_header_disk) == SNAPSHOT_HEADER_SIZE, "snapshot header");
static_assert(offsetof(struct snapshot_header_disk, index) == 16, "snapshot header");
static_assert(offsetof(struct snapshot_header_disk, checksum) == 48, "snapshot header");
static_assert(offsetof(struct snapshot_header_disk, crc) == 60, "snapshot header");

struct snapshot_header {
    uint64_t index, term; /* the last entry that it covers */
    int64_t next_offset;
    uint64_t body_size;
    uint32_t checksum, body_crc;
};

void snapshot_header_write(const struct snapshot_header *h, uint8_t to[SNAPSHOT_HEADER_SIZE]);
/* 0, -EBADMSG, or FORMAT_E_VERSION. */
int snapshot_header_read(const uint8_t from[SNAPSHOT_HEADER_SIZE], struct snapshot_header *ret);
