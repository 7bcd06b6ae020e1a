/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Seam: randomness (ids, hash seeds, jitter). The simulator's comes from its seed. */

#include <stddef.h>
#include <stdint.h>

struct env_prng;

struct env_prng_ops {
    void (*fill)(struct env_prng *p, void *to, size_t size);
};

struct env_prng {
    const struct env_prng_ops *ops;
};

static inline void prng_fill(struct env_prng *p, void *to, size_t size)
{
    p->ops->fill(p, to, size);
}

static inline uint64_t prng_u64(struct env_prng *p)
{
    uint64_t v;
    prng_fill(p, &v, sizeof(v));
    return v;
}
