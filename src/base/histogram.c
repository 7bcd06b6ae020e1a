/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/histogram.h"

#include "base/util.h"

#define SUB_BUCKETS (1u << HISTOGRAM_SUB_BITS)

void histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
}

static unsigned bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < SUB_BUCKETS)
        return (unsigned)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift);
}

static uint64_t upper_bound(unsigned bucket)
{
    unsigned shift;

    if (bucket < 2 * SUB_BUCKETS)
        return bucket;
    shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    /* The last bucket ends at 2^64 - 1: the shift drops the carry, the subtraction brings it back. */
    return ((uint64_t)(bucket - (shift << HISTOGRAM_SUB_BITS) + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->buckets[bucket_of(value)]++;
    h->count++;
    h->sum += value;
    if (value > h->max)
        h->max = value;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    into->sum += from->sum;
    into->max = MAX(into->max, from->max);
}

/* Which one of the values in ascending order is the q-quantile: 1 … count. */
static uint64_t rank_of(const struct histogram *h, double q)
{
    double rank = q * (double)h->count;
    uint64_t whole;

    if (!(rank > 1)) /* NaN too */
        return 1;
    if (rank >= (double)h->count)
        return h->count;
    whole = (uint64_t)rank;
    return (double)whole < rank ? whole + 1 : whole;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    uint64_t rank = rank_of(h, q), seen = 0;

    if (h->count == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank)
            return MIN(upper_bound(i), h->max);
    }
    return h->max;
}

uint64_t histogram_count_to(const struct histogram *h, uint64_t value)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && upper_bound(i) <= value; i++)
        n += h->buckets[i];
    return n;
}
