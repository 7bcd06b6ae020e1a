/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "sys/log_file.h"
#include "sys/suites.h"
#include "sys/temp_dir.h"

#define T0 1795526272123 /* 2026-11-24T13:17:52.123Z */
#define SIZE_MAX_BYTES 250
#define DAY_MS 86400000
#define MAX_NAMES 64

struct fixture {
    struct temp_dir dir;
    char path[4200];
    struct sys_log_options options;
    struct sys_log_file file;
    char *names[MAX_NAMES]; /* of the directory, sorted */
    int n_names;
};

static void forget_names(struct fixture *fx)
{
    for (int i = 0; i < fx->n_names; i++)
        free(fx->names[i]);
    fx->n_names = 0;
}

static void fixture_make(struct fixture *fx)
{
    memset(fx, 0, sizeof(*fx));
    temp_dir_make(&fx->dir);
    snprintf(fx->path, sizeof(fx->path), "%s/b1.log", fx->dir.path);
    fx->options = (struct sys_log_options){
        .file = fx->path, .max_size_bytes = SIZE_MAX_BYTES, .max_backups = -1, .max_age_ns = -1
    };
}

static void fixture_remove(struct fixture *fx)
{
    forget_names(fx);
    temp_dir_remove(&fx->dir);
}

#define FIXTURE \
    _cleanup_(fixture_remove) struct fixture fx; \
    fixture_make(&fx)

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_names(struct fixture *fx)
{
    DIR *dir = opendir(fx->dir.path);
    struct dirent *ent;

    forget_names(fx);
    while ((ent = readdir(dir)) != NULL)
        if (ent->d_name[0] != '.')
            fx->names[fx->n_names++] = xstrdup(ent->d_name);
    closedir(dir);
    qsort(fx->names, (size_t)fx->n_names, sizeof(char *), by_name);
}

static void touch(struct fixture *fx, const char *name, const char *content)
{
    FILE *f = fopen(temp_dir_path(&fx->dir, name), "w");

    ck_assert_ptr_nonnull(f);
    fputs(content, f);
    fclose(f);
}

static bool exists(struct fixture *fx, const char *name)
{
    return access(temp_dir_path(&fx->dir, name), F_OK) == 0;
}

/* Lines of 100 bytes, numbered, a second apart; closes the file and so waits for what became of the old ones. */
static void write_lines(struct fixture *fx, int n, int64_t step_ms)
{
    char line[101];

    ck_assert_int_eq(sys_log_file_open(&fx->file, &fx->options, NULL), 0);
    for (int i = 0; i < n; i++) {
        snprintf(line, sizeof(line), "%-98d.\n", i);
        ck_assert_int_eq(sys_log_file_write(&fx->file, line, 100, T0 + i * step_ms), 0);
    }
    sys_log_file_close(&fx->file);
}

/* The numbers of all lines of all files, oldest first (gzread() reads plain files too). */
static int read_back(struct fixture *fx, int first)
{
    char got[1000];
    int n = first;

    list_names(fx);
    for (int i = 0; i < fx->n_names; i++) {
        gzFile f = gzopen(temp_dir_path(&fx->dir, fx->names[i]), "rb");
        int size = gzread(f, got, sizeof(got));

        ck_assert_int_le(size, SIZE_MAX_BYTES);
        for (int at = 0; at < size; at += 100)
            ck_assert_int_eq(atoi(got + at), n++);
        gzclose(f);
    }
    return n;
}

START_TEST(puts_aside_what_has_grown)
{
    FIXTURE;

    write_lines(&fx, 11, 1000);
    ck_assert_int_eq(read_back(&fx, 0), 11);
    ck_assert_int_eq(fx.n_names, 6);
    ck_assert_str_eq(fx.names[0], "b1-2026-11-24T13-17-54.123.log"); /* when the third line came */
    ck_assert_str_eq(fx.names[5], "b1.log");
}
END_TEST

START_TEST(goes_on_where_it_was)
{
    FIXTURE;

    write_lines(&fx, 1, 0);
    write_lines(&fx, 2, 0); /* the second line of these is one too many */
    list_names(&fx);
    ck_assert_int_eq(fx.n_names, 2);
}
END_TEST

START_TEST(two_within_a_millisecond)
{
    FIXTURE;

    write_lines(&fx, 9, 0);
    list_names(&fx);
    ck_assert_int_eq(fx.n_names, 5);
    ck_assert_str_eq(fx.names[0], "b1-2026-11-24T13-17-52.123.log");
    ck_assert_str_eq(fx.names[3], "b1-2026-11-24T13-17-52.126.log");
}
END_TEST

START_TEST(a_line_larger_than_the_limit)
{
    char line[600];
    FIXTURE;

    memset(line, 'x', sizeof(line));
    ck_assert_int_eq(sys_log_file_open(&fx.file, &fx.options, NULL), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sys_log_file_write(&fx.file, line, sizeof(line), T0 + i), 0);
    sys_log_file_close(&fx.file);
    list_names(&fx);
    ck_assert_int_eq(fx.n_names, 3); /* one each, none empty */
}
END_TEST

