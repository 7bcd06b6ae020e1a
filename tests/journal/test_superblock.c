/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/superblock.h"

#include <errno.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "journal/suites.h"
#include "sim/disk.h"

static struct sim_disk *disk;
static struct env_disk *env;
static struct sim_prng prng;
static struct superblock sb;
static struct error_text err;

static void setup(void)
{
    sim_prng_init(&prng, 1);
    disk = sim_disk_new(&prng);
    env = sim_disk_env(disk);
    sb = (struct superblock){
        .node_id = "b1",
        .broker_id = -1,
        .n_shards = 4,
        .incarnation = { .bytes = "incarnation-1234" },
        .boot_counter = 1,
        .created_ms = 1234567890123,
    };
}

static void teardown(void)
{
    sim_disk_free(disk);
}

static void make(const char *path)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(env, path, DISK_WRITE | DISK_CREATE, &f), 0);
    disk_close(f);
}

static int read_as(const char *node_id, struct superblock *ret)
{
    return superblock_read(env, node_id, ret, &err);
}

START_TEST(new_directory)
{
    struct superblock got;

    ck_assert_int_eq(read_as("b1", &got), -ENOENT);
    ck_assert_int_eq(disk_mkdir(env, "lost+found"), 0);
    make("b1.log");
    make("lock");
    make("superblock.new");
    ck_assert_int_eq(read_as("b1", &got), -ENOENT);
}
END_TEST

/* Each directory of ours may be a file system of its own. */
START_TEST(new_mounts)
{
    static const char *const names[] = { "journal", "journal/0", "topics", "state", "state/metadata" };
    struct superblock got;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_(freep) char *dir = xasprintf("%s/lost+found", names[i]), *file = xasprintf("%s/#12", dir);

        ck_assert_int_eq(disk_mkdir(env, names[i]), 0);
        ck_assert_int_eq(disk_mkdir(env, dir), 0);
        make(file); /* stands for a directory that only root may list */
        ck_assert_int_eq(read_as("b1", &got), -ENOENT);
    }
    make("topics/file");
    ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_MISSING);
    ck_assert_int_eq(disk_unlink(env, "topics/file"), 0);
    make("state/lost+found.db");
    ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_MISSING);
}
END_TEST

START_TEST(data_without_superblock_are_refused)
{
    static const char *const names[] = { "journal", "topics", "state" };
    struct superblock got;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_(freep) char *dir = xasprintf("%s/0", names[i]), *file = xasprintf("%s/file", dir);

        ck_assert_int_eq(disk_mkdir(env, names[i]), 0);
        ck_assert_int_eq(disk_mkdir(env, dir), 0);
        ck_assert_int_eq(read_as("b1", &got), -ENOENT); /* a first start makes these before the superblock */
        make(file);
        ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_MISSING);
        ck_assert_ptr_nonnull(strstr(err.text, names[i]));
        ck_assert_int_eq(disk_unlink(env, file), 0);
        ck_assert_int_eq(disk_unlink(env, dir), 0);
        ck_assert_int_eq(disk_unlink(env, names[i]), 0);
    }
}
END_TEST

START_TEST(round_trip)
{
    struct superblock got;

    sb.broker_id = 7;
    sb.flags = SUPERBLOCK_JOURNALS_MADE;
    memset(sb.cluster_id.bytes, 0xab, 16);
    memset(sb.node_id, 'n', SUPERBLOCK_NODE_ID_MAX);
    ck_assert_int_eq(superblock_write(env, &sb, &err), 0);
    sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_int_eq(read_as(sb.node_id, &got), 0);
    ck_assert_str_eq(got.node_id, sb.node_id);
    ck_assert_int_eq(got.broker_id, 7);
    ck_assert_uint_eq(got.n_shards, 4);
    ck_assert_uint_eq(got.flags, SUPERBLOCK_JOURNALS_MADE);
    ck_assert(uuid_eq(&got.cluster_id, &sb.cluster_id));
    ck_assert(uuid_eq(&got.incarnation, &sb.incarnation));
    ck_assert_uint_eq(got.boot_counter, 1);
    ck_assert_int_eq(got.created_ms, 1234567890123);
}
END_TEST

