/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The history checker: what clients did with a queue and what they were answered, judged afterwards.
 *
 * Events are added one by one in the order in which they happened, then history_judge() holds them against what a
 * durable log promises. A program adds structs; history_reader takes the text format of docs/history.md.
 *
 * An operation is an INVOKE and at most one OK, FAIL or INFO with the same id. FAIL says that it certainly had no
 * effect, INFO that nobody knows (a timeout); an operation that never ends counts as INFO. Ids are free again when an
 * operation has ended. A client is one thread of use: its assignments, seeks and polls come one after the other.
 *
 * Owned by one thread; nothing is logged. Memory grows with the history (README.md has figures) and ends the process
 * when it is out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/slice.h"
#include "base/textbuf.h"

struct history;

/* --- what is found --- */

/* X(name in C, name in reports, what it means) */
#define HISTORY_ANOMALIES(X) \
    X(LOST_WRITE, "lost-write", "an acknowledged record was read past and nobody ever saw it") \
    X(UNSEEN, "unseen", "an acknowledged record at the end of a partition was not seen when it was drained") \
    X(DUPLICATE, "duplicate", "a record that was sent once has two offsets") \
    X(TWO_VALUES, "two-values", "two records have the same offset") \
    X(ABORTED_READ, "aborted-read", "a record was read whose send failed or whose transaction was aborted") \
    X(READ_BEFORE_COMMIT, "read-before-commit", "a record was read before its transaction was asked to commit") \
    X(TORN_TRANSACTION, "torn-transaction", "a part of a transaction is there and another part is missing") \
    X(POLL_SKIP, "poll-skip", "a client's next poll went past a record") \
    X(POLL_SKIP_INSIDE, "poll-skip-inside", "one poll left a record out") \
    X(POLL_BACK, "poll-back", "a client's next poll went back without a seek or an assignment") \
    X(POLL_BACK_INSIDE, "poll-back-inside", "the records of one poll are out of order") \
    X(SEND_ORDER, "send-order", "a later send got a smaller offset") \
    X(WRITE_CYCLE, "write-cycle", "transactions wrote before each other in a circle (G0)") \
    X(READ_CYCLE, "read-cycle", "transactions depend on each other in a circle, through what they read (G1c)") \
    X(COMMIT_BEYOND, "commit-beyond", "a consumer committed an offset past records that it had not polled") \
    X(STUCK_STABLE, "stuck-stable", "the last stable offset stays below the end with no transaction open") \
    X(STREAM_FORGOTTEN, "stream-forgotten", "a partition with records is unknown or empty from offset 0") \
    X(OFFSET_BACK, "offset-back", "a log start, end or last stable offset went back") \
    X(START_AHEAD, "start-ahead", "the log start passed records that nothing was allowed to delete") \
    X(FROM_NOWHERE, "from-nowhere", "a record was read that nobody sent to this partition") \
    X(TWO_LEADERS, "two-leaders", "one leader epoch had two leaders")

enum history_anomaly {
#define X(id, name, meaning) HISTORY_##id,
    HISTORY_ANOMALIES(X)
#undef X
        HISTORY_N_ANOMALIES
};

const char *history_anomaly_name(enum history_anomaly a);
const char *history_anomaly_meaning(enum history_anomaly a);

#define HISTORY_MAX_LINES 4

struct history_finding {
    enum history_anomaly anomaly;
    uint32_t place;                    /* HISTORY_NONE: about transactions */
    int64_t offset;                    /* −1: about none */
    uint32_t lines[HISTORY_MAX_LINES]; /* of the operations that show it, cause first */
    uint32_t n_lines;
    char *text; /* a sentence with places, offsets, values and lines */
};

#define HISTORY_NONE UINT32_MAX

/* --- events --- */

enum history_kind { HISTORY_INVOKE, HISTORY_OK, HISTORY_FAIL, HISTORY_INFO };

/* X(name in C, name in the text format) */
#define HISTORY_VERBS(X) \
    X(SEND, "send") \
    X(POLL, "poll") \
    X(ASSIGN, "assign") \
    X(SEEK, "seek") \
    X(COMMIT, "commit") \
    X(LIST, "list") \
    X(DRAIN, "drain") \
    X(DELETE, "delete") \
    X(LEADER, "leader") \
    X(COMMIT_TXN, "commit-txn") \
    X(ABORT_TXN, "abort-txn")

enum history_verb {
#define X(id, name) HISTORY_##id,
    HISTORY_VERBS(X)
#undef X
        HISTORY_N_VERBS
};

