/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside of the real disk: one open file, the calls that move its bytes (disk_io.c) and sync all files at once
 * (disk_sync.c), and mapped ones (disk_map.c). */

#include <pthread.h>
#include <stdatomic.h>

#include "env/disk.h"

struct sys_disk {
    struct env_disk base;
    int dir_fd;
    int lock_fd;  /* -1 while not locked */
    int spare_fd; /* given up to sync a directory when there are no more descriptors */
    pthread_mutex_t spare_lock;
    /* The file system holds the data directory only, has all of it that was opened so far, and can be synced as a
     * whole. Once that was found untrue it stays so. */
    atomic_bool owns_fs;
    dev_t device; /* of the data directory */
    uint64_t max_files;
    _Atomic(uint64_t) n_files; /* open */
    _Atomic(uint64_t) n_calls; /* opened, read, written, synced: a start that takes long is known by it */
    pthread_mutex_t sync_fs_lock;
    atomic_bool sync_failed;  /* some sync of this process; all others fail, too */
    atomic_bool nowait_fails; /* the file system doesn't know RWF_NOWAIT */
    atomic_bool direct_fails; /* nor O_DIRECT */
};

struct sys_file {
    struct disk_file base;
    int fd;
    bool aligned; /* DISK_DIRECT was asked for */
};

static inline struct sys_disk *to_sys_disk(struct env_disk *d)
{
    return (struct sys_disk *)d;
}

static inline struct sys_file *to_sys_file(struct disk_file *f)
{
    return (struct sys_file *)f;
}

static inline void sys_disk_count_call(struct sys_disk *d)
{
    atomic_fetch_add_explicit(&d->n_calls, 1, memory_order_relaxed);
}

ssize_t sys_file_pread(struct disk_file *f, void *to, size_t size, uint64_t offset);
ssize_t sys_file_pread_cached(struct disk_file *f, void *to, size_t size, uint64_t offset);
int sys_file_pwritev(struct disk_file *f, const struct iovec *iov, int n_iov, uint64_t offset);
int sys_file_sync_data(struct disk_file *f);
void sys_file_write_back(struct disk_file *f, uint64_t offset, uint64_t size);
int sys_file_allocate(struct disk_file *f, uint64_t offset, uint64_t size);
int sys_file_truncate(struct disk_file *f, uint64_t size);
void sys_disk_init_sync(struct sys_disk *d);
/* A file or directory was opened: it may lie on another file system, by a link or a mount below the data directory. */
void sys_disk_note_opened(struct sys_disk *d, int fd);
int sys_disk_sync_fs(struct env_disk *d);
/* What a sync is told to have come to: its error, or another one's. */
int sys_disk_synced(struct sys_disk *d, int err);

/* disk_map.c */
int sys_file_map(struct disk_file *f, struct disk_map **ret);
int sys_file_unmap(struct disk_map *map);
