/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/replica.h"
#include "world/faults.h"

/* Nodes that lose their disks, one at a time: the next one only when each group has the one before as a voter again.
 * So a majority of each group's voters has its disk at any time, and no partition has fewer than three. */

#define TRY_EVENTS 16

struct look {
    const struct world *world;
    struct error_text *why;
    bool whole;
};

/* The data directory is the one that the broker has now. */
static bool is_current(const struct world *w, const struct replica_member *m)
{
    for (unsigned i = 0; i < w->n_machines; i++) {
        const struct node *n = w->machines[i]->node;
        struct uuid incarnation = node_incarnation(n);

        if (node_broker_id(n) == m->id)
            return replica_incarnation_fits(&incarnation, &m->incarnation);
    }
    return false;
}

/* All vote; but the metadata has some voters, and learners. */
static bool are_there(const struct world *w, uint64_t group, const struct replica_members *m)
{
    unsigned n_voters = 0;

    for (uint32_t i = 0; i < m->n_members; i++) {
        if (!is_current(w, &m->members[i]) || (m->members[i].roles & RAFT_OUTGOING) != 0)
            return false;
        n_voters += m->members[i].roles == RAFT_VOTER;
    }
    return n_voters >= WIPE_N_VOTERS && (n_voters == m->n_members || node_is_metadata(group));
}

/* As this replica knows, and that is committed. */
static void look_at(void *ctx, const struct replica *r)
{
    struct look *look = ctx;
    struct replica_members members;
    struct replica_standing at;
    const struct raft *core;
    uint64_t index;

    if (!look->whole || !replica_stands(r, &at, &core) || core == NULL)
        return;
    look->whole = replica_members(r, &members, &index) && index <= at.raft.commit &&
                  are_there(look->world, replica_group(r), &members);
    if (!look->whole)
        error_setf(look->why, "group %llu", (unsigned long long)replica_group(r));
}

bool wipe_all_are_whole(const struct world *w, struct error_text *ret_why)
{
    struct look look = { w, ret_why, true };

    for (unsigned i = 0; i < w->n_machines; i++)
        if (!machine_is_ready(w->machines[i]) || node_broker_id(w->machines[i]->node) <= 0) {
            error_setf(ret_why, "node %u isn't ready", i);
            return false;
        }
    for (unsigned i = 0; i < w->n_machines; i++)
        for (unsigned s = 0; s < w->machines[i]->n_shards; s++)
            node_each_replica(w->machines[i]->node, s, look_at, &look);
    return look.whole;
}

bool wipe_is_over(struct world *w, struct error_text *ret_why)
{
    if (w->wiped >= 0 && wipe_all_are_whole(w, ret_why))
        w->wiped = -1;
    return w->wiped < 0;
}

static bool is_allowed(const struct world *w, unsigned machine)
{
    struct error_text why;

    if (w->sick != NULL && w->sick->index != machine)
        return false;
    return !old_disk_is_there(w) && (w->wiped == (int)machine || wipe_all_are_whole(w, &why));
}

bool wipe_begin(struct world *w, struct machine *m)
{
    if (!machine_is_up(m) || !is_allowed(w, m->index))
        return false;
    w->wiped = (int)m->index;
    return true;
}

void wipe_come(struct world *w)
{
    struct machine *m = w->wipe_wanted >= 0 ? w->machines[w->wipe_wanted] : NULL;

    if (m == NULL || w->story->n_events % TRY_EVENTS != 0 || w->phase != WORLD_WORK || !wipe_begin(w, m))
        return;
    w->story->n_faults[WORLD_FAULT_WIPE]++;
    w->wipe_wanted = -1;
    machine_lose_disk(m);
}
