/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/mark.h"
#include "replica/internal.h"

/* Only committed entries count. What isn't in segments yet has the newest epochs. */
int replica_find_epoch(const struct replica *r, uint64_t epoch, uint64_t *ret_epoch, int64_t *ret_offset)
{
    int64_t end = r->applied_offset;

    for (uint32_t i = tail_count(&r->tail); i > 0; i--) {
        const struct replica_entry *e = tail_at(&r->tail, i - 1);

        if (e->index > r->applied_index)
            continue;
        if (e->term <= epoch) {
            *ret_epoch = e->term;
            *ret_offset = end;
            return 0;
        }
        end = e->header.first_offset;
    }
    return log_epoch_end(r->log, epoch, end, ret_epoch, ret_offset);
}

int32_t replica_epoch_of_offset(const struct replica *r, int64_t offset)
{
    uint32_t i;

    if (tail_count(&r->tail) == 0 || offset < tail_at(&r->tail, 0)->header.first_offset)
        return log_epoch_at(r->log, offset);
    i = tail_find_offset(&r->tail, offset);
    return (int32_t)(i < tail_count(&r->tail) ? tail_at(&r->tail, i)->term : r->term);
}

static void query_run(struct lane_work *work)
{
    struct replica_op *op = container_of(work, struct replica_op, list_offsets.work);

    log_time_run(&op->list_offsets.query);
}

static void query_done(struct lane_work *work)
{
    struct replica_op *op = container_of(work, struct replica_op, list_offsets.work);
    struct log_time_query *query = &op->list_offsets.query;
    struct replica *r = op->list_offsets.replica;

    log_time_done(query);
    replica_tell_damage(r, TAKE_PTR(query->err));
    list_remove(&op->link);
    op->list_offsets.ret_offset = query->offset;
    op->list_offsets.ret_timestamp = query->timestamp_ms;
    op->list_offsets.ret_leader_epoch = query->leader_epoch;
    replica_finish(r, op, query->error != 0 ? KAFKA_E_KAFKA_STORAGE_ERROR : 0, NULL);
    if (r->destroyed)
        replica_settle(r);
}

static void query_start(struct replica *r, struct replica_op *op)
{
    struct log_time_query *query = &op->list_offsets.query;

    op->list_offsets.replica = r;
    query->log = r->log;
    query->target_ms =
        op->list_offsets.timestamp == LIST_OFFSETS_MAX_TIMESTAMP ? LOG_TIME_MAX : op->list_offsets.timestamp;
    query->max_offset = op->list_offsets.ret_offset;
    log_time_prepare(r->log, query);
    op->list_offsets.work.run = query_run;
    op->list_offsets.work.done = query_done;
    list_append(&wait_on(r)->cold, &op->link);
    lane_submit(r->shard->env->lane, LANE_POOL, r->shard->shard, &op->list_offsets.work);
}

/* A time look-up has to open batches, which a reactor doesn't do: it waits until all that was visible when it came
 * is in segments, and runs on a worker. */
void replica_queries_run(struct replica *r)
{
    struct replica_op *op, *tmp;

    list_foreach_safe (&r->waiters->queries, op, tmp, link) {
        if (log_end(r->log).next_offset < op->list_offsets.ret_offset)
            continue;
        list_remove(&op->link);
        query_start(r, op);
    }
}

static uint64_t n_behind(const struct replica *r)
{
    return r->applied_index - log_end(r->log).index;
}

void replica_end_read(struct replica *r, struct replica_op *op)
{
    op->list_offsets.ret_offset = r->applied_offset;
    op->list_offsets.ret_leader_epoch = (int32_t)r->term;
    replica_finish(r, op, 0, NULL);
}

void replica_list_offsets(struct replica *r, struct replica_op *op)
{
    op->list_offsets.ret_timestamp = -1;
    switch (op->list_offsets.timestamp) {
    case LIST_OFFSETS_LATEST:
        if (r->peers != NULL && !GQ_BUG(END_TOLD_WITHOUT_ROUND))
            replica_core_read(r, op);
        else
            replica_end_read(r, op);
        return;
    case LIST_OFFSETS_EARLIEST:
        op->list_offsets.ret_offset = r->durable_start;
        op->list_offsets.ret_leader_epoch = replica_epoch_of_offset(r, r->durable_start);
        replica_finish(r, op, 0, NULL);
        return;
    default:
        if (op->list_offsets.timestamp < 0 && op->list_offsets.timestamp != LIST_OFFSETS_MAX_TIMESTAMP) {
            replica_finish(r, op, KAFKA_E_UNSUPPORTED_VERSION, "unknown special timestamp");
            return;
        }
        if (r->blocked && n_behind(r) > 0) {
            replica_finish(r, op, KAFKA_E_KAFKA_STORAGE_ERROR, NULL);
            return;
        }
        op->list_offsets.ret_offset = r->applied_offset;
        list_append(&wait_on(r)->queries, &op->link);
        replica_store_continue(r);
    }
}

void replica_epoch_end(struct replica *r, struct replica_op *op)
{
    uint64_t epoch;

    op->epoch_end.ret_epoch = -1;
    op->epoch_end.ret_end_offset = -1;
    if (op->epoch_end.epoch >= 0 && (uint64_t)op->epoch_end.epoch <= r->term &&
        replica_find_epoch(r, (uint64_t)op->epoch_end.epoch, &epoch, &op->epoch_end.ret_end_offset) == 0)
        op->epoch_end.ret_epoch = (int32_t)epoch;
    replica_finish(r, op, 0, NULL);
}

void replica_delete_records(struct replica *r, struct replica_op *op)
{
    if (op->delete_records.offset == -1)
        op->delete_records.offset = r->applied_offset;
    if (op->delete_records.offset < 0 || op->delete_records.offset > r->applied_offset) {
        replica_finish(r, op, KAFKA_E_OFFSET_OUT_OF_RANGE, NULL);
        return;
    }
    if (op->delete_records.offset <= r->durable_start) {
        op->delete_records.ret_low_watermark = r->durable_start;
        replica_finish(r, op, 0, NULL);
        return;
    }
    if (!replica_takes_proposals(r)) {
        replica_finish(r, op, KAFKA_E_NOT_LEADER_OR_FOLLOWER, NULL);
        return;
    }
    list_append(&wait_on(r)->deletes, &op->link);
    GQ_MARK(REPLICA_RECORDS_DELETED);
    if (op->delete_records.offset > r->start_proposed)
        replica_propose_log_start(r, op->delete_records.offset);
    if (GQ_BUG(DELETE_TOLD_EARLY)) {
        op->delete_records.ret_low_watermark = op->delete_records.offset;
        replica_finish(r, op, 0, NULL);
    }
}

void replica_describe_producers(struct replica *r, struct replica_op *op)
{
    size_t n = r->producers != NULL ? producer_count(r->producers) : 0;

    op->describe_producers.ret_producers = NULL;
    op->describe_producers.ret_n_producers = n;
    if (n > 0) {
        op->describe_producers.ret_producers = xcalloc(n, sizeof(struct producer_info));
        producer_list(r->producers, op->describe_producers.ret_producers);
    }
    replica_finish(r, op, 0, NULL);
}

void replica_describe_log(struct replica *r, struct replica_op *op)
{
    op->describe_log.ret_size_bytes = replica_size_bytes(r);
    op->describe_log.ret_log_start = r->durable_start;
    op->describe_log.ret_end_offset = r->applied_offset;
    replica_finish(r, op, 0, NULL);
}
