/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The entry envelope: what one Raft index holds. Format page: docs/format/entry.md.
 *
 *   header (32 bytes, little-endian) | state commands | record batches, back to back
 *
 * The leader gives offsets, append time and leader epoch once, when it proposes; from then on journal, messages
 * and segment hold the same bytes. The entry's checksum is the CRC-32C of the whole envelope. */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define ENTRY_VERSION 1

/* Where the header's fields lie. */
enum {
    ENTRY_AT_VERSION = 0,
    ENTRY_AT_TYPE = 1,
    ENTRY_AT_FEATURE_LEVEL = 2,
    ENTRY_AT_COMMANDS_SIZE = 4,
    ENTRY_AT_APPEND_TIME = 8,
    ENTRY_AT_FIRST_OFFSET = 16,
    ENTRY_AT_OFFSET_COUNT = 24,
    ENTRY_AT_BATCHES_SIZE = 28,
    ENTRY_HEADER_SIZE = 32,
};

enum entry_type {
    ENTRY_NOOP = 0,    /* start of a term */
    ENTRY_DATA = 1,    /* record batches, maybe commands */
    ENTRY_COMMAND = 2, /* state commands only */
    ENTRY_CONFIG = 3,  /* the group's own members, as a command */
};

/* In memory; on disk the same fields, packed in this order. */
struct entry_header {
    uint8_t version;
    uint8_t type;           /* enum entry_type */
    uint16_t feature_level; /* which rules apply uses */
    uint32_t commands_size;
    int64_t append_time_ms; /* the leader's, never smaller than the entry before's */
    int64_t first_offset;   /* the next offset when there are no records */
    uint32_t offset_count;  /* records that take offsets */
    uint32_t batches_size;
};

static_assert(sizeof(struct entry_header) == ENTRY_HEADER_SIZE, "entry header without holes");
static_assert(offsetof(struct entry_header, append_time_ms) == ENTRY_AT_APPEND_TIME, "entry header order");
static_assert(offsetof(struct entry_header, batches_size) == ENTRY_AT_BATCHES_SIZE, "entry header order");

/* A parsed entry; slices point into the envelope. */
struct entry {
    struct entry_header header;
    struct slice commands;
    struct slice batches;
};

void entry_header_write(const struct entry_header *h, uint8_t to[ENTRY_HEADER_SIZE]);

/* Returns 0, or -EBADMSG: unknown version or type, sizes that don't add up to size exactly, a negative offset,
 * batches without offsets or offsets without batches, batches in an entry that isn't ENTRY_DATA. What commands and
 * batches hold isn't looked at. */
int entry_parse(const void *data, size_t size, struct entry *ret);
/* The same for an envelope whose batches lie apart from header and commands. */
int entry_parse_apart(const void *head, size_t head_size, struct slice batches, struct entry *ret);

/* State commands: {u16 kind, u16 version, u32 body size, body}, back to back. */
#define ENTRY_COMMAND_HEADER_SIZE 8

enum entry_command_kind {
    COMMAND_SET_LOG_START = 1, /* i64 offset */
    COMMAND_GROUP_CONFIG = 2,  /* the group's members and apply-relevant settings */
    COMMAND_METADATA = 3,      /* one record of meta/ (docs/format/metadata.md) */
};

struct entry_command {
    uint16_t kind;
    uint16_t version;
    struct slice body;
};

/* Steps through commands: 1 with the next in *ret, 0 at the end, -EBADMSG. Starts with *pos = 0. */
int entry_command_next(struct slice commands, size_t *pos, struct entry_command *ret);

/* A command's header; the body follows. */
void entry_command_header_read(const uint8_t from[ENTRY_COMMAND_HEADER_SIZE], uint16_t *ret_kind, uint16_t *ret_version,
                               uint32_t *ret_body_size);
void entry_command_header_write(uint8_t to[ENTRY_COMMAND_HEADER_SIZE], uint16_t kind, uint16_t version,
                                uint32_t body_size);
