/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "base/util.h"
#include "sim/disk_internal.h"

#define MAX_FILE_SIZE ((uint64_t)16 << 30)

static struct sim_disk *disk_of(struct env_disk *env)
{
    return container_of(env, struct sim_disk, env);
}

static struct sim_file *file_of(struct disk_file *f)
{
    return container_of(f, struct sim_file, file);
}

static int enter_file(struct sim_file *f, enum sim_disk_call call)
{
    struct sim_disk *d = disk_of(f->file.disk);

    if (f->inode == NULL) {
        d->calls[call]++;
        return -EIO;
    }
    return sim_disk_enter(d, call);
}

static int find_to_open(struct sim_disk *d, const char *path, unsigned flags, struct inode **ret)
{
    char name[NAME_SIZE];
    struct inode *dir;
    int r = tree_find_parent(&d->tree, path, &dir, name);

    if (r < 0)
        return r;
    *ret = tree_lookup(dir, name);
    if (*ret != NULL) {
        if ((flags & DISK_CREATE) != 0 && (flags & DISK_EXCL) != 0)
            return -EEXIST;
        return (*ret)->is_dir ? -EISDIR : 0;
    }
    if ((flags & DISK_CREATE) == 0)
        return -ENOENT;
    r = sim_disk_step(d);
    if (r == 0)
        *ret = tree_create(&d->tree, dir, name, false);
    return r;
}

static int do_open(struct env_disk *env, const char *path, unsigned flags, struct disk_file **ret)
{
    struct sim_disk *d = disk_of(env);
    struct inode *i;
    struct sim_file *f;
    int r = sim_disk_enter(d, SIM_DISK_OPEN);

    if (r == 0 && d->n_files >= d->max_files)
        r = -EMFILE;
    if (r == 0)
        r = find_to_open(d, path, flags, &i);
    if (r < 0)
        return r;
    f = xcalloc(1, sizeof(*f));
    f->file.disk = env;
    f->flags = flags;
    f->inode = i;
    inode_use(&d->tree, i);
    list_append(&d->files, &f->link);
    d->n_files++;
    *ret = &f->file;
    return 0;
}

static void do_close(struct disk_file *file)
{
    struct sim_file *f = file_of(file);
    struct sim_disk *d = disk_of(file->disk);

    if (f->inode != NULL) {
        sim_disk_end_handle(d, f);
        tree_reap(&d->tree);
    }
    free(f);
}

static int do_size(struct disk_file *file, uint64_t *ret)
{
    struct sim_file *f = file_of(file);
    int r = enter_file(f, SIM_DISK_SIZE);

    if (r == 0)
        *ret = f->inode->content.size;
    return r;
}

static void check_alignment(const struct sim_file *f, const void *memory, size_t size, uint64_t offset)
{
    if ((f->flags & DISK_DIRECT) == 0)
        return;
    gq_assert((uintptr_t)memory % DISK_ALIGN == 0);
    gq_assert(size % DISK_ALIGN == 0);
    gq_assert(offset % DISK_ALIGN == 0);
}

static ssize_t do_pread(struct disk_file *file, void *to, size_t size, uint64_t offset)
{
    struct sim_file *f = file_of(file);
    int r = enter_file(f, SIM_DISK_READ);

    if (r < 0)
        return r;
    check_alignment(f, to, size, offset);
    if (!content_is_readable(&f->inode->content, size, offset, (f->flags & DISK_DIRECT) == 0))
        return -EIO;
    return (ssize_t)content_read(&f->inode->content, to, size, offset, (f->flags & DISK_DIRECT) == 0);
}

static ssize_t do_pread_cached(struct disk_file *file, void *to, size_t size, uint64_t offset)
{
    struct sim_file *f = file_of(file);
    int r = enter_file(f, SIM_DISK_READ_CACHED);
    size_t cached;

    if (r < 0)
        return r;
    if (size == 0 || offset >= f->inode->content.size)
        return 0;
    cached = content_cached(&f->inode->content, size, offset);
    return cached > 0 ? (ssize_t)content_read(&f->inode->content, to, cached, offset, true) : -EAGAIN;
}

