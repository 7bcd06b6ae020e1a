/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Mapped files, and what becomes of a page that can't be read. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "sys/disk.h"
#include "sys/suites.h"
#include "sys/temp_dir.h"
#include "sys/thread.h"

#define SIZE (3 * DISK_ALIGN + 100)

struct fixture {
    struct temp_dir dir;
    struct env_disk *disk;
    struct disk_file *file;
};

static void setup(struct fixture *fx)
{
    uint8_t *data = malloc(SIZE);

    temp_dir_make(&fx->dir);
    ck_assert_int_eq(sys_disk_new(fx->dir.path, &fx->disk), 0);
    ck_assert_int_eq(disk_open(fx->disk, "f", DISK_WRITE | DISK_CREATE, &fx->file), 0);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i % 251 + 1);
    ck_assert_int_eq(disk_pwrite(fx->file, data, SIZE, 0), 0);
    free(data);
}

static void teardown(struct fixture *fx)
{
    disk_close(fx->file);
    sys_disk_free(fx->disk);
    temp_dir_remove(&fx->dir);
}

static unsigned sum(const struct disk_map *m, size_t from)
{
    unsigned n = 0;

    for (size_t i = from; i < m->size; i++)
        n += *(const volatile uint8_t *)&m->data[i];
    return n;
}

START_TEST(the_whole_file)
{
    struct disk_map *m = NULL;
    struct fixture fx;

    setup(&fx);
    ck_assert_int_eq(disk_map(fx.file, &m), 0);
    ck_assert_uint_eq(m->size, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        ck_assert_uint_eq(m->data[i], i % 251 + 1);
    ck_assert_int_eq(disk_unmap(m), 0);
    ck_assert_int_eq(disk_truncate(fx.file, 0), 0);
    ck_assert_int_eq(disk_map(fx.file, &m), 0);
    ck_assert_uint_eq(m->size, 0);
    ck_assert_int_eq(disk_unmap(m), 0);
    teardown(&fx);
}
END_TEST

/* A file that is cut under its mapping raises what a sector that can't be read does. */
START_TEST(a_page_that_cant_be_read)
{
    struct disk_map *m, *sound;
    struct fixture fx;

    setup(&fx);
    ck_assert_int_eq(disk_map(fx.file, &m), 0);
    ck_assert_int_eq(disk_map(fx.file, &sound), 0);
    ck_assert_int_eq(disk_truncate(fx.file, DISK_ALIGN), 0);
    ck_assert_uint_eq(m->data[0], 1);
    ck_assert_uint_eq(sum(m, DISK_ALIGN), 0);
    ck_assert_uint_eq(sum(m, DISK_ALIGN), 0);
    ck_assert_int_eq(disk_unmap(sound), 0); /* nobody touched it there */
    ck_assert_int_eq(disk_unmap(m), -EIO);
    ck_assert_int_eq(disk_map(fx.file, &m), 0);
    ck_assert_uint_gt(sum(m, 0), 0);
    ck_assert_int_eq(disk_unmap(m), 0);
    teardown(&fx);
}
END_TEST

static void touch(void *ctx)
{
    (void)sum(ctx, 0);
}

START_TEST(in_any_thread)
{
    struct sys_thread threads[4] = { 0 };
    struct disk_map *maps[4];
    struct fixture fx;

    setup(&fx);
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
        ck_assert_int_eq(disk_map(fx.file, &maps[i]), 0);
    ck_assert_int_eq(disk_truncate(fx.file, 10), 0);
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
        ck_assert_int_eq(sys_thread_start(&threads[i], "touch", touch, maps[i]), 0);
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        sys_thread_join(&threads[i]);
        ck_assert_int_eq(disk_unmap(maps[i]), -EIO);
    }
    teardown(&fx);
}
END_TEST

START_TEST(many_at_once)
{
    struct disk_map *maps[65];
    struct fixture fx;
    int rc = 0;
    size_t n;

    setup(&fx);
    for (n = 0; n < ARRAY_SIZE(maps) && rc == 0; n += rc == 0)
        rc = disk_map(fx.file, &maps[n]);
    ck_assert_uint_eq(n, 64);
    ck_assert_int_eq(rc, -ENFILE);
    while (n > 0)
        ck_assert_int_eq(disk_unmap(maps[--n]), 0);
    teardown(&fx);
}
END_TEST

/* A mapping that isn't the disk's: the process ends as ever. */
START_TEST(another_bus_error_is_fatal)
{
    struct disk_map *m;
    struct fixture fx;
    uint8_t *other;

    signal(SIGBUS, SIG_DFL); /* a sanitizer's handler would end it in another way */
    setup(&fx);
    ck_assert_int_eq(disk_map(fx.file, &m), 0);
    other = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, disk_fd(fx.file), 0);
    ck_assert_ptr_ne(other, MAP_FAILED);
    ck_assert_int_eq(disk_truncate(fx.file, 0), 0);
    ck_assert_int_eq(disk_unmap(m), 0);
    temp_dir_remove(&fx.dir);
    (void)*(volatile uint8_t *)other;
    ck_abort_msg("alive");
}
END_TEST

START_TEST(a_signal_that_is_sent_is_fatal)
{
    struct disk_map *m;
    struct fixture fx;

    signal(SIGBUS, SIG_DFL); /* a sanitizer's handler would end it in another way */
    setup(&fx);
    ck_assert_int_eq(disk_map(fx.file, &m), 0);
    temp_dir_remove(&fx.dir);
    raise(SIGBUS);
    ck_abort_msg("alive");
}
END_TEST

Suite *disk_map_suite(void)
{
    Suite *s = suite_create("disk_map");
    TCase *fatal = tcase_create("fatal");

    suite_add(s, the_whole_file);
    suite_add(s, a_page_that_cant_be_read);
    suite_add(s, in_any_thread);
    suite_add(s, many_at_once);
    tcase_add_test_raise_signal(fatal, another_bus_error_is_fatal, SIGBUS);
    tcase_add_test_raise_signal(fatal, a_signal_that_is_sent_is_fatal, SIGBUS);
    suite_add_tcase(s, fatal);
    return s;
}
