/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void journal_chain_free(struct journal_chain *c)
{
    if (c == NULL)
        return;
    free(c->runs);
    free(c->cuts);
    free(c);
}

void journal_chain_forget_runs(struct journal_chain *c)
{
    c->n_runs = 0;
}

/* The number of runs that start at or below index. */
static size_t runs_up_to(const struct journal_chain *c, uint64_t index)
{
    size_t low = 0, high = c->n_runs;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (c->runs[mid].first <= index)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void insert_run(struct journal_chain *c, size_t at, struct journal_run run)
{
    if (c->n_runs == c->capacity) {
        c->capacity = MAX(c->capacity * 2, (size_t)4);
        c->runs = xrealloc(c->runs, c->capacity * sizeof(*c->runs));
    }
    memmove(c->runs + at + 1, c->runs + at, (c->n_runs - at) * sizeof(*c->runs));
    c->runs[at] = run;
    c->n_runs++;
}

static void remove_run(struct journal_chain *c, size_t at)
{
    memmove(c->runs + at, c->runs + at + 1, (c->n_runs - at - 1) * sizeof(*c->runs));
    c->n_runs--;
}

enum journal_chain_verdict journal_chain_add(struct journal_chain *c, uint64_t index, uint32_t prev_checksum,
                                             uint32_t checksum)
{
    size_t n = runs_up_to(c, index);
    struct journal_run *before = n > 0 ? &c->runs[n - 1] : NULL;
    struct journal_run *after = n < c->n_runs ? &c->runs[n] : NULL;

    if (before != NULL && index <= before->last)
        return JOURNAL_CHAIN_KNOWN;
    if (before != NULL && before->last + 1 != index)
        before = NULL;
    if (after != NULL && after->first != index + 1)
        after = NULL;
    if ((before != NULL && before->last_checksum != prev_checksum) ||
        (after != NULL && after->prev_checksum != checksum))
        return JOURNAL_CHAIN_BROKEN;
    if (before == NULL && after == NULL) {
        insert_run(c, n, (struct journal_run){ index, index, prev_checksum, checksum });
    } else if (before == NULL) {
        after->first = index;
        after->prev_checksum = prev_checksum;
    } else {
        before->last = after != NULL ? after->last : index;
        before->last_checksum = after != NULL ? after->last_checksum : checksum;
        if (after != NULL)
            remove_run(c, n);
    }
    return JOURNAL_CHAIN_NEW;
}

/* A later cut at or below an earlier one's index voids all that the earlier one does. */
static void add_cut(struct journal_chain *c, struct journal_cut cut)
{
    gq_assert(c->n_cuts == 0 || c->cuts[c->n_cuts - 1].ordinal < cut.ordinal);
    while (c->n_cuts > 0 && c->cuts[c->n_cuts - 1].index >= cut.index)
        c->n_cuts--;
    if (c->n_cuts == c->cuts_capacity) {
        c->cuts_capacity = MAX(c->cuts_capacity * 2, (size_t)4);
        c->cuts = xrealloc(c->cuts, c->cuts_capacity * sizeof(*c->cuts));
    }
    c->cuts[c->n_cuts++] = cut;
}

void journal_chain_cut(struct journal_chain *c, uint64_t ordinal, uint64_t index, uint32_t prev_checksum)
{
    struct journal_run *last;

    add_cut(c, (struct journal_cut){ ordinal, index });
    while (c->n_runs > 0 && c->runs[c->n_runs - 1].first >= index)
        c->n_runs--;
    if (c->n_runs == 0)
        return;
    last = &c->runs[c->n_runs - 1];
    if (last->last >= index) {
        last->last = index - 1;
        last->last_checksum = prev_checksum;
    }
}

bool journal_chain_is_void(const struct journal_chain *c, uint64_t ordinal, uint64_t index)
{
    size_t low = 0, high = c->n_cuts;

    while (low < high) { /* the first cut behind the record is the lowest of them */
        size_t mid = low + (high - low) / 2;

        if (c->cuts[mid].ordinal <= ordinal)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->n_cuts && c->cuts[low].index <= index;
}

uint64_t journal_chain_gap(const struct journal_chain *c, uint64_t first, uint64_t last)
{
    size_t n = runs_up_to(c, first);
    uint64_t seen = n > 0 ? c->runs[n - 1].last : 0;

    if (first > last)
        return 0;
    /* Runs with nothing between them are one run, so a single one covers it all or there is a gap. */
    if (seen < first)
        return first;
    return seen >= last ? 0 : seen + 1;
}
