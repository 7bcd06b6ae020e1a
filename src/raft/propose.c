/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

void raft_append_own(struct raft *raft, struct raft_update *u, const struct raft_config *config, uint32_t size)
{
    raft_log_append(&raft->log, raft->term);
    raft->uncommitted_bytes += size;
    if (u->append_first == 0)
        u->append_first = raft->log.last;
    u->append_last = raft->log.last;
    if (!raft_is_alone(raft)) {
        for (uint8_t i = 0; i < raft->n_members; i++)
            raft->members[i].settled = false;
        raft_session_leave(raft, u);
    }
    if (config != NULL)
        raft_config_append(raft, u, config, raft->log.last);
}

static int check(struct raft *raft, const struct raft_event *event)
{
    uint64_t bytes = 0;

    if (raft->role != RAFT_LEADER)
        return RAFT_E_NOT_LEADER;
    if (raft->transferee != RAFT_NONE)
        return RAFT_E_TRANSFER;
    for (uint32_t i = 0; i < event->n_entries; i++) {
        bytes += event->entries[i].size;
        if (event->entries[i].config != NULL) {
            gq_assert(event->n_entries == 1);
            /* A change gets through whatever waits: it may be what lets the rest commit. */
            return raft_config_check(raft, event->entries[i].config);
        }
    }
    if (raft->uncommitted_bytes > 0 && raft->uncommitted_bytes + bytes > raft->limits->uncommitted_bytes)
        return RAFT_E_BUSY;
    return 0;
}

void raft_on_propose(struct raft *raft, struct raft_update *u, const struct raft_event *event)
{
    gq_assert(event->n_entries > 0);
    u->error = check(raft, event);
    if (u->error != 0)
        return;
    for (uint32_t i = 0; i < event->n_entries; i++)
        raft_append_own(raft, u, event->entries[i].config, event->entries[i].size);
    raft_broadcast(raft, u, false);
}
