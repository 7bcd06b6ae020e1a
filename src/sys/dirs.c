/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

#define DIR_MODE 0750

/* Makes path's last directory, and makes its name durable. */
static int make_dir(const char *path)
{
    _cleanup_(freep) char *parent = NULL;
    const char *slash = strrchr(path, '/');
    int fd, r;

    if (mkdir(path, DIR_MODE) < 0)
        return errno == EEXIST ? 0 : -errno;
    parent = slash == NULL ? xstrdup(".") : xstrndup(path, MAX((size_t)(slash - path), 1u));
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : -errno; /* we may enter it, and not list it */
    r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

int sys_dirs_make(const char *path)
{
    _cleanup_(freep) char *copy = xstrdup(path);
    size_t n = strlen(copy);
    int r = 0;

    while (n > 1 && copy[n - 1] == '/')
        copy[--n] = '\0';
    for (char *p = copy + 1; n > 0 && *p != '\0' && r == 0; p++) {
        if (*p != '/' || p[-1] == '/')
            continue;
        *p = '\0';
        r = make_dir(copy);
        *p = '/';
    }
    return r == 0 ? make_dir(copy) : r;
}
