/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How the monotonic clock of a node goes against the time of its world: from a base on at so many millionths. Plain
 * values, no I/O. It never goes back but by sim_pace_begin(), as with a new boot. */

#include <stdint.h>

#define SIM_PACE_EXACT 1000000

struct sim_pace {
    uint64_t world_ns, mono_ns; /* the base; before world_ns the clock stands still */
    uint64_t millionths;        /* of a clock's second that pass in one of the world's, never 0 */
};

void sim_pace_begin(struct sim_pace *p, uint64_t world_ns, uint64_t mono_ns, uint64_t millionths);

/* What the clock shows then. world_ns doesn't lie before the last change. */
uint64_t sim_pace_mono(const struct sim_pace *p, uint64_t world_ns);

/* When the clock shows that much or more for the first time, if it doesn't yet; UINT64_MAX: too late to say. */
uint64_t sim_pace_world(const struct sim_pace *p, uint64_t mono_ns);

/* From now on: another pace, a rest until then, a leap forward. */
void sim_pace_change(struct sim_pace *p, uint64_t now_ns, uint64_t millionths);
void sim_pace_rest(struct sim_pace *p, uint64_t now_ns, uint64_t until_ns);
void sim_pace_leap(struct sim_pace *p, uint64_t now_ns, uint64_t by_ns);
