/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/faults.h"
#include "world/rare.h"

#include "state/state.h"
#include "world/watch.h"

#define START_NS (1000 * MS)
#define NODES_SALT UINT64_C(0x6e6f646573)
#define CLUSTER_SALT UINT64_C(0x636c7573746572)

/* Within these everybody must have got on when nothing fails any more. */
#define PHASE_NS (600 * SEC)
#define PHASE_EVENTS 400000 /* for each node */

/* ---- Events ---- */

void event_init(struct event *e, void (*fire)(struct event *e))
{
    heap_node_init(&e->node);
    e->fire = fire;
}

void world_at(struct world *w, struct event *e, uint64_t time_ns)
{
    heap_update(&w->heap, &e->node, MAX(time_ns, w->now_ns));
}

void world_by(struct world *w, struct event *e, uint64_t time_ns)
{
    if (!event_is_due(e) || e->node.key > time_ns)
        world_at(w, e, time_ns);
}

void world_cancel(struct world *w, struct event *e)
{
    heap_remove(&w->heap, &e->node);
}

uint64_t world_soon(struct world *w, struct sim_prng *prng, uint64_t n)
{
    return w->now_ns + 1 + sim_prng_below(prng, n);
}

/* ---- Phases ---- */

static void enter(struct world *w, enum world_phase phase)
{
    w->phase = phase;
    w->phase_end_ns = w->now_ns + PHASE_NS;
    w->phase_end_event = w->story->n_events + (uint64_t)PHASE_EVENTS * w->n_machines;
    world_step(w, WORLD_STEP_PHASE, 0, phase, 0);
}

static void poll_clients(struct world *w)
{
    for (unsigned i = 0; i < w->n_clients; i++)
        client_again(w->clients[i], 1);
}

static bool clients_are_done(const struct world *w)
{
    for (unsigned i = 0; i < w->n_clients; i++)
        if (!w->clients[i]->kind->is_done(w->clients[i]))
            return false;
    return true;
}

/* A majority does without the others, but these must get on, too. */
static bool nodes_are_ready(const struct world *w)
{
    for (unsigned i = 0; w->n_machines > 1 && i < w->n_machines; i++)
        if (!machine_is_ready(w->machines[i]))
            return false;
    return true;
}

static bool machines_are_down(const struct world *w)
{
    for (unsigned i = 0; i < w->n_machines; i++)
        if (machine_is_up(w->machines[i]))
            return false;
    return true;
}

static void cut_power(struct world *w)
{
    for (unsigned i = 0; i < w->n_machines; i++)
        if (machine_is_up(w->machines[i]))
            machine_lose_power(w->machines[i], SIM_CRASH_NOTHING);
}

static void stop_machines(struct world *w)
{
    for (unsigned i = 0; i < w->n_machines; i++)
        machine_stop(w->machines[i]);
}

static bool all_are_settled(const struct world *w)
{
    struct error_text why;

    for (unsigned i = 0; i < w->n_machines; i++)
        if (!machine_is_up(w->machines[i]) || !watch_is_settled(w->watch, w->machines[i], &why))
            return false;
    return true;
}

/* Whether this phase has what it is for. */
static bool phase_is_over(struct world *w)
{
    struct error_text why;

    switch (w->phase) {
    case WORLD_WORK:
        return w->story->n_events >= w->max_events;
    case WORLD_HEAL:
        return clients_are_done(w) && nodes_are_ready(w) && wipe_is_over(w, &why);
    case WORLD_AUDIT:
        return w->auditor->kind->is_done(w->auditor);
    case WORLD_REAUDIT:
        return w->auditor->kind->is_done(w->auditor) && all_are_settled(w);
    case WORLD_STOP:
        return machines_are_down(w);
    case WORLD_DONE:
        break;
    }
    return false;
}

static void next_phase(struct world *w)
{
    switch (w->phase) {
    case WORLD_WORK:
        enter(w, WORLD_HEAL);
        faults_end(w);
        break;
    case WORLD_HEAL:
        enter(w, WORLD_AUDIT);
        model_begin_audit(w->model);
        break;
    case WORLD_AUDIT:
        for (unsigned i = 0; i < w->n_machines; i++)
            watch_keep_states(w->watch, w->machines[i]);
        enter(w, WORLD_REAUDIT);
        cut_power(w);
        model_begin_audit(w->model);
        break;
    case WORLD_REAUDIT:
        for (unsigned i = 0; i < w->n_machines; i++)
            watch_check_equal(w->watch, w->machines[i]);
        enter(w, WORLD_STOP);
        stop_machines(w);
        break;
    case WORLD_STOP:
        for (unsigned i = 0; i < w->n_machines; i++)
            world_step(w, WORLD_STEP_FILES, i, sim_disk_crc(w->machines[i]->disk), 0);
        recorder_judge(w->recorder);
        enter(w, WORLD_DONE);
        break;
    case WORLD_DONE:
        break;
    }
    poll_clients(w);
}

static void tell_who_is_stuck(struct world *w)
{
    struct error_text why;

    for (unsigned i = 0; i < w->n_machines; i++)
        if (machine_is_up(w->machines[i]) && w->phase == WORLD_REAUDIT &&
            !watch_is_settled(w->watch, w->machines[i], &why))
            world_fail(w, "everybody gets on", "node %u: %s", i, why.text);
    for (unsigned i = 0; i < w->n_machines; i++)
        if (w->phase != WORLD_STOP && !machine_is_ready(w->machines[i]))
            world_fail(w, "everybody gets on", "node %u isn't ready", i);
    for (unsigned i = 0; i < w->n_clients; i++)
        if (!w->clients[i]->kind->is_done(w->clients[i]))
            world_fail(w, "everybody gets on", "%s %u waits with %u calls", w->clients[i]->kind->name, i,
                       w->clients[i]->n_calls);
    if (w->phase == WORLD_HEAL && !wipe_is_over(w, &why))
        world_fail(w, "everybody gets on", "node %d has lost its disk: %s", w->wiped, why.text);
    world_fail(w, "everybody gets on", "phase %d doesn't end", w->phase);
}

