/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/util.h"
#include "log/dump.h"
#include "log/fixture.h"
#include "log/suites.h"

static struct fx fx;
static char text[8192]; /* what a dump gave, one item a line */

static void setup(void)
{
    fx_init(&fx, NULL);
    fx_add(&fx, .term = 7);
    for (unsigned i = 0; i < 4; i++)
        fx_add(&fx, .n_records = 2, .value_size = 30, .commands_size = 4, .timestamp_ms = 100 + 10 * i);
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_close(&fx);
}

static void teardown(void)
{
    fx_fini(&fx);
}

static int print_item(void *ctx, const struct log_dump_item *item)
{
    size_t n = strlen(text);

    n += (size_t)snprintf(text + n, sizeof(text) - n, "%s@%d", item->kind, (int)item->position);
    for (unsigned i = 0; i < item->n_fields; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, " %s=%s", item->fields[i].name, item->fields[i].value);
    snprintf(text + n, sizeof(text) - n, "\n");
    return 0;
}

#define NAME FX_DIR "/00000000000000000001"

static int dump(const char *path)
{
    text[0] = '\0';
    return log_dump(fx.config.disk, path, print_item, NULL);
}

static unsigned count(const char *what)
{
    unsigned n = 0;

    for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

#define ASSERT_SAYS(what) ck_assert_msg(strstr(text, what) != NULL, "%s", text)

START_TEST(tables_are_shown)
{
    ck_assert_int_eq(dump(NAME ".entries"), 0);
    ASSERT_SAYS("segment@0 base_index=1 base_offset=0 prev_term=0 prev_checksum=00000000\n");
    ASSERT_SAYS("entry@128 index=1 term=7 type=noop version=1 feature_level=0 append_time_ms=1000 first_offset=0 "
                "offset_count=0 log_position=0 log_size=0 log_crc=00000000 aux_position=0 aux_size=0 ");
    ASSERT_SAYS("entry@512 index=4 term=7 type=data ");
    ASSERT_SAYS(" max_timestamp=121 running_max_timestamp=121 running_max_offset=4\n");
    ck_assert_uint_eq(count("entry@"), 5);
}
END_TEST

START_TEST(a_bad_record_hides_no_other)
{
    ck_assert_int_eq(sim_disk_flip(fx.disk, NAME ".entries", 128 * 3 + 1, 1), 0);
    ck_assert_int_eq(dump(NAME ".entries"), LOG_E_CORRUPT);
    ASSERT_SAYS("damage@384 what=the record is wrong\n");
    ck_assert_uint_eq(count("entry@"), 4);
    ck_assert_uint_eq(count("damage@"), 1);
}
END_TEST

START_TEST(a_bad_header_hides_no_record)
{
    ck_assert_int_eq(sim_disk_flip(fx.disk, NAME ".entries", 1, 1), 0);
    ck_assert_int_eq(dump(NAME ".entries"), LOG_E_CORRUPT);
    ASSERT_SAYS("damage@0 what=the header is wrong\n");
    ck_assert_uint_eq(count("entry@"), 5);
}
END_TEST

static void set_size(const char *path, uint64_t size)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(fx.config.disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_truncate(f, size), 0);
    disk_close(f);
}

START_TEST(torn_ends_are_named)
{
    set_size(NAME ".entries", 128 * 3 + 5);
    ck_assert_int_eq(dump(NAME ".entries"), LOG_E_CORRUPT);
    ASSERT_SAYS("damage@384 what=5 bytes at the end are no whole record\n");
    set_size(NAME ".entries", 100);
    ck_assert_int_eq(dump(NAME ".entries"), LOG_E_CORRUPT);
    ASSERT_SAYS("shorter than a header");
    set_size(NAME ".aux", 15);
    ck_assert_int_eq(dump(NAME ".aux"), LOG_E_CORRUPT);
    ASSERT_SAYS("damage@12 what=3 bytes at the end are no whole command\n");
}
END_TEST

