/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

struct raft_message *raft_send(struct raft *raft, struct raft_update *u, enum raft_message_kind kind, int32_t to)
{
    struct raft_message *m;

    gq_assert(u->n_messages < RAFT_MAX_MESSAGES);
    gq_assert(to != raft->id);
    m = &u->messages[u->n_messages++];
    *m = (struct raft_message){ .kind = kind, .from = raft->id, .to = to, .term = raft->term };
    return m;
}

struct raft_message *raft_reply(struct raft *raft, struct raft_update *u, enum raft_message_kind kind, int32_t to)
{
    if (raft->durable_term < raft->term && !GQ_BUG(RAFT_VOTE_NOT_DURABLE)) {
        raft->owed = true;
        return NULL;
    }
    return raft_send(raft, u, kind, to);
}

static bool is_from_leader(enum raft_message_kind kind)
{
    return kind == RAFT_APPEND || kind == RAFT_HEARTBEAT || kind == RAFT_SNAPSHOT;
}

static bool is_request(enum raft_message_kind kind)
{
    return kind == RAFT_VOTE || kind == RAFT_PRE_VOTE;
}

/* A leader or candidate of an old term learns of ours, or it would stay where it is: stickiness keeps the others from
 * hearing of the newer term. */
static void on_old_term(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    struct raft_message *reply = NULL;

    if (is_from_leader(m->kind))
        reply = raft_reply(raft, u, RAFT_APPEND_REPLY, m->from);
    else if (m->kind == RAFT_PRE_VOTE)
        reply = raft_reply(raft, u, RAFT_PRE_VOTE_REPLY, m->from);
    if (reply == NULL)
        return;
    GQ_MARK(RAFT_OLD_TERM_TOLD);
    reply->reject = true;
}

/* Returns false when the message has no say. */
static bool settle_term(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    if (m->term < raft->term) {
        on_old_term(raft, u, m);
        return false;
    }
    if (is_request(m->kind) && !m->force && m->term > raft->term && raft_is_sticky(raft)) {
        GQ_MARK(RAFT_STUCK_TO_LEADER);
        return false;
    }
    if ((m->kind == RAFT_PRE_VOTE && !GQ_BUG(RAFT_PRE_VOTE_LEAKS)) || (m->kind == RAFT_PRE_VOTE_REPLY && !m->reject))
        return true;
    if (m->term > raft->term && raft->role == RAFT_LEADER)
        GQ_MARK(RAFT_DOWN_BY_TERM);
    if (m->term > raft->term)
        raft_become_follower(raft, u, m->term, is_from_leader(m->kind) ? m->from : RAFT_NONE);
    return true;
}

/* A term has one. */
static bool is_second_leader(const struct raft *raft, const struct raft_message *m)
{
    return raft->role == RAFT_LEADER ||
           (raft->role == RAFT_FOLLOWER && raft->leader != RAFT_NONE && raft->leader != m->from);
}

static void receive(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    if (m->from == raft->id || m->to != raft->id || !raft_message_is_sound(m)) {
        u->refused = true;
        return;
    }
    if (!settle_term(raft, u, m))
        return;
    if ((is_from_leader(m->kind) || m->kind == RAFT_TIMEOUT_NOW) && is_second_leader(raft, m)) {
        u->refused = true;
        return;
    }
    if (is_from_leader(m->kind)) {
        if (raft->role != RAFT_FOLLOWER)
            GQ_MARK(RAFT_CANDIDATE_BEATEN);
        if (raft->role != RAFT_FOLLOWER || raft->leader != m->from)
            raft_become_follower(raft, u, m->term, m->from);
        raft->heard = raft->now;
        if (m->kind != RAFT_HEARTBEAT)
            raft_session_leave(raft, u);
        raft_arm_election(raft);
    }
    switch (m->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        raft_on_vote(raft, u, m);
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
        raft_on_vote_reply(raft, u, m);
        break;
    case RAFT_APPEND:
        raft_on_append(raft, u, m);
        break;
    case RAFT_APPEND_REPLY:
        raft_on_append_reply(raft, u, m);
        break;
    case RAFT_HEARTBEAT:
        raft_on_heartbeat(raft, u, m);
        break;
    case RAFT_HEARTBEAT_REPLY:
        raft_on_heartbeat_reply(raft, u, m);
        break;
    case RAFT_SNAPSHOT:
        raft_on_snapshot(raft, u, m);
        break;
    case RAFT_TIMEOUT_NOW:
        raft_on_timeout_now(raft, u);
        break;
    }
}