/* What an event is about. SEND: values. OK of POLL: place, offset and value of each record, in the order of delivery.
 * ASSIGN, SEEK, COMMIT, DELETE: place and offset, −1 for "not known" (DELETE: anything may go). */
struct history_record {
    uint64_t value;
    int64_t offset;
    uint32_t place;
    uint32_t column; /* in the text, for errors; else 0 */
};

/* Which of an event's fields are set. */
enum history_has {
    HISTORY_HAS_PRODUCER = 1 << 0,
    HISTORY_HAS_OFFSET = 1 << 1,
    HISTORY_HAS_START = 1 << 2,
    HISTORY_HAS_END = 1 << 3,
    HISTORY_HAS_STABLE = 1 << 4,
};

struct history_event {
    enum history_kind kind;
    enum history_verb verb; /* INVOKE; of an OK history_format() alone looks at it */
    uint64_t id;
    uint32_t line; /* how reports call it, never going back; 0: the number of the event, from 1 */
    uint32_t client;
    uint32_t place;  /* INVOKE of SEND, LIST, DRAIN, LEADER: from history_place() */
    uint32_t has;    /* of enum history_has */
    bool is_raw;     /* POLL: read uncommitted */
    bool may_repeat; /* SEND: sent without sequence numbers, so a retry may have stored it twice */
    bool is_unknown; /* OK of LIST, DRAIN: the cluster says that there is no such partition */
    uint64_t txn;    /* SEND, POLL, COMMIT: within this transaction, 0: none; COMMIT_TXN, ABORT_TXN: which. From 1 */
    uint64_t producer_id, sequence; /* SEND with a producer; the first value's sequence number, never wrapped */
    uint32_t epoch;                 /* SEND with a producer: its epoch; OK of LEADER: the leader's */
    uint32_t node;                  /* OK of LEADER */
    int64_t offset;                 /* OK of SEND: of the first value, the others follow without a gap */
    int64_t start, end, stable;     /* OK of LIST, DRAIN; end is that of all records, stable what transactions leave */
    const struct history_record *records; /* read during the call only */
    size_t n_records;
};

struct history_rules {
    bool serial_writes;    /* cycles of writes are illegal too; Kafka's transactions may interleave */
    uint32_t max_findings; /* kept of each anomaly, all are counted; 0: 100 */
};

struct history *history_new(const struct history_rules *rules);
/* Takes NULL. */
void history_free(struct history *h);
DEFINE_CLEANUP(struct history *, history_free)

/* The number of a partition, made at its first mention. A topic that is made anew is another place. */
uint32_t history_place(struct history *h, struct slice name);

/* 0, or -EINVAL with a sentence when the event can't be: an id in use or not open, a value sent twice, a history of
 * more than 2^31 records. The history is unchanged then. ret_column is the offending record's, or 0. */
int history_add(struct history *h, const struct history_event *e, struct error_text *err, uint32_t *ret_column);

/* The verb of an open operation: true when there is one. */
bool history_open_verb(const struct history *h, uint64_t id, enum history_verb *ret_verb);

/* Once, after the last event. Returns how many anomalies there are. */
uint64_t history_judge(struct history *h);

/* In the order of their last line; those kept. They live as long as the history. */
const struct history_finding *history_findings(const struct history *h, size_t *ret_n);
uint64_t history_count(const struct history *h, enum history_anomaly a);
/* Operations invoked, and bytes of memory in use. */
uint64_t history_operations(const struct history *h);
size_t history_memory_bytes(const struct history *h);

/* --- text --- */

/* Appends the event as a line of the text format. It must be one that can be; its places are the history's. */
void history_format(const struct history *h, const struct history_event *e, struct wr *out);

#define HISTORY_MAX_LINE_BYTES (1 << 20)
#define HISTORY_MAX_NAME_BYTES 300

struct history_error {
    uint32_t line, column; /* from 1; columns count bytes */
    struct error_text text;
};

/* Reads the text format in pieces of any size. */
struct history_reader {
    struct history *history;
    uint32_t line; /* complete ones so far */
    char *partial; /* the line that is not complete yet */
    size_t n_partial, partial_capacity;
    struct history_record *records;
    size_t n_records, records_capacity;
};

void history_reader_init(struct history_reader *r, struct history *h);
void history_reader_fini(struct history_reader *r);

/* 0, or -EINVAL with place and sentence; the reader takes nothing more then. */
int history_reader_feed(struct history_reader *r, const void *data, size_t size, struct history_error *err);
/* -EINVAL when the last line has no end. */
int history_reader_end(struct history_reader *r, struct history_error *err);
