/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/mark.h"
#include "replica/internal.h"

/* What is asked of a member that isn't an open leader. A new leader doesn't know all that is committed before its own
 * first entry is: what it does know may be read, the end of the log isn't told, and the rest waits till it opens. A
 * follower sends clients away, but for readers that may have it from anyone: these wait for what it hasn't applied, and
 * never hear from it that there is no such offset. Neither waits longer than its reader.
 *
 * A client sends several batches at once, so those behind one that was refused may come when the group is here and
 * leads. Where there was no replica yet, nor the topic, the refusal is noted elsewhere, and reaches it before them. */

void replica_shard_note_refusal(struct replica_shard *shard, const struct replica_op *op)
{
    const struct batch_view *v = &op->produce.batch;

    if (op->kind != REPLICA_PRODUCE || v->producer_id < 0)
        return;
    GQ_MARK(REPLICA_REFUSED_UNMADE);
    producer_refusals_note(&shard->refusals, op->group, v->producer_id, v->producer_epoch, v->base_sequence);
    if (op->produce.has_refused)
        producer_refusals_note(&shard->refusals, op->group, v->producer_id, op->produce.refused_epoch,
                               op->produce.refused_sequence);
}

void replica_take_refusals(struct replica *r)
{
    struct producer_refusal f;

    while (producer_refusals_take_any(&r->shard->refusals, r->group, &f))
        producer_refuse(replica_producers(r), f.producer_id, f.epoch, f.first_sequence);
}

void replica_take_refusal(struct replica *r, const struct replica_op *op)
{
    producer_refuse(replica_producers(r), op->produce.batch.producer_id, op->produce.refused_epoch,
                    op->produce.refused_sequence);
}

static bool is_latest(const struct replica_op *op)
{
    return op->kind == REPLICA_LIST_OFFSETS && op->list_offsets.timestamp != LIST_OFFSETS_EARLIEST;
}

/* A follower's end is an answer as well: more can be watched for. */
static bool can_read(const struct replica *r, const struct replica_op *op)
{
    return op->kind == REPLICA_READ && (op->read.offset < r->applied_offset || GQ_BUG(HIGH_WATERMARK_TAKEN_BACK) ||
                                        (op->read.offset == r->applied_offset && !replica_leads(r)));
}

static void park(struct replica *r, struct replica_op *op)
{
    GQ_MARK(REPLICA_PARKED);
    list_append(&wait_on(r)->parked, &op->link);
    if (r->peers != NULL && op->kind == REPLICA_READ && op->read.wait_until_ns != 0 &&
        !list_is_linked(&r->peers->parking_link))
        list_append(&r->shard->parking, &r->peers->parking_link);
}

static void submit_to_follower(struct replica *r, struct replica_op *op)
{
    if (op->follower && can_read(r, op)) {
        replica_read(r, op);
    } else if (op->follower && op->kind == REPLICA_READ) {
        park(r, op);
    } else if (op->follower && op->kind == REPLICA_WATCH) {
        replica_watch(r, op);
    } else {
        if (op->kind == REPLICA_PRODUCE) /* this node may lead by the time the next batch of its producer comes */
            replica_note_refusal(r, op);
        replica_finish(r, op, KAFKA_E_NOT_LEADER_OR_FOLLOWER, NULL);
    }
}

void replica_submit_early(struct replica *r, struct replica_op *op)
{
    int16_t error = r->peers != NULL ? replica_epoch_error(r, op) : 0;

    if (error != 0)
        replica_finish(r, op, error, NULL);
    else if (!replica_leads(r))
        submit_to_follower(r, op);
    else if (r->peers != NULL && is_latest(op))
        replica_finish(r, op, KAFKA_E_OFFSET_NOT_AVAILABLE, NULL);
    else if (r->peers != NULL && can_read(r, op))
        replica_read(r, op);
    else
        park(r, op);
}

void replica_parked_run(struct replica *r)
{
    struct replica_op *op, *tmp;

    list_foreach_safe (&r->waiters->parked, op, tmp, link)
        if (can_read(r, op)) {
            list_remove(&op->link);
            wait_over(r);
            replica_submit(r, op);
        }
}

/* Returns when the next one has. */
static uint64_t end_late_reads(struct replica *r)
{
    uint64_t next = UINT64_MAX;
    struct replica_op *op, *tmp;

    list_foreach_safe (&r->waiters->parked, op, tmp, link) {
        if (op->kind != REPLICA_READ || op->read.wait_until_ns == 0)
            continue;
        if (op->read.wait_until_ns <= r->shard->now_ns)
            replica_read_late(r, op);
        else
            next = MIN(next, op->read.wait_until_ns);
    }
    return next;
}

uint64_t replica_parked_poll(struct replica_shard *shard)
{
    uint64_t next = UINT64_MAX;
    struct replica_peers *p, *tmp;

    list_foreach_safe (&shard->parking, p, tmp, parking_link) {
        uint64_t due = end_late_reads(p->replica);

        if (due == UINT64_MAX)
            list_remove(&p->parking_link);
        next = MIN(next, due);
    }
    return next;
}
