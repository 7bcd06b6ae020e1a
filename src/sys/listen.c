/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/listen.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "sys/addr.h"
#include "sys/listen_passed.h"

struct resolved {
    struct sockaddr_storage sa;
    socklen_t size;
    struct net_addr addr;
};

static int resolve(const struct sys_listen_spec *spec, struct resolved *ret, struct error_text *err)
{
    int r;

    *ret = (struct resolved){ .size = 0 };
    r = sys_addr_resolve(spec->host, spec->port, true, &ret->sa, &ret->size);
    if (r == EAI_NONAME) /* only a name needs the resolver and what it loads */
        r = sys_addr_resolve(spec->host, spec->port, false, &ret->sa, &ret->size);
    if (r != 0) {
        error_setf(err, "%s listener: can't resolve \"%s\": %s", spec->name, spec->host, gai_strerror(r));
        return -EINVAL;
    }
    sys_addr_from(&ret->sa, &ret->addr);
    return 0;
}

static void set_int(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* What a connection's send buffer may hold beyond what is on its way. So much keeps a link of 10 Gbit/s busy for 100
 * µs, longer than we take to hear that there is room; more would only be kernel memory of those who read slowly, and a
 * queue in front of the next answer. */
#define NOTSENT_MAX (128 * 1024)
#define PEER_GONE_MS 10000

/* Accepted connections inherit these, which saves calls for each. A UNIX socket has no TCP options and needs none. */
void sys_listen_options(int fd, bool for_peers)
{
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_MAX);
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (!for_peers)
        return;
    set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, PEER_GONE_MS);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, PEER_GONE_MS / 2000);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, PEER_GONE_MS / 2000);
}

/* A line of names. */
static void read_names(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);

    if (fd >= 0)
        close(fd);
    to[MAX(n, 0)] = '\0';
    to[strcspn(to, "\n")] = '\0';
}

static int set_congestion_control(int fd, const char *name, struct error_text *err)
{
    char names[256];

    if (name == NULL || setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) == 0)
        return 0;
    if (errno == EPERM) {
        read_names("/proc/sys/net/ipv4/tcp_allowed_congestion_control", names, sizeof(names));
        error_setf(err,
                   "congestion_control: the kernel allows \"%s\" only to administrators (see "
                   "net.ipv4.tcp_allowed_congestion_control); allowed are: %s",
                   name, names);
    } else if (errno == ENOENT) {
        read_names("/proc/sys/net/ipv4/tcp_available_congestion_control", names, sizeof(names));
        error_setf(err, "congestion_control: the kernel doesn't have \"%s\"; available are: %s", name, names);
    } else {
        error_setf(err, "congestion_control: can't use \"%s\": %s", name, error_text(-errno));
    }
    return -EINVAL;
}

static void get_congestion_control(int fd, char to[SYS_CONGESTION_SIZE])
{
    socklen_t size = SYS_CONGESTION_SIZE - 1;

    memset(to, 0, SYS_CONGESTION_SIZE);
    if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, to, &size) < 0)
        to[0] = '\0';
}

static int bind_and_listen(int fd, const struct resolved *at, int backlog)
{
    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, (const struct sockaddr *)&at->sa, at->size) < 0 || listen(fd, backlog) < 0)
        return -errno;
    return 0;
}

static int open_own(const struct sys_listen_spec *spec, const struct resolved *at, struct error_text *err)
{
    char where[SYS_ADDR_PORT_SIZE];
    int fd, r;

    fd = socket(at->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    r = fd < 0 ? -errno : bind_and_listen(fd, at, spec->backlog);
    if (r == 0)
        return fd;
    error_setf(err, "%s listener: can't listen on %s: %s", spec->name, sys_addr_format(&at->addr, where),
               error_text(r));
    if (fd >= 0)
        close(fd);
    return r;
}

int sys_listen(const struct sys_listen_spec *spec, struct sys_passed *passed, struct sys_listener *ret,
               struct error_text *err)
{
    struct sys_listener l = { .fd = -1 };
    struct resolved at;
    int r;

    r = resolve(spec, &at, err);
    if (r < 0)
        return r;
    if (passed != NULL) {
        r = sys_passed_take(passed, spec, &at.addr, &l.fd, err);
        if (r < 0)
            return r;
        l.was_passed = l.fd >= 0;
    }
    if (l.fd < 0)
        l.fd = open_own(spec, &at, err);
    if (l.fd < 0)
        return l.fd;
    r = set_congestion_control(l.fd, spec->congestion_control, err);
    if (r < 0) {
        close(l.fd);
        return r;
    }
    sys_listen_options(l.fd, spec->for_peers);
    get_congestion_control(l.fd, l.congestion_control);
    sys_addr_of_socket(l.fd, &l.addr);
    *ret = l;
    return 0;
}
