/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/internal.h"

void term_add(struct log *l, uint64_t term, uint64_t index, int64_t offset)
{
    if (l->n_runs > 0 && l->runs[l->n_runs - 1].term == term)
        return;
    gq_assert(l->n_runs == 0 || l->runs[l->n_runs - 1].term < term);
    if (l->n_runs == l->runs_capacity) {
        l->runs_capacity = MAX(1u, l->runs_capacity * 2);
        l->runs = xrealloc(l->runs, l->runs_capacity * sizeof(*l->runs));
    }
    l->runs[l->n_runs++] = (struct term_run){ .term = term, .first_index = index, .first_offset = offset };
}

/* First index that a term is known of: that of the entry before the first. */
static uint64_t first_known_index(const struct log *l)
{
    return l->n_segments > 0 ? MAX(l->segments[0]->base_index - 1, UINT64_C(1)) : l->end.index;
}

/* Last run that begins at or below index; n_runs > 0. */
static uint32_t run_of_index(const struct log *l, uint64_t index)
{
    uint32_t low = 0, high = l->n_runs;

    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;

        if (l->runs[mid].first_index <= index)
            low = mid;
        else
            high = mid;
    }
    return low;
}

void term_trim(struct log *l)
{
    uint32_t first;

    if (l->n_runs == 0)
        return;
    first = run_of_index(l, first_known_index(l));
    l->n_runs -= first;
    memmove(l->runs, l->runs + first, l->n_runs * sizeof(*l->runs));
}

int log_run_at(const struct log *l, uint64_t index, uint64_t *ret_term, uint64_t *ret_last)
{
    uint32_t run;

    if (l->n_runs == 0 || index < first_known_index(l) || index > l->end.index)
        return -ENOENT;
    run = run_of_index(l, index);
    *ret_term = l->runs[run].term;
    *ret_last = run + 1 < l->n_runs ? l->runs[run + 1].first_index - 1 : l->end.index;
    return 0;
}

int log_term_at(const struct log *l, uint64_t index, uint64_t *ret_term)
{
    uint64_t last;

    return log_run_at(l, index, ret_term, &last);
}

int log_epoch_end(const struct log *l, uint64_t term, int64_t log_end_offset, uint64_t *ret_term, int64_t *ret_offset)
{
    for (uint32_t i = l->n_runs; i > 0; i--) {
        if (l->runs[i - 1].term > term)
            continue;
        *ret_term = l->runs[i - 1].term;
        *ret_offset = i < l->n_runs ? l->runs[i].first_offset : log_end_offset;
        return 0;
    }
    return -ENOENT;
}

int32_t log_epoch_at(const struct log *l, int64_t offset)
{
    for (uint32_t i = l->n_runs; i > 0; i--) {
        if (l->runs[i - 1].first_offset <= offset)
            return (int32_t)l->runs[i - 1].term;
    }
    return -1;
}
