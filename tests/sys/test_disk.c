/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/disk.h"
#include "sys/suites.h"
#include "sys/temp_dir.h"

struct fixture {
    struct temp_dir dir;
    struct env_disk *disk;
};

static void fixture_make(struct fixture *fx)
{
    temp_dir_make(&fx->dir);
    ck_assert_int_eq(sys_disk_new(fx->dir.path, &fx->disk), 0);
}

static void fixture_remove(struct fixture *fx)
{
    sys_disk_free(fx->disk);
    temp_dir_remove(&fx->dir);
}

#define FIXTURE \
    _cleanup_(fixture_remove) struct fixture fx; \
    fixture_make(&fx)

static struct disk_file *must_open(struct env_disk *d, const char *path, unsigned flags)
{
    struct disk_file *f = NULL;

    ck_assert_int_eq(disk_open(d, path, flags, &f), 0);
    return f;
}

START_TEST(makes_missing_directories)
{
    char deep[sizeof(((struct temp_dir *)0)->path) + 16];
    struct env_disk *d = NULL;
    struct stat st;
    FIXTURE;

    snprintf(deep, sizeof(deep), "%s/a//b/c/", fx.dir.path);
    ck_assert_int_eq(sys_disk_new(deep, &d), 0);
    ck_assert_int_eq(stat(deep, &st), 0);
    ck_assert(S_ISDIR(st.st_mode));
    sys_disk_free(d);
    d = NULL;
    ck_assert_int_eq(sys_disk_new("/proc/self/exe/x", &d), -ENOTDIR);
    ck_assert_ptr_null(d);
    sys_disk_free(NULL);
}
END_TEST

START_TEST(paths_stay_inside)
{
    static const char *const bad[] = { "", "/", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/", "./a", "a/." };
    struct disk_file *f = NULL;
    FIXTURE;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_int_eq(disk_open(fx.disk, bad[i], DISK_WRITE | DISK_CREATE, &f), -EINVAL);
        ck_assert_ptr_null(f);
        ck_assert_int_eq(disk_mkdir(fx.disk, bad[i]), -EINVAL);
        ck_assert_int_eq(disk_unlink(fx.disk, bad[i]), -EINVAL);
        ck_assert_int_eq(disk_rename(fx.disk, "a", bad[i]), -EINVAL);
        ck_assert_int_eq(disk_rename(fx.disk, bad[i], "a"), -EINVAL);
        ck_assert_int_eq(disk_sync_dir(fx.disk, bad[i]), -EINVAL);
    }
    ck_assert_int_eq(symlink("/etc/hostname", temp_dir_path(&fx.dir, "link")), 0);
    ck_assert_int_eq(disk_open(fx.disk, "link", DISK_READ, &f), -ELOOP);
    f = must_open(fx.disk, "..a", DISK_WRITE | DISK_CREATE); /* only looks like one */
    disk_close(f);
}
END_TEST

START_TEST(open_flags)
{
    struct disk_file *f = NULL;
    FIXTURE;

    ck_assert_int_eq(disk_open(fx.disk, "f", DISK_READ, &f), -ENOENT);
    ck_assert_int_eq(disk_open(fx.disk, "f", DISK_WRITE, &f), -ENOENT);
    disk_close(must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE | DISK_EXCL));
    ck_assert_int_eq(disk_open(fx.disk, "f", DISK_WRITE | DISK_CREATE | DISK_EXCL, &f), -EEXIST);
    ck_assert_int_eq(disk_open(fx.disk, "f", DISK_WRITE | DISK_CREATE | DISK_EXCL | DISK_DIRECT, &f), -EEXIST);
    ck_assert_ptr_null(f);
    f = must_open(fx.disk, "f", DISK_READ);
    ck_assert_int_eq(disk_pwrite(f, "x", 1, 0), -EBADF);
    ck_assert_int_ge(disk_fd(f), 0);
    disk_close(f);
    disk_close(NULL);
}
END_TEST

