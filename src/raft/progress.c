/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* What is on its way to a follower. match < next always holds. */

static void forget_window(struct raft_member *m)
{
    m->head = m->count = 0;
    m->inflight_bytes = 0;
}

void raft_progress_reset(struct raft *raft, struct raft_member *m)
{
    forget_window(m);
    m->state = RAFT_PROBE;
    m->probing = m->settled = m->joined = false;
    m->match = 0;
    m->next = raft->log.last + 1;
    m->heard = raft->now;
    m->read_ack = 0;
}

void raft_progress_probe(struct raft_member *m, uint64_t next)
{
    forget_window(m);
    m->state = RAFT_PROBE;
    m->probing = m->settled = m->joined = false;
    m->next = MAX(m->match + 1, next);
}

bool raft_progress_is_paused(const struct raft *raft, const struct raft_member *m)
{
    switch (m->state) {
    case RAFT_PROBE:
        return m->probing;
    case RAFT_REPLICATE:
        return m->count >= raft->limits->inflight_messages || m->inflight_bytes >= raft->limits->inflight_bytes;
    default:
        return true;
    }
}

void raft_progress_sent(struct raft *raft, struct raft_member *m, uint64_t last, uint32_t bytes)
{
    gq_assert(m->count < raft->limits->inflight_messages && last >= m->next);
    m->window[(m->head + m->count) % RAFT_WINDOW] = (uint32_t)last;
    m->count++;
    m->inflight_bytes += bytes;
    m->next = last + 1;
}

/* The window's bytes are those of the entries between what has arrived and next. */
static void count_bytes(struct raft *raft, struct raft_member *m, uint64_t arrived)
{
    m->inflight_bytes = 0;
    if (m->count == 0)
        return;
    for (uint64_t i = MAX(arrived, raft->log.start) + 1; i < m->next; i++)
        m->inflight_bytes += raft_entry_size(raft, i);
}

void raft_progress_acked(struct raft *raft, struct raft_member *m, uint64_t index)
{
    uint8_t before = m->count;

    while (m->count > 0 && (int32_t)(m->window[m->head] - (uint32_t)index) <= 0) {
        m->head = (m->head + 1) % RAFT_WINDOW;
        m->count--;
    }
    if (m->count != before)
        count_bytes(raft, m, index);
}

/* A full window whose messages may all be lost must not stay full for ever. */
void raft_progress_drop_first(struct raft *raft, struct raft_member *m)
{
    uint32_t back;

    gq_assert(m->count > 0);
    back = (uint32_t)(m->next - 1) - m->window[m->head];
    m->head = (m->head + 1) % RAFT_WINDOW;
    m->count--;
    count_bytes(raft, m, m->next - 1 - back);
}
