/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/mark.h"
#include "replica/internal.h"

/* A range that was read ahead may have left the page cache again; smaller and smaller pieces are asked for, and in
 * the end an error that the client retries. */
#define READ_MAX_WARM_ROUNDS 8
#define READ_LARGE (64u << 10) /* from here on a file range is cheaper than memory; a copy has no more */
#define LENT_MIN (4u << 20)    /* readers may hold so much, however small the budget */
#define COPIES_SHARE 2 /* with more than half of it lent there are no copies: the rest is for what is in memory */

static void cold_run(struct lane_work *work)
{
    struct replica_op *op = container_of(work, struct replica_op, read.work);

    log_warm_run(&op->read.warm, op->read.replica->shard->env->lane);
}

static void copy_run(struct lane_work *work)
{
    struct replica_op *op = container_of(work, struct replica_op, read.work);

    log_copy_run(&op->read.copy, op->read.replica->shard->env->lane);
}

static void read_records(struct replica *r, struct replica_op *op);

/* The reader holds what it got until it sends a RELEASE. */
static void read_finish(struct replica *r, struct replica_op *op)
{
    r->n_reads++;
    replica_finish(r, op, 0, NULL);
}

/* As of the moment at which the records are taken: a cold file may have taken long. */
static void read_bounds(const struct replica *r, struct replica_op *op)
{
    op->read.ret_high_watermark = r->applied_offset;
    op->read.ret_last_stable = GQ_BUG(STABLE_NOT_COMMITTED) ? r->proposed_offset : r->applied_offset;
    op->read.ret_log_start = r->durable_start;
}

/* A worker is through. False: that was the end of the op. */
static bool read_goes_on(struct replica *r, struct replica_op *op, int err)
{
    list_remove(&op->link);
    if (r->destroyed) {
        replica_finish(r, op, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION, NULL);
        replica_settle(r);
        return false;
    }
    read_bounds(r, op);
    if (op->read.offset < r->durable_start || err == -ERANGE) /* retention was faster */
        replica_finish(r, op, KAFKA_E_OFFSET_OUT_OF_RANGE, NULL);
    else if (err != 0)
        replica_finish(r, op, KAFKA_E_KAFKA_STORAGE_ERROR, "the segment can't be read");
    else
        return true;
    return false;
}

static void read_by_worker(struct replica *r, struct replica_op *op, void (*run)(struct lane_work *work),
                           void (*done)(struct lane_work *work))
{
    op->read.replica = r;
    op->read.work.run = run;
    op->read.work.done = done;
    list_append(&wait_on(r)->cold, &op->link);
    lane_submit(r->shard->env->lane, LANE_POOL, r->shard->shard, &op->read.work);
}

void replica_tell_damage(struct replica *r, struct error_text *text)
{
    struct replica_shard *shard = r->shard;

    if (text != NULL && !r->destroyed && !shard->dead && shard->damaged != NULL)
        shard->damaged(shard->ctx, r, text->text);
    free(text);
}

/* With damage it goes on too: a copy has what is right before it, or fails. */
static void cold_done(struct lane_work *work)
{
    struct replica_op *op = container_of(work, struct replica_op, read.work);
    struct replica *r = op->read.replica;
    int err = op->read.warm.error;

    log_warm_done(&op->read.warm);
    replica_tell_damage(r, TAKE_PTR(op->read.warm.err));
    if (err < 0 && err != -ERANGE && !disk_is_shortage(err))
        err = 0;
    if (err == 0 && op->read.warm_rounds > READ_MAX_WARM_ROUNDS)
        err = -EAGAIN;
    if (read_goes_on(r, op, err))
        read_records(r, op);
}

static void read_cold(struct replica *r, struct replica_op *op)
{
    if (op->read.warm_rounds++ > 2)
        op->read.max_bytes /= 2;
    log_warm_prepare(r->log, &op->read.warm, op->read.offset, op->read.max_bytes);
    read_by_worker(r, op, cold_run, cold_done);
}

/* Readers that don't take their answers hold so much memory that nobody gets more of it. */
static bool is_lent_out(const struct replica_shard *shard, unsigned share)
{
    return shard->lent_bytes > MAX(shard->read_budget, (size_t)LENT_MIN) / share;
}

static void count_lent(struct replica_shard *shard, struct replica_op *op, size_t size)
{
    shard->lent_bytes += size - op->read.lent_bytes;
    op->read.lent_bytes = size;
}

