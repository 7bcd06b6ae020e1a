/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* A leader's heartbeats, and its own look at whether a quorum still hears it. */

void raft_heartbeats(struct raft *raft, struct raft_update *u, bool all)
{
    for (uint8_t i = 0; i < raft->n_members; i++) {
        struct raft_member *member = &raft->members[i];
        struct raft_message *m;

        if (member->id == raft->id || u->n_messages == RAFT_MAX_MESSAGES)
            continue;
        if (raft_is_away(raft, member) || (!all && raft_is_covered(raft, member)))
            continue;
        m = raft_send(raft, u, RAFT_HEARTBEAT, member->id);
        m->commit = MIN(raft->commit, member->match);
        m->index = raft->log.last;
        m->context = raft->read_round;
        m->join = raft_may_join(raft, member);
    }
}

void raft_on_heartbeat(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    struct raft_message *reply;
    bool join;

    /* It is at most what this node has acknowledged in the term. */
    raft_advance_commit(raft, u, MAX(raft->commit, MIN(m->commit, raft->log.last)));
    raft->matched = MAX(raft->matched, raft->commit);
    join = raft_session_answer(raft, u, m);
    reply = raft_reply(raft, u, RAFT_HEARTBEAT_REPLY, m->from);
    if (reply == NULL)
        return;
    reply->join = join;
    reply->context = m->context;
    reply->index = raft_acknowledged(raft);
    reply->commit = raft->commit;
}

/* An answer shows that the follower is there, so what it lacks was lost, or is on its way still. */
void raft_on_heartbeat_reply(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    struct raft_member *member = raft_member(raft, m->from);

    if (raft->role != RAFT_LEADER || member == NULL)
        return;
    if (m->index > raft->log.last || m->context > raft->read_last) {
        u->refused = true;
        return;
    }
    member->heard = raft->now;
    member->read_ack = MAX(member->read_ack, m->context);
    member->probing = false;
    if (m->index > member->match)
        raft_accepted(raft, u, member, m->index);
    if (raft->role != RAFT_LEADER)
        return;
    member->settled = member->match == raft->log.last && m->commit == raft->log.last;
    if (member->match < raft->log.last) {
        if (member->state == RAFT_REPLICATE && member->count > 0 && raft_progress_is_paused(raft, member)) {
            GQ_MARK(RAFT_WINDOW_FREED);
            raft_progress_drop_first(raft, member);
        }
        raft_send_append(raft, u, member, true);
    }
    raft_session_answered(raft, u, member, m->join);
    raft_reads_advance(raft, u);
}

static bool hears_quorum(const struct raft *raft)
{
    uint32_t who = 0;

    for (uint8_t i = 0; i < raft->n_members; i++) {
        const struct raft_member *m = &raft->members[i];

        if (m->id == raft->id || raft_member_heard(raft, m) + raft->limits->election_timeout >= raft->now)
            who |= 1u << i;
    }
    return raft_is_quorum(raft, who);
}

void raft_leader_tick(struct raft *raft, struct raft_update *u)
{
    if (raft->transferee != RAFT_NONE && raft->now >= raft->transfer_deadline) {
        GQ_MARK(RAFT_TRANSFER_GIVEN_UP);
        raft->transferee = RAFT_NONE;
    }
    if (raft->now >= raft->deadline) {
        if (!hears_quorum(raft)) {
            GQ_MARK(RAFT_DOWN_BY_SILENCE);
            raft_become_follower(raft, u, raft->term, RAFT_NONE);
            return;
        }
        raft->deadline = raft->n_members == 1 ? UINT64_MAX : raft->now + raft->limits->election_timeout;
    }
    if (raft->now >= raft->heartbeat_at) {
        raft_heartbeats(raft, u, raft->read_round != 0);
        raft->heartbeat_at = raft->now + raft->limits->heartbeat_interval;
        raft_session_rest(raft);
    }
}
