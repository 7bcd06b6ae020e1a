/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The segments of one partition: only committed and flushed entries, byte for byte what a fetch sends.
 * Formats: log/format.h and docs/format/segment.md.
 *
 * A segment is three files named by the Raft index of its first entry: NNNNNNNNNNNNNNNNNNNN.log (record batches),
 * .entries (one fixed-size record per entry), .aux (state commands), and a .snapshot as of the index before it.
 *
 * The owner reactor calls everything that doesn't say "blocking". Blocking calls run on a worker (or at start). Work
 * comes as jobs: prepare (owner), run (worker), done (owner, also after an error). At most one append, one sync and one
 * cut job of a log are in flight; these three and any number of warm, time and load jobs may overlap. What a job adds
 * becomes visible to readers with its done(). Files are made with the first entry, not before, and an idle partition
 * holds no descriptor beyond the cache's limit. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/mem_pool.h"
#include "base/slice.h"
#include "base/textbuf.h"
#include "env/disk.h"
#include "env/lane.h"
#include "log/entry.h"

struct log;
struct log_segment;

/* Open descriptors of all logs of one shard. Beyond max_segments the least recently used segments are closed, but for
 * those with unsynced bytes, with a reader or with a job: dirty ones are a budget of the node's, which makes them clean
 * by sync jobs, those first that have been dirty longest. Those that readers hold are a budget too, which the node
 * keeps by asking log_may_lend() first: who writes finds its descriptors then however long readers take. */
struct log_cache;
/* max_lent: to readers; 0: no limit. pool: of the owner's thread, or NULL. */
struct log_cache *log_cache_new(unsigned max_segments, unsigned max_lent, struct mem_pool *pool);
void log_cache_free(struct log_cache *c);              /* after its logs; takes NULL */
unsigned log_cache_open(const struct log_cache *c);    /* segments with open descriptors */
unsigned log_cache_dirty(const struct log_cache *c);   /* of these, with unsynced bytes */
unsigned log_cache_opening(const struct log_cache *c); /* that append jobs in flight open */
unsigned log_cache_lent(const struct log_cache *c);    /* that a log_range or a warm job holds, open or not */
/* The owner of the log of each of the n segments that have been dirty longest; fn may make sync jobs. */
void log_cache_oldest_dirty(struct log_cache *c, unsigned n, void (*fn)(void *owner));

/* Trim job: closes what became idle when nobody opens anything. One at a time for a cache. */
#define LOG_TRIM_FILES 192
struct log_trim {
    struct disk_file *files[LOG_TRIM_FILES];
    unsigned count;
};
bool log_trim_prepare(struct log_cache *c, struct log_trim *job); /* false: nothing is to be closed */
void log_trim_run(struct log_trim *job);                          /* blocking */

/* Places of entries behind the checkpoint that were in segments when the log was opened. Segments hold what is
 * committed alone, so these entries are, and all before them. Of many of them some are told, the last one always; what
 * a crash has torn isn't. */
struct log_place {
    uint64_t index, term;
    uint32_t checksum;
};
struct log_beyond {
    size_t n, capacity, at;
    struct log_place *places; /* in order of the indexes */
};
/* Asked in order of the indexes. */
bool log_beyond_has(struct log_beyond *b, uint64_t index, uint64_t term, uint32_t checksum);
void log_beyond_fini(struct log_beyond *b);

struct log_config {
    struct env_disk *disk;
    const char *dir; /* below the data directory; made with the first segment */
    bool dir_absent; /* it is known not to be there, so log_open() doesn't look */
    uint64_t segment_bytes;
    int64_t segment_ms;
    struct log_cache *cache; /* NULL: a small one of its own */
    void *owner;             /* for log_cache_oldest_dirty() */
    /* Zeros, and filled by log_open(); also when that fails. NULL: nobody asks. */
    struct log_beyond *beyond;
};

/* Where the log stands. index 0 = nothing yet. */
struct log_position {
    uint64_t index;
    uint64_t term;
    int64_t next_offset;
    uint32_t checksum; /* of the entry at index */
};

#define LOG_E_CORRUPT 1101 /* the text says file, position and what to do */
#define LOG_E_VERSION 1102
#define LOG_E_KEPT 1103 /* the log's files are gone, its directory isn't */

/* Blocking, but with dir_absent, which reads nothing. Opens or prepares the log and cuts it back to the durable
 * checkpoint (entries behind it come again from the journal); log_start: segments wholly below are gone or go now.
 * Table records, file sizes and how segments join are checked, record batches aren't read. On an error nothing was
 * changed. Running it again, also after a crash in the middle, gives the same. */
int log_open(const struct log_config *config, const struct log_position *checkpoint, int64_t log_start,
             struct log **ret, struct error_text *err);
