/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* Sessions of node pairs: one message a tick for all groups of two nodes that rest. Who vouches for what must be agreed
 * on, or a follower would wait for a leader that is gone. So the leader asks, by a heartbeat, a follower that has all
 * and knows all to be committed; that one puts the group into the session and agrees; then the leader does. Each leaves
 * by itself with whatever ends the rest: an entry, another term, another leader, a lost session. A follower that stays
 * behind learns it by the next message of the leader, which no longer joins, or by the sets of the two nodes, which
 * differ then. */

static uint64_t session_heard(const struct raft *raft, int32_t peer)
{
    return raft->ops->heard != NULL ? raft->ops->heard(raft->ctx, peer) : 0;
}

uint64_t raft_leader_heard(const struct raft *raft)
{
    return raft->joined ? MAX(raft->heard, session_heard(raft, raft->leader)) : raft->heard;
}

uint64_t raft_member_heard(const struct raft *raft, const struct raft_member *m)
{
    return m->joined ? MAX(m->heard, session_heard(raft, m->id)) : m->heard;
}

bool raft_may_join(const struct raft *raft, const struct raft_member *m)
{
    return m->settled && session_heard(raft, m->id) != 0;
}

bool raft_is_covered(const struct raft *raft, const struct raft_member *m)
{
    return m->joined && session_heard(raft, m->id) != 0;
}

bool raft_is_away(const struct raft *raft, const struct raft_member *m)
{
    return raft->ops->away != NULL && raft->ops->away(raft->ctx, m->id);
}

/* Those that are away can't be asked; the others must be enough to lead. */
void raft_session_rest(struct raft *raft)
{
    uint32_t who = 0;

    if (raft->read_round != 0)
        return;
    for (uint8_t i = 0; i < raft->n_members; i++) {
        const struct raft_member *m = &raft->members[i];

        if (m->id == raft->id || raft_is_covered(raft, m))
            who |= 1u << i;
        else if (!raft_is_away(raft, m))
            return;
    }
    if (!raft_is_quorum(raft, who))
        return;
    GQ_MARK(RAFT_RESTS);
    if (raft->limits->quiesce)
        raft->deadline = UINT64_MAX;
    raft->heartbeat_at = raft->deadline;
}

/* All of the log is flushed, committed and known to be the leader's, and this node may answer for itself. */
static bool is_at_rest(const struct raft *raft, uint64_t last)
{
    return raft->log.last == last && raft->log.flushed == last && raft->matched >= last && raft->commit == last &&
           raft->durable_term == raft->term && !raft->no_vote;
}

bool raft_session_answer(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    bool join = m->join && is_at_rest(raft, m->index) && session_heard(raft, m->from) != 0;

    if (!join) {
        raft_session_leave(raft, u);
        return false;
    }
    if (!raft->joined) {
        GQ_MARK(RAFT_SESSION_JOINED);
        u->joined = m->from;
    }
    raft->joined = true;
    if (raft->limits->quiesce)
        raft->deadline = UINT64_MAX;
    return true;
}

void raft_session_answered(struct raft *raft, struct raft_update *u, struct raft_member *m, bool join)
{
    if (join && raft_may_join(raft, m)) {
        if (!m->joined)
            u->joined = m->id;
        m->joined = true;
        raft_session_rest(raft);
    } else if (m->joined) {
        raft_session_leave(raft, u);
    }
}

/* There is work for a leader again. */
static void wake_leader(struct raft *raft)
{
    raft->heartbeat_at = MIN(raft->heartbeat_at, raft->now + raft->limits->heartbeat_interval);
    if (raft->n_members > 1)
        raft->deadline = MIN(raft->deadline, raft->now + raft->limits->election_timeout);
}

void raft_session_peer_up(struct raft *raft, int32_t peer)
{
    const struct raft_member *m = raft_member(raft, peer);

    if (raft->role == RAFT_LEADER && m != NULL && m->id != raft->id && !m->joined) {
        GQ_MARK(RAFT_PEER_CAME_BACK);
        wake_leader(raft);
    }
}

void raft_session_leave(struct raft *raft, struct raft_update *u)
{
    if (raft->role == RAFT_LEADER) {
        for (uint8_t i = 0; i < raft->n_members; i++) {
            struct raft_member *m = &raft->members[i];

            if (!m->joined)
                continue;
            GQ_MARK(RAFT_LEADER_WAKES);
            m->heard = raft_member_heard(raft, m);
            m->joined = false;
            u->left = true;
        }
        wake_leader(raft);
    } else if (raft->joined) {
        GQ_MARK(RAFT_FOLLOWER_WAKES);
        raft->heard = raft_leader_heard(raft);
        raft->joined = false;
        u->left = true;
        raft_arm_election(raft);
    }
}

void raft_session_lost(struct raft *raft, int32_t peer)
{
    struct raft_member *m = raft_member(raft, peer);

    if (raft->role == RAFT_LEADER) {
        if (m == NULL || !m->joined)
            return;
        GQ_MARK(RAFT_FOLLOWER_FELL_SILENT);
        m->heard = raft_member_heard(raft, m);
        m->joined = false;
        wake_leader(raft);
    } else if (raft->joined && raft->leader == peer) {
        uint64_t silent;

        GQ_MARK(RAFT_LEADER_FELL_SILENT);
        /* The timer runs from when the session was last heard. */
        raft->heard = MIN(raft_leader_heard(raft), raft->now);
        raft->joined = false;
        silent = raft->now - raft->heard;
        raft_arm_election(raft);
        raft->deadline -= MIN(silent, raft->deadline - raft->now);
    }
}
