/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admin/exposition.h"
#include "admin/suites.h"
#include "base/util.h"
#include "support/rand.h"

static struct exposition e;
static char *text;
static size_t size;

static void setup(void)
{
    e = (struct exposition){ .to = open_memstream(&text, &size) };
}

static const char *end(void)
{
    fclose(e.to);
    return text;
}

static void teardown(void)
{
    free(text);
}

START_TEST(family)
{
    exposition_counter(&e, "n_total", "How many", 3);
    exposition_begin(&e, "g", "gauge", "What");
    exposition_signed(&e, NULL, -7);
    exposition_real(&e, 0.25);
    ck_assert_str_eq(end(), "# HELP n_total How many\n# TYPE n_total counter\nn_total 3\n"
                            "# HELP g What\n# TYPE g gauge\ng -7\ng 0.25\n");
}
END_TEST

START_TEST(labels_are_escaped)
{
    const char *labels[] = { "a", "x\\y\"z\nq", "b", "", NULL };

    e.name = "m";
    exposition_sample(&e, labels, UINT64_MAX);
    ck_assert_str_eq(end(), "m{a=\"x\\\\y\\\"z\\nq\",b=\"\"} 18446744073709551615\n");
}
END_TEST

START_TEST(histogram_is_cumulative)
{
    const char *labels[] = { "api", "Fetch", NULL };
    static struct histogram h;
    unsigned long long n, before = 0;
    unsigned n_buckets = 0;
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 1000; i++)
        histogram_add(&h, rand_below(&r, 20000000000));
    exposition_begin(&e, "d", "histogram", "Time");
    exposition_histogram_ns(&e, labels, &h);
    end();
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, "d_bucket{api=\"Fetch\",le=", 24) != 0)
            continue;
        n = strtoull(strrchr(line, ' '), NULL, 10);
        ck_assert_uint_ge(n, before);
        before = n;
        n_buckets++;
    }
    ck_assert_uint_eq(n_buckets, 18);
    ck_assert_uint_eq(before, 1000);
}
END_TEST

START_TEST(histogram_counts_seconds)
{
    static struct histogram h;

    histogram_add(&h, 1500000);    /* 1.5 ms */
    histogram_add(&h, 2000000000); /* 2 s */
    e.name = "d";
    exposition_histogram_ns(&e, NULL, &h);
    end();
    ck_assert_ptr_nonnull(strstr(text, "d_bucket{le=\"0.001\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(text, "d_bucket{le=\"0.0025\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(text, "d_bucket{le=\"2.5\"} 2\n"));
    ck_assert_ptr_nonnull(strstr(text, "d_bucket{le=\"+Inf\"} 2\nd_sum 2.001500000\nd_count 2\n"));
}
END_TEST

Suite *exposition_suite(void)
{
    Suite *s = suite_create("exposition");

    suite_add_with(s, family, setup, teardown);
    suite_add_with(s, labels_are_escaped, setup, teardown);
    suite_add_with(s, histogram_is_cumulative, setup, teardown);
    suite_add_with(s, histogram_counts_seconds, setup, teardown);
    return s;
}