START_TEST(batches_are_shown)
{
    ck_assert_int_eq(dump(NAME ".log"), 0);
    ck_assert_uint_eq(count("batch@"), 4);
    ASSERT_SAYS("batch@0 size=");
    ASSERT_SAYS(" base_offset=2 last_offset=3 count=2 leader_epoch=7 codec=none timestamp_type=create "
                "base_timestamp=110 max_timestamp=111 producer_id=-1 producer_epoch=-1 base_sequence=-1 "
                "transactional=no control=no crc=");
}
END_TEST

START_TEST(the_walk_goes_on_behind_a_bad_batch)
{
    size_t size = fx.entries[1].parsed.batches.size;
    char expected[100];

    ck_assert_int_eq(sim_disk_flip(fx.disk, NAME ".log", size + 80, 1), 0);
    ck_assert_int_eq(dump(NAME ".log"), LOG_E_CORRUPT);
    snprintf(expected, sizeof(expected),
             "damage@%zu what=the checksum of the record batch is wrong; the next intact one is %zu bytes on\n", size,
             size);
    ASSERT_SAYS(expected);
    ck_assert_uint_eq(count("batch@"), 3);
    ck_assert_int_eq(sim_disk_flip(fx.disk, NAME ".log", 3 * size + 9, 0xff), 0); /* the length */
    ck_assert_int_eq(dump(NAME ".log"), LOG_E_CORRUPT);
    ASSERT_SAYS("no record batch begins here, and no intact batch follows");
    ck_assert_uint_eq(count("batch@"), 2);
}
END_TEST

START_TEST(commands_are_shown)
{
    ck_assert_int_eq(dump(NAME ".aux"), 0);
    ck_assert_uint_eq(count("command@"), 4);
    ASSERT_SAYS("command@12 kind=3 version=1 size=4\n");
    ck_assert_int_eq(sim_disk_flip(fx.disk, NAME ".aux", 18, 0xff), 0);
    ck_assert_int_eq(dump(NAME ".aux"), LOG_E_CORRUPT);
    ASSERT_SAYS("damage@12 what=the command would end behind the file");
}
END_TEST

START_TEST(snapshots_are_shown)
{
    ck_assert_int_eq(dump(FX_DIR "/00000000000000000006.snapshot"), 0);
    ASSERT_SAYS("snapshot@0 index=5 term=7 next_offset=8 checksum=");
    ASSERT_SAYS(" body_size=7\n");
    ck_assert_int_eq(sim_disk_flip(fx.disk, FX_DIR "/00000000000000000006.snapshot", 65, 1), 0);
    ck_assert_int_eq(dump(FX_DIR "/00000000000000000006.snapshot"), LOG_E_CORRUPT);
    ASSERT_SAYS("damage@64 what=the checksum of the body is wrong\n");
}
END_TEST

START_TEST(other_files_are_refused)
{
    ck_assert_int_eq(dump(FX_DIR "/x.txt"), -EINVAL);
    ck_assert_int_eq(dump("x"), -EINVAL);
    ck_assert_int_eq(dump(FX_DIR "/x.log"), -ENOENT);
}
END_TEST

static int stop(void *ctx, const struct log_dump_item *item)
{
    return 42;
}

START_TEST(a_dump_stops_when_told)
{
    ck_assert_int_eq(log_dump(fx.config.disk, NAME ".entries", stop, NULL), 42);
    ck_assert_int_eq(log_dump(fx.config.disk, NAME ".log", stop, NULL), 42);
    ck_assert_int_eq(log_dump(fx.config.disk, NAME ".aux", stop, NULL), 42);
}
END_TEST

Suite *dump_suite(void)
{
    Suite *s = suite_create("dump");

    suite_add_with(s, tables_are_shown, setup, teardown);
    suite_add_with(s, a_bad_record_hides_no_other, setup, teardown);
    suite_add_with(s, a_bad_header_hides_no_record, setup, teardown);
    suite_add_with(s, torn_ends_are_named, setup, teardown);
    suite_add_with(s, batches_are_shown, setup, teardown);
    suite_add_with(s, the_walk_goes_on_behind_a_bad_batch, setup, teardown);
    suite_add_with(s, commands_are_shown, setup, teardown);
    suite_add_with(s, snapshots_are_shown, setup, teardown);
    suite_add_with(s, other_files_are_refused, setup, teardown);
    suite_add_with(s, a_dump_stops_when_told, setup, teardown);
    return s;
}
