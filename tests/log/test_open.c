/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "log/fixture.h"
#include "log/format.h"
#include "log/suites.h"

static struct fx fx;

/* Three segments of four entries, the last one with two more entries behind the checkpoint. */
static void setup(void)
{
    fx_init(&fx, NULL);
    log_set_limits(fx.log, 1u << 20, 0);
    for (unsigned i = 0; i < 12; i++) {
        if (i % 4 == 0)
            log_roll(fx.log);
        fx_add(&fx, .term = 1 + i / 3, .n_records = 2, .value_size = 30, .commands_size = 8);
        ck_assert_int_eq(fx_append(&fx, 1), 0);
    }
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_add(&fx, .n_records = 1);
    fx_add(&fx, .n_records = 1);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_uint_eq(log_segment_count(fx.log), 3);
    fx_close(&fx);
}

static void teardown(void)
{
    fx_fini(&fx);
}

/* Opening fails, names the file, the entries, and changes nothing; twice. */
static void assert_refused(const char *file, const char *what)
{
    uint64_t steps = sim_disk_steps(fx.disk);

    for (int i = 0; i < 2; i++) {
        struct error_text err = { "" };

        ck_assert_int_eq(fx_open(&fx, &err), LOG_E_CORRUPT);
        ck_assert_msg(strstr(err.text, file) != NULL && strstr(err.text, what) != NULL, "%s", err.text);
        ck_assert_ptr_nonnull(strstr(err.text, "Nothing was changed"));
    }
    ck_assert_uint_eq(sim_disk_steps(fx.disk), steps);
}

static void flip(const char *file, uint64_t offset)
{
    char path[128];

    snprintf(path, sizeof(path), FX_DIR "/%s", file);
    ck_assert_int_eq(sim_disk_flip(fx.disk, path, offset, 0x10), 0);
}

static void truncate_file(const char *file, uint64_t size)
{
    struct disk_file *f;
    char path[128];

    snprintf(path, sizeof(path), FX_DIR "/%s", file);
    ck_assert_int_eq(disk_open(fx.config.disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_truncate(f, size), 0);
    disk_close(f);
}

static void remove_file(const char *file)
{
    char path[128];

    snprintf(path, sizeof(path), FX_DIR "/%s", file);
    ck_assert_int_eq(disk_unlink(fx.config.disk, path), 0);
}

#define FIRST "00000000000000000001"
#define SECOND "00000000000000000005"
#define THIRD "00000000000000000009"

START_TEST(what_lies_behind_the_checkpoint_is_cut)
{
    fx_reopen(&fx);
    ck_assert_uint_eq(log_end(fx.log).index, 12);
    ck_assert_uint_eq(fx_file_size(&fx, THIRD ".entries"), 5 * 128);
    fx_check(&fx);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    fx_check(&fx);
}
END_TEST

static bool told(struct log_beyond *b, uint64_t index)
{
    const struct log_position at = fx_position(&fx, index);

    ck_assert(!log_beyond_has(b, index, at.term + 1, at.checksum));
    ck_assert(!log_beyond_has(b, index, at.term, at.checksum + 1));
    return log_beyond_has(b, index, at.term, at.checksum);
}

START_TEST(what_lay_behind_the_checkpoint_is_told)
{
    struct log_beyond b = { 0 };

    fx.config.beyond = &b;
    fx_reopen(&fx);
    ck_assert_uint_eq(b.n, 2);
    ck_assert(!told(&b, 12) && told(&b, 13) && told(&b, 14));
    log_beyond_fini(&b);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    fx_close(&fx);
    flip(THIRD ".entries", 128 * 6 + 3); /* the last record is torn */
    fx_reopen(&fx);
    ck_assert_uint_eq(b.n, 1);
    ck_assert(!told(&b, 12) && told(&b, 13) && !told(&b, 14));
    log_beyond_fini(&b);
    fx.checkpoint = fx_position(&fx, 2);
    fx_reopen(&fx);
    ck_assert_uint_eq(b.n, 10);
    for (uint64_t i = 3; i <= 12; i++)
        ck_assert(told(&b, i));
    log_beyond_fini(&b);
    fx.config.beyond = NULL;
    fx_check(&fx);
}
END_TEST

/* Not all are read: some, and the last one, or the last that is whole. */
START_TEST(of_many_behind_the_checkpoint_some_are_told)
{
    struct log_beyond b = { 0 };

    fx_reopen(&fx);
    log_set_limits(fx.log, 1u << 20, 0);
    for (unsigned i = 0; i < 1000; i++)
        fx_add(&fx, .n_records = 1);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    fx_close(&fx);
    flip(THIRD ".entries", 128 * (fx.n - 8) + 3);
    fx.config.beyond = &b;
    fx_reopen(&fx);
    ck_assert_uint_le(b.n, 33);
    ck_assert_uint_ge(b.n, 20);
    ck_assert_uint_eq(b.places[0].index, 13);
    ck_assert(told(&b, fx.n - 1) && !told(&b, fx.n));
    log_beyond_fini(&b);
    fx.config.beyond = NULL;
}
END_TEST

START_TEST(an_older_checkpoint_removes_whole_segments)
{
    fx.checkpoint = fx_position(&fx, 6);
    fx_reopen(&fx);
    ck_assert_uint_eq(log_segment_count(fx.log), 2);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 2);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 2);
    ck_assert_uint_eq(fx_count_files(&fx, ".aux"), 2);
    fx_check(&fx);
    fx.checkpoint = (struct log_position){ 0 };
    fx_reopen(&fx);
    ck_assert_uint_eq(log_segment_count(fx.log), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 0);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    fx_check(&fx);
}
END_TEST

