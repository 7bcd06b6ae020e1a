/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state/rig.h"
#include "state/suites.h"
#include "state/vfs.h"
#include "support/rand.h"

static void setup(void)
{
    rig_init(1);
}

START_TEST(new_database_is_empty)
{
    struct state_applied applied = { 1, 1, 1 };

    ck_assert_int_eq(rig_open(), 0);
    ck_assert_int_eq(state_applied(rig.db, 12345, &applied), 0);
    ck_assert_uint_eq(applied.index, 0);
    ck_assert_uint_eq(applied.term, 0);
    ck_assert_uint_eq(applied.checksum, 0);
    rig_expect(0);
}
END_TEST

START_TEST(history_is_kept)
{
    ck_assert_int_eq(rig_open(), 0);
    for (uint64_t v = 1; v <= 60; v++) {
        ck_assert_int_eq(rig_write(v), 0);
        if (v % 10 == 0)
            rig_close();
        rig_expect(v);
    }
}
END_TEST

static const uint8_t odd_key[] = { 0, 0xff, 0, 'a' };
static unsigned n_seen;

static int check_extremes(void *ctx, const struct state_record *rec)
{
    static const uint16_t kinds[] = { 0, 0, UINT16_MAX };

    ck_assert_uint_lt(n_seen, 3);
    ck_assert_uint_eq(rec->kind, kinds[n_seen]);
    ck_assert_ptr_nonnull(rec->value.data);
    ck_assert_uint_eq(rec->value.size, n_seen == 2 ? sizeof(odd_key) : 0);
    ck_assert_uint_eq(rec->key.size, n_seen == 1 ? sizeof(odd_key) : 0);
    n_seen++;
    return 0;
}

/* Ordered by kind, then by key; empty keys and values are there, and not NULL. */
START_TEST(extreme_values)
{
    struct state_applied applied = { UINT64_MAX, UINT64_MAX - 1, UINT32_MAX }, back;
    struct slice empty = slice_make("", 0), odd = slice_make(odd_key, sizeof(odd_key));
    struct state_record records[] = { { UINT16_MAX, empty, odd }, { 0, odd, empty }, { 0, empty, empty } };

    ck_assert_int_eq(rig_open(), 0);
    ck_assert_int_eq(state_write(rig.db, UINT64_MAX, &applied, records, 3), 0);
    ck_assert_int_eq(state_applied(rig.db, UINT64_MAX, &back), 0);
    ck_assert_uint_eq(back.index, applied.index);
    ck_assert_uint_eq(back.term, applied.term);
    ck_assert_uint_eq(back.checksum, applied.checksum);
    n_seen = 0;
    ck_assert_int_eq(state_load(rig.db, UINT64_MAX, check_extremes, NULL), 0);
    ck_assert_uint_eq(n_seen, 3);
}
END_TEST

START_TEST(groups_are_apart)
{
    struct state_applied applied = { 5, 1, 9 };
    struct state_record rec = { 1, slice_str("k"), slice_str("v") };

    ck_assert_int_eq(rig_open(), 0);
    ck_assert_int_eq(rig_write(1), 0);
    ck_assert_int_eq(state_write(rig.db, RIG_GROUP + 1, &applied, &rec, 1), 0);
    rig_expect(1);
    ck_assert_int_eq(state_replace(rig.db, RIG_GROUP + 1, &applied, NULL, 0), 0);
    rig_expect(1);
    for (uint64_t v = 2; v <= 7; v++) /* the last one replaces */
        ck_assert_int_eq(rig_write(v), 0);
    ck_assert_int_eq(state_applied(rig.db, RIG_GROUP + 1, &applied), 0);
    ck_assert_uint_eq(applied.index, 5);
}
END_TEST

static int stop_at_once(void *ctx, const struct state_record *rec)
{
    return ++*(unsigned *)ctx == 2 ? 77 : 0;
}

START_TEST(loading_stops_when_told)
{
    unsigned n = 0;

    ck_assert_int_eq(rig_open(), 0);
    for (uint64_t v = 1; v <= 6; v++)
        ck_assert_int_eq(rig_write(v), 0);
    ck_assert_int_eq(state_load(rig.db, RIG_GROUP, stop_at_once, &n), 77);
    ck_assert_uint_eq(n, 2);
    rig_expect(6);
}
END_TEST

/* Two shards' databases, used by turns. */
START_TEST(databases_are_apart)
{
    struct state_applied applied = { 3, 1, 1 }, back;
    struct state_db *other;

    ck_assert_int_eq(rig_open(), 0);
    ck_assert_int_eq(state_open(rig.env, &rig.prng.env, "state/1.db", &other, NULL), 0);
    ck_assert_int_eq(rig_write(1), 0);
    ck_assert_int_eq(state_write(other, RIG_GROUP, &applied, NULL, 0), 0);
    ck_assert_int_eq(rig_write(2), 0);
    ck_assert_int_eq(state_applied(other, RIG_GROUP, &back), 0);
    ck_assert_uint_eq(back.index, 3);
    state_close(other);
    rig_expect(2);
}
END_TEST

START_TEST(removed_is_new)
{
    ck_assert_int_eq(rig_open(), 0);
    ck_assert_int_eq(rig_write(1), 0);
    rig_close();
    ck_assert_int_eq(state_remove(rig.env, RIG_PATH), 0);
    rig_expect(0);
    rig_close();
    ck_assert_int_eq(state_remove(rig.env, RIG_PATH), 0);
    ck_assert_int_eq(state_remove(rig.env, RIG_PATH), 0); /* nothing there: nothing to do */
}
END_TEST

START_TEST(no_directory)
{
    struct error_text err = { "" };
    struct state_db *db;

    ck_assert_int_eq(state_open(rig.env, &rig.prng.env, "nowhere/0.db", &db, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "nowhere/0.db"));
    state_close(NULL);
}
END_TEST

