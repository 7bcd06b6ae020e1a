/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The journal of one shard: an append-only, fsynced, recycled log of Raft's business for all groups of the shard.
 * Formats: journal/format.h and docs/format/journal.md.
 *
 * Life: journal_open() scans the files (blocking, at start) and knows every group's hard state, durable log start
 * and last checkpoint; journal_settle() makes sure of it; journal_replay() then hands over the records behind the
 * checkpoints; journal_start() opens a file for writing. From then on the reactor that owns the shard calls everything;
 * only the flush thread and workers touch the disk, through the lane.
 *
 * Group commit: requests collect; journal_poll(), called once at the end of a reactor's turn, submits one flush
 * when none is in flight, with all that waits. When it is on the disk their done() run, in order. With
 * journal_set_batching() it may wait a little for more.
 *
 * journal_tick(), called about once a second, does what needs patience: it seals an idle tail and tries again what
 * failed for want of space. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/textbuf.h"
#include "base/uuid.h"
#include "env/env.h"

struct journal;

struct journal_config {
    struct env_disk *disk;
    struct env_prng *prng;   /* salts of files */
    struct env_clock *clock; /* times flushes for journal_stats(); may be NULL */
    const char *dir;         /* below the data directory, e.g. "journal/0"; made when missing */
    unsigned shard;
    struct uuid incarnation; /* the superblock's: files of another directory are refused */
    bool must_exist;         /* the superblock says that it was started before: no file at all is a loss */
    /* journal_size: all files take no more; at least four and a first one. Beyond it goes only what must: a file that
     * small records or awaited entries wait for, and one of first_file_size_bytes for each start but the first of those
     * after which nothing was let go. */
    uint64_t size_bytes;
    uint64_t file_size_bytes; /* of a full-size file */
    uint64_t first_file_size_bytes;
    /* Of an empty directory: where the journal begins when it takes the place of another. 0: at the beginning. */
    uint64_t first_generation, first_lsn;
};

/* What the journal knows of a group; the STATE_TABLE's row. */
struct journal_group_state {
    uint64_t group;
    uint64_t term;
    int32_t vote; /* broker id, −1 none */
    /* Last checkpoint: everything up to checkpoint_index is in fsynced segments. */
    uint64_t checkpoint_index;
    uint64_t checkpoint_term;
    int64_t checkpoint_offset;    /* next offset after it */
    uint32_t checkpoint_checksum; /* of the entry at checkpoint_index: the logical chain goes on from it */
    int64_t log_start;            /* durable log start offset */
};

/* An entry behind its group's checkpoint that nothing voided later. Those of a group come in order of their indexes,
 * without a gap. */
struct journal_replay_record {
    bool relocated; /* read from a copy */
    uint64_t group, index, term;
    uint32_t checksum, prev_checksum;
    struct slice data;                 /* the envelope; holds until the callback returns */
    struct journal_recovery *recovery; /* the journal's */
};

typedef int (*journal_replay_fn)(void *ctx, const struct journal_replay_record *rec);
typedef int (*journal_group_fn)(void *ctx, const struct journal_group_state *st);

enum journal_error {
    /* Damage at or below the durable frontier, or files that contradict each other: the text says file, position,
     * groups that are hit and what to do. Nothing was changed on disk. */
    JOURNAL_E_CORRUPT = ERROR_BASE_JOURNAL + 1,
    JOURNAL_E_VERSION, /* written by a newer version; nothing was changed */
};

/* Blocking, and changes nothing on disk. Returns 0, a negative errno or JOURNAL_E_*; err says where. A torn tail is
 * left out silently. Checks the logical chain of every group. */
int journal_open(const struct journal_config *config, struct journal **ret, struct error_text *err);
/* Blocking: makes durable what open accepted above the durable frontier, which a power loss could still take. Nothing
 * that it tells may be acted upon before, on this disk neither: files below a log start that isn't durable are still
 * needed. */
int journal_settle(struct journal *j, struct error_text *err);
/* All groups known, in order of their ids. fn's first result that isn't 0 ends it and is returned. */
int journal_groups(struct journal *j, journal_group_fn fn, void *ctx);
/* Blocking: the entries that count, oldest first. May be called several times. fn's first result that isn't 0 ends it
 * and is returned. Memory stays bounded by the largest entry. */