static void check_phase(struct world *w)
{
    while (w->phase != WORLD_DONE && !world_has_failed(w) && phase_is_over(w))
        next_phase(w);
    if (w->phase != WORLD_WORK && w->phase != WORLD_DONE &&
        (w->now_ns > w->phase_end_ns || w->story->n_events > w->phase_end_event))
        tell_who_is_stuck(w);
}

bool world_run(struct world *w)
{
    while (w->phase != WORLD_DONE && !world_has_failed(w)) {
        struct heap_node *n = heap_min(&w->heap);
        struct event *e = container_of(n, struct event, node);

        if (n == NULL) {
            tell_who_is_stuck(w);
            break;
        }
        heap_remove(&w->heap, n);
        w->now_ns = n->key;
        w->story->n_events++;
        e->fire(e);
        faults_come(w);
        wipe_come(w);
        old_disk_come(w);
        rare_come(w);
        check_phase(w);
    }
    return !world_has_failed(w);
}

/* ---- Life ---- */

static const struct client_kind *draw_kind(struct world *w, unsigned i)
{
    if (i == 0)
        return &admin_kind;
    if (i == 1)
        return &auditor_kind;
    return i % 2 == 0 ? &producer_kind : &consumer_kind;
}

static void make_clients(struct world *w)
{
    unsigned n = 4 + (unsigned)sim_prng_below(&w->prng, 7);

    if (w->options.max_clients != 0)
        n = MIN(n, MAX(w->options.max_clients, 2u));
    for (unsigned i = 0; i < n; i++) {
        const struct client_kind *kind = draw_kind(w, i);

        w->story->client_names[i] = kind->name;
        w->clients[i] = client_new(w, i, kind);
        w->n_clients++;
    }
    w->auditor = w->clients[1];
}

/* A journal file holds four of the largest messages, so small ones need small messages. */
static void draw_sizes(struct world *w)
{
    w->max_batch_bytes = 150000;
    w->small_journals = sim_prng_chance(&w->prng, 1, 2);
    if (w->small_journals && !w->options.large)
        w->max_batch_bytes = UINT64_C(8192) << sim_prng_below(&w->prng, 3);
}

/* By a generator of its own, and so is all that there is in clusters only: how a node alone fares is the same whether
 * its seed is one of those that have one or it is asked for. */
static unsigned draw_n_nodes(uint64_t seed)
{
    struct sim_prng prng;
    uint64_t at;

    sim_prng_init(&prng, seed ^ NODES_SALT);
    at = sim_prng_below(&prng, 12);
    return at < 4 ? 1 : at < 10 ? 3 : 5;
}

static uint64_t usual_events(unsigned n_nodes)
{
    return n_nodes == 1 ? 6000 : n_nodes == 3 ? 16000 : 24000;
}

static void make_cluster(struct world *w)
{
    struct sim_prng prng;

    sim_prng_init(&prng, w->options.seed ^ CLUSTER_SALT);
    faults_draw_of_cluster(w, &prng);
    model_draw_replicas(w->model, &prng);
    w->between = between_new(w, &prng);
}

struct world *world_new(const struct world_options *options)
{
    struct world *w = xcalloc(1, sizeof(*w));

    w->options = *options;
    w->own_story = options->story == NULL ? xcalloc(1, sizeof(*w->story)) : NULL;
    w->story = options->story != NULL ? options->story : w->own_story;
    w->now_ns = START_NS;
    w->wiped = w->wipe_wanted = -1;
    heap_init(&w->heap);
    sim_prng_init(&w->prng, options->seed);
    state_seed((uint32_t)options->seed);
    w->n_machines = options->n_nodes > 0 ? options->n_nodes : draw_n_nodes(options->seed);
    gq_assert(w->n_machines <= WORLD_MAX_NODES);
    w->max_events = options->max_events > 0 ? options->max_events : usual_events(w->n_machines);
    faults_draw(w);
    draw_sizes(w);
    w->recorder = recorder_new(w);
    w->model = model_new(w);
    w->watch = watch_new(w);
    w->old_disk = old_disk_new(w);
    if (w->n_machines > 1)
        make_cluster(w);
    w->rare = rare_new(w);
    for (unsigned i = 0; i < w->n_machines; i++)
        w->machines[i] = machine_new(w, i);
    make_clients(w);
    enter(w, WORLD_WORK);
    return w;
}

void world_free(struct world *w)
{
    if (w == NULL)
        return;
    for (unsigned i = 0; i < w->n_clients; i++)
        client_free(w->clients[i]);
    between_free(TAKE_PTR(w->between));
    for (unsigned i = 0; i < w->n_machines; i++)
        machine_free(w->machines[i]);
    old_disk_free(w->old_disk);
    watch_free(w->watch);
    model_free(w->model);
    recorder_free(w->recorder);
    rare_free(w->rare);
    heap_fini(&w->heap);
    free(w->own_story);
    free(w);
}

uint64_t world_hash(const struct world *w)
{
    return w->hash;
}

uint64_t world_events(const struct world *w)
{
    return w->story->n_events;
}

const char *world_failure(const struct world *w)
{
    return world_story_failure(w->story);
}

unsigned world_n_nodes(const struct world *w)
{
    return w->n_machines;
}

const struct world_story *world_story(const struct world *w)
{
    return w->story;
}
