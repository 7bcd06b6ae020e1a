/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of the journal share. Everything belongs to the owner reactor, but for what a flight or the keeper
 * has set aside for its lane_work while it runs. */

#include "base/hash.h"
#include "base/list.h"
#include "env/lane.h"
#include "journal/block_writer.h"
#include "journal/files.h"
#include "journal/format.h"
#include "journal/groups.h"
#include "journal/journal.h"

/* A flush takes at most so many bytes of records, or one request. */
#define JOURNAL_FLIGHT_MAX (4 * 1024 * 1024)

/* The end of each file is kept for small records while no further file can be made: without CHECKPOINTs no file would
 * ever go out of use again, without HARD_STATEs there would be no votes. */
#define JOURNAL_SMALL_RESERVE_MAX (128 * 1024)
#define JOURNAL_SMALL_RESERVE_PART 16 /* at most this part of a file */

/* A new file is so many times as large as the one before, up to the full size. */
#define JOURNAL_GROWTH 8

/* A large next file is filled with zeros while the current one is filled with records up to its half, so that no flush
 * waits behind many zeros: in writes of at least and at most so many bytes. A small one at once. */
#define JOURNAL_FILL_AT_ONCE ((uint64_t)8 * 1024 * 1024)
#define JOURNAL_FILL_MIN ((uint64_t)512 * 1024)
#define JOURNAL_FILL_MAX ((uint64_t)1024 * 1024)

/* Room for a header, tables, a reserve and something to write. */
#define JOURNAL_FILE_SIZE_MIN (64 * 1024)

/* The current file, one that waits for a checkpoint, one that is left to copies, and one to small records. */
#define JOURNAL_FILES_MIN 4

/* So many full-size files, at most half of the budget, are live before what holds the oldest is asked to let go. */
#define JOURNAL_FILES_COMFORTABLE 4
/* Copies take at most this part of the budget. */
#define JOURNAL_RELOCATED_PART 8

/* One flush on its way. */
struct journal_flight {
    struct lane_work work;
    struct journal *journal;
    bool busy;
    bool failed; /* for want of space: journal_tick() submits it again */

    /* Set aside for the flush thread. */
    struct journal_file *file;
    struct list requests;
    size_t n_checkpoints;
    bool seal;
    struct journal_bytes head;   /* whole records that go first: STATE_TABLE, GROUP_LIST */
    struct journal_file *ending; /* the file that is full, or NULL */
    struct journal_bytes tail;   /* its GROUP_LIST */
    bool ended;                  /* the tail is on disk */
    uint64_t flushed_lsn;        /* known at submission; then also the end of what was ended */

    size_t n_records;
    size_t record_bytes; /* upper bound, head included */

    /* Results. */
    int error;
    const char *what;    /* was being done when it failed */
    uint64_t end;        /* of file */
    uint64_t ending_end; /* of ending */
    uint64_t duration_ns;
};

/* In the order in which they are considered. */
enum journal_keeper_op {
    JOURNAL_KEEP_FIRST,   /* the file that a start begins with is made, for which it found no room */
    JOURNAL_KEEP_RETIRE,  /* the oldest file becomes a spare or goes */
    JOURNAL_KEEP_DROP,    /* a spare goes */
    JOURNAL_KEEP_UNREADY, /* the prepared file is too small: it becomes a spare */
    JOURNAL_KEEP_RESERVE, /* the reserve is made */
    JOURNAL_KEEP_PREPARE, /* the next file is made, of a spare or a filled blank */
    JOURNAL_KEEP_FILL,    /* zeros for a blank */
};

/* Makes and retires files, one step at a time, on a worker. */
struct journal_keeper {
    struct lane_work work;
    struct journal *journal;
    bool busy;
    enum journal_keeper_op op;
    struct journal_file *file;   /* RETIRE, UNREADY, PREPARE, FIRST */
    struct journal_spare *spare; /* DROP: this one; RESERVE: what it will be; PREPARE, FIRST: taken for it, or NULL */
    bool keep;                   /* RETIRE, UNREADY: as a spare */
    unsigned stuck;              /* bits of the ops that found no space, until the next tick */
    struct journal_make make;    /* PREPARE, FIRST */
    struct journal_blank blank;  /* what becomes the next file; generation 0: there is none */
    uint64_t fill_to;            /* FILL; 0: the blank is too small and goes */
    struct journal_bytes head;   /* FIRST */
    bool has_room;               /* FIRST: the disk has room for a further file */
    int error;
    const char *what; /* was being done when it failed */
};

