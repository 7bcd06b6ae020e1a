/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Seam: time. Cores get times as arguments; only node/ and above ask a clock. */

#include <stdint.h>

struct env_clock;

struct env_clock_ops {
    uint64_t (*mono_ns)(struct env_clock *c); /* never goes back; for deadlines */
    int64_t (*real_ms)(struct env_clock *c);  /* Unix time; for append times only */
};

struct env_clock {
    const struct env_clock_ops *ops;
};

static inline uint64_t clock_mono_ns(struct env_clock *c)
{
    return c->ops->mono_ns(c);
}

static inline int64_t clock_real_ms(struct env_clock *c)
{
    return c->ops->real_ms(c);
}
