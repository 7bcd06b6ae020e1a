/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/watch.h"

#include <stdarg.h>
#include <stdio.h>

#include "world/faults.h"
#include "world/watch_internal.h"

/* What a group of a node showed last, to see at once that nothing is new. */
struct seat {
    const struct replica *replica;
    uint64_t group;
    struct replica_standing at;
};

struct shard_seats {
    uint64_t steps;
    struct seat *seats;
    size_t n, capacity;
};

struct stepped {
    int32_t node;
    uint64_t step;
};

struct watched {
    uint32_t life;
    bool old_disk;
    struct shard_seats *shards;
    unsigned n_shards;
};

struct watch {
    struct world *world;
    struct hash_table groups;
    struct watched machines[WORLD_MAX_NODES];
    uint64_t n_steps;
    struct stepped *stepped;
    size_t n_stepped;
};

struct watch *watch_new(struct world *w)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));

    watch->world = w;
    hash_table_init(&watch->groups);
    return watch;
}

static void group_free(struct watch_group *g)
{
    struct list *link;

    while ((link = list_pop(&g->nodes)) != NULL) {
        struct watch_node *n = list_entry(link, struct watch_node, link);

        free(n->flushed);
        free(n->votes);
        free(n);
    }
    free(g->committed);
    free(g->terms);
    free(g->configs);
    free(g->states);
    free(g);
}

void watch_free(struct watch *watch)
{
    struct hash_node *n, *next;

    if (watch == NULL)
        return;
    for (n = hash_walk(&watch->groups, NULL); n != NULL; n = next) {
        next = hash_walk(&watch->groups, n);
        group_free(container_of(n, struct watch_group, by_id));
    }
    hash_table_fini(&watch->groups);
    free(watch->stepped);
    for (unsigned i = 0; i < WORLD_MAX_NODES; i++) {
        for (unsigned s = 0; s < watch->machines[i].n_shards; s++)
            free(watch->machines[i].shards[s].seats);
        free(watch->machines[i].shards);
    }
    free(watch);
}

/* ---- Steps ---- */

static struct stepped *find_stepped(const struct watch *watch, int32_t node)
{
    for (size_t i = 0; i < watch->n_stepped; i++)
        if (watch->stepped[i].node == node)
            return &watch->stepped[i];
    return NULL;
}

uint64_t watch_last_step(const struct watch *watch, int32_t node)
{
    const struct stepped *s = find_stepped(watch, node);

    return s != NULL ? s->step : 0;
}

static void note_step(struct watch *watch, int32_t node)
{
    struct stepped *s = find_stepped(watch, node);

    if (s == NULL) {
        watch->stepped = xrealloc(watch->stepped, (watch->n_stepped + 1) * sizeof(*s));
        s = &watch->stepped[watch->n_stepped++];
        s->node = node;
    }
    s->step = ++watch->n_steps;
}

/* ---- One group ---- */

struct watch_group *watch_group_of(struct watch *watch, const struct uuid *cluster, uint64_t id)
{
    uint64_t hash = hash_u64(id, cluster->bytes[0]);
    struct watch_group *g;

    for (struct hash_node *n = hash_first(&watch->groups, hash); n != NULL; n = hash_next(n)) {
        g = container_of(n, struct watch_group, by_id);
        if (g->id == id && uuid_eq(&g->cluster, cluster))
            return g;
    }
    g = xcalloc(1, sizeof(*g));
    g->id = id;
    g->cluster = *cluster;
    list_init(&g->nodes);
    hash_insert(&watch->groups, &g->by_id, hash);
    return g;
}

struct watch_node *watch_node_of(struct watch_group *g, int32_t id)
{
    struct watch_node *n;

    list_foreach (&g->nodes, n, link)
        if (n->id == id)
            return n;
    n = xcalloc(1, sizeof(*n));
    n->id = id;
    list_append(&g->nodes, &n->link);
    return n;
}

void watch_fail(const struct watch_view *v, const char *invariant, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    world_fail(v->world, invariant, "group %llu: node %d %s", (unsigned long long)v->group->id, v->state->node, text);
}

/* It holds nothing of what it did before, and may not vote until others have decided that. */
static void forget(struct watch_node *n)
{
    n->n_flushed = 0;
    n->log_start = 0;
    if (n->n_votes > 0)
        memset(n->votes, 0, n->n_votes * sizeof(n->votes[0]));
    n->at = (struct replica_standing){ 0 };
    n->config = (struct watch_config){ 0 };
    n->n_reads = 0;
}

