/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the repair share: repair.c leads, repair_group.c finds out what is left of one log,
 * repair_stage.c writes what takes the place of damaged files, repair_commit.c puts it there. */

#include "journal/salvage.h"
#include "journal/superblock.h"
#include "log/repair.h"
#include "meta/meta.h"
#include "node/repair.h"
#include "state/state.h"

/* A term that was taken may stand in what can't be read. Each start takes one term of a group and begins a new journal
 * file, so no more of them can hide than there are damaged files. */
#define REPAIR_TERM_MARGIN 1000

/* Entries of a log that follow from each other. */
struct repair_piece {
    uint64_t first, last;
    struct log_position before; /* the entry before first, as far as it is known */
    struct log_position end;    /* the last one */
    bool end_rebuilt;
};

struct repair_group {
    struct list link;
    uint64_t id;
    char *name; /* topic, or "cluster metadata" */
    int32_t partition;
    char *dir;
    struct repair_shard *shard;
    struct log_survey *survey;
    struct journal_salvage_group *saved; /* NULL: the journal knows nothing of it */

    struct log_position checkpoint; /* the journal's */
    int64_t log_start;
    uint64_t claim;       /* the last entry that anything tells of */
    int64_t claim_offset; /* the next offset behind all that anything tells of */
    bool end_unknown;     /* maybe there was more */
    bool front_missing;   /* the log doesn't reach down to its start */
    size_t first_segment; /* of the survey: those before are below the log start */
    struct repair_piece *pieces;
    size_t n_pieces;
    uint64_t n_patched; /* entries that are damaged in a segment and whole in the journal */
    uint64_t n_rebuilt; /* … and their table records made again */

    /* Entries that are replaced by such that do nothing: what they did is known from elsewhere. 0, 0: none. */
    uint64_t fill_first, fill_last;
    uint64_t fill_term;
    uint8_t filler[ENTRY_HEADER_SIZE];

    /* The outcome. */
    struct repair_piece keep;
    struct log_position new_checkpoint;
    int64_t new_start;
    bool is_lossy, is_damaged, state_changed;
    bool blank_snapshot;
};

struct repair_shard {
    unsigned index;
    char dir[32];
    struct journal_salvage *salvage;
    char refusal[ERROR_TEXT_SIZE]; /* what journal_open() says; empty: it is sound */
    bool is_damaged, rewrite;
    bool lacks_end; /* some log has entries that the journal doesn't know of */
};

/* The renames of a repair. */
struct repair_list {
    char **moves; /* into damaged-N/ */
    size_t n_moves;
    char **from, **to; /* from repair/ to their places */
    size_t n_installs;
    unsigned number; /* N */
};

struct repair {
    const struct node_repair_options *o;
    struct error_text *err;
    struct superblock superblock;
    bool superblock_rebuilt;
    struct repair_shard *shards;
    unsigned n_shards;
    struct repair_group *metadata;
    struct list groups; /* all, metadata first */
    struct meta meta;
    bool meta_lossy;     /* topics may be unknown */
    bool remake_image;   /* state/0.db goes */
    bool adjusted_image; /* and the one that was set to the log's new entries takes its place */
    bool is_wrong, is_lossy;
    char **strays; /* directories that no topic claims, with is metadata lossy */
    size_t n_strays;
    struct repair_list list;
    unsigned n_staged;
};

_printf_(2, 3) void repair_say(struct repair *r, const char *fmt, ...);

/* repair_group.c */
struct repair_group *repair_group_new(struct repair *r, uint64_t id, const char *name, int32_t partition,
                                      const char *dir);
void repair_group_free(struct repair_group *g);
/* Reads all of it and decides. 0 or an error with err set. */
int repair_group_examine(struct repair *r, struct repair_group *g);
/* Once more, after fill_first and fill_last were set: what is kept reaches from the first entry over them. */
int repair_group_fill(struct repair *r, struct repair_group *g);
/* One entry of what is kept: from the segments, else from the journal. data holds until the next call; free *to_free.
 */
struct repair_entry {
    uint64_t index, term;
    uint32_t checksum;
    int64_t first_offset, next_offset;
    const uint8_t *data;
    size_t size;
    uint8_t *to_free;
    bool from_journal;
    bool rebuilt;
    uint32_t prev_checksum; /* from_journal */
};
/* Returns 0, -EBADMSG when neither has it, or another errno. */
int repair_fetch(struct repair_group *g, uint64_t index, struct repair_entry *ret);
/* The journal has all of it behind the checkpoint. */
bool repair_group_fits_journal(struct repair_group *g);
/* Whether the segment is to be written again. */
bool repair_segment_is_bad(const struct repair_group *g, size_t i);

/* repair_metadata.c */
int repair_examine_metadata(struct repair *r);
/* Directories that may be those of topics that are lost. */
int repair_find_strays(struct repair *r);

/* repair_stage.c */
int repair_stage(struct repair *r);

/* repair_commit.c */
void repair_list_move(struct repair_list *l, const char *path);
void repair_list_install(struct repair_list *l, const char *from, const char *to);
void repair_list_fini(struct repair_list *l);
/* Removes a directory with all that is in it; a missing one is fine. */
int repair_remove_tree(struct env_disk *disk, const char *path);
bool repair_exists(struct env_disk *disk, const char *path);
int repair_commit(struct env_disk *disk, const struct repair_list *l);
/* Carries a committed list out; -ENOENT when there is none. */
int repair_finish(struct env_disk *disk, struct error_text *err);
