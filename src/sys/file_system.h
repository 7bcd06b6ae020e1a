/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What lies under a data directory, and whether that is a good place. */

#include <stdbool.h>
#include <sys/types.h>

struct sys_file_system {
    long magic; /* statfs(2)'s f_type */
    bool read_only;
    bool journals_data; /* ext4's data=journal */
    bool no_barriers;   /* nobarrier, barrier=0 */
    bool no_journal;    /* of its metadata: ext4 that is known to have none */
};

/* Returns 0 or a negative errno. */
int sys_file_system_look(const char *dir, struct sys_file_system *ret);

/* What speaks against it, as the rest of a sentence about the directory, or NULL. Pure. */
const char *sys_file_system_concern(const struct sys_file_system *fs);

/* Whether this text of /sys/fs/ext4/DEVICE/journal_task says that there is no journal. Pure. */
bool sys_ext4_lacks_journal(const char *journal_task);

/* Whether this line of /proc/self/mountinfo is of the device and has the option of the file system. Pure. */
bool sys_mountinfo_has(const char *line, dev_t device, const char *option);

/* Whether this line is of the mount with that number, and the whole file system is mounted there. Pure. */
bool sys_mountinfo_is_whole(const char *line, int mount_id);

/* Whether that mount, as this process sees it, is a file system from its root on, and not a part of one as a bind
 * mount, a container's volume or a btrfs subvolume are. False where it can't be told. */
bool sys_mount_is_whole(int mount_id);
