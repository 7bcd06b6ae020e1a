/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/pace.h"

#include "base/util.h"

void sim_pace_begin(struct sim_pace *p, uint64_t world_ns, uint64_t mono_ns, uint64_t millionths)
{
    gq_assert(millionths > 0);
    *p = (struct sim_pace){ world_ns, mono_ns, millionths };
}

uint64_t sim_pace_mono(const struct sim_pace *p, uint64_t world_ns)
{
    unsigned __int128 passed = world_ns > p->world_ns ? world_ns - p->world_ns : 0;

    return p->mono_ns + (uint64_t)(passed * p->millionths / SIM_PACE_EXACT);
}

uint64_t sim_pace_world(const struct sim_pace *p, uint64_t mono_ns)
{
    unsigned __int128 needed = mono_ns > p->mono_ns ? mono_ns - p->mono_ns : 0;

    needed = (needed * SIM_PACE_EXACT + p->millionths - 1) / p->millionths + p->world_ns;
    return needed < UINT64_MAX ? (uint64_t)needed : UINT64_MAX;
}

void sim_pace_change(struct sim_pace *p, uint64_t now_ns, uint64_t millionths)
{
    sim_pace_begin(p, MAX(now_ns, p->world_ns), sim_pace_mono(p, now_ns), millionths);
}

void sim_pace_rest(struct sim_pace *p, uint64_t now_ns, uint64_t until_ns)
{
    sim_pace_begin(p, MAX(MAX(now_ns, until_ns), p->world_ns), sim_pace_mono(p, now_ns), p->millionths);
}

void sim_pace_leap(struct sim_pace *p, uint64_t now_ns, uint64_t by_ns)
{
    sim_pace_begin(p, MAX(now_ns, p->world_ns), sim_pace_mono(p, now_ns) + by_ns, p->millionths);
}
