/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this module share. Everything refers to everything else by index, so that tables may move. */

#include "base/util.h"
#include "history/history.h"
#include "history/map.h"

#define NONE HISTORY_NONE
#define MAX_RECORDS ((uint32_t)1 << 31)
/* In the map of locations: a second value was seen here and reported. */
#define IS_DISPUTED ((uint32_t)1 << 31)

/* The highest offset that was told, and where: the floor of what may be told afterwards. */
struct mark {
    int64_t offset; /* −1: none */
    uint32_t line;
};

/* What is known about a partition at some moment; an open operation keeps what held when it was invoked. */
struct marks {
    struct mark top; /* offset of a record that was acknowledged or read */
    struct mark start, end, stable;
};

struct place {
    char *name;
    struct slice name_slice;
    struct marks marks;
    struct mark lowest;    /* offset of a record that was acknowledged or read; line 0: none */
    struct mark seen;      /* highest offset that a poll returned */
    int64_t deletable;     /* below it, records may have been deleted; INT64_MAX: all */
    uint32_t known_line;   /* first told to exist */
    uint32_t drain_invoke; /* of the drain that was invoked last among those that ended */
    uint32_t drain_line;
    uint32_t n_open_txns; /* that sent something here and weren't asked to end */
};

enum send_state { SEND_OPEN, SEND_OK, SEND_FAILED };

struct send {
    uint64_t sequence;
    uint32_t place;
    uint32_t line, done_line;
    uint32_t first, n; /* values */
    uint32_t txn;      /* NONE */
    uint32_t producer; /* NONE */
    uint8_t state;     /* enum send_state; OPEN for unknown ones too */
    bool may_repeat;
};

struct value {
    uint64_t number;
    int64_t offset; /* −1: not known */
    uint32_t send;
    uint32_t located_line;   /* that told the offset */
    uint32_t seen_line;      /* first poll that returned it */
    uint32_t committed_line; /* first one that reads only what is committed */
};

struct txn {
    uint64_t number;
    uint32_t commit_line, abort_line; /* invoked; 0: never */
    uint32_t committed_line;          /* answered OK */
    uint32_t refused_line;            /* a commit failed */
    uint32_t n_commits, n_refused;
    uint32_t seen_line; /* a reader of what is committed saw a part */
    uint32_t places;    /* first txn_place, or NONE */
};

struct open_op {
    uint64_t id;
    struct marks floor; /* SEND, LIST, DRAIN */
    uint32_t line;
    uint32_t client; /* index */
    uint32_t place, send, txn;
    uint8_t verb;
    bool is_raw;
};

struct client {
    uint32_t number;
    uint32_t assignment; /* positions of earlier ones don't hold any more */
};

struct position {
    int64_t next; /* −1: not known */
    uint32_t line, assignment;
};

/* Offsets that a client went over without reading them. Whether something was there is known at the end. */
struct gap {
    int64_t low, high; /* low included, high not */
    uint32_t place, client;
    uint32_t line, before_line;
    bool is_raw, is_inside, is_commit;
};

/* A transaction read a value. */
struct txn_read {
    uint32_t txn, value, line;
};

/* A transaction sent something to a place; next is that of the transaction, or NONE. */
struct txn_place {
    uint32_t place, next;
};

#define DEFINE_TABLE(type) \
    struct type##_table { \
        struct type *at; \
        size_t n, capacity; \
    }

DEFINE_TABLE(place);
DEFINE_TABLE(send);
DEFINE_TABLE(value);
DEFINE_TABLE(txn);
DEFINE_TABLE(open_op);
DEFINE_TABLE(client);
DEFINE_TABLE(position);
DEFINE_TABLE(gap);
DEFINE_TABLE(txn_read);
DEFINE_TABLE(txn_place);
DEFINE_TABLE(history_finding);

/* A new element at the end, zeroed. */
#define table_add(t) ((typeof((t)->at))table_grow_((void **)&(t)->at, &(t)->n, &(t)->capacity, sizeof(*(t)->at)))
void *table_grow_(void **at, size_t *n, size_t *capacity, size_t size);