static void check_start(const struct watch_view *v)
{
    const struct raft_standing *now = watch_raft(v), *before = &v->node->at.raft;

    if (now->term < before->durable_term)
        watch_fail(v, "a durable term stays", "starts in term %llu, and had %llu on its disk",
                   (unsigned long long)now->term, (unsigned long long)before->durable_term);
    watch_check_kept(v);
}

static void check_life(const struct watch_view *v)
{
    const struct replica_standing *now = &v->state->at, *before = &v->node->at;
    const struct raft_standing *to = &now->raft, *from = &before->raft;

    if (to->term < from->term)
        watch_fail(v, "terms go on", "goes from term %llu back to %llu", (unsigned long long)from->term,
                   (unsigned long long)to->term);
    if (to->term == from->term && from->vote != RAFT_NONE && to->vote != from->vote)
        watch_fail(v, "one vote in a term", "votes for %d and for %d in term %llu", from->vote, to->vote,
                   (unsigned long long)to->term);
    if (to->commit < from->commit || now->applied < before->applied)
        watch_fail(v, "what is committed stays", "goes back to %llu applied and %llu committed, from %llu and %llu",
                   (unsigned long long)now->applied, (unsigned long long)to->commit,
                   (unsigned long long)before->applied, (unsigned long long)from->commit);
    if (to->start < from->start || now->log_start < before->log_start)
        watch_fail(v, "the log start stays", "has its log begin behind %llu, at offset %lld, after %llu and %lld",
                   (unsigned long long)to->start, (long long)now->log_start, (unsigned long long)from->start,
                   (long long)before->log_start);
    if (to->role == RAFT_LEADER && from->role == RAFT_LEADER && to->term == from->term && to->last < from->last)
        watch_fail(v, "a leader only appends", "leads term %llu and goes from index %llu back to %llu",
                   (unsigned long long)to->term, (unsigned long long)from->last, (unsigned long long)to->last);
}

/* What has to be so, whatever was before. What an image covers is applied before that is durable. */
static void check_order(const struct watch_view *v)
{
    const struct replica_standing *at = &v->state->at;
    const struct raft_standing *r = &at->raft;

    if (r->start > r->commit || r->commit > r->last || r->flushed > r->last)
        watch_fail(v, "start ≤ commit ≤ last", "has start %llu, commit %llu, flushed %llu, last %llu",
                   (unsigned long long)r->start, (unsigned long long)r->commit, (unsigned long long)r->flushed,
                   (unsigned long long)r->last);
    if (at->applied > r->commit || at->applied > MAX(r->flushed, r->start))
        watch_fail(v, "applied is committed and flushed", "applied %llu, of %llu committed and %llu flushed",
                   (unsigned long long)at->applied, (unsigned long long)r->commit, (unsigned long long)r->flushed);
    if (at->ahead)
        watch_fail(v, "what counts as flushed is", "counts entry %llu, of which the journal hasn't said so",
                   (unsigned long long)r->flushed);
    if (at->open && r->role == RAFT_LEADER && watch_term_at(v, at->applied) != r->term && !at->alone)
        watch_fail(v, "a leader serves when an entry of its own is applied", "serves in term %llu with %llu applied",
                   (unsigned long long)r->term, (unsigned long long)at->applied);
    if (r->no_vote && r->role != RAFT_FOLLOWER)
        watch_fail(v, "who is on probation follows", "campaigns or leads in term %llu", (unsigned long long)r->term);
}

static void remember(const struct watch_view *v)
{
    struct watch_node *n = v->node;

    n->life = v->state->life;
    n->at = v->state->at;
    n->config.index = n->at.raft.config_index;
    n->config.n_members = v->state->n_members;
    memcpy(n->config.members, v->state->members, v->state->n_members * sizeof(n->config.members[0]));
    if (n->at.raft.flushed >= n->at.raft.start) /* else an image isn't durable yet, and what comes with it neither */
        n->log_start = n->at.log_start;
    v->group->log_start = MAX(v->group->log_start, n->log_start);
}

/* It has nothing: what it once had went with its disk, or when its group went elsewhere. It waits to be spoken to, or
 * was within the step that made it. */
static bool is_blank(const struct watch_state *s)
{
    const struct raft_standing *r = &s->at.raft;

    return !s->at.alone && ((s->n_members == 0 && r->last == 0) || (r->durable_term == 0 && r->flushed <= r->start));
}

