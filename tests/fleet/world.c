/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fleet/world.h"

#include "base/util.h"
#include "fleet/suites.h"

static const struct raft_limits limits = {
    .election_timeout = 1000 * MS,
    .heartbeat_interval = 100 * MS,
    .peer_down_spread = 50 * MS,
    .message_entries = 100,
    .message_bytes = 8 * WORLD_ENTRY,
    .inflight_messages = RAFT_WINDOW,
    .inflight_bytes = 1 << 20,
};

static void *push(struct world_queue *q, size_t size)
{
    if (q->n == q->capacity) {
        q->capacity = MAX(q->capacity * 2, (size_t)256);
        q->items = xrealloc(q->items, q->capacity * size);
    }
    return (char *)q->items + size * q->n++;
}

static void swap(struct world_queue *a, struct world_queue *b)
{
    struct world_queue old = *a;

    *a = *b;
    *b = old;
}

static uint32_t entry_size(struct fleet_group *g, uint64_t index)
{
    (void)g;
    (void)index;
    return WORLD_ENTRY;
}

struct fleet_group *world_group(struct world *w, int32_t node, uint64_t group)
{
    return &w->nodes[node].groups[group].fleet;
}

/* ---- Effects ---- */

static struct world_node *node_of(struct fleet_group *g)
{
    return container_of(g, struct world_group, fleet)->node;
}

static struct world_packet *packet(struct world_node *n, int32_t to)
{
    struct world_node *peer = &n->world->nodes[to];

    if (!peer->runs || n->world->cut[n->id][to] || !n->world->connected[n->id][to])
        return NULL;
    if (n->world->noise != NULL && rand_chance(n->world->noise, n->world->n_per_mille, 1000))
        return NULL;
    return push(&peer->arriving, sizeof(struct world_packet));
}

/* The last packet comes twice, or before another one. */
static void stir(struct world *w, int32_t to)
{
    struct world_queue *q = &w->nodes[to].arriving;
    struct world_packet *all = q->items, *last = &all[q->n - 1], other;

    if (w->noise == NULL)
        return;
    if (rand_chance(w->noise, w->n_per_mille, 1000) && (last->group > 0 || last->session.n_entries == 0)) {
        other = *last;
        if (other.group == 0) {
            other.session.n_digests = 0;
            other.session.digests = NULL;
        }
        *(struct world_packet *)push(q, sizeof(other)) = other;
        all = q->items;
    }
    if (rand_chance(w->noise, w->n_per_mille, 1000)) {
        size_t i = rand_below(w->noise, q->n);

        other = all[i];
        all[i] = all[q->n - 1];
        all[q->n - 1] = other;
    }
}

static void send(struct world_node *n, struct fleet_group *g, const struct raft_message *m)
{
    struct world_packet *p = packet(n, m->to);

    n->world->n_sent++;
    n->world->n_appends += m->kind == RAFT_APPEND && m->n_entries > 0;
    if (p == NULL)
        return;
    ck_quick(m->n_entries <= WORLD_TERMS);
    p->group = g->id;
    p->m = *m;
    for (uint32_t i = 0; i < m->n_entries; i++)
        p->terms[i] = raft_term_at(g->raft, m->index + 1 + i);
    stir(n->world, m->to);
}

static void note_leader(struct world_node *n, struct fleet_group *g, const struct raft_update *u)
{
    if (u->role != RAFT_LEADER || u->term < n->world->led[g->id].term)
        return;
    if (u->term == n->world->led[g->id].term && n->id != n->world->led[g->id].node)
        ck_abort_msg("nodes %d and %d lead group %lu in term %lu", n->id, n->world->led[g->id].node,
                     (unsigned long)g->id, (unsigned long)u->term);
    n->world->led[g->id].term = u->term;
    n->world->led[g->id].node = n->id;
}

static void act(struct fleet_group *g, const struct raft_update *u)
{
    struct world_node *n = node_of(g);
    struct world_record *r;

    if (u->hard_state) {
        r = push(&n->waiting, sizeof(*r));
        *r = (struct world_record){ .group = g, .is_state = true, .term = u->term, .vote = u->vote };
    }
    if (u->append_last != 0) {
        r = push(&n->waiting, sizeof(*r));
        *r = (struct world_record){ .group = g, .term = u->append_term, .index = u->append_last, .epoch = u->epoch };
    }
    for (uint32_t i = 0; i < u->n_messages; i++)
        send(n, g, &u->messages[i]);
    note_leader(n, g, u);
}

