/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
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

START_TEST(names_below_an_unsynced_directory_go)
{
    disk_mkdir(env, "d");
    put("d/f", "x", true);
    disk_sync_dir(env, "d");
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "d/f"), "?");
    ck_assert_int_eq(disk_sync_dir(env, "d"), -ENOENT);
}
END_TEST

START_TEST(unsynced_unlink_comes_back)
{
    put("f", "x", true);
    disk_sync_dir(env, "");
    disk_unlink(env, "f");
    ck_assert_str_eq(get(env, "f"), "?");
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "f"), "x");
    disk_unlink(env, "f");
    disk_sync_dir(env, "");
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "f"), "?");
}
END_TEST

START_TEST(later_use_of_a_name_wins)
{
    put("f", "old", true);
    disk_unlink(env, "f");
    put("f", "new", true);
    disk_sync_dir(env, "");
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "f"), "new");
}
END_TEST

START_TEST(drawn_crash_takes_any_subset_of_names)
{
    bool seen[8] = { false };

    for (int round = 0; round < 300; round++) {
        unsigned kept = 0;

        put("a", "", true);
        put("b", "", true);
        put("c", "", true);
        sim_disk_crash(disk, SIM_CRASH_DRAW, &prng);
        for (int i = 0; i < 3; i++) {
            char name[2] = { (char)('a' + i) };

            kept |= (unsigned)(disk_unlink(env, name) == 0) << i;
        }
        seen[kept] = true;
        disk_sync_dir(env, "");
    }
    for (int i = 0; i < 8; i++)
        ck_assert(seen[i]);
}
END_TEST

START_TEST(rename_is_atomic)
{
    bool seen[2] = { false };

    for (int round = 0; round < 100; round++) {
        bool old_there, new_there;

        put("old", "x", true);
        disk_mkdir(env, "d");
        disk_sync_dir(env, "");
        disk_rename(env, "old", round % 2 == 0 ? "new" : "d/new");
        sim_disk_crash(disk, SIM_CRASH_DRAW, &prng);
        old_there = disk_unlink(env, "old") == 0;
        new_there = disk_unlink(env, round % 2 == 0 ? "new" : "d/new") == 0;
        ck_assert(old_there != new_there);
        seen[new_there] = true;
        disk_sync_dir(env, "");
        disk_sync_dir(env, "d");
    }
    ck_assert(seen[0] && seen[1]);
}
END_TEST

START_TEST(rename_between_directories)
{
    disk_mkdir(env, "a");
    disk_mkdir(env, "b");
    disk_sync_dir(env, "");
    put("a/f", "f", true);
    put("a/g", "g", true);
    disk_sync_dir(env, "a");
    disk_rename(env, "a/f", "b/f");
    disk_sync_dir(env, "b"); /* target only: the old name may still be there */
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "a/f"), "f");
    ck_assert_str_eq(get(env, "b/f"), "f");
    disk_rename(env, "a/g", "b/g");
    disk_sync_dir(env, "a"); /* source: never in neither */
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "a/g"), "?");
    ck_assert_str_eq(get(env, "b/g"), "g");
    disk_rename(env, "b", "a/b");
    disk_sync_dir(env, "a"); /* a directory is in one place */
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_str_eq(get(env, "b/g"), "?");
    ck_assert_str_eq(get(env, "a/b/g"), "g");
}
END_TEST

/* A moves into B, out again, and B into A: the first and the last alone would be a circle that no path leads to.
 * sim_disk_free() would find it. */
START_TEST(moved_directories_never_close_a_circle)
{
    for (int round = 0; round < 200; round++) {
        struct sim_disk *d = sim_disk_new(NULL);
        struct env_disk *e = sim_disk_env(d);

        disk_mkdir(e, "a");
        disk_mkdir(e, "b");
        disk_sync_dir(e, "");
        ck_assert_int_eq(disk_rename(e, "a", "b/a"), 0);
        ck_assert_int_eq(disk_rename(e, "b/a", "a"), 0);
        ck_assert_int_eq(disk_rename(e, "b", "a/b"), 0);
        sim_disk_crash(d, SIM_CRASH_DRAW, &prng);
        sim_disk_free(d);
    }
}
END_TEST

