/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside of the net: net.c has connections, net_accept.c those that come, net_connect.c those that are asked for. */

#include "sys/net.h"

struct net_resolve;

struct sys_conn {
    struct net_conn base;
    ev_io io;
    struct list link;       /* in net->conns, or unplugged */
    struct list ready_link; /* in net->ready while ready_events isn't 0 */
    unsigned want, ready_events;
    int fd;    /* −1: there is none yet, or none came of it */
    int error; /* why none did */
    bool connecting, plugged;
    struct net_resolve *resolve; /* a worker looks up the name */
};

static inline struct sys_net *to_sys_net(struct env_net *n)
{
    return (struct sys_net *)n;
}

static inline struct sys_conn *to_sys_conn(struct net_conn *c)
{
    return (struct sys_conn *)c;
}

/* Of fd, or without one when that is −1. NULL: memory is out. */
struct sys_conn *sys_conn_new(struct sys_net *n, int fd, const struct net_handler *handler);
/* fd became known. */
void sys_conn_watch(struct sys_conn *c, int fd);
/* ready() will be called with what of it is wanted. */
void sys_conn_note(struct sys_conn *c, unsigned events);

int sys_net_connect(struct env_net *env, const char *address, void *conn_ctx, struct net_conn **ret);
int sys_net_outcome(struct net_conn *c);
/* The connection is closed: nobody waits for the name any more. */
void sys_net_stop_resolving(struct sys_conn *c);
/* No worker runs any more. */
void sys_net_drop_resolves(struct sys_net *n);
