/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Seam: background work and mail between reactors.
 *
 * Each reactor has one env_lane. Work runs somewhere else (a thread, or the simulator in a drawn order) and its
 * completion comes back to the reactor that submitted it. Mail goes from one reactor to another (or to itself)
 * and is delivered there. Items are embedded in the caller's structs and belong to the lane from submit to
 * done/deliver. Neither done() nor deliver() runs inside submit or post.
 *
 * Order: work of one LANE_FLUSH lane runs one after the other in submission order, and its completions come back in
 * that order; LANE_POOL and LANE_NAMES work runs in any order and at the same time; mail between one pair of reactors
 * keeps its order. */

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct env_lane;

enum lane_kind {
    LANE_FLUSH, /* one thread per shard: the journal */
    LANE_POOL,  /* the small pool of workers: everything else that may block */
    LANE_NAMES, /* one thread: looking up host names, which may take half a minute and must not hold up the disk's work
                 */
};

struct lane_work {
    struct list link; /* the lane's */
    /* On the lane's thread. May touch only what the submitter set aside for it. */
    void (*run)(struct lane_work *w);
    /* On the submitting reactor. */
    void (*done)(struct lane_work *w);
    struct env_lane *home; /* the lane's */
};

struct lane_mail {
    struct list link; /* the lane's */
    void (*deliver)(struct lane_mail *m);
};

struct env_lane_ops {
    void (*submit)(struct env_lane *l, enum lane_kind kind, unsigned shard, struct lane_work *w);
    void (*post)(struct env_lane *l, unsigned to_reactor, struct lane_mail *m);
    void (*run_all)(struct env_lane *l, struct lane_work *works[], size_t n);
    void (*give_way)(struct env_lane *l, uint64_t max_ns);
};

struct env_lane {
    const struct env_lane_ops *ops;
    unsigned reactor; /* index of the reactor that owns this lane */
};

/* shard matters for LANE_FLUSH only. */
static inline void lane_submit(struct env_lane *l, enum lane_kind kind, unsigned shard, struct lane_work *w)
{
    l->ops->submit(l, kind, shard, w);
}

/* Blocking, at start, before reactors turn: calls run() of n works, at the same time and in any order, and comes back
 * when all have run. done() isn't called. */
static inline void lane_run_all(struct env_lane *l, struct lane_work *works[], size_t n)
{
    l->ops->run_all(l, works, n);
}

/* Blocking, in the run() of LANE_POOL work, before it does to the disk what can wait: comes back when no LANE_FLUSH
 * work runs, or after max_ns. A hint: some may have begun meanwhile. */
static inline void lane_give_way(struct env_lane *l, uint64_t max_ns)
{
    l->ops->give_way(l, max_ns);
}

static inline void lane_post(struct env_lane *l, unsigned to_reactor, struct lane_mail *m)
{
    l->ops->post(l, to_reactor, m);
}
