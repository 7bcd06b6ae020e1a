/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/rare.h"

/* Monotonic clocks that don't go as the world does, where the seed has CLOCK_RATE: each begins anywhere, and anew when
 * its machine has lost power; they run fast or slow, stand still, and leap forward. Nothing may depend on that but how
 * long things take. */

#define SALT UINT64_C(0x636c6f636b) /* of each node another one */

/* Mostly as bad as clocks are, now and then much worse. */
static uint64_t draw_pace(struct sim_prng *prng)
{
    switch (sim_prng_below(prng, 4)) {
    case 0:
        return SIM_PACE_EXACT / 2 + sim_prng_below(prng, SIM_PACE_EXACT * 3 / 2);
    case 1:
        return SIM_PACE_EXACT - SIM_PACE_EXACT / 20 + sim_prng_below(prng, SIM_PACE_EXACT / 10);
    default:
        return SIM_PACE_EXACT - 200 + sim_prng_below(prng, 401);
    }
}

/* Of a moment ago, or of some weeks. */
static uint64_t draw_uptime(struct sim_prng *prng)
{
    return 1 + sim_prng_below(prng, UINT64_C(1) << (20 + sim_prng_below(prng, 31)));
}

static void begin_anew(struct machine *m)
{
    struct world *w = m->world;
    uint64_t mono_ns = draw_uptime(&m->clock_prng);
    uint64_t pace = w->phase == WORLD_WORK ? draw_pace(&m->clock_prng) : SIM_PACE_EXACT;

    sim_clock_init(&m->clock, mono_ns, clock_real_ms(&m->clock.env));
    sim_pace_begin(&m->pace, w->now_ns, mono_ns, pace);
}

void clock_begin(struct machine *m)
{
    struct world *w = m->world;

    sim_prng_init(&m->clock_prng, w->options.seed ^ (SALT << m->index));
    sim_pace_begin(&m->pace, w->now_ns, w->now_ns, SIM_PACE_EXACT);
    if (world_has_fault(w, WORLD_FAULT_CLOCK_RATE))
        begin_anew(m);
}

void clock_boot(struct machine *m)
{
    if (world_has_fault(m->world, WORLD_FAULT_CLOCK_RATE))
        begin_anew(m);
}

void clock_tick(struct machine *m)
{
    sim_clock_advance_to(&m->clock, sim_pace_mono(&m->pace, m->world->now_ns));
}

/* What waits for a time of that clock comes at another time now. */
static void look_again(struct machine *m)
{
    for (unsigned i = 0; machine_is_up(m) && i < m->n_reactors; i++)
        machine_wake(m, i);
}

void clock_hit(struct machine *m)
{
    struct world *w = m->world;
    struct sim_prng *prng = &w->rare_draw;

    w->story->n_faults[WORLD_FAULT_CLOCK_RATE]++;
    switch (sim_prng_below(prng, 3)) {
    case 0:
        sim_pace_change(&m->pace, w->now_ns, draw_pace(prng));
        break;
    case 1:
        sim_pace_rest(&m->pace, w->now_ns, w->now_ns + sim_prng_below(prng, (8 * MS) << sim_prng_below(prng, 12)));
        break;
    default:
        sim_pace_leap(&m->pace, w->now_ns, sim_prng_below(prng, (8 * MS) << sim_prng_below(prng, 12)));
        break;
    }
    look_again(m);
}

void clock_mend(struct machine *m)
{
    uint64_t now_ns = m->world->now_ns;

    sim_pace_begin(&m->pace, now_ns, sim_pace_mono(&m->pace, now_ns), SIM_PACE_EXACT);
}
