/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts that are refused: what is said names the file, the place in it, and the way on. */

#include <stdio.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "log/format.h"
#include "replica/rig.h"
#include "replica/suites.h"

#define MS UINT64_C(1000000)
#define PARTITION "topics/g-0"

/* A group with a checkpoint, and a snapshot that goes with it, whose name comes to path. */
static struct rig *stopped_with_snapshot(char *path, size_t size)
{
    struct rig *r = rig_new(5, 1);
    uint64_t index;

    rig_start_ok(r);
    for (int i = 0; i < 5; i++)
        rig_wait(r, rig_produce(r, 0, 1, 100));
    rig_settle(r);
    replica_checkpoint(r->groups[0].replica, UINT64_MAX);
    rig_settle(r);
    index = r->groups[0].replica->checkpoint_index;
    ck_assert_uint_gt(index, 0);
    rig_stop(r);
    snprintf(path, size, PARTITION "/%020llu.snapshot", (unsigned long long)index + 1);
    return r;
}

/* Other four bytes of the state, under checksums that fit. */
static void change_state(struct rig *r, const char *path, size_t at, uint32_t value)
{
    uint8_t data[4096], *body = data + SNAPSHOT_HEADER_SIZE;
    struct snapshot_header h;
    struct disk_file *f;
    ssize_t n;

    ck_assert_int_eq(disk_open(r->env.disk, path, DISK_READ, &f), 0);
    n = disk_pread(f, data, sizeof(data), 0);
    disk_close(f);
    ck_assert_int_gt(n, SNAPSHOT_HEADER_SIZE);
    ck_assert_int_eq(snapshot_header_read(data, &h), 0);
    store_le32(body + at, value);
    h.body_crc = crc32c(0, body, h.body_size);
    snapshot_header_write(&h, data);
    ck_assert_int_eq(disk_open(r->env.disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_pwrite(f, data, (size_t)n, 0), 0);
    disk_close(f);
}

static void check_refused(struct rig *r, int error, const char *path, const char *what)
{
    int rc = rig_start(r);

    ck_assert_msg(rc == error, "%d: %s", rc, r->err.text);
    ck_assert_msg(strstr(r->err.text, path) != NULL && strstr(r->err.text, what) != NULL, "%s", r->err.text);
    if (error == LOG_E_VERSION)
        ck_assert_ptr_nonnull(strstr(r->err.text, "Nothing was changed"));
    else
        ck_assert_msg(strstr(r->err.text, "brokerd --repair") != NULL, "%s", r->err.text);
    rig_free(r);
}

START_TEST(a_state_that_can_not_be)
{
    char path[100];
    struct rig *r = stopped_with_snapshot(path, sizeof(path));

    change_state(r, path, 4, UINT32_MAX); /* a section that is longer than the file */
    check_refused(r, LOG_E_CORRUPT, path, "damaged at byte 64: ");
}
END_TEST

START_TEST(a_state_of_a_newer_version)
{
    char path[100];
    struct rig *r = stopped_with_snapshot(path, sizeof(path));

    change_state(r, path, 0, 2);
    check_refused(r, LOG_E_VERSION, path, "newer version");
}
END_TEST

START_TEST(a_file_of_a_newer_version)
{
    char path[100];
    struct rig *r = stopped_with_snapshot(path, sizeof(path));
    uint8_t header[SNAPSHOT_HEADER_SIZE];
    struct disk_file *f;

    ck_assert_int_eq(disk_open(r->env.disk, path, DISK_READ | DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_pread(f, header, sizeof(header), 0), sizeof(header));
    store_le16(header + 8, SNAPSHOT_VERSION + 1);
    store_le32(header + sizeof(header) - 4, crc32c(0, header, sizeof(header) - 4));
    ck_assert_int_eq(disk_pwrite(f, header, sizeof(header), 0), 0);
    disk_close(f);
    check_refused(r, LOG_E_VERSION, path, "newer version");
}
END_TEST

START_TEST(a_state_from_behind_the_end)
{
    char path[100];
    struct rig *r = stopped_with_snapshot(path, sizeof(path));

    change_state(r, path, 8, 1000);
    check_refused(r, LOG_E_CORRUPT, path, "damaged at byte 72: it is of entry 1000, ");
}
END_TEST

static void flushed(struct journal_request *request)
{
}

/* The chain of checksums is right, and what is in the entry isn't. */
START_TEST(an_entry_that_does_not_follow)
{
    struct rig *r = rig_new(5, 1);
    struct journal_request request = { .kind = JOURNAL_ENTRY };
    uint8_t envelope[ENTRY_HEADER_SIZE];
    struct entry_header header = { .version = ENTRY_VERSION, .type = ENTRY_NOOP, .first_offset = 77 };
    struct replica *replica;
    char what[100];

    rig_start_ok(r);
    rig_wait(r, rig_produce(r, 0, 1, 100));
    rig_settle(r);
    replica = r->groups[0].replica;
    entry_header_write(&header, envelope);
    request.group = replica->group;
    request.index = replica->last_index + 1;
    request.term = replica->term;
    request.prev_checksum = replica->last_checksum;
    request.checksum = crc32c(0, envelope, sizeof(envelope));
    request.data[0] = slice_make(envelope, sizeof(envelope));
    request.done = flushed;
    journal_append(r->journal, &request);
    rig_settle(r);
    snprintf(what, sizeof(what), "entry %llu of group 1, which doesn't follow entry %llu of " PARTITION,
             (unsigned long long)request.index, (unsigned long long)request.index - 1);
    rig_kill(r);
    check_refused(r, JOURNAL_E_CORRUPT, ".journal, byte ", what);
}
END_TEST

Suite *start_suite(void)
{
    Suite *s = suite_create("start");

    suite_add(s, a_state_that_can_not_be);
    suite_add(s, a_state_of_a_newer_version);
    suite_add(s, a_file_of_a_newer_version);
    suite_add(s, a_state_from_behind_the_end);
    suite_add(s, an_entry_that_does_not_follow);
    return s;
}