START_TEST(reads_what_was_written)
{
    struct iovec iov[] = { { (void *)"hello ", 6 }, { (void *)"", 0 }, { (void *)"world", 5 } };
    struct disk_file *f;
    uint64_t size;
    char got[32];
    FIXTURE;

    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE);
    ck_assert_int_eq(disk_pwritev(f, iov, 3, 10), 0);
    ck_assert_int_eq(disk_pwritev(f, iov, 0, 10), 0);
    ck_assert_int_eq(disk_size(f, &size), 0);
    ck_assert_uint_eq(size, 21);
    ck_assert_int_eq(disk_pread(f, got, 11, 10), 11);
    ck_assert_mem_eq(got, "hello world", 11);
    ck_assert_int_eq(disk_pread(f, got, sizeof(got), 16), 5); /* cut at the end of the file */
    ck_assert_int_eq(disk_pread(f, got, sizeof(got), 21), 0);
    ck_assert_int_eq(disk_sync_data(f), 0);
    ck_assert_int_eq(disk_truncate(f, 12), 0);
    ck_assert_int_eq(disk_pread(f, got, sizeof(got), 10), 2);
    disk_close(f);
}
END_TEST

/* More pieces than one pwritev(2) takes, so the loop behind it must go on at the right byte. */
START_TEST(writes_any_number_of_pieces)
{
    enum { N = IOV_MAX * 2 + 7 };
    static struct iovec iov[N];
    static char text[N * 3], got[N * 3];
    struct disk_file *f;
    FIXTURE;

    for (int i = 0; i < N * 3; i++)
        text[i] = (char)(i * 7 + i / 251);
    for (int i = 0; i < N; i++)
        iov[i] = (struct iovec){ text + i * 3, 3 };
    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE);
    ck_assert_int_eq(disk_pwritev(f, iov, N, 1), 0);
    ck_assert_int_eq(disk_pread(f, got, sizeof(got), 1), sizeof(got));
    ck_assert_mem_eq(got, text, sizeof(got));
    disk_close(f);
}
END_TEST

/* The kernel writes up to the limit, which is a short write, and refuses the rest. */
START_TEST(a_short_write_goes_on_or_fails)
{
    struct rlimit limit = { 6000, 6000 };
    static char data[8192], got[8192];
    struct disk_file *f;
    FIXTURE;

    memset(data, 'x', sizeof(data));
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE);
    ck_assert_int_eq(disk_pwrite(f, data, sizeof(data), 0), -EFBIG);
    ck_assert_int_eq(disk_pread(f, got, sizeof(got), 0), 6000);
    disk_close(f);
}
END_TEST

START_TEST(direct_files_keep_to_blocks)
{
    _cleanup_(freep) char *block = aligned_alloc(DISK_ALIGN, 4 * DISK_ALIGN);
    struct iovec iov[2] = { { block, DISK_ALIGN }, { block + 2 * DISK_ALIGN, DISK_ALIGN } };
    struct disk_file *f;
    char tail[16];
    int flags;
    FIXTURE;

    for (int i = 0; i < 4 * DISK_ALIGN; i++)
        block[i] = (char)(i / DISK_ALIGN + 'a');
    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE | DISK_EXCL | DISK_DIRECT);
    flags = fcntl(disk_fd(f), F_GETFL);
    ck_assert_int_eq(disk_pwritev(f, iov, 2, DISK_ALIGN), 0);
    ck_assert_int_eq(disk_sync_data(f), 0);
    memset(block, 0, 4 * DISK_ALIGN);
    ck_assert_int_eq(disk_pread(f, block, 4 * DISK_ALIGN, 0), 3 * DISK_ALIGN);
    ck_assert_int_eq(block[0], 0);
    ck_assert_int_eq(block[DISK_ALIGN], 'a');
    ck_assert_int_eq(block[3 * DISK_ALIGN - 1], 'c');
    /* An end of file between blocks ends a direct read as it ends any other. */
    ck_assert_int_eq(disk_truncate(f, 2 * DISK_ALIGN + 100), 0);
    ck_assert_int_eq(disk_pread(f, block, 4 * DISK_ALIGN, 0), 2 * DISK_ALIGN + 100);
    ck_assert_int_eq(fcntl(disk_fd(f), F_GETFL), flags);
    disk_close(f);
    f = must_open(fx.disk, "f", DISK_READ);
    ck_assert_int_eq(disk_pread(f, tail, sizeof(tail), 2 * DISK_ALIGN + 90), 10);
    disk_close(f);
}
END_TEST