static void copy_done(struct lane_work *work)
{
    struct replica_op *op = container_of(work, struct replica_op, read.work);
    struct replica *r = op->read.replica;
    struct log_copy *copy = &op->read.copy;
    uint8_t *data;

    log_copy_done(copy);
    replica_tell_damage(r, TAKE_PTR(copy->err));
    count_lent(r->shard, op, 0);
    data = TAKE_PTR(copy->data);
    if (!read_goes_on(r, op, copy->error)) {
        free(data);
        return;
    }
    if (op->read.min_one || copy->size <= op->read.max_bytes) {
        copy->data = TAKE_PTR(data);
        count_lent(r->shard, op, copy->size);
        buf_chain_append(&op->read.chain, NULL, copy->data, copy->size);
    }
    free(data);
    op->read.ret_size = op->read.chain.size;
    read_finish(r, op);
}

/* Readers hold as many segments as they may. A copy is made by a worker's descriptors, and holds memory in their place;
 * when there is none either, this partition has nothing for its reader until others are through. Nobody waits here: who
 * waited might hold what others wait for. */
static void read_copy(struct replica *r, struct replica_op *op)
{
    struct replica_shard *shard = r->shard;
    size_t max = MIN(op->read.max_bytes, (size_t)READ_LARGE);

    if (is_lent_out(shard, COPIES_SHARE)) {
        if (!op->read.urgent) {
            op->read.ret_put_off = true;
            read_finish(r, op);
            return;
        }
        max = MIN(max, (size_t)1); /* an entry */
    }
    GQ_MARK(REPLICA_READ_COPIED);
    log_copy_prepare(r->log, &op->read.copy, op->read.offset, max);
    count_lent(shard, op, op->read.copy.size);
    read_by_worker(r, op, copy_run, copy_done);
}

static void read_range(struct replica *r, struct replica_op *op)
{
    if (!op->read.min_one && op->read.range.size > op->read.max_bytes) {
        log_range_release(&op->read.range);
    } else {
        op->read.has_range = true;
        op->read.ret_size = op->read.range.size;
    }
    read_finish(r, op);
}

static void read_from_log(struct replica *r, struct replica_op *op)
{
    int rc;

    if (!log_may_lend(r->log, op->read.offset)) {
        read_copy(r, op);
        return;
    }
    rc = log_read(r->log, op->read.offset, r->applied_offset, op->read.max_bytes, &op->read.range);
    if (rc == -ERANGE)
        replica_finish(r, op, KAFKA_E_OFFSET_OUT_OF_RANGE, NULL);
    else if (rc < 0)
        read_cold(r, op); /* which also says what is wrong */
    else
        read_range(r, op);
}

/* Adds an entry's records to what was read. False: that was all. */
static bool read_entry(const struct replica *r, struct replica_op *op, const struct replica_entry *e)
{
    size_t size = e->batches.size;

    if (e->index > r->applied_index || op->read.chain.n == REPLICA_READ_MAX_LINKS)
        return false;
    if (size == 0)
        return true;
    if (op->read.chain.size + size > op->read.max_bytes && !(op->read.min_one && op->read.chain.size == 0))
        return false;
    buf_chain_append(&op->read.chain, e->buf, e->batches.data, size);
    return true;
}

static bool read_tail(const struct replica *r, struct replica_op *op, const struct replica_tail *t)
{
    for (uint32_t i = tail_find_offset(t, op->read.offset); i < tail_count(t); i++) {
        if (!read_entry(r, op, tail_at(t, i)))
            return false;
    }
    return true;
}

/* Kept entries, then those that aren't stored yet. */
static void read_from_memory(struct replica *r, struct replica_op *op)
{
    if (read_tail(r, op, &r->kept))
        read_tail(r, op, &r->tail);
    op->read.ret_size = op->read.chain.size;
    count_lent(r->shard, op, buf_chain_memory(&op->read.chain));
    read_finish(r, op);
}

static bool tail_covers(const struct replica_tail *t, int64_t offset)
{
    return tail_count(t) > 0 && tail_at(t, 0)->header.first_offset <= offset;
}

/* Whether the segment has as much for this read as makes sendfile worth its while. */
static bool is_large_read(const struct replica *r, const struct replica_op *op)
{
    size_t size = 0;

    for (uint32_t i = tail_find_offset(&r->kept, op->read.offset); i < tail_count(&r->kept) && size < READ_LARGE; i++) {
        const struct entry_header *h = &tail_at(&r->kept, i)->header;

        if (size + h->batches_size > op->read.max_bytes && size > 0)
            break;
        size += h->batches_size;
    }
    return size >= READ_LARGE;
}

/* A large range that left the page cache already comes from memory too, rather than from the disk. */
static void read_from_kept(struct replica *r, struct replica_op *op)
{
    if (is_large_read(r, op) && log_may_lend(r->log, op->read.offset) &&
        log_read(r->log, op->read.offset, r->applied_offset, op->read.max_bytes, &op->read.range) == 0)
        read_range(r, op);
    else
        read_from_memory(r, op);
}