const struct raft_update *world_step(struct fleet_group *g, struct raft_event event)
{
    const struct raft_update *u = fleet_step(g, &event);

    act(g, u);
    return u;
}

static void send_session(struct world_node *n, const struct fleet_message *m)
{
    struct world_packet *p = packet(n, m->to);

    n->world->n_session_sent++;
    if (m->from == 2 && m->to == 1) {
        n->world->last = *m;
        n->world->last.n_digests = n->world->last.n_entries = 0;
        n->world->last.buckets = 0;
    }
    if (p == NULL)
        return;
    p->group = 0;
    p->session = *m;
    p->session.digests = NULL;
    p->session.entries = NULL;
    if (m->n_digests > 0)
        p->session.digests = memcpy(xmalloc(FLEET_BUCKETS * 8), m->digests, FLEET_BUCKETS * 8);
    if (m->n_entries > 0)
        p->session.entries =
            memcpy(xmalloc(m->n_entries * sizeof(*m->entries)), m->entries, m->n_entries * sizeof(*m->entries));
    stir(n->world, m->to);
}

void world_change(struct world *w, uint64_t group, const struct raft_config *config)
{
    struct fleet_group *g = world_group(w, world_leader(w, group), group);
    struct raft_entry entry = { .size = WORLD_ENTRY, .config = &w->change };
    const struct raft_update *u;

    w->change_index = raft_last_index(g->raft) + 1;
    w->change = *config;
    u = world_step(g, (struct raft_event){ .kind = RAFT_PROPOSE, .entries = &entry, .n_entries = 1 });
    ck_assert_int_eq(u->error, 0);
}

/* ---- A step ---- */

static void receive_session(struct world_node *n, struct fleet_message *m)
{
    ck_quick(m->to_shard < n->n_shards);
    ck_quick(fleet_receive(n->fleets[m->to_shard], m) >= 0 || n->world->hostile);
    free((void *)m->digests);
    free((void *)m->entries);
}

static void receive(struct world_node *n, const struct world_packet *p)
{
    struct raft_entry entries[WORLD_TERMS];
    struct raft_message m = p->m;

    for (uint32_t i = 0; i < m.n_entries; i++)
        entries[i] = (struct raft_entry){
            .term = p->terms[i],
            .size = WORLD_ENTRY,
            .config = m.index + 1 + i == n->world->change_index ? &n->world->change : NULL,
        };
    m.entries = entries;
    world_step(&n->groups[p->group].fleet, (struct raft_event){ .kind = RAFT_RECEIVE, .message = &m });
}

static void deliver(struct world_node *n)
{
    struct world_packet *p = n->inbox.items;

    for (size_t i = 0; i < n->inbox.n; i++)
        if (p[i].group == 0)
            receive_session(n, &p[i].session);
        else
            receive(n, &p[i]);
    n->inbox.n = 0;
}

static void flush_done(struct world_node *n)
{
    const struct world_record *r = n->flying.items;

    for (size_t i = 0; i < n->flying.n; i++)
        if (r[i].is_state)
            fleet_note_state_flushed(r[i].group, r[i].term, r[i].vote);
        else
            fleet_note_log_flushed(r[i].group, r[i].index, r[i].term, r[i].epoch);
    n->flying.n = 0;
}

static void drain(struct world_node *n, struct fleet *f)
{
    const struct fleet_message *m;
    struct fleet_work work;

    while (fleet_next(f, &work)) {
        n->n_proposed_steps += work.kind == RAFT_PROPOSE;
        n->n_completions += work.kind == RAFT_STATE_FLUSHED || work.kind == RAFT_LOG_FLUSHED;
        act(work.group, work.update);
    }
    while ((m = fleet_next_message(f)) != NULL)
        send_session(n, m);
}

