/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Virtual time: stands still until somebody moves it. */

#include "env/clock.h"

struct sim_clock {
    struct env_clock env;
    uint64_t mono_ns;
    int64_t real_offset_ns; /* real time is mono_ns plus this */
};

void sim_clock_init(struct sim_clock *c, uint64_t mono_ns, int64_t real_ms);

/* Both times move on. */
void sim_clock_advance(struct sim_clock *c, uint64_t ns);

/* Both move on until mono_ns, which must not lie in the past. */
void sim_clock_advance_to(struct sim_clock *c, uint64_t mono_ns);

/* Somebody sets the wall clock, forward or back; the monotonic one doesn't notice. */
void sim_clock_set_real(struct sim_clock *c, int64_t real_ms);