/* Straight to SQLite, as a later version of this program would. */
static void run_sql(const char *sql)
{
    struct state_vfs vfs;
    sqlite3 *db;

    ck_assert_int_eq(state_vfs_init(&vfs, rig.env, &rig.prng.env), 0);
    ck_assert_int_eq(sqlite3_open_v2(RIG_PATH, &db, SQLITE_OPEN_READWRITE, vfs.name), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    state_vfs_fini(&vfs);
}

static void make_version_9(void)
{
    ck_assert_int_eq(rig_open(), 0);
    for (uint64_t v = 1; v <= 9; v++)
        ck_assert_int_eq(rig_write(v), 0);
    rig_close();
}

START_TEST(newer_version_is_left_alone)
{
    struct error_text err = { "" };
    uint64_t writes;

    make_version_9();
    run_sql("PRAGMA user_version=2");
    writes = sim_disk_steps(rig.disk);
    ck_assert_int_eq(state_open(rig.env, &rig.prng.env, RIG_PATH, &rig.db, &err), STATE_E_VERSION);
    ck_assert_str_eq(err.text, RIG_PATH ": the database has version 2, this program knows 1");
    ck_assert_uint_eq(sim_disk_steps(rig.disk), writes);
    run_sql("PRAGMA user_version=1");
    rig_expect(9);
}
END_TEST

START_TEST(other_tables_are_damage)
{
    make_version_9();
    run_sql("DROP TABLE records");
    ck_assert_int_eq(rig_open(), STATE_E_DAMAGED);
    run_sql("DROP TABLE applied; PRAGMA user_version=0; CREATE TABLE applied(x)");
    ck_assert_int_eq(rig_open(), STATE_E_DAMAGED);
    ck_assert_int_eq(state_remove(rig.env, RIG_PATH), 0);
    rig_expect(0);
}
END_TEST

/* A large image doesn't leave a large rollback journal behind. */
START_TEST(journal_stays_small)
{
    static uint8_t value[100000];
    struct state_applied applied = { 1, 1, 1 };
    struct disk_file *f;
    uint64_t size;

    ck_assert_int_eq(rig_open(), 0);
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 60; i++) {
            struct state_record rec = { 1, slice_make(&i, sizeof(i)), slice_make(value, sizeof(value)) };

            value[0] = (uint8_t)round;
            ck_assert_int_eq(state_write(rig.db, 1, &applied, &rec, 1), 0);
        }
        ck_assert_int_eq(state_replace(rig.db, 1, &applied, NULL, 0), 0);
    }
    ck_assert_int_eq(disk_open(rig.env, RIG_PATH "-journal", DISK_READ, &f), 0);
    ck_assert_int_eq(disk_size(f, &size), 0);
    ck_assert_uint_le(size, 1 << 20);
    disk_close(f);
}
END_TEST

static int check_large(void *ctx, const struct state_record *rec)
{
    const struct slice *value = ctx;

    n_seen++;
    ck_assert(slice_eq(rec->value, *value));
    return 0;
}

/* The largest topic of the metadata has about as much. */
START_TEST(large_records)
{
    size_t size = 42u << 20;
    _cleanup_(freep) uint8_t *bytes = xmalloc(size);
    struct slice value = slice_make(bytes, size);
    struct state_record rec = { 3, slice_make("key", 3), value };

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i % 251);
    ck_assert_int_eq(rig_open(), 0);
    for (uint64_t round = 1; round <= 2; round++) {
        struct state_applied applied = { round, 1, 1 };

        bytes[size - round] = (uint8_t)round;
        ck_assert_int_eq(state_write(rig.db, 1, &applied, &rec, 1), 0);
        rig_close();
        sim_disk_crash(rig.disk, SIM_CRASH_NOTHING, NULL);
        ck_assert_int_eq(rig_open(), 0);
        n_seen = 0;
        ck_assert_int_eq(state_load(rig.db, 1, check_large, &value), 0);
        ck_assert_uint_eq(n_seen, 1);
    }
}
END_TEST

static uint32_t disk_after(uint32_t seed)
{
    uint32_t crc;

    rig_init(1);
    state_seed(seed);
    ck_assert_int_eq(rig_open(), 0);
    for (uint64_t v = 1; v < 4; v++)
        ck_assert_int_eq(rig_write(v), 0);
    rig_close();
    crc = sim_disk_crc(rig.disk);
    rig_fini();
    return crc;
}

/* SQLite draws numbers for its journals, which are the same when it is told where to begin. */
START_TEST(same_seed_same_bytes)
{
    uint32_t first = disk_after(0);

    ck_assert_uint_ne(first, disk_after(2));
    ck_assert_uint_eq(first, disk_after(0));
}
END_TEST

Suite *state_suite(void)
{
    Suite *s = suite_create("state");

    suite_add_with(s, new_database_is_empty, setup, rig_fini);
    suite_add_with(s, history_is_kept, setup, rig_fini);
    suite_add_with(s, extreme_values, setup, rig_fini);
    suite_add_with(s, groups_are_apart, setup, rig_fini);
    suite_add_with(s, loading_stops_when_told, setup, rig_fini);
    suite_add_with(s, databases_are_apart, setup, rig_fini);
    suite_add(s, same_seed_same_bytes);
    suite_add_with(s, removed_is_new, setup, rig_fini);
    suite_add_with(s, no_directory, setup, rig_fini);
    suite_add_with(s, newer_version_is_left_alone, setup, rig_fini);
    suite_add_with(s, other_tables_are_damage, setup, rig_fini);
    suite_add_with(s, journal_stays_small, setup, rig_fini);
    suite_add_with(s, large_records, setup, rig_fini);
    return s;
}
