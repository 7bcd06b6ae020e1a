/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* For LD_PRELOAD: a file system that refuses O_DIRECT.
 *
 * NO_DIRECT  files: the flag itself, when a file is opened or later; transfers: what is written and read with it */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int refuses(const char *what, int is_direct)
{
    const char *mode = getenv("NO_DIRECT");

    if (!is_direct || mode == NULL || strcmp(mode, what) != 0)
        return 0;
    errno = EINVAL;
    return 1;
}

static int refuses_transfer(int fd)
{
    return refuses("transfers", (REAL(fcntl)(fd, F_GETFL) & O_DIRECT) != 0);
}

int openat(int dir, const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    va_start(args, flags);
    if ((flags & (O_CREAT | __O_TMPFILE)) != 0)
        mode = va_arg(args, mode_t);
    va_end(args);
    return refuses("files", (flags & O_DIRECT) != 0) ? -1 : REAL(openat)(dir, path, flags, mode);
}

int fcntl(int fd, int command, ...)
{
    void *arg = NULL;
    va_list args;

    va_start(args, command);
    if (command != F_GETFL && command != F_GETFD)
        arg = va_arg(args, void *);
    va_end(args);
    if (command == F_SETFL && refuses("files", ((uintptr_t)arg & O_DIRECT) != 0))
        return -1;
    return REAL(fcntl)(fd, command, arg);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n_iov, off_t offset)
{
    return refuses_transfer(fd) ? -1 : REAL(pwritev)(fd, iov, n_iov, offset);
}

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
    return refuses_transfer(fd) ? -1 : REAL(pread)(fd, to, size, offset);
}