/* Before the time that the fleet named there is nothing to do for it. */
static void poll(struct world_node *n, struct fleet *f)
{
    bool early = n->world->now_ns < fleet_next_ns(f);
    struct fleet_work work;

    fleet_poll(f, n->world->now_ns);
    if (early)
        ck_quick(!fleet_next(f, &work) && fleet_next_message(f) == NULL);
}

static void run_node(struct world_node *n)
{
    for (uint32_t i = 0; i < n->n_shards; i++)
        poll(n, n->fleets[i]);
    deliver(n);
    flush_done(n);
    for (uint32_t i = 0; i < n->n_shards; i++)
        drain(n, n->fleets[i]);
    if (n->waiting.n == 0)
        return;
    swap(&n->waiting, &n->flying);
    n->n_flushes++;
    n->n_records += n->flying.n;
}

void world_run(struct world *w, unsigned ms)
{
    for (; ms > 0; ms--) {
        w->now_ns += MS;
        for (int32_t id = 1; id <= WORLD_NODES; id++)
            swap(&w->nodes[id].inbox, &w->nodes[id].arriving);
        for (int32_t id = 1; id <= WORLD_NODES; id++)
            if (w->nodes[id].runs)
                run_node(&w->nodes[id]);
    }
}

unsigned world_until(struct world *w, bool (*done)(struct world *w), unsigned max_ms)
{
    unsigned ms = 0;

    for (; !done(w); ms++) {
        if (ms >= max_ms)
            ck_abort_msg("it isn't done after %u ms", max_ms);
        world_run(w, 1);
    }
    return ms;
}

/* ---- The nodes ---- */

static struct fleet *start_fleet(struct world *w, struct world_node *n, uint32_t shard, const struct world_options *o)
{
    return fleet_new(&(struct fleet_config){
        .node = n->id,
        .shard = shard,
        .n_shards = n->n_shards,
        .boot = 1,
        .limits = limits,
        .entry_size = entry_size,
        .budget_bytes = o->budget_bytes != 0 ? o->budget_bytes : UINT64_MAX,
        .group_budget_bytes = o->group_budget_bytes != 0 ? o->group_budget_bytes : UINT64_MAX,
        .blocks = &w->pool,
        .now_ns = w->now_ns,
    });
}

/* Who is preferred goes round, so that leads are spread and candidates start apart. */
static void start_group(struct world_node *n, uint64_t group)
{
    const struct raft_config config = { 3, { { 1, RAFT_VOTER }, { 2, RAFT_VOTER }, { 3, RAFT_VOTER } } };

    n->groups[group].node = n;
    fleet_add(n->fleets[(group - 1) % n->n_shards], &n->groups[group].fleet, group,
              &(struct raft_start){ .seed = group * 4 + (uint64_t)n->id,
                                    .vote = RAFT_NONE,
                                    .config = &config,
                                    .rank = (uint8_t)((group + (uint64_t)n->id) % 3) });
}

static void start_node(struct world *w, int32_t id, const struct world_options *o)
{
    struct world_node *n = &w->nodes[id];

    n->world = w;
    n->id = id;
    n->runs = true;
    n->n_shards = MAX(o->n_shards[id], 1u);
    n->groups = xcalloc(o->n_groups + 1, sizeof(*n->groups));
    for (uint32_t i = 0; i < n->n_shards; i++)
        n->fleets[i] = start_fleet(w, n, i, o);
    for (uint64_t group = 1; group <= o->n_groups; group++)
        start_group(n, group);
}

struct world *world_new(const struct world_options *options)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->now_ns = 1000 * MS;
    w->n_groups = options->n_groups;
    w->led = xcalloc(w->n_groups + 1, sizeof(*w->led));
    mem_pool_init(&w->pool, 64 << 20);
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        start_node(w, id, options);
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        for (int32_t peer = 1; peer < id; peer++)
            world_connect(w, id, peer);
    return w;
}

static void free_packets(struct world_queue *q)
{
    struct world_packet *p = q->items;

    for (size_t i = 0; i < q->n; i++)
        if (p[i].group == 0) {
            free((void *)p[i].session.digests);
            free((void *)p[i].session.entries);
        }
    q->n = 0;
}

