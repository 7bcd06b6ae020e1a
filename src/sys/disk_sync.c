/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/util.h"
#include "sys/disk_file.h"
#include "sys/file_system.h"

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

/* The mount on which a descriptor was opened, as /proc/self/mountinfo counts them, or -1. */
static int mount_of(int fd)
{
    char name[48], line[128];
    int id = -1;
    FILE *f;

    snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
    f = fopen(name, "re");
    if (f == NULL)
        return -1;
    while (fgets(line, sizeof(line), f) != NULL && sscanf(line, "mnt_id: %d", &id) != 1)
        ;
    fclose(f);
    return id;
}

static int mount_of_parent(int dir_fd)
{
    int fd = openat(dir_fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC), id;

    if (fd < 0)
        return -1;
    id = mount_of(fd);
    close(fd);
    return id;
}

/* Where one of these can't be told, the file system isn't ours. A directory that isn't on its parent's mount is what
 * is mounted there. */
static bool owns_fs(int dir_fd)
{
    int id = mount_of(dir_fd), above = mount_of_parent(dir_fd);

    return id >= 0 && above >= 0 && id != above && sys_mount_is_whole(id) && syncs_whole(dir_fd) &&
           kernel_tells_errors();
}

void sys_disk_init_sync(struct sys_disk *d)
{
    struct stat dir = { 0 };
    bool known = fstat(d->dir_fd, &dir) == 0;

    d->device = dir.st_dev;
    atomic_init(&d->owns_fs, known && owns_fs(d->dir_fd));
    atomic_init(&d->sync_failed, false);
}

/* syncfs() of the data directory wouldn't sync it, so from now on each file is synced by itself. */
void sys_disk_note_opened(struct sys_disk *d, int fd)
{
    struct stat st;

    if (!atomic_load_explicit(&d->owns_fs, memory_order_relaxed))
        return;
    if (fstat(fd, &st) < 0 || st.st_dev != d->device)
        atomic_store(&d->owns_fs, false);
}

int sys_disk_synced(struct sys_disk *d, int err)
{
    sys_disk_count_call(d);
    if (err < 0)
        atomic_store(&d->sync_failed, true);
    return err == 0 && atomic_load(&d->sync_failed) ? -EIO : err;
}

/* One at a time: a descriptor hears once of what was lost, so whoever comes second looks at what the first was told. */
int sys_disk_sync_fs(struct env_disk *d)
{
    struct sys_disk *disk = to_sys_disk(d);
    int r;

    if (!atomic_load(&disk->owns_fs))
        return -EOPNOTSUPP;
    pthread_mutex_lock(&disk->sync_fs_lock);
    r = sys_disk_synced(disk, syncfs(disk->dir_fd) < 0 ? -errno : 0);
    pthread_mutex_unlock(&disk->sync_fs_lock);
    return r;
}
