/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/fuzz.h"

#include "base/util.h"
#include "replica/internal.h"

/* Any bytes as the commands of a configuration entry: refused, or members that write the same bytes. Then the way from
 * the first half of a list to all of it, and back: each step is one that the core may take, and it comes to an end. */

#define MAX_STEPS 8

static bool is_joint_of(const struct replica_members *joint, const struct replica_members *now)
{
    for (uint32_t i = 0; i < now->n_members; i++) {
        const struct replica_member *m = replica_member_find(joint, now->members[i].id);

        if ((now->members[i].roles & RAFT_VOTER) != 0 && (m == NULL || (m->roles & RAFT_OUTGOING) == 0))
            return false;
    }
    return true;
}

static bool has_voter(const struct replica_members *m, int32_t id)
{
    const struct replica_member *member = replica_member_find(m, id);

    return member != NULL && (member->roles & RAFT_VOTER) != 0;
}

static bool has_same_voters(const struct replica_members *a, const struct replica_members *b)
{
    for (uint32_t i = 0; i < a->n_members; i++)
        if (has_voter(a, a->members[i].id) != has_voter(b, a->members[i].id))
            return false;
    return true;
}

static void check_step(const struct replica_members *now, const struct replica_members *next)
{
    struct raft_config config;

    replica_members_config(next, &config);
    gq_assert(raft_config_is_well_formed(&config));
    if (replica_members_are_joint(next))
        gq_assert(!replica_members_are_joint(now) && is_joint_of(next, now));
    else
        gq_assert(has_same_voters(now, next) && has_same_voters(next, now));
}

static void walk(const struct replica_members *from, const struct replica_members *wanted)
{
    struct replica_members now = *from, next;
    int rc = 1;

    for (unsigned n = 0; rc == 1; n++) {
        gq_assert(n < MAX_STEPS);
        if (replica_members_are_joint(&now))
            replica_members_leave_joint(&now, &next);
        else
            rc = replica_members_next(&now, wanted, &next);
        if (rc == 1) {
            check_step(&now, &next);
            now = next;
        }
    }
    gq_assert(rc == 0 || rc == RAFT_E_CONFIG_INVALID);
}

static void check_ways(const struct replica_members *all)
{
    struct replica_members half = { .n_members = (all->n_members + 1) / 2 }, other = *all;

    for (uint32_t i = 0; i < half.n_members; i++)
        half.members[i] = all->members[i];
    if (!replica_members_may_be_wanted(all) || !replica_members_may_be_wanted(&half))
        return;
    walk(&half, all);
    walk(all, &half);
    /* The first keeps its incarnation: all that is left would be nobody. */
    for (uint32_t i = 1; i < other.n_members && has_voter(all, all->members[0].id); i++)
        other.members[i].incarnation.bytes[i % 16] ^= 0x55;
    walk(all, &other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct entry entry = { .header.type = ENTRY_CONFIG, .commands = slice_make(data, size) };
    struct replica_members members;
    uint8_t bytes[REPLICA_MEMBERS_MAX_SIZE];
    size_t body = size - ENTRY_COMMAND_HEADER_SIZE;

    if (replica_entry_members(&entry, &members) != 1)
        return 0;
    gq_assert(replica_members_size(&members) == body);
    replica_members_write(&members, bytes);
    gq_assert(memcmp(bytes, data + ENTRY_COMMAND_HEADER_SIZE, body) == 0);
    check_ways(&members);
    return 0;
}