struct history {
    struct history_rules rules;
    uint64_t n_operations;
    uint32_t line; /* of the event at hand */
    uint32_t n_events;
    bool is_judged;

    struct place_table places;
    struct send_table sends;
    struct value_table values;
    struct txn_table txns;
    struct open_op_table open;
    struct client_table clients;
    struct position_table positions;
    struct gap_table gaps;
    struct txn_read_table reads;
    struct txn_place_table txn_places;
    uint32_t n_producers;

    struct map place_of; /* (hash of the name, 0) → place; equal hashes take the next second number */
    struct map open_of;  /* id → open_op */
    struct map value_of; /* number → value */
    struct map located;  /* (place, offset) → value, with IS_DISPUTED */
    struct map txn_of, client_of, position_of, producer_of, txn_place_of;
    struct map leader_of, leader_line_of; /* (place, epoch) → node, line */

    struct history_finding_table findings;
    uint64_t counts[HISTORY_N_ANOMALIES];
};

/* --- history.c --- */

/* Counts it, and keeps it when there is room. lines end with a 0. */
_printf_(6, 7) void report(struct history *h, enum history_anomaly anomaly, uint32_t place, int64_t offset,
                           const uint32_t *lines, const char *fmt, ...);
#define LINES(...) ((const uint32_t[]){ __VA_ARGS__, 0 })

const char *place_name(const struct history *h, uint32_t place);
/* --- send.c --- */

int send_check(struct history *h, const struct history_event *e, struct error_text *err, uint32_t *ret_column);
void send_invoke(struct history *h, struct open_op *op, const struct history_event *e);
void send_end(struct history *h, const struct open_op *op, const struct history_event *e);
/* The value was told to be at this offset by the event at hand. False when that contradicts what is known. */
bool value_locate(struct history *h, uint32_t value, uint32_t place, int64_t offset);

/* --- poll.c --- */

uint32_t client_index(struct history *h, uint32_t number);
void assign(struct history *h, uint32_t client, const struct history_event *e);
void seek(struct history *h, uint32_t client, const struct history_event *e);
void commit_offsets(struct history *h, uint32_t client, const struct history_event *e);
void poll_end(struct history *h, const struct open_op *op, const struct history_event *e);

/* --- offsets.c --- */

void delete_invoke(struct history *h, const struct history_event *e);
void list_end(struct history *h, const struct open_op *op, const struct history_event *e);
void leader_end(struct history *h, const struct open_op *op, const struct history_event *e);
/* Raises a mark. */
void mark_up(struct mark *m, int64_t offset, uint32_t line);
/* The event at hand proves that the place exists. */
void place_known(struct history *h, uint32_t place);
/* And that records were at these offsets. */
void record_known(struct history *h, uint32_t place, int64_t first, int64_t last);

/* --- txn.c --- */

/* The transaction of this number, made at its first mention. 0 gives NONE. */
uint32_t txn_index(struct history *h, uint64_t number);
/* It sends something to this place. */
void txn_touch(struct history *h, uint32_t txn, uint32_t place);
void txn_end_invoke(struct history *h, uint32_t txn, bool is_commit);
void txn_commit_end(struct history *h, uint32_t txn, enum history_kind kind);
bool txn_may_commit(const struct txn *t);
/* Answered, or seen to be. */
bool txn_is_committed(const struct txn *t);

/* --- judge.c, judge_gap.c, cycle.c --- */

/* All known places of values, sorted by place and offset. */
struct location {
    int64_t offset;
    uint32_t place, value;
};

struct view {
    struct location *at;
    size_t n;
    /* Index of the first location from here on that surely is visible, or n: read by somebody and visible to readers
     * of everything or of what is committed only; acknowledged or read and committed. */
    uint32_t *seen_raw, *seen_committed, *there_committed;
};

/* Surely in the log. */
bool value_is_there(const struct history *h, const struct value *v);
/* And a reader of what is committed has to get it. */
bool value_is_committed(const struct history *h, const struct value *v);

void judge_gaps(struct history *h, const struct view *view);
void judge_lost(struct history *h, const struct view *view);
void judge_cycles(struct history *h, const struct view *view);
