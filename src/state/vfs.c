/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state/vfs.h"

#include <stdio.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"

#define PATH_SIZE 512
/* Time is no input of ours: SQLite gets the Unix epoch, in milliseconds of Julian days. */
#define JULIAN_EPOCH_MS 210866760000000ll

struct state_file {
    sqlite3_file base; /* first */
    struct state_vfs *vfs;
    struct disk_file *file;
    char dir[PATH_SIZE];
    bool is_database; /* pages with CRCs; else a journal, which has checksums of SQLite's */
    bool name_is_new; /* made by us, and its directory isn't synced yet */
};

static int failed(struct state_vfs *v, int err, int code)
{
    if (v->error == 0)
        v->error = err;
    return code;
}

static void parent_of(const char *path, char dir[PATH_SIZE])
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        snprintf(dir, PATH_SIZE, ".");
    else
        snprintf(dir, PATH_SIZE, "%.*s", (int)(slash - path), path);
}

static struct state_file *file_of(sqlite3_file *f)
{
    return container_of(f, struct state_file, base);
}

static int file_close(sqlite3_file *f)
{
    disk_close(TAKE_PTR(file_of(f)->file));
    return SQLITE_OK;
}

static bool is_page(const struct state_file *s, int size, sqlite3_int64 offset)
{
    return s->is_database && size == STATE_PAGE_SIZE && offset % STATE_PAGE_SIZE == 0;
}

static uint32_t page_crc(const void *page, sqlite3_int64 offset)
{
    uint8_t number[4];

    store_le32(number, (uint32_t)(offset / STATE_PAGE_SIZE + 1));
    return crc32c(crc32c(0, number, sizeof(number)), page, STATE_PAGE_SIZE - STATE_PAGE_RESERVED);
}

static int file_read(sqlite3_file *f, void *to, int size, sqlite3_int64 offset)
{
    struct state_file *s = file_of(f);
    ssize_t n = disk_pread(s->file, to, (size_t)size, (uint64_t)offset);

    if (n < 0)
        return failed(s->vfs, (int)n, SQLITE_IOERR_READ);
    memset((char *)to + n, 0, (size_t)(size - n));
    /* SQLite also looks at parts of the first page; it reads the whole of it before it trusts them. */
    if (n > 0 && is_page(s, size, offset) &&
        load_le32((char *)to + STATE_PAGE_SIZE - STATE_PAGE_RESERVED) != page_crc(to, offset))
        return SQLITE_CORRUPT;
    return n < size ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int file_write(sqlite3_file *f, const void *data, int size, sqlite3_int64 offset)
{
    struct state_file *s = file_of(f);
    struct iovec iov[2] = { { (void *)data, (size_t)size } };
    uint8_t crc[STATE_PAGE_RESERVED];
    int n_iov = 1, rc;

    if (is_page(s, size, offset)) {
        store_le32(crc, page_crc(data, offset));
        iov[0].iov_len -= STATE_PAGE_RESERVED;
        iov[n_iov++] = (struct iovec){ crc, sizeof(crc) };
    } else {
        gq_assert(!s->is_database);
    }
    rc = disk_pwritev(s->file, iov, n_iov, (uint64_t)offset);
    return rc < 0 ? failed(s->vfs, rc, SQLITE_IOERR_WRITE) : SQLITE_OK;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct state_file *s = file_of(f);
    int rc = disk_truncate(s->file, (uint64_t)size);

    return rc < 0 ? failed(s->vfs, rc, SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
}

static int file_sync(sqlite3_file *f, int flags)
{
    struct state_file *s = file_of(f);
    int rc = disk_sync_data(s->file);

    if (rc == 0 && s->name_is_new) {
        rc = disk_sync_dir(s->vfs->disk, s->dir);
        s->name_is_new = rc < 0;
    }
    return rc < 0 ? failed(s->vfs, rc, SQLITE_IOERR_FSYNC) : SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    struct state_file *s = file_of(f);
    uint64_t size;
    int rc = disk_size(s->file, &size);

    if (rc < 0)
        return failed(s->vfs, rc, SQLITE_IOERR_FSTAT);
    *ret = (sqlite3_int64)size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *f, int level)
{
    return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *f, int *ret)
{
    *ret = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *f)
{
    return 4096;
}

/* None: a write may be torn anywhere, and writes may reach the medium in any order. */
static int file_characteristics(sqlite3_file *f)
{
    return 0;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    struct state_vfs *v = container_of(vfs, struct state_vfs, vfs);
    struct state_file *s = file_of(f);
    int rc;

    memset(s, 0, sizeof(*s));
    if (name == NULL)
        return SQLITE_CANTOPEN; /* temporary files: temp_store keeps them in memory */
    s->vfs = v;
    parent_of(name, s->dir);
    rc = disk_open(v->disk, name, DISK_WRITE, &s->file);
    if (rc == -ENOENT && (flags & SQLITE_OPEN_CREATE)) {
        rc = disk_open(v->disk, name, DISK_WRITE | DISK_CREATE, &s->file);
        s->name_is_new = true;
    }
    if (rc < 0)
        return failed(v, rc, SQLITE_CANTOPEN);
    s->is_database = flags & SQLITE_OPEN_MAIN_DB;
    s->base.pMethods = &file_methods;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    struct state_vfs *v = container_of(vfs, struct state_vfs, vfs);
    char dir[PATH_SIZE];
    int rc = disk_unlink(v->disk, name);

    if (rc == -ENOENT)
        return SQLITE_IOERR_DELETE_NOENT;
    parent_of(name, dir);
    if (rc == 0 && sync_dir)
        rc = disk_sync_dir(v->disk, dir);
    return rc < 0 ? failed(v, rc, SQLITE_IOERR_DELETE) : SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    struct state_vfs *v = container_of(vfs, struct state_vfs, vfs);
    struct disk_file *file;
    int rc = disk_open(v->disk, name, DISK_READ, &file);

    if (rc < 0 && rc != -ENOENT)
        return failed(v, rc, SQLITE_IOERR_ACCESS);
    *ret = rc == 0;
    if (rc == 0)
        disk_close(file);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *to)
{
    return snprintf(to, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *to)
{
    prng_fill(container_of(vfs, struct state_vfs, vfs)->prng, to, (size_t)size);
    return size;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    return 0;
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
    *ret = JULIAN_EPOCH_MS;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *to)
{
    return 0;
}

int state_vfs_init(struct state_vfs *v, struct env_disk *disk, struct env_prng *prng)
{
    *v = (struct state_vfs){ .disk = disk, .prng = prng };
    snprintf(v->name, sizeof(v->name), "goqueue-%p", (void *)v);
    v->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct state_file),
        .mxPathname = PATH_SIZE,
        .zName = v->name,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_time,
    };
    return sqlite3_vfs_register(&v->vfs, 0) == SQLITE_OK ? 0 : -ENOMEM;
}

void state_vfs_fini(struct state_vfs *v)
{
    sqlite3_vfs_unregister(&v->vfs);
}

int state_vfs_take_error(struct state_vfs *v)
{
    int err = v->error;

    v->error = 0;
    return err;
}
