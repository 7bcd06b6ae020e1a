/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Simulated randomness: xoshiro256** from a seed (Blackman, Vigna: "Scrambled linear pseudorandom number
 * generators"). Everything that the simulator or a test on sim/ draws comes from one of these, so a seed is a run. */

#include <stdbool.h>

#include "env/prng.h"

struct sim_prng {
    struct env_prng env;
    uint64_t s[4];
};

/* Any seed will do, 0 too. */
void sim_prng_init(struct sim_prng *p, uint64_t seed);

/* A generator whose draws don't disturb p's: for a part that draws more or less often from version to version. */
void sim_prng_fork(struct sim_prng *p, struct sim_prng *child);

uint64_t sim_prng_u64(struct sim_prng *p);

/* 0 ≤ result < n, n > 0. */
uint64_t sim_prng_below(struct sim_prng *p, uint64_t n);

/* True in n of `of` cases. */
bool sim_prng_chance(struct sim_prng *p, uint64_t n, uint64_t of);
