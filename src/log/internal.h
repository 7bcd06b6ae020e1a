/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of log/ share. Unless said otherwise the owner reactor calls; "worker" functions touch only what
 * they are given. */

#include "base/util.h"
#include "log/format.h"
#include "log/log.h"

/* Longest path of a file in a log: its directory and 64 bytes more. */
#define LOG_DIR_MAX 192
#define LOG_PATH_SIZE 256

/* Table records read or written at once. */
#define TABLE_CHUNK 32

/* A table never gets larger than this, or than segment_bytes where that is more. */
#define LOG_TABLE_BYTES (UINT64_C(64) << 20)

/* The most that segment_bytes may be. */
#define LOG_SEGMENT_MAX_BYTES (UINT64_C(2047) << 20)

/* What a segment holds up to some entry. */
struct segment_end {
    uint64_t n_entries;
    uint64_t log_size, aux_size;
    uint64_t term; /* of the last entry */
    int64_t next_offset;
    int64_t first_append_ms, last_append_ms;
    int64_t max_timestamp, max_offset; /* as table_record.running_max_* */
    uint32_t checksum;                 /* of the last entry */
};

/* refs counts readers and jobs, n_lent readers and their jobs alone. A segment leaves the log's array when it is below
 * the log start; it waits in log.dead until no one refers to it and a cut job removes its files. */
struct log_segment {
    struct log *log;
    uint64_t base_index;
    int64_t base_offset;
    struct segment_end end;                   /* what readers see */
    struct disk_file *files[SEGMENT_N_PARTS]; /* NULL: closed. For writing in the last segment. */
    uint64_t allocated[SEGMENT_N_PARTS];      /* preallocated up to here; the append side's */
    struct list cache_link;                   /* while a file is open */
    struct list dirty_link;                   /* while a file is open that has unsynced bytes */
    struct list dead_link;
    uint32_t refs, n_lent;
    uint8_t dirty, syncing; /* a bit per part: has unsynced bytes or size; of these, at a sync job */
    uint8_t found;          /* of the last one at the start: those that were there, see log.found */
    bool dead;
    bool idle;    /* the cache's: counted as such */
    bool damaged; /* a reader's job or the scrubber found that: only copies are made of it, each of which is checked */
};

/* From first_index on entries have this term. */
struct term_run {
    uint64_t term, first_index;
    int64_t first_offset;
};

/* Where sequential readers left off, so that going on needs no search. */
#define LOG_N_CURSORS 4
struct log_cursor {
    uint64_t base_index; /* of the segment; 0: unused */
    uint64_t record;
    int64_t offset;
};
struct log_reader {
    struct log_cursor cursors[LOG_N_CURSORS];
    unsigned next; /* to be replaced */
};

/* The segment that the next applied entry goes to. */
struct log_plan {
    uint64_t n_entries, bytes;
    int64_t first_append_ms;
    uint32_t pending; /* planned segments that no append job has made yet */
    bool active, roll;
};

struct append_op;

struct log {
    struct env_disk *disk;
    struct log_cache *cache;
    void *owner;
    uint64_t segment_bytes;
    int64_t segment_ms;

    struct log_position end;
    uint64_t synced_index, checkpoint; /* the segment with that entry stays */
    int64_t start;
    struct log_segment **segments; /* oldest first; the last one is appended to */
    uint32_t n_segments, segments_capacity;
    uint32_t n_runs, runs_capacity;
    struct term_run *runs; /* the first one is that of the entry before the first, where there was one */
    struct list dead;
    struct log_plan plan;
    struct log_reader *reader; /* NULL until the first read */
    uint64_t loose_snapshot;   /* as of this index the newest snapshot that belongs to no segment; 0 none */

    struct append_op *append; /* in flight */
    bool syncing, cutting;
    bool own_cache;
    bool dir_made;    /* the append side's while a job is in flight */
    bool no_room;     /* the checkpoint keeps no segment */
    bool names_dirty; /* names in the directory changed since it was synced */
    bool path_dirty;  /* the directory itself may be new */
    /* Of the segment that was the last one at the start a process before may have cut the ends of parts off, and been
     * killed: a checkpoint makes that durable first. */
    bool found : 1;
    bool begun : 1; /* there was a snapshot as of the checkpoint, for a first segment that was lost */
    char dir[];
};

