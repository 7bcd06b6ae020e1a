/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/util.h"
#include "sys/disk_file.h"

static bool is_aligned(const void *p, size_t size, uint64_t offset)
{
    return (((uintptr_t)p | size | offset) & (DISK_ALIGN - 1)) == 0;
}

/* A few file systems take O_DIRECT at open and refuse the first transfer: they get it through the page cache. */
static bool leave_direct(struct sys_file *file)
{
    int flags = fcntl(file->fd, F_GETFL);

    if (flags < 0 || (flags & O_DIRECT) == 0 || fcntl(file->fd, F_SETFL, flags & ~O_DIRECT) < 0)
        return false;
    atomic_store_explicit(&to_sys_disk(file->base.disk)->direct_fails, true, memory_order_relaxed);
    return true;
}

/* What a device says of a place that it can't read comes through as it is where the page cache isn't between. */
static int read_error(int error)
{
    switch (error) {
    case ENODATA:   /* a medium error */
    case EILSEQ:    /* protection information that doesn't fit */
    case EREMOTEIO: /* the target failed */
        return -EIO;
    default:
        return -error;
    }
}

ssize_t sys_file_pread(struct disk_file *f, void *to, size_t size, uint64_t offset)
{
    struct sys_file *file = to_sys_file(f);
    size_t done = 0;

    gq_assert(!file->aligned || is_aligned(to, size, offset));
    while (done < size) {
        ssize_t n = pread(file->fd, (char *)to + done, size - done, (off_t)(offset + done));

        if (n < 0 && (errno == EINTR || (errno == EINVAL && leave_direct(file))))
            continue;
        sys_disk_count_call(to_sys_disk(f->disk));
        if (n < 0)
            return read_error(errno);
        done += (size_t)n;
        /* A direct read that ends between blocks ended at the end of the file, and can't go on from there. */
        if (n == 0 || (file->aligned && n % DISK_ALIGN != 0))
            break;
    }
    return (ssize_t)done;
}

ssize_t sys_file_pread_cached(struct disk_file *f, void *to, size_t size, uint64_t offset)
{
    struct sys_disk *disk = to_sys_disk(f->disk);
    struct sys_file *file = to_sys_file(f);
    struct iovec iov = { to, size };
    ssize_t n;

    if (atomic_load_explicit(&disk->nowait_fails, memory_order_relaxed))
        return sys_file_pread(f, to, size, offset);
    do
        n = preadv2(file->fd, &iov, 1, (off_t)offset, RWF_NOWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return -errno;
    atomic_store_explicit(&disk->nowait_fails, true, memory_order_relaxed);
    return sys_file_pread(f, to, size, offset);
}

/* Copies what is behind the first `skip` bytes of iov, at most IOV_MAX entries of it. Returns the entries. */
static int iov_tail(struct iovec *to, const struct iovec *iov, int n_iov, size_t skip)
{
    int n = 0;

    for (int i = 0; i < n_iov && n < IOV_MAX; i++) {
        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        to[n].iov_base = (char *)iov[i].iov_base + skip;
        to[n++].iov_len = iov[i].iov_len - skip;
        skip = 0;
    }
    return n;
}

/* One call; the bytes written, or a negative errno. */
static ssize_t write_once(struct sys_file *file, const struct iovec *iov, int n_iov, uint64_t offset)
{
    ssize_t n;

    do
        n = pwritev(file->fd, iov, n_iov, (off_t)offset);
    while (n < 0 && errno == EINTR);
    n = n < 0 ? -errno : n;
    sys_disk_count_call(to_sys_disk(file->base.disk));
    return n;
}

/* A direct write ended within its first block, where the file system's blocks are smaller than ours. That says nothing
 * of the reason: the block is written once more, and if that ends within it again, what is left of it tells. */
static ssize_t write_again(struct sys_file *file, const struct iovec *iov, int n_iov, uint64_t offset)
{
    ssize_t n = write_once(file, iov, n_iov, offset), more;
    struct iovec left;

    if (n <= 0 || n >= DISK_ALIGN)
        return n;
    left = (struct iovec){ (char *)iov[0].iov_base + n, DISK_ALIGN - (size_t)n };
    more = write_once(file, &left, 1, offset + (uint64_t)n);
    if (more < 0 && more != -EINVAL)
        return more;
    return more == (ssize_t)left.iov_len ? DISK_ALIGN : -ENOSPC;
}

/* The bytes written, > 0, or a negative errno. */
static ssize_t write_some(struct sys_file *file, const struct iovec *iov, int n_iov, uint64_t offset)
{
    ssize_t n = write_once(file, iov, n_iov, offset);

    if (file->aligned && n > 0 && n < DISK_ALIGN)
        n = write_again(file, iov, n_iov, offset);
    /* What follows a short direct write must start at a block again: the broken block is written once more. */
    if (file->aligned && n > 0)
        n -= n % DISK_ALIGN;
    return n != 0 ? n : -EIO;
}

static int write_rest(struct sys_file *file, const struct iovec *iov, int n_iov, size_t done, uint64_t offset)
{
    struct iovec tail[IOV_MAX];
    int n_tail;

    while ((n_tail = iov_tail(tail, iov, n_iov, done)) > 0) {
        ssize_t n = write_some(file, tail, n_tail, offset + done);

        if (n < 0)
            return (int)n;
        done += (size_t)n;
    }
    return 0;
}

int sys_file_pwritev(struct disk_file *f, const struct iovec *iov, int n_iov, uint64_t offset)
{
    struct sys_file *file = to_sys_file(f);
    size_t size = 0;
    ssize_t n;

    for (int i = 0; i < n_iov; i++) {
        gq_assert(!file->aligned || is_aligned(iov[i].iov_base, iov[i].iov_len, offset));
        size += iov[i].iov_len;
    }
    if (size == 0)
        return 0;
    n = write_some(file, iov, MIN(n_iov, IOV_MAX), offset);
    if (n == -EINVAL && leave_direct(file))
        n = write_some(file, iov, MIN(n_iov, IOV_MAX), offset);
    if (n < 0)
        return (int)n;
    return (size_t)n == size ? 0 : write_rest(file, iov, n_iov, (size_t)n, offset);
}

int sys_file_sync_data(struct disk_file *f)
{
    int r;

    do
        r = fdatasync(to_sys_file(f)->fd);
    while (r < 0 && errno == EINTR);
    return sys_disk_synced(to_sys_disk(f->disk), r < 0 ? -errno : 0);
}

void sys_file_write_back(struct disk_file *f, uint64_t offset, uint64_t size)
{
    (void)sync_file_range(to_sys_file(f)->fd, (off64_t)offset, (off64_t)size, SYNC_FILE_RANGE_WRITE);
}

int sys_file_allocate(struct disk_file *f, uint64_t offset, uint64_t size)
{
    int r;

    do
        r = fallocate(to_sys_file(f)->fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == ENOSYS ? -EOPNOTSUPP : -errno;
    return 0;
}

int sys_file_truncate(struct disk_file *f, uint64_t size)
{
    int r;

    do
        r = ftruncate(to_sys_file(f)->fd, (off_t)size);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}
