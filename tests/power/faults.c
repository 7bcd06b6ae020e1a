/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* For LD_PRELOAD: lets calls on files fail or come up short.
 *
 * FAULT_CALLS  names with commas: open read write sync allocate truncate rename unlink mkdir filesystem (its sync)
 *              sendfile range (sync_file_range)
 * FAULT_PATHS  parts of paths, with commas; a call on another path isn't touched
 * FAULT_FIRST, FAULT_LAST  which of the calls that match, from 1
 * FAULT_ERROR  the errno that these get, of EINTR a drawn half of them. 0: a drawn half of them comes up short
 * FAULT_SEED   for what is drawn
 * FAULT_LOG    a line for each call that was touched */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define BLOCK 4096
#define PAGE 4096
#define MAX_IOV 1024

static struct {
    char *calls, *paths;
    unsigned long first, last, seed;
    int error, log_fd;
} fault;

static atomic_ulong n_calls;

static unsigned long number(const char *name)
{
    const char *text = getenv(name);

    return text != NULL ? strtoul(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void init(void)
{
    const char *log = getenv("FAULT_LOG");

    fault.calls = getenv("FAULT_CALLS");
    fault.paths = getenv("FAULT_PATHS");
    fault.first = number("FAULT_FIRST");
    fault.last = number("FAULT_LAST");
    fault.seed = number("FAULT_SEED");
    fault.error = (int)number("FAULT_ERROR");
    fault.log_fd = log != NULL ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
}

/* Whether one of the words of a list with commas is in a text. */
static int has_word(const char *list, const char *text)
{
    char word[128];

    while (list != NULL && *list != '\0') {
        size_t n = strcspn(list, ",");

        snprintf(word, sizeof(word), "%.*s", (int)n, list);
        if (strstr(text, word) != NULL)
            return 1;
        list += n + (list[n] == ',');
    }
    return 0;
}

/* Below limit, from a number. */
static unsigned long draw(unsigned long n, unsigned long limit)
{
    unsigned long x = (n + fault.seed) * 0x9E3779B97F4A7C15ul;

    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ul;
    return (x ^ x >> 31) % limit;
}

/* The number of a call that is to be touched, or 0. */
static unsigned long hit(const char *call, const char *path)
{
    unsigned long n;
    char line[PATH_MAX + 64];
    int size;

    if (!has_word(fault.calls, call) || !has_word(fault.paths, path))
        return 0;
    n = atomic_fetch_add(&n_calls, 1) + 1;
    if (n < fault.first || n > fault.last)
        return 0;
    if ((fault.error == EINTR || fault.error == 0) && draw(n, 2) == 0)
        return 0;
    size = snprintf(line, sizeof(line), "%lu %s %s\n", n, call, path);
    if (fault.log_fd >= 0 && write(fault.log_fd, line, (size_t)size) < 0)
        return n;
    return n;
}

static unsigned long hit_fd(const char *call, int fd)
{
    char link[64], path[PATH_MAX];
    int saved = errno;
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    errno = saved;
    if (n <= 0)
        return 0;
    path[n] = '\0';
    return hit(call, path);
}

/* 1 when the call fails with what errno says now. */
static int fails(unsigned long n)
{
    if (n == 0 || fault.error == 0)
        return 0;
    errno = fault.error;
    return 1;
}

/* A length below size, at least 1; whole blocks where the file is read and written past the page cache. */
static size_t shorter(int fd, unsigned long n, size_t size)
{
    size_t unit = (fcntl(fd, F_GETFL) & O_DIRECT) != 0 ? BLOCK : 1;

    return size <= unit ? size : unit * (1 + draw(~n, (size - 1) / unit));
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
    unsigned long n = hit_fd("read", fd);

    if (fails(n))
        return -1;
    return REAL(pread)(fd, to, n != 0 ? shorter(fd, n, size) : size, offset);
}

ssize_t pread64(int fd, void *to, size_t size, off64_t offset)
{
    return pread(fd, to, size, offset);
}

ssize_t preadv2(int fd, const struct iovec *iov, int n_iov, off_t offset, int flags)
{
    unsigned long n = hit_fd("read", fd);

    if (fails(n))
        return -1;
    if (n != 0 && n_iov == 1) { /* what is in memory ends with a page */
        size_t first = PAGE - (size_t)(offset % PAGE), size = iov[0].iov_len;
        struct iovec part = { iov[0].iov_base, size };

        if (size > first)
            part.iov_len = first + PAGE * draw(n, (size - first + PAGE - 1) / PAGE);
        return REAL(preadv2)(fd, &part, 1, offset, flags);
    }
    return REAL(preadv2)(fd, iov, n_iov, offset, flags);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n_iov, off_t offset)
{
    unsigned long n = hit_fd("write", fd);
    struct iovec part[MAX_IOV];
    size_t left = 0;
    int count = 0;

    if (fails(n))
        return -1;
    if (n == 0 || n_iov > MAX_IOV)
        return REAL(pwritev)(fd, iov, n_iov, offset);
    for (int i = 0; i < n_iov; i++)
        left += iov[i].iov_len;
    left = shorter(fd, n, left);
    for (; count < n_iov && left > 0; count++) {
        part[count] = iov[count];
        if (part[count].iov_len > left)
            part[count].iov_len = left;
        left -= part[count].iov_len;
    }
    return REAL(pwritev)(fd, part, count, offset);
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t offset)
{
    struct iovec iov = { (void *)from, size };

    return pwritev(fd, &iov, 1, offset);
}

int fdatasync(int fd)
{
    return fails(hit_fd("sync", fd)) ? -1 : REAL(fdatasync)(fd);
}

int fsync(int fd)
{
    return fails(hit_fd("sync", fd)) ? -1 : REAL(fsync)(fd);
}

int syncfs(int fd)
{
    return fails(hit_fd("filesystem", fd)) ? -1 : REAL(syncfs)(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags)
{
    return fails(hit_fd("range", fd)) ? -1 : REAL(sync_file_range)(fd, offset, size, flags);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t size)
{
    return fails(hit_fd("sendfile", from)) ? -1 : REAL(sendfile)(to, from, offset, size);
}

ssize_t sendfile64(int to, int from, off64_t *offset, size_t size)
{
    return sendfile(to, from, offset, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fails(hit_fd("allocate", fd)) ? -1 : REAL(fallocate)(fd, mode, offset, size);
}

int ftruncate(int fd, off_t size)
{
    return fails(hit_fd("truncate", fd)) ? -1 : REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int openat(int dir_fd, const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
    return fails(hit("open", path)) ? -1 : REAL(openat)(dir_fd, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
    return fails(hit("open", path)) ? -1 : REAL(open64)(path, flags, mode);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return fails(hit("rename", to)) ? -1 : REAL(renameat)(from_fd, from, to_fd, to);
}

int unlinkat(int dir_fd, const char *path, int flags)
{
    return fails(hit("unlink", path)) ? -1 : REAL(unlinkat)(dir_fd, path, flags);
}

int mkdirat(int dir_fd, const char *path, mode_t mode)
{
    return fails(hit("mkdir", path)) ? -1 : REAL(mkdirat)(dir_fd, path, mode);
}