int journal_replay(struct journal *j, journal_replay_fn fn, void *ctx, struct error_text *err);
/* The same of one group alone: files without an entry of it that counts aren't read. */
int journal_replay_group(struct journal *j, uint64_t group, journal_replay_fn fn, void *ctx, struct error_text *err);
/* For a journal_replay_fn that can't take what the record says: returns JOURNAL_E_CORRUPT, and the text of
 * journal_replay() says file, position and what to do, with what is wrong there. */
int journal_replay_refuse(const struct journal_replay_record *rec, const char *what);
/* Blocking: journal_settle() if that wasn't done yet, and opens a fresh file whose STATE_TABLE is flushed. Nothing that
 * replay told may be acted upon towards others before. lane belongs to the owner reactor. Where something is short for
 * that file and there are others, it succeeds: see journal_lacks_file(). */
int journal_start(struct journal *j, struct env_lane *lane, struct error_text *err);
/* No work may be on its way through the lane: see journal_is_idle(). Requests that wait are forgotten. Takes NULL. */
void journal_free(struct journal *j);

enum journal_request_kind {
    JOURNAL_ENTRY,      /* index, term, checksum, prev_checksum (of index − 1; 0 for index 1), data */
    JOURNAL_HARD_STATE, /* state.term, state.vote */
    /* An entry that is flushed already, written again with the same fields and data, so that files with older copies of
     * it can go. Index in checkpoint + 1 .. last entry. Files go when all live entries of the group up to some index
     * were written again in order, from the one behind the checkpoint on. */
    JOURNAL_RELOCATED,
    /* Entries from index on are void; term and prev_checksum are those of the entry at index − 1. */
    JOURNAL_TRUNCATE,
    /* state.checkpoint_*, of flushed entries that nothing voids that was appended already; written in one record with
     * the others that wait. */
    JOURNAL_CHECKPOINT,
    JOURNAL_LOG_START, /* state.log_start */
    /* An image replaced the group's log: all its entries are void, and state.checkpoint_* and state.log_start tell
     * where it goes on. */
    JOURNAL_IMAGE_INSTALLED,
    JOURNAL_FORGET, /* the group was destroyed: it leaves the tables. Its last request. */
};

/* One record to write. Embedded in the caller's struct and the journal's from append to done(). What data points to
 * must stay until done(): the flush thread reads it. */
struct journal_request {
    struct list link;
    enum journal_request_kind kind;
    uint64_t group, index, term;
    uint32_t checksum, prev_checksum;
    struct slice data[2]; /* ENTRY, RELOCATED: the envelope in at most two pieces */
    bool awaited; /* ENTRY: other entries can only be committed, or forgotten, with it. It goes as small records do */
    struct journal_group_state state; /* the other kinds: the fields that the kind names */
    /* On the owner reactor, when the record is durable, or withdrawn. An I/O error never gets here: the fatal handler
     * does. */
    void (*done)(struct journal_request *r);
    uint64_t lsn; /* the end of the flush that holds it; set for all of a flush before the first done() */
    /* The journal's. After an append the caller may note it for its group's later requests, which aren't looked up
     * then; NULL: not known. */
    struct journal_group *owner;
};

/* Never blocks; the flush may wait for a journal file to be ready. An entry larger than journal_max_entry(), or one
 * that isn't the next of its group (index, prev_checksum), is a bug of the caller. Order is kept, but while
 * journal_space_error() or journal_is_full() holds, records other than ENTRY, and awaited ones, go before those that
 * wait for space: HARD_STATE, CHECKPOINT and RELOCATED before all, the others not before one of their own group. */
void journal_append(struct journal *j, struct journal_request *r);
/* For a group that is about to be forgotten: what waits of it isn't written any more, and done() is called for that
 * now, with lsn 0. What a flush has taken already gets on. Nothing but small records may be appended for the group
 * then. In a full journal its end would wait for its entries, and these for files that the group itself holds. */
void journal_withdraw(struct journal *j, uint64_t group);
/* For entries that are void: those from `from` on that wait, and copies of them, aren't written any more, as with
 * journal_withdraw(). A TRUNCATE from there, or an IMAGE_INSTALLED, must come next of the group. In a full journal that
 * would wait for them, and they for files that others of their kind hold. */
void journal_withdraw_entries(struct journal *j, uint64_t group, uint64_t from);
/* Bytes of the largest envelope: a quarter of a full-size file. */
size_t journal_max_entry(const struct journal *j);

