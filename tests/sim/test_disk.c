/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/disk.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/util.h"
#include "sim/suites.h"
#include "support/rand.h"

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

static struct disk_file *must_open(const char *path, unsigned flags)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(env, path, flags, &f), 0);
    return f;
}

static void touch(const char *path)
{
    disk_close(must_open(path, DISK_WRITE | DISK_CREATE));
}

static int open_error(const char *path, unsigned flags)
{
    struct disk_file *f;
    int r = disk_open(env, path, flags, &f);

    if (r == 0)
        disk_close(f);
    return r;
}

START_TEST(open_flags)
{
    touch("f");
    ck_assert_int_eq(disk_mkdir(env, "d"), 0);
    ck_assert_int_eq(open_error("f", DISK_READ), 0);
    ck_assert_int_eq(open_error("f", DISK_WRITE | DISK_CREATE), 0);
    ck_assert_int_eq(open_error("f", DISK_WRITE | DISK_CREATE | DISK_EXCL), -EEXIST);
    ck_assert_int_eq(open_error("g", DISK_WRITE), -ENOENT);
    ck_assert_int_eq(open_error("g", DISK_WRITE | DISK_CREATE | DISK_EXCL), 0);
    ck_assert_int_eq(open_error("d", DISK_READ), -EISDIR);
    ck_assert_int_eq(open_error("f/x", DISK_READ), -ENOTDIR);
    ck_assert_int_eq(open_error("no/x", DISK_WRITE | DISK_CREATE), -ENOENT);
}
END_TEST

START_TEST(paths_stay_inside)
{
    static const char *const bad[] = { "", ".", "/f", "../f", "d/../f", "d//f", "d/", "./f" };
    char name[300];

    disk_mkdir(env, "d");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        ck_assert_int_eq(open_error(bad[i], DISK_WRITE | DISK_CREATE), -EINVAL);
    memset(name, 'x', sizeof(name));
    name[256] = '\0';
    ck_assert_int_eq(open_error(name, DISK_WRITE | DISK_CREATE), -ENAMETOOLONG);
    name[255] = '\0';
    ck_assert_int_eq(open_error(name, DISK_WRITE | DISK_CREATE), 0);
}
END_TEST

START_TEST(reading_stops_at_the_end)
{
    struct disk_file *f = must_open("f", DISK_WRITE | DISK_CREATE), *r;
    char bytes[10];
    uint64_t size;

    ck_assert_int_eq(disk_pwrite(f, "abc", 3, 5), 0);
    ck_assert_int_eq(disk_size(f, &size), 0);
    ck_assert_uint_eq(size, 8);
    ck_assert_int_eq(disk_pread(f, bytes, 10, 0), 8);
    ck_assert_mem_eq(bytes, "\0\0\0\0\0abc", 8);
    ck_assert_int_eq(disk_pread(f, bytes, 10, 8), 0);
    ck_assert_int_eq(disk_pread(f, bytes, 10, 1 << 30), 0);
    r = must_open("f", DISK_READ);
    ck_assert_int_eq(disk_pwrite(r, "x", 1, 0), -EBADF);
    ck_assert_int_eq(disk_truncate(r, 0), -EBADF);
    ck_assert_int_eq(disk_allocate(r, 0, 1), -EBADF);
    ck_assert_int_eq(disk_pwrite(f, "x", 1, UINT64_MAX), -EFBIG);
    ck_assert_int_eq(disk_truncate(f, UINT64_MAX), -EFBIG);
    ck_assert_int_eq(disk_allocate(f, 0, 0), -EINVAL);
    ck_assert_int_eq(disk_fd(f), -1);
    disk_close(f);
    disk_close(r);
    disk_close(NULL);
}
END_TEST

