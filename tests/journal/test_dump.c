/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/dump.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "journal/format.h"
#include "journal/rig.h"
#include "journal/suites.h"

static struct rig *r;
static char *text; /* what was dumped, a line per item */
static size_t text_size;
static FILE *out;

static void setup(void)
{
    r = rig_new(1);
    ck_assert_int_eq(rig_start(r), 0);
}

static void teardown(void)
{
    free(TAKE_PTR(text));
    rig_free(r);
}

static int print_item(void *ctx, const struct journal_dump_item *item)
{
    fprintf(out, "%d %s @%d", (int)item->kind, item->name, (int)item->position);
    for (size_t i = 0; i < item->n_fields; i++)
        fprintf(out, " %s=%s", item->fields[i].name, item->fields[i].value);
    if (!slice_is_null(item->data))
        fprintf(out, " [%zu]", item->data.size);
    fputc('\n', out);
    return 0;
}

static int dump(const char *path)
{
    int err;

    free(TAKE_PTR(text));
    out = open_memstream(&text, &text_size);
    err = journal_dump(r->config.disk, path, print_item, NULL, &r->err);
    fclose(out);
    return err;
}

static bool has(const char *part)
{
    return strstr(text, part) != NULL;
}

static unsigned count(const char *part)
{
    unsigned n = 0;

    for (const char *p = text; (p = strstr(p, part)) != NULL; p++)
        n++;
    return n;
}

static char *history(void)
{
    rig_hard_state(r, 7, 3, 2);
    rig_entry(r, 7, 100);
    rig_entry(r, 7, 9000);
    rig_truncate(r, 7, 2);
    rig_log_start(r, 7, -5);
    rig_settle(r);
    rig_checkpoint(r, 7, 1);
    rig_settle(r);
    rig_entry(r, 7, 60);
    rig_settle(r);
    rig_relocate(r, 7, 2);
    rig_settle(r);
    rig_image(r, 8, 40);
    rig_forget(r, 8);
    rig_settle(r);
    journal_seal(r->j);
    rig_settle(r);
    rig_stop(r);
    sim_disk_exit(r->disk);
    return rig_live_file(r, 0);
}

START_TEST(every_kind_is_shown)
{
    _cleanup_(freep) char *path = history();
    uint64_t steps = sim_disk_steps(r->disk);

    ck_assert_int_eq(dump(path), 0);
    ck_assert_uint_eq(sim_disk_steps(r->disk), steps);
    ck_assert(has("0 file @0 version=1 shard=0 incarnation=AAAAAAAAAAAAAAAAAAAAAA generation=1 prev_generation=0 "
                  "prev_end_lsn=0 base_lsn=0 file_size=65536 flushed_lsn=8192 salt="));
    ck_assert(has("\n1 block @4096 lsn=4096 flushed_lsn=0 size=4096 payload_size=16 first_record=0 payload_crc="));
    ck_assert(has("\n2 state-table @4096 part=0 rows=0 more=0\n"));
    ck_assert(has("\n2 hard-state @8192 group=7 term=3 vote=2\n"));
    ck_assert(has("\n2 entry @8192 group=7 index=1 term=3 checksum="));
    ck_assert(has(" prev_checksum=00000000 size=100 [100]\n"));
    ck_assert(has("\n2 relocated @"));
    ck_assert(has(" size=60 [60]\n1 block @"));
    ck_assert(has("\n2 truncate @8192 group=7 index=2 prev_term=3 prev_checksum="));
    ck_assert(has("\n2 log-start @8192 group=7 log_start=-5\n"));
    ck_assert(has(" rows=1\n3 checkpoint @"));
    ck_assert(has(" group=7 index=1 term=3 offset=10 checksum="));
    ck_assert(has(" group=8 index=40 term=3 offset=400 log_start=200 checksum="));
    ck_assert(has("\n2 forget @"));
    ck_assert(has("\n2 seal @"));
    ck_assert(has("\n5 end @"));
    ck_assert_uint_eq(count("damage"), 0);
}
END_TEST

