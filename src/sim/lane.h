/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The lanes of one node in one thread: R reactors, S shards (shard s lives on reactor s % R), one flush lane per
 * shard and one pool. Nothing moves by itself: each sim_lane_step() runs one piece of work, or delivers one completion
 * or one mail, drawn from all that the order rules of env/lane.h allow next. So every interleaving that threads could
 * show is some seed's. */

#include <stdbool.h>
#include <stddef.h>

#include "env/lane.h"
#include "sim/prng.h"

struct sim_lane;

struct sim_lane *sim_lane_new(unsigned n_reactors, unsigned n_shards);

/* Takes NULL. What is still queued is forgotten, neither run nor completed, as when a process dies: whoever owns the
 * structs around the items frees them. */
void sim_lane_free(struct sim_lane *l);

/* The seam as this reactor sees it; the lane keeps it. */
struct env_lane *sim_lane_env(struct sim_lane *l, unsigned reactor);

/* One step; false when nothing can be done. prng may be NULL: then the queues take turns. */
bool sim_lane_step(struct sim_lane *l, struct sim_prng *prng);

/* The reactor that the last step's completion or mail came to; -1: it ran work. */
int sim_lane_last_reactor(const struct sim_lane *l);

/* Steps until nothing can be done; returns how many. Doesn't end if the items keep submitting new ones. */
size_t sim_lane_run_all(struct sim_lane *l, struct sim_prng *prng);

/* Stops or lets go on a flush lane, or the pool (shard doesn't matter): work that is submitted meanwhile waits, as
 * behind a disk that stalls. Completions and mail still arrive. */
void sim_lane_hold(struct sim_lane *l, enum lane_kind kind, unsigned shard, bool held);

/* Items in all queues, those of held lanes too. */
size_t sim_lane_pending(const struct sim_lane *l);
