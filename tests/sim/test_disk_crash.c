/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "base/util.h"
#include "sim/disk.h"
#include "sim/suites.h"
#include "support/rand.h"

static struct sim_disk *disk;
static struct env_disk *env;
static struct sim_prng prng;

static void setup(void)
{
    disk = sim_disk_new(NULL);
    env = sim_disk_env(disk);
    sim_prng_init(&prng, 1);
}

static void teardown(void)
{
    sim_disk_free(disk);
}

static void put(const char *path, const char *text, bool sync)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(env, path, DISK_WRITE | DISK_CREATE, &f), 0);
    ck_assert_int_eq(disk_pwrite(f, text, strlen(text), 0), 0);
    if (sync)
        ck_assert_int_eq(disk_sync_data(f), 0);
    disk_close(f);
}

/* The file's content, "?" when it isn't there. */
static const char *get(struct env_disk *e, const char *path)
{
    static char text[100];
    struct disk_file *f;
    ssize_t n;

    if (disk_open(e, path, DISK_READ, &f) < 0)
        return "?";
    n = disk_pread(f, text, sizeof(text) - 1, 0);
    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    disk_close(f);
    return text;
}

START_TEST(unsynced_names_and_bytes_go)
{
    put("synced", "yes", true);
    put("no-sync", "bytes", false);
    disk_sync_dir(env, "");
    put("no-dir-sync", "bytes", true);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "synced"), "yes");
    ck_assert_str_eq(get(env, "no-sync"), ""); /* the name is there, size and bytes aren't */
    ck_assert_str_eq(get(env, "no-dir-sync"), "?");
}
END_TEST

START_TEST(one_sync_for_all)
{
    put("a", "bytes", false);
    disk_mkdir(env, "d");
    put("d/b", "more", false);
    ck_assert_int_eq(disk_sync_fs(env), -EOPNOTSUPP);
    sim_disk_set_sync_fs(disk, true);
    ck_assert_int_eq(disk_sync_fs(env), 0);
    put("a", "later", false);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "a"), "bytes");
    ck_assert_str_eq(get(env, "d/b"), "more");
    sim_disk_fail(disk, SIM_DISK_SYNC_FS, 0, 1, -EIO);
    put("a", "again", false);
    ck_assert_int_eq(disk_sync_fs(env), -EIO);
    ck_assert_int_eq(disk_sync_fs(env), -EIO);
    sim_disk_exit(disk);
    ck_assert_int_eq(disk_sync_fs(env), 0); /* which doesn't bring back what was lost */
    ck_assert_str_eq(get(env, "a"), "again");
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_ne(get(env, "a"), "again");
}
END_TEST

START_TEST(written_back_is_durable_in_part)
{
    bool any = false;

    for (int i = 0; i < 40; i++) {
        struct sim_prng p;
        struct sim_disk *d;
        struct disk_file *f;

        sim_prng_init(&p, (uint64_t)i);
        d = sim_disk_new(&p);
        ck_assert_int_eq(disk_open(sim_disk_env(d), "f", DISK_WRITE | DISK_CREATE, &f), 0);
        ck_assert_int_eq(disk_sync_dir(sim_disk_env(d), ""), 0);
        ck_assert_int_eq(disk_pwrite(f, "x", 1, 0), 0);
        disk_write_back(f, 0, 1);
        disk_close(f);
        sim_disk_crash(d, SIM_CRASH_NOTHING, NULL);
        any = any || strcmp(get(sim_disk_env(d), "f"), "x") == 0;
        sim_disk_free(d);
    }
    ck_assert(any);
}
END_TEST

START_TEST(lucky_crash_keeps_all)
{
    put("a", "bytes", false);
    disk_mkdir(env, "d");
    put("d/b", "more", false);
    disk_rename(env, "a", "d/a");
    sim_disk_crash(disk, SIM_CRASH_ALL, NULL);
    ck_assert_str_eq(get(env, "d/a"), "bytes");
    ck_assert_str_eq(get(env, "d/b"), "more");
    ck_assert_str_eq(get(env, "a"), "?");
}
END_TEST

START_TEST(truncated_bytes_may_come_back)
{
    struct disk_file *f;

    put("f", "0123456789", true);
    disk_sync_dir(env, "");
    disk_open(env, "f", DISK_WRITE, &f);
    disk_truncate(f, 4);
    ck_assert_str_eq(get(env, "f"), "0123");
    disk_close(f);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "f"), "0123456789");
    disk_open(env, "f", DISK_WRITE, &f);
    disk_truncate(f, 4);
    disk_sync_data(f);
    disk_truncate(f, 10);
    disk_sync_data(f);
    disk_close(f);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "f"), "0123");
    disk_open(env, "f", DISK_READ, &f);
    uint64_t size;
    disk_size(f, &size);
    ck_assert_uint_eq(size, 10);
    disk_close(f);
}
END_TEST