/* Closes without syncing. No job in flight, no reader. Takes NULL. */
void log_free(struct log *l);
/* Blocking: removes all files and the directory of a closed log. Idempotent. LOG_E_KEPT: what isn't the log's is in the
 * directory, or something is mounted there; that stays, and the same directory may have a log again. */
int log_destroy(struct env_disk *disk, const char *dir);

/* New limits take effect at the next roll. */
void log_set_limits(struct log *l, uint64_t segment_bytes, int64_t segment_ms);

const char *log_dir(const struct log *l);
struct log_position log_end(const struct log *l); /* last appended (visible) entry */
int64_t log_start_offset(const struct log *l);    /* as last set */
int64_t log_first_offset(const struct log *l);    /* of the first entry still on disk */
uint64_t log_first_index(const struct log *l);    /* likewise; log_end().index + 1 when there is none */
uint64_t log_size_bytes(const struct log *l);     /* of all .log files */
unsigned log_segment_count(const struct log *l);

/* Segments are planned when entries are applied, since the snapshot that goes with a new segment must be the state
 * as of the index before its first entry, and applied state runs ahead of what is in segments. The owner calls this
 * once for each entry, in index order, before the entry is applied and long before it comes in an append job; true:
 * the entry starts a new segment (size, or age by append time), so the owner serialises the snapshot now and passes
 * it with the entry. The first entry of a log starts a segment without a snapshot. At start, log_open() plans from
 * the checkpoint on. Where the owner doesn't have that state (has_snapshot is false) the segment goes on for now,
 * unless it would get larger than any may. */
bool log_plan(struct log *l, size_t batches_size, int64_t append_time_ms, bool has_snapshot);
/* The snapshot as of this index, that of a segment which begins behind it, was there at the start: the owner needn't
 * pass another one, where it has a later state only. */
bool log_has_begun(const struct log *l, uint64_t index);

/* One committed entry to append. */
struct log_append_entry {
    uint64_t index, term;
    uint32_t checksum;
    const uint8_t *data; /* the envelope */
    size_t size;
    bool roll;             /* as log_plan() said */
    struct slice snapshot; /* with roll: partition snapshot as of index − 1 */
    struct slice batches;  /* null, or the batches: then data has only what comes before them */
};

/* An append job: entries in index order, the first is log_end().index + 1; it may span segments. The caller keeps
 * the entries' memory. */
struct log_append {
    struct log *log;
    const struct log_append_entry *entries;
    size_t n_entries;
    int error;    /* after run: 0, disk_is_shortage() (retry later, nothing visible changed), other: fatal */
    void *result; /* the log's */
};

bool log_append_opens(const struct log *l);                     /* owner: the next job has to open or make files */
void log_append_prepare(struct log *l, struct log_append *job); /* owner, before run */
void log_append_run(struct log_append *job);                    /* blocking */
void log_append_done(struct log_append *job); /* owner: publishes on success, frees the job's own memory */

/* Sync job: makes everything appended so far durable, writes the partition snapshot file beside it and drops older
 * ones that no segment needs. */
struct log_sync {
    struct log *log;
    struct slice snapshot;           /* partition snapshot; size 0: the group has none */
    struct log_position snapshot_at; /* as of where: applied state, so log_end() or later */
    struct log_position position;    /* log_end() when the job was made; the caller then journals a checkpoint of it */
    bool no_names;                   /* no checkpoint comes of it: names may stay as they are, it is for descriptors */
    int error; /* after run: 0, disk_is_shortage() (the snapshot didn't fit, say; try again), other: fatal */
    void *result;
};
void log_sync_prepare(struct log *l, struct log_sync *job); /* owner: notes position and what is dirty */
void log_sync_run(struct log_sync *job);                    /* blocking */
void log_sync_done(struct log_sync *job);
/* Instead of run, for many logs at a time: write, then one disk_sync_fs() for all of them, then finish for those whose
 * write had no error. An error of disk_sync_fs() goes to their error. Blocking. */
void log_sync_write(struct log_sync *job);
void log_sync_finish(struct log_sync *job);
/* Begins to write what run will sync, and doesn't wait for it. Blocking, before run. */
void log_sync_write_back(const struct log_sync *job);
bool log_is_dirty(const struct log *l);

/* Image: the state that a log begins with, for a follower whose own log doesn't reach so far. The first segment's
 * snapshot is that of the log it belongs to. On the follower's side a file is written, the journal told, the log reset,
 * and then the file takes its place. */
