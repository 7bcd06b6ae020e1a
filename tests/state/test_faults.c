/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of the disk that fail while a transaction is written. */
#include "state/rig.h"
#include "state/suites.h"

#define LAST 10 /* the transaction that meets the fault */

static void setup(void)
{
    rig_init(1);
    ck_assert_int_eq(rig_open(), 0);
    for (uint64_t v = 1; v < LAST; v++)
        ck_assert_int_eq(rig_write(v), 0);
}

/* A transaction that failed is there as a whole or not at all. */
static void expect_either(void)
{
    uint64_t version = 0;

    ck_assert_int_eq(rig_read(&version), 0);
    ck_assert(version == LAST - 1 || version == LAST);
}

/* No sync goes well behind one that failed, in this process. */
static void restart(void)
{
    rig_close();
    sim_disk_exit(rig.disk);
    ck_assert_int_eq(rig_open(), 0);
}

/* Whether the fault at this call was met at all. The same handle then goes on where it was, but for a failed sync. */
static bool fails_at(enum sim_disk_call call, uint64_t skip, int err)
{
    uint64_t before = sim_disk_calls(rig.disk, call);
    int rc;

    sim_disk_fail(rig.disk, call, skip, 1, err);
    rc = rig_write(LAST);
    if (sim_disk_calls(rig.disk, call) <= before + skip) {
        ck_assert_int_eq(rc, 0);
        return false;
    }
    if (rc != 0) {
        ck_assert_int_eq(rc, err);
        if (call == SIM_DISK_SYNC_DATA)
            restart();
        expect_either();
        ck_assert_int_eq(rig_write(LAST), 0);
    }
    rig_expect(LAST);
    rig_close();
    rig_expect(LAST);
    return true;
}

static void try_all(enum sim_disk_call call, int err)
{
    uint64_t skip = 0;

    while (fails_at(call, skip, err)) {
        rig_fini();
        setup();
        skip++;
    }
    ck_assert_uint_gt(skip, 0);
}

START_TEST(writes_fail)
{
    try_all(SIM_DISK_WRITE, -EIO);
}
END_TEST

START_TEST(disk_is_full)
{
    try_all(SIM_DISK_WRITE, -ENOSPC);
}
END_TEST

START_TEST(quota_is_exhausted)
{
    try_all(SIM_DISK_WRITE, -EDQUOT);
}
END_TEST

START_TEST(syncs_fail)
{
    try_all(SIM_DISK_SYNC_DATA, -EIO);
}
END_TEST

/* After a failed sync the medium may lack what the cache shows: what is acknowledged later must be there after all. */
START_TEST(crash_after_a_failed_sync)
{
    for (uint64_t skip = 0; skip < 3; skip++) {
        uint64_t version = 0;

        sim_disk_fail(rig.disk, SIM_DISK_SYNC_DATA, skip, 1, -EIO);
        if (rig_write(LAST) != 0) {
            restart();
            ck_assert_int_eq(rig_write(LAST), 0);
        }
        rig_close();
        sim_disk_crash(rig.disk, SIM_CRASH_NOTHING, NULL);
        ck_assert_int_eq(rig_open(), 0);
        ck_assert_int_eq(rig_read(&version), 0);
        ck_assert_uint_eq(version, LAST);
        rig_fini();
        setup();
    }
}
END_TEST

START_TEST(full_until_there_is_room)
{
    uint64_t v = LAST;

    sim_disk_set_capacity(rig.disk, 128 * 1024);
    while (v < 1000 && rig_write(v) == 0)
        v++;
    ck_assert_uint_lt(v, 1000);
    ck_assert_int_eq(rig_write(v), -ENOSPC);
    rig_expect(v - 1);
    sim_disk_set_capacity(rig.disk, 1 << 30);
    ck_assert_int_eq(rig_write(v), 0);
    rig_close();
    rig_expect(v);
}
END_TEST

START_TEST(reads_fail)
{
    uint64_t version;
    int rc;

    rig_close();
    for (uint64_t skip = 0;; skip++) {
        uint64_t before = sim_disk_calls(rig.disk, SIM_DISK_READ);

        sim_disk_fail(rig.disk, SIM_DISK_READ, skip, 1, -EIO);
        rc = rig_open();
        if (rc == 0)
            rc = rig_read(&version);
        rig_close();
        if (sim_disk_calls(rig.disk, SIM_DISK_READ) <= before + skip)
            break;
        ck_assert_int_eq(rc, -EIO);
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_uint_eq(version, LAST - 1);
}
END_TEST

Suite *faults_suite(void)
{
    Suite *s = suite_create("faults");

    suite_add_with(s, writes_fail, setup, rig_fini);
    suite_add_with(s, disk_is_full, setup, rig_fini);
    suite_add_with(s, quota_is_exhausted, setup, rig_fini);
    suite_add_with(s, syncs_fail, setup, rig_fini);
    suite_add_with(s, crash_after_a_failed_sync, setup, rig_fini);
    suite_add_with(s, full_until_there_is_room, setup, rig_fini);
    suite_add_with(s, reads_fail, setup, rig_fini);
    return s;
}