START_TEST(a_bad_record_below_the_checkpoint_is_refused)
{
    for (unsigned i = 0; i < 4; i++) {
        char what[32];

        snprintf(what, sizeof(what), "entries %u to %u", 9 + i, 9 + i);
        flip(THIRD ".entries", 128 * (1 + i) + 3);
        assert_refused(THIRD ".entries: damaged at byte", what);
        flip(THIRD ".entries", 128 * (1 + i) + 3);
    }
    flip(THIRD ".entries", 128 * 5); /* behind it */
    fx_reopen(&fx);
}
END_TEST

START_TEST(first_and_last_records_of_sealed_segments_are_checked)
{
    flip(FIRST ".entries", 128);
    assert_refused(FIRST ".entries", "entries 1 to 1");
    flip(FIRST ".entries", 128);
    flip(SECOND ".entries", 128 * 4 + 77);
    assert_refused(SECOND ".entries", "entries 8 to 8");
}
END_TEST

START_TEST(bad_headers_are_refused)
{
    static const char *const files[] = { FIRST ".entries", SECOND ".entries", THIRD ".entries" };

    for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
        flip(files[i], 20);
        assert_refused(files[i], "header");
        flip(files[i], 20);
    }
    fx_reopen(&fx);
}
END_TEST

START_TEST(short_files_are_refused)
{
    uint64_t size = fx_file_size(&fx, SECOND ".log");

    truncate_file(SECOND ".log", size - 1);
    assert_refused(SECOND ".log", "entries 8 to 8");
    truncate_file(SECOND ".log", 1);
    assert_refused(SECOND ".log", "entries 5 to 8");
    remove_file(SECOND ".log");
    assert_refused(SECOND ".log", "entries 5 to 8");
}
END_TEST

START_TEST(short_tables_are_refused)
{
    truncate_file(THIRD ".entries", 4 * 128 + 100);
    assert_refused(THIRD ".entries", "entries 12 to 12");
    truncate_file(THIRD ".entries", 0);
    assert_refused(THIRD ".entries", "header");
}
END_TEST

START_TEST(sealed_files_of_another_size_are_refused)
{
    truncate_file(FIRST ".aux", 1000);
    assert_refused(FIRST ".aux", "1000 bytes");
}
END_TEST