START_TEST(dead_handles_give_eio)
{
    struct disk_file *f, *g;
    uint64_t size;
    char byte;

    put("f", "x", true);
    disk_sync_dir(env, "");
    disk_open(env, "f", DISK_WRITE, &f);
    disk_open(env, "f", DISK_WRITE, &g);
    sim_disk_exit(disk);
    ck_assert_int_eq(disk_pwrite(f, "y", 1, 0), -EIO);
    sim_disk_crash(disk, SIM_CRASH_DRAW, &prng);
    ck_assert_int_eq(disk_pread(f, &byte, 1, 0), -EIO);
    ck_assert_int_eq(disk_pread_cached(f, &byte, 1, 0), -EIO);
    ck_assert_int_eq(disk_sync_data(f), -EIO);
    ck_assert_int_eq(disk_size(f, &size), -EIO);
    ck_assert_int_eq(disk_truncate(f, 0), -EIO);
    ck_assert_int_eq(disk_allocate(f, 0, 1), -EIO);
    disk_close(f);
    disk_close(g);
    ck_assert_str_eq(get(env, "f"), "x");
}
END_TEST

START_TEST(process_death_keeps_the_page_cache)
{
    put("f", "cached", false);
    sim_disk_exit(disk);
    ck_assert_str_eq(get(env, "f"), "cached");
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "f"), "?");
}
END_TEST

START_TEST(image_is_what_is_durable)
{
    struct sim_disk *image;

    disk_mkdir(env, "d");
    put("d/f", "old", true);
    put("d/zeros", "", true);
    disk_sync_dir(env, "d");
    disk_sync_dir(env, "");
    put("d/f", "new", false);
    put("d/g", "new", true);
    image = sim_disk_image(disk, NULL);
    ck_assert_str_eq(get(sim_disk_env(image), "d/f"), "old");
    ck_assert_str_eq(get(sim_disk_env(image), "d/zeros"), "");
    ck_assert_str_eq(get(sim_disk_env(image), "d/g"), "?");
    ck_assert_str_eq(get(env, "d/f"), "new");
    sim_disk_crash(image, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(sim_disk_env(image), "d/f"), "old");
    sim_disk_free(image);
}
END_TEST

/* Every sector is the old or the new one, and both occur in one crash: the write is torn. */
START_TEST(drawn_crash_tears_by_sectors)
{
    static char bytes[16 * 4096];
    bool torn = false, size_kept[2] = { false };
    struct disk_file *f;
    uint64_t size;

    for (int round = 0; round < 100; round++) {
        int n_new = 0, n_old = 0;

        disk_open(env, "f", DISK_WRITE | DISK_CREATE, &f);
        memset(bytes, 'o', sizeof(bytes));
        disk_truncate(f, sizeof(bytes));
        disk_pwrite(f, bytes, sizeof(bytes), 0);
        disk_sync_data(f);
        disk_sync_dir(env, "");
        memset(bytes, 'n', sizeof(bytes));
        disk_pwrite(f, bytes, sizeof(bytes), 0);
        disk_truncate(f, sizeof(bytes) + 1);
        disk_close(f);
        sim_disk_crash(disk, SIM_CRASH_DRAW, &prng);
        disk_open(env, "f", DISK_READ, &f);
        disk_size(f, &size);
        ck_assert(size == sizeof(bytes) || size == sizeof(bytes) + 1);
        size_kept[size - sizeof(bytes)] = true;
        ck_assert_int_eq(disk_pread(f, bytes, sizeof(bytes), 0), sizeof(bytes));
        disk_close(f);
        for (size_t at = 0; at < sizeof(bytes); at += SIM_DISK_SECTOR) {
            n_new += bytes[at] == 'n';
            n_old += bytes[at] == 'o';
            ck_assert_int_eq(memcmp(bytes + at, bytes + at + 1, SIM_DISK_SECTOR - 1), 0);
        }
        ck_assert_int_eq(n_new + n_old, sizeof(bytes) / SIM_DISK_SECTOR);
        torn |= n_new > 0 && n_old > 0;
    }
    ck_assert(torn && size_kept[0] && size_kept[1]);
}
END_TEST

