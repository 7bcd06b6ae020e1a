/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "txn/refusals.h"

#include <string.h>

#include "base/hash.h"
#include "txn/producer_internal.h"

static struct producer_refusal *set_of(struct producer_refusals *s, uint64_t place, int64_t producer_id)
{
    return s->sets[hash_u64((uint64_t)producer_id, place) % PRODUCER_REFUSAL_SETS];
}

static int find(const struct producer_refusal *set, uint64_t place, int64_t producer_id)
{
    for (int i = 0; i < PRODUCER_REFUSAL_WAYS && set[i].used; i++)
        if (set[i].place == place && set[i].producer_id == producer_id)
            return i;
    return -1;
}

/* Those that are used stay together. */
static void remove_at(struct producer_refusals *s, struct producer_refusal *set, int i)
{
    memmove(&set[i], &set[i + 1], (size_t)(PRODUCER_REFUSAL_WAYS - 1 - i) * sizeof(set[0]));
    set[PRODUCER_REFUSAL_WAYS - 1].used = false;
    s->n--;
}

void producer_refusals_note(struct producer_refusals *s, uint64_t place, int64_t producer_id, int16_t epoch,
                            int32_t first_sequence)
{
    struct producer_refusal *set = set_of(s, place, producer_id);
    struct producer_refusal r = {
        .place = place,
        .producer_id = producer_id,
        .first_sequence = first_sequence,
        .epoch = epoch,
        .used = true,
    };
    int i = find(set, place, producer_id);

    if (i >= 0 && !producer_comes_before(epoch, first_sequence, set[i].epoch, set[i].first_sequence))
        r = set[i];
    if (i >= 0)
        remove_at(s, set, i);
    else if (set[PRODUCER_REFUSAL_WAYS - 1].used)
        remove_at(s, set, PRODUCER_REFUSAL_WAYS - 1);
    memmove(&set[1], &set[0], (PRODUCER_REFUSAL_WAYS - 1) * sizeof(set[0]));
    set[0] = r;
    s->n++;
}

bool producer_refusals_take(struct producer_refusals *s, uint64_t place, int64_t producer_id,
                            struct producer_refusal *ret)
{
    struct producer_refusal *set = set_of(s, place, producer_id);
    int i = s->n > 0 ? find(set, place, producer_id) : -1;

    if (i < 0)
        return false;
    *ret = set[i];
    remove_at(s, set, i);
    return true;
}

bool producer_refusals_take_any(struct producer_refusals *s, uint64_t place, struct producer_refusal *ret)
{
    for (unsigned k = 0; s->n > 0 && k < PRODUCER_REFUSAL_SETS; k++)
        for (int i = 0; i < PRODUCER_REFUSAL_WAYS && s->sets[k][i].used; i++)
            if (s->sets[k][i].place == place) {
                *ret = s->sets[k][i];
                remove_at(s, s->sets[k], i);
                return true;
            }
    return false;
}
