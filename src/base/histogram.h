/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Log-linear histogram of u64 values (nanoseconds, bytes): 16 buckets per power of two, error at most 1/16. */

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 4
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count, sum, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* Upper bound of the bucket that holds the q-quantile, 0 ≤ q ≤ 1, and never above max; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);
/* How many values are ≤ value; those in the bucket that value cuts through aren't counted, unless it is their upper
 * bound. Never falls when value grows. */
uint64_t histogram_count_to(const struct histogram *h, uint64_t value);
