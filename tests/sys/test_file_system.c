/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "sys/file_system.h"
#include "sys/suites.h"
#include "sys/temp_dir.h"

static const char *concern(long magic)
{
    return sys_file_system_concern(&(struct sys_file_system){ .magic = magic });
}

START_TEST(places_that_keep_nothing)
{
    ck_assert_ptr_nonnull(strstr(concern(0x01021994), "in memory"));
    ck_assert_ptr_nonnull(strstr(concern(0x858458f6), "in memory"));
    ck_assert_ptr_nonnull(strstr(concern(0x6969), "network"));
    ck_assert_ptr_nonnull(strstr(concern(0xff534d42), "network"));
    ck_assert_ptr_nonnull(strstr(concern(0x01021997), "network"));
    ck_assert_ptr_nonnull(strstr(concern(0x65735546), "FUSE"));
}
END_TEST

START_TEST(good_places)
{
    struct sys_file_system fs = { .magic = 0xef53 };

    ck_assert_ptr_null(concern(0xef53));     /* ext4 */
    ck_assert_ptr_null(concern(0x58465342)); /* xfs */
    ck_assert_ptr_null(concern(0x9123683e)); /* btrfs */
    fs.journals_data = true;
    ck_assert_ptr_nonnull(strstr(sys_file_system_concern(&fs), "data=journal"));
}
END_TEST

START_TEST(places_that_lose_at_a_power_cut)
{
    struct sys_file_system fs = { .magic = 0xef53, .no_journal = true };

    ck_assert_ptr_nonnull(strstr(sys_file_system_concern(&fs), "without a journal"));
    fs.no_barriers = true;
    ck_assert_ptr_nonnull(strstr(sys_file_system_concern(&fs), "without barriers"));
    ck_assert(sys_ext4_lacks_journal("<none>\n"));
    ck_assert(!sys_ext4_lacks_journal("8884\n"));
    ck_assert(!sys_ext4_lacks_journal(""));
    ck_assert(sys_mountinfo_has("47 27 7:0 / /m rw - ext4 /dev/loop0 rw,nobarrier\n", makedev(7, 0), "nobarrier"));
    ck_assert(sys_mountinfo_has("47 27 7:0 / /m rw - ext3 /dev/a rw,barrier=0,x\n", makedev(7, 0), "barrier=0"));
    ck_assert(!sys_mountinfo_has("47 27 7:0 / /m rw - ext3 /dev/a rw,barrier=1\n", makedev(7, 0), "barrier=0"));
}
END_TEST

START_TEST(lines_of_mountinfo)
{
    static const char line[] = "36 35 98:12 /mnt1 /a - b rw,noatime master:1 - ext4 /dev/root rw,data=journal,x=1\n";
    static const char plain[] = "36 35 98:0 / /mnt2 rw,noatime,data=journal - ext4 /dev/root rw,data=journalled\n";

    ck_assert(
        sys_mountinfo_has("36 35 98:0 / /mnt2 rw - ext4 /dev/root rw,data=journal\n", makedev(98, 0), "data=journal"));
    ck_assert(sys_mountinfo_has("36 35 98:0 / /m rw master:1 - ext4 /dev/root data=journal,x\n", makedev(98, 0),
                                "data=journal"));
    ck_assert(!sys_mountinfo_has(line, makedev(98, 0), "data=journal"));
    ck_assert(!sys_mountinfo_has(plain, makedev(98, 0), "data=journal"));
    ck_assert(!sys_mountinfo_has("", makedev(98, 0), "data=journal"));
    ck_assert(!sys_mountinfo_has("36 35 98:0 / /m rw - ext4", makedev(98, 0), "data=journal"));
}
END_TEST

START_TEST(whole_file_systems_in_mountinfo)
{
    ck_assert(sys_mountinfo_is_whole("36 35 98:0 / /mnt\\040x rw - ext4 /dev/root rw\n", 36));
    ck_assert(!sys_mountinfo_is_whole("36 35 98:0 / /mnt rw - ext4 /dev/root rw\n", 35));
    ck_assert(!sys_mountinfo_is_whole("36 35 98:0 /\\040 /mnt rw - ext4 /dev/root rw\n", 36));
    ck_assert(!sys_mountinfo_is_whole("36 35 98:0 /a / rw - ext4 /dev/root rw\n", 36));
    ck_assert(!sys_mountinfo_is_whole("36 35 98:0 /@/volumes / rw - btrfs /dev/root rw\n", 36));
    ck_assert(!sys_mountinfo_is_whole("36 35 98:0 net:[4026531840] / rw - nsfs nsfs rw\n", 36));
    ck_assert(!sys_mountinfo_is_whole("36 35 98:0", 36));
    ck_assert(!sys_mountinfo_is_whole("36 35 98:0 /", 36));
    ck_assert(!sys_mountinfo_is_whole("", 36));
}
END_TEST

START_TEST(a_look)
{
    struct sys_file_system fs;

    ck_assert_int_eq(sys_file_system_look("/proc", &fs), 0);
    ck_assert_int_eq(fs.magic, 0x9fa0);
    ck_assert(!fs.journals_data);
    ck_assert_int_eq(sys_file_system_look("/does/not/exist", &fs), -ENOENT);
}
END_TEST

Suite *file_system_suite(void)
{
    Suite *s = suite_create("file_system");

    suite_add(s, places_that_keep_nothing);
    suite_add(s, good_places);
    suite_add(s, places_that_lose_at_a_power_cut);
    suite_add(s, lines_of_mountinfo);
    suite_add(s, whole_file_systems_in_mountinfo);
    suite_add(s, a_look);
    return s;
}