void world_free(struct world *w)
{
    for (int32_t id = 1; id <= WORLD_NODES; id++) {
        struct world_node *n = &w->nodes[id];

        for (uint64_t group = 1; group <= w->n_groups; group++)
            fleet_remove(&n->groups[group].fleet);
        for (uint32_t i = 0; i < n->n_shards; i++)
            fleet_free(n->fleets[i]);
        free_packets(&n->inbox);
        free_packets(&n->arriving);
        free(n->inbox.items);
        free(n->arriving.items);
        free(n->waiting.items);
        free(n->flying.items);
        free(n->groups);
    }
    mem_pool_fini(&w->pool);
    free(w->led);
    free(w);
}

static void up(struct world *w, int32_t at, int32_t peer)
{
    for (uint32_t i = 0; i < w->nodes[at].n_shards; i++)
        fleet_peer_up(w->nodes[at].fleets[i], peer, w->nodes[peer].n_shards);
}

void world_connect(struct world *w, int32_t a, int32_t b)
{
    w->connected[a][b] = w->connected[b][a] = true;
    up(w, a, b);
    up(w, b, a);
}

static void down(struct world *w, int32_t at, int32_t peer, bool dead)
{
    w->connected[at][peer] = w->connected[peer][at] = false;
    for (uint32_t i = 0; w->nodes[at].runs && i < w->nodes[at].n_shards; i++)
        fleet_peer_down(w->nodes[at].fleets[i], peer, dead);
}

void world_disconnect(struct world *w, int32_t a, int32_t b, bool dead)
{
    down(w, a, b, dead);
    down(w, b, a, dead);
}

void world_pause(struct world *w, int32_t node)
{
    w->nodes[node].runs = false;
    free_packets(&w->nodes[node].inbox);
    free_packets(&w->nodes[node].arriving);
}

void world_kill(struct world *w, int32_t node)
{
    world_pause(w, node);
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        if (id != node)
            down(w, id, node, true);
}

void world_resume(struct world *w, int32_t node)
{
    w->nodes[node].runs = true;
    for (uint32_t i = 0; i < w->nodes[node].n_shards; i++)
        fleet_poll(w->nodes[node].fleets[i], w->now_ns);
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        if (id != node)
            world_connect(w, id, node);
}

/* ---- What may be asked ---- */

int32_t world_leader(const struct world *w, uint64_t group)
{
    uint64_t term = 0;
    int32_t leader = 0;

    for (int32_t id = 1; id <= WORLD_NODES; id++) {
        const struct raft *raft = w->nodes[id].groups[group].fleet.raft;

        if (w->nodes[id].runs && raft_role(raft) == RAFT_LEADER && raft_term(raft) > term) {
            term = raft_term(raft);
            leader = id;
        }
    }
    return leader;
}

unsigned world_n_led(const struct world *w, int32_t node)
{
    unsigned n = 0;

    for (uint64_t group = 1; group <= w->n_groups; group++)
        n += world_leader(w, group) == node;
    return n;
}

bool world_has_leaders(struct world *w)
{
    for (uint64_t group = 1; group <= w->n_groups; group++)
        if (world_leader(w, group) == 0)
            return false;
    return true;
}

bool world_rests(struct world *w)
{
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        for (uint64_t group = 1; w->nodes[id].runs && group <= w->n_groups; group++)
            if (!fleet_is_at_rest(&w->nodes[id].groups[group].fleet))
                return false;
    return true;
}

struct fleet_stats world_stats(const struct world *w)
{
    struct fleet_stats sum = { 0 }, s;

    for (int32_t id = 1; id <= WORLD_NODES; id++)
        for (uint32_t i = 0; w->nodes[id].runs && i < w->nodes[id].n_shards; i++) {
            fleet_stats(w->nodes[id].fleets[i], &s);
            sum.n_steps += s.n_steps;
            sum.n_ticks += s.n_ticks;
            sum.n_sent += s.n_sent;
            sum.n_refused += s.n_refused;
            sum.n_stale += s.n_stale;
            sum.n_lost += s.n_lost;
            sum.n_unshared += s.n_unshared;
            sum.used_bytes += s.used_bytes;
        }
    return sum;
}
