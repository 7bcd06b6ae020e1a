/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/members.h"

#include <errno.h>

#include "base/cursor.h"
#include "base/util.h"

/* ---- The command's body ---- */

void replica_members_write(const struct replica_members *m, uint8_t *to)
{
    struct wr w;

    wr_init_fixed(&w, to, replica_members_size(m));
    wr_u8(&w, (uint8_t)m->n_members);
    for (uint32_t i = 0; i < m->n_members; i++) {
        wr_le32(&w, (uint32_t)m->members[i].id);
        wr_u8(&w, m->members[i].roles);
        wr_bytes(&w, m->members[i].incarnation.bytes, sizeof(m->members[i].incarnation.bytes));
    }
    gq_assert(w.error == 0 && w.p == w.end);
}

int replica_members_parse(struct slice body, struct replica_members *ret)
{
    struct raft_config config;
    struct rd r;

    rd_init(&r, body.data, body.size);
    ret->n_members = rd_u8(&r);
    if (ret->n_members > RAFT_MAX_MEMBERS || body.size != replica_members_size(ret))
        return -EBADMSG;
    for (uint32_t i = 0; i < ret->n_members; i++) {
        struct replica_member *m = &ret->members[i];

        m->id = (int32_t)rd_le32(&r);
        m->roles = rd_u8(&r);
        memcpy(m->incarnation.bytes, rd_bytes(&r, sizeof(m->incarnation.bytes)), sizeof(m->incarnation.bytes));
    }
    replica_members_config(ret, &config);
    return raft_config_is_well_formed(&config) ? 0 : -EBADMSG;
}

/* ---- Lists ---- */

void replica_members_config(const struct replica_members *m, struct raft_config *ret)
{
    ret->n_members = m->n_members;
    for (uint32_t i = 0; i < m->n_members; i++)
        ret->members[i] = (struct raft_config_member){ m->members[i].id, m->members[i].roles };
}

const struct replica_member *replica_member_find(const struct replica_members *m, int32_t id)
{
    for (uint32_t i = 0; i < m->n_members; i++)
        if (m->members[i].id == id)
            return &m->members[i];
    return NULL;
}

static uint8_t roles_in(const struct replica_members *m, int32_t id)
{
    const struct replica_member *member = replica_member_find(m, id);

    return member != NULL ? member->roles : 0;
}

bool replica_members_equal(const struct replica_members *a, const struct replica_members *b)
{
    if (a->n_members != b->n_members)
        return false;
    for (uint32_t i = 0; i < a->n_members; i++) {
        const struct replica_member *m = &a->members[i], *n = replica_member_find(b, m->id);

        if (n == NULL || n->roles != m->roles || !uuid_eq(&n->incarnation, &m->incarnation))
            return false;
    }
    return true;
}

bool replica_members_are_joint(const struct replica_members *m)
{
    for (uint32_t i = 0; i < m->n_members; i++)
        if ((m->members[i].roles & RAFT_OUTGOING) != 0)
            return true;
    return false;
}

bool replica_members_may_be_wanted(const struct replica_members *m)
{
    struct raft_config config;

    if (m->n_members > RAFT_MAX_MEMBERS)
        return false;
    for (uint32_t i = 0; i < m->n_members; i++)
        if (m->members[i].roles != RAFT_VOTER && m->members[i].roles != RAFT_LEARNER)
            return false;
    replica_members_config(m, &config);
    return raft_config_is_well_formed(&config);
}

static bool add(struct replica_members *to, const struct replica_member *m, uint8_t roles)
{
    if (to->n_members == RAFT_MAX_MEMBERS)
        return false;
    to->members[to->n_members] = *m;
    to->members[to->n_members++].roles = roles;
    return true;
}

void replica_members_leave_joint(const struct replica_members *joint, struct replica_members *ret)
{
    ret->n_members = 0;
    for (uint32_t i = 0; i < joint->n_members; i++) {
        uint8_t roles = joint->members[i].roles & (uint8_t)~RAFT_OUTGOING;

        if (roles != 0)
            add(ret, &joint->members[i], roles);
    }
}

/* ---- Steps ---- */

static bool has_same_voters(const struct replica_members *a, const struct replica_members *b)
{
    for (uint32_t i = 0; i < a->n_members; i++)
        if ((a->members[i].roles & RAFT_VOTER) != (roles_in(b, a->members[i].id) & RAFT_VOTER))
            return false;
    for (uint32_t i = 0; i < b->n_members; i++)
        if ((b->members[i].roles & RAFT_VOTER) != (roles_in(a, b->members[i].id) & RAFT_VOTER))
            return false;
    return true;
}

/* Towards a list whose members are there already, or go. */
static int move(const struct replica_members *now, const struct replica_members *to, struct replica_members *ret)
{
    if (has_same_voters(now, to)) {
        *ret = *to;
        return 1;
    }
    ret->n_members = 0;
    for (uint32_t i = 0; i < to->n_members; i++) {
        bool was_voter = (roles_in(now, to->members[i].id) & RAFT_VOTER) != 0;

        add(ret, &to->members[i], to->members[i].roles | (was_voter ? RAFT_OUTGOING : 0));
    }
    for (uint32_t i = 0; i < now->n_members; i++) {
        const struct replica_member *m = &now->members[i];

        if ((m->roles & RAFT_VOTER) != 0 && replica_member_find(to, m->id) == NULL && !add(ret, m, RAFT_OUTGOING))
            return RAFT_E_CONFIG_INVALID;
    }
    return 1;
}

/* Who is wanted with another incarnation is somebody else. */
static void without_strangers(const struct replica_members *now, const struct replica_members *wanted,
                              struct replica_members *ret)
{
    ret->n_members = 0;
    for (uint32_t i = 0; i < now->n_members; i++) {
        const struct replica_member *m = &now->members[i], *w = replica_member_find(wanted, m->id);

        if (w == NULL || replica_incarnation_fits(&w->incarnation, &m->incarnation))
            add(ret, m, m->roles);
    }
}

/* 1, 0: all are there, or an error. */
static int with_new_ones(const struct replica_members *now, const struct replica_members *wanted,
                         struct replica_members *ret)
{
    *ret = *now;
    for (uint32_t i = 0; i < wanted->n_members; i++)
        if (replica_member_find(now, wanted->members[i].id) == NULL && !add(ret, &wanted->members[i], RAFT_LEARNER))
            return RAFT_E_CONFIG_INVALID;
    return ret->n_members > now->n_members ? 1 : 0;
}

int replica_members_next(const struct replica_members *now, const struct replica_members *wanted,
                         struct replica_members *ret)
{
    struct replica_members to = *wanted;
    int rc;

    without_strangers(now, wanted, ret);
    if (ret->n_members < now->n_members) {
        to = *ret;
        return move(now, &to, ret);
    }
    for (uint32_t i = 0; i < to.n_members; i++) {
        const struct replica_member *m = replica_member_find(now, to.members[i].id);

        if (m != NULL && uuid_is_zero(&to.members[i].incarnation))
            to.members[i].incarnation = m->incarnation;
    }
    if (replica_members_equal(now, &to))
        return 0;
    rc = with_new_ones(now, &to, ret);
    return rc == 0 ? move(now, &to, ret) : rc;
}
