/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files as people write them: the guide's own, and tests/config/bad/ with the exact errors in their comments. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/keys.h"
#include "config/suites.h"

#define EXPECT "# expect: "
#define MANY "# expect: (20 of 25 errors)"

/* The whole file, malloc'd, with a NUL behind it. */
static char *slurp(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "rb");
    char *data = xcalloc(1, 1 << 20);

    ck_assert_msg(f != NULL, "%s", path);
    *ret_size = fread(data, 1, (1 << 20) - 1, f);
    fclose(f);
    return data;
}

static char *data_path(const char *name)
{
    return xasprintf("%s/%s", TEST_DATA, name);
}

/* Everything that the report must say, line by line as the comments do. */
static void check_expected(const char *name, const char *data, size_t size, const struct config_report *report)
{
    size_t n = 0;

    for (const char *p = data; p < data + size; p++) {
        const char *end = memchr(p, '\n', (size_t)(data + size - p));
        char line[512];

        if (end == NULL)
            end = data + size;
        if ((size_t)(end - p) > strlen(EXPECT) && memcmp(p, EXPECT, strlen(EXPECT)) == 0) {
            snprintf(line, sizeof(line), "%.*s", (int)(end - p - (ptrdiff_t)strlen(EXPECT)), p + strlen(EXPECT));
            ck_assert_msg(n < report->n_errors, "%s: no error, but expected: %s", name, line);
            ck_assert_str_eq(report->errors[n], line);
            n++;
        }
        p = end;
    }
    ck_assert_msg(n > 0, "%s expects nothing", name);
    ck_assert_msg(n == report->n_errors, "%s: %s", name, report->errors[n]);
}

static void check_bad_file(const char *name)
{
    struct config_report report;
    struct config c;
    char *path = xasprintf("%s/bad/%s", TEST_DATA, name), *data;
    size_t size;

    data = slurp(path, &size);
    config_init(&c);
    config_report_init(&report);
    config_read(&c, "broker.yaml", data, size, &report);
    ck_assert_int_ne(config_finish(&c, &report) + (int)report.n_errors, 0);
    if (strncmp(data, MANY, strlen(MANY)) == 0) {
        ck_assert_uint_eq(report.n_errors, CONFIG_ERRORS_MAX);
        ck_assert_uint_eq(report.n_more_errors, 5);
    } else {
        check_expected(name, data, size, &report);
        ck_assert_uint_eq(report.n_more_errors, 0);
    }
    config_report_fini(&report);
    config_fini(&c);
    free(data);
    free(path);
}

START_TEST(bad_files_get_exact_errors)
{
    char *path = data_path("bad");
    DIR *dir = opendir(path);
    const struct dirent *ent;
    size_t n = 0;

    ck_assert_ptr_nonnull(dir);
    while ((ent = readdir(dir)) != NULL) {
        if (ent->d_name[0] == '.')
            continue;
        check_bad_file(ent->d_name);
        n++;
    }
    closedir(dir);
    free(path);
    ck_assert_uint_ge(n, 25);
}
END_TEST

static void load_good(const char *name, struct config *c, struct config_report *report)
{
    char *path = data_path(name), *data;
    size_t size;

    data = slurp(path, &size);
    config_init(c);
    config_report_init(report);
    config_read(c, "broker.yaml", data, size, report);
    config_finish(c, report);
    ck_assert_msg(report->n_errors == 0, "%s", report->errors[0]);
    free(data);
    free(path);
}

static void check_warnings(const struct config_report *report, const char *const *expected, size_t n)
{
    for (size_t i = 0; i < MIN(n, report->n_warnings); i++)
        ck_assert_str_eq(report->warnings[i], expected[i]);
    ck_assert_uint_eq(report->n_warnings, n);
}

START_TEST(the_guide_starts_a_broker_as_it_stands)
{
    static const char *const expected[] = {
        "broker.yaml:36: compression_enabled has no effect yet",
        "broker.yaml:37: compression_type has no effect yet",
        "broker.yaml:39: deduplication_enabled has no effect yet",
        "broker.yaml:9: raft.rtt_millisecond has no effect yet",
        "broker.yaml:11: raft.election_rtt has no effect yet",
        "broker.yaml:3: bind_addr: 0.0.0.0 can be reached from other machines, and clients are not authenticated",
    };
    struct config_report report;
    struct config c;

    load_good("guide-broker.yaml", &c, &report);
    check_warnings(&report, expected, ARRAY_SIZE(expected));
    ck_assert_str_eq(c.node_id, "broker-1");
    ck_assert_str_eq(c.data_dir, "./data/broker-1");
    ck_assert_int_eq(c.raft.rtt_ns, 200 * VALUE_MSEC);
    ck_assert_int_eq(c.raft.max_in_mem_log_size_bytes, 64 * VALUE_MIB);
    ck_assert_int_eq(c.discovery.timeout_ns, 5 * VALUE_SEC);
    ck_assert_int_eq(c.performance.batch_timeout_ns, 10 * VALUE_MSEC);
    ck_assert_int_eq(c.performance.connection_idle_timeout_ns, 5 * VALUE_MINUTE);
    ck_assert_int_eq(c.compression_type, CONFIG_COMPRESSION_SNAPPY);
    ck_assert_int_eq(c.deduplication_ttl_ns, 24 * VALUE_HOUR);
    config_report_fini(&report);
    config_fini(&c);
}
END_TEST

