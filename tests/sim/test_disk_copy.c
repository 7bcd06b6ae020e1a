/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "base/util.h"
#include "sim/disk.h"
#include "sim/suites.h"
#include "support/rand.h"

#define MAX_UNITS 64

static struct sim_disk *disk;
static struct env_disk *env;

static void setup(void)
{
    disk = sim_disk_new(NULL);
    env = sim_disk_env(disk);
}

static void teardown(void)
{
    sim_disk_free(disk);
}

static struct disk_file *open_file(const char *path)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(env, path, DISK_WRITE | DISK_CREATE, &f), 0);
    return f;
}

static void fill(struct disk_file *f, char byte, size_t size, uint64_t offset)
{
    _cleanup_(freep) char *data = xmalloc(size);

    memset(data, byte, size);
    ck_assert_int_eq(disk_pwrite(f, data, size, offset), 0);
}

/* The first byte of each sector as one text; "?" when the file isn't there. */
static const char *sectors(struct sim_disk *d, const char *path)
{
    static char text[100];
    struct disk_file *f;
    size_t n = 0;
    char c;

    if (disk_open(sim_disk_env(d), path, DISK_READ, &f) < 0)
        return "?";
    while (disk_pread(f, &c, 1, n * SIM_DISK_SECTOR) == 1)
        text[n++] = c != 0 ? c : '0';
    text[n] = '\0';
    disk_close(f);
    return text;
}

static struct sim_disk *image_of(uint64_t mask)
{
    bool keep[MAX_UNITS];

    ck_assert_uint_le(sim_disk_units(disk), MAX_UNITS);
    for (size_t i = 0; i < MAX_UNITS; i++)
        keep[i] = (mask >> i & 1) != 0;
    return sim_disk_image_with(disk, keep, NULL);
}

static void check_unit(size_t unit, const char *expected)
{
    _cleanup_(freep) char *text = sim_disk_unit_text(disk, unit);

    ck_assert_str_eq(text, expected);
}

/* Overwritten, grown and renamed: four units, each by itself. */
START_TEST(every_subset_can_be_had)
{
    struct disk_file *f = open_file("f");

    fill(f, 'a', 1024, 0);
    disk_sync_data(f);
    disk_sync_dir(env, "");
    fill(f, 'b', 512, 512);
    fill(f, 'c', 512, 1024);
    disk_rename(env, "f", "g");
    disk_close(f);
    ck_assert_uint_eq(sim_disk_units(disk), 4);
    check_unit(0, "name ./g renamed from f");
    check_unit(1, "bytes 512 of g");
    check_unit(2, "bytes 1024 of g");
    check_unit(3, "size of g");
    for (uint64_t mask = 0; mask < 16; mask++) {
        struct sim_disk *image = image_of(mask);
        char expected[4] = { 'a', 'a', '\0', '\0' };

        if ((mask & 2) != 0)
            expected[1] = 'b';
        if ((mask & 8) != 0)
            expected[2] = (mask & 4) != 0 ? 'c' : '0';
        ck_assert_str_eq(sectors(image, (mask & 1) != 0 ? "g" : "f"), expected);
        ck_assert_str_eq(sectors(image, (mask & 1) != 0 ? "f" : "g"), "?");
        ck_assert_uint_eq(sim_disk_units(image), 0);
        sim_disk_free(image);
    }
    ck_assert_str_eq(sectors(disk, "g"), "abc");
}
END_TEST

/* What a crash can't change is no unit. */
START_TEST(what_makes_no_difference_is_no_unit)
{
    struct disk_file *f = open_file("f"), *gone = open_file("gone");

    fill(f, 0, 8192, 0);
    disk_sync_data(f);
    fill(gone, 'x', 4096, 0);
    disk_sync_data(gone);
    disk_sync_dir(env, "");
    fill(f, 0, 4096, 0);     /* as before */
    fill(f, 'a', 100, 4096); /* one sector, written twice */
    fill(f, 'b', 100, 4196);
    disk_unlink(env, "gone");
    disk_sync_dir(env, "");
    fill(gone, 'y', 4096, 0); /* no crash brings it back */
    ck_assert_uint_eq(sim_disk_units(disk), 1);
    check_unit(0, "bytes 4096 of f");
    disk_close(f);
    disk_close(gone);
}
END_TEST

