/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/clock.h"

#include "base/util.h"

#define NS_PER_MS 1000000

static uint64_t mono_ns(struct env_clock *env)
{
    return container_of(env, struct sim_clock, env)->mono_ns;
}

static int64_t real_ms(struct env_clock *env)
{
    struct sim_clock *c = container_of(env, struct sim_clock, env);
    int64_t ns = (int64_t)c->mono_ns + c->real_offset_ns;

    return ns / NS_PER_MS - (ns % NS_PER_MS < 0); /* down, also before 1970 */
}

static const struct env_clock_ops ops = { .mono_ns = mono_ns, .real_ms = real_ms };

void sim_clock_init(struct sim_clock *c, uint64_t start_ns, int64_t start_real_ms)
{
    c->env.ops = &ops;
    c->mono_ns = start_ns;
    sim_clock_set_real(c, start_real_ms);
}

void sim_clock_advance(struct sim_clock *c, uint64_t ns)
{
    gq_assert(!add_overflows(c->mono_ns, ns, &c->mono_ns));
}

void sim_clock_advance_to(struct sim_clock *c, uint64_t to_ns)
{
    gq_assert(to_ns >= c->mono_ns);
    c->mono_ns = to_ns;
}

void sim_clock_set_real(struct sim_clock *c, int64_t to_ms)
{
    c->real_offset_ns = to_ms * NS_PER_MS - (int64_t)c->mono_ns;
}