struct log_image {
    const struct log *log;
    struct log_position at; /* the state is as of here; to read: the index */
    uint8_t *data;          /* the snapshot's body: malloc'd by read, the caller's for write */
    size_t size;
    int error;             /* after a blocking call: 0, LOG_E_VERSION, -ENOENT and -EBADMSG from read, another errno */
    bool has_dir;          /* the log's */
    uint64_t old_snapshot; /* likewise */
};
void log_image_prepare(const struct log *l, struct log_image *job); /* owner, before read, write or finish */
void log_image_read(struct log_image *job);                         /* blocking: as of first index − 1 */
void log_image_write(struct log_image *job);                        /* blocking: durable, but nothing counts yet */
void log_image_written(struct log *l, const struct log_image *job); /* owner */
/* Blocking, when the journal has it: what the log begins with. May be tried again after a shortage. Without it, the
 * next log_open() with a checkpoint at its index does that. */
void log_image_finish(struct log_image *job);
void log_image_finished(struct log *l, const struct log_image *job); /* owner */
/* Owner, with no append, sync or cut job in flight: the log is empty and goes on behind `at`. The files of what it had
 * are removed by cut jobs: none may be made before the journal knows. */
void log_reset(struct log *l, const struct log_position *at, int64_t start);

/* Blocking, at start: the newest intact partition snapshot at or below max_index (UINT64_MAX: any; those above the
 * checkpoint survive log_open()). *ret_data is malloc'd; -ENOENT if none; else LOG_E_VERSION or an errno with err set.
 */
int log_load_snapshot(struct log *l, uint64_t max_index, uint64_t *ret_index, uint8_t **ret_data, size_t *ret_size,
                      struct error_text *err);
/* For who can't take what that snapshot says: error is LOG_E_VERSION, or LOG_E_CORRUPT with what is wrong at this byte
 * of its data. Returns it, with file and what to do in err. */
int log_refuse_snapshot(const struct log *l, uint64_t index, int error, size_t position, const char *what,
                        struct error_text *err);
/* Blocking, at start: entries behind after_index up to log_end() again, for the state that the snapshot lacks. data
 * holds for the call. */
typedef int (*log_entry_fn)(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, const void *data, size_t size);
int log_read_entries(struct log *l, uint64_t after_index, log_entry_fn fn, void *ctx, struct error_text *err);

/* Load job: the same while the log lives. fn runs on the worker. */
struct log_load {
    struct log *log;
    log_entry_fn fn;
    void *ctx;
    int error;             /* after run: 0, LOG_E_CORRUPT, an errno, or what fn returned */
    struct error_text err; /* of the first two: the file, the position, and what to do */
    void *result;
};
/* first_index and last_index lie within log_first_index() .. log_end().index. */
void log_load_prepare(struct log *l, struct log_load *job, uint64_t first_index, uint64_t last_index);
void log_load_run(struct log_load *job); /* blocking */
void log_load_done(struct log_load *job);

/* A range of one .log file, for sendfile. Holds a reference on the segment: its files stay until log_range_release().
 */
struct log_range {
    struct log_segment *segment;
    struct disk_file *file;
    uint64_t position;
    size_t size;
    int64_t first_offset; /* of the first batch: ≤ the offset asked for */
    int64_t next_offset;
};

/* Finds whole entries from the one that contains offset on, in one segment, below max_offset: as many as fit
 * max_bytes, but at least one. Returns 0, -EAGAIN (the table or the data isn't in memory: run a log_warm job and call
 * again), -ERANGE (below the first or at/above the end), or another errno. */
int log_read(struct log *l, int64_t offset, int64_t max_offset, size_t max_bytes, struct log_range *ret);
void log_range_release(struct log_range *r);

/* Whether log_read() or a warm job may have the segment that holds offset: the cache's limits let them (more readers of
 * one that some have already cost nothing), and nobody found damage in it. */
bool log_may_lend(const struct log *l, int64_t offset);

/* Warm job: brings what log_read() needs into memory, in pieces between which the journal's flushes come first. How
 * long a piece waits for them is limited, so that a cold reader gets on while the disk is never idle.
 *
 * What it reads is held against the table's checksums, by one pass over each piece. A segment with damage isn't lent
 * any more, since its wrong bytes are in memory now: log_may_lend() says so, and copies have what is right of it. */
struct log_warm {
    struct log *log;
    int64_t offset;
    size_t max_bytes;
    struct log_segment *segment; /* the log's: referenced by prepare */
    int error;                   /* -EBADMSG: damage */
    /* After done: the file, the position, and what to do, when the error is the first of its segment that says that
     * bytes are damaged or can't be read. malloc'd, the caller's to free; else NULL. */
    struct error_text *err;
    void *result; /* the log's */
};
void log_warm_prepare(struct log *l, struct log_warm *job, int64_t offset, size_t max_bytes);
/* Blocking. lane: whose flushes come first, NULL: nobody's. */
void log_warm_run(struct log_warm *job, struct env_lane *lane);
void log_warm_done(struct log_warm *job);