/* Somebody removed it, or there was no room for a new one the last time. */
START_TEST(a_file_whose_name_is_gone)
{
    char line[101];
    FIXTURE;

    ck_assert_int_eq(sys_log_file_open(&fx.file, &fx.options, NULL), 0);
    for (int i = 0; i < 8; i++) {
        if (i == 1)
            ck_assert_int_eq(unlink(fx.path), 0);
        snprintf(line, sizeof(line), "%-98d.\n", i);
        ck_assert_int_eq(sys_log_file_write(&fx.file, line, 100, T0 + i), 0);
    }
    sys_log_file_close(&fx.file);
    ck_assert_int_eq(read_back(&fx, 2), 8);
    ck_assert_int_eq(fx.n_names, 3);
}
END_TEST

START_TEST(keeps_as_many_as_told)
{
    FIXTURE;

    fx.options.max_backups = 2;
    write_lines(&fx, 11, 1000);
    ck_assert_int_eq(read_back(&fx, 6), 11);
    ck_assert_int_eq(fx.n_names, 3);
    fx.options.max_backups = 0;
    write_lines(&fx, 1, 0);
    list_names(&fx);
    ck_assert_int_eq(fx.n_names, 1);
}
END_TEST

START_TEST(compresses)
{
    FIXTURE;

    fx.options.compress = true;
    write_lines(&fx, 11, 1000);
    ck_assert_int_eq(read_back(&fx, 0), 11);
    ck_assert_int_eq(fx.n_names, 6);
    ck_assert_str_eq(fx.names[0], "b1-2026-11-24T13-17-54.123.log.gz");
    ck_assert_str_eq(fx.names[4], "b1-2026-11-24T13-18-02.123.log.gz");
    ck_assert_str_eq(fx.names[5], "b1.log");
    for (int i = 0; i < 5; i++) {
        unsigned char magic[2];
        int fd = open(temp_dir_path(&fx.dir, fx.names[i]), O_RDONLY);

        ck_assert_int_eq(read(fd, magic, 2), 2);
        ck_assert_int_eq(magic[0], 0x1f);
        ck_assert_int_eq(magic[1], 0x8b);
        close(fd);
    }
}
END_TEST

START_TEST(finishes_what_a_crash_left)
{
    struct sys_log_tidy t;
    FIXTURE;

    t = (struct sys_log_tidy){ .dir = fx.dir.path,
                               .stem = (char *)"b1",
                               .ext = (char *)".log",
                               .max_backups = -1,
                               .max_age_ns = -1,
                               .compress = true };
    touch(&fx, "b1-2026-11-24T13-17-54.123.log", "whole");
    touch(&fx, "b1-2026-11-24T13-17-54.123.log.gz.new", "half");
    sys_log_tidy_run(&t, T0);
    list_names(&fx);
    ck_assert_int_eq(fx.n_names, 1);
    ck_assert_str_eq(fx.names[0], "b1-2026-11-24T13-17-54.123.log.gz");
}
END_TEST

START_TEST(removes_by_age_and_only_its_own)
{
    static const char *const others[] = {
        "b1.log",
        "b1.log.1",
        "b1-notes.log",
        "b1-2026-11-24.log",
        "b12-2020-01-01T00-00-00.000.log",
        "b1-2020-01-01T00-00-00.000.txt",
        "b1-2020-01-01T00-00-00.000.log.bak",
        "b1-2020-01-01T00:00:00.000.log",
    };
    struct sys_log_tidy t;
    FIXTURE;

    t = (struct sys_log_tidy){ .dir = fx.dir.path,
                               .stem = (char *)"b1",
                               .ext = (char *)".log",
                               .max_backups = -1,
                               .max_age_ns = (int64_t)DAY_MS * 1000000 };
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        touch(&fx, others[i], "x");
    touch(&fx, "b1-2026-11-23T13-17-52.122.log", "x"); /* older than a day, by a millisecond */
    touch(&fx, "b1-2026-11-23T13-17-52.122.log.gz", "x");
    touch(&fx, "b1-2026-11-23T13-17-52.123.log", "x");
    sys_log_tidy_run(&t, T0);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        ck_assert_msg(exists(&fx, others[i]), "%s", others[i]);
    ck_assert(!exists(&fx, "b1-2026-11-23T13-17-52.122.log"));
    ck_assert(!exists(&fx, "b1-2026-11-23T13-17-52.122.log.gz"));
    ck_assert(exists(&fx, "b1-2026-11-23T13-17-52.123.log"));
}
END_TEST

START_TEST(names_without_an_extension)
{
    FIXTURE;

    snprintf(fx.path, sizeof(fx.path), "%s/log", fx.dir.path);
    write_lines(&fx, 5, 1000);
    list_names(&fx);
    ck_assert_int_eq(fx.n_names, 3);
    ck_assert_str_eq(fx.names[2], "log-2026-11-24T13-17-56.123");
}
END_TEST

Suite *log_file_suite(void)
{
    Suite *s = suite_create("log_file");

    suite_add(s, puts_aside_what_has_grown);
    suite_add(s, goes_on_where_it_was);
    suite_add(s, two_within_a_millisecond);
    suite_add(s, a_line_larger_than_the_limit);
    suite_add(s, a_file_whose_name_is_gone);
    suite_add(s, keeps_as_many_as_told);
    suite_add(s, compresses);
    suite_add(s, finishes_what_a_crash_left);
    suite_add(s, removes_by_age_and_only_its_own);
    suite_add(s, names_without_an_extension);
    return s;
}
