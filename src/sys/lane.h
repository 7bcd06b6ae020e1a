/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real lanes under env/lane.h: a flush thread per shard, a pool of workers, and per reactor an inbox for mail and
 * for the completions of its work.
 *
 * Flush threads and inboxes are mailboxes. The pool has a mutex: its work is long, and several workers take it one
 * by one. Mail to oneself stays in a list of the reactor's own. */

#include <stdatomic.h>

#include "env/lane.h"
#include "sys/mailbox.h"
#include "sys/thread.h"

struct flush_lane {
    struct mailbox queue;
    struct spin spin;               /* the thread's */
    _Atomic uint64_t busy_since_ns; /* start of the work that runs, 0 while none does */
    struct give_way *give_way;      /* of all flush threads */
    struct sys_thread thread;
    struct lane_work end; /* queued behind all other work, ends the thread */
    bool ended;           /* the thread's */
};

struct work_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list queue; /* of lane_work */
    bool ending;
    unsigned n_workers;
    struct sys_thread *workers;
};

/* Workers that let flushes go first, and flush threads that wake them only when there are any. */
struct give_way {
    pthread_mutex_t lock;
    pthread_cond_t idle;
    atomic_uint n_waiting;
};

struct sys_lanes {
    unsigned n_shards;
    struct flush_lane *flush;
    struct work_pool pool;
    struct work_pool names; /* one worker, which starts when there is something for it */
    struct give_way give_way;
};

struct sys_lane {
    struct env_lane base;
    struct sys_lanes *lanes;
    struct sys_lane **peers; /* by reactor, this one too */
    unsigned n_peers;
    struct mailbox inbox;
    struct list local; /* mail to oneself */
};

/* Both counts are at least 1. spin_ns: how long a flush thread may wait awake. Returns 0 or a negative errno, with
 * nothing left to free. */
int sys_lanes_init(struct sys_lanes *l, unsigned n_shards, unsigned n_workers, uint64_t spin_ns);
/* After sys_lanes_stop(), or without any start. */
void sys_lanes_fini(struct sys_lanes *l);

/* Work may be submitted before; it is queued. Returns 0 or a negative errno; call sys_lanes_stop() after that too. */
int sys_lanes_start(struct sys_lanes *l);
/* Runs what is queued, then ends the threads. Completions still go to the inboxes. */
void sys_lanes_stop(struct sys_lanes *l);

/* Any thread: when the flush that has been running longest began (CLOCK_MONOTONIC), 0 when none runs. */
uint64_t sys_lanes_busy_since(struct sys_lanes *l);

/* peers may be filled in later, but before anything is posted. */
int sys_lane_init(struct sys_lane *l, struct sys_lanes *lanes, unsigned reactor, struct sys_lane **peers,
                  unsigned n_peers);
void sys_lane_fini(struct sys_lane *l);

/* Reactor only: calls deliver() and done() of all that has arrived, then deliver() of the mail to this reactor itself,
 * also what the former just posted: so an answer goes out in the turn in which its flush came home. What is posted by
 * the latter waits for the next call. */
void sys_lane_deliver(struct sys_lane *l);
static inline bool sys_lane_has_local(const struct sys_lane *l)
{
    return !list_is_empty(&l->local);
}

/* Any thread: posts to l's reactor from outside of all reactors. */
void sys_lane_post_outside(struct sys_lane *l, struct lane_mail *m);
