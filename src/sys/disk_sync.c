/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/util.h"
#include "sys/disk_file.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* Since Linux 5.8 syncfs() tells of write-back errors since the descriptor was opened. */
static bool kernel_tells_errors(void)
{
    unsigned major, minor;
    struct utsname u;

    return uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 8));
}

/* Others, FUSE and overlays among them, may sync less than is asked for, or not tell. */
static bool syncs_whole(int dir_fd)
{
    static const uint32_t known[] = { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
                                      TMPFS_MAGIC };
    struct statfs st;

    if (fstatfs(dir_fd, &st) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if ((uint32_t)st.f_type == known[i])
            return true;
    }
    return false;
}

bool sys_disk_owns_fs(int dir_fd)
{
    struct stat dir, parent;

    return fstat(dir_fd, &dir) == 0 && fstatat(dir_fd, "..", &parent, 0) == 0 && dir.st_dev != parent.st_dev &&
           syncs_whole(dir_fd) && kernel_tells_errors();
}

int sys_disk_synced(struct sys_disk *d, int err)
{
    if (err < 0)
        atomic_store(&d->sync_failed, true);
    return err == 0 && atomic_load(&d->sync_failed) ? -EIO : err;
}

/* One at a time: a descriptor hears once of what was lost, so whoever comes second looks at what the first was told. */
int sys_disk_sync_fs(struct env_disk *d)
{
    struct sys_disk *disk = to_sys_disk(d);
    int r;

    if (!disk->owns_fs)
        return -EOPNOTSUPP;
    pthread_mutex_lock(&disk->sync_fs_lock);
    r = sys_disk_synced(disk, syncfs(disk->dir_fd) < 0 ? -errno : 0);
    pthread_mutex_unlock(&disk->sync_fs_lock);
    return r;
}