void watch_see(struct watch *watch, const struct uuid *cluster, uint64_t group, const struct watch_state *s)
{
    struct watch_view v = { watch, watch->world, .group = watch_group_of(watch, cluster, group), .state = s };
    struct watch_node *n = v.node = watch_node_of(v.group, s->node);

    note_step(watch, s->node);
    if (v.group->gone)
        return;
    if (s->old_disk) {
        check_order(&v);
        return;
    }
    v.starts = n->life != s->life;
    if (v.starts && (s->at.raft.no_vote || is_blank(s)))
        forget(n);
    else if (v.starts && n->life != 0)
        check_start(&v);
    else if (!v.starts)
        check_life(&v);
    check_order(&v);
    watch_check_config(&v);
    watch_check_in_sync(&v);
    watch_check_reads(&v);
    watch_note_flushed(&v);
    watch_note_votes(&v);
    watch_check_term(&v);
    watch_note_config(&v);
    if (s->at.raft.role == RAFT_LEADER)
        watch_check_leader(&v);
    watch_check_commit(&v);
    watch_check_configs(&v);
    remember(&v);
}

void watch_note_closed(struct watch *watch, const struct uuid *cluster, uint64_t group, const struct watch_state *s)
{
    struct watch_view v = { .world = watch->world, .group = watch_group_of(watch, cluster, group), .state = s };

    v.node = watch_node_of(v.group, s->node);
    if (!s->old_disk)
        watch_forget_cut(&v);
}

void watch_note_gone(struct watch *watch, const struct uuid *cluster, uint64_t group)
{
    watch_group_of(watch, cluster, group)->gone = true;
}

void watch_note_moved(struct watch *watch, const struct uuid *cluster, uint64_t group, int32_t node)
{
    struct watch_node *n = watch_node_of(watch_group_of(watch, cluster, group), node);

    forget(n);
    n->life = 0;
}

/* ---- A node ---- */

struct look {
    struct watch *watch;
    const struct machine *machine;
    struct shard_seats *shard;
    unsigned index; /* its */
    size_t i;
};

static uint64_t core_term_at(const void *log, uint64_t index)
{
    return raft_term_at(log, index);
}

static uint64_t lone_term_at(const void *log, uint64_t index)
{
    const struct replica_standing *at = log;

    return index == at->applied ? at->raft.durable_term : 0;
}

static void note_in_sync(const struct replica *r, struct watch_state *s)
{
    int32_t ids[RAFT_MAX_MEMBERS];
    uint32_t n = replica_in_sync(r, ids);

    for (uint32_t i = 0; i < s->n_members; i++)
        for (uint32_t k = 0; k < n; k++)
            s->members[i].in_sync = s->members[i].in_sync || (ids[k] == s->members[i].id && ids[k] != s->node);
}

static void note_members(const struct replica *r, const struct raft *core, struct watch_state *s)
{
    uint64_t now_ns = replica_now_ns(r);
    struct raft_progress p;

    while (raft_progress(core, s->n_members, &p))
        s->members[s->n_members++] = (struct watch_member){
            .id = p.id,
            .roles = p.roles,
            .granted = p.granted,
            .silence_ns = now_ns - MIN(p.heard, now_ns),
        };
    if (s->at.raft.role == RAFT_LEADER)
        note_in_sync(r, s);
}

/* What the log says is looked for only where that may be news. */
static void note_configs(const struct replica *r, const struct raft_standing *before, struct watch_state *s)
{
    const struct raft_standing *now = &s->at.raft;

    if (now->config_index != before->config_index || now->epoch != before->epoch)
        s->configs_differ = !replica_configs_agree(r);
}

/* before: what was seen last in this life; zeros: nothing. */
static void see(const struct look *look, const struct replica *r, const struct replica_standing *before,
                const struct replica_standing *at, const struct raft *core)
{
    const struct uuid cluster = node_cluster_id(look->machine->node);
    struct watch_state s;

    s.node = node_broker_id(look->machine->node);
    s.life = look->machine->n_lives;
    s.old_disk = look->watch->machines[look->machine->index].old_disk;
    s.at = *at;
    s.term_at = core != NULL ? core_term_at : lone_term_at;
    s.log = core != NULL ? (const void *)core : at;
    s.n_members = 0;
    s.configs_differ = false;
    s.lag_ns = (uint64_t)look->machine->config.replica_lag_time_ns;
    if (core != NULL) {
        note_members(r, core, &s);
        note_configs(r, &before->raft, &s);
    }
    watch_see(look->watch, &cluster, replica_group(r), &s);
}

static uint64_t closed_term_at(const void *log, uint64_t index)
{
    return replica_term_at(log, index);
}

