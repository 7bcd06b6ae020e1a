/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* For LD_PRELOAD: a daemon that forgets to sync some of its files. A test that can't tell it from a good one proves
 * nothing.
 *
 * NO_SYNC_PATH  a part of the paths of these files
 * NO_SYNC_FS    set: nor does it sync a file system at once */

#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_forgotten(int fd)
{
    const char *part = getenv("NO_SYNC_PATH");
    char link[64], path[PATH_MAX];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0 || part == NULL)
        return 0;
    path[n] = '\0';
    return strstr(path, part) != NULL;
}

int fdatasync(int fd)
{
    return is_forgotten(fd) ? 0 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return is_forgotten(fd) ? 0 : (int)syscall(SYS_fsync, fd);
}

int syncfs(int fd)
{
    return getenv("NO_SYNC_FS") != NULL ? 0 : (int)syscall(SYS_syncfs, fd);
}
