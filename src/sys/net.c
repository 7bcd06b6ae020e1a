/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/net_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

void sys_conn_note(struct sys_conn *c, unsigned events)
{
    c->ready_events |= events;
    if (!list_is_linked(&c->ready_link))
        list_append(&to_sys_net(c->base.net)->ready, &c->ready_link);
}

static void on_ready(struct ev_loop *loop, ev_io *io, int revents)
{
    struct sys_conn *c = io->data;

    sys_conn_note(c, ((revents & EV_READ) != 0 ? (unsigned)NET_READ : 0) |
                         ((revents & EV_WRITE) != 0 ? (unsigned)NET_WRITE : 0));
}

/* What a call that moved nothing means for a connection that isn't one, or not yet: -1 is no socket's, and the kernel
 * tells of a failure only once. */
static ssize_t nothing_moved(const struct sys_conn *c, ssize_t result)
{
    if (c->error != 0)
        return c->error;
    return c->fd < 0 ? -EAGAIN : result < 0 ? -errno : result;
}

static ssize_t conn_recv(struct net_conn *c, void *to, size_t size)
{
    ssize_t n = recv(to_sys_conn(c)->fd, to, size, MSG_DONTWAIT);

    return n > 0 ? n : nothing_moved(to_sys_conn(c), n);
}

static ssize_t conn_peek(struct net_conn *c, void *to, size_t size)
{
    ssize_t n = recv(to_sys_conn(c)->fd, to, size, MSG_DONTWAIT | MSG_PEEK);

    return n < 0 ? -errno : n;
}

static ssize_t conn_sendv(struct net_conn *c, const struct iovec *iov, int n_iov, bool more)
{
    struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)MIN(n_iov, IOV_MAX) };
    ssize_t n = sendmsg(to_sys_conn(c)->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));

    return n > 0 ? n : nothing_moved(to_sys_conn(c), n);
}

/* sendfile(2) has no MSG_MORE, and TCP_CORK around it would cost two system calls to save one small packet; so
 * `more` changes nothing here. SIGPIPE, which it may raise, is ignored by the whole process. */
static ssize_t conn_sendfile(struct net_conn *c, struct disk_file *f, uint64_t offset, size_t size, bool more)
{
    off_t at = (off_t)offset;
    ssize_t n = sendfile(to_sys_conn(c)->fd, disk_fd(f), &at, size);

    return n < 0 ? -errno : n;
}

/* ev_io_modify() instead of ev_io_set(): a change that is taken back within the batch then costs no epoll_ctl(2). */
static void conn_want(struct net_conn *c, unsigned events)
{
    struct sys_conn *conn = to_sys_conn(c);
    struct ev_loop *loop = to_sys_net(c->net)->loop;

    if (events == conn->want)
        return;
    conn->want = events;
    if (conn->fd < 0) {
        if (conn->error != 0)
            sys_conn_note(conn, NET_READ | NET_WRITE);
        return;
    }
    ev_io_stop(loop, &conn->io);
    ev_io_modify(&conn->io, ((events & NET_READ) != 0 ? EV_READ : 0) | ((events & NET_WRITE) != 0 ? EV_WRITE : 0));
    if (events != 0)
        ev_io_start(loop, &conn->io);
}

/* Off its reactor: the rest of it may go to another thread. */
static void conn_unplug(struct net_conn *c)
{
    struct sys_conn *conn = to_sys_conn(c);
    struct sys_net *net = to_sys_net(c->net);

    if (!conn->plugged)
        return;
    sys_net_stop_resolving(conn);
    if (conn->fd >= 0)
        ev_io_stop(net->loop, &conn->io);
    list_remove(&conn->ready_link);
    list_remove(&conn->link);
    conn->want = conn->ready_events = 0;
    conn->plugged = false;
    atomic_fetch_sub_explicit(&net->n_conns, 1, memory_order_relaxed);
}

/* Frees c and returns its descriptor. */
static int conn_release(struct net_conn *c)
{
    int fd = to_sys_conn(c)->fd;

    conn_unplug(c);
    free(to_sys_conn(c));
    return fd;
}

