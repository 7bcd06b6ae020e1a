/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Idempotent producers of one partition (KIP-98): what each producer id wrote last, so that a retry is known.
 *
 * Applied state is a function of the partition's log alone: producer_apply() with every batch in log order, on the
 * leader, on followers and at replay alike. On the leader an overlay of proposed batches lies over it: checks look at
 * both, apply takes the batch out of the overlay, a truncation of the log takes the overlay back from there on.
 *
 * A producer id is forgotten when more than max_producers others wrote to the partition since its last batch. That
 * cap decides what apply does, so it must be equal on all replicas.
 *
 * Owned by the partition's reactor. Memory: about 240 bytes per producer id, 80 per proposed batch; the proposed ones
 * are bounded by the caller's limit on proposed entries. Ends the process when memory is out. */

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/util.h"

#define PRODUCER_WINDOW 5 /* batches remembered per producer id; clients keep at most that many in flight */

struct producer_state;

/* The seed keeps clients from choosing ids that collide; it has no effect on results. max_producers > 0. */
struct producer_state *producer_state_new(uint64_t hash_seed, size_t max_producers);
void producer_state_free(struct producer_state *s);
DEFINE_CLEANUP(struct producer_state *, producer_state_free)

/* Kafka's error codes, which producer_check() gives. */
enum {
    PRODUCER_E_OUT_OF_ORDER_SEQUENCE = 45,
    PRODUCER_E_DUPLICATE_SEQUENCE = 46,
    PRODUCER_E_INVALID_EPOCH = 47,
};

enum producer_verdict_kind {
    PRODUCER_NEW,               /* propose it */
    PRODUCER_DUPLICATE,         /* applied: answer with the original's offset and time */
    PRODUCER_PENDING_DUPLICATE, /* proposed: wait for the original, which is at base_offset and index */
    PRODUCER_REFUSED,           /* answer with error */
};

struct producer_verdict {
    enum producer_verdict_kind kind;
    int16_t error;          /* PRODUCER_E_* when refused, else 0 */
    uint64_t index;         /* of the pending original, else 0 */
    int64_t base_offset;    /* of the original, else −1 */
    int64_t append_time_ms; /* likewise */
};

/* Judges a batch of `count` > 0 records with sequences first_sequence ≥ 0 and on, against applied and proposed state:
 *
 * - an id without state may start anywhere, but not behind a batch that was refused (producer_refuse()); a new epoch
 *   starts at 0; then each batch follows on the one before, and 2^31 − 1 is followed by 0;
 * - one that equals one of the last batches is a duplicate: the last five that were applied, and all proposed ones;
 * - DUPLICATE_SEQUENCE says that the records are certainly in the log, but longer ago than is remembered: clients
 *   take that as a success. Where that isn't certain (sequences before the first that was seen here) it is
 *   OUT_OF_ORDER_SEQUENCE, as it is for gaps and for batches cut differently than the originals.
 *
 * Constant time for a new batch; anything else looks through the id's proposed batches. */
void producer_check(const struct producer_state *s, int64_t producer_id, int16_t epoch, int32_t first_sequence,
                    int32_t count, struct producer_verdict *ret_verdict);

/* A batch was refused for another reason than its sequence, and is in no log. Of an id without state, which could start
 * anywhere, nothing behind it is accepted now before it comes again: clients send several batches at once, and where a
 * later one is stored they take the earlier ones for stored too. Not kept for long: the state remembers the last
 * PRODUCER_REFUSED_MAX such ids. */
#define PRODUCER_REFUSED_MAX 256
void producer_refuse(struct producer_state *s, int64_t producer_id, int16_t epoch, int32_t first_sequence);

/* Adds a batch that was found new to the overlay. index (of the entry) never goes down. */
void producer_propose(struct producer_state *s, int64_t producer_id, int16_t epoch, int32_t first_sequence,
                      int32_t count, uint64_t index, int64_t base_offset, int64_t append_time_ms);

/* Applies a committed batch, proposed here or not, in log order. It believes the log: a batch that doesn't follow on
 * starts the id's history anew. A control batch has first_sequence −1: it can raise the epoch, and isn't remembered
 * as a batch. */
void producer_apply(struct producer_state *s, int64_t producer_id, int16_t epoch, int32_t first_sequence, int32_t count,
                    uint64_t index, int64_t base_offset, int64_t append_time_ms, int64_t max_timestamp_ms);

/* The log is cut: forgets all proposed batches of entries from from_index on, which counts as if they had been
 * refused. */
void producer_truncate(struct producer_state *s, uint64_t from_index);

/* One applied producer, as DescribeProducers shows it. There is no transaction coordinator yet: coordinator epoch and
 * transaction start are −1. */
struct producer_info {
    int64_t producer_id;
    int16_t epoch;
    int32_t last_sequence; /* −1: no batch in this epoch */
    int64_t last_timestamp_ms;
    int32_t coordinator_epoch;
    int64_t txn_start_offset;
};

/* Applied producers. */
size_t producer_count(const struct producer_state *s);
/* Fills to[producer_count()], ordered by id. */
void producer_list(const struct producer_state *s, struct producer_info *to);

/* The applied state as bytes (docs/format/producer-state.md); equal states give equal bytes. Failure is w's. */
void producer_write(const struct producer_state *s, struct wr *w);

/* Fills an empty state from exactly these bytes. Returns 0 or -EBADMSG: wrong version, damaged, or cut short; the
 * state is to be freed then. */
int producer_read(struct producer_state *s, const void *data, size_t size);
