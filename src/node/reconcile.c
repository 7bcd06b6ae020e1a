/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "node/internal.h"

/* Who a group's members are is a fact of its log; who they are to be is what the metadata says. The group's leader
 * makes the one into the other, for some groups of a shard at a time: those are looked at whose intent has changed, and
 * those that this node has come to lead, so that a leader goes on with what another one began. What goes without saying
 * costs nothing.
 *
 * The metadata's own members are those that it names, too.
 *
 * Where too many of a group's voters have lost their disks, nothing makes it a group again: whoever is left says so. */

#define MS 1000000ull
#define LOOK_NS (50 * MS)
#define LOOK_MAX 256   /* groups in a look */
#define CHANGES_MAX 8u /* of a shard, at a time */
#define NOTICES_MAX 20u

struct node_change {
    struct replica_change change;
    struct node_group *group;
};

/* To the metadata: the members of a partition's group are whom it wants. */
struct settling {
    struct list link; /* shard->settlings */
    struct broker_command command;
    struct wr body;
    struct node_shard *shard;
    uint64_t group;
};

static struct node_reactor *reactor_of(const struct node_shard *s)
{
    return &s->node->reactors[s->index % s->node->n_reactors];
}

void node_group_look(struct node_group *g)
{
    struct node_shard *s = g->shard;

    if (g->gone || list_is_linked(&g->look_link) || !reactor_of(s)->in_cluster)
        return;
    list_append(&s->looks, &g->look_link);
    s->next_look_ns = 0;
}

void node_shard_look(struct node_shard *s)
{
    struct node_group *g;

    list_foreach (&s->groups, g, link)
        node_group_look(g);
}

void node_reconcile_forget(struct node_group *g)
{
    list_remove(&g->look_link);
    g->shard->n_changing -= g->change != NULL;
    g->shard->n_lost -= g->lost;
    free(TAKE_PTR(g->change));
}

/* ---- Intent ---- */

static bool add_member(const struct meta *meta, int32_t id, uint8_t roles, struct replica_members *to)
{
    const struct meta_broker *b = meta_broker_by_id(meta, id);

    if (b == NULL || to->n_members == RAFT_MAX_MEMBERS)
        return false;
    to->members[to->n_members++] = (struct replica_member){ id, roles, b->incarnation };
    return true;
}

static bool want_of_metadata(const struct meta *meta, struct replica_members *ret)
{
    const struct meta_broker *b;

    list_foreach (&meta->brokers, b, link)
        if (!add_member(meta, b->id, b->votes ? RAFT_VOTER : RAFT_LEARNER, ret))
            return false;
    return ret->n_members > 0;
}

/* False: the metadata doesn't say, or this copy doesn't yet. */
static bool want(const struct meta *meta, const struct node_group *g, struct replica_members *ret)
{
    const struct meta_topic *t;

    ret->n_members = 0;
    if (g->id == META_GROUP_ID_DEFAULT)
        return want_of_metadata(meta, ret);
    t = meta_topic_by_id(meta, &g->topic);
    if (t == NULL || g->partition >= t->n_partitions)
        return false;
    for (uint16_t i = 0; i < meta_target(t, g->partition).n; i++)
        if (!add_member(meta, meta_target(t, g->partition).ids[i], RAFT_VOTER, ret))
            return false;
    return true;
}

/* ---- Fact ---- */

/* A member that the metadata never knew under this incarnation is one that it doesn't know yet. */
static bool is_ahead(const struct meta *meta, const struct replica_members *now)
{
    for (uint32_t i = 0; i < now->n_members; i++) {
        const struct meta_broker *b = meta_broker_by_id(meta, now->members[i].id);

        if (b == NULL || (!replica_incarnation_fits(&b->incarnation, &now->members[i].incarnation) &&
                          !meta_broker_was(b, &now->members[i].incarnation)))
            return true;
    }
    return false;
}

static bool is_settled(const struct node_group *g, const struct replica_members *wanted)
{
    struct replica_members now, next;
    uint64_t index;

    return replica_members(g->replica, &now, &index) && !replica_members_are_joint(&now) &&
           replica_members_next(&now, wanted, &next) == 0;
}

/* Enough of those who are to vote to lead the group then: else it would be lost with one of the others' disks. */
static bool can_lead(const struct node_shard *s, const struct replica_members *wanted)
{
    unsigned n = 0, n_up = 0;

    for (uint32_t i = 0; i < wanted->n_members; i++) {
        int32_t id = wanted->members[i].id;

        if (wanted->members[i].roles == RAFT_LEARNER)
            continue;
        n++;
        n_up += id == s->replicas.broker_id || fleet_peer_is_up(s->replicas.fleet, id);
    }
    return n_up * 2 > n;
}

