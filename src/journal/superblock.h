/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The superblock of a data directory: whose it is and how it is cut. The page that describes it:
 * docs/format/superblock.md.
 *
 * The file "superblock" holds two equal copies of 4096 bytes; one good copy is enough to read it. It is never changed
 * in place: "superblock.new" is written and synced, then renamed. Blocking calls, for the node's start and for rare
 * changes from a worker; one writer at a time. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/textbuf.h"
#include "base/uuid.h"
#include "env/disk.h"

#define SUPERBLOCK_FORMAT_VERSION 1
#define SUPERBLOCK_MAGIC "GQSUPERB"
#define SUPERBLOCK_COPY_SIZE 4096
#define SUPERBLOCK_COPIES 2
#define SUPERBLOCK_NODE_ID_MAX 255 /* bytes */

enum superblock_flags {
    SUPERBLOCK_JOURNALS_MADE = 1 << 0, /* every shard's journal was started once: a missing one is a loss */
    SUPERBLOCK_CLUSTER = 1 << 1,       /* several brokers formed the cluster: the file "formation" says who */
};

/* On disk, little-endian. Magic, version and crc stand at these places in every version. */
struct superblock_disk {
    uint8_t magic[8];
    uint32_t version;
    uint32_t flags; /* enum superblock_flags */
    uint8_t incarnation[16];
    uint8_t cluster_id[16]; /* zeros until the node belongs to a cluster */
    uint64_t boot_counter;
    int64_t created_ms;
    int32_t broker_id; /* −1 until it is known */
    uint32_t n_shards;
    uint32_t reserved0;
    uint32_t node_id_size;
    uint8_t node_id[256];
    uint8_t reserved[4096 - 336 - 4];
    uint32_t crc; /* CRC-32C of all bytes before */
};
static_assert(sizeof(struct superblock_disk) == SUPERBLOCK_COPY_SIZE, "superblock");
static_assert(offsetof(struct superblock_disk, boot_counter) == 48, "superblock");
static_assert(offsetof(struct superblock_disk, node_id) == 80, "superblock");
static_assert(offsetof(struct superblock_disk, crc) == 4092, "superblock");

struct superblock {
    char node_id[SUPERBLOCK_NODE_ID_MAX + 1];
    int32_t broker_id; /* −1 until it is known */
    uint32_t n_shards;
    uint32_t flags;
    struct uuid cluster_id;  /* zero until the node belongs to a cluster */
    struct uuid incarnation; /* of this disk: a new or emptied one gets another */
    uint64_t boot_counter;
    int64_t created_ms; /* Unix time */
};

enum superblock_error {
    SUPERBLOCK_E_VERSION = ERROR_BASE_JOURNAL + 11, /* written by a newer version */
    SUPERBLOCK_E_NODE,                              /* of another node */
    SUPERBLOCK_E_DAMAGED,
    SUPERBLOCK_E_MISSING, /* data of ours without a superblock */
};

/* Reads the superblock of node_id's data directory and changes nothing. Returns 0, -ENOENT when the directory is
 * new, SUPERBLOCK_E_*, or a negative errno; but for -ENOENT err says what is wrong and what to do.
 *
 * A directory is new when it has neither a superblock nor a file below journal, topics or state; other names (logs)
 * don't count, nor does lost+found, wherever it is, nor do these directories themselves: a first start makes them
 * before the superblock. Nor do lock and superblock.new alone: a first start that was cut short leaves them, without
 * data. */
int superblock_read(struct env_disk *disk, const char *node_id, struct superblock *ret, struct error_text *err);

/* Replaces it durably. Returns 0 or a negative errno; after an error of a sync the process must end. */
int superblock_write(struct env_disk *disk, const struct superblock *sb, struct error_text *err);
/* The same bytes into a file of another name, synced. */
int superblock_write_at(struct env_disk *disk, const char *path, const struct superblock *sb);
/* Whether some copy isn't what was written, or one is missing, though the other may do. */
bool superblock_is_worn(struct env_disk *disk);
