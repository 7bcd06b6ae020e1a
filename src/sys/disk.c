/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/util.h"
#include "sys/dirs.h"
#include "sys/disk_file.h"

#define DIR_MODE 0750
#define FILE_MODE 0640
#define SPARE_TRIES 1000

static int check_path(const char *path)
{
    if (strcmp(path, ".") == 0)
        return 0;
    for (const char *p = path;; p++) {
        size_t n = strcspn(p, "/");

        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return -EINVAL;
        p += n;
        if (*p == '\0')
            return 0;
    }
}

/* open(2) under the data directory. Returns the descriptor. */
static int open_at(struct env_disk *d, const char *path, int flags)
{
    int r = check_path(path), fd;

    if (r < 0)
        return r;
    do
        fd = openat(to_sys_disk(d)->dir_fd, path, flags | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, FILE_MODE);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* Set afterwards instead of asked for at open, which can leave a created file behind although it fails. */
static void try_direct(struct sys_disk *d, int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
        atomic_store_explicit(&d->direct_fails, true, memory_order_relaxed);
}

static int open_file(struct env_disk *d, const char *path, unsigned flags, struct disk_file **ret)
{
    int how = (flags & DISK_WRITE) != 0 ? O_RDWR : O_RDONLY, fd;
    struct sys_file *f;

    if ((flags & DISK_CREATE) != 0)
        how |= O_CREAT | ((flags & DISK_EXCL) != 0 ? O_EXCL : 0);
    fd = open_at(d, path, how);
    if (fd < 0)
        return fd;
    f = malloc(sizeof(*f));
    if (f == NULL) {
        close(fd);
        return -ENOMEM;
    }
    sys_disk_note_opened(to_sys_disk(d), fd);
    if ((flags & DISK_DIRECT) != 0)
        try_direct(to_sys_disk(d), fd);
    if ((flags & DISK_EXACT) != 0)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    *f = (struct sys_file){ .base.disk = d, .fd = fd, .aligned = (flags & DISK_DIRECT) != 0 };
    *ret = &f->base;
    return 0;
}

static int file_open(struct env_disk *d, const char *path, unsigned flags, struct disk_file **ret)
{
    struct sys_disk *disk = to_sys_disk(d);
    int r = -EMFILE;

    if (atomic_fetch_add_explicit(&disk->n_files, 1, memory_order_relaxed) < disk->max_files)
        r = open_file(d, path, flags, ret);
    sys_disk_count_call(disk);
    if (r < 0)
        atomic_fetch_sub_explicit(&disk->n_files, 1, memory_order_relaxed);
    return r;
}

static void file_close(struct disk_file *f)
{
    atomic_fetch_sub_explicit(&to_sys_disk(f->disk)->n_files, 1, memory_order_relaxed);
    close(to_sys_file(f)->fd);
    free(f);
}

static int file_size(struct disk_file *f, uint64_t *ret)
{
    struct stat st;

    if (fstat(to_sys_file(f)->fd, &st) < 0)
        return -errno;
    *ret = (uint64_t)st.st_size;
    return 0;
}

static int file_fd(struct disk_file *f)
{
    return to_sys_file(f)->fd;
}

static int name_rename(struct env_disk *d, const char *from, const char *to)
{
    int dir_fd = to_sys_disk(d)->dir_fd;

    if (check_path(from) < 0 || check_path(to) < 0)
        return -EINVAL;
    return renameat(dir_fd, from, dir_fd, to) < 0 ? -errno : 0;
}

static int name_unlink(struct env_disk *d, const char *path)
{
    int dir_fd = to_sys_disk(d)->dir_fd, r = check_path(path);

    if (r < 0)
        return r;
    if (unlinkat(dir_fd, path, 0) == 0)
        return 0;
    if (errno != EISDIR)
        return -errno;
    return unlinkat(dir_fd, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int name_mkdir(struct env_disk *d, const char *path)
{
    int r = check_path(path);

    if (r < 0)
        return r;
    return mkdirat(to_sys_disk(d)->dir_fd, path, DIR_MODE) < 0 ? -errno : 0;
}

static int sync_fd(struct sys_disk *d, int fd)
{
    int r;

    do
        r = fsync(fd);
    while (r < 0 && errno == EINTR);
    return sys_disk_synced(d, r < 0 ? -errno : 0);
}

/* Directories on the way may be symbolic links, so the last one may too. */
static int open_dir(struct env_disk *d, const char *path)
{
    int r = check_path(path), fd;

    if (r < 0)
        return r;
    do
        fd = openat(to_sys_disk(d)->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -errno;
    sys_disk_note_opened(to_sys_disk(d), fd);
    return fd;
}

/* In place of the spare one. Another thread may be faster for it, but not for ever. */
static int open_dir_for_spare(struct sys_disk *d, const char *path)
{
    int fd = -EMFILE;

    for (int i = 0; i < SPARE_TRIES && (fd == -EMFILE || fd == -ENFILE); i++) {
        if (d->spare_fd >= 0)
            close(d->spare_fd);
        d->spare_fd = -1;
        fd = open_dir(&d->base, path);
        if (fd < 0)
            usleep(1000);
    }
    return fd;
}

/* After a name changed its directory has to be synced, however short descriptors are: one is kept for that. */
static int sync_with_spare(struct sys_disk *d, const char *path)
{
    int fd, r;

    pthread_mutex_lock(&d->spare_lock);
    fd = open_dir_for_spare(d, path);
    r = fd < 0 ? fd : sync_fd(d, fd);
    d->spare_fd = fd >= 0 ? fd : dup(d->dir_fd); /* the next spare one */
    pthread_mutex_unlock(&d->spare_lock);
    return r;
}

static int dir_sync(struct env_disk *d, const char *path)
{
    int fd = open_dir(d, path), r;

    if (fd == -EMFILE || fd == -ENFILE)
        return sync_with_spare(to_sys_disk(d), path);
    if (fd < 0)
        return fd;
    r = sync_fd(to_sys_disk(d), fd);
    close(fd);
    return r;
}

/* Not every file system tells the type with the name. */
static int is_dir(DIR *dir, const struct dirent *ent, bool *ret)
{
    struct stat st;

    if (ent->d_type != DT_UNKNOWN && ent->d_type != DT_LNK) {
        *ret = ent->d_type == DT_DIR;
        return 0;
    }
    if (fstatat(dirfd(dir), ent->d_name, &st, 0) < 0)
        return -errno;
    *ret = S_ISDIR(st.st_mode);
    return 0;
}

static int walk(DIR *dir, disk_list_fn fn, void *ctx)
{
    for (;;) {
        struct disk_dirent item;
        struct dirent *ent;
        int r;

        errno = 0;
        ent = readdir(dir);
        if (ent == NULL)
            return -errno;
        if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
            continue;
        item.name = ent->d_name;
        r = is_dir(dir, ent, &item.is_dir);
        if (r == -ENOENT) /* gone since readdir(), or a link to nowhere */
            continue;
        if (r == 0)
            r = fn(ctx, &item);
        if (r != 0)
            return r;
    }
}

static int dir_list(struct env_disk *d, const char *path, disk_list_fn fn, void *ctx)
{
    int fd = open_dir(d, path), r;
    DIR *dir;

    if (fd < 0)
        return fd;
    dir = fdopendir(fd);
    if (dir == NULL) {
        r = -errno;
        close(fd);
        return r;
    }
    r = walk(dir, fn, ctx);
    closedir(dir);
    return r;
}

static int space(struct env_disk *d, struct disk_space *ret)
{
    struct statvfs st;

    if (fstatvfs(to_sys_disk(d)->dir_fd, &st) < 0)
        return -errno;
    ret->total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
    ret->free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

static int lock(struct env_disk *d, const char *path)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    struct sys_disk *disk = to_sys_disk(d);
    int fd, r = 0;

    gq_assert(disk->lock_fd < 0);
    fd = open_at(d, path, O_RDWR | O_CREAT);
    if (fd < 0)
        return fd;
    if (fcntl(fd, F_OFD_SETLK, &whole) < 0)
        r = errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
    if (r < 0)
        close(fd);
    else
        disk->lock_fd = fd;
    return r;
}

int sys_disk_new(const char *data_dir, struct env_disk **ret)
{
    static const struct env_disk_ops ops = {
        .open = file_open,
        .close = file_close,
        .size = file_size,
        .pread = sys_file_pread,
        .pread_cached = sys_file_pread_cached,
        .pwritev = sys_file_pwritev,
        .sync_data = sys_file_sync_data,
        .write_back = sys_file_write_back,
        .allocate = sys_file_allocate,
        .truncate = sys_file_truncate,
        .map = sys_file_map,
        .unmap = sys_file_unmap,
        .rename = name_rename,
        .unlink = name_unlink,
        .mkdir = name_mkdir,
        .sync_dir = dir_sync,
        .sync_fs = sys_disk_sync_fs,
        .list = dir_list,
        .space = space,
        .lock = lock,
        .fd = file_fd,
    };
    struct sys_disk *d;
    int fd, r;

    fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        r = sys_dirs_make(data_dir);
        if (r < 0)
            return r;
        fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0)
        return -errno;
    d = xcalloc(1, sizeof(*d));
    d->base.ops = &ops;
    d->dir_fd = fd;
    d->lock_fd = -1;
    pthread_mutex_init(&d->spare_lock, NULL);
    pthread_mutex_init(&d->sync_fs_lock, NULL);
    d->spare_fd = dup(fd);
    d->max_files = UINT64_MAX;
    atomic_init(&d->n_files, 0);
    atomic_init(&d->n_calls, 0);
    sys_disk_init_sync(d);
    atomic_init(&d->nowait_fails, false);
    atomic_init(&d->direct_fails, false);
    *ret = &d->base;
    return 0;
}

void sys_disk_limit_files(struct env_disk *d, uint64_t n)
{
    to_sys_disk(d)->max_files = n;
}

bool sys_disk_lacks_direct(struct env_disk *d)
{
    return atomic_load_explicit(&to_sys_disk(d)->direct_fails, memory_order_relaxed);
}

void sys_disk_free(struct env_disk *d)
{
    if (d == NULL)
        return;
    if (to_sys_disk(d)->lock_fd >= 0)
        close(to_sys_disk(d)->lock_fd);
    close(to_sys_disk(d)->dir_fd);
    if (to_sys_disk(d)->spare_fd >= 0)
        close(to_sys_disk(d)->spare_fd);
    pthread_mutex_destroy(&to_sys_disk(d)->spare_lock);
    pthread_mutex_destroy(&to_sys_disk(d)->sync_fs_lock);
    free(d);
}
