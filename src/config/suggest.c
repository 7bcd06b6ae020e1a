/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/suggest.h"

#include "base/util.h"

#define TEXT_MAX 64

/* Optimal string alignment distance, three rows at a time. '-' and '_' are the same. */
size_t suggest_distance(const char *a, const char *b)
{
    size_t rows[3][TEXT_MAX + 1];
    size_t size_a = strlen(a), size_b = strlen(b);
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    if (size_a > TEXT_MAX || size_b > TEXT_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= size_b; j++)
        last[j] = j;
    for (size_t i = 1; i <= size_a; i++) {
        size_t *spare = before;

        row[0] = i;
        for (size_t j = 1; j <= size_b; j++) {
            char x = a[i - 1] == '-' ? '_' : a[i - 1], y = b[j - 1] == '-' ? '_' : b[j - 1];

            row[j] = MIN(MIN(last[j], row[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
        before = last;
        last = row;
        row = spare;
    }
    return last[size_b];
}

void suggest_init(struct suggest *s, const char *wanted)
{
    s->wanted = wanted;
    s->best = NULL;
    s->best_distance = SIZE_MAX;
}

void suggest_offer(struct suggest *s, const char *name, const char *result)
{
    size_t wanted_size = strlen(s->wanted), size = strlen(name), distance;
    /* A third of the letters may be wrong, and one always. */
    size_t tolerance = MAX(wanted_size / 3, (size_t)1);

    if (wanted_size > size + tolerance || size > wanted_size + tolerance)
        return;
    distance = suggest_distance(s->wanted, name);
    if (distance <= tolerance && distance < s->best_distance) {
        s->best = result;
        s->best_distance = distance;
    }
}
