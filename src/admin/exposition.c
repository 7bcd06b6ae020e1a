/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admin/exposition.h"

#include <inttypes.h>

#include "base/util.h"

void exposition_begin(struct exposition *e, const char *name, const char *type, const char *help)
{
    e->name = name;
    fprintf(e->to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_value(FILE *to, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '\n') {
            fputs("\\n", to);
            continue;
        }
        if (*s == '\\' || *s == '"')
            fputc('\\', to);
        fputc(*s, to);
    }
}

/* le is the last label, or NULL. */
static void put_labels(FILE *to, const char *const *labels, const char *le)
{
    const char *before = "{";

    for (size_t i = 0; labels != NULL && labels[i] != NULL; i += 2) {
        fprintf(to, "%s%s=\"", before, labels[i]);
        put_value(to, labels[i + 1]);
        fputc('"', to);
        before = ",";
    }
    if (le != NULL) {
        fprintf(to, "%sle=\"%s\"", before, le);
        before = ",";
    }
    if (*before == ',')
        fputc('}', to);
}

static void put_sample(struct exposition *e, const char *suffix, const char *const *labels, const char *le,
                       uint64_t value)
{
    fprintf(e->to, "%s%s", e->name, suffix);
    put_labels(e->to, labels, le);
    fprintf(e->to, " %" PRIu64 "\n", value);
}

void exposition_sample(struct exposition *e, const char *const *labels, uint64_t value)
{
    put_sample(e, "", labels, NULL, value);
}

void exposition_signed(struct exposition *e, const char *const *labels, int64_t value)
{
    fputs(e->name, e->to);
    put_labels(e->to, labels, NULL);
    fprintf(e->to, " %" PRId64 "\n", value);
}

void exposition_real(struct exposition *e, double value)
{
    fprintf(e->to, "%s %.15g\n", e->name, value);
}

static const struct {
    uint64_t ns;
    const char *seconds;
} bounds[] = {
    { 50000, "5e-05" },    { 100000, "0.0001" },  { 250000, "0.00025" }, { 500000, "0.0005" },  { 1000000, "0.001" },
    { 2500000, "0.0025" }, { 5000000, "0.005" },  { 10000000, "0.01" },  { 25000000, "0.025" }, { 50000000, "0.05" },
    { 100000000, "0.1" },  { 250000000, "0.25" }, { 500000000, "0.5" },  { 1000000000, "1" },   { 2500000000, "2.5" },
    { 5000000000, "5" },   { 10000000000, "10" },
};

void exposition_histogram_ns(struct exposition *e, const char *const *labels, const struct histogram *h)
{
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++)
        put_sample(e, "_bucket", labels, bounds[i].seconds, histogram_count_to(h, bounds[i].ns));
    put_sample(e, "_bucket", labels, "+Inf", h->count);
    fprintf(e->to, "%s_sum", e->name);
    put_labels(e->to, labels, NULL);
    fprintf(e->to, " %.9f\n", (double)h->sum / 1e9);
    put_sample(e, "_count", labels, NULL, h->count);
}

void exposition_counter(struct exposition *e, const char *name, const char *help, uint64_t value)
{
    exposition_begin(e, name, "counter", help);
    exposition_sample(e, NULL, value);
}

void exposition_gauge(struct exposition *e, const char *name, const char *help, uint64_t value)
{
    exposition_begin(e, name, "gauge", help);
    exposition_sample(e, NULL, value);
}
