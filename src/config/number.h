/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers with units. Exact: what doesn't come out as a whole number of nanoseconds or bytes is refused. */

#include <stdint.h>

struct number_unit {
    const char *name; /* NULL ends the table */
    int64_t worth;
    const char *plural; /* for a manual; NULL: the name itself */
};

extern const struct number_unit number_duration_units[]; /* in ns, smallest first */
extern const struct number_unit number_size_units[];     /* in bytes */

/* All return 0, -EINVAL (not such a text), or -ERANGE (doesn't fit 64 bits). */
int number_parse_int(const char *text, int64_t *ret);
/* "1h30m", "1.5s", "10 ms". bare_unit: worth of a number without unit, 0: -ENODATA unless it is 0. */
int number_parse_duration(const char *text, int64_t bare_unit, int64_t *ret_ns);
int number_parse_size(const char *text, int64_t bare_unit, int64_t *ret_bytes);