START_TEST(short_aux_files_are_refused)
{
    truncate_file(THIRD ".aux", 40);
    assert_refused(THIRD ".aux", "entries 11 to 12");
}
END_TEST

START_TEST(missing_segments_are_refused)
{
    remove_file(SECOND ".entries");
    assert_refused(FIRST ".entries", "4 records and must have 8");
    remove_file(FIRST ".entries");
    assert_refused(THIRD ".entries", "missing");
    remove_file(THIRD ".entries");
    assert_refused(FX_DIR, "no segment holds entry 12");
}
END_TEST

START_TEST(another_entry_than_the_checkpointed_one_is_refused)
{
    struct log_position wrong[3] = { fx.checkpoint, fx.checkpoint, fx.checkpoint };

    wrong[0].term++;
    wrong[1].checksum ^= 1;
    wrong[2].next_offset--;
    for (int i = 0; i < 3; i++) {
        fx.checkpoint = wrong[i];
        assert_refused(THIRD ".entries", "isn't the one that was checkpointed");
    }
}
END_TEST

/* Writes the header of a table again with something else in it. */
static void change_header(const char *file, const struct table_header *h, unsigned version)
{
    uint8_t data[TABLE_RECORD_SIZE];
    struct disk_file *f;
    char path[128];

    snprintf(path, sizeof(path), FX_DIR "/%s", file);
    table_header_write(h, data);
    store_le16(data + 8, (uint16_t)version);
    store_le32(data + 124, crc32c(0, data, 124));
    ck_assert_int_eq(disk_open(fx.config.disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_pwrite(f, data, sizeof(data), 0), 0);
    disk_close(f);
}

START_TEST(segments_that_do_not_join_are_refused)
{
    struct table_header h = { 9, fx.entries[7].term, fx.entries[7].next_offset, fx.entries[7].checksum };

    change_header(THIRD ".entries", &h, TABLE_VERSION);
    fx_reopen(&fx);
    fx_close(&fx);
    h.prev_checksum ^= 1;
    change_header(THIRD ".entries", &h, TABLE_VERSION);
    assert_refused(THIRD ".entries", "doesn't follow entry 8");
}
END_TEST

/* A record with a right checksum that isn't the one that belongs there. */
START_TEST(records_that_do_not_follow_are_refused)
{
    uint8_t good[TABLE_RECORD_SIZE], bad[TABLE_RECORD_SIZE];
    struct disk_file *f;
    struct table_record rec;

    ck_assert_int_eq(disk_open(fx.config.disk, FX_DIR "/" THIRD ".entries", DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_pread(f, good, sizeof(good), table_position(2)), (ssize_t)sizeof(good));
    ck_assert_int_eq(table_record_read(good, &rec), 0);
    rec.log_position++;
    table_record_write(&rec, bad);
    ck_assert_int_eq(disk_pwrite(f, bad, sizeof(bad), table_position(2)), 0);
    assert_refused(THIRD ".entries", "in the record of entry 11 the position doesn't follow");
    rec.log_position--;
    rec.index++;
    table_record_write(&rec, bad);
    ck_assert_int_eq(disk_pwrite(f, bad, sizeof(bad), table_position(2)), 0);
    assert_refused(THIRD ".entries", "the record of entry 11 is wrong");
    ck_assert_int_eq(disk_pwrite(f, good, sizeof(good), table_position(2)), 0);
    disk_close(f);
    fx_reopen(&fx);
}
END_TEST

START_TEST(a_newer_version_is_refused_untouched)
{
    const struct table_header h = { 9, fx.entries[7].term, fx.entries[7].next_offset, fx.entries[7].checksum };
    struct error_text err;
    uint64_t steps;

    change_header(THIRD ".entries", &h, TABLE_VERSION + 1);
    steps = sim_disk_steps(fx.disk);
    ck_assert_int_eq(fx_open(&fx, &err), LOG_E_VERSION);
    ck_assert_ptr_nonnull(strstr(err.text, "newer version"));
    ck_assert_uint_eq(sim_disk_steps(fx.disk), steps);
}
END_TEST

START_TEST(segments_below_the_log_start_are_removed_unseen)
{
    flip(FIRST ".entries", 3);
    truncate_file(SECOND ".log", 1);
    fx.start = 16; /* where the third begins */
    fx_reopen(&fx);
    ck_assert_uint_eq(log_segment_count(fx.log), 1);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 1);
    ck_assert_uint_eq(fx_count_files(&fx, ".aux"), 1);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 1);
    ck_assert_int_eq(log_first_offset(fx.log), 16);
    ck_assert_int_eq(log_start_offset(fx.log), 16);
    fx_check(&fx);
}
END_TEST