/* One file against a flat array: writes, truncations and reads at random. */
START_TEST(content_equals_flat_bytes)
{
    static uint8_t flat[40000], out[40000], in[20000];
    struct disk_file *f = must_open("f", DISK_WRITE | DISK_CREATE);
    size_t size = 0;
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 1000; i++) {
        size_t offset = rand_below(&r, 30000), n = rand_below(&r, 10000);

        switch (rand_below(&r, 5)) {
        case 0:
            ck_assert_int_eq(disk_truncate(f, offset), 0);
            if (offset < size)
                memset(flat + offset, 0, size - offset);
            size = offset;
            break;
        case 1:
            memset(in, 0, n); /* zeros are kept in another way */
            ck_assert_int_eq(disk_pwrite(f, in, n, offset), 0);
            memset(flat + offset, 0, n);
            size = n > 0 ? MAX(size, offset + n) : size;
            break;
        case 2:
            ck_assert_int_eq(disk_sync_data(f), 0);
            break;
        default:
            rand_fill(&r, in, n);
            ck_assert_int_eq(disk_pwrite(f, in, n, offset), 0);
            memcpy(flat + offset, in, n);
            size = n > 0 ? MAX(size, offset + n) : size;
        }
        ck_assert_int_eq(disk_pread(f, out, sizeof(out), 0), (ssize_t)size);
        ck_assert_mem_eq(out, flat, size);
    }
    disk_close(f);
}
END_TEST

static int count_entry(void *ctx, const struct disk_dirent *ent)
{
    int *counts = ctx;

    counts[ent->is_dir]++;
    return 0;
}

static int unlink_entry(void *ctx, const struct disk_dirent *ent)
{
    ck_assert_int_eq(disk_unlink(env, ent->name), 0);
    return 0;
}

static int stop_at_entry(void *ctx, const struct disk_dirent *ent)
{
    return 17;
}

START_TEST(crc_tells_disks_apart)
{
    struct disk_file *f = must_open("a", DISK_WRITE | DISK_CREATE);
    uint32_t empty = sim_disk_crc(disk), one, other;

    ck_assert_int_eq(disk_pwrite(f, "1", 1, 100000), 0);
    one = sim_disk_crc(disk);
    ck_assert_uint_eq(one, sim_disk_crc(disk));
    ck_assert_int_eq(disk_pwrite(f, "2", 1, 100000), 0);
    other = sim_disk_crc(disk);
    ck_assert_uint_ne(one, empty);
    ck_assert_uint_ne(one, other);
    disk_close(f);
    ck_assert_int_eq(disk_unlink(env, "a"), 0);
    ck_assert_uint_eq(sim_disk_crc(disk), empty);
}
END_TEST

START_TEST(listing)
{
    int counts[2] = { 0 };

    for (char name[] = "a"; name[0] <= 'z'; name[0]++)
        touch(name);
    disk_mkdir(env, "dir");
    touch("dir/x");
    ck_assert_int_eq(disk_list(env, "", count_entry, counts), 0);
    ck_assert_int_eq(counts[0], 26);
    ck_assert_int_eq(counts[1], 1);
    ck_assert_int_eq(disk_list(env, ".", stop_at_entry, NULL), 17);
    ck_assert_int_eq(disk_list(env, "a", count_entry, counts), -ENOTDIR);
    ck_assert_int_eq(disk_list(env, "no", count_entry, counts), -ENOENT);
    disk_unlink(env, "dir/x");
    ck_assert_int_eq(disk_list(env, ".", unlink_entry, NULL), 0);
    counts[0] = counts[1] = 0;
    disk_list(env, ".", count_entry, counts);
    ck_assert_int_eq(counts[0] + counts[1], 0);
}
END_TEST

START_TEST(rename_rules)
{
    struct disk_file *f = must_open("f", DISK_WRITE | DISK_CREATE);
    char byte;

    disk_pwrite(f, "f", 1, 0);
    touch("g");
    disk_mkdir(env, "d");
    disk_mkdir(env, "d/sub");
    disk_mkdir(env, "e");
    ck_assert_int_eq(disk_rename(env, "no", "x"), -ENOENT);
    ck_assert_int_eq(disk_rename(env, "f", "d"), -EISDIR);
    ck_assert_int_eq(disk_rename(env, "d", "f"), -ENOTDIR);
    ck_assert_int_eq(disk_rename(env, "e", "d"), -ENOTEMPTY);
    ck_assert_int_eq(disk_rename(env, "d", "d/sub/x"), -EINVAL);
    ck_assert_int_eq(disk_rename(env, "d", "d/x"), -EINVAL);
    ck_assert_int_eq(disk_rename(env, "f", "f"), 0);
    ck_assert_int_eq(disk_rename(env, "d", "e"), 0);
    ck_assert_int_eq(disk_rename(env, "f", "e/sub/g"), 0);
    ck_assert_int_eq(open_error("f", DISK_READ), -ENOENT);
    ck_assert_int_eq(open_error("e/sub/g", DISK_READ), 0);
    ck_assert_int_eq(disk_rename(env, "e/sub/g", "g"), 0);
    disk_close(f);
    f = must_open("g", DISK_READ);
    ck_assert_int_eq(disk_pread(f, &byte, 1, 0), 1);
    disk_close(f);
}
END_TEST

