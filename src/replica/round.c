/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/mark.h"
#include "replica/internal.h"

#include <limits.h>

/* Checkpoints go in rounds. All partitions of a shard that want one first store what is outstanding; then their files
 * are synced, by one call for all where the disk can do that, else file by file, few at a time and begun for all; then
 * all CHECKPOINTs go to the journal together. Appends to the segments go on meanwhile. */

#define SYNC_FS_MEMBERS 2 /* fewer are synced file by file */
#define MAX_SYNCS 4       /* at a time, file by file */

struct replica_sync {
    struct lane_work work;
    struct replica *replica;
    struct log_sync log;
    uint8_t *snapshot;
    uint64_t stored_bytes; /* of entries up to what is made durable */
};

static struct replica_round *round_of(struct replica_shard *shard)
{
    return &shard->round;
}

/* Applied entries are in the log or wait for it in the tail. */
static struct log_position applied_position(const struct replica *r)
{
    const struct replica_entry *e = tail_by_index(&r->tail, r->applied_index);

    if (e == NULL)
        return log_end(r->log);
    return (struct log_position){
        .index = e->index,
        .term = e->term,
        .next_offset = r->applied_offset,
        .checksum = e->checksum,
    };
}

static void take_snapshot(struct replica_sync *s)
{
    size_t size = 0;
    struct wr w;

    wr_init_growing(&w, 256, REPLICA_SNAPSHOT_MAX);
    replica_snapshot_write(s->replica, &w);
    s->snapshot = wr_take(&w, &size);
    gq_assert(s->snapshot != NULL);
    s->log.snapshot = slice_make(s->snapshot, size);
    s->log.snapshot_at = applied_position(s->replica);
}

static void sync_new(struct replica *r, bool for_checkpoint)
{
    struct replica_round *round = round_of(r->shard);
    struct replica_sync *s = xcalloc(1, sizeof(*s));

    s->replica = r;
    s->stored_bytes = r->stored_bytes;
    s->log.log = r->log;
    if (for_checkpoint)
        take_snapshot(s);
    else
        s->log.no_names = true;
    log_sync_prepare(r->log, &s->log);
    r->sync = s;
    round->syncs[round->n_syncs++] = s;
}

static void sync_free(struct replica_sync *s)
{
    free(s->snapshot);
    free(s);
}

static void checkpoint(struct replica *r, const struct replica_sync *s)
{
    const struct log_position *at = &s->log.position;

    r->checkpoint_index = at->index;
    r->checkpoint_checksum = at->checksum;
    r->checkpoint_bytes = s->stored_bytes;
    replica_journal_state(r, JOURNAL_CHECKPOINT,
                          &(struct journal_group_state){
                              .checkpoint_index = at->index,
                              .checkpoint_term = at->term,
                              .checkpoint_offset = at->next_offset,
                              .checkpoint_checksum = at->checksum,
                          });
}

/* ---- The end of a round ---- */

static void want_again(struct replica *r)
{
    if (!r->destroyed && r->checkpoint_wanted > r->checkpoint_index)
        list_append(&r->shard->checkpoints, &r->round_link);
}

static void sync_end(struct replica_sync *s)
{
    struct replica *r = s->replica;
    int err = s->log.error;

    r->sync = NULL;
    list_remove(&r->round_link);
    if (err != 0) {
        replica_store_failed(r, err);
    } else {
        if (!GQ_BUG(CHECKPOINT_BEFORE_SYNC))
            checkpoint(r, s);
        if (r->retry_ns <= r->shard->now_ns)
            replica_set_blocked(r, false);
    }
    want_again(r);
    sync_free(s);
    if (r->destroyed)
        replica_settle(r);
    else
        replica_store_continue(r);
}

static void round_end(struct replica_round *round)
{
    size_t n = round->n_syncs;
    struct replica_sync **syncs = TAKE_PTR(round->syncs);

    round->phase = REPLICA_ROUND_NONE;
    round->n_syncs = 0;
    for (size_t i = 0; i < n; i++)
        sync_end(syncs[i]);
    free(syncs);
}

/* ---- File by file ---- */

static void one_run(struct lane_work *work)
{
    struct replica_sync *s = container_of(work, struct replica_sync, work);

    log_sync_run(&s->log);
}

static void one_done(struct lane_work *work);

static void sync_some(struct replica_shard *shard)
{
    struct replica_round *round = round_of(shard);

    while (round->n_begun < round->n_syncs && round->n_running < MAX_SYNCS) {
        struct replica_sync *s = round->syncs[round->n_begun++];

        if (shard->dead) { /* never begun: nothing may be taken for durable */
            s->log.error = -ECANCELED;
            log_sync_done(&s->log);
            continue;
        }
        s->work.run = one_run;
        s->work.done = one_done;
        round->n_running++;
        lane_submit(shard->env->lane, LANE_POOL, shard->shard, &s->work);
    }
    if (round->n_running == 0)
        round_end(round);
}

static void one_done(struct lane_work *work)
{
    struct replica_sync *s = container_of(work, struct replica_sync, work);
    struct replica_shard *shard = s->replica->shard;

    log_sync_done(&s->log);
    round_of(shard)->n_running--;
    sync_some(shard);
}

static void write_back_run(struct lane_work *work)
{
    const struct replica_round *round = container_of(work, struct replica_round, work);

    for (size_t i = 0; i < round->n_syncs; i++)
        log_sync_write_back(&round->syncs[i]->log);
}

static void write_back_done(struct lane_work *work)
{
    sync_some(container_of(container_of(work, struct replica_round, work), struct replica_shard, round));
}

/* ---- All at once ---- */