START_TEST(a_log_start_inside_a_segment_keeps_it)
{
    fx.start = 15;
    fx_reopen(&fx);
    ck_assert_uint_eq(log_segment_count(fx.log), 2);
    ck_assert_int_eq(log_first_offset(fx.log), 8);
    fx_check(&fx);
}
END_TEST

START_TEST(a_log_start_beyond_the_checkpoint_needs_no_segment)
{
    fx.start = 25;
    remove_file(THIRD ".entries");
    fx_reopen(&fx);
    ck_assert_uint_eq(log_segment_count(fx.log), 0);
    ck_assert_uint_eq(log_end(fx.log).index, 12);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 0);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_uint_eq(log_end(fx.log).index, 14);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_reopen(&fx);
    fx_check(&fx);
}
END_TEST

START_TEST(leftovers_are_removed_and_strangers_stay)
{
    static const char *const names[] = { "00000000000000000007.snapshot.roll.tmp", "notes.txt",
                                         "00000000000000000003.log", "00000000000000000077.aux" };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        struct disk_file *f;
        char path[128];

        snprintf(path, sizeof(path), FX_DIR "/%s", names[i]);
        ck_assert_int_eq(disk_open(fx.config.disk, path, DISK_WRITE | DISK_CREATE, &f), 0);
        disk_close(f);
    }
    fx_reopen(&fx);
    ck_assert_uint_eq(fx_file_size(&fx, names[0]), UINT64_MAX);
    ck_assert_uint_eq(fx_file_size(&fx, names[1]), 0);
    ck_assert_uint_eq(fx_file_size(&fx, names[2]), UINT64_MAX);
    ck_assert_uint_eq(fx_file_size(&fx, names[3]), UINT64_MAX);
    fx_check(&fx);
}
END_TEST

START_TEST(many_segments_are_opened_without_reading_them)
{
    struct error_text err;
    uint64_t reads;

    fx_reopen(&fx);
    log_set_limits(fx.log, 40000, 0);
    for (unsigned i = 0; i < 20000; i++)
        fx_add(&fx, .n_records = 1, .value_size = 100);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    ck_assert_uint_gt(log_segment_count(fx.log), 80);
    fx_close(&fx);
    reads = sim_disk_calls(fx.disk, SIM_DISK_READ);
    ck_assert_int_eq(fx_open(&fx, &err), 0);
    ck_assert_uint_lt(sim_disk_calls(fx.disk, SIM_DISK_READ) - reads, 3 * log_segment_count(fx.log) + 50);
    fx_check(&fx);
}
END_TEST

START_TEST(a_long_directory_is_refused)
{
    static char dir[300];
    struct error_text err;
    struct log *l;

    memset(dir, 'd', sizeof(dir) - 1);
    fx.config.dir = dir;
    ck_assert_int_eq(log_open(&fx.config, &fx.checkpoint, 0, &l, &err), -ENAMETOOLONG);
}
END_TEST

