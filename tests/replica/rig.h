/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One shard with its journal and replicas over the simulated disk, lanes and clock, and beside it a model of what was
 * asked of it: per group all batches in the order in which they were proposed, and which of them were acknowledged.
 * After a crash a group must hold a prefix of what was proposed, at least up to the last that was acknowledged. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "replica/internal.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/lane.h"
#include "sim/prng.h"
#include "support/suite.h"

#define RIG_MAX_GROUPS 1000

enum rig_state {
    RIG_PENDING,
    RIG_ACKED,
    RIG_FAILED, /* refused: in no log */
};

struct rig_batch {
    uint64_t id; /* unique, in each record's value */
    uint64_t index;
    int64_t append_ms, base_offset, timestamp;
    int64_t producer_id;
    int16_t epoch;
    int32_t sequence, count;
    uint64_t term;
    enum rig_state state;
};

struct rig_op {
    struct replica_op op; /* first member */
    struct rig *rig;
    bool done;
    bool held;  /* PRODUCE: it waits for room, and isn't among the group's batches yet */
    bool holds; /* READ: it wasn't released yet */
    struct rig_batch proposal;
    size_t batch; /* PRODUCE: its place in the group's batches, or SIZE_MAX */
    struct rig_group *group;
    uint8_t *data;
    struct rig_op *next; /* of all */
};

struct rig_group {
    uint64_t id;
    struct replica *replica;
    struct rig_batch *batches; /* proposed ones, in order */
    size_t n, capacity;
    int64_t acked_start; /* log start that somebody was told */
    int64_t sent_start;  /* largest that was asked for */
    int32_t sequences[4];
    bool destroying, destroyed;
};

struct rig {
    struct sim_prng prng;
    struct sim_clock clock;
    struct sim_disk *disk;
    struct sim_lane *lane;
    struct env env;
    struct buf_pool pool;
    struct mem_pool blocks;
    struct journal_config journal_config;
    struct journal *journal;
    struct replica_shard shard;
    struct replica_limits limits;
    uint64_t write_budget, read_budget; /* nothing is kept if a test doesn't say so */
    struct rig_group groups[RIG_MAX_GROUPS];
    unsigned n_groups;
    int32_t broker_id;
    /* Of all groups but the second; NULL: this one alone, as of that. */
    const struct replica_members *members;
    struct uuid incarnation;
    void (*send)(void *rig, struct replica_message *m);
    void (*send_session)(void *rig, const struct fleet_message *m);
    uint32_t boot; /* starts of the node */
    /* See struct replica_uncommitted; 0: no limit. */
    uint64_t uncommitted_bytes, uncommitted_group_bytes, unapplied_bytes;
    uint64_t lag_ns;                       /* see replica_in_sync() */
    uint64_t append_entries, append_bytes; /* see replica_shard */
    void *cluster;
    unsigned max_segments, max_dirty_segments, max_lent_segments; /* 0: many, no limits */
    uint64_t next_id;
    uint64_t next_tick_ns;
    struct rig_op *ops;
    struct error_text err;
    int fatal_error;
    char fatal_text[ERROR_TEXT_SIZE];
    unsigned n_damaged; /* tellings of damage, and the last one */
    struct error_text damage;
    size_t max_replay_bytes;    /* in memory while the journal was replayed */
    uint64_t n_replayed_copies; /* entries that replay read from relocated copies */
};

/* A new disk; n groups, which are numbered from 0. Nothing is opened. */
struct rig *rig_new(uint64_t seed, unsigned n_groups);
/* A rig that knows what this one knows, over a disk that a crash may have left of its; takes the disk. The other goes
 * on as if nothing had been. */
struct rig *rig_twin(const struct rig *of, struct sim_disk *disk, uint64_t seed);
void rig_free(struct rig *r);

/* Opens, replays, starts and leads, as a node does. The first error. */
int rig_start(struct rig *r);
/* Must succeed; until all groups are open. */
void rig_start_ok(struct rig *r);
void rig_wait_open(struct rig *r);
/* What is in flight is run to its end, then all objects are gone. */
void rig_stop(struct rig *r);
/* The process ends, the machine goes on; or power loss. */
void rig_kill(struct rig *r);
void rig_crash(struct rig *r, enum sim_disk_crash how);

/* One turn, and one step of the lanes; false when nothing moved. */
bool rig_step(struct rig *r);
/* Turns until nothing moves without a deadline; then goes on to deadlines up to so far from now. */
void rig_run(struct rig *r, uint64_t ns);
/* rig_run() until all that can happen has happened; nothing fatal did. */
void rig_settle(struct rig *r);

/* Asks and doesn't wait. */
struct rig_op *rig_submit(struct rig *r, unsigned group, const struct replica_op *op);
/* In two steps: a Produce op as it will be asked, and the asking. */
struct rig_op *rig_prepare(struct rig *r, unsigned group, int32_t count, size_t value_size);
struct rig_op *rig_prepare_as(struct rig *r, unsigned group, int64_t producer_id, int16_t epoch, int32_t sequence,
                              int32_t count, size_t value_size);
void rig_send(struct rig *r, struct rig_op *o);
struct rig_op *rig_produce(struct rig *r, unsigned group, int32_t count, size_t value_size);
struct rig_op *rig_produce_as(struct rig *r, unsigned group, int64_t producer_id, int16_t epoch, int32_t sequence,
                              int32_t count, size_t value_size);
/* Asks and runs until it is done. */
struct rig_op *rig_ask(struct rig *r, unsigned group, const struct replica_op *op);
void rig_wait(struct rig *r, struct rig_op *op);
void rig_release(struct rig *r, struct rig_op *read);
void rig_delete_records(struct rig *r, unsigned group, int64_t offset);
/* Begins to; a crash before its end leaves all of the group, or nothing that counts. */
void rig_destroy(struct rig *r, unsigned group);
/* All that was done is freed. */
void rig_forget_done(struct rig *r);

/* Asks the replica to read, whether it leads or not. */
struct rig_op *rig_read_here(struct rig *r, unsigned group, int64_t offset);
/* Bytes of a read's records, malloc'd. */
uint8_t *rig_read_bytes(struct rig *r, const struct rig_op *read, size_t *ret_size);

/* Reads everything and holds it against the model; what the model has beyond the end is dropped from it. */
void rig_check(struct rig *r);
/* A crash, and the same after the next start. */
void rig_recover(struct rig *r, enum sim_disk_crash how);
/* The producer state is what the model's batches make. */
void rig_check_producers(struct rig *r, unsigned group);

uint64_t rig_journal_bytes(struct rig *r);
