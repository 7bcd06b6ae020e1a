/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/addr.h"
#include "sys/listen.h"
#include "sys/net_impl.h"

/* Connections to other nodes. A name is looked up by a thread, since resolvers block; numeric addresses aren't. Who is
 * given up before its turn isn't looked up: while no server answers new ones come faster than old ones end. */

struct net_resolve {
    struct lane_work work;
    struct list link;      /* net->resolves */
    struct sys_conn *conn; /* NULL: it was closed meanwhile */
    atomic_bool given_up;  /* the same, for the thread */
    char *host;
    uint16_t port;
    struct sockaddr_storage sa;
    socklen_t size;
    int rc; /* 0 or an EAI_* */
};

static void begin(struct sys_conn *c, const struct sockaddr_storage *sa, socklen_t size)
{
    int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        c->error = -errno;
    } else {
        sys_listen_options(fd, true);
        if (connect(fd, (const struct sockaddr *)sa, size) < 0 && errno != EINPROGRESS) {
            c->error = -errno;
            close(fd);
        } else {
            c->connecting = true;
            sys_conn_watch(c, fd);
        }
    }
    if (c->error != 0)
        sys_conn_note(c, NET_READ | NET_WRITE);
}

static void resolve_run(struct lane_work *work)
{
    struct net_resolve *r = container_of(work, struct net_resolve, work);

    r->rc = atomic_load(&r->given_up) ? EAI_AGAIN : sys_addr_resolve(r->host, r->port, false, &r->sa, &r->size);
}

static void resolve_free(struct net_resolve *r)
{
    list_remove(&r->link);
    free(r->host);
    free(r);
}

static void resolve_done(struct lane_work *work)
{
    struct net_resolve *r = container_of(work, struct net_resolve, work);
    struct sys_conn *c = r->conn;

    if (c != NULL) {
        c->resolve = NULL;
        if (r->rc == 0) {
            begin(c, &r->sa, r->size);
        } else {
            c->error = -EHOSTUNREACH;
            sys_conn_note(c, NET_READ | NET_WRITE);
        }
    }
    resolve_free(r);
}

static void resolve(struct sys_conn *c, const char *host, uint16_t port)
{
    struct sys_net *n = to_sys_net(c->base.net);
    struct net_resolve *r = xcalloc(1, sizeof(*r));

    r->conn = c;
    atomic_init(&r->given_up, false);
    c->resolve = r;
    r->host = xstrdup(host);
    r->port = port;
    r->work.run = resolve_run;
    r->work.done = resolve_done;
    list_append(&n->resolves, &r->link);
    lane_submit(&n->lane->base, LANE_NAMES, 0, &r->work);
}

int sys_net_connect(struct env_net *env, const char *address, void *conn_ctx, struct net_conn **ret)
{
    struct sys_net *n = to_sys_net(env);
    struct sockaddr_storage sa;
    char host[SYS_HOST_SIZE];
    struct sys_conn *c;
    socklen_t size;
    uint16_t port;

    if (sys_addr_split(address, host, &port) < 0)
        return -EINVAL;
    c = sys_conn_new(n, -1, &env->peer_handler);
    if (c == NULL)
        return -ENOMEM;
    atomic_fetch_add_explicit(&n->n_conns, 1, memory_order_relaxed);
    c->base.ctx = conn_ctx;
    if (sys_addr_resolve(host, port, true, &sa, &size) == 0)
        begin(c, &sa, size);
    else
        resolve(c, host, port);
    *ret = &c->base;
    return 0;
}

/* Of a socket that is on its way the kernel says neither an error nor a peer. */
int sys_net_outcome(struct net_conn *base)
{
    struct sys_conn *c = to_sys_conn(base);
    struct sockaddr_storage sa;
    int err = 0;
    socklen_t size = sizeof(err);

    if (c->error != 0)
        return c->error;
    if (c->fd < 0)
        return NET_UNDER_WAY;
    if (!c->connecting)
        return 0;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
        err = errno;
    size = sizeof(sa);
    if (err == 0 && getpeername(c->fd, (struct sockaddr *)&sa, &size) < 0)
        return NET_UNDER_WAY;
    c->connecting = false;
    c->error = -err;
    return c->error;
}

void sys_net_stop_resolving(struct sys_conn *c)
{
    struct net_resolve *r = TAKE_PTR(c->resolve);

    if (r == NULL)
        return;
    r->conn = NULL;
    atomic_store(&r->given_up, true);
}

void sys_net_drop_resolves(struct sys_net *n)
{
    struct net_resolve *r;

    while ((r = list_first(&n->resolves, struct net_resolve, link)) != NULL)
        resolve_free(r);
}
