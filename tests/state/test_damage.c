/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A database whose bytes aren't those that were written. */
#include "base/crc32c.h"
#include "state/rig.h"
#include "state/suites.h"
#include "state/vfs.h"
#include "support/rand.h"

#define VERSIONS 6
#define OTHER_GROUP 8
#define OTHER_RECORDS 30

/* Records of all sizes, so that there are pages of all kinds, all of them in use. */
static void setup(void)
{
    static uint8_t value[OTHER_RECORDS * 300];
    struct state_applied applied = { 1, 1, 1 };

    rig_init(1);
    ck_assert_int_eq(rig_open(), 0);
    for (uint16_t i = 0; i < OTHER_RECORDS; i++) {
        struct state_record rec = { i, slice_str("key"), slice_make(value, i * 300u) };

        memset(value, i + 1, sizeof(value));
        ck_assert_int_eq(state_write(rig.db, OTHER_GROUP, &applied, &rec, 1), 0);
    }
    for (uint64_t v = 1; v <= VERSIONS; v++)
        ck_assert_int_eq(rig_write(v), 0);
    rig_close();
}

static int check_other(void *ctx, const struct state_record *rec)
{
    unsigned *n = ctx;

    if (rec->kind != *n || rec->value.size != *n * 300)
        return -EILSEQ;
    for (size_t i = 0; i < rec->value.size; i++) {
        if (rec->value.data[i] != *n + 1)
            return -EILSEQ;
    }
    ++*n;
    return 0;
}

static int read_other(void)
{
    unsigned n = 0;
    int rc = state_load(rig.db, OTHER_GROUP, check_other, &n);

    return rc == 0 && n != 0 && n != OTHER_RECORDS ? -EILSEQ : rc;
}

static uint64_t file_size(const char *path)
{
    struct disk_file *f;
    uint64_t size;

    ck_assert_int_eq(disk_open(rig.env, path, DISK_READ, &f), 0);
    ck_assert_int_eq(disk_size(f, &size), 0);
    disk_close(f);
    return size;
}

static void overwrite(const char *path, uint64_t offset, const void *data, size_t size)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(rig.env, path, DISK_WRITE | DISK_CREATE, &f), 0);
    ck_assert_int_eq(disk_pwrite(f, data, size, offset), 0);
    disk_close(f);
}

static void cut(const char *path, uint64_t size)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(rig.env, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_truncate(f, size), 0);
    disk_close(f);
}

static int open_and_read(uint64_t *ret_version)
{
    int rc = rig_open();

    if (rc == 0)
        rc = rig_read(ret_version);
    if (rc == 0)
        rc = read_other();
    rig_close();
    return rc;
}

static void expect_damaged(const char *what, uint64_t where)
{
    uint64_t version;
    int rc = open_and_read(&version);

    ck_assert_msg(rc == STATE_E_DAMAGED, "%s at %llu: %d", what, (unsigned long long)where, rc);
}

/* 61 meets each place within a page sooner or later. */
START_TEST(any_flipped_byte_is_found)
{
    uint64_t size = file_size(RIG_PATH);

    ck_assert_uint_ge(size, 20 * STATE_PAGE_SIZE);
    for (uint64_t at = 0; at < size; at += at < 200 ? 1 : 61) {
        ck_assert_int_eq(sim_disk_flip(rig.disk, RIG_PATH, at, 1), 0);
        expect_damaged("flipped byte", at);
        ck_assert_int_eq(sim_disk_flip(rig.disk, RIG_PATH, at, 1), 0);
    }
    rig_expect(VERSIONS);
}
END_TEST

/* Zeros are what a hole reads as. */
START_TEST(any_lost_page_is_found)
{
    static const uint8_t zeros[STATE_PAGE_SIZE];
    uint64_t size = file_size(RIG_PATH);

    for (uint64_t at = 0; at < size; at += STATE_PAGE_SIZE) {
        rig_fini();
        setup();
        overwrite(RIG_PATH, at, zeros, sizeof(zeros));
        expect_damaged("zeroed page", at);
    }
}
END_TEST

