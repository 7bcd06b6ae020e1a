/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/listen_passed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "sys/addr.h"
#include "sys/systemd.h"

int sys_passed_init(struct sys_passed *p, struct error_text *err)
{
    char **names = NULL;
    int n;

    *p = (struct sys_passed){ .n = 0 };
    if (getenv("LISTEN_FDS") == NULL)
        return 0;
    n = systemd_listen_fds(&names);
    if (n < 0) {
        error_setf(err, "can't take the sockets that systemd passed: %s", error_text(n));
        return n;
    }
    if (n == 0)
        return 0;
    p->n = (unsigned)n;
    p->fds = xcalloc(p->n, sizeof(*p->fds));
    for (int i = 0; i < n; i++)
        p->fds[i] = (struct sys_passed_fd){ .fd = SYSTEMD_LISTEN_FDS_START + i, .name = names[i] };
    free(names);
    return 0;
}

void sys_passed_fini(struct sys_passed *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (p->fds[i].fd >= 0)
            close(p->fds[i].fd);
        free(p->fds[i].name);
    }
    free(p->fds);
    *p = (struct sys_passed){ .n = 0 };
}

int sys_passed_check(const struct sys_passed *p, struct error_text *err)
{
    char where[SYS_ADDR_PORT_SIZE];
    struct net_addr addr;

    for (unsigned i = 0; i < p->n; i++) {
        if (p->fds[i].fd < 0)
            continue;
        sys_addr_of_socket(p->fds[i].fd, &addr);
        error_setf(err, "systemd passed a socket \"%s\" on %s, which no listener of the configuration uses",
                   p->fds[i].name, sys_addr_format(&addr, where));
        return -EINVAL;
    }
    return 0;
}

static bool get_int(int fd, int option, int *ret)
{
    socklen_t size = sizeof(*ret);

    return getsockopt(fd, SOL_SOCKET, option, ret, &size) == 0;
}

static bool is_listening_stream(int fd)
{
    int type = 0, listening = 0;

    return get_int(fd, SO_TYPE, &type) && type == SOCK_STREAM && get_int(fd, SO_ACCEPTCONN, &listening) && listening;
}

/* "ListenStream=9092" binds [::], which takes IPv4 too: one wildcard is as good as the other. */
static bool fits(const struct net_addr *configured, const struct net_addr *actual)
{
    if (configured->port != 0 && configured->port != actual->port)
        return false;
    if (sys_addr_is_wildcard(configured) && sys_addr_is_wildcard(actual))
        return true;
    return strcmp(configured->text, actual->text) == 0;
}

/* What systemd calls a socket whose unit has no FileDescriptorName=. */
static bool is_telling(const char *name)
{
    size_t n = strlen(name);

    return strcmp(name, "unknown") != 0 && !(n > 7 && strcmp(name + n - 7, ".socket") == 0);
}

static int take(struct sys_passed_fd *p, int *ret_fd)
{
    int flags = fcntl(p->fd, F_GETFL);

    if (flags < 0 || fcntl(p->fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    *ret_fd = p->fd;
    p->fd = -1;
    return 0;
}

int sys_passed_take(struct sys_passed *p, const struct sys_listen_spec *spec, const struct net_addr *at, int *ret_fd,
                    struct error_text *err)
{
    char is[SYS_ADDR_PORT_SIZE], should_be[SYS_ADDR_PORT_SIZE];
    struct net_addr addr = { .port = 0 }, other = { .port = 0 };
    bool other_has_name = false;

    for (unsigned i = 0; i < p->n; i++) {
        bool has_name = strcmp(p->fds[i].name, spec->name) == 0;

        if (p->fds[i].fd < 0 || (!has_name && is_telling(p->fds[i].name)))
            continue;
        sys_addr_of_socket(p->fds[i].fd, &addr);
        if (fits(at, &addr) && is_listening_stream(p->fds[i].fd))
            return take(&p->fds[i], ret_fd);
        if (has_name)
            other = addr;
        other_has_name |= has_name;
    }
    if (!other_has_name) {
        *ret_fd = -1;
        return 0;
    }
    error_setf(err,
               "systemd passed the socket \"%s\" on %s, but the configuration says %s: change ListenStream= in the "
               ".socket unit (a listening stream socket), or the configuration",
               spec->name, sys_addr_format(&other, is), sys_addr_format(at, should_be));
    return -EINVAL;
}
