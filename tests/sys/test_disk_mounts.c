/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether all files are synced by one call, with real mounts: in a mount namespace of the test's process, which only
 * some may make. */

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "sys/disk.h"
#include "sys/suites.h"
#include "sys/temp_dir.h"

static struct temp_dir dir;
static char data[sizeof(dir.path) + 16], other[sizeof(dir.path) + 16];
static bool has_mounts;

static bool mount_memory(const char *at)
{
    return mount("none", at, "tmpfs", 0, "size=1m") == 0;
}

/* DIR/data and DIR/other are file systems of their own. */
static void setup(void)
{
    temp_dir_make(&dir);
    snprintf(data, sizeof(data), "%s/data", dir.path);
    snprintf(other, sizeof(other), "%s/other", dir.path);
    ck_assert_int_eq(mkdir(data, 0700), 0);
    ck_assert_int_eq(mkdir(other, 0700), 0);
    has_mounts = (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
                 mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount_memory(data) && mount_memory(other);
    ck_assert_msg(has_mounts || getenv("CI") == NULL, "this user can't mount anything");
    if (!has_mounts)
        fprintf(stderr, "SKIP disk_mounts: this user can't mount anything\n");
}

static void teardown(void)
{
    (void)umount2(data, MNT_DETACH);
    (void)umount2(other, MNT_DETACH);
    temp_dir_remove(&dir);
}

/* A file that is there or is made, and written. */
static void write_file(struct env_disk *d, const char *path)
{
    struct disk_file *f = NULL;

    ck_assert_int_eq(disk_open(d, path, DISK_WRITE | DISK_CREATE, &f), 0);
    ck_assert_int_eq(disk_pwrite(f, "x", 1, 0), 0);
    disk_close(f);
}

static struct env_disk *must_make(const char *path)
{
    struct env_disk *d = NULL;

    ck_assert_int_eq(sys_disk_new(path, &d), 0);
    return d;
}

static void expect_sync_fs(const char *path, int expected)
{
    struct env_disk *d = must_make(path);

    write_file(d, "f");
    ck_assert_int_eq(disk_sync_fs(d), expected);
    sys_disk_free(d);
}

static void make_path(char *to, size_t size, const char *in, const char *name)
{
    ck_assert_int_lt(snprintf(to, size, "%s/%s", in, name), (int)size);
}

START_TEST(a_file_system_of_its_own_is_synced_as_a_whole)
{
    struct env_disk *d;

    if (!has_mounts)
        return;
    d = must_make(data);
    write_file(d, "f");
    ck_assert_int_eq(disk_mkdir(d, "sub"), 0);
    write_file(d, "sub/f");
    ck_assert_int_eq(disk_sync_dir(d, "sub"), 0);
    ck_assert_int_eq(disk_sync_fs(d), 0);
    sys_disk_free(d);
}
END_TEST

/* What was linked to another disk isn't synced with the rest. */
static void with_a_part_elsewhere(const char *file)
{
    struct env_disk *d = must_make(data);

    write_file(d, "f");
    ck_assert_int_eq(disk_sync_fs(d), 0);
    write_file(d, file);
    ck_assert_int_eq(disk_sync_fs(d), -EOPNOTSUPP);
    write_file(d, "f");
    ck_assert_int_eq(disk_sync_fs(d), -EOPNOTSUPP);
    sys_disk_free(d);
}

static void make_dir(char *to, size_t size, const char *in, const char *name)
{
    make_path(to, size, in, name);
    ck_assert_int_eq(mkdir(to, 0700), 0);
}

static void mount_topics(void)
{
    char at[PATH_MAX];

    make_dir(at, sizeof(at), data, "topics");
    ck_assert(mount_memory(at));
}

START_TEST(a_link_to_another_disk)
{
    char link[PATH_MAX], target[PATH_MAX];

    if (!has_mounts)
        return;
    make_path(link, sizeof(link), data, "topics");
    ck_assert_ptr_nonnull(realpath(other, target));
    ck_assert_int_eq(symlink(target, link), 0);
    with_a_part_elsewhere("topics/f");
}
END_TEST

START_TEST(another_disk_mounted_below)
{
    if (!has_mounts)
        return;
    mount_topics();
    with_a_part_elsewhere("topics/f");
}
END_TEST

START_TEST(names_alone_on_another_disk)
{
    struct env_disk *d;

    if (!has_mounts)
        return;
    mount_topics();
    d = must_make(data);
    ck_assert_int_eq(disk_sync_fs(d), 0);
    ck_assert_int_eq(disk_sync_dir(d, "topics"), 0);
    ck_assert_int_eq(disk_sync_fs(d), -EOPNOTSUPP);
    sys_disk_free(d);
}
END_TEST

/* A directory of the other file system. */
static void mount_part(const char *at)
{
    char part[PATH_MAX];

    make_dir(part, sizeof(part), other, "part");
    ck_assert_int_eq(mount(part, at, NULL, MS_BIND, NULL), 0);
}

/* As a container sees a directory of the host: another file system than what is above it, and not its own either. */
START_TEST(a_part_of_a_file_system_mounted_by_itself)
{
    char at[PATH_MAX], below[PATH_MAX];

    if (!has_mounts)
        return;
    make_dir(at, sizeof(at), data, "a b");
    mount_part(at);
    expect_sync_fs(at, -EOPNOTSUPP);
    make_dir(below, sizeof(below), at, "below");
    expect_sync_fs(below, -EOPNOTSUPP);
}
END_TEST

/* Names that mountinfo writes with escapes, and mounts on top of each other: the one that is seen counts. */
START_TEST(odd_mount_points)
{
    char at[PATH_MAX];

    if (!has_mounts)
        return;
    make_dir(at, sizeof(at), data, "a \\040\t\n - b");
    ck_assert(mount_memory(at));
    expect_sync_fs(at, 0);
    mount_part(at);
    expect_sync_fs(at, -EOPNOTSUPP);
    ck_assert(mount_memory(at));
    expect_sync_fs(at, 0);
}
END_TEST

Suite *disk_mounts_suite(void)
{
    Suite *s = suite_create("disk_mounts");

    suite_add_with(s, a_file_system_of_its_own_is_synced_as_a_whole, setup, teardown);
    suite_add_with(s, a_link_to_another_disk, setup, teardown);
    suite_add_with(s, another_disk_mounted_below, setup, teardown);
    suite_add_with(s, names_alone_on_another_disk, setup, teardown);
    suite_add_with(s, a_part_of_a_file_system_mounted_by_itself, setup, teardown);
    suite_add_with(s, odd_mount_points, setup, teardown);
    return s;
}