static void conn_close(struct net_conn *c)
{
    int fd = conn_release(c);

    if (fd >= 0)
        close(fd);
}

void sys_conn_watch(struct sys_conn *c, int fd)
{
    unsigned want = c->want;

    c->fd = fd;
    c->want = 0;
    ev_io_init(&c->io, on_ready, fd, 0);
    c->io.data = c;
    conn_want(&c->base, want);
}

static void put_on(struct sys_net *n, struct sys_conn *c)
{
    c->base.net = &n->base;
    c->plugged = true;
    list_append(&n->conns, &c->link);
    if (c->fd >= 0)
        sys_conn_watch(c, c->fd);
}

static void conn_plug(struct env_net *n, struct net_conn *c, void *conn_ctx)
{
    struct sys_net *net = to_sys_net(n);
    bool is_peer = c->handler == &c->net->peer_handler;

    c->ctx = conn_ctx;
    c->handler = is_peer ? &n->peer_handler : &n->handler;
    atomic_fetch_add_explicit(&net->n_conns, 1, memory_order_relaxed);
    put_on(net, to_sys_conn(c));
}

struct sys_conn *sys_conn_new(struct sys_net *n, int fd, const struct net_handler *handler)
{
    struct sys_conn *c = malloc(sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct sys_conn){ .base.handler = handler, .fd = fd };
    list_init(&c->ready_link);
    list_init(&c->link);
    put_on(n, c);
    return c;
}

void sys_net_adopt(struct sys_net *n, int fd, bool for_peers, const struct net_addr *peer, const struct net_addr *local)
{
    const struct net_handler *h = for_peers ? &n->base.peer_handler : &n->base.handler;
    struct sys_conn *c = sys_conn_new(n, fd, h);

    if (c == NULL) {
        atomic_fetch_sub_explicit(&n->n_conns, 1, memory_order_relaxed);
        close(fd);
        return;
    }
    c->base.ctx = h->accepted(h->ctx, &c->base, peer, local);
    if (c->base.ctx == NULL)
        conn_close(&c->base);
}

void sys_net_batch(struct sys_net *n, uint64_t now_ns)
{
    struct list ready, *node;

    list_init(&ready);
    list_splice(&ready, &n->ready); /* handlers may close any of them, which takes it out of the list */
    while ((node = list_pop(&ready)) != NULL) {
        struct sys_conn *c = list_entry(node, struct sys_conn, ready_link);
        unsigned events = c->ready_events & c->want;

        c->ready_events = 0;
        if (events != 0)
            c->base.handler->ready(c->base.ctx, events);
    }
    sys_net_accept(n, now_ns);
}

int sys_net_init(struct sys_net *n, struct ev_loop *loop, struct sys_lane *lane, struct sys_net **peers,
                 unsigned n_peers)
{
    static const struct env_net_ops ops = {
        .recv = conn_recv,
        .sendv = conn_sendv,
        .sendfile = conn_sendfile,
        .want = conn_want,
        .close = conn_close,
        .detach = conn_release,
        .peek = conn_peek,
        .connect = sys_net_connect,
        .outcome = sys_net_outcome,
        .unplug = conn_unplug,
        .plug = conn_plug,
    };

    n->base = (struct env_net){ .ops = &ops };
    n->loop = loop;
    n->lane = lane;
    n->peers = peers;
    n->n_peers = n_peers;
    list_init(&n->conns);
    list_init(&n->ready);
    list_init(&n->acceptors);
    list_init(&n->resolves);
    n->resume_ns = 0;
    n->shed_told_ns = 0;
    atomic_init(&n->n_conns, 0);
    atomic_init(&n->n_shed, 0);
    n->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return n->spare_fd < 0 ? -errno : 0;
}

void sys_net_fini(struct sys_net *n)
{
    struct sys_conn *c;

    sys_net_stop_listening(n);
    while ((c = list_first(&n->conns, struct sys_conn, link)) != NULL)
        conn_close(&c->base);
    sys_net_drop_resolves(n);
    if (n->spare_fd >= 0)
        close(n->spare_fd);
}