/* A sum of hashes over all paths below a directory: tells trees apart in whatever order they are listed. */
struct walk {
    struct env_disk *env;
    const char *dir;
    uint64_t sum;
    int depth;
};

static int walk_entry(void *ctx, const struct disk_dirent *ent)
{
    struct walk *w = ctx;
    char path[600];

    ck_assert_int_lt(w->depth, 250); /* a circle would never end */
    snprintf(path, sizeof(path), "%s%s%s", w->dir, w->dir[0] != '\0' ? "/" : "", ent->name);
    w->sum += hash_bytes(path, strlen(path), ent->is_dir);
    if (ent->is_dir) {
        struct walk below = { w->env, path, 0, w->depth + 1 };

        ck_assert_int_eq(disk_list(w->env, path, walk_entry, &below), 0);
        w->sum += below.sum;
    }
    return 0;
}

static uint64_t tree_sum(struct env_disk *e)
{
    struct walk w = { e, "", 0, 0 };

    ck_assert_int_eq(disk_list(e, "", walk_entry, &w), 0);
    return w.sum;
}

static const char *draw_path(struct rand *r, char path[16])
{
    static const char *const names[] = { "a", "b", "c" };
    int depth = (int)rand_range(r, 1, 3);

    path[0] = '\0';
    for (int i = 0; i < depth; i++) {
        strcat(path, i > 0 ? "/" : "");
        strcat(path, names[rand_below(r, 3)]);
    }
    return path;
}

static void do_random_name_call(struct rand *r)
{
    char p[16], q[16];
    struct disk_file *f;

    switch (rand_below(r, 6)) {
    case 0:
        disk_unlink(env, draw_path(r, p));
        break;
    case 1:
        disk_sync_dir(env, rand_chance(r, 1, 3) ? "" : draw_path(r, p));
        break;
    case 2:
        disk_mkdir(env, draw_path(r, p));
        break;
    case 3:
        if (disk_open(env, draw_path(r, p), DISK_WRITE | DISK_CREATE, &f) == 0)
            disk_close(f);
        break;
    default:
        disk_rename(env, draw_path(r, p), draw_path(r, q));
    }
}

/* Directories and files move about at random between crashes; it stays a tree, and nothing leaks (sim_disk_free()
 * asserts that). A lucky crash changes nothing, and after any crash the image equals the disk. */
START_TEST(random_names_stay_a_tree)
{
    struct sim_disk *image;
    uint64_t sum;
    struct rand r;

    rand_init(&r);
    sim_prng_init(&prng, rand_u64(&r));
    for (int i = 0; i < 20000; i++) {
        do_random_name_call(&r);
        if (rand_chance(&r, 1, 20))
            sim_disk_writeback(disk, &prng);
        if (!rand_chance(&r, 1, 20))
            continue;
        sum = tree_sum(env);
        if (rand_chance(&r, 1, 2)) {
            sim_disk_crash(disk, SIM_CRASH_ALL, NULL);
            ck_assert_uint_eq(tree_sum(env), sum);
        } else {
            sim_disk_crash(disk, SIM_CRASH_DRAW, &prng);
        }
        image = sim_disk_image(disk, NULL);
        ck_assert_uint_eq(tree_sum(sim_disk_env(image)), tree_sum(env));
        sim_disk_free(image);
    }
}
END_TEST

Suite *disk_names_suite(void)
{
    Suite *s = suite_create("disk_names");

    suite_add_with(s, names_below_an_unsynced_directory_go, setup, teardown);
    suite_add_with(s, unsynced_unlink_comes_back, setup, teardown);
    suite_add_with(s, later_use_of_a_name_wins, setup, teardown);
    suite_add_with(s, drawn_crash_takes_any_subset_of_names, setup, teardown);
    suite_add_with(s, rename_is_atomic, setup, teardown);
    suite_add_with(s, rename_between_directories, setup, teardown);
    suite_add_with(s, moved_directories_never_close_a_circle, setup, teardown);
    suite_add_with(s, random_names_stay_a_tree, setup, teardown);
    return s;
}
