/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One event loop on one thread. libev (epoll only) waits and collects; everything that happens, happens in the batch
 * after it:
 *
 *   ready connections -> new connections -> mail and completions -> the node's turn -> sleep until its deadline
 *
 * The loop sleeps only when nothing has arrived meanwhile; a sender writes to the eventfd only then. */

#include "sys/net.h"
#include "sys/runtime.h"

struct reactor_poke {
    struct lane_mail mail;
    atomic_bool pending; /* posted and not yet delivered */
};

struct sys_reactor {
    struct env env;
    struct ev_loop *loop;
    ev_io inbox_io;
    ev_timer timer;
    struct sys_lane lane;
    struct sys_net net;
    struct sys_reactor_handler handler;
    struct sys_thread thread;
    struct lane_mail stop_mail, end_mail;
    struct reactor_poke poke; /* the watchdog's */
    struct sys_runtime *runtime;
    struct spin spin;
    bool ended;
};

/* What a reactor needs of all others; the arrays may be filled in after init. */
struct reactor_peers {
    struct sys_lane **lanes;
    struct sys_net **nets;
    unsigned n;
};

/* r is zeroed but for env, which lacks only net and lane. Returns 0 or a negative errno; sys_reactor_fini() after
 * both. */
int sys_reactor_init(struct sys_reactor *r, unsigned index, struct sys_lanes *lanes, const struct reactor_peers *peers,
                     struct sys_runtime *rt);
void sys_reactor_fini(struct sys_reactor *r);

/* Until its end_mail: runs turns. */
int sys_reactor_start(struct sys_reactor *r);

/* Any thread. */
void sys_reactor_post_stop(struct sys_reactor *r);
void sys_reactor_post_end(struct sys_reactor *r);
/* Whether the reactor made a turn since the last call (true the first time); asks it for another. One thread only. */
bool sys_reactor_check(struct sys_reactor *r);
