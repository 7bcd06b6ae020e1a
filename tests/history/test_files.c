/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hand-made histories: those in good/ have no anomaly; those in bad/ say in their first lines which they have, and
 * on which lines; those in malformed/ say where they are refused. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

#include "history/history.h"
#include "history/suites.h"

#define MAX_FILES 100
#define MAX_TEXT 65536

static char names[MAX_FILES][1024];
static size_t n_names;

static void list_files(const char *directory)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s", TEST_DATA, directory);
    DIR *dir = opendir(path);
    struct dirent *ent;

    ck_assert_msg(dir != NULL, "no directory %s", path);
    n_names = 0;
    while ((ent = readdir(dir)) != NULL) {
        if (strstr(ent->d_name, ".txt") == NULL)
            continue;
        ck_assert(n_names < MAX_FILES);
        snprintf(names[n_names++], sizeof(names[0]), "%s/%s/%s", TEST_DATA, directory, ent->d_name);
    }
    closedir(dir);
    ck_assert(n_names > 0);
}

static size_t read_file(const char *path, char *text)
{
    FILE *f = fopen(path, "r");
    size_t n;

    ck_assert_msg(f != NULL, "%s", path);
    n = fread(text, 1, MAX_TEXT - 1, f);
    fclose(f);
    text[n] = '\0';
    return n;
}

/* The line of the text that begins with this, without it, or "". */
static void line_after(const char *text, const char *head, char *ret, size_t size)
{
    const char *at = strstr(text, head);

    ret[0] = '\0';
    if (at != NULL)
        snprintf(ret, size, "%.*s", (int)strcspn(at + strlen(head), "\n"), at + strlen(head));
}

/* Judged, in pieces of a few bytes, or of one large one. NULL: refused, with the error. */
static struct history *judge(const char *text, size_t size, size_t piece, struct history_error *err)
{
    struct history_rules rules = { .serial_writes = strstr(text, "# rules: serial-writes") != NULL };
    struct history *h = history_new(&rules);
    struct history_reader reader;
    int r = 0;

    history_reader_init(&reader, h);
    for (size_t i = 0; r == 0 && i < size; i += piece)
        r = history_reader_feed(&reader, text + i, MIN(piece, size - i), err);
    if (r == 0)
        r = history_reader_end(&reader, err);
    history_reader_fini(&reader);
    if (r == 0) {
        history_judge(h);
        return h;
    }
    ck_assert_int_eq(r, -EINVAL);
    history_free(h);
    return NULL;
}

/* "NAME LINE LINE; NAME ..." */
static void describe(const struct history *h, char *ret, size_t size)
{
    const struct history_finding *f;
    size_t n, used = 0;

    ret[0] = '\0';
    f = history_findings(h, &n);
    for (size_t i = 0; i < n; i++) {
        used +=
            (size_t)snprintf(ret + used, size - used, "%s%s", i > 0 ? "; " : "", history_anomaly_name(f[i].anomaly));
        for (uint32_t j = 0; j < f[i].n_lines; j++)
            used += (size_t)snprintf(ret + used, size - used, " %" PRIu32, f[i].lines[j]);
        ck_assert(f[i].text[0] != '\0');
    }
}

static void check_file(const char *path)
{
    static const size_t pieces[] = { MAX_TEXT, 1, 7 };
    static char text[MAX_TEXT];
    char expected[1024], found[4096];
    size_t size = read_file(path, text);

    line_after(text, "# expect: ", expected, sizeof(expected));
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        struct history_error err;
        struct history *h = judge(text, size, pieces[i], &err);

        ck_assert_msg(h != NULL, "%s:%u:%u: %s", path, err.line, err.column, err.text.text);
        describe(h, found, sizeof(found));
        ck_assert_msg(strcmp(found, expected) == 0, "%s has '%s' and should have '%s'", path, found, expected);
        history_free(h);
    }
}

START_TEST(good_ones_are_good)
{
    list_files("good");
    for (size_t i = 0; i < n_names; i++) {
        static char text[MAX_TEXT];

        read_file(names[i], text);
        ck_assert_msg(strstr(text, "# expect: ") == NULL, "%s", names[i]);
        check_file(names[i]);
    }
}
END_TEST

START_TEST(bad_ones_are_found)
{
    list_files("bad");
    for (size_t i = 0; i < n_names; i++) {
        static char text[MAX_TEXT];

        read_file(names[i], text);
        ck_assert_msg(strncmp(text, "# expect: ", 10) == 0, "%s", names[i]);
        check_file(names[i]);
    }
}
END_TEST

/* A file of its name, and one of the good ones that comes as close as can be. */
START_TEST(every_anomaly_has_two_files)
{
    for (int i = 0; i < HISTORY_N_ANOMALIES; i++) {
        const char *name = history_anomaly_name((enum history_anomaly)i);
        _cleanup_(freep) char *bad = xasprintf("%s/bad/%s.txt", TEST_DATA, name);
        _cleanup_(freep) char *good = xasprintf("%s/good/%s.txt", TEST_DATA, name);
        static char text[MAX_TEXT];
        char expected[1024];

        read_file(bad, text);
        line_after(text, "# expect: ", expected, sizeof(expected));
        ck_assert_msg(strncmp(expected, name, strlen(name)) == 0 && expected[strlen(name)] == ' ', "%s", bad);
        ck_assert_uint_gt(read_file(good, text), 0);
        ck_assert(history_anomaly_meaning((enum history_anomaly)i)[0] != '\0');
    }
}
END_TEST

START_TEST(everything_is_documented)
{
    static const char *const verbs[] = {
#define X(id, name) "`" name,
        HISTORY_VERBS(X)
#undef X
    };
    static char text[MAX_TEXT];

    read_file(FORMAT_PAGE, text);
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        ck_assert_msg(strstr(text, verbs[i]) != NULL, "%s`", verbs[i]);
    for (int i = 0; i < HISTORY_N_ANOMALIES; i++) {
        _cleanup_(freep) char *row = xasprintf("\n| `%s` | ", history_anomaly_name((enum history_anomaly)i));

        ck_assert_msg(strstr(text, row) != NULL, "%s", row);
    }
}
END_TEST

START_TEST(malformed_ones_are_refused)
{
    list_files("malformed");
    for (size_t i = 0; i < n_names; i++) {
        static char text[MAX_TEXT];
        char expected[1024];
        size_t size = read_file(names[i], text);
        unsigned line, column;
        int words;

        line_after(text, "# error: ", expected, sizeof(expected));
        ck_assert_msg(sscanf(expected, "%u:%u %n", &line, &column, &words) == 2, "%s", names[i]);
        for (size_t piece = 1; piece < MAX_TEXT; piece *= 16) {
            struct history_error err;
            struct history *h = judge(text, size, piece, &err);

            ck_assert_msg(h == NULL, "%s is taken", names[i]);
            ck_assert_msg(err.line == line && err.column == column && strstr(err.text.text, expected + words) != NULL,
                          "%s: %u:%u %s, and %s was expected", names[i], err.line, err.column, err.text.text, expected);
        }
    }
}
END_TEST

Suite *files_suite(void)
{
    Suite *s = suite_create("files");

    suite_add(s, good_ones_are_good);
    suite_add(s, bad_ones_are_found);
    suite_add(s, every_anomaly_has_two_files);
    suite_add(s, everything_is_documented);
    suite_add(s, malformed_ones_are_refused);
    return s;
}
