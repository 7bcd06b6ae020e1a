/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* Both halves of a joint configuration have to agree; a half without members doesn't object. */

static uint8_t counted(uint8_t role)
{
    return GQ_BUG(RAFT_LEARNER_COUNTED) && role == RAFT_VOTER ? RAFT_VOTER | RAFT_LEARNER : role;
}

static bool half_agrees(const struct raft *raft, uint32_t who, uint8_t role)
{
    unsigned n = 0, n_yes = 0;

    for (uint8_t i = 0; i < raft->n_members; i++) {
        if ((raft->members[i].roles & counted(role)) == 0)
            continue;
        n++;
        n_yes += (who >> i) & 1;
    }
    return n == 0 || n_yes > n / 2;
}

bool raft_is_quorum(const struct raft *raft, uint32_t who)
{
    if (GQ_BUG(RAFT_JOINT_HALF_ASKED))
        return half_agrees(raft, who, RAFT_VOTER);
    return half_agrees(raft, who, RAFT_VOTER) && half_agrees(raft, who, RAFT_OUTGOING);
}

static uint64_t match_of(const struct raft *raft, const struct raft_member *m)
{
    if (m->id != raft->id)
        return m->match;
    return GQ_BUG(RAFT_UNFLUSHED_COUNTED) ? raft->log.last : raft->log.flushed;
}

/* Largest index that a majority of the half has. */
static uint64_t half_index(const struct raft *raft, uint8_t role)
{
    uint64_t sorted[RAFT_MAX_MEMBERS];
    unsigned n = 0;

    for (uint8_t i = 0; i < raft->n_members; i++) {
        uint64_t match = match_of(raft, &raft->members[i]);
        unsigned at = n;

        if ((raft->members[i].roles & counted(role)) == 0)
            continue;
        for (; at > 0 && sorted[at - 1] < match; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = match;
        n++;
    }
    return n == 0 ? UINT64_MAX : sorted[n / 2];
}

uint64_t raft_quorum_index(const struct raft *raft)
{
    uint64_t index;

    if (raft->n_members == 1)
        return match_of(raft, &raft->members[0]);
    index = half_index(raft, RAFT_VOTER);
    return GQ_BUG(RAFT_JOINT_HALF_ASKED) ? index : MIN(index, half_index(raft, RAFT_OUTGOING));
}
