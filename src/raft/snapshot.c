/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* A follower that lacks entries from below the log's start gets the image at exactly the start. */

bool raft_send_snapshot(struct raft *raft, struct raft_update *u, struct raft_member *m)
{
    struct raft_message *msg = raft_send(raft, u, RAFT_SNAPSHOT, m->id);

    GQ_MARK(RAFT_IMAGE_SENT);
    msg->index = raft->log.start;
    msg->log_term = raft->log.start_term;
    msg->commit = raft->commit;
    m->state = RAFT_IMAGE;
    m->next = raft->log.start + 1;
    return false;
}

void raft_on_snapshot_failed(struct raft *raft, int32_t peer)
{
    struct raft_member *m = raft_member(raft, peer);

    if (raft->role != RAFT_LEADER || m == NULL || m->state != RAFT_IMAGE)
        return;
    GQ_MARK(RAFT_IMAGE_FAILED);
    /* After the next heartbeat's answer, not at once. */
    raft_progress_probe(m, m->match + 1);
    m->probing = true;
}

void raft_on_snapshot(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    if (m->index <= raft->commit || raft_log_term(&raft->log, m->index) == m->log_term) {
        /* The log has it all, and goes on behind it. */
        raft_advance_commit(raft, u, MAX(raft->commit, m->index));
        raft->matched = MAX(raft->matched, raft->commit);
        raft_acknowledge(raft, u);
        return;
    }
    GQ_MARK(RAFT_IMAGE_TAKEN);
    raft_log_reset(&raft->log, m->index, m->log_term);
    raft->commit = raft->matched = m->index;
    raft_config_set(raft, m->config, m->index);
    free(TAKE_PTR(raft->previous));
    u->config_changed = true;
    u->install = true;
    u->install_index = m->index;
    u->install_term = m->log_term;
}