static void finish_all(struct replica_round *round, int err)
{
    for (size_t i = 0; i < round->n_syncs; i++) {
        struct log_sync *s = &round->syncs[i]->log;

        if (s->error != 0)
            continue;
        if (err == -EOPNOTSUPP)
            log_sync_run(s);
        else if (err < 0)
            s->error = err;
        else
            log_sync_finish(s);
    }
}

static void all_run(struct lane_work *work)
{
    struct replica_round *round = container_of(work, struct replica_round, work);
    int err;

    for (size_t i = 0; i < round->n_syncs; i++)
        log_sync_write(&round->syncs[i]->log);
    err = disk_sync_fs(round->disk);
    if (err == 0)
        GQ_MARK(REPLICA_ROUND_TOGETHER);
    round->no_sync_fs = err == -EOPNOTSUPP;
    finish_all(round, err);
}

static void all_done(struct lane_work *work)
{
    struct replica_round *round = container_of(work, struct replica_round, work);

    for (size_t i = 0; i < round->n_syncs; i++)
        log_sync_done(&round->syncs[i]->log);
    round_end(round);
}

/* ---- Blocking, without checkpoints ---- */

static void sync_owner(void *owner)
{
    struct replica *r = owner;

    if (r->sync == NULL) /* it may have more than one dirty segment */
        sync_new(r, false);
}

int replica_round_blocking(struct replica_shard *shard)
{
    struct replica_round *round = round_of(shard);
    int err = 0;

    gq_assert(round->phase == REPLICA_ROUND_NONE && round->n_syncs == 0);
    round->disk = shard->env->disk;
    round->syncs = xcalloc(log_cache_dirty(shard->log_cache), sizeof(struct replica_sync *));
    log_cache_oldest_dirty(shard->log_cache, UINT_MAX, sync_owner);
    if (round->no_sync_fs)
        write_back_run(&round->work);
    all_run(&round->work);
    for (size_t i = 0; i < round->n_syncs; i++) {
        struct replica_sync *s = round->syncs[i];

        log_sync_done(&s->log);
        if (err == 0)
            err = s->log.error;
        s->replica->sync = NULL;
        sync_free(s);
    }
    free(TAKE_PTR(round->syncs));
    round->n_syncs = 0;
    return err;
}

/* ---- The start ---- */

static void sync_members(struct replica_shard *shard, size_t n)
{
    struct replica_round *round = round_of(shard);
    bool together = n >= SYNC_FS_MEMBERS && !round->no_sync_fs;
    struct replica *r;

    round->phase = REPLICA_ROUND_SYNCING;
    round->disk = shard->env->disk;
    round->syncs = xcalloc(n, sizeof(struct replica_sync *));
    round->n_begun = round->n_running = 0;
    list_foreach (&round->members, r, round_link) {
        sync_new(r, true);
        if (GQ_BUG(CHECKPOINT_BEFORE_SYNC))
            checkpoint(r, r->sync);
    }
    if (n == 1) {
        sync_some(shard);
        return;
    }
    round->work.run = together ? all_run : write_back_run;
    round->work.done = together ? all_done : write_back_done;
    lane_submit(shard->env->lane, LANE_POOL, shard->shard, &round->work);
}

/* Who waits for descriptors is checkpointed as far as it is stored, since it may hold them itself; false: it has none.
 */
static bool can_go(struct replica *r)
{
    r->round_index = r->checkpoint_wanted;
    if (!replica_lacks_files(r) || log_end(r->log).index >= r->checkpoint_wanted)
        return true;
    r->round_index = log_end(r->log).index;
    return log_is_dirty(r->log);
}

static bool is_put_off(const struct replica *r)
{
    return r->retry_ns > r->shard->now_ns || replica_awaits_image(r);
}

static void begin(struct replica_shard *shard)
{
    struct replica_round *round = round_of(shard);
    struct replica *r, *tmp;

    list_foreach_safe (&shard->checkpoints, r, tmp, round_link) {
        if (is_put_off(r) || !can_go(r))
            continue;
        list_remove(&r->round_link);
        list_append(&round->members, &r->round_link);
        round->phase = REPLICA_ROUND_STORING;
        replica_store_kick(r);
    }
}

/* Who can't store for now, or has to wait until this round makes descriptors free, goes on to a later one. False: some
 * are still at it. */
static bool all_stored(struct replica_shard *shard, size_t *ret_n)
{
    struct replica *r, *tmp;

    *ret_n = 0;
    list_foreach_safe (&round_of(shard)->members, r, tmp, round_link) {
        if (is_put_off(r) || (replica_lacks_files(r) && !can_go(r))) {
            list_remove(&r->round_link);
            list_append(&shard->checkpoints, &r->round_link);
        } else if (log_end(r->log).index < r->round_index) {
            return false;
        } else {
            ++*ret_n;
        }
    }
    return true;
}

void replica_round_poll(struct replica_shard *shard)
{
    struct replica_round *round = round_of(shard);
    size_t n;

    if (shard->dead || shard->at_rest)
        return;
    if (round->phase == REPLICA_ROUND_NONE)
        begin(shard);
    if (round->phase != REPLICA_ROUND_STORING || !all_stored(shard, &n))
        return;
    if (n > 0)
        sync_members(shard, n);
    else
        round->phase = REPLICA_ROUND_NONE;
}

void replica_checkpoint(struct replica *r, uint64_t index)
{
    r->checkpoint_wanted = MAX(r->checkpoint_wanted, MIN(index, r->applied_index));
    if (!list_is_linked(&r->round_link))
        want_again(r);
    replica_store_kick(r);
}

void replica_round_leave(struct replica *r)
{
    if (r->sync == NULL)
        list_remove(&r->round_link);
}