START_TEST(writeback_makes_a_part_durable)
{
    int n_kept = 0;

    for (int round = 0; round < 50; round++) {
        put("f", "x", false);
        sim_disk_writeback(disk, &prng);
        ck_assert_str_eq(get(env, "f"), "x");
        sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
        n_kept += strcmp(get(env, "f"), "x") == 0;
        disk_unlink(env, "f");
        disk_sync_dir(env, "");
    }
    ck_assert(n_kept > 0 && n_kept < 50);
}
END_TEST

START_TEST(beyond_the_size_there_are_zeros)
{
    static char bytes[20000], zeros[20000];
    bool cut = false;

    memset(bytes, 'x', sizeof(bytes));
    for (int round = 0; round < 50; round++) {
        struct disk_file *f;
        uint64_t size;

        put("f", "", true);
        disk_sync_dir(env, "");
        disk_open(env, "f", DISK_WRITE, &f);
        disk_pwrite(f, bytes, sizeof(bytes), 0);
        disk_close(f);
        sim_disk_crash(disk, SIM_CRASH_DRAW, &prng);
        disk_open(env, "f", DISK_WRITE, &f);
        disk_size(f, &size);
        cut |= size > 0 && size < sizeof(bytes);
        disk_truncate(f, sizeof(bytes));
        ck_assert_int_eq(disk_pread(f, bytes, sizeof(bytes), 0), sizeof(bytes));
        ck_assert_mem_eq(bytes + size, zeros, sizeof(bytes) - size);
        memset(bytes, 'x', sizeof(bytes));
        disk_close(f);
        disk_unlink(env, "f");
        disk_sync_dir(env, "");
    }
    ck_assert(cut);
}
END_TEST

START_TEST(synced_reservation_stays)
{
    struct disk_space empty, space;
    struct disk_file *f;

    put("f", "", true);
    disk_sync_dir(env, "");
    disk_space(env, &empty);
    disk_open(env, "f", DISK_WRITE, &f);
    disk_allocate(f, 0, 2 * 4096);
    disk_sync_data(f);
    disk_allocate(f, 0, 5 * 4096);
    disk_close(f);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    disk_space(env, &space);
    ck_assert_uint_eq(empty.free_bytes - space.free_bytes, 2 * 4096);
}
END_TEST

START_TEST(remount_is_cold_and_counts_space_anew)
{
    static char bytes[3 * 4096];
    struct disk_space empty, space;
    struct disk_file *f;

    disk_space(env, &empty);
    memset(bytes, 'x', sizeof(bytes));
    put("f", "x", true);
    disk_sync_dir(env, "");
    disk_open(env, "f", DISK_WRITE, &f);
    disk_pwrite(f, bytes, sizeof(bytes), 0);
    disk_close(f);
    put("g", "x", false);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    disk_space(env, &space);
    ck_assert_uint_eq(empty.free_bytes - space.free_bytes, 4096);
    disk_open(env, "f", DISK_WRITE, &f);
    ck_assert_int_eq(disk_pread_cached(f, bytes, 1, 0), -EAGAIN);
    disk_truncate(f, 0);
    disk_space(env, &space);
    ck_assert_uint_eq(empty.free_bytes, space.free_bytes);
    disk_close(f);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL); /* the truncation is undone */
    disk_space(env, &space);
    ck_assert_uint_eq(empty.free_bytes - space.free_bytes, 4096);
}
END_TEST

/* Replaces "f" as it should be done, or without one of its syncs. Errors end it, as they would end the process. */
static int replace(const char *text, bool sync_data)
{
    struct disk_file *f = NULL;
    int r = disk_open(env, "tmp", DISK_WRITE | DISK_CREATE, &f);

    if (r == 0)
        r = disk_truncate(f, 0);
    if (r == 0)
        r = disk_pwrite(f, text, strlen(text), 0);
    if (r == 0 && sync_data)
        r = disk_sync_data(f);
    disk_close(f);
    if (r == 0)
        r = disk_rename(env, "tmp", "f");
    if (r == 0)
        r = disk_sync_dir(env, "");
    return r;
}

/* Crashes replace() at each step under many draws. Whether "f" was ever something else than old or new. */
static bool crashes_break(bool sync_data)
{
    bool broken = false, old_seen = false, new_seen = false, acked = false;

    for (uint64_t steps = 0; !acked; steps++) {
        for (int draw = 0; draw < 50; draw++) {
            const char *found;

            ck_assert_int_eq(replace("old", true), 0);
            sim_disk_crash_after(disk, steps);
            acked = replace("new!", sync_data) == 0;
            ck_assert(acked != sim_disk_is_dead(disk));
            sim_disk_crash(disk, SIM_CRASH_DRAW, &prng);
            ck_assert(!sim_disk_is_dead(disk));
            found = get(env, "f");
            old_seen |= strcmp(found, "old") == 0;
            new_seen |= strcmp(found, "new!") == 0;
            if (strcmp(found, "new!") != 0 && (acked || strcmp(found, "old") != 0))
                broken = true;
        }
    }
    ck_assert(old_seen && new_seen);
    return broken;
}

