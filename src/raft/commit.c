/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

void raft_advance_commit(struct raft *raft, struct raft_update *u, uint64_t index)
{
    gq_assert(index <= raft->log.last);
    if (index <= raft->commit)
        return;
    if (raft->role == RAFT_LEADER && index == raft->log.last) {
        raft->uncommitted_bytes = 0;
    } else if (raft->role == RAFT_LEADER) {
        for (uint64_t i = raft->commit + 1; i <= index; i++) {
            uint32_t size = raft_entry_size(raft, i);

            gq_assert(raft->uncommitted_bytes >= size);
            raft->uncommitted_bytes -= size;
        }
    }
    raft->commit = index;
    if (raft->role != RAFT_LEADER)
        raft_config_committed(raft, u);
}

/* Entries of earlier terms are committed by one of this term behind them, never by counting (thesis, 3.6.2). */
bool raft_maybe_commit(struct raft *raft, struct raft_update *u)
{
    uint64_t index = raft_quorum_index(raft);

    if (raft->role != RAFT_LEADER || index <= raft->commit)
        return false;
    if (index < raft->noop_index && !GQ_BUG(RAFT_OLD_TERM_COUNTED)) {
        GQ_MARK(RAFT_OLD_TERM_WAITS);
        return false;
    }
    raft_advance_commit(raft, u, index);
    /* The followers hear of it before a leader that was removed leaves. */
    raft_broadcast(raft, u, true);
    raft_reads_advance(raft, u);
    if (!raft_is_alone(raft) || raft->previous != NULL)
        raft_config_committed(raft, u);
    return true;
}

/* A completion from before a truncation is about entries that are gone, even where term and index are the same
 * again. */
void raft_on_log_flushed(struct raft *raft, struct raft_update *u, const struct raft_event *event)
{
    bool stale = event->epoch != raft->log.epoch || raft_log_term(&raft->log, event->index) != event->term;

    if ((stale && !GQ_BUG(RAFT_STALE_COMPLETION)) || event->index <= raft->log.flushed || event->index > raft->log.last)
        return;
    raft->log.flushed = event->index;
    if (raft->role == RAFT_LEADER)
        raft_maybe_commit(raft, u);
    else if (raft->leader != RAFT_NONE)
        raft_acknowledge(raft, u);
}