/* A file system without O_DIRECT. */
static enum {
    DIRECT_WORKS,
    NO_DIRECT_FILES,     /* it refuses the flag */
    NO_DIRECT_TRANSFERS, /* it takes the flag, and refuses what is written and read with it */
} direct;

static unsigned n_refused;

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
    void *arg = NULL;
    va_list args;

    va_start(args, command);
    if (command != F_GETFL && command != F_GETFD)
        arg = va_arg(args, void *);
    va_end(args);
    if (command != F_SETFL || direct != NO_DIRECT_FILES || ((uintptr_t)arg & O_DIRECT) == 0)
        return __real_fcntl(fd, command, arg);
    n_refused++;
    errno = EINVAL;
    return -1;
}

static bool refuses_transfer(int fd)
{
    if (direct != NO_DIRECT_TRANSFERS || (__real_fcntl(fd, F_GETFL) & O_DIRECT) == 0)
        return false;
    n_refused++;
    errno = EINVAL;
    return true;
}

/* What the next calls of pwritev(2) do; then they are real again. */
static struct {
    ssize_t results[8]; /* so many bytes at most, or a negative errno */
    int n, next;
    off_t offsets[8];
} plan;

ssize_t __real_pwritev(int fd, const struct iovec *iov, int n_iov, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n_iov, off_t offset);

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n_iov, off_t offset)
{
    ssize_t result;

    if (refuses_transfer(fd))
        return -1;
    if (plan.next == plan.n)
        return __real_pwritev(fd, iov, n_iov, offset);
    plan.offsets[plan.next] = offset;
    result = plan.results[plan.next++];
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    result = MIN(result, (ssize_t)iov[0].iov_len);
    gq_assert(pwrite(fd, iov[0].iov_base, ALIGN_DOWN((size_t)result, (size_t)DISK_ALIGN), offset) >= 0);
    return result;
}

#define PLAN(...) \
    do { \
        static const ssize_t results_[] = { __VA_ARGS__ }; \
        memcpy(plan.results, results_, sizeof(results_)); \
        plan.n = (int)ARRAY_SIZE(results_); \
        plan.next = 0; \
    } while (0)

static int sync_errno; /* of the next fdatasync(2); 0: it is real */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
    int err = sync_errno;

    sync_errno = 0;
    if (err == 0)
        return __real_fdatasync(fd);
    errno = err;
    return -1;
}

/* Nobody's sync counts any more, whatever it was of. */
START_TEST(no_sync_goes_well_behind_one_that_failed)
{
    struct disk_file *f, *g;
    FIXTURE;

    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE);
    g = must_open(fx.disk, "g", DISK_WRITE | DISK_CREATE);
    ck_assert_int_eq(disk_sync_data(g), 0);
    ck_assert_int_eq(disk_sync_dir(fx.disk, "."), 0);
    sync_errno = ENOSPC;
    ck_assert_int_eq(disk_sync_data(f), -EIO);
    ck_assert_int_eq(disk_sync_data(g), -EIO);
    ck_assert_int_eq(disk_sync_dir(fx.disk, "."), -EIO);
    ck_assert_int_lt(disk_sync_fs(fx.disk), 0);
    disk_close(f);
    disk_close(g);
}
END_TEST

