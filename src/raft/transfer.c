/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* Handing leadership over (thesis, 3.10): proposals stop, the target is brought up to date and told to campaign at
 * once. When that hasn't worked within an election timeout, the leader leads on. */

void raft_transfer_advance(struct raft *raft, struct raft_update *u)
{
    struct raft_member *m = raft_member(raft, raft->transferee);

    if (m == NULL || (m->roles & RAFT_VOTER) == 0)
        raft->transferee = RAFT_NONE;
    else if (m->match == raft->log.last || GQ_BUG(RAFT_TRANSFER_UNCAUGHT))
        raft_send(raft, u, RAFT_TIMEOUT_NOW, m->id);
    else
        raft_send_append(raft, u, m, false);
}

void raft_on_transfer(struct raft *raft, struct raft_update *u, int32_t target)
{
    if (raft->role != RAFT_LEADER) {
        u->error = RAFT_E_NOT_LEADER;
        return;
    }
    if (target == RAFT_NONE) {
        raft->transferee = RAFT_NONE;
        return;
    }
    if (target == raft->id || (raft_roles(raft, target) & RAFT_VOTER) == 0) {
        u->error = RAFT_E_TARGET;
        return;
    }
    GQ_MARK(RAFT_TRANSFER);
    raft->transferee = target;
    raft->transfer_deadline = raft->now + raft->limits->election_timeout;
    raft_transfer_advance(raft, u);
}

void raft_on_timeout_now(struct raft *raft, struct raft_update *u)
{
    if (raft->role == RAFT_FOLLOWER)
        raft_campaign_forced(raft, u);
}