/* Whoever is new has to be there: a change that waits for one would keep others from theirs. And it must have heard
 * that the partition is to be there: what it may have from an earlier time is gone then. */
static bool are_there(const struct node_group *g, const struct replica_members *now,
                      const struct replica_members *wanted)
{
    const struct node_shard *s = g->shard;
    const struct node_reactor *r = reactor_of(s);
    const struct meta_topic *t = meta_topic_by_id(&r->meta, &g->topic);
    const struct meta_move *move = t != NULL ? t->partitions[g->partition].move : NULL;

    for (uint32_t i = 0; i < wanted->n_members; i++) {
        const struct replica_member *m = replica_member_find(now, wanted->members[i].id);
        int32_t id = wanted->members[i].id;

        if (id == s->replicas.broker_id || (m != NULL && m->roles != RAFT_LEARNER))
            continue;
        if (!fleet_peer_is_up(s->replicas.fleet, id))
            return false;
        if (m == NULL && move != NULL && node_applied_of(r, id) < move->since)
            return false;
    }
    return true;
}

/* ---- What is lost ---- */

static bool is_gone(const struct meta *meta, const struct replica_member *m)
{
    const struct meta_broker *b = meta_broker_by_id(meta, m->id);

    return b != NULL && meta_broker_was(b, &m->incarnation);
}

/* Of the voters, or of those that a joint configuration had before. */
static bool lacks_majority(const struct meta *meta, const struct replica_members *m, uint8_t role, unsigned *ret_n,
                           unsigned *ret_n_gone)
{
    *ret_n = *ret_n_gone = 0;
    for (uint32_t i = 0; i < m->n_members; i++) {
        if ((m->members[i].roles & role) == 0)
            continue;
        ++*ret_n;
        *ret_n_gone += is_gone(meta, &m->members[i]);
    }
    return *ret_n > 0 && (*ret_n - *ret_n_gone) * 2 <= *ret_n && *ret_n_gone > 0;
}

static void say_lost(const struct node_group *g, const struct meta_topic *t, unsigned n, unsigned n_gone)
{
    struct node *node = g->shard->node;

    if (g->shard->n_lost > NOTICES_MAX)
        return;
    if (g->id == META_GROUP_ID_DEFAULT)
        node_notice(
            node, true,
            "the cluster's metadata: %u of its %u voters have lost their data directories, so nobody can lead it "
            "any more, and no command can be carried out. Save what the topics have, and make a new cluster",
            n_gone, n);
    else if (n_gone == n)
        node_notice(node, true,
                    "%s-%d: all of its replicas have lost their data directories, and its records are gone: delete the "
                    "topic, and create it again",
                    t->name, g->partition);
    else
        node_notice(node, true,
                    "%s-%d: %u of its %u replicas have lost their data directories, so nobody can lead it any more: "
                    "delete the topic, and create it again",
                    t->name, g->partition, n_gone, n);
}

/* The members as far as this node can tell. One that has lost what it had knows only who they were at first, which may
 * be long ago: it waits for a while whether one of them speaks to it. */
static void guess_members(const struct meta *meta, struct node_group *g, const struct meta_topic *t, bool late,
                          struct replica_members *ret)
{
    uint64_t index;

    replica_members(g->replica, ret, &index);
    if (ret->n_members > 0 || t == NULL || g->partition >= t->n_partitions)
        return;
    if (t->n_replicas == 1 || g->waits)
        node_first_members(meta, t, g->partition, ret);
    g->waits = g->waits || late;
}

static void look_for_loss(const struct meta *meta, struct node_group *g, bool late)
{
    const struct meta_topic *t = meta_topic_by_id(meta, &g->topic);
    struct replica_members m;
    unsigned n, n_gone;
    bool lost = false;

    if (replica_leader(g->replica) == RAFT_NONE) {
        guess_members(meta, g, t, late, &m);
        lost =
            lacks_majority(meta, &m, RAFT_VOTER, &n, &n_gone) || lacks_majority(meta, &m, RAFT_OUTGOING, &n, &n_gone);
    } else {
        g->waits = false;
    }
    if (lost == g->lost || (t == NULL && g->id != META_GROUP_ID_DEFAULT))
        return;
    g->lost = lost;
    g->shard->n_lost += lost ? 1u : -1u;
    if (lost)
        say_lost(g, t, n, n_gone);
}

void node_look_for_losses(struct node_shard *s)
{
    const struct node_reactor *r = reactor_of(s);
    struct node_group *g;

    list_foreach (&s->groups, g, link)
        if (!g->gone && r->current)
            look_for_loss(&r->meta, g, true);
}