START_TEST(a_destroyed_log_leaves_nothing)
{
    struct disk_file *f;

    ck_assert_int_eq(log_destroy(fx.config.disk, FX_DIR), 0);
    ck_assert_int_eq(log_destroy(fx.config.disk, FX_DIR), 0);
    sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, NULL);
    ck_assert_uint_eq(fx_count_files(&fx, ""), 0);
    ck_assert_int_eq(disk_open(fx.config.disk, "topics/t/0/" FIRST ".log", DISK_READ, &f), -ENOENT);
    fx.checkpoint = (struct log_position){ 0 };
    fx_reopen(&fx);
}
END_TEST

static void make_foreign(const char *path)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(fx.config.disk, path, DISK_WRITE | DISK_CREATE, &f), 0);
    disk_close(f);
}

/* What somebody else has put beside the log's files stays where it is, and the directory with it. */
START_TEST(what_is_not_the_logs_stays)
{
    static const char foreign[] = FX_DIR "/notes.from.somebody.whose.names.are.longer.than.any.of.a.log.are.txt";
    struct disk_file *f;

    ck_assert_int_eq(disk_mkdir(fx.config.disk, FX_DIR "/lost+found"), 0);
    ck_assert_int_eq(disk_mkdir(fx.config.disk, FX_DIR "/00000000000000000001.snapshot"), 0);
    make_foreign(FX_DIR "/lost+found/#12");
    ck_assert_int_eq(disk_sync_dir(fx.config.disk, FX_DIR "/lost+found"), 0);
    make_foreign(FX_DIR "/notes");
    make_foreign(foreign);
    make_foreign(FX_DIR "/00000000000000000007.sync.tmp");
    fx_close(&fx);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(log_destroy(fx.config.disk, FX_DIR), LOG_E_KEPT);
        sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, NULL);
        ck_assert_uint_eq(fx_count_files(&fx, ""), 4);
    }
    fx.checkpoint = (struct log_position){ 0 };
    fx.config.dir_absent = true;
    fx_reopen(&fx); /* the partition may come again */
    fx.config.dir_absent = false;
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_reopen(&fx);
    fx_check(&fx);
    fx_close(&fx);
    ck_assert_int_eq(log_destroy(fx.config.disk, FX_DIR), LOG_E_KEPT);
    ck_assert_int_eq(disk_open(fx.config.disk, FX_DIR "/" FIRST ".log", DISK_READ, &f), -ENOENT);
    ck_assert_int_eq(disk_unlink(fx.config.disk, foreign), 0);
    ck_assert_int_eq(disk_unlink(fx.config.disk, FX_DIR "/notes"), 0);
    ck_assert_int_eq(disk_unlink(fx.config.disk, FX_DIR "/lost+found/#12"), 0);
    ck_assert_int_eq(disk_unlink(fx.config.disk, FX_DIR "/lost+found"), 0);
    ck_assert_int_eq(disk_unlink(fx.config.disk, FX_DIR "/00000000000000000001.snapshot"), 0);
    ck_assert_int_eq(log_destroy(fx.config.disk, FX_DIR), 0);
    fx.checkpoint = (struct log_position){ 0 };
    fx_reopen(&fx);
}
END_TEST

/* A file system may be mounted on it; errors of the disk are none of that. */
START_TEST(a_directory_that_can_not_go)
{
    uint64_t calls = sim_disk_calls(fx.disk, SIM_DISK_UNLINK);

    fx_close(&fx);
    ck_assert_int_eq(log_destroy(fx.config.disk, FX_DIR), 0);
    calls = sim_disk_calls(fx.disk, SIM_DISK_UNLINK) - calls;
    ck_assert_int_eq(disk_mkdir(fx.config.disk, FX_DIR), 0);
    sim_disk_fail(fx.disk, SIM_DISK_UNLINK, 0, 1, -EBUSY);
    ck_assert_int_eq(log_destroy(fx.config.disk, FX_DIR), LOG_E_KEPT);
    sim_disk_fail(fx.disk, SIM_DISK_UNLINK, 0, 1, -EIO);
    ck_assert_int_eq(log_destroy(fx.config.disk, FX_DIR), -EIO);
    ck_assert_int_eq(log_destroy(fx.config.disk, FX_DIR), 0);
    ck_assert_uint_gt(calls, 1);
    fx.checkpoint = (struct log_position){ 0 };
    fx_reopen(&fx);
}
END_TEST

