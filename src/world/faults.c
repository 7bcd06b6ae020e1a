/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/faults.h"
#include "world/rare.h"

/* Those that come now and then: on each node, and in clusters. */
#define TIMED ((UINT64_C(1) << WORLD_FIRST_OPERATION) - 1)
#define OF_CLUSTERS ((UINT64_C(1) << WORLD_FIRST_OF_CHANGES) - (UINT64_C(1) << WORLD_FIRST_OF_CLUSTERS))
/* These come like them. */
#define OF_CHANGES (UINT64_C(1) << WORLD_FAULT_WIPE | UINT64_C(1) << WORLD_FAULT_OLD_DISK)
#define CHANGES_SALT UINT64_C(0x6368616e676573)
#define ALTER_SALT UINT64_C(0x616c746572)

static const char *const names[] = {
#define X(name, text) [WORLD_FAULT_##name] = #name,
    WORLD_FAULTS(X)
#undef X
};

static const char *const texts[] = {
#define X(name, text) [WORLD_FAULT_##name] = text,
    WORLD_FAULTS(X)
#undef X
};

const char *world_fault_name(enum world_fault fault)
{
    return names[fault];
}

const char *world_fault_text(enum world_fault fault)
{
    return texts[fault];
}

/* ---- The net between clients and nodes ---- */

uint64_t link_arrival(struct world *w, unsigned client, unsigned machine, unsigned direction, struct sim_prng *prng)
{
    struct link *l = &w->links[client][machine];
    uint64_t at = world_soon(w, prng, w->net_delay_ns) + w->net_delay_ns;

    if (world_has_fault(w, WORLD_FAULT_LATE) && w->phase == WORLD_WORK && sim_prng_chance(prng, 1, 32)) {
        w->story->n_faults[WORLD_FAULT_LATE]++;
        at += sim_prng_below(prng, 300 * MS);
    }
    return MAX(at, l->cut_until[direction]);
}

static void cut_link(struct world *w, struct client *c, unsigned machine)
{
    struct link *l = &w->links[c->index][machine];
    uint64_t until = w->now_ns + sim_prng_below(&w->fault_draw, 20 * SEC);
    unsigned how = 1 + (unsigned)sim_prng_below(&w->fault_draw, 3);

    for (unsigned d = 0; d < 2; d++)
        if ((how >> d & 1) != 0)
            l->cut_until[d] = until;
}

/* ---- One fault ---- */

static void black_out(struct world *w)
{
    w->story->n_faults[WORLD_FAULT_BLACKOUT]++;
    for (unsigned i = 0; i < w->n_machines; i++)
        if (machine_is_up(w->machines[i]))
            machine_lose_power(w->machines[i], SIM_CRASH_DRAW);
}

static void inject(struct world *w, enum world_fault fault)
{
    struct machine *m = w->machines[sim_prng_below(&w->fault_draw, w->n_machines)];
    struct client *c = w->clients[sim_prng_below(&w->fault_draw, w->n_clients)];

    world_step(w, WORLD_STEP_FAULT, m->index, fault, c->index);
    switch (fault) {
    case WORLD_FAULT_RESET:
        w->story->n_faults[fault]++;
        client_reset(c);
        break;
    case WORLD_FAULT_CUT:
        w->story->n_faults[fault]++;
        cut_link(w, c, m->index);
        break;
    case WORLD_FAULT_HALF_OPEN:
        w->story->n_faults[fault]++;
        if (sim_prng_chance(&w->fault_draw, 1, 2))
            client_abandon(c);
        else
            client_deafen(c);
        break;
    case WORLD_FAULT_LATE:
        break;
    case WORLD_FAULT_PARTITION:
    case WORLD_FAULT_ONE_WAY:
    case WORLD_FAULT_BREAK:
    case WORLD_FAULT_SLOW_PATH:
        between_hit(w, fault);
        break;
    case WORLD_FAULT_BLACKOUT:
        black_out(w);
        break;
    default:
        fault_hit(w, fault, m);
    }
}

void faults_note_moment(const struct machine *m, enum world_moment moment)
{
    struct world *w = m->world;

    if (moment <= w->moment)
        return;
    w->moment = moment;
    w->moment_machine = m->index;
}

static bool strikes(struct world *w, enum world_moment moment)
{
    if (moment == WORLD_MOMENT_IMAGE)
        return sim_prng_chance(&w->moment_prng, 3, 4);
    return sim_prng_chance(&w->moment_prng, 1, moment >= WORLD_MOMENT_LEAVE ? 2 : w->moment_rarity);
}

static void come_untimely(struct world *w)
{
    enum world_moment moment = w->moment;
    struct machine *m = w->machines[w->moment_machine];

    w->moment = WORLD_MOMENT_NONE;
    if (moment == WORLD_MOMENT_NONE || w->phase != WORLD_WORK || !world_has_fault(w, WORLD_FAULT_UNTIMELY) ||
        !strikes(w, moment) || !machine_is_up(m))
        return;
    sim_prng_fork(&w->moment_prng, &w->fault_draw);
    world_step(w, WORLD_STEP_FAULT, m->index, WORLD_FAULT_UNTIMELY, moment);
    w->story->n_faults[WORLD_FAULT_UNTIMELY]++;
    fault_strike(w, m, moment);
}