/* What isn't stored yet is then there for readers as soon as it is; the answer until then is that there is nothing. */
static void read_stored(struct replica *r, struct replica_op *op)
{
    if (tail_covers(&r->tail, op->read.offset))
        read_finish(r, op);
    else
        read_from_log(r, op);
}

static void read_records(struct replica *r, struct replica_op *op)
{
    if (is_lent_out(r->shard, 1))
        read_stored(r, op);
    else if (tail_covers(&r->tail, op->read.offset))
        read_from_memory(r, op);
    else if (tail_covers(&r->kept, op->read.offset))
        read_from_kept(r, op);
    else
        read_from_log(r, op);
}

/* KIP-320: the consumer's last batch is of an epoch that ended before its position here: it read what isn't in this
 * log, and is told where to go on. */
static bool read_diverges(struct replica *r, struct replica_op *op)
{
    uint64_t epoch;
    int64_t end;

    if (op->read.last_fetched_epoch < 0)
        return false;
    if (replica_find_epoch(r, (uint64_t)op->read.last_fetched_epoch, &epoch, &end) < 0)
        return false;
    if ((int64_t)epoch == op->read.last_fetched_epoch && end >= op->read.offset)
        return false;
    op->read.ret_diverging_epoch = (int32_t)epoch;
    op->read.ret_diverging_offset = end;
    return true;
}

static void read_init(const struct replica *r, struct replica_op *op)
{
    buf_chain_init(&op->read.chain, r->shard->blocks);
    op->read.has_range = false;
    op->read.ret_size = 0;
    op->read.ret_put_off = false;
    op->read.warm_rounds = 0;
    op->read.copy.data = NULL;
    op->read.lent_bytes = 0;
    op->read.ret_diverging_epoch = -1;
    read_bounds(r, op);
}

/* The offset isn't beyond the end, or surely there is nothing. */
static void read_now(struct replica *r, struct replica_op *op)
{
    if (op->read.offset < r->durable_start || op->read.offset > r->applied_offset)
        replica_finish(r, op, KAFKA_E_OFFSET_OUT_OF_RANGE, NULL);
    else if (read_diverges(r, op) || op->read.offset == r->applied_offset)
        read_finish(r, op);
    else
        read_records(r, op);
}

/* Clients that are told of an offset out of range go elsewhere for good. A leader that was cut off doesn't know of
 * records that a later one has, which somebody may have read: so that there is nothing beyond the end is told only by
 * who surely leads. */
void replica_read(struct replica *r, struct replica_op *op)
{
    read_init(r, op);
    if (r->peers != NULL && op->read.offset > r->applied_offset && !GQ_BUG(HIGH_WATERMARK_TAKEN_BACK))
        replica_core_read(r, op);
    else
        read_now(r, op);
}

void replica_read_as_leader(struct replica *r, struct replica_op *op)
{
    list_remove(&op->link);
    read_init(r, op);
    read_now(r, op);
}

void replica_read_late(struct replica *r, struct replica_op *op)
{
    list_remove(&op->link);
    wait_over(r);
    read_init(r, op);
    if (replica_leads(r))
        read_finish(r, op);
    else
        replica_finish(r, op, KAFKA_E_OFFSET_NOT_AVAILABLE, NULL);
}

void replica_release(struct replica *r, struct replica_op *op)
{
    struct replica_op *read = op->release.target;

    r->shard->n_fetched_bytes += read->read.ret_size;
    buf_chain_fini(&read->read.chain);
    free(TAKE_PTR(read->read.copy.data));
    count_lent(r->shard, read, 0);
    if (read->read.has_range) {
        log_range_release(&read->read.range);
        read->read.has_range = false;
    }
    r->n_reads--;
    replica_finish(r, op, 0, NULL);
    if (r->destroyed)
        replica_settle(r);
    else if (r->n_reads == 0)
        replica_store_continue(r); /* files may have waited for this reader to go */
}

void replica_watch(struct replica *r, struct replica_op *op)
{
    if (op->watch.offset < r->applied_offset)
        replica_finish(r, op, 0, NULL);
    else
        list_append(&wait_on(r)->watchers, &op->link);
}

void replica_cancel(struct replica *r, struct replica_op *op)
{
    struct replica_op *target = op->cancel.target;

    if (target->kind == REPLICA_PRODUCE)
        replica_unhold(r, target, KAFKA_E_NOT_ENOUGH_REPLICAS, "write_cache_size is used up");
    else if (list_is_linked(&target->link))
        replica_finish(r, target, REPLICA_OP_CANCELED, NULL);
    replica_finish(r, op, 0, NULL);
}
