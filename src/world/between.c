/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "world/internal.h"

/* The net between nodes: who is listed, the mesh that joins their nets and when it moves, and what faults do to its
 * paths. */

#define RAFT_PORT 9093

/* What a path may have for a while, and until when. */
struct passage {
    uint64_t held_until, slow_until, closed_until;
    enum sim_reach reach; /* of new connections, until then */
};

struct between {
    struct world *world;
    struct sim_mesh *mesh;
    struct sim_prng mesh_prng;
    struct event turn, change;
    struct passage passages[WORLD_MAX_NODES][WORLD_MAX_NODES];
    uint64_t delay_ns;
    int64_t rtt_ns;
    uint64_t moves[WORLD_MAX_NODES]; /* of each net, as of the last turn */
    char names[WORLD_MAX_NODES][8], addresses[WORLD_MAX_NODES][16];
    struct config_peer items[WORLD_MAX_NODES];
    struct config_peers peers;
};

/* ---- Time ---- */

/* Those who have something to hear. */
static void wake_nodes(struct world *w)
{
    for (unsigned i = 0; i < w->n_machines; i++) {
        struct machine *m = w->machines[i];

        for (unsigned k = 0; machine_is_up(m) && k < m->n_reactors; k++)
            if (sim_net_is_ready(m->net, k))
                machine_wake(m, k);
    }
}

static void on_turn(struct event *e)
{
    struct between *b = container_of(e, struct between, turn);
    struct world *w = b->world;
    size_t n = sim_mesh_turn(b->mesh, w->now_ns);
    uint64_t next_ns = sim_mesh_next_ns(b->mesh);

    w->story->n_faults[WORLD_FAULT_TAMPER] = sim_mesh_n_tampered(b->mesh);
    world_step(w, WORLD_STEP_CARRY, 0, (int64_t)n, 0);
    for (unsigned i = 0; i < w->n_machines; i++)
        b->moves[i] = machine_is_up(w->machines[i]) ? sim_net_peer_moves(w->machines[i]->net) : 0;
    if (n > 0)
        wake_nodes(w);
    if (next_ns != UINT64_MAX)
        world_by(w, &b->turn, next_ns);
}

void between_look(struct machine *m)
{
    struct between *b = m->world->between;

    if (b != NULL && machine_is_up(m) && sim_net_peer_moves(m->net) != b->moves[m->index])
        world_by(m->world, &b->turn, m->world->now_ns);
}

/* ---- Paths ---- */

static uint64_t next_after(uint64_t next_ns, uint64_t until, uint64_t now_ns)
{
    return until > now_ns ? MIN(next_ns, until) : next_ns;
}

/* As is to be now. */
static void set_paths(struct between *b)
{
    struct world *w = b->world;
    uint64_t next_ns = UINT64_MAX;

    for (unsigned i = 0; i < w->n_machines; i++)
        for (unsigned k = 0; k < w->n_machines; k++) {
            const struct passage *g = &b->passages[i][k];
            struct sim_path *p = sim_mesh_path(b->mesh, i, k);

            p->held = g->held_until > w->now_ns;
            p->reach = g->closed_until > w->now_ns ? g->reach : SIM_REACH_OPEN;
            p->delay_ns = p->jitter_ns = g->slow_until > w->now_ns ? 300 * MS : b->delay_ns;
            next_ns = next_after(next_ns, g->held_until, w->now_ns);
            next_ns = next_after(next_ns, g->closed_until, w->now_ns);
            next_ns = next_after(next_ns, g->slow_until, w->now_ns);
        }
    if (next_ns != UINT64_MAX)
        world_at(w, &b->change, next_ns);
    world_by(w, &b->turn, w->now_ns);
}

static void on_change(struct event *e)
{
    set_paths(container_of(e, struct between, change));
}

/* Up to some seconds, mostly much less. */
static uint64_t draw_end(struct world *w)
{
    return w->now_ns + sim_prng_below(&w->fault_draw, (16 * MS) << sim_prng_below(&w->fault_draw, 10));
}

/* A set of nodes, neither none nor all. */
static uint64_t draw_side(struct world *w)
{
    return 1 + sim_prng_below(&w->fault_draw, (UINT64_C(1) << w->n_machines) - 2);
}

static void part(struct world *w, unsigned ways)
{
    struct between *b = w->between;
    uint64_t side = draw_side(w), until = draw_end(w);

    for (unsigned i = 0; i < w->n_machines; i++)
        for (unsigned k = 0; k < w->n_machines; k++) {
            unsigned way = (side >> i & 1) != 0 ? 1 : 2; /* out of the set, or into it */

            if ((side >> i & 1) != (side >> k & 1) && (ways & way) != 0)
                b->passages[i][k].held_until = MAX(b->passages[i][k].held_until, until);
        }
}

void between_isolate(struct world *w, unsigned machine, uint64_t until)
{
    struct between *b = w->between;

    for (unsigned i = 0; i < w->n_machines; i++)
        if (i != machine) {
            b->passages[i][machine].held_until = MAX(b->passages[i][machine].held_until, until);
            b->passages[machine][i].held_until = MAX(b->passages[machine][i].held_until, until);
        }
    set_paths(b);
}

void between_listen(const struct machine *m, uint64_t heard[WORLD_MAX_NODES])
{
    const struct between *b = m->world->between;

    for (unsigned i = 0; b != NULL && i < m->world->n_machines; i++)
        heard[i] = sim_mesh_n_given(b->mesh, i, m->index);
}

