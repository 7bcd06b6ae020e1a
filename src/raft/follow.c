/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* The follower's side of APPEND. */

uint64_t raft_acknowledged(const struct raft *raft)
{
    return MIN(raft->matched, GQ_BUG(RAFT_ACK_UNFLUSHED) ? raft->log.last : raft->log.flushed);
}

void raft_acknowledge(struct raft *raft, struct raft_update *u)
{
    struct raft_message *reply = raft_reply(raft, u, RAFT_APPEND_REPLY, raft->leader);

    if (reply == NULL)
        return;
    reply->index = raft_acknowledged(raft);
    reply->commit = raft->commit;
}

static void refuse(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    struct raft_message *reply = raft_reply(raft, u, RAFT_APPEND_REPLY, m->from);

    if (reply == NULL)
        return;
    if (m->index > raft->log.last)
        GQ_MARK(RAFT_LOG_ENDS_BELOW);
    else
        GQ_MARK(RAFT_LOG_DIFFERS);
    reply->reject = true;
    reply->index = m->index;
    reply->hint_index = raft_log_find(&raft->log, m->index, m->log_term);
    reply->hint_term = raft_log_term(&raft->log, reply->hint_index);
    reply->commit = raft->commit;
}

static void truncate_from(struct raft *raft, struct raft_update *u, uint64_t from)
{
    GQ_MARK(RAFT_TAIL_CUT);
    gq_assert(from > raft->commit);
    raft_log_truncate(&raft->log, from);
    raft_config_truncate(raft, u, from);
    u->truncate_from = from;
}

/* Whether the log can take the entries: they fit behind its start, they leave what is committed and what this leader
 * sent before, they need no configuration that isn't known any more, and the terms have room. */
static bool may_take(const struct raft *raft, const struct raft_message *m)
{
    uint64_t conflict = 0, term = 0;
    uint32_t n_terms = 0;

    for (uint32_t i = 0; i < m->n_entries; i++) {
        uint64_t index = m->index + 1 + i;

        n_terms += m->entries[i].term != term;
        term = m->entries[i].term;
        if (conflict == 0 && index >= raft->log.start && index <= raft->log.last &&
            raft_log_term(&raft->log, index) != term)
            conflict = index;
    }
    if (n_terms > RAFT_MAX_RUNS || raft->log.n_runs + n_terms > RAFT_MAX_RUNS)
        return false;
    if (conflict == 0)
        return true;
    if (conflict <= MAX(raft->commit, raft->matched))
        return false;
    return conflict > raft->config_index || (raft->previous != NULL && raft->previous->index < conflict);
}

/* Takes what isn't there yet. Returns whether there was something. */
static bool take(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    for (uint32_t i = 0; i < m->n_entries; i++) {
        const struct raft_entry *e = &m->entries[i];
        uint64_t index = m->index + 1 + i;

        if (index <= raft->log.start)
            continue;
        if (index <= raft->log.last) {
            if (raft_log_term(&raft->log, index) == e->term && !GQ_BUG(RAFT_LATE_APPEND_CUTS))
                continue;
            truncate_from(raft, u, index);
        }
        raft_log_append(&raft->log, e->term);
        if (u->append_first == 0)
            u->append_first = index;
        u->append_last = index;
        if (e->config != NULL)
            raft_config_append(raft, u, e->config, index);
    }
    return u->append_first != 0;
}

void raft_on_append(struct raft *raft, struct raft_update *u, const struct raft_message *m)
{
    uint64_t end = m->index + m->n_entries;
    bool new;

    /* Below the start all is committed, so it is equal. */
    if (m->index >= raft->log.start && raft_log_term(&raft->log, m->index) != m->log_term) {
        refuse(raft, u, m);
        return;
    }
    if (!may_take(raft, m)) {
        u->refused = true;
        return;
    }
    new = take(raft, u, m);
    raft->matched = MAX(raft->matched, end);
    raft_advance_commit(raft, u, MAX(raft->commit, MIN(m->commit, MIN(raft->matched, raft->log.last))));
    if (!new || GQ_BUG(RAFT_ACK_UNFLUSHED))
        raft_acknowledge(raft, u);
}
