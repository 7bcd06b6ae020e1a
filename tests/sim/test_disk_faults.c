/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "base/util.h"
#include "sim/disk.h"
#include "sim/suites.h"

static struct sim_disk *disk;
static struct env_disk *env;
static struct sim_prng prng;
static struct disk_file *file;

static void make(struct sim_prng *p)
{
    disk = sim_disk_new(p);
    env = sim_disk_env(disk);
    ck_assert_int_eq(disk_open(env, "f", DISK_WRITE | DISK_CREATE, &file), 0);
    ck_assert_int_eq(disk_sync_dir(env, ""), 0);
}

static void setup(void)
{
    make(NULL);
}

static void teardown(void)
{
    disk_close(file);
    sim_disk_free(disk);
}

START_TEST(nth_call_fails)
{
    sim_disk_fail(disk, SIM_DISK_WRITE, 1, 2, -EIO);
    sim_disk_fail(disk, SIM_DISK_MKDIR, 0, 1, -EDQUOT);
    ck_assert_int_eq(disk_pwrite(file, "a", 1, 0), 0);
    ck_assert_int_eq(disk_pwrite(file, "b", 1, 0), -EIO);
    ck_assert_int_eq(disk_mkdir(env, "d"), -EDQUOT);
    ck_assert_int_eq(disk_mkdir(env, "d"), 0);
    ck_assert_int_eq(disk_pwrite(file, "c", 1, 0), -EIO);
    ck_assert_int_eq(disk_pwrite(file, "d", 1, 0), 0);
    ck_assert_uint_eq(sim_disk_calls(disk, SIM_DISK_WRITE), 4);
    ck_assert_uint_eq(sim_disk_calls(disk, SIM_DISK_MKDIR), 2);
    ck_assert_uint_eq(sim_disk_calls(disk, SIM_DISK_SYNC_DATA), 0);
}
END_TEST

START_TEST(failed_calls_are_counted)
{
    uint64_t n = 0;

    sim_disk_count_failed(disk, &n);
    sim_disk_fail(disk, SIM_DISK_WRITE, 1, 2, -EIO);
    ck_assert_int_eq(disk_pwrite(file, "a", 1, 0), 0);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(disk_pwrite(file, "b", 1, 0), -EIO);
    ck_assert_int_eq(disk_pwrite(file, "b", 1, 0), -EIO);
    ck_assert_int_eq(disk_pwrite(file, "b", 1, 0), 0);
    ck_assert_uint_eq(n, 2);
    sim_disk_count_failed(disk, NULL);
    sim_disk_fail(disk, SIM_DISK_WRITE, 0, 1, -EIO);
    ck_assert_int_eq(disk_pwrite(file, "b", 1, 0), -EIO);
    ck_assert_uint_eq(n, 2);
}
END_TEST

