/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real disk under env/disk.h: files below one data directory, reached through a descriptor of it.
 *
 * Paths are checked before use: relative, no empty, "." or ".." component (a directory itself is named "." where a
 * whole path is one). -EINVAL otherwise. A file is never opened through a symbolic link; directories on the way may
 * be links, or mount points, so that an administrator can move parts of the data elsewhere. disk_sync_fs() says
 * -EOPNOTSUPP from the first file or directory on that isn't on the data directory's file system.
 *
 * Where the file system refuses O_DIRECT, a DISK_DIRECT file is read and written through the page cache; the
 * alignment that DISK_DIRECT asks for is asserted either way. disk_pread_cached() reads plainly where the file
 * system has no RWF_NOWAIT. The lock is an open file description lock, so two disks of one process exclude each
 * other too. Directories get mode 0750, files 0640. */

#include "env/disk.h"

/* Opens the data directory; missing directories of the path are created (and synced). Free with sys_disk_free()
 * after all of its files are closed. Errors: what mkdir(2) and open(2) say; -ENOTDIR when it is something else. */
int sys_disk_new(const char *data_dir, struct env_disk **ret);

/* From now on no more than n files are open at a time: more are told -EMFILE, so that the process keeps descriptors for
 * other things. Before other threads use it. */
void sys_disk_limit_files(struct env_disk *d, uint64_t n);

/* A file was to be O_DIRECT and couldn't be. Any thread. */
bool sys_disk_lacks_direct(struct env_disk *d);

/* Drops the lock and frees the disk. Takes NULL. */
void sys_disk_free(struct env_disk *d);
