/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* What a message may say, whatever this node knows. A peer is another process, perhaps a broken one: none of its fields
 * is trusted, and none may bring this one down. What depends on the state is refused where the message is handled. */

static bool is_position(uint64_t index, uint64_t term, uint64_t max_term)
{
    return index <= RAFT_MAX_INDEX && term <= max_term && (index == 0) == (term == 0);
}

static bool are_entries(const struct raft_message *m)
{
    uint64_t term = m->log_term;

    if ((m->n_entries > 0 && m->entries == NULL) || m->index + m->n_entries > RAFT_MAX_INDEX)
        return false;
    for (uint32_t i = 0; i < m->n_entries; i++) {
        const struct raft_entry *e = &m->entries[i];

        if (e->term == 0 || e->term < term || e->term > m->term)
            return false;
        if (e->config != NULL && !raft_config_is_well_formed(e->config))
            return false;
        term = e->term;
    }
    return true;
}

bool raft_message_is_sound(const struct raft_message *m)
{
    if (m->from < 0 || m->term > RAFT_MAX_TERM || m->index > RAFT_MAX_INDEX || (m->force && m->kind != RAFT_VOTE))
        return false;
    switch (m->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        return m->term > 0 && is_position(m->index, m->log_term, m->term - 1);
    case RAFT_APPEND:
        return m->term > 0 && is_position(m->index, m->log_term, m->term) && are_entries(m);
    case RAFT_SNAPSHOT:
        return m->log_term > 0 && is_position(m->index, m->log_term, m->term) && m->config != NULL &&
               raft_config_is_well_formed(m->config);
    case RAFT_APPEND_REPLY:
        return !m->reject || (m->hint_index <= m->index && is_position(m->hint_index, m->hint_term, m->term));
    case RAFT_HEARTBEAT:
    case RAFT_TIMEOUT_NOW:
        return m->term > 0;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
    case RAFT_HEARTBEAT_REPLY:
        return true;
    }
    return false;
}