/* Lists at the end of a full file, table and list at the start of the next. */
START_TEST(tables_and_lists)
{
    _cleanup_(freep) char *first = NULL, *second = NULL;

    for (int i = 0; i < 10; i++) {
        rig_entry(r, 1 + (uint64_t)i % 2, 9000);
        rig_settle(r);
    }
    first = rig_live_file(r, 0);
    second = rig_live_file(r, 1);
    ck_assert_int_eq(dump(first), 0);
    ck_assert(has(" last=1\n2 group-list @"));
    ck_assert(has(" generation=1 part=0 rows=2 more=0\n3 group-list @"));
    ck_assert(has(" group=1 first_index=1 last_index="));
    ck_assert_int_eq(dump(second), 0);
    ck_assert(has("\n2 state-table @4096 part=0 rows=2 more=0\n3 state-table @4096 group=1 term=0 vote=-1 "));
    ck_assert(has("\n2 group-list @4096 generation=1 part=0 rows=2 more=0\n"));
}
END_TEST

START_TEST(goes_on_behind_damage)
{
    _cleanup_(freep) char *path = NULL;
    unsigned n_entries;

    for (int i = 0; i < 5; i++) {
        rig_entry(r, 1, 1000);
        rig_settle(r);
    }
    path = rig_live_file(r, 0);
    ck_assert_int_eq(dump(path), 0);
    n_entries = count("\n2 entry");
    ck_assert_uint_eq(n_entries, 5);
    sim_disk_flip(r->disk, path, 8192 + 30, 1); /* a block's header */
    ck_assert_int_eq(dump(path), 0);
    ck_assert_uint_eq(count("\n2 entry"), 4);
    ck_assert(has("\n4 damage @8192 reason=no block up to byte 12288, where one follows\n"));
    sim_disk_flip(r->disk, path, 3 * 4096 + 200, 1); /* another one's payload */
    ck_assert_int_eq(dump(path), 0);
    ck_assert_uint_eq(count("\n2 entry"), 3);
    ck_assert(has("\n4 damage @12288 reason=the payload isn't what was written\n"));
    sim_disk_flip(r->disk, path, 85, 1); /* the salt in the file header */
    ck_assert_int_eq(dump(path), 0);
    ck_assert_uint_eq(count("\n2 entry"), 3);
    ck_assert(strncmp(text, "4 damage @0 ", 12) == 0);
}
END_TEST

START_TEST(spanned_records_and_lost_halves)
{
    _cleanup_(freep) char *path = NULL;

    rig_stop(r);
    sim_disk_exit(r->disk);
    r->config.file_size_bytes = r->config.first_file_size_bytes = 16 * 1024 * 1024;
    r->config.size_bytes = 64 * 1024 * 1024;
    ck_assert_int_eq(rig_start(r), 0);
    rig_entry(r, 1, 3 * 1024 * 1024);
    rig_entry(r, 2, 50);
    rig_settle(r);
    path = rig_live_file(r, -1);
    ck_assert_int_eq(dump(path), 0);
    ck_assert(has(" [3145728]\n"));
    ck_assert(has(" [50]\n"));
    sim_disk_flip(r->disk, path, 8192 + 100, 1); /* where the long one starts */
    ck_assert_int_eq(dump(path), 0);
    ck_assert(!has(" [3145728]\n"));
    ck_assert(has(" bytes of a record whose start is missing\n"));
    ck_assert(has(" [50]\n"));
}
END_TEST

static int stop_at_third(void *ctx, const struct journal_dump_item *item)
{
    int *n = ctx;

    return ++*n == 3 ? -EBADMSG : 0;
}

START_TEST(ends_when_told)
{
    _cleanup_(freep) char *path = history();
    int n = 0;

    ck_assert_int_eq(journal_dump(r->config.disk, path, stop_at_third, &n, &r->err), -EBADMSG);
    ck_assert_int_eq(n, 3);
}
END_TEST

START_TEST(other_files_are_refused)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(r->config.disk, "notes", DISK_WRITE | DISK_CREATE, &f), 0);
    ck_assert_int_eq(dump("notes"), JOURNAL_E_CORRUPT);
    ck_assert_int_eq(disk_truncate(f, 100000), 0);
    ck_assert_int_eq(dump("notes"), JOURNAL_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(r->err.text, "notes: no journal file"));
    disk_close(f);
    ck_assert_int_eq(dump("missing"), -ENOENT);
}
END_TEST

Suite *dump_suite(void)
{
    Suite *s = suite_create("dump");

    suite_add_with(s, every_kind_is_shown, setup, teardown);
    suite_add_with(s, tables_and_lists, setup, teardown);
    suite_add_with(s, goes_on_behind_damage, setup, teardown);
    suite_add_with(s, spanned_records_and_lost_halves, setup, teardown);
    suite_add_with(s, ends_when_told, setup, teardown);
    suite_add_with(s, other_files_are_refused, setup, teardown);
    return s;
}