START_TEST(unlinked_file_lives_while_open)
{
    struct disk_file *f = must_open("f", DISK_WRITE | DISK_CREATE);
    struct disk_space before, after;
    char bytes[5000] = { 1 };

    disk_space(env, &before);
    disk_pwrite(f, bytes, sizeof(bytes), 0);
    ck_assert_int_eq(disk_unlink(env, "f"), 0);
    ck_assert_int_eq(disk_unlink(env, "f"), -ENOENT);
    ck_assert_int_eq(disk_pread(f, bytes, sizeof(bytes), 0), sizeof(bytes));
    ck_assert_int_eq(disk_sync_data(f), 0);
    disk_space(env, &after);
    ck_assert_uint_eq(before.free_bytes - after.free_bytes, 8192);
    disk_close(f);
    disk_space(env, &after);
    ck_assert_uint_eq(after.free_bytes, before.free_bytes);
    disk_mkdir(env, "d");
    touch("d/f");
    ck_assert_int_eq(disk_unlink(env, "d"), -ENOTEMPTY);
    disk_unlink(env, "d/f");
    ck_assert_int_eq(disk_unlink(env, "d"), 0);
    ck_assert_int_eq(disk_mkdir(env, "d"), 0);
    ck_assert_int_eq(disk_mkdir(env, "d"), -EEXIST);
}
END_TEST

START_TEST(full_disk)
{
    struct disk_file *f = must_open("f", DISK_WRITE | DISK_CREATE), *g = must_open("g", DISK_WRITE | DISK_CREATE);
    static char bytes[4 * 4096];
    struct disk_space space;
    uint64_t size;

    memset(bytes, 'x', sizeof(bytes));
    sim_disk_set_capacity(disk, 5 * 4096);
    ck_assert_int_eq(disk_allocate(f, 0, 3 * 4096), 0);
    disk_space(env, &space);
    ck_assert_uint_eq(space.total_bytes, 5 * 4096);
    ck_assert_uint_eq(space.free_bytes, 2 * 4096);
    disk_size(f, &size);
    ck_assert_uint_eq(size, 0);
    ck_assert_int_eq(disk_pwrite(g, bytes, sizeof(bytes), 0), -ENOSPC);
    disk_size(g, &size);
    ck_assert_uint_eq(size, 2 * 4096); /* as far as it went */
    ck_assert_int_eq(disk_allocate(g, 0, 3 * 4096), -ENOSPC);
    ck_assert_int_eq(disk_pwrite(f, bytes, 3 * 4096, 0), 0); /* reserved */
    ck_assert_int_eq(disk_pwrite(f, bytes, 1, 3 * 4096), -ENOSPC);
    ck_assert_int_eq(disk_pwrite(g, bytes, 2 * 4096, 0), 0); /* over the old */
    ck_assert_int_eq(disk_truncate(g, 4096), 0);
    ck_assert_int_eq(disk_pwrite(f, bytes, 1, 3 * 4096), 0);
    disk_close(g);
    disk_unlink(env, "g");
    disk_space(env, &space);
    ck_assert_uint_eq(space.free_bytes, 4096);
    disk_close(f);
}
END_TEST

START_TEST(lock_is_the_processs)
{
    ck_assert_int_eq(disk_lock(env, "no/lock"), -ENOENT);
    ck_assert_int_eq(disk_lock(env, "lock"), 0);
    ck_assert_int_eq(open_error("lock", DISK_READ), 0);
    ck_assert_int_eq(disk_lock(env, "lock"), -EBUSY);
    sim_disk_exit(disk);
    ck_assert_int_eq(disk_lock(env, "lock"), 0);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_int_eq(disk_lock(env, "lock"), 0);
}
END_TEST

