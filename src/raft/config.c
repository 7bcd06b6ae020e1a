/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/internal.h"

/* Membership. Voters change through a joint configuration only: the old ones stay as OUTGOING beside the new VOTERs,
 * and when that is committed, the leader's caller proposes the new ones alone. A configuration holds from its place in
 * the log on, committed or not. One change at a time, so at most the log's last configuration isn't committed, and
 * one that it replaced is all that a truncation may need. */

bool raft_config_is_joint(const struct raft *raft)
{
    for (uint8_t i = 0; i < raft->n_members; i++)
        if ((raft->members[i].roles & RAFT_OUTGOING) != 0)
            return true;
    return false;
}

uint8_t raft_roles(const struct raft *raft, int32_t id)
{
    for (uint8_t i = 0; i < raft->n_members; i++)
        if (raft->members[i].id == id)
            return raft->members[i].roles;
    return 0;
}

uint8_t raft_roles_in(const struct raft_config *config, int32_t id)
{
    for (uint32_t i = 0; i < config->n_members; i++)
        if (config->members[i].id == id)
            return config->members[i].roles;
    return 0;
}

static bool are_roles(uint8_t roles)
{
    /* A voter that becomes a learner is both for a while. */
    return (roles >= RAFT_VOTER && roles <= RAFT_LEARNER) || roles == (RAFT_OUTGOING | RAFT_LEARNER);
}

bool raft_config_is_well_formed(const struct raft_config *config)
{
    unsigned n_voters = 0;

    if (config->n_members > RAFT_MAX_MEMBERS)
        return false;
    for (uint32_t i = 0; i < config->n_members; i++) {
        const struct raft_config_member *m = &config->members[i];

        if (m->id < 0 || !are_roles(m->roles))
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (config->members[j].id == m->id)
                return false;
        n_voters += (m->roles & RAFT_VOTER) != 0;
    }
    return n_voters > 0;
}

/* Whether those with role `to_role` in `to` are those with role `role` now. */
static bool same_members(const struct raft *raft, uint8_t role, const struct raft_config *to, uint8_t to_role)
{
    for (uint8_t i = 0; i < raft->n_members; i++)
        if ((raft->members[i].roles & role) != 0 && (raft_roles_in(to, raft->members[i].id) & to_role) == 0)
            return false;
    for (uint32_t i = 0; i < to->n_members; i++)
        if ((to->members[i].roles & to_role) != 0 && (raft_roles(raft, to->members[i].id) & role) == 0)
            return false;
    return true;
}

/* What is committed may be on its way still, as far as the window goes: under load a slow disk never has all of it. Who
 * came to rest by the session may have all of it, and never have been sent anything. But the configuration that it is a
 * learner by has to be on its disk: when what is on its way gets lost with the leader, its vote may be needed for
 * anybody to lead, and it doesn't vote before a configuration has named it. */
static bool has_caught_up(const struct raft *raft, const struct raft_member *m)
{
    return m->match >= raft->config_index &&
           (m->match >= raft->commit || (m->state == RAFT_REPLICATE && m->next > raft->commit));
}

static bool new_voters_caught_up(const struct raft *raft, const struct raft_config *to)
{
    for (uint32_t i = 0; i < to->n_members; i++) {
        const struct raft_member *m = raft_member((struct raft *)raft, to->members[i].id);

        if ((to->members[i].roles & RAFT_VOTER) == 0 || (m != NULL && (m->roles & RAFT_VOTER) != 0))
            continue;
        if (m == NULL || !has_caught_up(raft, m))
            return false;
    }
    return true;
}

