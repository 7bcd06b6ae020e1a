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

/* X(bound in microseconds, the same in seconds as Prometheus is shown it) */
#define BOUNDS(X) \
    X(50, "5e-05") \
    X(100, "0.0001") \
    X(250, "0.00025") X(500, "0.0005") X(1000, "0.001") X(2500, "0.0025") X(5000, "0.005") X(10000, "0.01") \
        X(25000, "0.025") X(50000, "0.05") X(100000, "0.1") X(250000, "0.25") X(500000, "0.5") X(1000000, "1") \
            X(2500000, "2.5") X(5000000, "5") X(10000000, "10")

void exposition_histogram_ns(struct exposition *e, const char *const *labels, const struct histogram *h)
{
#define X(us, text) put_sample(e, "_bucket", labels, text, histogram_count_to(h, us * 1000ull));
    BOUNDS(X)
#undef X
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