START_TEST(the_guide_s_tuning_is_taken)
{
    static const char *const expected[] = {
        "broker.yaml:17: performance.compression_type has no effect yet",
        "broker.yaml:18: performance.compression_threshold has no effect yet",
    };
    struct config_report report;
    struct config c;

    load_good("guide-tuning.yaml", &c, &report);
    check_warnings(&report, expected, ARRAY_SIZE(expected));
    ck_assert_int_eq(c.performance.max_batch_bytes, 10 * VALUE_MIB);
    ck_assert_int_eq(c.logging.max_size_bytes, 100 * VALUE_MIB);
    ck_assert_int_eq(c.logging.max_age_ns, 30 * VALUE_DAY);
    ck_assert(c.logging.compress);
    ck_assert_int_eq(c.compression_type, CONFIG_COMPRESSION_SNAPPY); /* from its older spelling */
    config_report_fini(&report);
    config_fini(&c);
}
END_TEST

START_TEST(the_example_is_fine)
{
    struct config_report report;
    struct config c;
    char *path = data_path("../../docs/examples/broker1.yaml"), *data;
    size_t size;

    data = slurp(path, &size);
    config_init(&c);
    config_report_init(&report);
    ck_assert_int_eq(config_read(&c, "broker1.yaml", data, size, &report), 0);
    c.node_id = xstrdup("broker1"); /* as the unit does */
    ck_assert_int_eq(config_finish(&c, &report), 0);
    ck_assert_uint_eq(report.n_warnings, 0);
    ck_assert_str_eq(c.bind_addr, "127.0.0.1");
    free(data);
    free(path);
    config_report_fini(&report);
    config_fini(&c);
}
END_TEST

static void read_text(const char *yaml, struct config *c, struct config_report *report)
{
    config_init(c);
    config_report_init(report);
    config_read(c, "f", yaml, strlen(yaml), report);
}

START_TEST(files_with_nothing_in_them_are_fine)
{
    static const char *const texts[] = {
        "",       "\n",          "# only a comment\n",          "---\n",
        "---\n~", "--- {}\n...", "performance:\n  # nothing\n", "\xef\xbb\xbf# a BOM\n"
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct config_report report;
        struct config c;

        read_text(texts[i], &c, &report);
        ck_assert_msg(report.n_errors == 0, "'%s': %s", texts[i], report.errors[0]);
        config_report_fini(&report);
        config_fini(&c);
    }
}
END_TEST

START_TEST(a_good_key_beside_a_bad_one_is_set)
{
    struct config_report report;
    struct config c;

    read_text("bind_port: x\nnum_partitions: 4\n", &c, &report);
    ck_assert_uint_eq(report.n_errors, 1);
    ck_assert_int_eq(c.bind_port, 9092);
    ck_assert_int_eq(c.num_partitions, 4);
    config_report_fini(&report);
    config_fini(&c);
}
END_TEST

START_TEST(a_file_that_is_too_large)
{
    size_t size = (1 << 20) + 1;
    struct config_report report;
    char *data = xmalloc(size);
    struct config c;

    memset(data, '#', size);
    config_init(&c);
    config_report_init(&report);
    ck_assert_int_eq(config_read(&c, "f", data, size, &report), CONFIG_E_INVALID);
    ck_assert_str_eq(report.errors[0], "f:1: the file is larger than 1048576 bytes");
    ck_assert_int_eq(config_read(&c, "f", data, size - 1, &report), 0);
    free(data);
    config_report_fini(&report);
    config_fini(&c);
}
END_TEST

START_TEST(a_list_that_is_too_long)
{
    struct config_report report;
    char *yaml = xcalloc(1, 32768), *p = yaml;
    struct config c;

    p += sprintf(p, "discovery:\n endpoints:\n");
    for (int i = 0; i <= CONFIG_LIST_MAX; i++)
        p += sprintf(p, " - a:1\n");
    read_text(yaml, &c, &report);
    ck_assert_uint_eq(report.n_errors, 1);
    ck_assert_str_eq(report.errors[0], "f:1027: discovery.endpoints: more than 1024 items");
    ck_assert_uint_eq(c.discovery.endpoints.n, CONFIG_LIST_MAX);
    free(yaml);
    config_report_fini(&report);
    config_fini(&c);
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
    struct config_report report;
    struct config c;

    config_init(&c);
    config_report_init(&report);
    ck_assert_int_eq(config_read_file(&c, "/nonexistent/broker.yaml", &report), CONFIG_E_INVALID);
    ck_assert_str_eq(report.errors[0],
                     "/nonexistent/broker.yaml: the configuration file can't be read: No such file or directory");
    ck_assert_int_eq(config_read_file(&c, "/", &report), CONFIG_E_INVALID);
    ck_assert_str_eq(report.errors[1], "/: the configuration file can't be read: Is a directory");
    config_report_fini(&report);
    config_fini(&c);
}
END_TEST

Suite *yaml_suite(void)
{
    Suite *s = suite_create("yaml");

    suite_add(s, bad_files_get_exact_errors);
    suite_add(s, the_guide_starts_a_broker_as_it_stands);
    suite_add(s, the_guide_s_tuning_is_taken);
    suite_add(s, the_example_is_fine);
    suite_add(s, files_with_nothing_in_them_are_fine);
    suite_add(s, a_good_key_beside_a_bad_one_is_set);
    suite_add(s, a_file_that_is_too_large);
    suite_add(s, a_list_that_is_too_long);
    suite_add(s, files_that_cannot_be_read);
    return s;
}