/* As on a full file system with blocks of 1 KiB. */
START_TEST(a_direct_write_cut_within_a_block_tells_why)
{
    _cleanup_(freep) char *block = aligned_alloc(DISK_ALIGN, 2 * DISK_ALIGN);
    static char got[2 * DISK_ALIGN];
    struct disk_file *f;
    FIXTURE;

    memset(block, 'x', 2 * DISK_ALIGN);
    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE | DISK_DIRECT);
    PLAN(DISK_ALIGN + 1024, 1024, -ENOSPC);
    ck_assert_int_eq(disk_pwrite(f, block, 2 * DISK_ALIGN, 0), -ENOSPC);
    ck_assert_int_eq(plan.next, 3);
    ck_assert_int_eq(plan.offsets[2], DISK_ALIGN); /* the same bytes again */
    PLAN(1024, 1024, -EDQUOT);
    ck_assert_int_eq(disk_pwrite(f, block, 2 * DISK_ALIGN, 0), -EDQUOT);
    ck_assert_int_eq(plan.next, 3);
    ck_assert_int_eq(plan.offsets[2], 1024); /* what is left of the block */
    PLAN(1024, 1024, 1024);
    ck_assert_int_eq(disk_pwrite(f, block, 2 * DISK_ALIGN, 0), -ENOSPC);
    PLAN(1024, 1024, -EINVAL);
    ck_assert_int_eq(disk_pwrite(f, block, 2 * DISK_ALIGN, 0), -ENOSPC);
    PLAN(DISK_ALIGN + 1024, 1024); /* there is room again */
    ck_assert_int_eq(disk_pwrite(f, block, 2 * DISK_ALIGN, 0), 0);
    ck_assert_int_eq(disk_pread(f, block, 2 * DISK_ALIGN, 0), 2 * DISK_ALIGN);
    memset(got, 'x', sizeof(got));
    ck_assert_int_eq(memcmp(block, got, sizeof(got)), 0);
    disk_close(f);
}
END_TEST

/* What pread(2) fails with; 0: it is real. */
static int read_error;

ssize_t __real_pread(int fd, void *to, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *to, size_t size, off_t offset);

ssize_t __wrap_pread(int fd, void *to, size_t size, off_t offset)
{
    if (refuses_transfer(fd))
        return -1;
    if (read_error == 0)
        return __real_pread(fd, to, size, offset);
    errno = read_error;
    return -1;
}

START_TEST(all_errors_of_the_medium_are_one)
{
    static const int medium[] = { EIO, ENODATA, EILSEQ, EREMOTEIO };
    struct disk_file *f;
    char byte;
    FIXTURE;

    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE);
    for (size_t i = 0; i < ARRAY_SIZE(medium); i++) {
        read_error = medium[i];
        ck_assert_int_eq(disk_pread(f, &byte, 1, 0), -EIO);
    }
    read_error = ENOMEM;
    ck_assert_int_eq(disk_pread(f, &byte, 1, 0), -ENOMEM);
    read_error = 0;
    ck_assert_int_eq(disk_pread(f, &byte, 1, 0), 0);
    disk_close(f);
}
END_TEST

/* Writes two blocks apart, reads them with a file that was opened for that, and in one piece. */
static void check_without_direct(struct env_disk *d)
{
    _cleanup_(freep) char *block = aligned_alloc(DISK_ALIGN, 4 * DISK_ALIGN);
    struct iovec iov[2] = { { block, DISK_ALIGN }, { block + 2 * DISK_ALIGN, DISK_ALIGN } };
    struct disk_file *f = must_open(d, "f", DISK_WRITE | DISK_CREATE | DISK_EXCL | DISK_DIRECT);

    for (int i = 0; i < 4 * DISK_ALIGN; i++)
        block[i] = (char)(i / DISK_ALIGN + 'a');
    ck_assert_int_eq(disk_pwritev(f, iov, 2, DISK_ALIGN), 0);
    ck_assert_int_eq(disk_pwrite(f, block + 3 * DISK_ALIGN, DISK_ALIGN, 0), 0);
    ck_assert_int_eq(disk_sync_data(f), 0);
    ck_assert(sys_disk_lacks_direct(d));
    ck_assert_int_eq(__real_fcntl(disk_fd(f), F_GETFL) & O_DIRECT, 0);
    disk_close(f);
    memset(block, 0, 4 * DISK_ALIGN);
    f = must_open(d, "f", DISK_READ | DISK_DIRECT);
    ck_assert_int_eq(disk_pread(f, block, 4 * DISK_ALIGN, 0), 3 * DISK_ALIGN);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(block[i * DISK_ALIGN], "dac"[i]);
        ck_assert_int_eq(memcmp(block + i * DISK_ALIGN, block + i * DISK_ALIGN + 1, DISK_ALIGN - 1), 0);
    }
    disk_close(f);
    ck_assert_uint_eq(n_refused, 2); /* each file asks once */
}

