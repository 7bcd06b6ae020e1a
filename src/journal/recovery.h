/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading the journal back: shared by the scan of journal_open(), by journal_replay() and by their messages. */

#include "journal/block_reader.h"
#include "journal/internal.h"

/* Its records up to this one are of a group that was destroyed. */
struct journal_forgotten {
    struct hash_node node;
    uint64_t group, ordinal;
};

struct journal_recovery {
    struct journal *j;
    struct error_text *err;
    struct journal_block_reader blocks;
    struct journal_record_reader records;
    uint64_t frontier;         /* largest flushed LSN seen */
    struct hash_table forgets; /* struct journal_forgotten: groups that were forgotten, and may be there again */

    /* The file that is being read. */
    struct journal_file *file;
    struct journal_file *prev; /* the one before, or NULL */
    uint64_t position;         /* of the block */
    uint64_t ordinal;          /* of the record, the same in scan and replay */
    uint32_t table_part;       /* parts of its STATE_TABLE seen */
    size_t table_rows;
    bool has_table; /* whole */
    uint32_t list_part;
    bool ended; /* by its own GROUP_LIST */

    /* journal_replay() */
    journal_replay_fn replay;
    void *replay_ctx;
    const struct journal_group *only; /* this group, or NULL: all */
    struct journal_file *skipped_in;  /* of this round: the first file with an entry that comes too early, or NULL */
    size_t n_replayed;                /* entries of this round */
};

void journal_recovery_init(struct journal_recovery *rc, struct journal *j, struct error_text *err);
void journal_recovery_fini(struct journal_recovery *rc);

/* Starts with file; prev is the one before it. Returns 0 or a negative errno. */
int journal_recovery_open(struct journal_recovery *rc, struct journal_file *file, struct journal_file *prev);

/* Feeds the block at rc->position to fn. Returns 0, JOURNAL_E_CORRUPT or what fn returned. */
int journal_recovery_block(struct journal_recovery *rc, const struct journal_block *b, const uint8_t *payload,
                           journal_record_fn fn);

/* Record handlers; ctx is the recovery. The scan applies what it reads to the groups; replay hands it over. */
int journal_scan_record(void *ctx, uint64_t lsn, const struct journal_record *record);
int journal_replay_record(void *ctx, uint64_t lsn, const struct journal_record *record);

void journal_forgets_fini(struct journal_recovery *rc);
/* All entries between checkpoint and end of every group were seen, or err says which not. */
int journal_scan_check_chains(struct journal_recovery *rc);
/* Forgets the runs; or all of the chains. */
void journal_chains_forget_runs(struct journal *j);
void journal_chains_drop(struct journal *j);

/* JOURNAL_E_CORRUPT, with file, position, the groups that are hit and what to do in err. */
_printf_(4, 5) int journal_corrupt(struct journal_recovery *rc, const struct journal_file *file, uint64_t position,
                                   const char *fmt, ...);
/* The same at rc->file and rc->position. */
#define journal_corrupt_here(rc, ...) journal_corrupt(rc, (rc)->file, (rc)->position, __VA_ARGS__)

/* A read that failed: returns r with err set. */
int journal_read_failed(struct journal_recovery *rc, const struct journal_file *file, uint64_t position, int r);