START_TEST(a_lost_name_takes_its_file_along)
{
    struct disk_file *f;
    struct sim_disk *image;

    disk_mkdir(env, "d");
    f = open_file("d/f");
    fill(f, 'a', 512, 0);
    disk_close(f);
    ck_assert_uint_eq(sim_disk_units(disk), 4);
    image = image_of(0xe); /* all but the directory */
    ck_assert_str_eq(sectors(image, "d/f"), "?");
    ck_assert_int_eq(disk_mkdir(sim_disk_env(image), "d"), 0);
    ck_assert_str_eq(sectors(image, "d/f"), "?");
    sim_disk_free(image);
    image = image_of(0xf);
    ck_assert_str_eq(sectors(image, "d/f"), "a");
    sim_disk_free(image);
}
END_TEST

/* What a failed sync lost is none of the units: no crash brings it to the medium. */
START_TEST(lost_sectors_are_no_units)
{
    struct disk_file *f = open_file("f");
    struct sim_disk *image;

    fill(f, 'a', 1024, 0);
    disk_sync_data(f);
    disk_sync_dir(env, "");
    fill(f, 'b', 512, 0);
    sim_disk_fail(disk, SIM_DISK_SYNC_DATA, 0, 1, -EIO);
    ck_assert_int_eq(disk_sync_data(f), -EIO);
    fill(f, 'c', 512, 512);
    ck_assert_uint_eq(sim_disk_units(disk), 1);
    image = image_of(1);
    ck_assert_str_eq(sectors(image, "f"), "ac");
    sim_disk_free(image);
    ck_assert_str_eq(sectors(disk, "f"), "bc");
    disk_close(f);
}
END_TEST

static void write_something(struct rand *r)
{
    char path[8] = { (char)('a' + rand_below(r, 3)), '\0' }, other[8] = { (char)('a' + rand_below(r, 3)), '\0' };
    struct disk_file *f;

    switch (rand_below(r, 6)) {
    case 0:
        disk_unlink(env, path);
        break;
    case 1:
        disk_rename(env, path, other);
        break;
    case 2:
        disk_sync_dir(env, "");
        break;
    default:
        f = open_file(path);
        fill(f, (char)('a' + rand_below(r, 26)), 1 + rand_below(r, 3000), rand_below(r, 4000));
        if (rand_chance(r, 1, 2))
            disk_sync_data(f);
        if (rand_chance(r, 1, 4))
            disk_truncate(f, rand_below(r, 4000));
        disk_close(f);
        break;
    }
}

static void check_same(struct sim_disk *image)
{
    for (const char *path = "a\0b\0c\0"; *path != '\0'; path += 2) {
        _cleanup_(freep) char *expected = xstrdup(sectors(disk, path));

        ck_assert_str_eq(sectors(image, path), expected);
    }
}

/* None and all are what a crash gives that keeps nothing, and everything. */
START_TEST(the_ends_are_those_of_a_crash)
{
    struct rand r;

    rand_init(&r);
    for (int round = 0; round < 2000; round++) {
        bool all = rand_chance(&r, 1, 2);
        struct sim_disk *image;

        for (uint64_t n = rand_below(&r, 12); n > 0; n--)
            write_something(&r);
        image = image_of(all ? UINT64_MAX : 0);
        sim_disk_crash(disk, all ? SIM_CRASH_ALL : SIM_CRASH_NOTHING, NULL);
        check_same(image);
        sim_disk_free(image);
    }
}
END_TEST

static void note_step(void *ctx)
{
    size_t *units = ctx;

    units[0]++;
    units[units[0]] = sim_disk_units(disk);
}

START_TEST(a_watcher_sees_what_was_before_each_step)
{
    size_t units[8] = { 0 };
    struct disk_file *f;

    sim_disk_watch(disk, note_step, units);
    f = open_file("f");
    fill(f, 'a', 512, 0);
    disk_sync_data(f);
    disk_sync_dir(env, "");
    sim_disk_watch(disk, NULL, NULL);
    disk_unlink(env, "f");
    disk_close(f);
    ck_assert_uint_eq(units[0], 4);
    ck_assert_uint_eq(units[1], 0); /* before the name */
    ck_assert_uint_eq(units[2], 1); /* the name */
    ck_assert_uint_eq(units[3], 3); /* name, bytes, size */
    ck_assert_uint_eq(units[4], 1); /* the name */
}
END_TEST

Suite *disk_copy_suite(void)
{
    Suite *s = suite_create("disk_copy");

    suite_add_with(s, every_subset_can_be_had, setup, teardown);
    suite_add_with(s, what_makes_no_difference_is_no_unit, setup, teardown);
    suite_add_with(s, a_lost_name_takes_its_file_along, setup, teardown);
    suite_add_with(s, lost_sectors_are_no_units, setup, teardown);
    suite_add_with(s, the_ends_are_those_of_a_crash, setup, teardown);
    suite_add_with(s, a_watcher_sees_what_was_before_each_step, setup, teardown);
    return s;
}
