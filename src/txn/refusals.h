/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Batches of idempotent producers that were refused where there is no producer_state that could note it by
 * producer_refuse(): of a partition that isn't known yet, or isn't here. Whoever comes to have the state hands these on
 * to it, before the next batch of the producer is judged.
 *
 * Zeros are an empty one, and nothing is to be freed. The last few hundred are remembered, of one producer in one place
 * the earliest sequence. Constant time, but for what looks at all of a place. */

#include <stdbool.h>
#include <stdint.h>

#define PRODUCER_REFUSAL_SETS 64
#define PRODUCER_REFUSAL_WAYS 4

struct producer_refusal {
    uint64_t place;
    int64_t producer_id;
    int32_t first_sequence;
    int16_t epoch;
    bool used;
};

struct producer_refusals {
    /* Of a set those that were noted last come first. */
    struct producer_refusal sets[PRODUCER_REFUSAL_SETS][PRODUCER_REFUSAL_WAYS];
    unsigned n;
};

/* place: of the partition, by any number that the owner takes for it. */
void producer_refusals_note(struct producer_refusals *s, uint64_t place, int64_t producer_id, int16_t epoch,
                            int32_t first_sequence);
/* Takes out that of the producer. False: there is none. */
bool producer_refusals_take(struct producer_refusals *s, uint64_t place, int64_t producer_id,
                            struct producer_refusal *ret);
/* Takes out one of the place, of whomever. */
bool producer_refusals_take_any(struct producer_refusals *s, uint64_t place, struct producer_refusal *ret);