/* The page docs/format/superblock.md, byte for byte. */
START_TEST(layout)
{
    uint8_t p[2 * 4096];
    struct disk_file *f;

    sb.broker_id = -1;
    memset(sb.cluster_id.bytes, 0xab, 16);
    ck_assert_int_eq(superblock_write(env, &sb, &err), 0);
    ck_assert_int_eq(disk_open(env, "superblock", DISK_READ, &f), 0);
    ck_assert_int_eq(disk_pread(f, p, sizeof(p), 0), sizeof(p));
    disk_close(f);
    ck_assert_mem_eq(p, "GQSUPERB\1\0\0\0\0\0\0\0incarnation-1234", 32);
    ck_assert_uint_eq(p[32], 0xab);
    ck_assert_uint_eq(load_le64(p + 48), 1);
    ck_assert_uint_eq(load_le64(p + 56), 1234567890123);
    ck_assert_uint_eq(load_le32(p + 64), 0xffffffff);
    ck_assert_uint_eq(load_le32(p + 68), 4);
    ck_assert_uint_eq(load_le32(p + 72), 0);
    ck_assert_uint_eq(load_le32(p + 76), 2);
    ck_assert_mem_eq(p + 80, "b1\0", 3);
    ck_assert_uint_eq(load_le32(p + 4092), crc32c_portable(0, p, 4092));
    ck_assert_mem_eq(p, p + 4096, 4096);
}
END_TEST

START_TEST(one_unreadable_copy_costs_nothing)
{
    struct superblock got;

    ck_assert_int_eq(superblock_write(env, &sb, &err), 0);
    ck_assert(!superblock_is_worn(env));
    for (uint64_t at = 0; at < 8192; at += 4096) {
        ck_assert_int_eq(sim_disk_damage_at(disk, "superblock", at, SIM_DAMAGE_UNREADABLE, &prng), 0);
        ck_assert_int_eq(read_as("b1", &got), 0);
        ck_assert_uint_eq(got.boot_counter, 1);
        ck_assert(superblock_is_worn(env));
        sim_disk_mend(disk);
    }
    ck_assert_int_eq(sim_disk_damage_at(disk, "superblock", 0, SIM_DAMAGE_UNREADABLE, &prng), 0);
    ck_assert_int_eq(sim_disk_damage_at(disk, "superblock", 4096, SIM_DAMAGE_UNREADABLE, &prng), 0);
    ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_DAMAGED);
    ck_assert(superblock_is_worn(env));
}
END_TEST

START_TEST(one_damaged_copy_costs_nothing)
{
    struct superblock got;

    ck_assert_int_eq(superblock_write(env, &sb, &err), 0);
    for (uint64_t at = 0; at < 8192; at += 97) {
        ck_assert_int_eq(sim_disk_flip(disk, "superblock", at, 0x10), 0);
        ck_assert_int_eq(read_as("b1", &got), 0);
        ck_assert_int_eq(sim_disk_flip(disk, "superblock", at, 0x10), 0);
    }
    sim_disk_flip(disk, "superblock", 50, 1);
    sim_disk_flip(disk, "superblock", 4096 + 70, 1);
    ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_DAMAGED);
    ck_assert_ptr_nonnull(strstr(err.text, "damaged"));
}
END_TEST

START_TEST(cut_files_are_damage)
{
    static const uint64_t sizes[] = { 0, 1, 4095 };
    struct superblock got;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct disk_file *f;

        ck_assert_int_eq(superblock_write(env, &sb, &err), 0);
        ck_assert_int_eq(disk_open(env, "superblock", DISK_WRITE, &f), 0);
        ck_assert_int_eq(disk_truncate(f, sizes[i]), 0);
        disk_close(f);
        ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_DAMAGED);
    }
}
END_TEST

START_TEST(another_node_is_refused)
{
    struct superblock got;

    ck_assert_int_eq(superblock_write(env, &sb, &err), 0);
    ck_assert_int_eq(read_as("b2", &got), SUPERBLOCK_E_NODE);
    ck_assert_ptr_nonnull(strstr(err.text, "'b1'"));
    ck_assert_ptr_nonnull(strstr(err.text, "'b2'"));
    ck_assert_int_eq(read_as("b", &got), SUPERBLOCK_E_NODE);
}
END_TEST

/* Copies with changed bytes and a right CRC. */
static void patch(size_t at, uint32_t value)
{
    uint8_t p[4096];
    struct disk_file *f;

    ck_assert_int_eq(superblock_write(env, &sb, &err), 0);
    ck_assert_int_eq(disk_open(env, "superblock", DISK_WRITE, &f), 0);
    for (uint64_t copy = 0; copy < 8192; copy += 4096) {
        ck_assert_int_eq(disk_pread(f, p, sizeof(p), copy), sizeof(p));
        store_le32(p + at, value);
        store_le32(p + 4092, crc32c(0, p, 4092));
        ck_assert_int_eq(disk_pwrite(f, p, sizeof(p), copy), 0);
    }
    disk_close(f);
}

