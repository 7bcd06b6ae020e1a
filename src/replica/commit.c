/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/endian.h"
#include "base/mark.h"
#include "replica/internal.h"
#include "wire/batch.h"

static int apply_batches(struct replica *r, uint64_t index, const struct entry *entry)
{
    int64_t offset = entry->header.first_offset;
    struct batch_iter it;
    struct batch_view v;

    batch_iter_init(&it, entry->batches.data, entry->batches.size);
    while (batch_next(&it, &v)) {
        if (v.base_offset != offset)
            return -EBADMSG;
        offset += v.count;
        if (v.producer_id < 0 || (GQ_BUG(PRODUCERS_OF_LEADER_ONLY) && r->peers != NULL && !r->peers->leads))
            continue;
        producer_apply(replica_producers(r), v.producer_id, v.producer_epoch, v.base_sequence, v.count, index,
                       v.base_offset, entry->header.append_time_ms, v.max_timestamp);
    }
    return it.error == BATCH_OK && offset == entry->header.first_offset + entry->header.offset_count ? 0 : -EBADMSG;
}

static int apply_command(struct replica *r, uint64_t index, uint64_t term, uint32_t checksum,
                         const struct entry_command *command, int16_t *ret_result)
{
    switch (command->kind) {
    case COMMAND_SET_LOG_START:
        if (command->body.size != 8)
            return -EBADMSG;
        if (GQ_BUG(LOG_START_OF_LEADER_ONLY) && r->peers != NULL && !r->peers->leads)
            return 0;
        r->log_start = MAX(r->log_start, MIN((int64_t)load_le64(command->body.data), r->applied_offset));
        return 0;
    case COMMAND_METADATA:
        if (r->machine == NULL)
            return -EBADMSG;
        if (index > r->machine->apply_after)
            r->machine->apply(r->machine->apply_ctx, index, term, checksum, command->body, ret_result);
        return 0;
    default:
        return -EBADMSG;
    }
}

static int apply_config(struct replica *r, uint64_t index, const struct entry *entry)
{
    struct replica_members members;

    if (replica_entry_members(entry, &members) < 0)
        return -EBADMSG;
    replica_config_applied(r, index, &members);
    return 0;
}

