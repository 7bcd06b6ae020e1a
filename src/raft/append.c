/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* The leader's side of APPEND. */

/* Of an update's messages, those that are kept for others: a round of heartbeats, an answer. */
#define RESERVED (RAFT_MAX_MEMBERS + 2)

/* How many entries from next on go into one message. */
static uint32_t fill(struct raft *raft, const struct raft_member *m, uint32_t *ret_bytes)
{
    uint64_t bytes = 0;
    uint32_t n = 0;

    for (uint64_t i = m->next; i <= raft->log.last && n < raft->limits->message_entries; i++) {
        uint32_t size = raft_entry_size(raft, i);

        if (n > 0 && bytes + size > raft->limits->message_bytes)
            break;
        bytes += size;
        n++;
    }
    *ret_bytes = (uint32_t)bytes;
    return n;
}

bool raft_send_append(struct raft *raft, struct raft_update *u, struct raft_member *m, bool empty)
{
    struct raft_message *msg;
    uint32_t n, bytes;

    gq_assert(m->match < m->next);
    if (m->id == raft->id || u->n_messages + RESERVED > RAFT_MAX_MESSAGES || raft_progress_is_paused(raft, m))
        return false;
    if (m->next <= raft->log.start)
        return raft_send_snapshot(raft, u, m);
    n = fill(raft, m, &bytes);
    if (n == 0 && !empty)
        return false;
    msg = raft_send(raft, u, RAFT_APPEND, m->id);
    msg->index = m->next - 1;
    msg->log_term = raft_log_term(&raft->log, m->next - 1);
    msg->commit = raft->commit;
    msg->n_entries = n;
    if (m->state == RAFT_PROBE)
        m->probing = true;
    else if (n > 0)
        raft_progress_sent(raft, m, m->next + n - 1, bytes);
    if (m->state == RAFT_REPLICATE && raft_progress_is_paused(raft, m))
        GQ_MARK(RAFT_WINDOW_FULL);
    return m->state == RAFT_REPLICATE && m->next <= raft->log.last;
}

/* In turns, so that none goes short where the update is full. */
void raft_broadcast(struct raft *raft, struct raft_update *u, bool empty)
{
    bool more = true;

    if (raft_is_alone(raft))
        return;
    while (more) {
        more = false;
        for (uint8_t i = 0; i < raft->n_members; i++)
            more = raft_send_append(raft, u, &raft->members[i], empty) || more;
        empty = false;
    }
}

static void rejected(struct raft *raft, struct raft_update *u, struct raft_member *m, const struct raft_message *reply)
{
    uint64_t next;

    /* A late one, about a message that was overtaken. */
    if (reply->index <= m->match || (m->state == RAFT_PROBE && reply->index != m->next - 1) || m->state == RAFT_IMAGE)
        return;
    /* The follower's terms up to its hint are at most hint_term: so are ours where the logs agree. */
    next = raft_log_find(&raft->log, MIN(reply->hint_index, reply->index - 1), reply->hint_term) + 1;
    /* Below our start it is unknown where they agree, if the hint isn't the start itself: the follower needs an image.
     */
    if (next == raft->log.start + 1 && (reply->hint_index < raft->log.start || raft->log.start_term > reply->hint_term))
        next = raft->log.start;
    GQ_MARK(RAFT_PROBES_AGAIN);
    raft_session_leave(raft, u);
    raft_progress_probe(m, next);
    raft_send_append(raft, u, m, true);
}

void raft_accepted(struct raft *raft, struct raft_update *u, struct raft_member *m, uint64_t index)
{
    if (index > raft->log.last)
        return;
    raft_progress_acked(raft, m, index);
    m->match = MAX(m->match, index);
    m->next = MAX(m->next, index + 1);
    /* An answer that tells nothing new doesn't call for another probe, or there would be no end of them. */
    if (index == m->match)
        m->probing = false;
    if (m->state == RAFT_PROBE && index >= raft->log.start && index == m->match) {
        GQ_MARK(RAFT_REPLICATES);
        m->state = RAFT_REPLICATE;
    } else if (m->state == RAFT_IMAGE && m->match + 1 >= m->next) {
        GQ_MARK(RAFT_IMAGE_ARRIVED);
        /* The image has arrived. Where the log begins later by now, another one has to follow. */
        raft_progress_probe(m, m->match + 1);
        if (m->match >= raft->log.start)
            m->state = RAFT_REPLICATE;
    }
    raft_maybe_commit(raft, u);
    if (raft->role != RAFT_LEADER)
        return;
    while (raft_send_append(raft, u, m, false))
        ;
}

void raft_on_append_reply(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    struct raft_member *member = raft_member(raft, m->from);

    if (raft->role != RAFT_LEADER || member == NULL)
        return;
    if (!m->reject && m->index > raft->log.last) {
        u->refused = true;
        return;
    }
    member->heard = raft->now;
    if (m->reject) {
        rejected(raft, u, member, m);
        return;
    }
    raft_accepted(raft, u, member, m->index);
    if (raft->role != RAFT_LEADER)
        return;
    member->settled = member->match == raft->log.last && m->commit == raft->log.last;
    if (raft->transferee == m->from)
        raft_transfer_advance(raft, u);
}
