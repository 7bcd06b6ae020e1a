/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "replica/internal.h"

/* Descriptors of the shard's segments: dirty ones are a budget, idle ones are closed. When half of the budget is used,
 * the oldest are checkpointed; what is left is for those who open some meanwhile. When all of it is used, whoever would
 * have to open a segment waits, with its entries in memory and in the journal. Idle ones that are open may still become
 * dirty: they have their descriptors already. */

#define LIMIT_INTERVAL_NS (5ull * 1000 * 1000)

static bool has_room(const struct replica_shard *shard)
{
    unsigned n = log_cache_dirty(shard->log_cache) + log_cache_opening(shard->log_cache);

    return shard->max_dirty_segments == 0 || n < shard->max_dirty_segments;
}

/* The next job has to open files. */
static bool opens(const struct replica *r)
{
    return log_append_opens(r->log) || (replica_n_unstored(r) > 0 && tail_at(&r->tail, 0)->roll);
}

static bool must_wait(const struct replica *r)
{
    if (!opens(r)) /* what is at a sync stays clean behind it, or room would never be made */
        return r->sync != NULL && !list_is_empty(&r->shard->no_file);
    return !has_room(r->shard) || !list_is_empty(&r->shard->no_file);
}

bool replica_take_files(struct replica *r)
{
    struct replica_shard *shard = r->shard;

    if (r->has_turn || !must_wait(r))
        return true;
    if (replica_lacks_files(r))
        return false;
    GQ_MARK(REPLICA_NO_FILE);
    list_remove(&r->dirty_link);
    r->no_file = true;
    list_append(&shard->no_file, &r->dirty_link);
    return false;
}

int replica_make_room_blocking(struct replica *r)
{
    log_close_dead(r->log);
    if (!opens(r) || has_room(r->shard))
        return 0;
    GQ_MARK(REPLICA_REPLAY_NO_FILE);
    return replica_round_blocking(r->shard);
}

/* In the order in which they came. */
static void give_files(struct replica_shard *shard)
{
    struct replica *r;

    while (has_room(shard) && (r = list_first(&shard->no_file, struct replica, dirty_link)) != NULL) {
        list_remove(&r->dirty_link);
        if (r->retry_ns > shard->now_ns) {
            r->no_file = false;
            r->dirty_since_ns = shard->now_ns;
            list_append(&shard->dirty, &r->dirty_link);
            continue;
        }
        r->has_turn = true;
        replica_store_kick(r);
        r->has_turn = false;
    }
}

/* As far as it is stored: that needs no descriptor. */
static void checkpoint(void *owner)
{
    struct replica *r = owner;

    replica_checkpoint(r, log_end(r->log).index);
}

/* Down to a quarter, so that checkpoints go in batches. While a round is under way, those that it has are the oldest.
 */
static uint64_t limit_dirty(struct replica_shard *shard)
{
    unsigned n = log_cache_dirty(shard->log_cache), max = shard->max_dirty_segments;

    if (max == 0 || n <= max / 2 || shard->round.phase != REPLICA_ROUND_NONE)
        return UINT64_MAX;
    if (shard->now_ns < shard->next_limit_ns)
        return shard->next_limit_ns;
    shard->next_limit_ns = shard->now_ns + LIMIT_INTERVAL_NS;
    log_cache_oldest_dirty(shard->log_cache, n - max / 4, checkpoint);
    return shard->next_limit_ns;
}

static void trim_run(struct lane_work *work)
{
    log_trim_run(&container_of(work, struct replica_trim, work)->job);
}

static void trim_done(struct lane_work *work)
{
    container_of(work, struct replica_trim, work)->busy = false;
}

uint64_t replica_shard_limit_files(struct replica_shard *shard)
{
    struct replica_trim *t = &shard->trim;
    uint64_t next;

    give_files(shard);
    next = limit_dirty(shard);
    if (t->busy || !log_trim_prepare(shard->log_cache, &t->job))
        return next;
    t->busy = true;
    t->work.run = trim_run;
    t->work.done = trim_done;
    lane_submit(shard->env->lane, LANE_POOL, shard->shard, &t->work);
    return next;
}