/* ---- Reports ---- */

static void settling_free(struct settling *g)
{
    list_remove(&g->link);
    wr_fini(&g->body);
    free(g);
}

static void settling_done(struct broker_command *c)
{
    struct settling *told = container_of(c, struct settling, command);
    struct node_group *g = node_group_find(told->shard, told->group);

    if (g != NULL) {
        g->settling = false;
        node_group_look(g); /* it may have been moved again meanwhile */
    }
    settling_free(told);
}

void node_reconcile_fini(struct node_shard *s)
{
    struct settling *g;

    while ((g = list_first(&s->settlings, struct settling, link)) != NULL)
        settling_free(g);
}

/* The members are those that the metadata wants. Where it waits for that, it is told. */
static void report(struct node_group *g)
{
    struct node_reactor *r = reactor_of(g->shard);
    const struct meta_topic *t = meta_topic_by_id(&r->meta, &g->topic);
    struct settling *told;

    if (g->settling || t == NULL || !meta_is_unsettled(t, g->partition))
        return;
    told = xcalloc(1, sizeof(*told));
    told->shard = g->shard;
    told->group = g->id;
    list_append(&g->shard->settlings, &told->link);
    wr_init_growing(&told->body, 64, 1024);
    meta_write_settled(&told->body, &t->id, g->partition, t->partitions[g->partition].move->since);
    told->command.body = slice_make(told->body.start, wr_size(&told->body));
    told->command.done = settling_done;
    list_init(&told->command.link);
    g->settling = true;
    r->backend.ops->propose(&r->backend, &told->command);
}

/* ---- Changes ---- */

/* In the midst of a step: it is looked at later what is to be done next. */
static void change_done(struct replica_change *change, int result)
{
    struct node_change *c = container_of(change, struct node_change, change);
    struct node_group *g = c->group;

    if (g->change == c) {
        g->change = NULL;
        g->shard->n_changing--;
        node_group_look(g);
    }
    free(c);
}

/* The one that is under way, if there is one, ends by this. */
static void begin(struct node_group *g, const struct replica_members *wanted)
{
    struct node_change *c = xcalloc(1, sizeof(*c)), *before = g->change;

    c->change.done = change_done;
    c->group = g;
    g->change = c;
    g->shard->n_changing += before == NULL;
    if (replica_change_members(g->replica, &c->change, wanted) == 0)
        return;
    g->change = before;
    g->shard->n_changing -= before == NULL;
    free(c);
}

/* True: it is to be looked at again. */
static bool look_at(struct node_group *g)
{
    struct node_shard *s = g->shard;
    const struct meta *meta = &reactor_of(s)->meta;
    struct replica_members now, wanted;
    uint64_t index;

    if (g->gone)
        return false;
    look_for_loss(meta, g, false);
    if (!replica_leads(g->replica) || !want(meta, g, &wanted))
        return false;
    if (!replica_is_open(g->replica))
        return true;
    if (g->change != NULL && replica_members_equal(&g->change->change.wanted, &wanted))
        return false; /* its end is looked at */
    if (g->change == NULL && is_settled(g, &wanted)) {
        report(g);
        return false;
    }
    replica_members(g->replica, &now, &index);
    if (is_ahead(meta, &now) || (g->change == NULL && s->n_changing >= CHANGES_MAX) || !are_there(g, &now, &wanted) ||
        !can_lead(s, &wanted))
        return true;
    begin(g, &wanted);
    return g->change == NULL;
}

uint64_t node_reconcile_poll(struct node_shard *s)
{
    const struct node_reactor *r = reactor_of(s);
    struct list all = LIST_INIT(all), again = LIST_INIT(again), *link;

    if (list_is_empty(&s->looks) || r->phase != NODE_RUNNING || !r->current)
        return UINT64_MAX;
    if (r->now_ns < s->next_look_ns)
        return s->next_look_ns;
    list_splice(&all, &s->looks);
    for (int i = 0; i < LOOK_MAX && (link = list_pop(&all)) != NULL; i++) {
        struct node_group *g = list_entry(link, struct node_group, look_link);

        if (look_at(g) && !list_is_linked(&g->look_link))
            list_append(&again, &g->look_link);
    }
    s->next_look_ns = r->now_ns + LOOK_NS;
    /* What came meanwhile, and what is left of this look, goes ahead of what waits. */
    list_splice(&s->looks, &all);
    list_splice(&s->looks, &again);
    return list_is_empty(&s->looks) ? UINT64_MAX : s->next_look_ns;
}