struct journal {
    struct journal_config config;
    struct journal_dir dir;
    struct env_lane *lane; /* NULL until journal_start() */
    journal_fatal_fn fatal;
    void *fatal_ctx;
    bool dead; /* the fatal handler was called */

    struct journal_group_table groups;
    struct list leaving;          /* groups whose FORGET is in a flush */
    struct list files;            /* live ones, oldest first; the last is the current one */
    struct journal_file *current; /* NULL until journal_start(), and then until there is room for it */
    struct journal_file *next;    /* prepared, or NULL */
    struct list spares;
    struct journal_spare *reserve; /* a small spare for the next start, also on a full disk */
    struct list voids;             /* after open: files that hold nothing that counts, oldest first */
    uint64_t next_generation;
    uint64_t start_end;  /* of current, when it was opened */
    bool fresh;          /* entries had no room within the budget since the start */
    uint64_t need_bytes; /* a file of at least this size is waited for; 0: none is */

    struct list waiting;
    size_t n_waiting;
    size_t waiting_bytes;  /* of their records */
    uint64_t batch_end_ns; /* then they don't wait for more; 0: not known yet */
    struct journal_batching batching;
    uint64_t relocating_bytes; /* of records that wait */
    bool full;                 /* large records wait for files to go out of use */
    struct journal_flight flight;
    bool settled; /* journal_settle() was called */
    struct journal_keeper keeper;
    struct journal_staging staging; /* the flush thread's */

    uint64_t flushed_lsn; /* everything below is on disk */
    uint64_t known_lsn;   /* the largest flushed LSN that is itself on disk */
    bool sealed;
    uint64_t tick_flushes; /* n_flushes at the last tick */
    int space_error;       /* of the last attempt to prepare a file */
    uint64_t n_rounds;     /* of small requests that went ahead */
    struct journal_stats stats;
};

struct journal *journal_new(const struct journal_config *config);

/* Bytes on disk, block headers and padding included, for so many bytes of records. Upper bound. */
uint64_t journal_disk_need(uint64_t record_bytes);
/* Bytes on disk that must stay free in a file with n_usages groups: its GROUP_LIST and a seal. */
uint64_t journal_end_need(size_t n_usages);
/* Bytes that only small records may use in a file of this size. */
uint64_t journal_small_reserve(uint64_t file_size);
/* Size of the file that a switch needs so that record_bytes of requests of n_groups groups fit. */
uint64_t journal_file_need(const struct journal *j, uint64_t record_bytes, size_t n_groups);

/* Bytes of the live files. */
uint64_t journal_live_bytes(const struct journal *j);
/* What they and the next one may take: size_bytes without the reserve. */
uint64_t journal_live_budget(const struct journal *j);
/* A flushed LSN that is itself on disk tells of a STATE_TABLE in a later file. */
bool journal_has_known_table_after(const struct journal *j, const struct journal_file *f);

/* The records that a new file starts with: STATE_TABLE, and GROUP_LIST of prev unless it is NULL. */
void journal_head_write(struct journal *j, struct journal_file *prev, struct journal_bytes *to);
void journal_list_write(struct journal_file *f, struct journal_bytes *to);

/* A spare of at least so many bytes, taken off the list, or NULL. */
struct journal_spare *journal_spare_take(struct journal *j, uint64_t size);

/* Takes the next generation and everything else that a header needs. */
struct journal_file *journal_file_next(struct journal *j, uint64_t size, uint64_t prev_end_lsn);

/* On the flush thread: writes and syncs the flight. */
void journal_flight_run(struct lane_work *work);

/* Submits a flush when there is something to flush and nothing in flight. */
void journal_flush(struct journal *j);
/* Submits the keeper's next step when there is one and it is free. */
void journal_keep(struct journal *j);
/* The file that the keeper made. NULL: it couldn't, space_error tells why, and a spare that it took is one again. */
struct journal_file *journal_made_file(struct journal *j);
/* start.c: the file that a start begins with, in three steps: what it will be, set aside in the keeper; making it,
 * blocking; and what came of it, in keeper.error and space_error. */
void journal_first_prepare(struct journal *j);
void journal_first_run(struct journal *j);
void journal_first_done(struct journal *j);
/* Calls the fatal handler. */
void journal_die(struct journal *j, int err, const char *what);