START_TEST(files_may_not_be_direct)
{
    FIXTURE;

    ck_assert(!sys_disk_lacks_direct(fx.disk));
    disk_close(must_open(fx.disk, "other", DISK_WRITE | DISK_CREATE));
    direct = NO_DIRECT_FILES;
    check_without_direct(fx.disk);
}
END_TEST

START_TEST(transfers_may_not_be_direct)
{
    FIXTURE;

    disk_close(must_open(fx.disk, "other", DISK_WRITE | DISK_CREATE | DISK_DIRECT));
    ck_assert(!sys_disk_lacks_direct(fx.disk));
    direct = NO_DIRECT_TRANSFERS;
    check_without_direct(fx.disk);
}
END_TEST

/* What else is refused with EINVAL isn't for O_DIRECT's sake, and no reason to go on without. */
START_TEST(only_direct_files_try_again)
{
    _cleanup_(freep) char *block = aligned_alloc(DISK_ALIGN, DISK_ALIGN);
    struct disk_file *f, *g;
    FIXTURE;

    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE);
    PLAN(-EINVAL);
    ck_assert_int_eq(disk_pwrite(f, "x", 1, 0), -EINVAL);
    ck_assert(!sys_disk_lacks_direct(fx.disk));
    disk_close(f);
    g = must_open(fx.disk, "g", DISK_WRITE | DISK_CREATE | DISK_DIRECT);
    memset(block, 'x', DISK_ALIGN);
    PLAN(-EINVAL, -EINVAL);
    ck_assert_int_eq(disk_pwrite(g, block, DISK_ALIGN, 0), -EINVAL);
    read_error = EINVAL;
    ck_assert_int_eq(disk_pread(g, block, DISK_ALIGN, 0), -EINVAL);
    disk_close(g);
}
END_TEST

START_TEST(misaligned_direct_io_is_a_bug)
{
    _cleanup_(freep) char *block = aligned_alloc(DISK_ALIGN, 2 * DISK_ALIGN);
    struct disk_file *f;
    FIXTURE;

    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE | DISK_DIRECT);
    temp_dir_remove(&fx.dir); /* this process ends here */
    (void)disk_pwrite(f, block + 1, DISK_ALIGN, 0);
}
END_TEST

START_TEST(cached_reads_give_what_is_in_memory)
{
    static char data[65536], got[65536];
    struct disk_file *f;
    ssize_t n;
    FIXTURE;

    memset(data, 'y', sizeof(data));
    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE);
    ck_assert_int_eq(disk_pwrite(f, data, sizeof(data), 0), 0);
    n = disk_pread_cached(f, got, sizeof(got), 0); /* just written, so it is in the page cache */
    ck_assert_int_gt(n, 0);
    ck_assert_mem_eq(got, data, (size_t)n);
    ck_assert_int_eq(disk_pread_cached(f, got, 10, sizeof(data)), 0);
    disk_close(f);
}
END_TEST

/* What this thread has had the medium read, for itself or ahead; 0 when the kernel doesn't count. */
static unsigned long long medium_read_bytes(void)
{
    FILE *f = fopen("/proc/thread-self/io", "re");
    unsigned long long n = 0;
    char line[128];

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        (void)sscanf(line, "read_bytes: %llu", &n);
    if (f != NULL)
        fclose(f);
    return n;
}

START_TEST(exact_reads_leave_alone_what_lies_behind)
{
    static char data[1 << 20];
    unsigned long long before;
    struct disk_file *f;
    FIXTURE;

    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE | DISK_EXACT);
    ck_assert_int_eq(disk_pwrite(f, data, sizeof(data), 0), 0);
    ck_assert_int_eq(disk_sync_data(f), 0);
    ck_assert_int_eq(posix_fadvise(disk_fd(f), 0, 0, POSIX_FADV_DONTNEED), 0);
    before = medium_read_bytes();
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(disk_pread(f, data, 16384, (uint64_t)i * 16384), 16384);
    ck_assert_uint_le(medium_read_bytes() - before, 65536 + 16384); /* with what says where the bytes are */
    disk_close(f);
}
END_TEST

