/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Seam: files. Every call may block, so reactors never call one after start; work on a lane (env/lane.h) does.
 *
 * Paths are relative to the node's data directory and must not leave it. All functions return 0 (or a count)
 * or a negative errno. Thread-safe; one file may be used by several threads at disjoint ranges.
 *
 * Durability is POSIX's: bytes are safe after disk_sync_data() on the file, a created, renamed or removed name is
 * safe after disk_sync_dir() on its directory; both after disk_sync_fs(). */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct env_disk;
struct disk_file; /* opaque; one per open */

enum disk_open_flags {
    DISK_READ = 0,        /* read only */
    DISK_WRITE = 1 << 0,  /* read and write */
    DISK_CREATE = 1 << 1, /* create it when missing */
    DISK_EXCL = 1 << 2,   /* with CREATE: -EEXIST when it exists */
    DISK_DIRECT = 1 << 3, /* O_DIRECT where the file system takes it: offsets, sizes and memory at DISK_ALIGN */
    DISK_EXACT = 1 << 4,  /* reads bring what they ask for into memory, and nothing that lies behind it */
};

#define DISK_ALIGN 4096

struct disk_dirent {
    const char *name;
    bool is_dir;
};

struct disk_space {
    uint64_t total_bytes, free_bytes;
};

/* A whole file in memory, read only. */
struct disk_map {
    const uint8_t *data;
    size_t size;
    struct env_disk *disk;
};

/* Return non-zero to end the walk with that value. */
typedef int (*disk_list_fn)(void *ctx, const struct disk_dirent *ent);

/* Errors for want of room on the disk. */
static inline bool disk_lacks_room(int err)
{
    return err == -ENOSPC || err == -EDQUOT;
}

/* Errors that pass once something was freed: nothing is wrong with the disk. No sync gives one, see disk_sync_error().
 */
