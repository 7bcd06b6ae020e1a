/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the journal knows of its groups, and which of them have records in which file. The same effects are applied by
 * the writer, as it puts requests in a flush, and by recovery, as it reads them back. */

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/list.h"
#include "journal/files.h"
#include "journal/format.h"
#include "journal/journal.h"

struct journal_chain;

struct journal_group {
    struct hash_node node;
    struct list link;   /* journal_group_table.all, once a record is in a flush */
    struct list usages; /* by file, oldest first */
    struct journal_group_state state;
    /* The last entry that is in a flush or on disk. */
    uint64_t last_index, last_term;
    uint32_t last_checksum;
    /* The last one that was appended: waiting ones too. */
    uint32_t appended_checksum;
    uint64_t appended_index;
    uint64_t released_index; /* durable checkpoint: entries up to it pin no file */
    /* The relocated copies of the last round: all live entries above the checkpoint and up to moved_index lie in the
     * file of this generation and in later ones, as copies or because they came after a truncation. 0: none. */
    uint64_t moved_generation, moved_index;
    bool forgotten;              /* its FORGET was appended */
    uint64_t passed_by;          /* what of it stayed behind for want of space, and in which round: take_small() */
    struct journal_chain *chain; /* until journal_start() */
};

/* Records of one group in one file. */
struct journal_usage {
    struct list in_file, in_group;
    struct journal_file *file;
    uint64_t group;
    uint64_t first_index, last_index, last_term; /* of entries; 0: none */
    uint64_t live_index;                         /* largest that nothing voided */
    uint64_t moved_index;                        /* entries up to it have copies in later files */
    uint64_t relocated_bytes;                    /* of records that are copies */
    uint32_t flags;                              /* enum journal_usage_flags */
    bool pins;                                   /* counted in file->n_pins */
};

struct journal_group_table {
    struct hash_table by_id;
    struct list all; /* those with a record in a flush or on disk, in order of the first one */
    size_t count;    /* of these */
};

void journal_group_table_init(struct journal_group_table *t);
void journal_group_table_fini(struct journal_group_table *t);
/* NULL when unknown. */
struct journal_group *journal_group_find(const struct journal_group_table *t, uint64_t id);
/* A group without any state when unknown; it isn't listed yet. */
struct journal_group *journal_group_get(struct journal_group_table *t, uint64_t id);
/* From now on state tables name it. */
void journal_group_list(struct journal_group_table *t, struct journal_group *g);
/* Out of the table, but not freed. */
void journal_group_remove(struct journal_group_table *t, struct journal_group *g);
/* Frees it; its usages stay in their files, without pins. */
void journal_group_free(struct journal_group *g);

/* True when the file has a record of the group already. f is the newest file. */
bool journal_group_uses(const struct journal_group *g, const struct journal_file *f);

/* Effects of a record that lies in the newest file f. */
void journal_effect_entry(struct journal_file *f, struct journal_group *g, const struct journal_disk_entry *e);
/* bytes: of the record. */
void journal_effect_relocated(struct journal_file *f, struct journal_group *g, const struct journal_disk_entry *e,
                              size_t bytes);
void journal_effect_hard_state(struct journal_file *f, struct journal_group *g, uint64_t term, int32_t vote);
void journal_effect_truncate(struct journal_file *f, struct journal_group *g, const struct journal_disk_truncate *t);
void journal_effect_checkpoint(struct journal_file *f, struct journal_group *g,
                               const struct journal_disk_checkpoint *c);
void journal_effect_log_start(struct journal_file *f, struct journal_group *g, int64_t log_start);
void journal_effect_image(struct journal_file *f, struct journal_group *g, const struct journal_disk_image *i);
void journal_effect_forget(struct journal_file *f, struct journal_group *g);

/* What a record releases, once it is durable; without it the entries would still count.
 *
 * A checkpoint or an image: entries up to index pin no file any longer. */
void journal_group_release(struct journal_group *g, uint64_t index);
/* A relocated entry: entries whose copies all lie in later files don't pin the files before those. A round of copies
 * counts when it starts at the entry behind the checkpoint, or below, and goes on without a gap; one that doesn't pins
 * its own file and releases nothing. */
void journal_group_move(struct journal_group *g);
/* A truncation or an image in the newest file: entries above index are void in the files before. */
void journal_group_void(struct journal_group *g, uint64_t index, const struct journal_file *newest);

/* True when a file between u's and last, last included, is pinned by the same group. */
bool journal_usage_pins_later(const struct journal_usage *u, const struct journal_group_table *t,
                              const struct journal_file *last);

/* Rows for the disk, in host order. */
struct journal_disk_state journal_group_row(const struct journal_group *g);
struct journal_disk_usage journal_usage_row(const struct journal_usage *u);
/* A group as its row says. */
void journal_group_set(struct journal_group *g, const struct journal_disk_state *row);

/* Takes it out of its lists. Its memory goes with the file. */
void journal_usage_drop(struct journal_usage *u);