START_TEST(allocate_keeps_the_size)
{
    struct disk_file *f;
    uint64_t size;
    int r;
    FIXTURE;

    f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE);
    r = disk_allocate(f, 0, 1 << 20);
    ck_assert(r == 0 || r == -EOPNOTSUPP);
    ck_assert_int_eq(disk_size(f, &size), 0);
    ck_assert_uint_eq(size, 0);
    disk_close(f);
}
END_TEST

struct names {
    int n_files, n_dirs, stop_after;
};

static int count(void *ctx, const struct disk_dirent *ent)
{
    struct names *n = ctx;

    ck_assert_str_ne(ent->name, ".");
    ck_assert_str_ne(ent->name, "..");
    if (ent->is_dir)
        n->n_dirs++;
    else
        n->n_files++;
    return n->n_files + n->n_dirs == n->stop_after ? 42 : 0;
}

START_TEST(directories)
{
    struct names all = { 0 }, some = { .stop_after = 2 };
    FIXTURE;

    ck_assert_int_eq(disk_mkdir(fx.disk, "d"), 0);
    ck_assert_int_eq(disk_mkdir(fx.disk, "d"), -EEXIST);
    ck_assert_int_eq(disk_mkdir(fx.disk, "d/e"), 0);
    disk_close(must_open(fx.disk, "d/f1", DISK_WRITE | DISK_CREATE));
    disk_close(must_open(fx.disk, "d/f2", DISK_WRITE | DISK_CREATE));
    ck_assert_int_eq(disk_rename(fx.disk, "d/f1", "d/f3"), 0);
    ck_assert_int_eq(disk_rename(fx.disk, "d/f1", "d/f4"), -ENOENT);
    ck_assert_int_eq(disk_sync_dir(fx.disk, "d"), 0);
    ck_assert_int_eq(disk_sync_dir(fx.disk, "."), 0);
    ck_assert_int_eq(disk_list(fx.disk, "d", count, &all), 0);
    ck_assert_int_eq(all.n_files, 2);
    ck_assert_int_eq(all.n_dirs, 1);
    ck_assert_int_eq(disk_list(fx.disk, "d", count, &some), 42);
    ck_assert_int_eq(disk_list(fx.disk, "none", count, &some), -ENOENT);
    ck_assert_int_eq(disk_unlink(fx.disk, "d"), -ENOTEMPTY);
    ck_assert_int_eq(disk_unlink(fx.disk, "d/e"), 0);
    ck_assert_int_eq(disk_unlink(fx.disk, "d/f2"), 0);
    ck_assert_int_eq(disk_unlink(fx.disk, "d/f3"), 0);
    ck_assert_int_eq(disk_unlink(fx.disk, "d"), 0);
    ck_assert_int_eq(disk_unlink(fx.disk, "d"), -ENOENT);
}
END_TEST

/* In a process of its own, as each test. */
START_TEST(a_directory_is_synced_without_descriptors)
{
    struct disk_file *files[128];
    int n = 0;
    FIXTURE;

    ck_assert_int_eq(disk_mkdir(fx.disk, "sub"), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 128, 128 }), 0);
    disk_close(must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE));
    while (disk_open(fx.disk, "f", DISK_READ, &files[n]) == 0)
        ck_assert_int_lt(++n, 128);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(disk_sync_dir(fx.disk, "sub"), 0);
    ck_assert_int_eq(disk_open(fx.disk, "f", DISK_READ, &files[n]), -EMFILE);
    ck_assert_int_eq(disk_sync_dir(fx.disk, "missing"), -ENOENT);
    ck_assert_int_eq(disk_sync_dir(fx.disk, "sub"), 0);
    while (n > 0)
        disk_close(files[--n]);
}
END_TEST