static inline bool disk_is_shortage(int err)
{
    return disk_lacks_room(err) || err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

/* A sync that failed is never tried again, whatever it says: what it didn't write may be gone from memory, and the next
 * one would succeed without it. The disk sees to that for others: once a sync has failed all further ones of the
 * process do, since the system tells of what one of a whole file system lost only once. */
static inline int disk_sync_error(int err)
{
    return disk_is_shortage(err) ? -EIO : err;
}

struct env_disk_ops {
    int (*open)(struct env_disk *d, const char *path, unsigned flags, struct disk_file **ret);
    void (*close)(struct disk_file *f);
    int (*size)(struct disk_file *f, uint64_t *ret);
    /* Reads until size bytes or end of file; returns the count. -EIO when the medium doesn't give some of it. */
    ssize_t (*pread)(struct disk_file *f, void *to, size_t size, uint64_t offset);
    /* Like pread, but -EAGAIN when any of it isn't in memory already (RWF_NOWAIT); may read fewer bytes. */
    ssize_t (*pread_cached)(struct disk_file *f, void *to, size_t size, uint64_t offset);
    /* Writes all of it, or fails; after a failure any part of it may have been written. */
    int (*pwritev)(struct disk_file *f, const struct iovec *iov, int n_iov, uint64_t offset);
    int (*sync_data)(struct disk_file *f); /* fdatasync */
    /* Begins to write these bytes to the medium, so that a later sync has less to do. A hint that may be ignored. */
    void (*write_back)(struct disk_file *f, uint64_t offset, uint64_t size);
    /* Reserves blocks without changing the size. -EOPNOTSUPP is normal on some file systems. */
    int (*allocate)(struct disk_file *f, uint64_t offset, uint64_t size);
    int (*truncate)(struct disk_file *f, uint64_t size);
    /* Maps the file as it is now. It may grow meanwhile, must not shrink, and may be closed. Few at a time. */
    int (*map)(struct disk_file *f, struct disk_map **ret);
    /* -EIO when some of what was looked at couldn't be read: it was zeros then. */
    int (*unmap)(struct disk_map *m);
    int (*rename)(struct env_disk *d, const char *from, const char *to);
    int (*unlink)(struct env_disk *d, const char *path); /* a file or an empty directory */
    int (*mkdir)(struct env_disk *d, const char *path);  /* -EEXIST as in POSIX */
    int (*sync_dir)(struct env_disk *d, const char *path);
    /* All bytes and names so far, of all files, in one go. -EOPNOTSUPP where that would sync what isn't ours, or not
     * all that is, or where the system doesn't tell of everything that failed; it may come to that later. */
    int (*sync_fs)(struct env_disk *d);
    int (*list)(struct env_disk *d, const char *path, disk_list_fn fn, void *ctx);
    int (*space)(struct env_disk *d, struct disk_space *ret);
    /* Takes the exclusive lock of the data directory until the disk is closed; -EBUSY when another process has it. */
    int (*lock)(struct env_disk *d, const char *path);
    /* The descriptor behind f for the real net's sendfile, or -1. */
    int (*fd)(struct disk_file *f);
};

struct env_disk {
    const struct env_disk_ops *ops;
};

/* First member of every implementation's file. */
struct disk_file {
    struct env_disk *disk;
};

static inline int disk_open(struct env_disk *d, const char *path, unsigned flags, struct disk_file **ret)
{
    return d->ops->open(d, path, flags, ret);
}

/* Takes NULL. */
static inline void disk_close(struct disk_file *f)
{
    if (f != NULL)
        f->disk->ops->close(f);
}

static inline int disk_size(struct disk_file *f, uint64_t *ret)
{
    return f->disk->ops->size(f, ret);
}

static inline ssize_t disk_pread(struct disk_file *f, void *to, size_t size, uint64_t offset)
{
    return f->disk->ops->pread(f, to, size, offset);
}

static inline ssize_t disk_pread_cached(struct disk_file *f, void *to, size_t size, uint64_t offset)
{
    return f->disk->ops->pread_cached(f, to, size, offset);
}

static inline int disk_pwritev(struct disk_file *f, const struct iovec *iov, int n_iov, uint64_t offset)
{
    return f->disk->ops->pwritev(f, iov, n_iov, offset);
}

static inline int disk_pwrite(struct disk_file *f, const void *data, size_t size, uint64_t offset)
{
    struct iovec iov = { (void *)data, size };
    return f->disk->ops->pwritev(f, &iov, 1, offset);
}

static inline int disk_sync_data(struct disk_file *f)
{
    return disk_sync_error(f->disk->ops->sync_data(f));
}

static inline void disk_write_back(struct disk_file *f, uint64_t offset, uint64_t size)
{
    f->disk->ops->write_back(f, offset, size);
}

static inline int disk_allocate(struct disk_file *f, uint64_t offset, uint64_t size)
{
    return f->disk->ops->allocate(f, offset, size);
}

static inline int disk_truncate(struct disk_file *f, uint64_t size)
{
    return f->disk->ops->truncate(f, size);
}

static inline int disk_map(struct disk_file *f, struct disk_map **ret)
{
    return f->disk->ops->map(f, ret);
}

/* Takes NULL. */
static inline int disk_unmap(struct disk_map *m)
{
    return m != NULL ? m->disk->ops->unmap(m) : 0;
}

static inline int disk_rename(struct env_disk *d, const char *from, const char *to)
{
    return d->ops->rename(d, from, to);
}

static inline int disk_unlink(struct env_disk *d, const char *path)
{
    return d->ops->unlink(d, path);
}

static inline int disk_mkdir(struct env_disk *d, const char *path)
{
    return d->ops->mkdir(d, path);
}

static inline int disk_sync_dir(struct env_disk *d, const char *path)
{
    return disk_sync_error(d->ops->sync_dir(d, path));
}

static inline int disk_sync_fs(struct env_disk *d)
{
    return disk_sync_error(d->ops->sync_fs(d));
}

static inline int disk_list(struct env_disk *d, const char *path, disk_list_fn fn, void *ctx)
{
    return d->ops->list(d, path, fn, ctx);
}

static inline int disk_space(struct env_disk *d, struct disk_space *ret)
{
    return d->ops->space(d, ret);
}

static inline int disk_lock(struct env_disk *d, const char *path)
{
    return d->ops->lock(d, path);
}

static inline int disk_fd(struct disk_file *f)
{
    return f->disk->ops->fd(f);
}