START_TEST(files_beyond_the_limit)
{
    struct disk_file *f, *g, *h;

    sim_disk_limit_files(disk, 2);
    ck_assert_int_eq(disk_open(env, "g", DISK_WRITE | DISK_CREATE, &f), 0);
    ck_assert_int_eq(disk_open(env, "h", DISK_WRITE | DISK_CREATE, &g), -EMFILE);
    disk_close(f);
    ck_assert_int_eq(disk_open(env, "h", DISK_WRITE, &g), -ENOENT);
    ck_assert_int_eq(disk_open(env, "g", DISK_WRITE, &g), 0);
    sim_disk_exit(disk);
    disk_close(g);
    ck_assert_int_eq(disk_open(env, "g", DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_open(env, "f", DISK_WRITE, &h), 0);
    ck_assert_int_eq(disk_open(env, "f", DISK_WRITE, &g), -EMFILE);
    sim_disk_exit(disk);
    disk_close(f);
    disk_close(h);
}
END_TEST

/* All others of the process fail, too; in the next one whoever opens the file hears of it, once. */
START_TEST(a_sync_that_failed_for_others)
{
    struct disk_file *clean, *late;

    sim_disk_set_sync_fs(disk, true);
    ck_assert_int_eq(disk_open(env, "g", DISK_WRITE | DISK_CREATE, &clean), 0);
    ck_assert_int_eq(disk_pwrite(file, "a", 1, 0), 0);
    sim_disk_fail(disk, SIM_DISK_SYNC_FS, 0, 1, -EIO);
    ck_assert_int_eq(disk_sync_fs(env), -EIO);
    ck_assert_int_eq(disk_sync_fs(env), -EIO);
    ck_assert_int_eq(disk_sync_data(clean), -EIO);
    ck_assert_int_eq(disk_sync_data(file), -EIO);
    ck_assert_int_eq(disk_sync_dir(env, ""), -EIO);
    disk_close(clean);
    ck_assert_int_eq(disk_open(env, "h", DISK_WRITE | DISK_CREATE, &late), 0);
    ck_assert_int_eq(disk_pwrite(late, "a", 1, 0), 0);
    sim_disk_fail(disk, SIM_DISK_SYNC_FS, 0, 1, -EIO);
    ck_assert_int_eq(disk_sync_fs(env), -EIO);
    disk_close(late);
    sim_disk_exit(disk);
    ck_assert_int_eq(disk_sync_dir(env, ""), 0);
    ck_assert_int_eq(disk_open(env, "h", DISK_WRITE, &late), 0);
    ck_assert_int_eq(disk_sync_data(late), -EIO);
    disk_close(late);
    sim_disk_exit(disk);
    ck_assert_int_eq(disk_open(env, "h", DISK_WRITE, &late), 0);
    ck_assert_int_eq(disk_sync_data(late), 0);
    disk_close(late);
}
END_TEST

START_TEST(each_kind_can_fail)
{
    struct disk_space space;
    struct disk_file *f;
    uint64_t size;
    struct disk_map *map;
    char byte;

    for (int call = 0; call < SIM_DISK_N_CALLS; call++)
        sim_disk_fail(disk, (enum sim_disk_call)call, 0, 1, -EPERM);
    ck_assert_int_eq(disk_open(env, "g", DISK_WRITE | DISK_CREATE, &f), -EPERM);
    ck_assert_int_eq(disk_size(file, &size), -EPERM);
    ck_assert_int_eq(disk_pread(file, &byte, 1, 0), -EPERM);
    ck_assert_int_eq(disk_pread_cached(file, &byte, 1, 0), -EPERM);
    ck_assert_int_eq(disk_map(file, &map), -EPERM);
    ck_assert_int_eq(disk_map(file, &map), 0);
    ck_assert_int_eq(disk_unmap(map), -EPERM);
    ck_assert_int_eq(disk_pwrite(file, "x", 1, 0), -EPERM);
    ck_assert_int_eq(disk_sync_data(file), -EPERM);
    disk_write_back(file, 0, 1);
    sim_disk_set_sync_fs(disk, true);
    ck_assert_int_eq(disk_sync_fs(env), -EPERM);
    ck_assert_int_eq(disk_allocate(file, 0, 1), -EPERM);
    ck_assert_int_eq(disk_truncate(file, 1), -EPERM);
    ck_assert_int_eq(disk_rename(env, "f", "g"), -EPERM);
    ck_assert_int_eq(disk_unlink(env, "f"), -EPERM);
    ck_assert_int_eq(disk_mkdir(env, "d"), -EPERM);
    ck_assert_int_eq(disk_sync_dir(env, ""), -EPERM);
    ck_assert_int_eq(disk_list(env, "", NULL, NULL), -EPERM);
    ck_assert_int_eq(disk_space(env, &space), -EPERM);
    ck_assert_int_eq(disk_lock(env, "lock"), -EPERM);
    /* None of them did anything. */
    disk_size(file, &size);
    ck_assert_uint_eq(size, 0);
    ck_assert_int_eq(disk_rename(env, "g", "x"), -ENOENT);
    ck_assert_int_eq(disk_unlink(env, "d"), -ENOENT);
    ck_assert_int_eq(disk_lock(env, "lock"), 0);
}
END_TEST

START_TEST(failed_sync_leaves_the_cache_ahead)
{
    char byte;

    disk_pwrite(file, "a", 1, 0);
    disk_sync_data(file);
    disk_pwrite(file, "b", 1, 0);
    sim_disk_fail(disk, SIM_DISK_SYNC_DATA, 0, 1, -EIO);
    ck_assert_int_eq(disk_sync_data(file), -EIO);
    disk_close(file);
    sim_disk_exit(disk);
    disk_open(env, "f", DISK_WRITE, &file);
    ck_assert_int_eq(disk_sync_data(file), 0);
    disk_pread(file, &byte, 1, 0);
    ck_assert_int_eq(byte, 'b');
    disk_pwrite(file, "x", 1, 4096); /* another page is well again */
    ck_assert_int_eq(disk_sync_data(file), 0);
    disk_close(file);
    sim_disk_crash(disk, SIM_CRASH_ALL, NULL);
    disk_open(env, "f", DISK_WRITE, &file);
    disk_pread(file, &byte, 1, 0);
    ck_assert_int_eq(byte, 'a');
    disk_pread(file, &byte, 1, 4096);
    ck_assert_int_eq(byte, 'x');
}
END_TEST

START_TEST(rewritten_bytes_recover_from_a_failed_sync)
{
    char byte;

    disk_pwrite(file, "b", 1, 0);
    sim_disk_fail(disk, SIM_DISK_SYNC_DATA, 0, 1, -EIO);
    disk_sync_data(file);
    disk_pwrite(file, "c", 1, 0);
    disk_sync_data(file);
    disk_close(file);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    disk_open(env, "f", DISK_WRITE, &file);
    ck_assert_int_eq(disk_pread(file, &byte, 1, 0), 0); /* the size was lost, and wasn't set again */
    disk_pwrite(file, "dd", 2, 0);
    disk_sync_data(file);
    disk_close(file);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    disk_open(env, "f", DISK_WRITE, &file);
    ck_assert_int_eq(disk_pread(file, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 'd');
}
END_TEST

START_TEST(other_sectors_of_a_lost_page_are_synced)
{
    char bytes[600] = { 0 };

    disk_pwrite(file, bytes, sizeof(bytes), 0);
    disk_sync_data(file);
    disk_pwrite(file, "lost", 4, 0);
    sim_disk_fail(disk, SIM_DISK_SYNC_DATA, 0, 1, -EIO);
    disk_sync_data(file);
    disk_pwrite(file, "kept", 4, 512);
    disk_sync_data(file);
    disk_close(file);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    disk_open(env, "f", DISK_WRITE, &file);
    ck_assert_int_eq(disk_pread(file, bytes, sizeof(bytes), 0), 600);
    ck_assert_int_eq(bytes[0], 0);
    ck_assert_mem_eq(bytes + 512, "kept", 4);
}
END_TEST

START_TEST(failed_write_leaves_a_drawn_part)
{
    static char bytes[3000];
    bool partial = false;

    sim_prng_init(&prng, 3);
    make(&prng);
    memset(bytes, 'x', sizeof(bytes));
    for (int round = 0; round < 20; round++) {
        uint64_t size;

        disk_truncate(file, 0);
        sim_disk_fail(disk, SIM_DISK_WRITE, 0, 1, -EIO);
        ck_assert_int_eq(disk_pwritev(file, (struct iovec[]){ { bytes, 1000 }, { bytes, 2000 } }, 2, 0), -EIO);
        disk_size(file, &size);
        ck_assert_uint_le(size, 3000);
        partial |= size > 1000 && size < 3000;
    }
    ck_assert(partial);
    teardown();
}
END_TEST

START_TEST(crash_point_stops_everything)
{
    uint64_t before = sim_disk_steps(disk);
    struct disk_space space;
    char byte;

    sim_disk_crash_after(disk, 2);
    ck_assert_int_eq(disk_pwrite(file, "a", 1, 0), 0);
    ck_assert_int_eq(disk_pread(file, &byte, 1, 0), 1);     /* no step */
    ck_assert_int_eq(disk_unlink(env, "missing"), -ENOENT); /* changes nothing: no step */
    ck_assert_int_eq(disk_sync_data(file), 0);
    ck_assert(!sim_disk_is_dead(disk));
    ck_assert_int_eq(disk_pwrite(file, "b", 1, 0), -EIO);
    ck_assert(sim_disk_is_dead(disk));
    ck_assert_int_eq(disk_pread(file, &byte, 1, 0), -EIO);
    ck_assert_int_eq(disk_sync_data(file), -EIO);
    ck_assert_int_eq(disk_space(env, &space), -EIO);
    ck_assert_int_eq(disk_mkdir(env, "d"), -EIO);
    ck_assert_uint_eq(sim_disk_steps(disk), before + 2);
    disk_close(file);
    sim_disk_crash(disk, SIM_CRASH_ALL, NULL);
    ck_assert_int_eq(disk_open(env, "f", DISK_WRITE, &file), 0);
    disk_pread(file, &byte, 1, 0);
    ck_assert_int_eq(byte, 'a');
    ck_assert_int_eq(disk_unlink(env, "d"), -ENOENT);
}
END_TEST

START_TEST(faults_die_with_the_process)
{
    sim_disk_fail(disk, SIM_DISK_MKDIR, 0, 1, -EIO);
    sim_disk_crash_after(disk, 0);
    sim_disk_exit(disk);
    ck_assert_int_eq(disk_mkdir(env, "d"), 0);
}
END_TEST

START_TEST(bit_rot_outlives_a_crash)
{
    char byte;

    disk_pwrite(file, "a", 1, 0);
    disk_sync_data(file);
    disk_pwrite(file, "b", 1, 600); /* the page is dirty */
    ck_assert_int_eq(sim_disk_flip(disk, "no", 0, 1), -ENOENT);
    ck_assert_int_eq(sim_disk_flip(disk, "f", 601, 1), -EINVAL);
    ck_assert_int_eq(sim_disk_flip(disk, "", 0, 1), -EINVAL);
    ck_assert_int_eq(sim_disk_flip(disk, "f", 0, 2), 0);
    disk_pread(file, &byte, 1, 0);
    ck_assert_int_eq(byte, 'c');
    disk_close(file);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    disk_open(env, "f", DISK_WRITE, &file);
    disk_pread(file, &byte, 1, 0);
    ck_assert_int_eq(byte, 'c');
}
END_TEST

START_TEST(a_map_is_the_file_as_it_is)
{
    struct disk_map *map;

    ck_assert_int_eq(disk_map(file, &map), 0);
    ck_assert_uint_eq(map->size, 0);
    ck_assert_int_eq(disk_unmap(map), 0);
    ck_assert_int_eq(disk_pwrite(file, "abc", 3, 5000), 0);
    ck_assert_int_eq(sim_disk_flip(disk, "f", 5001, 1), 0);
    ck_assert_int_eq(disk_map(file, &map), 0);
    ck_assert_uint_eq(map->size, 5003);
    ck_assert_uint_eq(map->data[0], 0);
    ck_assert_mem_eq(map->data + 5000, "acc", 3);
    ck_assert_int_eq(disk_unmap(map), 0);
    ck_assert_int_eq(disk_unmap(NULL), 0);
}
END_TEST

Suite *disk_faults_suite(void)
{
    Suite *s = suite_create("disk_faults");

    suite_add_with(s, nth_call_fails, setup, teardown);
    suite_add_with(s, failed_calls_are_counted, setup, teardown);
    suite_add_with(s, each_kind_can_fail, setup, teardown);
    suite_add_with(s, failed_sync_leaves_the_cache_ahead, setup, teardown);
    suite_add_with(s, rewritten_bytes_recover_from_a_failed_sync, setup, teardown);
    suite_add_with(s, other_sectors_of_a_lost_page_are_synced, setup, teardown);
    suite_add(s, failed_write_leaves_a_drawn_part);
    suite_add_with(s, files_beyond_the_limit, setup, teardown);
    suite_add_with(s, a_sync_that_failed_for_others, setup, teardown);
    suite_add_with(s, crash_point_stops_everything, setup, teardown);
    suite_add_with(s, faults_die_with_the_process, setup, teardown);
    suite_add_with(s, bit_rot_outlives_a_crash, setup, teardown);
    suite_add_with(s, a_map_is_the_file_as_it_is, setup, teardown);
    return s;
}