/* Copy job: instead of log_read(), the same records in memory. It has descriptors of its own while it runs and holds no
 * segment: one that goes meanwhile makes it fail with any error, so look at the log's start first. It has entries whose
 * checksums are right: where others follow it ends before them. */
struct log_copy {
    struct log *log;
    int64_t offset;
    size_t max_bytes;
    uint8_t *data;          /* malloc'd, the caller's to free; NULL on an error */
    size_t size;            /* of data. Before run: so much at most, unless the first entry alone has more */
    int error;              /* -EBADMSG: damage of the first entry */
    struct error_text *err; /* as log_warm.err */
    void *result;           /* the log's */
};
void log_copy_prepare(struct log *l, struct log_copy *job, int64_t offset, size_t max_bytes);
void log_copy_run(struct log_copy *job, struct env_lane *lane); /* as log_warm_run() */
void log_copy_done(struct log_copy *job);

/* Time look-up job: first record whose timestamp is ≥ target_ms (LOG_TIME_MAX: the record with the largest
 * timestamp), at or above log start and below max_offset. offset −1 when there is none. Control batches don't count; a
 * batch that can't be unpacked counts as a whole, with its first offset and its header's maximum. */
#define LOG_TIME_MAX INT64_MIN
struct log_time_query {
    struct log *log;
    int64_t target_ms;
    int64_t max_offset;
    int64_t offset, timestamp_ms; /* result; −1, −1 when there is none */
    int32_t leader_epoch;
    int error;
    struct error_text *err; /* as log_warm.err */
    void *result;
};
void log_time_prepare(struct log *l, struct log_time_query *job);
void log_time_run(struct log_time_query *job); /* blocking */
void log_time_done(struct log_time_query *job);

/* Term table: from where on each term's entries run. Answers OffsetForLeaderEpoch: the end offset of the largest
 * term ≤ term, and that term; -ENOENT when all known terms are newer. Answerable at start − 1 too. */
int log_epoch_end(const struct log *l, uint64_t term, int64_t log_end_offset, uint64_t *ret_term, int64_t *ret_offset);
/* Term of the entry that holds offset, or of the last one when it is at the end; −1 when nothing is known of it. */
int32_t log_epoch_at(const struct log *l, int64_t offset);
/* Term of an entry in the log or of the one right before the first; -ENOENT for others. */
int log_term_at(const struct log *l, uint64_t index, uint64_t *ret_term);
/* The same, with the last entry up to which that term goes on. */
int log_run_at(const struct log *l, uint64_t index, uint64_t *ret_term, uint64_t *ret_last);

/* Retention: the offset that the log could start at so that whole segments go: those whose newest entry was appended
 * (append time, not the records' own) more than retention_ms before now_ms (< 0: no limit), or whose bytes aren't
 * needed for the newest retention_bytes (< 0: no limit). Returns log_start_offset() when nothing can go. When by age
 * even the active segment can go, a new one is planned for the next entry (as log_roll()): the set_log_start entry that
 * the caller then proposes is the first of it. */
int64_t log_retention_start(struct log *l, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes);

/* The active segment has entries and is older than segment_ms, or lies below the log start: an idle partition's old
 * segment stays until some entry starts the next one. */
bool log_needs_roll(const struct log *l, int64_t now_ms);
/* log_plan() starts a new segment with the next entry, whatever the limits say. Touches no file. */
void log_roll(struct log *l);

/* Owner: raises the start offset for readers (the durable start was journalled already) and takes whole segments
 * below it out of the log; a log_cut job then removes their files when no one refers to them. */
struct log_cut {
    struct log *log;
    int error; /* after run: 0, or an errno: what is left is tried again by the next job */
    void *result;
};
/* A segment goes when it ends at or below offset and before the entry of log_set_checkpoint(); the last one stays until
 * another one follows, which is planned for the next entry when it is wholly below. */
void log_set_start(struct log *l, int64_t offset);
/* The checkpoint of this index is in the journal; at first it is log_open()'s. A start makes the state there from the
 * snapshot of its segment, so that one stays. But where there is no room for a checkpoint all may go that lie below the
 * log start: then the next start may have no snapshot to begin an image with. */
void log_set_checkpoint(struct log *l, uint64_t index);
void log_set_no_room(struct log *l, bool no_room);
bool log_awaits_checkpoint(const struct log *l);          /* a later one lets segments go */
bool log_cut_prepare(struct log *l, struct log_cut *job); /* false: nothing to remove now */
void log_cut_run(struct log_cut *job);                    /* blocking */
void log_cut_done(struct log_cut *job);
/* At a start, when files can't be removed yet: closes those of segments that are to go. Blocking. */
void log_close_dead(struct log *l);
