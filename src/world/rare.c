/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/rare.h"

/* Faults that are drawn, and come, by generators of their own: a seed without them is the run that it was before there
 * were any, and where one is on all others are drawn as without it. They come by the number of events. */

#define SALT UINT64_C(0x72617265)
#define BIT(f) (UINT64_C(1) << WORLD_FAULT_##f)
#define OF_MEDIA (BIT(BIT_ROT) | BIT(LATENT) | BIT(MISPLACED))
#define OF_CLUSTERS (BIT(TAMPER) | OF_MEDIA)
#define TIMED (BIT(TAMPER) | BIT(CLOCK_RATE) | OF_MEDIA)

struct rare {
    struct world *world;
    struct event event;
    struct sim_prng prng;
    uint64_t drawn; /* those that the seed has, with those that are switched off */
    uint64_t interval_events, at_event;
};

static void next_one(struct rare *r)
{
    r->at_event = r->world->story->n_events + 1 + sim_prng_below(&r->prng, 2 * r->interval_events);
}

void rare_come(struct world *w)
{
    struct rare *r = w->rare;

    if (w->story->n_events < r->at_event)
        return;
    r->at_event = UINT64_MAX;
    world_at(w, &r->event, w->now_ns);
}

static void inject(struct world *w, enum world_fault fault)
{
    struct machine *m = w->machines[sim_prng_below(&w->rare_draw, w->n_machines)];

    world_step(w, WORLD_STEP_FAULT, m->index, fault, 0);
    switch (fault) {
    case WORLD_FAULT_TAMPER:
        between_tamper(w);
        break;
    case WORLD_FAULT_CLOCK_RATE:
        clock_hit(m);
        break;
    case WORLD_FAULT_BIT_ROT:
    case WORLD_FAULT_LATENT:
    case WORLD_FAULT_MISPLACED:
        media_hit(m, fault);
        break;
    default:
        gq_assert(!"a rare fault");
    }
}

static void on_event(struct event *e)
{
    struct rare *r = container_of(e, struct rare, event);
    struct world *w = r->world;
    uint64_t timed = r->drawn & TIMED;
    unsigned left = (unsigned)sim_prng_below(&r->prng, (unsigned)__builtin_popcountll(timed));

    sim_prng_fork(&r->prng, &w->rare_draw);
    for (unsigned f = WORLD_FIRST_RARE; f < WORLD_N_FAULTS; f++)
        if ((timed >> f & 1) != 0 && left-- == 0) {
            if (world_has_fault(w, (enum world_fault)f))
                inject(w, (enum world_fault)f);
            break;
        }
    next_one(r);
}

struct rare *rare_new(struct world *w)
{
    struct rare *r = xcalloc(1, sizeof(*r));

    r->world = w;
    r->at_event = UINT64_MAX;
    event_init(&r->event, on_event);
    sim_prng_init(&r->prng, w->options.seed ^ SALT);
    r->interval_events = UINT64_C(64) << sim_prng_below(&r->prng, 6);
    for (unsigned f = WORLD_FIRST_RARE; f < WORLD_N_FAULTS; f++)
        if (sim_prng_chance(&r->prng, 1, 3) && (w->n_machines > 1 || (OF_CLUSTERS >> f & 1) == 0))
            r->drawn |= UINT64_C(1) << f;
    w->story->faults |= r->drawn & ~w->options.no_faults;
    if ((r->drawn & TIMED) != 0)
        next_one(r);
    return r;
}

void rare_end(struct world *w)
{
    world_cancel(w, &w->rare->event);
    w->rare->at_event = UINT64_MAX;
    for (unsigned i = 0; i < w->n_machines; i++) {
        clock_mend(w->machines[i]);
        media_mend(w->machines[i]);
    }
}

void rare_free(struct rare *r)
{
    free(r);
}
