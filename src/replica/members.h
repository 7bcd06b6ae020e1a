/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who is a member of a group, and as what: as struct, as the body of the command COMMAND_GROUP_CONFIG
 * (docs/format/entry.md), and the steps from one such list to another. Pure functions. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/uuid.h"
#include "raft/raft.h"

/* The node's data directory is part of what it is: with an emptied disk it is another member under the same id. */
struct replica_member {
    int32_t id;
    uint8_t roles;           /* RAFT_VOTER, RAFT_OUTGOING, RAFT_LEARNER */
    struct uuid incarnation; /* zero: not known, stands for any */
};

struct replica_members {
    uint32_t n_members;
    struct replica_member members[RAFT_MAX_MEMBERS];
};

/* ---- The command's body ---- */

#define REPLICA_MEMBER_SIZE 21
#define REPLICA_MEMBERS_VERSION 1 /* of the command */
#define REPLICA_MEMBERS_MAX_SIZE (1 + RAFT_MAX_MEMBERS * REPLICA_MEMBER_SIZE)

static inline size_t replica_members_size(const struct replica_members *m)
{
    return 1 + m->n_members * (size_t)REPLICA_MEMBER_SIZE;
}

/* Writes replica_members_size() bytes. */
void replica_members_write(const struct replica_members *m, uint8_t *to);
/* 0, or -EBADMSG: it isn't all of body, or can't be a configuration. */
int replica_members_parse(struct slice body, struct replica_members *ret);

/* ---- Lists ---- */

/* What the core knows of it. */
void replica_members_config(const struct replica_members *m, struct raft_config *ret);
/* NULL: it is none. */
const struct replica_member *replica_member_find(const struct replica_members *m, int32_t id);
/* Two incarnations may be the same. */
static inline bool replica_incarnation_fits(const struct uuid *a, const struct uuid *b)
{
    return uuid_is_zero(a) || uuid_is_zero(b) || uuid_eq(a, b);
}
/* The same ids, roles and incarnations, in any order. */
bool replica_members_equal(const struct replica_members *a, const struct replica_members *b);
bool replica_members_are_joint(const struct replica_members *m);
/* Whether somebody may want it: it can be a configuration, and each member is a voter or a learner. */
bool replica_members_may_be_wanted(const struct replica_members *m);
/* The configuration that ends a joint one. */
void replica_members_leave_joint(const struct replica_members *joint, struct replica_members *ret);
/* The next configuration on the way from one that isn't joint to the wanted one: first they go whose incarnation is
 * another one, then the new ones come as learners, then voters change, through a joint configuration. 1 with it; 0: it
 * is there; RAFT_E_CONFIG_INVALID: there are too many on the way. */
int replica_members_next(const struct replica_members *now, const struct replica_members *wanted,
                         struct replica_members *ret);
