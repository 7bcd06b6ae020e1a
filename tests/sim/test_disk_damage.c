/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "base/util.h"
#include "sim/disk.h"
#include "sim/suites.h"

#define SIZE 8192

static struct sim_disk *disk;
static struct env_disk *env;
static struct sim_prng prng;
static struct disk_file *file;
static uint8_t said[SIZE], got[SIZE];

static void setup(void)
{
    sim_prng_init(&prng, 7);
    disk = sim_disk_new(&prng);
    env = sim_disk_env(disk);
    ck_assert_int_eq(disk_open(env, "f", DISK_WRITE | DISK_CREATE, &file), 0);
    ck_assert_int_eq(disk_sync_dir(env, ""), 0);
    for (size_t i = 0; i < SIZE; i++)
        said[i] = (uint8_t)(1 + i / 512 + i % 7);
    ck_assert_int_eq(disk_pwrite(file, said, SIZE, 0), 0);
}

static void teardown(void)
{
    disk_close(file);
    sim_disk_free(disk);
}

static void damage(enum sim_disk_damage how)
{
    ck_assert_int_eq(disk_sync_data(file), 0);
    ck_assert_int_eq(sim_disk_damage(disk, "f", how, &prng), 0);
    ck_assert_uint_eq(sim_disk_n_damaged(disk), 1);
}

/* How many sectors can't be read, or aren't what was said. */
static unsigned n_wrong(void)
{
    unsigned n = 0;

    for (size_t at = 0; at < SIZE; at += 512) {
        ssize_t r = disk_pread(file, got + at, 512, at);

        n += r < 0 || memcmp(got + at, said + at, 512) != 0;
        ck_assert(r == 512 || r == -EIO);
    }
    return n;
}

START_TEST(damage_shows_and_is_mended)
{
    damage((enum sim_disk_damage)_i);
    ck_assert_uint_ge(n_wrong(), 1);
    ck_assert_uint_le(n_wrong(), 8); /* one page */
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    disk_close(file);
    ck_assert_int_eq(disk_open(env, "f", DISK_WRITE, &file), 0);
    ck_assert_uint_ge(n_wrong(), 1);
    sim_disk_mend(disk);
    ck_assert_uint_eq(sim_disk_n_damaged(disk), 0);
    ck_assert_uint_eq(n_wrong(), 0);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    disk_close(file);
    ck_assert_int_eq(disk_open(env, "f", DISK_WRITE, &file), 0);
    ck_assert_uint_eq(n_wrong(), 0);
}
END_TEST

/* And a crash takes back what it wrote, not what was before. */
START_TEST(who_writes_again_mends)
{
    damage((enum sim_disk_damage)_i);
    ck_assert_int_eq(disk_pwrite(file, said, SIZE, 0), 0);
    ck_assert_uint_eq(sim_disk_n_damaged(disk), 0);
    ck_assert_uint_eq(n_wrong(), 0);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    disk_close(file);
    ck_assert_int_eq(disk_open(env, "f", DISK_WRITE, &file), 0);
    ck_assert_uint_eq(n_wrong(), 0);
}
END_TEST

START_TEST(a_write_within_a_sector_leaves_the_rest_of_it_sound)
{
    damage((enum sim_disk_damage)_i);
    for (uint64_t at = 7; at < SIZE; at += SIM_DISK_SECTOR)
        ck_assert_int_eq(disk_pwrite(file, said + at, 1, at), 0);
    ck_assert_uint_eq(sim_disk_n_damaged(disk), 0);
    ck_assert_uint_eq(n_wrong(), 0);
}
END_TEST

/* What is put right later isn't put over what was written meanwhile. */
START_TEST(new_bytes_stay)
{
    uint8_t other[SIZE];

    memset(other, 9, sizeof(other));
    damage((enum sim_disk_damage)_i);
    ck_assert_int_eq(disk_truncate(file, 0), 0);
    ck_assert_int_eq(disk_pwrite(file, other, SIZE, 0), 0);
    ck_assert_int_eq(disk_sync_data(file), 0);
    sim_disk_mend(disk);
    memcpy(said, other, SIZE);
    ck_assert_uint_eq(n_wrong(), 0);
}
END_TEST

START_TEST(an_image_has_the_damage_and_can_be_mended)
{
    struct sim_disk *image;
    struct disk_file *f;

    damage((enum sim_disk_damage)_i);
    image = sim_disk_image(disk, &prng);
    ck_assert_uint_eq(sim_disk_n_damaged(image), 1);
    sim_disk_mend(image);
    ck_assert_int_eq(disk_open(sim_disk_env(image), "f", DISK_READ, &f), 0);
    ck_assert_int_eq(disk_pread(f, got, SIZE, 0), SIZE);
    ck_assert_mem_eq(got, said, SIZE);
    disk_close(f);
    sim_disk_free(image);
    ck_assert_uint_eq(sim_disk_n_damaged(disk), 1);
}
END_TEST

START_TEST(what_is_in_memory_can_be_read)
{
    struct disk_map *map;

    damage(SIM_DAMAGE_UNREADABLE);
    ck_assert_int_eq(disk_pread_cached(file, got, SIZE, 0) == SIZE, false);
    ck_assert_int_eq(disk_pread(file, got, SIZE, 0), -EIO);
    ck_assert_int_eq(disk_map(file, &map), 0);
    ck_assert_int_eq(disk_unmap(map), -EIO);
    sim_disk_mend(disk);
    ck_assert_int_eq(disk_pread(file, got, SIZE, 0), SIZE);
    ck_assert_int_eq(disk_map(file, &map), 0);
    ck_assert_mem_eq(map->data, said, SIZE);
    ck_assert_int_eq(disk_unmap(map), 0);
}
END_TEST

START_TEST(only_what_is_durable_is_damaged)
{
    ck_assert_int_eq(sim_disk_damage(disk, "f", SIM_DAMAGE_FLIPPED, &prng), -EBUSY);
    ck_assert_int_eq(sim_disk_damage(disk, "g", SIM_DAMAGE_FLIPPED, &prng), -ENOENT);
    ck_assert_int_eq(sim_disk_damage(disk, "", SIM_DAMAGE_FLIPPED, &prng), -EISDIR);
    ck_assert_int_eq(disk_truncate(file, 100), 0); /* less than a sector */
    ck_assert_int_eq(disk_sync_data(file), 0);
    ck_assert_int_eq(sim_disk_damage(disk, "f", SIM_DAMAGE_FLIPPED, &prng), -EBUSY);
    ck_assert_uint_eq(sim_disk_n_damaged(disk), 0);
}
END_TEST

#define add_loop(s, test) \
    do { \
        TCase *tc_ = tcase_create(#test); \
        tcase_add_checked_fixture(tc_, setup, teardown); \
        tcase_add_loop_test(tc_, test, 0, SIM_N_DAMAGES); \
        suite_add_tcase(s, tc_); \
    } while (0)

Suite *disk_damage_suite(void)
{
    Suite *s = suite_create("disk_damage");

    add_loop(s, damage_shows_and_is_mended);
    add_loop(s, who_writes_again_mends);
    add_loop(s, a_write_within_a_sector_leaves_the_rest_of_it_sound);
    add_loop(s, new_bytes_stay);
    add_loop(s, an_image_has_the_damage_and_can_be_mended);
    suite_add_with(s, what_is_in_memory_can_be_read, setup, teardown);
    suite_add_with(s, only_what_is_durable_is_damaged, setup, teardown);
    return s;
}
