/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writer of the Prometheus text format, version 0.0.4. A family is begun once; all of its samples follow before the
 * next. Names are literals and right by themselves; label values are escaped. */

#include <stdint.h>
#include <stdio.h>

#include "base/histogram.h"

struct exposition {
    FILE *to;
    const char *name; /* of the family */
};

void exposition_begin(struct exposition *e, const char *name, const char *type, const char *help);

/* labels: pairs of name and value, ended by NULL; NULL: none. */
void exposition_sample(struct exposition *e, const char *const *labels, uint64_t value);
void exposition_signed(struct exposition *e, const char *const *labels, int64_t value);
void exposition_real(struct exposition *e, double value);

/* One histogram of nanoseconds, in seconds. */
void exposition_histogram_ns(struct exposition *e, const char *const *labels, const struct histogram *h);

/* A family with one sample. */
void exposition_counter(struct exposition *e, const char *name, const char *help, uint64_t value);
void exposition_gauge(struct exposition *e, const char *name, const char *help, uint64_t value);