static void see_closed(const struct look *look, const struct replica *r)
{
    const struct uuid cluster = node_cluster_id(look->machine->node);
    struct watch_state s;

    s.node = node_broker_id(look->machine->node);
    s.old_disk = look->watch->machines[look->machine->index].old_disk;
    s.at.raft.last = replica_last_index(r);
    s.term_at = closed_term_at;
    s.log = r;
    watch_note_closed(look->watch, &cluster, replica_group(r), &s);
}

static bool votes(const struct raft *core, int32_t id)
{
    struct raft_progress p;

    for (uint32_t i = 0; core != NULL && raft_progress(core, i, &p); i++)
        if (p.id == id)
            return (p.roles & RAFT_VOTER) != 0;
    return false;
}

/* See WORLD_FAULT_UNTIMELY. */
static enum world_moment moment_of(const struct look *look, const struct raft_standing *before,
                                   const struct raft_standing *now, const struct raft *core)
{
    if (now->flushed < now->start && before->flushed >= before->start)
        return WORLD_MOMENT_IMAGE;
    if (now->epoch != before->epoch)
        return WORLD_MOMENT_CUT;
    if (now->config_index == before->config_index || now->config_index <= now->commit)
        return now->role == RAFT_LEADER && now->start > before->start ? WORLD_MOMENT_START : WORLD_MOMENT_NONE;
    return votes(core, node_broker_id(look->machine->node)) ? WORLD_MOMENT_CHANGE : WORLD_MOMENT_LEAVE;
}

static struct seat *seat_of(struct shard_seats *shard, size_t i)
{
    if (i == shard->capacity) {
        shard->capacity = MAX(shard->capacity * 2, (size_t)16);
        shard->seats = xrealloc(shard->seats, shard->capacity * sizeof(shard->seats[0]));
    }
    if (i == shard->n)
        shard->seats[shard->n++] = (struct seat){ 0 };
    return &shard->seats[i];
}

static void look_at(void *ctx, const struct replica *r)
{
    struct look *look = ctx;
    struct seat *seat = seat_of(look->shard, look->i++);
    struct replica_standing at, before = { 0 };
    const struct raft *core;
    struct uuid cluster;

    if (replica_is_destroyed(r) && !look->watch->machines[look->machine->index].old_disk) {
        cluster = node_cluster_id(look->machine->node);
        if (node_knows_topic_of(look->machine->node, look->index, replica_group(r)))
            watch_note_moved(look->watch, &cluster, replica_group(r), node_broker_id(look->machine->node));
        else
            watch_note_gone(look->watch, &cluster, replica_group(r));
    }
    if (replica_has_closed(r))
        see_closed(look, r);
    if (!replica_stands(r, &at, &core))
        return;
    if (seat->replica == r && seat->group == replica_group(r)) {
        if (memcmp(&at, &seat->at, sizeof(at)) == 0)
            return;
        before = seat->at;
        faults_note_moment(look->machine, moment_of(look, &before.raft, &at.raft, core));
    }
    *seat = (struct seat){ r, replica_group(r), at };
    see(look, r, &before, &at, core);
    if (look->watch->world->phase == WORLD_REAUDIT)
        watch_look_again(look->watch, look->machine, r, at.applied);
}

static void begin_life(struct watched *w, const struct machine *m)
{
    w->life = m->n_lives;
    if (w->shards == NULL) {
        w->n_shards = m->n_shards;
        w->shards = xcalloc(w->n_shards, sizeof(w->shards[0]));
    }
    for (unsigned i = 0; i < w->n_shards; i++) {
        w->shards[i].n = 0;
        w->shards[i].steps = UINT64_MAX;
    }
}

void watch_look(struct watch *watch, const struct machine *m)
{
    struct watched *w = &watch->machines[m->index];

    if (w->life != m->n_lives)
        begin_life(w, m);
    for (unsigned i = 0; i < w->n_shards; i++) {
        uint64_t steps = node_shard_steps(m->node, i);

        if (steps == w->shards[i].steps)
            continue;
        w->shards[i].steps = steps;
        note_step(watch, node_broker_id(m->node));
        node_each_replica(m->node, i, look_at,
                          &(struct look){ .watch = watch, .machine = m, .shard = &w->shards[i], .index = i });
    }
}

bool watch_has_old_disk(const struct watch *watch, const struct machine *m)
{
    return watch->machines[m->index].old_disk;
}

void watch_set_old_disk(struct watch *watch, const struct machine *m, bool old)
{
    watch->machines[m->index].old_disk = old;
}
