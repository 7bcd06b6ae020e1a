/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/internal.h"

/* Descriptors of the shard's segments: dirty ones are a budget that forces checkpoints, idle ones are closed. */

#define LIMIT_INTERVAL_NS (20ull * 1000 * 1000)

static void checkpoint(void *owner)
{
    replica_checkpoint(owner, UINT64_MAX);
}

/* Down to three quarters, so that checkpoints go in batches. */
static void limit_dirty(struct replica_shard *shard)
{
    unsigned n = log_cache_dirty(shard->log_cache);

    if (shard->max_dirty_segments == 0 || n <= shard->max_dirty_segments || shard->now_ns < shard->next_limit_ns)
        return;
    shard->next_limit_ns = shard->now_ns + LIMIT_INTERVAL_NS;
    log_cache_oldest_dirty(shard->log_cache, n - shard->max_dirty_segments / 4 * 3, checkpoint);
}

static void trim_run(struct lane_work *work)
{
    log_trim_run(&container_of(work, struct replica_trim, work)->job);
}

static void trim_done(struct lane_work *work)
{
    container_of(work, struct replica_trim, work)->busy = false;
}

void replica_shard_limit_files(struct replica_shard *shard)
{
    struct replica_trim *t = &shard->trim;

    limit_dirty(shard);
    if (t->busy || !log_trim_prepare(shard->log_cache, &t->job))
        return;
    t->busy = true;
    t->work.run = trim_run;
    t->work.done = trim_done;
    lane_submit(shard->env->lane, LANE_POOL, shard->shard, &t->work);
}
