/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A journal over the simulated disk and lanes, and beside it a model of what was asked of it: per group the requests in
 * order, and how many of them are done. After a crash the journal must hold, for each group, exactly what the first k
 * of its requests make, for some k that is at least the number of those that were done. Hard states, which may pass
 * what waits for room, are counted apart: all that came before the k requests are there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/lane.h"
#include "sim/prng.h"
#include "support/suite.h"

#define RIG_MAX_GROUPS 64

struct rig_request {
    struct journal_request request; /* first member */
    struct rig_request *next;       /* of all that have no number */
    struct rig_group *group;
    uint8_t *data;
    size_t number;   /* among the group's of its sequence */
    size_t n_states; /* hard states that were asked for before it */
};

struct rig_entry {
    uint64_t term;
    uint32_t checksum;
    size_t size;
};

/* What requests make of a group. */
struct rig_state {
    bool exists;
    uint64_t term;
    int32_t vote;
    int64_t log_start;
    uint64_t last_index;
    struct rig_entry *entries; /* by index − 1 */
    size_t capacity;
};

/* Requests of which one is never durable without those before it. */
struct rig_sequence {
    struct rig_request **requests;
    size_t n, capacity;
    size_t n_done;
    size_t n_withdrawn; /* from the end, while rig_withdraw() runs */
};

struct rig_group {
    uint64_t id;
    struct rig_sequence log, states; /* hard states may pass the others */
    uint64_t checkpoint_sent, checkpoint_done;
    size_t n_copies, n_copies_done;
    struct rig_state sent;   /* by all requests */
    bool forgotten;          /* FORGET was sent */
    struct rig *withdrawing; /* while rig_withdraw() runs */
    /* Filled by replay. */
    struct journal_group_state found;
    bool was_found;
    struct rig_entry *replayed; /* by index − 1; checksum and size */
    uint64_t replayed_first, replayed_last;
    size_t replayed_capacity;
};

struct rig {
    struct sim_prng prng;
    struct sim_clock clock;
    struct sim_disk *disk;
    struct sim_lane *lane;
    struct journal_config config;
    struct journal *j;
    struct error_text err;
    struct rig_group groups[RIG_MAX_GROUPS];
    size_t n_groups;
    struct rig_request *unnumbered; /* to free */
    bool awaited;                   /* entries are sent as such */
    int fatal_error;                /* what the fatal handler was told, 0: nothing */
    char fatal_what[64];
};

/* A new disk and the configuration; files of 64 KiB and 256 KiB, a budget of 2 MiB. Nothing is opened. */
struct rig *rig_new(uint64_t seed);
void rig_free(struct rig *r);

/* Opens, replays, checks the result against the model, starts. Returns the first code that isn't 0. */
int rig_start(struct rig *r);
/* Opens and replays only; the journal stays open. */
int rig_open(struct rig *r);
/* Opens a new lane and starts what rig_open() opened. */
int rig_go(struct rig *r);

/* The journal and all that was in flight are gone. */
void rig_stop(struct rig *r);
/* Power loss. */
void rig_crash(struct rig *r, enum sim_disk_crash how);
/* Crash, then rig_start(). */
void rig_recover(struct rig *r, enum sim_disk_crash how);

struct rig_group *rig_group(struct rig *r, uint64_t id);

void rig_entry(struct rig *r, uint64_t group, size_t size);
void rig_hard_state(struct rig *r, uint64_t group, uint64_t term, int32_t vote);
void rig_truncate(struct rig *r, uint64_t group, uint64_t index);
/* The entry is committed (flushed, and nothing that waits voids it), and no checkpoint was asked for that covers it. */
bool rig_may_checkpoint(struct rig *r, uint64_t group, uint64_t index);
void rig_checkpoint(struct rig *r, uint64_t group, uint64_t index);
/* Writes an entry again that is done. */
void rig_relocate(struct rig *r, uint64_t group, uint64_t index);
/* Those of the group that are done and not checkpointed, in order. */
void rig_relocate_all(struct rig *r, uint64_t group);
void rig_log_start(struct rig *r, uint64_t group, int64_t log_start);
void rig_image(struct rig *r, uint64_t group, uint64_t index);
void rig_forget(struct rig *r, uint64_t group);
/* What waits of the group is as if it had never been sent; only FORGET may follow. */
void rig_withdraw(struct rig *r, uint64_t group);

/* Entries from there on that wait, and copies of them; they are the last that was sent of the group. */
void rig_withdraw_entries(struct rig *r, uint64_t group, uint64_t from);

/* Polls and runs the lanes until nothing moves any more. Checkpoints what pins a full journal. */
void rig_run(struct rig *r);
/* One poll and one step of the lanes; false when nothing moved. */
bool rig_step(struct rig *r);
/* rig_run(), then nothing may wait. */
void rig_settle(struct rig *r);
/* Checkpoints whatever pins. */
void rig_checkpoint_pins(struct rig *r);

/* Forgets all but the first n. */
void rig_sequence_cut(struct rig_sequence *s, size_t n);
void rig_state_apply(struct rig_state *s, const struct rig_request *q);
struct rig_entry *rig_state_entry(struct rig_state *s, uint64_t index);

/* A few random requests for random groups. */
void rig_random(struct rig *r, size_t n, size_t max_entry);

/* A fingerprint of what replay gave: equal for equal results. */
uint32_t rig_fingerprint(const struct rig *r);
/* A fingerprint of all names and bytes below the journal's directory. */
uint32_t rig_disk_fingerprint(struct rig *r);

/* The path of the i-th live file (0: the oldest, -1: the newest), NULL when there is none; the caller frees it. */
char *rig_live_file(struct rig *r, int i);
unsigned rig_count(struct rig *r, const char *suffix);
