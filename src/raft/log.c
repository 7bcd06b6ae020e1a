/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

static void push(struct raft_log *log, uint64_t first, uint64_t term)
{
    gq_assert(log->n_runs == 0 || log->runs[log->n_runs - 1].term < term);
    if (raft_log_room(log->n_runs) < log->n_runs + 1)
        log->runs = xrealloc(log->runs, raft_log_room(log->n_runs + 1) * sizeof(*log->runs));
    log->runs[log->n_runs++] = (struct raft_run){ .first = first, .term = term };
}

void raft_log_init(struct raft_log *log, const struct raft_start *start)
{
    *log = (struct raft_log){
        .start = start->start_index,
        .start_term = start->start_term,
        .last = start->last_index,
        .flushed = start->last_index - start->n_unflushed,
    };
    gq_assert(start->last_index >= start->start_index);
    gq_assert(start->n_unflushed <= start->last_index - start->start_index && (start->lead || start->n_unflushed == 0));
    gq_assert((start->n_runs == 0) == (start->last_index == start->start_index));
    gq_assert(start->n_runs == 0 || start->runs[0].first == start->start_index + 1);
    for (size_t i = 0; i < start->n_runs; i++) {
        gq_assert(start->runs[i].first <= start->last_index && start->runs[i].term >= start->start_term);
        gq_assert(i == 0 || start->runs[i].first > start->runs[i - 1].first);
        push(log, start->runs[i].first, start->runs[i].term);
    }
}

void raft_log_fini(struct raft_log *log)
{
    free(log->runs);
    log->runs = NULL;
}

/* How many runs, from the first on, begin at index or before and are of this term or an earlier one. Both only grow
 * from run to run. The questions are mostly about the last run. */
static uint32_t count_runs(const struct raft_log *log, uint64_t index, uint64_t term)
{
    uint32_t from = 0, to = log->n_runs;

    if (to > 0 && log->runs[to - 1].first <= index && log->runs[to - 1].term <= term)
        return to;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (log->runs[middle].first <= index && log->runs[middle].term <= term)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The run that holds index, which lies behind the start. */
static const struct raft_run *find_run(const struct raft_log *log, uint64_t index)
{
    uint32_t n = count_runs(log, index, UINT64_MAX);

    gq_assert(n > 0);
    return &log->runs[n - 1];
}

uint64_t raft_log_last_term(const struct raft_log *log)
{
    return log->n_runs > 0 ? log->runs[log->n_runs - 1].term : log->start_term;
}

uint64_t raft_log_term(const struct raft_log *log, uint64_t index)
{
    if (index == log->last)
        return raft_log_last_term(log);
    if (index < log->start || index > log->last)
        return 0;
    return index == log->start ? log->start_term : find_run(log, index)->term;
}

void raft_log_append(struct raft_log *log, uint64_t term)
{
    gq_assert(term > 0 && term >= raft_log_last_term(log));
    log->last++;
    if (log->n_runs == 0 || log->runs[log->n_runs - 1].term != term)
        push(log, log->last, term);
}

void raft_log_truncate(struct raft_log *log, uint64_t from)
{
    gq_assert(from > log->start && from <= log->last);
    log->last = from - 1;
    log->flushed = MIN(log->flushed, log->last);
    log->epoch++;
    while (log->n_runs > 0 && log->runs[log->n_runs - 1].first >= from)
        log->n_runs--;
}

void raft_log_compact(struct raft_log *log, uint64_t index)
{
    uint32_t n_gone = 0;

    if (index <= log->start)
        return;
    gq_assert(index <= log->last);
    log->start_term = raft_log_term(log, index);
    log->start = index;
    while (n_gone < log->n_runs && (n_gone + 1 < log->n_runs ? log->runs[n_gone + 1].first - 1 : log->last) <= index)
        n_gone++;
    log->n_runs -= n_gone;
    memmove(log->runs, log->runs + n_gone, log->n_runs * sizeof(*log->runs));
    if (log->n_runs > 0)
        log->runs[0].first = MAX(log->runs[0].first, index + 1);
}

void raft_log_reset(struct raft_log *log, uint64_t index, uint64_t term)
{
    log->start = log->last = index;
    log->start_term = term;
    log->flushed = 0;
    log->n_runs = 0;
    log->epoch++;
}

uint64_t raft_log_find(const struct raft_log *log, uint64_t index, uint64_t term)
{
    uint32_t n = count_runs(log, index, term);

    if (n == 0)
        return log->start;
    return MIN(index, n < log->n_runs ? log->runs[n].first - 1 : log->last);
}