/* Each call in its turn: the caller must not take a disk that fails for one that holds something else. */
START_TEST(an_io_error_is_not_taken_for_damage)
{
    static const enum sim_disk_call calls[] = { SIM_DISK_OPEN, SIM_DISK_SIZE, SIM_DISK_READ, SIM_DISK_LIST };

    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        uint64_t before, n;

        fx_reopen(&fx); /* which has cut what lies behind the checkpoint: there are fewer calls now */
        before = sim_disk_calls(fx.disk, calls[i]);
        fx_reopen(&fx);
        n = sim_disk_calls(fx.disk, calls[i]) - before;
        ck_assert_uint_gt(n, 0);
        for (uint64_t k = 0; k < n; k++) {
            struct error_text err = { "" };

            fx_close(&fx);
            sim_disk_fail(fx.disk, calls[i], k, 1, -EIO);
            ck_assert_msg(fx_open(&fx, &err) == -EIO, "call %zu, time %u: %s", i, (unsigned)k, err.text);
            if (calls[i] == SIM_DISK_READ)
                ck_assert_msg(strstr(err.text, FX_DIR "/0000000000000") != NULL && strstr(err.text, "brokerd --repair"),
                              "time %u: %s", (unsigned)k, err.text);
            fx_reopen(&fx);
        }
    }
    fx_check(&fx);
}
END_TEST

Suite *open_suite(void)
{
    Suite *s = suite_create("open");

    suite_add_with(s, what_lies_behind_the_checkpoint_is_cut, setup, teardown);
    suite_add_with(s, what_lay_behind_the_checkpoint_is_told, setup, teardown);
    suite_add_with(s, of_many_behind_the_checkpoint_some_are_told, setup, teardown);
    suite_add_with(s, an_older_checkpoint_removes_whole_segments, setup, teardown);
    suite_add_with(s, a_bad_record_below_the_checkpoint_is_refused, setup, teardown);
    suite_add_with(s, first_and_last_records_of_sealed_segments_are_checked, setup, teardown);
    suite_add_with(s, bad_headers_are_refused, setup, teardown);
    suite_add_with(s, short_files_are_refused, setup, teardown);
    suite_add_with(s, short_tables_are_refused, setup, teardown);
    suite_add_with(s, sealed_files_of_another_size_are_refused, setup, teardown);
    suite_add_with(s, short_aux_files_are_refused, setup, teardown);
    suite_add_with(s, missing_segments_are_refused, setup, teardown);
    suite_add_with(s, another_entry_than_the_checkpointed_one_is_refused, setup, teardown);
    suite_add_with(s, segments_that_do_not_join_are_refused, setup, teardown);
    suite_add_with(s, records_that_do_not_follow_are_refused, setup, teardown);
    suite_add_with(s, an_io_error_is_not_taken_for_damage, setup, teardown);
    suite_add_with(s, a_newer_version_is_refused_untouched, setup, teardown);
    suite_add_with(s, segments_below_the_log_start_are_removed_unseen, setup, teardown);
    suite_add_with(s, a_log_start_inside_a_segment_keeps_it, setup, teardown);
    suite_add_with(s, a_log_start_beyond_the_checkpoint_needs_no_segment, setup, teardown);
    suite_add_with(s, leftovers_are_removed_and_strangers_stay, setup, teardown);
    suite_add_with(s, many_segments_are_opened_without_reading_them, setup, teardown);
    suite_add_with(s, a_long_directory_is_refused, setup, teardown);
    suite_add_with(s, a_destroyed_log_leaves_nothing, setup, teardown);
    suite_add_with(s, what_is_not_the_logs_stays, setup, teardown);
    suite_add_with(s, a_directory_that_can_not_go, setup, teardown);
    return s;
}
