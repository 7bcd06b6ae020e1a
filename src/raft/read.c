/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* Reads that see all that was acknowledged before they were asked for (thesis, 6.4), without a clock. A round of
 * heartbeats proves that the leader still led when it began; it serves all tickets given before, and those given
 * meanwhile share the next one. The round's number is its last ticket, which a node gives only once. */

static bool round_is_over(const struct raft *raft)
{
    uint32_t who = 0;

    for (uint8_t i = 0; i < raft->n_members; i++)
        if (raft->members[i].id == raft->id || raft->members[i].read_ack >= raft->read_round)
            who |= 1u << i;
    return raft_is_quorum(raft, who) || GQ_BUG(RAFT_READ_WITHOUT_ROUND);
}

void raft_reads_advance(struct raft *raft, struct raft_update *u)
{
    if (raft->role != RAFT_LEADER)
        return;
    for (;;) {
        if (raft->read_round == 0) {
            /* Until an entry of its own term is committed, the leader doesn't know what is. */
            if (raft->read_last == raft->read_done || raft->commit < raft->noop_index)
                return;
            raft->read_round = raft->read_last;
            raft->read_index = raft->commit;
            if (!round_is_over(raft)) {
                GQ_MARK(RAFT_READ_ROUND);
                raft_heartbeats(raft, u, true);
                /* Once more where they get lost, though the group may be at rest. */
                raft->heartbeat_at = MIN(raft->heartbeat_at, raft->now + raft->limits->heartbeat_interval);
            }
        }
        if (!round_is_over(raft))
            return;
        raft->read_done = u->reads_done = raft->read_round;
        u->read_index = raft->read_index;
        raft->read_round = 0;
    }
}

void raft_on_read(struct raft *raft, struct raft_update *u)
{
    if (raft->role != RAFT_LEADER) {
        u->error = RAFT_E_NOT_LEADER;
        return;
    }
    u->read_ticket = ++raft->read_last;
    raft_reads_advance(raft, u);
}

void raft_reads_lose(struct raft *raft, struct raft_update *u)
{
    if (raft->read_last != raft->read_done)
        GQ_MARK(RAFT_READS_LOST);
    u->reads_lost = raft->read_last != raft->read_done;
    raft->read_done = raft->read_last;
    raft->read_round = 0;
}