START_TEST(no_more_files_than_its_part)
{
    struct disk_file *a = NULL, *b = NULL, *c = NULL;
    FIXTURE;

    sys_disk_limit_files(fx.disk, 2);
    ck_assert_int_eq(disk_open(fx.disk, "nothing", DISK_READ, &a), -ENOENT);
    ck_assert_int_eq(disk_open(fx.disk, "a", DISK_WRITE | DISK_CREATE, &a), 0);
    ck_assert_int_eq(disk_open(fx.disk, "b", DISK_WRITE | DISK_CREATE, &b), 0);
    ck_assert_int_eq(disk_open(fx.disk, "c", DISK_WRITE | DISK_CREATE, &c), -EMFILE);
    ck_assert_int_eq(disk_open(fx.disk, "c", DISK_WRITE | DISK_CREATE, &c), -EMFILE);
    disk_close(a);
    ck_assert_int_eq(disk_open(fx.disk, "c", DISK_WRITE | DISK_CREATE, &c), 0);
    disk_close(b);
    disk_close(c);
}
END_TEST

START_TEST(space_is_told)
{
    struct disk_space space = { 0 };
    FIXTURE;

    ck_assert_int_eq(disk_space(fx.disk, &space), 0);
    ck_assert_uint_gt(space.total_bytes, 0);
    ck_assert_uint_le(space.free_bytes, space.total_bytes);
}
END_TEST

START_TEST(one_lock_at_a_time)
{
    struct env_disk *second = NULL;
    FIXTURE;

    ck_assert_int_eq(sys_disk_new(fx.dir.path, &second), 0);
    ck_assert_int_eq(disk_lock(fx.disk, "lock"), 0);
    ck_assert_int_eq(disk_lock(second, "lock"), -EBUSY);
    sys_disk_free(fx.disk);
    ck_assert_int_eq(disk_lock(second, "lock"), 0);
    fx.disk = second;
}
END_TEST

/* A directory of a file system that holds more than it is never synced as a whole. */
START_TEST(a_part_of_a_file_system_is_not_synced_as_a_whole)
{
    FIXTURE;
    struct disk_file *f = must_open(fx.disk, "f", DISK_WRITE | DISK_CREATE);

    ck_assert_int_eq(disk_pwrite(f, "x", 1, 0), 0);
    disk_write_back(f, 0, 1);
    disk_write_back(f, 1 << 20, 1 << 20);
    ck_assert_int_eq(disk_sync_fs(fx.disk), -EOPNOTSUPP);
    disk_close(f);
}
END_TEST

Suite *disk_suite(void)
{
    Suite *s = suite_create("disk");
    TCase *bugs = tcase_create("bugs");

    suite_add(s, makes_missing_directories);
    suite_add(s, paths_stay_inside);
    suite_add(s, open_flags);
    suite_add(s, reads_what_was_written);
    suite_add(s, writes_any_number_of_pieces);
    suite_add(s, a_short_write_goes_on_or_fails);
    suite_add(s, a_direct_write_cut_within_a_block_tells_why);
    suite_add(s, direct_files_keep_to_blocks);
    suite_add(s, files_may_not_be_direct);
    suite_add(s, transfers_may_not_be_direct);
    suite_add(s, only_direct_files_try_again);
    suite_add(s, all_errors_of_the_medium_are_one);
    suite_add(s, no_sync_goes_well_behind_one_that_failed);
    suite_add(s, cached_reads_give_what_is_in_memory);
    suite_add(s, exact_reads_leave_alone_what_lies_behind);
    suite_add(s, allocate_keeps_the_size);
    suite_add(s, a_part_of_a_file_system_is_not_synced_as_a_whole);
    suite_add(s, directories);
    suite_add(s, a_directory_is_synced_without_descriptors);
    suite_add(s, no_more_files_than_its_part);
    suite_add(s, space_is_told);
    suite_add(s, one_lock_at_a_time);
    tcase_add_test_raise_signal(bugs, misaligned_direct_io_is_a_bug, SIGABRT);
    suite_add_tcase(s, bugs);
    return s;
}