static void tick(struct raft *raft, struct raft_update *u)
{
    uint64_t heard;

    if (raft->role == RAFT_LEADER) {
        raft_leader_tick(raft, u);
        return;
    }
    if (raft->now < raft->deadline)
        return;
    heard = raft_leader_heard(raft);
    if (heard > raft->heard) {
        /* Others vouched for the leader meanwhile: the timer runs from then. */
        raft->deadline += heard - raft->heard;
        raft->heard = heard;
        if (raft->now < raft->deadline)
            return;
    }
    raft_campaign(raft, u);
}

/* A leader whose connection broke is not believed in any longer. What was on its way to a follower is lost. */
static void peer_down(struct raft *raft, int32_t peer)
{
    struct raft_member *m = raft_member(raft, peer);

    raft_session_lost(raft, peer);
    if (raft->role == RAFT_LEADER) {
        if (m != NULL && m->id != raft->id)
            raft_progress_probe(m, m->match + 1);
    } else if (raft->leader == peer) {
        uint64_t spread = raft->limits->peer_down_spread + 1;

        GQ_MARK(RAFT_LEADER_DIED);
        raft->leader = RAFT_NONE;
        raft->deadline = MIN(raft->deadline, raft->now + raft_draw(raft, spread) + raft_handicap(raft, spread));
    }
}

static void dispatch(struct raft *raft, const struct raft_event *event, struct raft_update *u)
{
    switch (event->kind) {
    case RAFT_TICK:
        tick(raft, u);
        break;
    case RAFT_RECEIVE:
        receive(raft, u, event->message);
        break;
    case RAFT_STATE_FLUSHED:
        raft_on_state_flushed(raft, u, event->term, event->vote);
        break;
    case RAFT_LOG_FLUSHED:
        raft_on_log_flushed(raft, u, event);
        break;
    case RAFT_PROPOSE:
        raft_on_propose(raft, u, event);
        break;
    case RAFT_READ:
        raft_on_read(raft, u);
        break;
    case RAFT_TRANSFER:
        raft_on_transfer(raft, u, event->peer);
        break;
    case RAFT_CAMPAIGN:
        if (raft->role != RAFT_LEADER)
            raft_campaign(raft, u);
        break;
    case RAFT_PEER_DOWN:
        peer_down(raft, event->peer);
        break;
    case RAFT_PEER_UP:
        raft_session_peer_up(raft, event->peer);
        break;
    case RAFT_SESSION_LOST:
        raft_session_lost(raft, event->peer);
        break;
    case RAFT_RANK:
        gq_assert(event->index <= RAFT_MAX_RANK);
        raft->rank = (uint8_t)event->index;
        break;
    case RAFT_SNAPSHOT_FAILED:
        raft_on_snapshot_failed(raft, event->peer);
        break;
    case RAFT_COMPACT:
        gq_assert(event->index <= MIN(raft->commit, raft->log.flushed));
        raft_log_compact(&raft->log, event->index);
        break;
    }
}

void raft_step(struct raft *raft, const struct raft_event *event, struct raft_update *u)
{
    uint64_t commit = raft->commit;
    uint8_t role = raft->role;
    int32_t leader = raft->leader;

    gq_assert(event->now >= raft->now);
    raft->now = event->now;
    memset(u, 0, offsetof(struct raft_update, hard_state));
    u->joined = RAFT_NONE;
    dispatch(raft, event, u);
    u->hard_state = raft->state_dirty;
    raft->state_dirty = false;
    u->term = raft->term;
    u->vote = raft->vote;
    u->epoch = raft->log.epoch;
    if (u->append_last != 0)
        u->append_term = raft_log_last_term(&raft->log);
    gq_assert(raft->commit >= commit && raft->commit <= raft->log.last);
    u->commit = raft->commit;
    u->committed = raft->commit > commit;
    u->role = raft->role;
    u->leader = raft->leader;
    u->role_changed = raft->role != role || raft->leader != leader;
    u->next_tick = raft_due(raft);
}
