/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /metrics of the sample, held against metrics.txt. Where a change is meant, GQ_REWRITE=1 writes that file anew. */
#include <stdio.h>

#include "admin/sample.h"
#include "admin/suites.h"

static const char golden[] = TEST_DATA "/metrics.txt";

static char *render(struct sample *s)
{
    unsigned status = 0;
    size_t size = 0;
    char *text = metrics_text(&s->figures, &status, &size);

    ck_assert_uint_eq(status, 200);
    ck_assert_uint_eq(size, strlen(text));
    return text;
}

/* The file holds @VERSION@ for the version. */
static char *hide_version(const char *text)
{
    const char *p = strstr(text, "version=\"" PACKAGE_VERSION "\"");

    ck_assert_ptr_nonnull(p);
    p += strlen("version=\"");
    return xasprintf("%.*s@VERSION@%s", (int)(p - text), text, p + strlen(PACKAGE_VERSION));
}

static void write_golden(const char *text)
{
    FILE *f = fopen(golden, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

/* Line by line, so that a difference can be read. */
static void compare_with_golden(const char *text)
{
    FILE *f = fopen(golden, "r");
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;

    ck_assert_msg(f != NULL, "%s can't be read", golden);
    while ((n = getline(&line, &capacity, f)) > 0) {
        ck_assert_msg(strncmp(text, line, (size_t)n) == 0, "metrics.txt has\n%sand now it is\n%.*s", line,
                      (int)strcspn(text, "\n"), text);
        text += n;
    }
    ck_assert_str_eq(text, "");
    free(line);
    fclose(f);
}

START_TEST(as_in_the_file)
{
    struct sample s;
    char *text, *hidden;

    sample_init(&s);
    text = render(&s);
    hidden = hide_version(text);
    if (getenv("GQ_REWRITE") != NULL)
        write_golden(hidden);
    compare_with_golden(hidden);
    free(hidden);
    free(text);
    sample_fini(&s);
}
END_TEST

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        n++;
    return n;
}

START_TEST(partitions_are_bounded)
{
    struct sample s;
    char *text;

    sample_init(&s);
    s.figures.max_partitions = 2;
    text = render(&s);
    ck_assert_uint_eq(count(text, "goqueue_partition_high_watermark{"), 2);
    ck_assert_ptr_nonnull(strstr(text, "goqueue_partition_high_watermark{topic=\"orders\",partition=\"1\"} 61\n"));
    ck_assert_ptr_null(strstr(text, "a.b-c"));
    ck_assert_ptr_nonnull(strstr(text, "\ngoqueue_partitions_not_shown 1\n"));
    ck_assert_ptr_nonnull(strstr(text, "\ngoqueue_partitions 3\n"));
    free(text);
    sample_fini(&s);
}
END_TEST

/* No family may be begun without samples; an empty node has no partitions. */
START_TEST(empty_node)
{
    static struct node_report empty;
    struct sample s;
    char *text;

    sample_init(&s);
    s.figures.report = &empty;
    text = render(&s);
    ck_assert_ptr_null(strstr(text, "goqueue_partition_"));
    ck_assert_ptr_null(strstr(text, "goqueue_links_"));
    ck_assert_ptr_nonnull(strstr(text, "\ngoqueue_ready 0\n"));
    free(text);
    sample_fini(&s);
}
END_TEST

START_TEST(process_tells_of_itself)
{
    struct process_figures p;

    process_read(&p);
    ck_assert_uint_gt(p.resident_bytes, 0);
    ck_assert_uint_gt(p.virtual_bytes, p.resident_bytes);
    ck_assert_uint_ge(p.open_fds, 1);
    ck_assert_uint_ge(p.max_fds, p.open_fds);
    ck_assert(process_start_seconds() > 1.6e9);
}
END_TEST

Suite *metrics_suite(void)
{
    Suite *s = suite_create("metrics");

    suite_add(s, as_in_the_file);
    suite_add(s, partitions_are_bounded);
    suite_add(s, empty_node);
    suite_add(s, process_tells_of_itself);
    return s;
}
