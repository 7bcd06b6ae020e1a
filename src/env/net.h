/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Seam: stream connections. One env_net per reactor; a connection lives on the reactor that accepted it.
 *
 * Nothing reacts inside an I/O callback: the net marks a connection ready and calls the handler's ready() from
 * the reactor's batch, once per turn at most. The owner then receives or sends until -EAGAIN or until it had its
 * share; readiness is level-triggered for what net_want() asked. A new connection wants nothing; one that wants
 * nothing needn't hear that its peer has gone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "env/disk.h"

struct env_net;
struct net_conn; /* opaque */

enum net_ready {
    NET_READ = 1 << 0,
    NET_WRITE = 1 << 1,
};

#define NET_ADDR_TEXT_SIZE 64

struct net_addr {
    char text[NET_ADDR_TEXT_SIZE]; /* numeric host without port or brackets */
    uint16_t port;
};

struct net_handler {
    /* A connection was accepted. Return the owner's context for it, or NULL to have it closed at once. */
    void *(*accepted)(void *ctx, struct net_conn *c, const struct net_addr *peer, const struct net_addr *local);
    /* events of NET_READ, NET_WRITE that were wanted; also on hang-up or error, where net_recv() then tells. */
    void (*ready)(void *conn_ctx, unsigned events);
    void *ctx;
};

struct env_net_ops {
    /* > 0 bytes, 0 end of stream, -EAGAIN, or another negative errno: the connection is dead. */
    ssize_t (*recv)(struct net_conn *c, void *to, size_t size);
    /* > 0 bytes taken (maybe fewer), -EAGAIN, or the connection is dead. */
    ssize_t (*sendv)(struct net_conn *c, const struct iovec *iov, int n_iov, bool more);
    /* Sends from a file. 0 means that the file is shorter than promised. */
    ssize_t (*sendfile)(struct net_conn *c, struct disk_file *f, uint64_t offset, size_t size, bool more);
    void (*want)(struct net_conn *c, unsigned events);
    /* Frees c; ready() isn't called again. */
    void (*close)(struct net_conn *c);
    /* Frees c but leaves the socket open, non-blocking: the descriptor is the caller's. -EOPNOTSUPP in simulation. */
    int (*detach)(struct net_conn *c);
    /* Looks at first bytes without taking them. As recv. */
    ssize_t (*peek)(struct net_conn *c, void *to, size_t size);
};

struct env_net {
    const struct env_net_ops *ops;
    struct net_handler handler; /* set by the node before the first turn */
};

/* First member of every implementation's connection. */
struct net_conn {
    struct env_net *net;
    void *ctx; /* what accepted() returned */
};

static inline ssize_t net_recv(struct net_conn *c, void *to, size_t size)
{
    return c->net->ops->recv(c, to, size);
}

static inline ssize_t net_peek(struct net_conn *c, void *to, size_t size)
{
    return c->net->ops->peek(c, to, size);
}

/* more: another send follows at once (MSG_MORE). */
static inline ssize_t net_sendv(struct net_conn *c, const struct iovec *iov, int n_iov, bool more)
{
    return c->net->ops->sendv(c, iov, n_iov, more);
}

static inline ssize_t net_sendfile(struct net_conn *c, struct disk_file *f, uint64_t offset, size_t size, bool more)
{
    return c->net->ops->sendfile(c, f, offset, size, more);
}

static inline void net_want(struct net_conn *c, unsigned events)
{
    c->net->ops->want(c, events);
}

static inline void net_close(struct net_conn *c)
{
    c->net->ops->close(c);
}

static inline int net_detach(struct net_conn *c)
{
    return c->net->ops->detach(c);
}