/* On a node alone by time; in a cluster by what happens, which is much in little time or little in much. */
static void next_fault(struct world *w)
{
    if (w->fault_interval_events > 0)
        w->fault_at_event = w->story->n_events + 1 + sim_prng_below(&w->fault_prng, 2 * w->fault_interval_events);
    else
        world_at(w, &w->fault_event, world_soon(w, &w->fault_prng, 2 * w->fault_interval_ns));
}

void faults_come(struct world *w)
{
    come_untimely(w);
    if (w->fault_at_event == 0 || w->story->n_events < w->fault_at_event)
        return;
    w->fault_at_event = 0;
    world_at(w, &w->fault_event, w->now_ns);
}

/* Of those that the seed has one is drawn, also where it is switched off, and each draws from a generator of its own:
 * so without one of them the others are what they were. */
static void on_fault(struct event *e)
{
    struct world *w = container_of(e, struct world, fault_event);
    unsigned left = (unsigned)sim_prng_below(&w->fault_prng, (unsigned)__builtin_popcountll(w->timed_faults));

    sim_prng_fork(&w->fault_prng, &w->fault_draw);
    for (unsigned f = 0; f < WORLD_N_FAULTS; f++)
        if ((w->timed_faults >> f & 1) != 0 && left-- == 0) {
            if (world_has_fault(w, (enum world_fault)f))
                inject(w, (enum world_fault)f);
            break;
        }
    next_fault(w);
}

/* ---- Which ones, how often ---- */

static void begin(struct world *w)
{
    w->timed_faults = w->drawn_faults & (TIMED | OF_CLUSTERS | OF_CHANGES);
    w->story->faults = w->drawn_faults & ~w->options.no_faults;
    if (w->timed_faults != 0)
        next_fault(w);
}

void faults_draw(struct world *w)
{
    event_init(&w->fault_event, on_fault);
    sim_prng_fork(&w->prng, &w->fault_prng);
    w->net_delay_ns = (5 * US) << sim_prng_below(&w->prng, 9);
    w->fault_interval_ns = MS << sim_prng_below(&w->prng, 12);
    for (unsigned f = 0; f < WORLD_FIRST_OF_CLUSTERS; f++)
        if (sim_prng_chance(&w->prng, 1, 2))
            w->drawn_faults |= UINT64_C(1) << f;
    sim_prng_init(&w->alter_prng, w->options.seed ^ ALTER_SALT);
    if (sim_prng_chance(&w->alter_prng, 1, 2))
        w->drawn_faults |= UINT64_C(1) << WORLD_FAULT_ALTER_TOPICS;
    begin(w);
}

/* Where disks may be lost, partitions have three replicas at least, and some seeds are to have fewer. */
static const uint8_t eighths_of_changes[] = {
    [WORLD_FAULT_REASSIGN - WORLD_FIRST_OF_CHANGES] = 4,
    [WORLD_FAULT_WIPE - WORLD_FIRST_OF_CHANGES] = 4,
    [WORLD_FAULT_UNTIMELY - WORLD_FIRST_OF_CHANGES] = 6,
    [WORLD_FAULT_OLD_DISK - WORLD_FIRST_OF_CHANGES] = 3,
};

void faults_draw_of_cluster(struct world *w, struct sim_prng *prng)
{
    struct sim_prng changes;

    world_cancel(w, &w->fault_event);
    w->fault_interval_events = UINT64_C(64) << sim_prng_below(prng, 6);
    for (unsigned f = WORLD_FIRST_OF_CLUSTERS; f < WORLD_FIRST_OF_CHANGES; f++)
        if (sim_prng_chance(prng, 1, 2))
            w->drawn_faults |= UINT64_C(1) << f;
    sim_prng_init(&changes, w->options.seed ^ CHANGES_SALT);
    for (unsigned f = WORLD_FIRST_OF_CHANGES; f < WORLD_FAULT_ALTER_TOPICS; f++)
        if (sim_prng_chance(&changes, eighths_of_changes[f - WORLD_FIRST_OF_CHANGES], 8))
            w->drawn_faults |= UINT64_C(1) << f;
    w->moment_rarity = 1u << sim_prng_below(&changes, 5);
    sim_prng_fork(&changes, &w->moment_prng);
    begin(w);
}

void faults_end(struct world *w)
{
    world_cancel(w, &w->fault_event);
    w->fault_at_event = 0;
    memset(w->links, 0, sizeof(w->links));
    between_heal(w);
    old_disk_end(w);
    rare_end(w);
    for (unsigned i = 0; i < w->n_machines; i++) {
        struct machine *m = w->machines[i];

        m->boot_crash_steps = UINT64_MAX;
        m->rots = false;
        sim_disk_crash_after(m->disk, UINT64_MAX);
        sim_disk_fail_no_more(m->disk);
        world_cancel(w, &m->release);
        machine_release(m);
        machine_go_on(m);
        machine_drop_orphans(m);
        for (unsigned k = 0; machine_is_up(m) && k < m->n_reactors; k++)
            machine_wake(m, k);
        if (!machine_is_up(m) && !event_is_due(&m->boot))
            world_at(w, &m->boot, w->now_ns);
    }
}
