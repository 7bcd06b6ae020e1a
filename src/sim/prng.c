/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/prng.h"

#include "base/endian.h"
#include "base/util.h"

static void fill(struct env_prng *env, void *to, size_t size)
{
    struct sim_prng *p = container_of(env, struct sim_prng, env);
    uint8_t *at = to;

    while (size > 0) {
        uint8_t word[8];
        size_t part = MIN(size, sizeof(word));

        store_le64(word, sim_prng_u64(p));
        memcpy(at, word, part);
        at += part;
        size -= part;
    }
}

static const struct env_prng_ops ops = { .fill = fill };

/* Spreads the seed over the state, as the authors of xoshiro advise. */
static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

void sim_prng_init(struct sim_prng *p, uint64_t seed)
{
    p->env.ops = &ops;
    for (int i = 0; i < 4; i++)
        p->s[i] = splitmix64(&seed);
}

void sim_prng_fork(struct sim_prng *p, struct sim_prng *child)
{
    sim_prng_init(child, sim_prng_u64(p));
}

static uint64_t rotl(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

uint64_t sim_prng_u64(struct sim_prng *p)
{
    uint64_t result = rotl(p->s[1] * 5, 7) * 9, t = p->s[1] << 17;

    p->s[2] ^= p->s[0];
    p->s[3] ^= p->s[1];
    p->s[1] ^= p->s[2];
    p->s[0] ^= p->s[3];
    p->s[2] ^= t;
    p->s[3] = rotl(p->s[3], 45);
    return result;
}

uint64_t sim_prng_below(struct sim_prng *p, uint64_t n)
{
    return (uint64_t)((unsigned __int128)sim_prng_u64(p) * n >> 64);
}

bool sim_prng_chance(struct sim_prng *p, uint64_t n, uint64_t of)
{
    return sim_prng_below(p, of) < n;
}