unsigned between_n_heard(const struct machine *m, const uint64_t since[WORLD_MAX_NODES])
{
    uint64_t now[WORLD_MAX_NODES] = { 0 };
    unsigned n = 0;

    between_listen(m, now);
    for (unsigned i = 0; i < m->world->n_machines; i++)
        n += now[i] > since[i];
    return n;
}

struct pair {
    unsigned from, to;
};

static struct pair draw_pair(struct world *w)
{
    struct pair p = { .from = (unsigned)sim_prng_below(&w->fault_draw, w->n_machines) };

    p.to = (p.from + 1 + (unsigned)sim_prng_below(&w->fault_draw, w->n_machines - 1)) % w->n_machines;
    return p;
}

static void one_way(struct world *w)
{
    struct pair p;

    if (sim_prng_chance(&w->fault_draw, 1, 2)) {
        part(w, 1 + (unsigned)sim_prng_below(&w->fault_draw, 2));
        return;
    }
    p = draw_pair(w);
    w->between->passages[p.from][p.to].held_until = draw_end(w);
}

/* Both find out, or one alone; and for a while there may be no new connections. */
static void break_connections(struct world *w)
{
    struct between *b = w->between;
    struct pair p = draw_pair(w);
    struct passage *g = &b->passages[p.from][p.to];

    if (sim_prng_chance(&w->fault_draw, 1, 2))
        sim_mesh_break(b->mesh, p.from, p.to);
    else
        sim_mesh_break_for(b->mesh, p.from, p.to);
    if (sim_prng_chance(&w->fault_draw, 1, 2)) {
        g->reach = sim_prng_chance(&w->fault_draw, 1, 2) ? SIM_REACH_REFUSED : SIM_REACH_SILENT;
        g->closed_until = draw_end(w);
    }
    wake_nodes(w);
}

static void slow_down(struct world *w)
{
    struct pair p = draw_pair(w);

    w->between->passages[p.from][p.to].slow_until = draw_end(w);
}

void between_hit(struct world *w, enum world_fault fault)
{
    w->story->n_faults[fault]++;
    switch (fault) {
    case WORLD_FAULT_PARTITION:
        part(w, 3);
        break;
    case WORLD_FAULT_ONE_WAY:
        one_way(w);
        break;
    case WORLD_FAULT_BREAK:
        break_connections(w);
        break;
    case WORLD_FAULT_SLOW_PATH:
        slow_down(w);
        break;
    default:
        gq_assert(!"a fault between nodes");
    }
    set_paths(w->between);
}

void between_tamper(struct world *w)
{
    struct sim_prng *prng = &w->rare_draw;
    unsigned from = (unsigned)sim_prng_below(prng, w->n_machines);
    unsigned to = (from + 1 + (unsigned)sim_prng_below(prng, w->n_machines - 1)) % w->n_machines;
    enum sim_tamper how = (enum sim_tamper)sim_prng_below(prng, SIM_N_TAMPERS);

    sim_mesh_tamper(w->between->mesh, from, to, how, sim_prng_below(prng, UINT64_C(1) << sim_prng_below(prng, 7)),
                    prng);
}

void between_heal(struct world *w)
{
    if (w->between == NULL)
        return;
    sim_mesh_tamper_no_more(w->between->mesh);
    memset(w->between->passages, 0, sizeof(w->between->passages));
    set_paths(w->between);
}

/* ---- Life ---- */

const struct config_peers *between_peers(const struct world *w)
{
    return w->between != NULL ? &w->between->peers : NULL;
}

int64_t between_rtt_ns(const struct world *w)
{
    return w->between->rtt_ns;
}

void between_attach(struct machine *m)
{
    struct between *b = m->world->between;

    if (b == NULL)
        return;
    sim_mesh_attach(b->mesh, m->index, b->addresses[m->index], m->net);
    b->moves[m->index] = 0;
    m->is_attached = true;
    between_look(m);
}

void between_detach(struct machine *m, bool power_lost)
{
    struct between *b = m->world->between;

    if (!m->is_attached)
        return;
    sim_mesh_detach(b->mesh, m->index, power_lost);
    m->is_attached = false;
    wake_nodes(m->world);
}

struct between *between_new(struct world *w, struct sim_prng *prng)
{
    struct between *b = xcalloc(1, sizeof(*b));

    b->world = w;
    sim_prng_fork(prng, &b->mesh_prng);
    b->mesh = sim_mesh_new(&b->mesh_prng);
    b->delay_ns = (5 * US) << sim_prng_below(prng, 10);
    b->rtt_ns = (int64_t)((10 * MS) << sim_prng_below(prng, 3));
    event_init(&b->turn, on_turn);
    event_init(&b->change, on_change);
    for (unsigned i = 0; i < w->n_machines; i++) {
        snprintf(b->names[i], sizeof(b->names[i]), "n%u", i + 1);
        snprintf(b->addresses[i], sizeof(b->addresses[i]), "n%u:%d", i + 1, RAFT_PORT);
        b->items[i] = (struct config_peer){ .node_id = b->names[i], .raft_addr = b->addresses[i] };
    }
    b->peers = (struct config_peers){ b->items, w->n_machines };
    return b;
}

void between_free(struct between *b)
{
    if (b == NULL)
        return;
    sim_mesh_free(b->mesh);
    free(b);
}