/* A write that fails may have written a first part. */
static void write_drawn_part(struct sim_disk *d, struct inode *i, const struct iovec *iov, int n_iov, uint64_t offset)
{
    size_t size = 0, left;

    for (int k = 0; k < n_iov; k++)
        size += iov[k].iov_len;
    left = (size_t)sim_prng_below(d->prng, size + 1);
    for (int k = 0; k < n_iov && left > 0; k++) {
        size_t part = MIN(left, iov[k].iov_len);

        if (content_write(&i->content, iov[k].iov_base, part, offset) < 0)
            return;
        offset += part;
        left -= part;
    }
}

static int check_write(const struct sim_file *f, const struct iovec *iov, int n_iov, uint64_t offset)
{
    uint64_t end = offset;

    if ((f->flags & DISK_WRITE) == 0)
        return -EBADF;
    for (int k = 0; k < n_iov; k++) {
        check_alignment(f, iov[k].iov_base, iov[k].iov_len, offset);
        if (add_overflows(end, iov[k].iov_len, &end) || end > MAX_FILE_SIZE)
            return -EFBIG;
    }
    return 0;
}

static int do_pwritev(struct disk_file *file, const struct iovec *iov, int n_iov, uint64_t offset)
{
    struct sim_file *f = file_of(file);
    struct sim_disk *d = disk_of(file->disk);
    int fault = enter_file(f, SIM_DISK_WRITE), r;

    if (f->inode == NULL || d->dead)
        return -EIO;
    r = check_write(f, iov, n_iov, offset);
    if (r == 0)
        r = sim_disk_step(d);
    if (r < 0)
        return r;
    if (fault < 0) {
        if (d->prng != NULL)
            write_drawn_part(d, f->inode, iov, n_iov, offset);
        return fault;
    }
    for (int k = 0; k < n_iov && r == 0; k++) {
        r = content_write(&f->inode->content, iov[k].iov_base, iov[k].iov_len, offset);
        offset += iov[k].iov_len;
    }
    return r;
}

/* Whoever syncs a file first hears what an earlier sync lost of it, in another process too, as in Linux. Within the
 * process all syncs fail then anyway. */
static bool hears_of_loss(struct content *c)
{
    bool lost = c->error_unseen;

    c->error_unseen = false;
    return lost;
}

static int synced(struct sim_disk *d, int err)
{
    d->sync_failed |= err < 0;
    return err == 0 && d->sync_failed ? -EIO : err;
}

static int do_sync_data(struct disk_file *file)
{
    struct sim_file *f = file_of(file);
    struct sim_disk *d = disk_of(file->disk);
    int fault = enter_file(f, SIM_DISK_SYNC_DATA), r;

    if (f->inode == NULL || d->dead)
        return -EIO;
    r = sim_disk_step(d);
    if (r < 0)
        return r;
    if (fault < 0) {
        struct draw half = { d->prng, d->prng != NULL ? 4 : 0, d->prng != NULL ? 4 : 0, 0 };

        content_sync_failed(&f->inode->content, &half);
        (void)hears_of_loss(&f->inode->content);
        return synced(d, fault);
    }
    content_sync(&f->inode->content);
    return synced(d, hears_of_loss(&f->inode->content) ? -EIO : 0);
}

static void do_write_back(struct disk_file *file, uint64_t offset, uint64_t size)
{
    struct sim_file *f = file_of(file);
    struct sim_disk *d = disk_of(file->disk);
    struct draw half = { d->prng, 4, 4, 0 };

    if (enter_file(f, SIM_DISK_WRITE_BACK) == 0 && d->prng != NULL)
        content_writeback(&f->inode->content, &half);
}

static int do_sync_fs(struct env_disk *env)
{
    struct sim_disk *d = disk_of(env);
    int fault = sim_disk_enter(d, SIM_DISK_SYNC_FS), r;
    struct draw half = { d->prng, d->prng != NULL ? 4 : 0, d->prng != NULL ? 4 : 0, 0 };
    struct inode *i;

    if (d->dead)
        return -EIO;
    if (!d->has_sync_fs)
        return -EOPNOTSUPP;
    r = sim_disk_step(d);
    if (r < 0)
        return r;
    list_foreach (&d->tree.inodes, i, link) {
        if (!i->is_dir && fault == 0)
            content_sync(&i->content);
        else if (!i->is_dir)
            content_sync_failed(&i->content, &half);
    }
    if (fault == 0) {
        tree_writeback(&d->tree, SIZE_MAX);
        tree_reap(&d->tree);
    }
    return synced(d, fault);
}

