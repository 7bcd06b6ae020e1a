/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A whole system in one thread from one seed: nodes over simulated disks, clocks, nets and lanes, clients that speak
 * the protocol to them, and faults. A seed is a run: the same events in the same order with the same outcome, in each
 * build and on each machine, which world_hash() proves.
 *
 * A run has phases: work under faults for a number of events; then the faults end and everybody must get on within a
 * bound; then all partitions are read from start to end and held against what clients were told; then the same again
 * after a power cut that keeps only what is durable; at last the nodes stop in order.
 *
 * One world at a time in a process (SQLite's own random numbers are the process's). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;
struct world_story;

#define WORLD_MAX_NODES 5

/* Kinds of faults, and of operations that aren't in every seed; each is switched on or off by the seed: X(NAME, text).
 * Those before DELETE_RECORDS come at drawn times, and so do those from PARTITION to BLACKOUT, which there are in
 * clusters only, as are those behind them up to ALTER_TOPICS, an operation of all. Those from TAMPER on are rare.c's.
 */
#define WORLD_FAULTS(X) \
    X(CRASH, "power loss at a drawn disk operation") \
    X(CRASH_IN_RECOVERY, "power loss while a node starts") \
    X(KILL, "the process ends, the page cache stays") \
    X(RESTART, "orderly restart") \
    X(DISK_ERROR, "some calls of a kind fail with EIO") \
    X(SYNC_ERROR, "a sync fails: the cache is ahead of the medium") \
    X(SHORTAGE, "calls fail for want of descriptors, memory or room, and go well later") \
    X(DISK_FULL, "little or no room is left for a while") \
    X(SLOW_LANE, "a flush lane or the pool stands still for a while") \
    X(WRITE_BACK, "the kernel writes back some of what is unsynced") \
    X(DROP_CACHES, "clean pages leave the page cache") \
    X(CLOCK_JUMP, "the wall clock is set") \
    X(RESET, "a connection is reset") \
    X(CUT, "nothing passes between a client and a node for a while, one way or both") \
    X(ROT, \
      "a bit of a journal or of the metadata's image flips while a node is down: it doesn't start, or makes it again") \
    X(HALF_OPEN, "a connection dies, and one of its ends isn't told") \
    X(HOSTILE, "a client sends what isn't the protocol, and doesn't read") \
    X(LATE, "some bytes take much longer than others") \
    X(DELETE_RECORDS, "records are deleted on request") \
    X(DELETE_TOPICS, "topics are deleted and made again") \
    X(RETENTION, "topics keep so many bytes, and have small segments") \
    X(PARTITION, "nothing passes between some nodes and the others for a while") \
    X(ONE_WAY, "nothing passes from some nodes to others for a while, but the other way it does") \
    X(BREAK, \
      "connections between two nodes break, one of them may not be told, and maybe none can be made for a while") \
    X(SLOW_PATH, "what goes from a node to another takes long for a while") \
    X(PAUSE, "a process stands still for a while") \
    X(BLACKOUT, "all nodes lose power at once") \
    X(REASSIGN, "partitions are moved to other nodes") \
    X(WIPE, "a node loses its disk and comes with an empty one") \
    X(UNTIMELY, \
      "a node crashes or is cut off just when members change, a log is cut or begins later, or an image comes") \
    X(OLD_DISK, "a node gets an older image of its disk, and its own again after a while") \
    X(ALTER_TOPICS, "the size of topics' segments is changed") \
    X(TAMPER, "bytes between nodes are changed, left out, repeated or made up, or a connection breaks within a frame") \
    X(CLOCK_RATE, "monotonic clocks run fast or slow, stand still, leap, and begin anew when power was lost") \
    X(BIT_ROT, "bits of a node's segments flip") \
    X(LATENT, "sectors of a node's segments can't be read") \
    X(MISPLACED, "blocks of a node's segments were never written, or have what was meant for others") \
    X(CONFIGS, "topics are configured otherwise") \
    X(ZOMBIE, "producers go on in an epoch that is over")

enum world_fault {
#define X(name, text) WORLD_FAULT_##name,
    WORLD_FAULTS(X)
#undef X
        WORLD_N_FAULTS,
    WORLD_FIRST_OPERATION = WORLD_FAULT_DELETE_RECORDS,
    WORLD_FIRST_OF_CLUSTERS = WORLD_FAULT_PARTITION,
    WORLD_FIRST_OF_CHANGES = WORLD_FAULT_REASSIGN,
    WORLD_FIRST_RARE = WORLD_FAULT_TAMPER,
};

struct world_options {
    uint64_t seed;
    uint64_t max_events;       /* under faults; 0: as many as is usual */
    uint64_t no_faults;        /* 1 << WORLD_FAULT_*: those stay off, whatever the seed says */
    unsigned max_clients;      /* 0: as many as the seed says; at least 2, the operator and the auditor */
    bool large;                /* records of up to 64 KiB, which fill journals: what recycles them has much to do */
    unsigned n_nodes;          /* 0: as the seed says: 1, 3 or 5. Several are one cluster */
    struct world_story *story; /* zeroed memory to keep the story in, or NULL. It outlives the world */
    /* Told each step as a line without its end; may be NULL. */
    void (*trace)(void *ctx, const char *line);
    void *trace_ctx;
    /* Told each line, with its end, of what clients did, in the format of docs/history.md; may be NULL. */
    void (*history)(void *ctx, const char *line, size_t size);
    void *history_ctx;
};

struct world *world_new(const struct world_options *options);
/* Takes NULL. */
void world_free(struct world *w);

/* To the end, or to the first failure: false. */
bool world_run(struct world *w);

uint64_t world_hash(const struct world *w);
/* Deliveries to a node or a client so far: turns, completions, bytes, timers. */
uint64_t world_events(const struct world *w);
/* Which invariant failed and how, or NULL. */
const char *world_failure(const struct world *w);
const struct world_story *world_story(const struct world *w);
unsigned world_n_nodes(const struct world *w);

/* What a report tells of a run. In memory that is shared with a parent process it also tells of one that a failed
 * assertion ended. */
size_t world_story_size(void);
uint64_t world_story_events(const struct world_story *s);
/* NULL: no invariant has failed. */
const char *world_story_failure(const struct world_story *s);
/* The last steps, oldest first. */
void world_story_steps(const struct world_story *s, void (*fn)(void *ctx, const char *line), void *ctx);
bool world_story_has_fault(const struct world_story *s, enum world_fault fault);
/* How often it came. */
uint64_t world_story_fault_count(const struct world_story *s, enum world_fault fault);

/* What a fault is called, "CRASH", and what it does. */
const char *world_fault_name(enum world_fault fault);
const char *world_fault_text(enum world_fault fault);