START_TEST(crash_at_each_step_spares_a_right_protocol)
{
    ck_assert(!crashes_break(true));
}
END_TEST

START_TEST(crash_at_each_step_finds_a_missing_sync)
{
    ck_assert(crashes_break(false));
}
END_TEST

#define N_SECTORS 40

/* A file against two flat arrays: what is synced, and what is written on top. After a drawn crash each sector is one
 * of its versions since the last sync. */
START_TEST(random_histories_keep_what_was_synced)
{
    static char versions[N_SECTORS][64]; /* the bytes each sector may hold, the synced one first */
    static char bytes[N_SECTORS * SIM_DISK_SECTOR];
    struct disk_file *f;
    struct rand r;

    rand_init(&r);
    sim_prng_init(&prng, rand_u64(&r));
    put("f", "", true);
    disk_sync_dir(env, "");
    disk_open(env, "f", DISK_WRITE, &f);
    disk_pwrite(f, bytes, sizeof(bytes), 0);
    disk_sync_data(f);
    memset(versions, 0, sizeof(versions));
    for (int i = 0; i < 3000; i++) {
        size_t first = rand_below(&r, N_SECTORS), n = rand_below(&r, N_SECTORS - first) + 1;
        char value = (char)rand_range(&r, 'a', 'z');

        switch (rand_below(&r, 8)) {
        case 0:
            disk_sync_data(f);
            for (size_t s = 0; s < N_SECTORS; s++) {
                size_t last = strlen(versions[s] + 1);

                versions[s][0] = versions[s][last];
                memset(versions[s] + 1, 0, sizeof(versions[s]) - 1);
            }
            break;
        case 1:
            sim_disk_writeback(disk, &prng);
            break;
        case 2:
            disk_close(f);
            sim_disk_crash(disk, SIM_CRASH_DRAW, &prng);
            disk_open(env, "f", DISK_WRITE, &f);
            ck_assert_int_eq(disk_pread(f, bytes, sizeof(bytes), 0), sizeof(bytes));
            for (size_t s = 0; s < N_SECTORS; s++) {
                const char *at = bytes + s * SIM_DISK_SECTOR;

                ck_assert(*at == versions[s][0] || (*at != '\0' && strchr(versions[s] + 1, *at) != NULL));
                ck_assert_int_eq(memcmp(at, at + 1, SIM_DISK_SECTOR - 1), 0);
                memset(versions[s], 0, sizeof(versions[s]));
                versions[s][0] = *at;
            }
            break;
        default:
            memset(bytes, value, n * SIM_DISK_SECTOR);
            for (size_t s = first; s < first + n; s++) {
                size_t last = strlen(versions[s] + 1);

                versions[s][MIN(last + 1, sizeof(versions[s]) - 2)] = value;
            }
            disk_pwrite(f, bytes, n * SIM_DISK_SECTOR, first * SIM_DISK_SECTOR);
        }
    }
    disk_close(f);
}
END_TEST

Suite *disk_crash_suite(void)
{
    Suite *s = suite_create("disk_crash");

    suite_add_with(s, unsynced_names_and_bytes_go, setup, teardown);
    suite_add_with(s, one_sync_for_all, setup, teardown);
    suite_add(s, written_back_is_durable_in_part);
    suite_add_with(s, lucky_crash_keeps_all, setup, teardown);
    suite_add_with(s, truncated_bytes_may_come_back, setup, teardown);
    suite_add_with(s, dead_handles_give_eio, setup, teardown);
    suite_add_with(s, process_death_keeps_the_page_cache, setup, teardown);
    suite_add_with(s, image_is_what_is_durable, setup, teardown);
    suite_add_with(s, drawn_crash_tears_by_sectors, setup, teardown);
    suite_add_with(s, writeback_makes_a_part_durable, setup, teardown);
    suite_add_with(s, beyond_the_size_there_are_zeros, setup, teardown);
    suite_add_with(s, synced_reservation_stays, setup, teardown);
    suite_add_with(s, remount_is_cold_and_counts_space_anew, setup, teardown);
    suite_add_with(s, crash_at_each_step_spares_a_right_protocol, setup, teardown);
    suite_add_with(s, crash_at_each_step_finds_a_missing_sync, setup, teardown);
    suite_add_with(s, random_histories_keep_what_was_synced, setup, teardown);
    return s;
}