static int do_allocate(struct disk_file *file, uint64_t offset, uint64_t size)
{
    struct sim_file *f = file_of(file);
    uint64_t end;
    int r = enter_file(f, SIM_DISK_ALLOCATE);

    if (r < 0)
        return r;
    if ((f->flags & DISK_WRITE) == 0)
        return -EBADF;
    if (size == 0)
        return -EINVAL;
    if (add_overflows(offset, size, &end) || end > MAX_FILE_SIZE)
        return -EFBIG;
    r = sim_disk_step(disk_of(file->disk));
    return r < 0 ? r : content_allocate(&f->inode->content, offset, size);
}

struct sim_map {
    struct disk_map map; /* first member */
    bool is_broken;      /* some of it can't be read, and is zeros */
};

/* A copy: files here have no address of their own, and what may be mapped doesn't change. */
static int do_map(struct disk_file *file, struct disk_map **ret)
{
    struct sim_file *f = file_of(file);
    int r = enter_file(f, SIM_DISK_MAP);
    struct sim_map *m;
    uint8_t *data;

    if (r < 0)
        return r;
    data = xcalloc(1, MAX(f->inode->content.size, 1));
    m = xcalloc(1, sizeof(*m));
    m->is_broken = !content_is_readable(&f->inode->content, f->inode->content.size, 0, true);
    m->map = (struct disk_map){ .data = data, .size = f->inode->content.size, .disk = file->disk };
    if (!m->is_broken)
        (void)content_read(&f->inode->content, data, m->map.size, 0, true);
    *ret = &m->map;
    return 0;
}

/* A fault of this call stands for a page that couldn't be read. */
static int do_unmap(struct disk_map *map)
{
    struct sim_map *m = container_of(map, struct sim_map, map);
    int r = sim_disk_enter(disk_of(map->disk), SIM_DISK_UNMAP);

    r = r == 0 && m->is_broken ? -EIO : r;
    free((void *)map->data);
    free(m);
    return r;
}

static int do_truncate(struct disk_file *file, uint64_t size)
{
    struct sim_file *f = file_of(file);
    int r = enter_file(f, SIM_DISK_TRUNCATE);

    if (r < 0)
        return r;
    if ((f->flags & DISK_WRITE) == 0)
        return -EBADF;
    if (size > MAX_FILE_SIZE)
        return -EFBIG;
    r = sim_disk_step(disk_of(file->disk));
    return r < 0 ? r : content_truncate(&f->inode->content, size);
}

/* POSIX rename(): whether what stands at the new name may be replaced. */
static int check_replace(const struct inode *moved, const struct inode *old, const struct inode *to_dir)
{
    if (moved->is_dir && inode_is_below(to_dir, moved))
        return -EINVAL;
    if (old == NULL)
        return 0;
    if (moved->is_dir && !old->is_dir)
        return -ENOTDIR;
    if (!moved->is_dir && old->is_dir)
        return -EISDIR;
    return old->is_dir && old->live.count > 0 ? -ENOTEMPTY : 0;
}

static int do_rename(struct env_disk *env, const char *from, const char *to)
{
    struct sim_disk *d = disk_of(env);
    char from_name[NAME_SIZE], to_name[NAME_SIZE];
    struct inode *from_dir, *to_dir, *moved, *old;
    int r = sim_disk_enter(d, SIM_DISK_RENAME);

    if (r == 0)
        r = tree_find_parent(&d->tree, from, &from_dir, from_name);
    if (r == 0)
        r = tree_find_parent(&d->tree, to, &to_dir, to_name);
    if (r < 0)
        return r;
    moved = tree_lookup(from_dir, from_name);
    old = tree_lookup(to_dir, to_name);
    if (moved == NULL)
        return -ENOENT;
    if (moved == old)
        return 0;
    r = check_replace(moved, old, to_dir);
    if (r == 0)
        r = sim_disk_step(d);
    if (r < 0)
        return r;
    tree_rename(&d->tree, from_dir, from_name, to_dir, to_name);
    tree_reap(&d->tree);
    return 0;
}

static int do_unlink(struct env_disk *env, const char *path)
{
    struct sim_disk *d = disk_of(env);
    char name[NAME_SIZE];
    struct inode *dir, *i;
    int r = sim_disk_enter(d, SIM_DISK_UNLINK);

    if (r == 0)
        r = tree_find_parent(&d->tree, path, &dir, name);
    if (r < 0)
        return r;
    i = tree_lookup(dir, name);
    if (i == NULL)
        return -ENOENT;
    if (i->is_dir && i->live.count > 0)
        return -ENOTEMPTY;
    r = sim_disk_step(d);
    if (r < 0)
        return r;
    tree_remove(&d->tree, dir, name);
    tree_reap(&d->tree);
    return 0;
}

