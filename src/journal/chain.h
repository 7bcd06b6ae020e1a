/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which entries of a group recovery has seen: runs of indexes, each held together by the checksums of the logical
 * chain. Entries come in order but for relocated ones, so there are few runs, and memory doesn't grow with the number
 * of entries.
 *
 * And what voids entries: truncations, by the ordinal of their record in the journal. An entry is void when a later
 * record cuts at or below its index. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal_run {
    uint64_t first, last;   /* indexes */
    uint32_t prev_checksum; /* of the entry before first */
    uint32_t last_checksum;
};

struct journal_cut {
    uint64_t ordinal, index;
};

struct journal_chain {
    struct journal_run *runs; /* by index, with gaps between them */
    size_t n_runs, capacity;
    struct journal_cut *cuts; /* those that still tell something: both numbers grow */
    size_t n_cuts, cuts_capacity;
    /* Replay: up to where entries were handed over, and the checksum of the last one. */
    uint64_t replayed_index;
    uint32_t replayed_checksum;
};

void journal_chain_free(struct journal_chain *c);

enum journal_chain_verdict {
    JOURNAL_CHAIN_NEW,
    JOURNAL_CHAIN_KNOWN,  /* it was seen before */
    JOURNAL_CHAIN_BROKEN, /* its checksums contradict a neighbour's */
};
enum journal_chain_verdict journal_chain_add(struct journal_chain *c, uint64_t index, uint32_t prev_checksum,
                                             uint32_t checksum);
/* The record with this ordinal voids the entries from index on that came before; prev_checksum is that of the one
 * before index. */
void journal_chain_cut(struct journal_chain *c, uint64_t ordinal, uint64_t index, uint32_t prev_checksum);
/* Forgets the runs, keeps the cuts. */
void journal_chain_forget_runs(struct journal_chain *c);

/* Whether a cut voids the entry whose record has this ordinal. */
bool journal_chain_is_void(const struct journal_chain *c, uint64_t ordinal, uint64_t index);
/* The first index in first..last that was not seen; 0: all were. */
uint64_t journal_chain_gap(const struct journal_chain *c, uint64_t first, uint64_t last);
