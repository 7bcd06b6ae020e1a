/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* "Did you mean …?" */

#include <stddef.h>

/* Keeps the nearest of the names it is shown. */
struct suggest {
    const char *wanted;
    const char *best; /* NULL while nothing is near enough */
    size_t best_distance;
};

void suggest_init(struct suggest *s, const char *wanted);
/* name must outlive s. result is what to suggest when name is near (often name itself). */
void suggest_offer(struct suggest *s, const char *name, const char *result);

/* Edits (insert, delete, replace, swap neighbours) between two texts; SIZE_MAX if either is longer than 64 bytes. */
size_t suggest_distance(const char *a, const char *b);