static int do_mkdir(struct env_disk *env, const char *path)
{
    struct sim_disk *d = disk_of(env);
    char name[NAME_SIZE];
    struct inode *dir;
    int r = sim_disk_enter(d, SIM_DISK_MKDIR);

    if (r == 0)
        r = tree_find_parent(&d->tree, path, &dir, name);
    if (r < 0)
        return r;
    if (tree_lookup(dir, name) != NULL)
        return -EEXIST;
    r = sim_disk_step(d);
    if (r == 0)
        tree_create(&d->tree, dir, name, true);
    return r;
}

static int find_dir(struct sim_disk *d, const char *path, struct inode **ret)
{
    int r = tree_find(&d->tree, path, ret);

    return r == 0 && !(*ret)->is_dir ? -ENOTDIR : r;
}

static int do_sync_dir(struct env_disk *env, const char *path)
{
    struct sim_disk *d = disk_of(env);
    struct inode *dir;
    int r = sim_disk_enter(d, SIM_DISK_SYNC_DIR);

    if (r < 0)
        return synced(d, r);
    r = find_dir(d, path, &dir);
    if (r == 0)
        r = sim_disk_step(d);
    if (r < 0)
        return r;
    tree_sync_dir(&d->tree, dir);
    tree_reap(&d->tree);
    return synced(d, 0);
}

/* The callback may change the directory, so it walks a copy. */
static int do_list(struct env_disk *env, const char *path, disk_list_fn fn, void *ctx)
{
    struct sim_disk *d = disk_of(env);
    struct inode *dir;
    struct hash_node *n;
    struct listed {
        char name[NAME_SIZE];
        bool is_dir;
    } * names;
    size_t count = 0;
    int r = sim_disk_enter(d, SIM_DISK_LIST);

    if (r == 0)
        r = find_dir(d, path, &dir);
    if (r < 0)
        return r;
    names = xcalloc(dir->live.count, sizeof(*names));
    for (n = hash_walk(&dir->live, NULL); n != NULL; n = hash_walk(&dir->live, n)) {
        struct entry *e = container_of(n, struct entry, node);

        memcpy(names[count].name, e->name, NAME_SIZE);
        names[count++].is_dir = e->inode->is_dir;
    }
    for (size_t i = 0; i < count && r == 0; i++)
        r = fn(ctx, &(struct disk_dirent){ names[i].name, names[i].is_dir });
    free(names);
    return r;
}

static int do_space(struct env_disk *env, struct disk_space *ret)
{
    struct sim_disk *d = disk_of(env);
    const struct space *s = &d->tree.space;
    int r = sim_disk_enter(d, SIM_DISK_SPACE);

    if (r < 0)
        return r;
    ret->total_bytes = s->capacity_pages * PAGE_SIZE;
    ret->free_bytes = (s->capacity_pages - MIN(s->capacity_pages, s->used_pages)) * PAGE_SIZE;
    return 0;
}

static int do_lock(struct env_disk *env, const char *path)
{
    struct sim_disk *d = disk_of(env);
    struct inode *i;
    int r = sim_disk_enter(d, SIM_DISK_LOCK);

    if (r == 0)
        r = tree_find(&d->tree, path, &i);
    if (r == -ENOENT)
        r = find_to_open(d, path, DISK_CREATE, &i);
    if (r < 0)
        return r;
    if (d->locked)
        return -EBUSY;
    d->locked = true;
    return 0;
}

static int do_fd(struct disk_file *file)
{
    return -1;
}

const struct env_disk_ops sim_disk_ops = {
    .open = do_open,
    .close = do_close,
    .size = do_size,
    .pread = do_pread,
    .pread_cached = do_pread_cached,
    .pwritev = do_pwritev,
    .sync_data = do_sync_data,
    .write_back = do_write_back,
    .allocate = do_allocate,
    .truncate = do_truncate,
    .map = do_map,
    .unmap = do_unmap,
    .rename = do_rename,
    .unlink = do_unlink,
    .mkdir = do_mkdir,
    .sync_dir = do_sync_dir,
    .sync_fs = do_sync_fs,
    .list = do_list,
    .space = do_space,
    .lock = do_lock,
    .fd = do_fd,
};