int raft_config_check(const struct raft *raft, const struct raft_config *to)
{
    bool joint = false;

    if ((raft->config_index > raft->commit || raft->commit < raft->noop_index) && !GQ_BUG(CONFIG_NOT_AWAITED))
        return RAFT_E_CONFIG_PENDING;
    if (!raft_config_is_well_formed(to))
        return RAFT_E_CONFIG_INVALID;
    for (uint32_t i = 0; i < to->n_members; i++)
        joint = joint || (to->members[i].roles & RAFT_OUTGOING) != 0;
    if (!joint)
        return same_members(raft, RAFT_VOTER, to, RAFT_VOTER) ? 0 : RAFT_E_CONFIG_INVALID;
    if (raft_config_is_joint(raft) || !same_members(raft, RAFT_VOTER, to, RAFT_OUTGOING))
        return RAFT_E_CONFIG_INVALID;
    if (!new_voters_caught_up(raft, to))
        return RAFT_E_CONFIG_UNCAUGHT_UP;
    GQ_MARK(RAFT_JOINT_ALLOWED);
    return 0;
}

int raft_check_config(const struct raft *raft, const struct raft_config *config)
{
    if (raft->role != RAFT_LEADER)
        return RAFT_E_NOT_LEADER;
    return raft->transferee != RAFT_NONE ? RAFT_E_TRANSFER : raft_config_check(raft, config);
}

void raft_config_set(struct raft *raft, const struct raft_config *config, uint64_t index)
{
    struct raft_member *members = xcalloc(MAX(config->n_members, 1), sizeof(*members));

    gq_assert(config->n_members <= RAFT_MAX_MEMBERS);
    for (uint32_t i = 0; i < config->n_members; i++) {
        const struct raft_member *old = raft_member(raft, config->members[i].id);

        if (old != NULL) {
            members[i] = *old;
        } else {
            members[i].id = config->members[i].id;
            raft_progress_reset(raft, &members[i]);
        }
        members[i].roles = config->members[i].roles;
    }
    free(raft->members);
    raft->members = members;
    raft->n_members = (uint8_t)config->n_members;
    raft->config_index = index;
    if (raft->role == RAFT_LEADER) {
        raft->deadline = MIN(raft->deadline, raft->now + raft->limits->election_timeout);
        raft->heartbeat_at = MIN(raft->heartbeat_at, raft->now + raft->limits->heartbeat_interval);
    }
}

void raft_config(const struct raft *raft, struct raft_config *ret_config, uint64_t *ret_index)
{
    ret_config->n_members = raft->n_members;
    for (uint8_t i = 0; i < raft->n_members; i++) {
        ret_config->members[i].id = raft->members[i].id;
        ret_config->members[i].roles = raft->members[i].roles;
    }
    if (ret_index != NULL)
        *ret_index = raft->config_index;
}

void raft_config_append(struct raft *raft, struct raft_update *u, const struct raft_config *config, uint64_t index)
{
    GQ_MARK(RAFT_CONFIG_APPENDED);
    if (raft->previous == NULL)
        raft->previous = xcalloc(1, sizeof(*raft->previous));
    raft_config(raft, &raft->previous->config, &raft->previous->index);
    raft_config_set(raft, config, index);
    u->config_changed = true;
}

void raft_config_truncate(struct raft *raft, struct raft_update *u, uint64_t from)
{
    struct raft_previous *previous;

    if (from > raft->config_index || GQ_BUG(RAFT_CONFIG_NOT_REVERTED))
        return;
    GQ_MARK(RAFT_CONFIG_REVERTED);
    previous = TAKE_PTR(raft->previous);
    gq_assert(previous != NULL && previous->index < from);
    raft_config_set(raft, &previous->config, previous->index);
    free(previous);
    u->config_changed = true;
}

void raft_config_committed(struct raft *raft, struct raft_update *u)
{
    if (raft->commit < raft->config_index)
        return;
    free(TAKE_PTR(raft->previous));
    if (raft->role != RAFT_LEADER)
        return;
    if (raft_config_is_joint(raft)) {
        GQ_MARK(RAFT_JOINT_COMMITTED);
        u->leave_joint = true;
    } else if ((raft_roles(raft, raft->id) & RAFT_VOTER) == 0) {
        GQ_MARK(RAFT_DOWN_BY_CONFIG);
        raft_become_follower(raft, u, raft->term, RAFT_NONE);
    }
}
