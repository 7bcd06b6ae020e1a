/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random input for property tests. A test draws all it needs from one struct rand; when it fails (by an assertion, a
 * signal or a timeout) the runner prints the seed, and GQ_TEST_SEED=<seed> runs it again. Without that variable the
 * seed is fixed, so that a plain `make check` always does the same.
 *
 *     START_TEST(sorted_stays_sorted)
 *     {
 *         struct rand r;
 *
 *         rand_init(&r);
 *         for (int i = 0; i < 1000; i++)
 *             ...rand_below(&r, 100)...
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rand {
    uint64_t state; /* splitmix64's */
};

/* Seeds r and notes the seed for the runner. */
#define rand_init(r) rand_init_(r, __func__)
void rand_init_(struct rand *r, const char *func);

uint64_t rand_u64(struct rand *r);

/* 0 ≤ result < n, n > 0; evenly but for a bias below n / 2^64. */
uint64_t rand_below(struct rand *r, uint64_t n);

/* low ≤ result ≤ high. */
uint64_t rand_range(struct rand *r, uint64_t low, uint64_t high);

/* True in n of `of` cases. */
bool rand_chance(struct rand *r, unsigned n, unsigned of);

/* Any u64, but all magnitudes alike, and often at or next to a power of two: where the edges are. */
uint64_t rand_edgy_u64(struct rand *r);

void rand_fill(struct rand *r, void *to, size_t size);

/* Used by run_suites(): makes the notes outlive a test's process, and prints the one that a failed test left. */
void rand_notes_open(void);
void rand_notes_print(const char *test);