int replica_apply_state(struct replica *r, uint64_t index, uint64_t term, uint32_t checksum, const struct entry *entry,
                        int16_t *ret_result)
{
    struct entry_command command;
    size_t pos = 0;
    int rc;

    if (replica_image_is_stale(r, index, term, checksum))
        return REPLICA_E_STALE_IMAGE;
    if (index > r->state_index) {
        rc = apply_batches(r, index, entry);
        if (rc < 0)
            return rc;
    }
    if (entry->header.type == ENTRY_CONFIG)
        return apply_config(r, index, entry);
    while ((rc = entry_command_next(entry->commands, &pos, &command)) > 0) {
        rc = apply_command(r, index, term, checksum, &command, ret_result);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static void produce_result(const struct replica *r, const struct replica_entry *e, struct replica_op *op)
{
    op->produce.ret_base_offset = e->header.first_offset;
    op->produce.ret_append_time_ms = r->limits.log_append_time ? e->header.append_time_ms : -1;
    op->produce.ret_log_start = r->durable_start;
}

void replica_produce_done(struct replica *r, const struct replica_entry *e, struct replica_op *op)
{
    produce_result(r, e, op);
    replica_finish(r, op, 0, NULL);
}

/* It is committed. */
static void produce_applied(struct replica *r, const struct replica_entry *e, struct replica_op *op)
{
    produce_result(r, e, op);
    if (r->peers == NULL || !replica_acks_wait(r, op, e->index))
        replica_finish(r, op, 0, NULL);
}

void replica_answer(struct replica *r, struct replica_entry *e, int16_t result)
{
    struct replica_command *command = TAKE_PTR(e->command);
    struct replica_op *op = TAKE_PTR(e->op);
    struct list *link;

    if (op != NULL)
        produce_applied(r, e, op);
    while ((link = list_pop(&e->duplicates)) != NULL)
        produce_applied(r, e, list_entry(link, struct replica_op, link));
    if (command != NULL)
        command->done(command, result);
}

/* The snapshot that goes with a new segment is the state before its first entry, from which an image may begin. After a
 * start that found a later state than the log's end there is none, but for one that is on the disk. */
static void plan_segment(struct replica *r, struct replica_entry *e)
{
    struct wr w;

    e->roll = log_plan(r->log, e->header.batches_size, e->header.append_time_ms, e->index > r->state_index);
    if (!e->roll || r->applied_index == 0 || (e->index <= r->state_index && log_has_begun(r->log, r->applied_index)))
        return;
    wr_init_growing(&w, 256, REPLICA_SNAPSHOT_MAX);
    replica_snapshot_write(r, &w);
    e->snapshot = wr_take(&w, &e->snapshot_size);
    gq_assert(e->snapshot != NULL);
}

int replica_apply(struct replica *r, struct replica_entry *e)
{
    const struct entry entry = {
        .header = e->header,
        .commands = slice_make(e->head.data + ENTRY_HEADER_SIZE, e->head.size - ENTRY_HEADER_SIZE),
        .batches = e->batches,
    };
    int16_t result = 0;
    int rc;

    gq_assert(e->index == r->applied_index + 1);
    gq_assert(e->header.first_offset == r->applied_offset);
    plan_segment(r, e);
    rc = replica_apply_state(r, e->index, e->term, e->checksum, &entry, &result);
    if (rc != 0)
        return rc;
    if (e->unapplied)
        replica_note_applied(e);
    r->applied_index = e->index;
    r->applied_term = e->term;
    r->applied_checksum = e->checksum;
    r->applied_offset += e->header.offset_count;
    r->shard->n_produced_records += e->header.offset_count;
    r->shard->n_produced_bytes += e->header.batches_size;
    r->shard->n_produced_batches += e->header.offset_count > 0;
    replica_answer(r, e, result);
    replica_mark_dirty(r, e->header.batches_size);
    return 0;
}

void replica_wake(struct replica *r)
{
    struct replica_op *op, *tmp;

    list_foreach_safe (&r->waiters->watchers, op, tmp, link) {
        if (op->watch.offset < r->applied_offset)
            replica_finish(r, op, 0, NULL);
    }
}

void replica_commit(struct replica *r, uint64_t index)
{
    int64_t before = r->applied_offset;

    gq_assert(index <= r->last_index);
    while (r->applied_index < index)
        gq_assert(replica_apply(r, tail_by_index(&r->tail, r->applied_index + 1)) == 0);
    if (!r->open && r->applied_term == r->term && replica_leads(r))
        replica_opened(r);
    if (r->applied_offset > before && !list_is_empty(&r->waiters->watchers))
        replica_wake(r);
    if (r->peers != NULL && !r->open && !list_is_empty(&r->waiters->parked))
        replica_parked_run(r);
    if (r->log_start > r->durable_start && !r->start_in_flight)
        replica_journal_start(r);
}

/* One flush is one completion for the core, told with the last of the group's entries in it. */
static bool is_last_of_flush(const struct replica_entry *e)
{
    const struct replica *r = e->replica;

    return e->index == r->last_index || tail_by_index(&r->tail, e->index + 1)->request.lsn != e->request.lsn;
}

void replica_entry_flushed(struct journal_request *request)
{
    struct replica_entry *e = container_of(request, struct replica_entry, request);
    struct replica *r = e->replica;

    e->flushed = true;
    if (e->voided) {
        GQ_MARK(REPLICA_FLUSHED_IN_VAIN);
        if (GQ_BUG(RAFT_STALE_COMPLETION) && !r->destroyed)
            replica_core_flushed(r, e);
        list_remove(&e->kept_link);
        replica_entry_free(e);
    } else if (!r->destroyed && is_last_of_flush(e)) {
        replica_core_flushed(r, e);
    }
    if (r->destroyed)
        replica_settle(r);
}