/* Each page is good by itself, and in the wrong place: its neighbour's. */
START_TEST(misplaced_pages_are_found)
{
    uint8_t page[STATE_PAGE_SIZE];
    struct disk_file *f;
    uint64_t size = file_size(RIG_PATH);

    for (uint64_t at = 0; at < size - STATE_PAGE_SIZE; at += STATE_PAGE_SIZE) {
        rig_fini();
        setup();
        ck_assert_int_eq(disk_open(rig.env, RIG_PATH, DISK_READ, &f), 0);
        ck_assert_int_eq(disk_pread(f, page, sizeof(page), at), sizeof(page));
        disk_close(f);
        overwrite(RIG_PATH, at + STATE_PAGE_SIZE, page, sizeof(page));
        expect_damaged("misplaced page", at);
    }
}
END_TEST

/* An empty file is a new database, which claims nothing. */
START_TEST(any_cut_is_found)
{
    uint64_t size = file_size(RIG_PATH), version;

    for (uint64_t to = size - 1; to > 0; to -= MIN(to, 2047u)) {
        rig_fini();
        setup();
        cut(RIG_PATH, to);
        expect_damaged("cut", to);
    }
    rig_fini();
    setup();
    cut(RIG_PATH, 0);
    ck_assert_int_eq(open_and_read(&version), 0);
    ck_assert_uint_eq(version, 0);
}
END_TEST

START_TEST(not_a_database)
{
    uint8_t bytes[3 * STATE_PAGE_SIZE];
    struct rand r;

    rand_init(&r);
    for (unsigned i = 0; i < 50; i++) {
        size_t size = (size_t)rand_range(&r, 1, sizeof(bytes));

        rand_fill(&r, bytes, size);
        if (rand_chance(&r, 1, 2) && size >= 16)
            memcpy(bytes, "SQLite format 3", 16);
        cut(RIG_PATH, 0);
        overwrite(RIG_PATH, 0, bytes, size);
        expect_damaged("random bytes", size);
    }
}
END_TEST

static const uint8_t journal_magic[] = { 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7 };

/* A rollback journal may hold anything: it does no harm, or what it did is found. */
START_TEST(any_journal)
{
    uint8_t bytes[2 * STATE_PAGE_SIZE];
    struct rand r;

    rand_init(&r);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t version = 0;
        int rc;

        rig_fini();
        setup();
        rand_fill(&r, bytes, sizeof(bytes));
        if (rand_chance(&r, 2, 3)) {
            memcpy(bytes, journal_magic, sizeof(journal_magic));
            memset(bytes + 8, 0, 20);
            bytes[11] = (uint8_t)rand_below(&r, 3);  /* records */
            bytes[19] = (uint8_t)rand_below(&r, 10); /* pages before */
            bytes[22] = 16;                          /* sector 4096 */
            bytes[26] = 16;                          /* page 4096 */
        }
        overwrite(RIG_PATH "-journal", 0, bytes, sizeof(bytes));
        rc = open_and_read(&version);
        ck_assert_msg(rc == STATE_E_DAMAGED || (rc == 0 && (version == VERSIONS || version == 0)), "%d", rc);
    }
}
END_TEST

/* What is to be done about damage. */
START_TEST(removed_and_made_again)
{
    ck_assert_int_eq(sim_disk_flip(rig.disk, RIG_PATH, 5000, 0x80), 0);
    expect_damaged("flipped byte", 5000);
    ck_assert_int_eq(state_remove(rig.env, RIG_PATH), 0);
    ck_assert_int_eq(rig_open(), 0);
    for (uint64_t v = 1; v <= VERSIONS; v++)
        ck_assert_int_eq(rig_write(v), 0);
    rig_close();
    rig_expect(VERSIONS);
}
END_TEST

Suite *damage_suite(void)
{
    Suite *s = suite_create("damage");

    suite_add_with(s, any_flipped_byte_is_found, setup, rig_fini);
    suite_add_with(s, any_lost_page_is_found, setup, rig_fini);
    suite_add_with(s, misplaced_pages_are_found, setup, rig_fini);
    suite_add_with(s, any_cut_is_found, setup, rig_fini);
    suite_add_with(s, not_a_database, setup, rig_fini);
    suite_add_with(s, any_journal, setup, rig_fini);
    suite_add_with(s, removed_and_made_again, setup, rig_fini);
    return s;
}