START_TEST(cold_pages_need_a_real_read)
{
    static char bytes[3 * 4096];
    struct disk_file *f = must_open("f", DISK_WRITE | DISK_CREATE), *direct;
    void *aligned = aligned_alloc(DISK_ALIGN, DISK_ALIGN);

    disk_pwrite(f, bytes, sizeof(bytes), 0);
    ck_assert_int_eq(disk_pread_cached(f, bytes, sizeof(bytes), 0), sizeof(bytes));
    sim_disk_drop_caches(disk);
    ck_assert_int_eq(disk_pread_cached(f, bytes, sizeof(bytes), 0), sizeof(bytes)); /* dirty pages stay */
    disk_sync_data(f);
    sim_disk_drop_caches(disk);
    ck_assert_int_eq(disk_pread_cached(f, bytes, sizeof(bytes), 0), -EAGAIN);
    direct = must_open("f", DISK_READ | DISK_DIRECT);
    ck_assert_int_eq(disk_pread(direct, aligned, DISK_ALIGN, 0), DISK_ALIGN);
    ck_assert_int_eq(disk_pread_cached(f, bytes, sizeof(bytes), 0), -EAGAIN); /* goes past the cache */
    ck_assert_int_eq(disk_pread(f, bytes, 10, 0), 10);
    ck_assert_int_eq(disk_pread_cached(f, bytes, sizeof(bytes), 100), 4096 - 100);
    ck_assert_int_eq(disk_pread_cached(f, bytes, 10, 5000), -EAGAIN);
    ck_assert_int_eq(disk_pread_cached(f, bytes, 10, sizeof(bytes)), 0);
    free(aligned);
    disk_close(direct);
    disk_close(f);
}
END_TEST

static void write_direct(size_t memory_off, size_t size, uint64_t offset)
{
    char *memory = aligned_alloc(DISK_ALIGN, 4 * DISK_ALIGN);
    struct disk_file *f;

    setup();
    f = must_open("f", DISK_WRITE | DISK_CREATE | DISK_DIRECT);
    memset(memory, 'x', 4 * DISK_ALIGN);
    ck_assert_int_eq(disk_pwrite(f, memory + memory_off, size, offset), 0);
    free(memory);
    disk_close(f);
    teardown();
}

START_TEST(direct_write_that_is_aligned)
{
    write_direct(DISK_ALIGN, 2 * DISK_ALIGN, DISK_ALIGN);
}
END_TEST

START_TEST(direct_write_from_odd_memory)
{
    write_direct(512, DISK_ALIGN, 0);
}
END_TEST

START_TEST(direct_write_of_odd_size)
{
    write_direct(0, 512, 0);
}
END_TEST

START_TEST(direct_write_at_odd_offset)
{
    write_direct(0, DISK_ALIGN, 512);
}
END_TEST

Suite *disk_suite(void)
{
    Suite *s = suite_create("disk");

    suite_add_with(s, open_flags, setup, teardown);
    suite_add_with(s, paths_stay_inside, setup, teardown);
    suite_add_with(s, reading_stops_at_the_end, setup, teardown);
    suite_add_with(s, content_equals_flat_bytes, setup, teardown);
    suite_add_with(s, crc_tells_disks_apart, setup, teardown);
    suite_add_with(s, listing, setup, teardown);
    suite_add_with(s, rename_rules, setup, teardown);
    suite_add_with(s, unlinked_file_lives_while_open, setup, teardown);
    suite_add_with(s, full_disk, setup, teardown);
    suite_add_with(s, lock_is_the_processs, setup, teardown);
    suite_add_with(s, cold_pages_need_a_real_read, setup, teardown);
    suite_add(s, direct_write_that_is_aligned);
    suite_add_dying(s, direct_write_from_odd_memory, SIGABRT);
    suite_add_dying(s, direct_write_of_odd_size, SIGABRT);
    suite_add_dying(s, direct_write_at_odd_offset, SIGABRT);
    return s;
}
