/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A map from pairs of numbers to numbers, open addressing. Empty maps take no memory. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t a, b;
    uint32_t v;
    bool is_used;
};

struct map {
    struct map_slot *slots;
    size_t n_slots; /* 0 or a power of two */
    size_t count;
};

void map_fini(struct map *m);

/* NULL when it isn't there. Pointers hold until the next map_add() or map_remove(). */
uint32_t *map_find(const struct map *m, uint64_t a, uint64_t b);
/* Finds it or adds it with this value. */
uint32_t *map_add(struct map *m, uint64_t a, uint64_t b, uint32_t v, bool *ret_is_new);
/* It must be there. */
void map_remove(struct map *m, uint64_t a, uint64_t b);