START_TEST(newer_version_is_told_from_damage)
{
    struct superblock got;

    patch(8, 2);
    ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_VERSION);
    ck_assert_ptr_nonnull(strstr(err.text, "version 2"));
    patch(8, 0);
    ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_DAMAGED);
}
END_TEST

START_TEST(impossible_fields_are_damage)
{
    struct superblock got;

    patch(68, 0); /* shards */
    ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_DAMAGED);
    patch(76, 0); /* node id size */
    ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_DAMAGED);
    patch(76, 256);
    ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_DAMAGED);
    patch(76, 3); /* a NUL in it */
    ck_assert_int_eq(read_as("b1", &got), SUPERBLOCK_E_DAMAGED);
}
END_TEST

/* A crash at any step of an update leaves the old one or the new one. */
START_TEST(updates_are_atomic)
{
    struct superblock got;

    for (uint64_t step = 0; step < 8; step++) {
        for (int draw = 0; draw < 20; draw++) {
            bool died;

            sb.boot_counter = 1;
            ck_assert_int_eq(superblock_write(env, &sb, &err), 0);
            sb.boot_counter = 2;
            sim_disk_crash_after(disk, step);
            died = superblock_write(env, &sb, &err) != 0;
            sim_disk_crash(disk, SIM_CRASH_DRAW, &prng);
            ck_assert_int_eq(read_as("b1", &got), 0);
            ck_assert(got.boot_counter == 2 || (died && got.boot_counter == 1));
        }
    }
}
END_TEST

START_TEST(first_one_is_there_or_not)
{
    for (uint64_t step = 0; step < 6; step++) {
        for (int draw = 0; draw < 20; draw++) {
            struct superblock got;
            bool died;
            int r;

            teardown();
            setup();
            sim_disk_crash_after(disk, step);
            died = superblock_write(env, &sb, &err) != 0;
            sim_disk_crash(disk, SIM_CRASH_DRAW, &prng);
            r = read_as("b1", &got);
            ck_assert(r == 0 || (died && r == -ENOENT));
        }
    }
}
END_TEST

START_TEST(errors_go_up)
{
    struct superblock got;

    sim_disk_fail(disk, SIM_DISK_SYNC_DATA, 0, 1, -EIO);
    ck_assert_int_eq(superblock_write(env, &sb, &err), -EIO);
    sim_disk_fail(disk, SIM_DISK_SYNC_DATA, 0, 1, -ENOSPC);
    ck_assert_int_eq(superblock_write(env, &sb, &err), -EIO); /* never tried again, as a shortage would be */
    sim_disk_exit(disk);
    ck_assert_int_eq(superblock_write(env, &sb, &err), 0);
    sim_disk_fail(disk, SIM_DISK_READ, 0, 1, -ENOMEM);
    ck_assert_int_eq(read_as("b1", &got), -ENOMEM);
    sim_disk_fail(disk, SIM_DISK_OPEN, 0, 1, -EACCES);
    ck_assert_int_eq(read_as("b1", &got), -EACCES);
    ck_assert_int_eq(read_as("b1", &got), 0);
}
END_TEST

Suite *superblock_suite(void)
{
    Suite *s = suite_create("superblock");

    suite_add_with(s, new_directory, setup, teardown);
    suite_add_with(s, new_mounts, setup, teardown);
    suite_add_with(s, data_without_superblock_are_refused, setup, teardown);
    suite_add_with(s, round_trip, setup, teardown);
    suite_add_with(s, layout, setup, teardown);
    suite_add_with(s, one_unreadable_copy_costs_nothing, setup, teardown);
    suite_add_with(s, one_damaged_copy_costs_nothing, setup, teardown);
    suite_add_with(s, cut_files_are_damage, setup, teardown);
    suite_add_with(s, another_node_is_refused, setup, teardown);
    suite_add_with(s, newer_version_is_told_from_damage, setup, teardown);
    suite_add_with(s, impossible_fields_are_damage, setup, teardown);
    suite_add_with(s, updates_are_atomic, setup, teardown);
    suite_add_with(s, first_one_is_there_or_not, setup, teardown);
    suite_add_with(s, errors_go_up, setup, teardown);
    return s;
}
