/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Seam: stream connections, of clients and between nodes. One env_net per reactor; a connection lives on the reactor
 * that accepted or asked for it, until it is unplugged there and plugged in on another one.
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

/* What net_outcome() says while a connection that was asked for is on its way. */
#define NET_UNDER_WAY (-EINPROGRESS)

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
    int (*connect)(struct env_net *n, const char *address, void *conn_ctx, struct net_conn **ret);
    int (*outcome)(struct net_conn *c);
    void (*unplug)(struct net_conn *c);
    void (*plug)(struct env_net *n, struct net_conn *c, void *conn_ctx);
};

/* Handlers are set by the node before the first turn. */
struct env_net {
    const struct env_net_ops *ops;
    struct net_handler handler;      /* of the Kafka port */
    struct net_handler peer_handler; /* of connections between nodes: accepted on the raft address, or asked for */
};

/* First member of every implementation's connection. */
struct net_conn {
    struct env_net *net;
    const struct net_handler *handler; /* of the two */
    void *ctx;                         /* what accepted() returned */
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

/* Asks for a connection to another node, HOST:PORT or [HOST]:PORT, whose events go to peer_handler with conn_ctx. What
 * becomes of it is heard as NET_WRITE, which is to be wanted; net_outcome() tells then. Returns 0, or a negative errno:
 * there is nothing to close. */
static inline int net_connect(struct env_net *n, const char *address, void *conn_ctx, struct net_conn **ret)
{
    return n->ops->connect(n, address, conn_ctx, ret);
}

/* 0: it is connected; NET_UNDER_WAY; or why it can't be: -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH and others. */
static inline int net_outcome(struct net_conn *c)
{
    return c->net->ops->outcome(c);
}

/* On its reactor: takes it off. Only net_plug() and net_close() may follow, from any one thread. */
static inline void net_unplug(struct net_conn *c)
{
    c->net->ops->unplug(c);
}

/* On n's reactor: from now on it lives here. It wants nothing. */
static inline void net_plug(struct env_net *n, struct net_conn *c, void *conn_ctx)
{
    n->ops->plug(n, c, conn_ctx);
}
