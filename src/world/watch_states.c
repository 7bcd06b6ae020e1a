/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/watch_internal.h"

/* What groups of all nodes have applied, when everything was read and behind a power loss. */

static const struct watch_applied *find_applied(const struct watch_group *g, uint64_t index)
{
    for (size_t i = 0; i < g->n_states; i++)
        if (g->states[i].index == index)
            return &g->states[i];
    return NULL;
}

void watch_see_applied(struct watch *watch, struct world *w, const struct uuid *cluster, uint64_t group, int32_t node,
                       uint64_t index, uint32_t checksum)
{
    struct watch_group *g = watch_group_of(watch, cluster, group);
    const struct watch_applied *before = find_applied(g, index);

    if (before != NULL && before->checksum != checksum)
        world_fail(w, "states are equal",
                   "group %llu: node %d has another state at entry %llu than others, or than it had",
                   (unsigned long long)group, node, (unsigned long long)index);
    if (before != NULL)
        return;
    g->states = xrealloc(g->states, (g->n_states + 1) * sizeof(g->states[0]));
    g->states[g->n_states++] = (struct watch_applied){ index, checksum };
}

void watch_look_again(struct watch *watch, const struct machine *m, const struct replica *r, uint64_t applied)
{
    const struct uuid cluster = node_cluster_id(m->node);
    const struct watch_group *g = watch_group_of(watch, &cluster, replica_group(r));

    if (!g->gone && find_applied(g, applied) != NULL)
        watch_see_applied(watch, m->world, &cluster, g->id, node_broker_id(m->node), applied,
                          replica_state_checksum(r));
}

/* ---- At the end ---- */

struct settled {
    struct watch *watch;
    const struct machine *machine;
    struct error_text *why;
    bool all;
};

static bool is_member(const struct raft *core, int32_t id)
{
    struct raft_progress p;

    for (uint32_t i = 0; raft_progress(core, i, &p); i++)
        if (p.id == id)
            return true;
    return false;
}

static void look_whether_settled(void *ctx, const struct replica *r)
{
    struct settled *s = ctx;
    struct replica_standing at;
    const struct raft *core;
    struct uuid cluster = node_cluster_id(s->machine->node);
    const struct watch_group *g = watch_group_of(s->watch, &cluster, replica_group(r));

    if (g->gone || watch_has_old_disk(s->watch, s->machine) || !replica_stands(r, &at, &core) || core == NULL ||
        !is_member(core, node_broker_id(s->machine->node)))
        return;
    if (at.applied == at.raft.last && at.applied == g->n_committed)
        return;
    s->all = false;
    error_setf(s->why, "group %llu: applied %llu of %llu, committed are %zu; in term %llu it follows %d",
               (unsigned long long)g->id, (unsigned long long)at.applied, (unsigned long long)at.raft.last,
               g->n_committed, (unsigned long long)at.raft.term, at.raft.leader);
}

bool watch_is_settled(struct watch *watch, const struct machine *m, struct error_text *ret_why)
{
    struct settled s = { watch, m, ret_why, true };

    for (unsigned i = 0; i < m->n_shards; i++)
        node_each_replica(m->node, i, look_whether_settled, &s);
    return s.all;
}

/* Who isn't a member has any part of the log, and what a start knows of the log start may be later than that. */
static bool is_settled(const struct watch_group *g, const struct replica_standing *at, const struct raft *core)
{
    return core != NULL && at->applied == g->n_committed;
}

/* Also of groups with one voter, which have no core at rest. */
static void see_applied(struct settled *s, const struct replica *r, bool alone)
{
    struct uuid cluster = node_cluster_id(s->machine->node);
    const struct watch_group *g = watch_group_of(s->watch, &cluster, replica_group(r));
    struct replica_standing at;
    const struct raft *core;

    if (g->gone || watch_has_old_disk(s->watch, s->machine) || !replica_stands(r, &at, &core) ||
        !(is_settled(g, &at, core) || (alone && core == NULL)))
        return;
    watch_see_applied(s->watch, s->machine->world, &cluster, g->id, node_broker_id(s->machine->node), at.applied,
                      replica_state_checksum(r));
}

static void keep_state(void *ctx, const struct replica *r)
{
    see_applied(ctx, r, true);
}

static void compare_state(void *ctx, const struct replica *r)
{
    see_applied(ctx, r, false);
}

static void each_replica(struct watch *watch, const struct machine *m, void (*fn)(void *ctx, const struct replica *r))
{
    struct settled s = { .watch = watch, .machine = m };

    for (unsigned i = 0; i < m->n_shards; i++)
        node_each_replica(m->node, i, fn, &s);
}

void watch_keep_states(struct watch *watch, const struct machine *m)
{
    if (machine_is_up(m))
        each_replica(watch, m, keep_state);
}

void watch_check_equal(struct watch *watch, const struct machine *m)
{
    each_replica(watch, m, compare_state);
}
