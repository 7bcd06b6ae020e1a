/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Offline: everything that can still be read of one shard's journal, sound or damaged, and where it is damaged.
 * journal_open() refuses at the first damage; this goes on behind it. Blocking, and changes nothing on disk.
 *
 * What it takes for good: records in intact blocks, and single entries in damaged ones whose own checksum is right.
 * The rules for the end of the journal are those of docs/format/journal.md: what lies behind a torn tail is void. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/list.h"
#include "journal/journal.h"

enum journal_salvage_kind {
    JOURNAL_SALVAGE_WHOLE,
    JOURNAL_SALVAGE_SUSPECT, /* its block is damaged, its own checksum right: good when the chain says so too */
    JOURNAL_SALVAGE_DAMAGED, /* only its place in the log is known; the bytes aren't what was written */
};

struct journal_salvage_entry {
    uint64_t index, term;
    uint32_t checksum, prev_checksum;
    uint64_t generation;
    uint64_t position; /* of the record; of the block in which it starts, when it spans blocks */
    uint32_t size;     /* of the envelope */
    bool spans;
    uint8_t kind;
};

struct journal_salvage_group {
    struct hash_node node;
    struct list link;
    struct journal_group_state state;      /* the newest of each part that was found; the term is the largest */
    uint64_t last_index;                   /* the last entry that anything tells of */
    bool uncertain;                        /* what can't be read may have held entries behind it */
    struct journal_salvage_entry *entries; /* by index, may have gaps; none that later records void */
    size_t n_entries, capacity;
    uint64_t entry_ordinal; /* of its last ENTRY record */
};

struct journal_salvage_damage {
    char *path; /* below the data directory */
    uint64_t position, size;
    char what[96];
};

struct journal_salvage {
    struct env_disk *disk;
    char *dir;
    struct hash_table by_id;
    struct list groups;
    struct journal_salvage_damage *damages;
    size_t n_damages;
    size_t n_files;             /* live ones, by their names */
    uint64_t max_term;          /* of any group */
    uint64_t next_generation;   /* above all names */
    uint64_t next_lsn;          /* above all that was found */
    struct uuid incarnation;    /* of the first intact header */
    unsigned shard;             /* likewise */
    bool has_header;            /* there was one */
    bool is_newer;              /* a file of a newer version */
    struct salvage_cache *open; /* the file that journal_salvage_read() has open */
};

/* incarnation NULL: files of any directory count. Returns 0 or a negative errno with err set. A missing directory is an
 * empty journal. */
int journal_salvage(struct env_disk *disk, const char *dir, const struct uuid *incarnation,
                    struct journal_salvage **ret, struct error_text *err);
void journal_salvage_free(struct journal_salvage *s); /* takes NULL */

/* NULL when nothing is known of it. */
struct journal_salvage_group *journal_salvage_find(const struct journal_salvage *s, uint64_t group);
/* The entry at index, or NULL. */
const struct journal_salvage_entry *journal_salvage_entry(const struct journal_salvage_group *g, uint64_t index);
/* Its envelope, as it is on disk, malloc'd. Returns 0, -EBADMSG when it can't be found again, or another errno. */
int journal_salvage_read(struct journal_salvage *s, uint64_t group, const struct journal_salvage_entry *e,
                         uint8_t **ret_data, size_t *ret_size);
