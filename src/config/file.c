/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

#define READ_MAX (1024 * 1024 + 1) /* one more than config_read() takes, so that it is the one to refuse */

static void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int read_all(const char *path, char *to, size_t *ret_size)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t size = 0;
    ssize_t n;

    if (fd < 0)
        return -errno;
    while (size < READ_MAX) {
        n = read(fd, to + size, READ_MAX - size);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        size += (size_t)n;
    }
    *ret_size = size;
    return 0;
}

int config_read_file(struct config *c, const char *path, struct config_report *report)
{
    _cleanup_(freep) char *data = xmalloc(READ_MAX);
    size_t size = 0;
    int r = read_all(path, data, &size);

    if (r < 0) {
        config_report_error(report, "%s: the configuration file can't be read: %s", path, strerror(-r));
        return CONFIG_E_INVALID;
    }
    return config_read(c, path, data, size, report);
}