/* segment.c */
struct log_segment *segment_new(struct log *l, uint64_t base_index, int64_t base_offset);
void segment_free(struct log_segment *s); /* closes its files; takes NULL */
void segment_ref(struct log_segment *s);
void segment_unref(struct log_segment *s);
/* The same for readers. */
void segment_lend(struct log_segment *s);
void segment_return(struct log_segment *s);
void segment_append(struct log *l, struct log_segment *s);
/* The segment that holds offset, start ≤ offset < end. */
struct log_segment *segment_find(const struct log *l, int64_t offset);
/* A reader's job found damage in the live segment that begins at base_index: takes its text (NULL: it found none), and
 * returns it the first time, for somebody to tell and to free. */
struct error_text *segment_damaged(const struct log *l, uint64_t base_index, struct error_text *text);
static inline struct log_segment *segment_last(const struct log *l)
{
    return l->n_segments > 0 ? l->segments[l->n_segments - 1] : NULL;
}
uint64_t segment_part_size(const struct segment_end *end, enum segment_file part);
/* How descriptors are opened that readers get: batches are read ahead by warm jobs, which give way to flushes. The
 * kernel's read-ahead, megabytes at once on some systems, doesn't. */
static inline unsigned segment_reading(enum segment_file part)
{
    return part == SEGMENT_LOG ? DISK_EXACT : 0;
}
/* Any thread. */
void log_path(char to[LOG_PATH_SIZE], const char *dir, const char *name);
void segment_path(char to[LOG_PATH_SIZE], const char *dir, uint64_t index, enum segment_file kind);

/* cache.c: call after refs, dirty, syncing or files of a segment changed. */
void cache_update(struct log_cache *c, struct log_segment *s);
void cache_forget(struct log_cache *c, struct log_segment *s);
/* Its unsynced bytes of before are synced: with new ones it counts as dirty since now. */
void cache_synced(struct log_cache *c, struct log_segment *s);

/* So many more segments are being opened by append jobs; < 0: fewer. */
void cache_opening(struct log_cache *c, int n);
/* The same by warm jobs. */
void cache_warming(struct log_cache *c, int n);
/* Readers may have one more segment. */
bool cache_may_lend(const struct log_cache *c);
/* A segment was lent to its first reader (1), or came back from the last one (-1). */
void cache_lent(struct log_cache *c, int n);

/* For what belongs to a job; the owner reactor's. */
struct mem_pool *cache_pool(const struct log_cache *c);

/* Files that a job's worker closes, so that no reactor does. */
struct close_list {
    struct disk_file *files[2 * SEGMENT_N_PARTS];
    unsigned count;
};
/* Makes room for one more segment with open files: takes files from others into the list. */
void cache_make_room(struct log_cache *c, struct close_list *to_close);
void close_list_run(struct close_list *c); /* worker */

/* append.c: whether the job in flight writes to the segment that starts at index. */
bool append_starts_at(const struct append_op *op, uint64_t index);

/* term.c */
void term_add(struct log *l, uint64_t term, uint64_t index, int64_t offset);
void term_trim(struct log *l);

/* plan.c */
void plan_init(struct log *l);

/* retention.c */
bool segment_is_below(const struct log_segment *s, int64_t start);
void log_drop_below_start(struct log *l);

/* dir.c; workers. */
int dir_make(struct env_disk *disk, const char *dir);
/* Makes the names on the way to dir durable. */
int dir_sync_path(struct env_disk *disk, const char *dir);
/* Of a file that is on its way to another name, or was when a crash came: an image, or any .tmp. */
bool log_is_image_name(const char *name);
bool log_is_passing_name(const char *name);
/* Of any file of a log. */
bool log_has_name(const char *name);

/* snapshot.c; workers. Without sync the file may have its name and be torn after a crash: its checksum tells. */
int snapshot_write(struct env_disk *disk, const char *dir, const char *tmp_suffix, const struct log_position *at,
                   struct slice body, bool sync);
int snapshot_read(struct env_disk *disk, const char *dir, uint64_t index, uint8_t **ret_data, size_t *ret_size);
/* The same under any name. */
int snapshot_write_file(struct env_disk *disk, const char *path, const struct log_position *at, struct slice body,
                        bool sync);
int snapshot_read_file(struct env_disk *disk, const char *path, uint64_t index, struct log_position *ret_at,
                       uint8_t **ret_data, size_t *ret_size);