/* Submits a flush when something waits and none is in flight. Returns when it wants to be called again at the latest
 * (in now_ns's time, UINT64_MAX: not by itself), since what waits may wait for more. */
uint64_t journal_poll(struct journal *j, uint64_t now_ns);

/* How long a flush waits for more requests to go with it. */
struct journal_batching {
    uint64_t wait_ns; /* at most so long after the first came; 0 (as it begins): not at all */
    size_t requests;  /* or until so many wait */
    size_t bytes;     /* or so many bytes of records */
};
void journal_set_batching(struct journal *j, const struct journal_batching *batching);
/* About once a second. Flushes what waits. An idle tail is sealed once: when nothing was flushed since the tick before.
 */
void journal_tick(struct journal *j);
/* Seals the tail now, if it isn't and nothing waits or is in flight: at a clean shutdown, then wait until idle. */
void journal_seal(struct journal *j);
/* A tick would do something by and by, even if nothing comes in. */
bool journal_needs_tick(const struct journal *j);
/* Nothing waits, nothing is in flight. */
bool journal_is_idle(const struct journal *j);
/* A flush is under way or due: nothing waits only for more to go with it. */
bool journal_is_at_work(const struct journal *j, uint64_t now_ns);
/* Flushes that were done since the start: while it is at work and these don't move on, it stands still. */
uint64_t journal_n_flushes(const struct journal *j);
/* Nothing is on its way through the lane. What waits may wait for space. */
bool journal_is_quiet(const struct journal *j);

/* Called on the owner reactor after a write or sync error on the journal: the process must end at once. */
typedef void (*journal_fatal_fn)(void *ctx, int err, const char *what);
void journal_set_fatal(struct journal *j, journal_fatal_fn fn, void *ctx);

/* -ENOSPC / -EDQUOT (or what else was short: -EMFILE, -ENFILE, -ENOMEM) while no further file can be made: 0 when all
 * is well. Requests wait meanwhile, nothing is lost; the node answers Produce with a retriable error. Tried again by
 * journal_tick() and when a file went out of use. */
int journal_space_error(const struct journal *j);
/* Nothing can be written yet: the start found no room for its file. journal_space_error() says why. */
bool journal_lacks_file(const struct journal *j);
/* An ENTRY with an envelope of so many bytes fits the current file, behind what waits: it needs no further one. */
bool journal_has_room(const struct journal *j, size_t size);

/* Large records wait because the files would outgrow size_bytes. They go on when old files went out of use: the
 * owner acts on journal_pins(). Of the budget a small file is left to the next start, and two full-size files are left
 * to what lets old files go, one of them to small records alone, so CHECKPOINTs get through. Half of a start's own file
 * is for entries all the same, the rest for copies. Awaited entries go wherever there is room, and get a file if there
 * is none. A journal of one file is never full. */
bool journal_is_full(const struct journal *j);

/* Groups whose entries keep the oldest files from being recycled while more than four full-size files (or half of
 * size_bytes, if that is less) are live, or space is short: the owner checkpoints or relocates them. index = up to
 * where. Each group is reported once. Returns how many were reported. */
typedef void (*journal_pin_fn)(void *ctx, uint64_t group, uint64_t index);
int journal_pins(struct journal *j, journal_pin_fn fn, void *ctx);
/* Bytes of entries that may be relocated now: copies that still count, and those that wait, stay below an eighth of
 * size_bytes. Those of the group (0: none) don't count, for whom others will take their place. 0 while the disk is
 * full. Copies pass what waits in a full journal, as far as there is room at all. */
uint64_t journal_relocation_room(const struct journal *j, uint64_t group);
/* The groups whose copies count there, once for each file that has some, with the last entry that they have in it: a
 * checkpoint up to there makes that room. */
void journal_copied(const struct journal *j, journal_pin_fn fn, void *ctx);
/* What n entries with so many bytes of envelopes take of it at most. */
uint64_t journal_relocation_size(uint64_t n, uint64_t bytes);

struct journal_stats {
    uint64_t flushed_lsn, next_lsn;
    uint64_t n_flushes, n_records, bytes_written; /* since start */
    uint64_t n_files, bytes_in_use;               /* live files */
    uint64_t bytes_spare;                         /* prepared and recycled files */
    uint64_t relocated_bytes;                     /* of relocated records that still count */
    uint64_t last_flush_ns;                       /* duration, when the clock was given */
};
void journal_stats(const struct journal *j, struct journal_stats *ret);
