/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real net under env/net.h: non-blocking stream sockets on a reactor's libev loop.
 *
 * libev's callbacks only note what is ready. sys_net_batch() then calls ready() once for each connection, in the
 * order in which the kernel told, and accepts what waits on listeners. A connection that is still readable
 * afterwards is told again in the next turn: epoll is level-triggered, and rotates.
 *
 * Accepting: each listener has one reactor that accepts from it and gives every connection to the reactor that has
 * the fewest, by mail. SO_REUSEPORT would let each reactor accept on its own, but its hash puts ten connections
 * on two reactors as 8 and 2 often enough, a socket passed in by systemd is only one, and what waits in the backlog
 * of a reactor that goes away is lost. Connections live long, so one mail each costs nothing that counts.
 *
 * At the descriptor limit a spare descriptor is given up to take the connection and close it, so that the peer knows
 * at once and the listener doesn't stay readable for ever. On other errors that stay (ENOBUFS, ENOMEM) accepting
 * pauses for 100 ms. */

#include <ev.h>

#include "base/list.h"
#include "env/net.h"
#include "sys/lane.h"

struct sys_net {
    struct env_net base;
    struct ev_loop *loop;
    struct sys_lane *lane;
    struct sys_net **peers; /* nets of all reactors, this one too */
    unsigned n_peers;
    struct list conns;
    struct list ready;     /* of sys_conn, in the order they became ready */
    struct list acceptors; /* listeners that this reactor accepts from */
    struct list resolves;  /* names that workers look up */
    int spare_fd;
    uint64_t resume_ns; /* accepting goes on then; 0 while it isn't paused */
    /* Connections given to this reactor. Read by those that accept. */
    _Alignas(64) _Atomic(unsigned) n_conns;
    _Atomic(uint64_t) n_shed; /* connections closed for want of descriptors */
    uint64_t shed_told_ns;    /* when the log was last told of that */
};

int sys_net_init(struct sys_net *n, struct ev_loop *loop, struct sys_lane *lane, struct sys_net **peers,
                 unsigned n_peers);
/* Closes what is still open; the contexts of connections stay their owner's. No thread runs the reactor any more. */
void sys_net_fini(struct sys_net *n);

/* Before the reactor runs, or on it. fd is a listening socket, n's from here on. for_peers: what it accepts goes to
 * peer_handler. */
void sys_net_listen(struct sys_net *n, int fd, bool for_peers);
/* On the reactor: closes its listeners. */
void sys_net_stop_listening(struct sys_net *n);

void sys_net_batch(struct sys_net *n, uint64_t now_ns);
/* When the next batch is needed even if nothing becomes ready; UINT64_MAX: never. */
uint64_t sys_net_deadline(const struct sys_net *n);

/* For net_accept.c: makes a connection of an accepted socket on its reactor. */
void sys_net_adopt(struct sys_net *n, int fd, bool for_peers, const struct net_addr *peer,
                   const struct net_addr *local);
/* Accepts from the listeners that became ready. */
void sys_net_accept(struct sys_net *n, uint64_t now_ns);