/* image.c; workers, and recovery. A snapshot that came from another node, before it counts. */
#define IMAGE_SUFFIX ".image" /* behind the snapshot's name */
void image_path(char to[LOG_PATH_SIZE], const char *dir, uint64_t index);
/* The one as of index gets its name for good. */
int image_adopt(struct env_disk *disk, const char *dir, uint64_t index);

/* table.c: reading a table; any thread. */
struct table {
    struct disk_file *file;
    uint64_t base_index;
    uint64_t n;        /* records that may be read */
    bool cached;       /* only what is in memory; -EAGAIN otherwise */
    uint64_t *ret_bad; /* the record that was wrong or couldn't be read; NULL: nobody wants to know */
};

static inline struct table table_of(struct disk_file *file, const struct log_segment *s, bool cached)
{
    return (struct table){ .file = file, .base_index = s->base_index, .n = s->end.n_entries, .cached = cached };
}

/* Reads records i … of at most `max` ≤ TABLE_CHUNK; returns how many (at least one), -EAGAIN, -EBADMSG (damaged) or
 * another errno. i < n. */
int table_read(const struct table *t, uint64_t i, unsigned max, struct table_record *ret);
/* First record of [low, high) that the monotone predicate holds for; high when it holds for none. */
typedef bool (*table_predicate)(const struct table_record *r, const void *arg);
int table_search(const struct table *t, uint64_t low, uint64_t high, table_predicate holds, const void *arg,
                 uint64_t *ret_i);
/* First record whose entry reaches beyond *(int64_t *)arg. */
bool table_is_beyond_offset(const struct table_record *r, const void *arg);

/* read.c: whole entries that a read gives. */
struct span {
    uint64_t position, size; /* in .log */
    int64_t first_offset, next_offset;
    uint64_t record;      /* the first one */
    uint64_t next_record; /* where the read behind it goes on */
};
struct span_request {
    int64_t offset, max_offset;
    size_t max_bytes;
    uint64_t hint; /* record to look at first; UINT64_MAX: none */
};
int span_find(const struct table *t, struct disk_file *log_file, const struct span_request *q, struct span *ret);

struct finding;

/* verify.c: holds bytes of .log against the table's checksums while they come, in pieces of any size. */
struct span_check {
    struct table table;
    struct finding *finding;
    struct table_record recs[TABLE_CHUNK];
    unsigned n, k;        /* recs[k] of n is the entry at hand */
    uint64_t next_record; /* to read */
    uint64_t position;    /* in .log, of the next byte */
    uint64_t good_end;    /* entries up to there have their checksums */
    uint32_t crc;         /* of the bytes behind that */
};
/* The first byte will be that of the span, whose end is the end of an entry. Worker, like the next one. */
int span_check_begin(struct span_check *c, const struct table *t, const struct span *span, struct finding *finding);
/* -EBADMSG, or an errno of reading the table, with the place in the finding. */
int span_check_add(struct span_check *c, const uint8_t *data, size_t size);

/* error.c */
#define DAMAGE_NO_POSITION UINT64_MAX

struct damage {
    const char *dir;
    uint64_t base_index; /* names the file, with kind */
    enum segment_file kind;
    uint64_t position;                /* or DAMAGE_NO_POSITION */
    uint64_t first_index, last_index; /* entries that are hit; 0, 0: the file as such */
};
/* Says what is wrong; returns LOG_E_CORRUPT. */
_printf_(3, 4) int damage_report(const struct damage *d, struct error_text *err, const char *fmt, ...);
/* Where a reader's job is, for the case that it fails. */
struct finding {
    struct damage at;
    const char *what;    /* a static text */
    uint64_t bad_record; /* of the table, for table.ret_bad; UINT64_MAX: none */
};
void finding_init(struct finding *f, const struct log *l, uint64_t base_index);
void finding_at(struct finding *f, enum segment_file kind, uint64_t position, uint64_t index, const char *what);
/* The job's error as a sentence, malloc'd; NULL where it says nothing about the files. */
struct error_text *finding_text(const struct finding *f, int error);
/* Says what failed, and of a failing medium what to do; returns error. The entries don't matter. */
int io_report(const struct damage *d, struct error_text *err, const char *what, int error);
/* Says that the file is newer than this program; returns LOG_E_VERSION. */
int version_report(const char *dir, uint64_t index, enum segment_file kind, struct error_text *err);
