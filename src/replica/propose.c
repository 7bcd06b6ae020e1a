/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/mark.h"
#include "replica/internal.h"
#include "wire/batch.h"

#define ENTRY_ROOM ALIGN_UP(sizeof(struct replica_entry), BUF_ALIGN)

/* A batch from here on stays in its frame, if it is most of it: copying costs more than what else the frame keeps. */
#define KEEP_FRAME_BYTES (32u << 10)

/* Besides the buffer: its places in the tail and in the job that takes it to its segment. */
#define PLACES_SIZE (sizeof(struct replica_entry *) * 4 + sizeof(struct log_append_entry))

static size_t plain_cost(size_t envelope_size)
{
    return buf_footprint(ENTRY_ROOM + envelope_size) + PLACES_SIZE;
}

static size_t frame_cost(const struct buf *frame)
{
    return plain_cost(ENTRY_HEADER_SIZE) + frame->capacity;
}

static bool keeps_frame(const struct replica_op *op)
{
    size_t size = op->produce.batch.size;

    return op->produce.frame != NULL && size >= KEEP_FRAME_BYTES && size >= op->produce.frame->capacity / 2;
}

size_t replica_produce_cost(const struct replica_op *op)
{
    return keeps_frame(op) ? frame_cost(op->produce.frame) : plain_cost(ENTRY_HEADER_SIZE + op->produce.batch.size);
}

uint32_t replica_produce_size(const struct replica_op *op)
{
    return (uint32_t)(ENTRY_HEADER_SIZE + op->produce.batch.size);
}

/* A frame on its way back to the reactor that it belongs to. */
struct frame_return {
    struct lane_mail mail;
    struct buf *frame;
};

static void frame_came_home(struct lane_mail *m)
{
    struct frame_return *f = container_of(m, struct frame_return, mail);

    buf_unref(f->frame);
    free(f);
}

/* With the last reference on an entry: a reader may have held it longer than the replica did. */
static void entry_released(struct buf *b)
{
    struct replica_entry *e = (struct replica_entry *)b->data;
    struct replica_shard *shard = e->shard;
    struct frame_return *f;

    if (e->lent)
        shard->lent_bytes -= e->cost;
    if (e->frame == NULL)
        return;
    if (e->frame_home == shard->env->lane->reactor || shard->ended) {
        buf_unref(e->frame);
        return;
    }
    f = xmalloc(sizeof(*f));
    f->frame = e->frame;
    f->mail.deliver = frame_came_home;
    lane_post(shard->env->lane, e->frame_home, &f->mail);
}

/* size: of the envelope, or of what comes before its batches when they stay in a frame. */
static struct replica_entry *entry_new(struct replica *r, size_t size)
{
    struct buf *b = buf_new(r->shard->pool, ENTRY_ROOM + size);
    struct replica_entry *e;

    if (b == NULL)
        return NULL;
    b->size = ENTRY_ROOM + size;
    b->release = entry_released;
    e = (struct replica_entry *)b->data;
    *e = (struct replica_entry){
        .buf = b,
        .shard = r->shard,
        .replica = r,
        .head = slice_make(b->data + ENTRY_ROOM, size),
    };
    list_init(&e->duplicates);
    list_init(&e->request.link);
    list_init(&e->kept_link);
    return e;
}

void replica_entry_let_go(struct replica_entry *e)
{
    if (e->buf->refs > 1) {
        e->lent = true;
        e->shard->lent_bytes += e->cost;
    }
    buf_unref(e->buf);
}

void replica_entry_free(struct replica_entry *e)
{
    replica_uncharge(e);
    free(e->snapshot);
    e->snapshot = NULL;
    replica_entry_let_go(e);
}

/* Takes its place at the end of the log as proposed. */
static void entry_append(struct replica *r, struct replica_entry *e, uint64_t term, uint32_t checksum)
{
    gq_assert(e->header.first_offset == r->proposed_offset);
    e->index = ++r->last_index;
    e->term = term;
    e->checksum = checksum;
    r->proposed_offset += e->header.offset_count;
    r->last_append_time = e->header.append_time_ms;
    e->cost = buf_memory(e->buf) + (e->frame != NULL ? e->frame->capacity : 0) + PLACES_SIZE;
    replica_charge(e);
    if (r->peers != NULL)
        replica_note_unapplied(e);
    r->proposed_bytes += replica_entry_size(e);
    tail_push(&r->tail, e);
}

/* All metadata is: it tells that a group has left the node, with what it holds of the journal. */
static bool is_awaited(const struct replica *r, const struct replica_entry *e)
{
    if (r->peers == NULL || !replica_has_core(r))
        return false;
    return r->machine != NULL || (e->index > raft_commit_index(r->raft) &&
                                  replica_is_awaited(e->term, raft_term(r->raft), replica_entry_size(e)));
}

void replica_journal_entry(struct replica *r, struct replica_entry *e)
{
    e->waits = false;
    e->request.kind = JOURNAL_ENTRY;
    e->request.group = r->group;
    e->request.index = e->index;
    e->request.term = e->term;
    e->request.prev_checksum = r->last_checksum;
    e->request.checksum = e->checksum;
    e->request.data[0] = e->head;
    e->request.data[1] = e->batches;
    e->request.awaited = is_awaited(r, e);
    e->request.done = replica_entry_flushed;
    e->request.owner = r->in_journal;
    r->last_checksum = e->checksum;
    journal_append(r->shard->journal, &e->request);
    r->in_journal = e->request.owner;
}

static void entry_propose(struct replica *r, struct replica_entry *e, uint32_t checksum)
{
    entry_append(r, e, r->term, checksum);
    if (replica_core_append(r, e))
        replica_journal_entry(r, e);
}

static int64_t append_time(const struct replica *r)
{
    return MAX(r->last_append_time, r->shard->now_real_ms);
}

static struct entry_header header_make(const struct replica *r, enum entry_type type, int64_t time_ms)
{
    return (struct entry_header){
        .version = ENTRY_VERSION,
        .type = (uint8_t)type,
        .append_time_ms = time_ms,
        .first_offset = r->proposed_offset,
    };
}

/* The envelope's checksum takes no second pass over the records: the batch's own CRC, checked on arrival, covers all
 * that isn't patched. */
static uint32_t batch_envelope_checksum(const struct replica_entry *e)
{
    uint32_t patched = crc32c(crc32c(0, e->head.data, e->head.size), e->batches.data, BATCH_CRC_START);

    return crc32c_combine(patched, load_be32(e->batches.data + offsetof(struct batch_header, crc)),
                          e->batches.size - BATCH_CRC_START);
}

static struct replica_entry *entry_with_batch(struct replica *r, struct replica_op *op)
{
    const struct batch_view *v = &op->produce.batch;
    bool keep = keeps_frame(op);
    struct replica_entry *e = entry_new(r, ENTRY_HEADER_SIZE + (keep ? 0 : v->size));

    if (e == NULL)
        return NULL;
    if (keep) {
        e->frame = TAKE_PTR(op->produce.frame);
        e->frame_home = op->home_reactor;
        e->batches = slice_make(v->data, v->size);
    } else {
        e->head.size = ENTRY_HEADER_SIZE;
        e->batches = slice_make(e->head.data + ENTRY_HEADER_SIZE, v->size);
        memcpy((uint8_t *)e->batches.data, v->data, v->size);
    }
    return e;
}

static struct replica_entry *propose_batch(struct replica *r, struct replica_op *op)
{
    const struct batch_view *v = &op->produce.batch;
    struct replica_entry *e = entry_with_batch(r, op);
    uint8_t *batch;

    if (e == NULL)
        return NULL;
    e->header = header_make(r, ENTRY_DATA, append_time(r));
    e->header.offset_count = (uint32_t)v->count;
    e->header.batches_size = (uint32_t)v->size;
    entry_header_write(&e->header, (uint8_t *)e->head.data);
    batch = (uint8_t *)e->batches.data;
    batch_set_base_offset(batch, e->header.first_offset);
    batch_set_leader_epoch(batch, (int32_t)r->term);
    if (r->limits.log_append_time)
        batch_set_append_time(batch, v->size, e->header.append_time_ms);
    entry_propose(r, e, batch_envelope_checksum(e));
    return e;
}

static struct replica_entry *plain_entry(struct replica *r, enum entry_type type, int64_t time_ms, uint16_t command,
                                         struct slice body)
{
    size_t commands_size = type == ENTRY_NOOP ? 0 : ENTRY_COMMAND_HEADER_SIZE + body.size;
    struct replica_entry *e = entry_new(r, ENTRY_HEADER_SIZE + commands_size);
    uint8_t *head;

    if (e == NULL)
        return NULL;
    head = (uint8_t *)e->head.data;
    e->header = header_make(r, type, time_ms);
    e->header.commands_size = (uint32_t)commands_size;
    entry_header_write(&e->header, head);
    if (commands_size > 0) {
        entry_command_header_write(head + ENTRY_HEADER_SIZE, command, 1, (uint32_t)body.size);
        memcpy(head + ENTRY_HEADER_SIZE + ENTRY_COMMAND_HEADER_SIZE, body.data, body.size);
    }
    return e;
}

static struct replica_entry *propose_plain(struct replica *r, enum entry_type type, uint16_t command, struct slice body)
{
    struct replica_entry *e = plain_entry(r, type, append_time(r), command, body);

    if (e != NULL)
        entry_propose(r, e, crc32c(0, e->head.data, e->head.size));
    return e;
}

/* Term 1 is nobody's: whoever campaigns goes on to the next. */
void replica_found(struct replica *r, struct slice command, int64_t time_ms)
{
    struct replica_entry *e = plain_entry(r, ENTRY_COMMAND, time_ms, COMMAND_METADATA, command);

    gq_assert(e != NULL && r->last_index == 0 && r->peers != NULL);
    r->term = 1;
    r->known = true;
    r->peers->founded = true;
    replica_journal_state(r, JOURNAL_HARD_STATE, &(struct journal_group_state){ .term = 1, .vote = RAFT_NONE });
    entry_append(r, e, r->term, crc32c(0, e->head.data, e->head.size));
    replica_journal_entry(r, e);
    gq_assert(replica_apply(r, e) == 0);
}

void replica_propose_noop(struct replica *r)
{
    gq_assert(propose_plain(r, ENTRY_NOOP, 0, SLICE_NULL) != NULL);
}

void replica_propose_log_start(struct replica *r, int64_t offset)
{
    uint8_t body[8];

    store_le64(body, (uint64_t)offset);
    gq_assert(propose_plain(r, ENTRY_COMMAND, COMMAND_SET_LOG_START, slice_make(body, sizeof(body))) != NULL);
    r->start_proposed = offset;
}

void replica_put_config(struct replica *r, const struct replica_members *members)
{
    uint8_t body[REPLICA_MEMBERS_MAX_SIZE];
    struct slice slice = slice_make(body, replica_members_size(members));

    replica_members_write(members, body);
    gq_assert(propose_plain(r, ENTRY_CONFIG, COMMAND_GROUP_CONFIG, slice) != NULL);
}

void replica_propose_command(struct replica *r, struct replica_command *c, struct slice body)
{
    struct replica_entry *e;

    if (!replica_takes_proposals(r)) {
        c->done(c, KAFKA_E_NOT_LEADER_OR_FOLLOWER);
        return;
    }
    e = propose_plain(r, ENTRY_COMMAND, COMMAND_METADATA, body);
    gq_assert(e != NULL);
    c->index = e->index;
    e->command = c;
}

bool replica_takes_commands(const struct replica *r)
{
    return replica_takes_proposals(r);
}

void replica_foresee(const struct replica *r, void (*fn)(void *ctx, uint64_t index, struct slice command), void *ctx)
{
    for (uint64_t i = r->applied_index + 1; i <= r->last_index; i++) {
        const struct replica_entry *e = tail_by_index(&r->tail, i);
        struct slice commands = slice_make(e->head.data + ENTRY_HEADER_SIZE, e->head.size - ENTRY_HEADER_SIZE);
        struct entry_command command;
        size_t pos = 0;

        while (entry_command_next(commands, &pos, &command) > 0)
            if (command.kind == COMMAND_METADATA)
                fn(ctx, i, command.body);
    }
}

/* What keeps a batch out before a sequence number is spent on it: 0 or a Kafka error code. */
static int16_t produce_refusal(const struct replica *r, const struct replica_op *op, const char **ret_message)
{
    size_t size = op->produce.batch.size;
    int shortage;

    if (size > r->limits.max_message_bytes)
        return KAFKA_E_MESSAGE_TOO_LARGE;
    if (ENTRY_HEADER_SIZE + size > journal_max_entry(r->shard->journal))
        return KAFKA_E_RECORD_LIST_TOO_LARGE;
    if (!replica_takes_proposals(r))
        return KAFKA_E_NOT_LEADER_OR_FOLLOWER;
    if (r->limits.min_insync > 1 && replica_acks_refused(r, op, ret_message))
        return KAFKA_E_NOT_ENOUGH_REPLICAS;
    /* Of the codes that every client's producer takes for retriable, librdkafka's too, the one that comes closest. */
    shortage = replica_shard_shortage(r->shard);
    if (shortage != 0) {
        GQ_MARK(REPLICA_SHORTAGE_REFUSED);
        *ret_message = disk_lacks_room(shortage) ? "the disk is full" : "the broker lacks resources";
        return KAFKA_E_NOT_ENOUGH_REPLICAS;
    }
    return 0;
}

/* A retry: answered as the original was, or when it will be. */
static void produce_duplicate(struct replica *r, struct replica_op *op, const struct producer_verdict *v)
{
    struct replica_entry *e;

    r->shard->n_duplicates++;
    if (v->kind == PRODUCER_DUPLICATE) {
        GQ_MARK(REPLICA_DUPLICATE);
        op->produce.ret_base_offset = v->base_offset;
        op->produce.ret_append_time_ms = r->limits.log_append_time ? v->append_time_ms : -1;
        op->produce.ret_log_start = r->durable_start;
        if (r->peers == NULL || !replica_acks_wait(r, op, r->applied_index)) /* the original is there or below */
            replica_finish(r, op, 0, NULL);
        return;
    }
    GQ_MARK(REPLICA_PENDING_DUPLICATE);
    e = tail_by_index(&r->tail, v->index);
    gq_assert(e != NULL);
    if (r->peers != NULL && replica_acks_is_told(r, op, e->index))
        replica_produce_done(r, e, op);
    else
        list_append(&e->duplicates, &op->link);
}

/* True when the op was dealt with: an error or a duplicate. */
static bool produce_settled(struct replica *r, struct replica_op *op)
{
    const struct batch_view *v = &op->produce.batch;
    struct producer_verdict verdict;

    if (v->producer_id < 0)
        return false;
    producer_check(replica_producers(r), v->producer_id, v->producer_epoch, v->base_sequence, v->count, &verdict);
    if (GQ_BUG(FENCED_TAKEN) && verdict.error == PRODUCER_E_INVALID_EPOCH)
        return false;
    switch (verdict.kind) {
    case PRODUCER_NEW:
        return false;
    case PRODUCER_DUPLICATE:
    case PRODUCER_PENDING_DUPLICATE:
        produce_duplicate(r, op, &verdict);
        return true;
    default:
        GQ_MARK(REPLICA_SEQUENCE_REFUSED);
        op->verdict = verdict.error;
        if (r->peers != NULL) /* a later leader may have taken what seems to be missing, and clients don't try again */
            replica_core_read(r, op);
        else
            replica_finish(r, op, op->verdict, NULL);
        return true;
    }
}

/* Later batches of its producer may be on their way already, and must not be stored without it. */
void replica_note_refusal(struct replica *r, const struct replica_op *op)
{
    const struct batch_view *v = &op->produce.batch;

    if (v->producer_id < 0)
        return;
    producer_refuse(replica_producers(r), v->producer_id, v->producer_epoch, v->base_sequence);
}

/* True when the op was dealt with: nothing of it will be in the log. */
static bool produce_refused(struct replica *r, struct replica_op *op)
{
    const char *message = NULL;
    int16_t refusal = produce_refusal(r, op, &message);

    if (refusal == 0)
        return false;
    replica_note_refusal(r, op);
    replica_finish(r, op, refusal, message);
    return true;
}

static void produce_new(struct replica *r, struct replica_op *op)
{
    const struct batch_view *v = &op->produce.batch;
    struct replica_entry *e = propose_batch(r, op);

    if (e == NULL) {
        replica_note_refusal(r, op);
        replica_finish(r, op, KAFKA_E_KAFKA_STORAGE_ERROR, "the broker is out of memory");
        return;
    }
    if (v->producer_id >= 0)
        producer_propose(r->producers, v->producer_id, v->producer_epoch, v->base_sequence, v->count, e->index,
                         e->header.first_offset, e->header.append_time_ms);
    e->op = op;
    if (GQ_BUG(ACK_BEFORE_FLUSH))
        replica_answer(r, e, 0);
    else if (r->peers != NULL)
        replica_acks_begin(r, e);
}

/* What was settled by others needs no room. Sequence numbers of what waits aren't known yet, so nothing is settled
 * while something does. */
void replica_produce(struct replica *r, struct replica_op *op)
{
    op->produce.held = false;
    if (produce_refused(r, op) || (list_is_empty(&r->waiters->held) && produce_settled(r, op)))
        return;
    if (replica_has_room(r, op))
        produce_new(r, op);
    else
        replica_hold(r, op);
}

void replica_produce_held(struct replica *r, struct replica_op *op)
{
    if (!produce_refused(r, op) && !produce_settled(r, op))
        produce_new(r, op);
}

/* A copy of an envelope, at the end of the log. */
static struct replica_entry *entry_copy(struct replica *r, uint64_t term, uint32_t checksum, struct slice head,
                                        struct slice rest)
{
    struct replica_entry *e = entry_new(r, head.size + rest.size);
    struct entry parsed;

    if (e == NULL)
        return NULL;
    memcpy((uint8_t *)e->head.data, head.data, head.size);
    if (rest.size > 0)
        memcpy((uint8_t *)e->head.data + head.size, rest.data, rest.size);
    gq_assert(entry_parse(e->head.data, e->head.size, &parsed) == 0);
    e->head.size = ENTRY_HEADER_SIZE + parsed.commands.size;
    e->batches = parsed.batches;
    e->header = parsed.header;
    entry_append(r, e, term, checksum);
    return e;
}

struct replica_entry *replica_entry_restore(struct replica *r, const struct journal_replay_record *rec)
{
    struct replica_entry *e = entry_copy(r, rec->term, rec->checksum, rec->data, SLICE_NULL);

    if (e == NULL)
        return NULL;
    e->flushed = true;
    r->last_checksum = rec->checksum;
    return e;
}

void replica_append_received(struct replica *r, const struct replica_message_entry *from, uint32_t epoch)
{
    struct replica_entry *e = entry_copy(r, from->term, from->checksum, from->head, from->batches);

    gq_assert(e != NULL);
    e->epoch = epoch;
    replica_journal_entry(r, e);
}

/* The journal reads it until its record is written. */
static void entry_void(struct replica *r, struct replica_entry *e, struct list *lost)
{
    if (e->op != NULL)
        replica_finish(r, TAKE_PTR(e->op), KAFKA_E_NOT_LEADER_OR_FOLLOWER, NULL);
    replica_fail_list(r, &e->duplicates, KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    if (e->command != NULL)
        list_append(lost, &TAKE_PTR(e->command)->link);
    r->proposed_bytes -= replica_entry_size(e);
    r->proposed_offset = e->header.first_offset;
    if (e->flushed || e->waits) {
        replica_entry_free(e);
    } else {
        e->voided = true;
        list_append(&r->peers->voided, &e->kept_link);
    }
}

void replica_drop_tail(struct replica *r, struct list *lost)
{
    while (tail_count(&r->tail) > 0)
        entry_void(r, tail_pop_last(&r->tail), lost);
}

void replica_cut(struct replica *r, uint64_t from, struct list *lost)
{
    const struct replica_entry *last;

    GQ_MARK(REPLICA_CUT);
    gq_assert(from > r->applied_index);
    for (; r->last_index >= from; r->last_index--)
        entry_void(r, tail_pop_last(&r->tail), lost);
    if (r->producers != NULL && !GQ_BUG(OVERLAY_NOT_CUT))
        producer_truncate(r->producers, from);
    last = tail_by_index(&r->tail, r->last_index);
    r->last_checksum = last != NULL ? last->checksum : r->applied_checksum;
    replica_relocation_cut(r, from);
    if (GQ_BUG(CUT_NOT_JOURNALLED))
        return;
    journal_withdraw_entries(r->shard->journal, r->group, from);
    replica_journal_truncate(r, from, last != NULL ? last->term : r->applied_term, r->last_checksum);
}

void replica_cut_waiting(struct replica *r, struct list *lost)
{
    uint64_t last = r->last_index;

    for (; replica_has_waiting(r); r->last_index--)
        entry_void(r, tail_pop_last(&r->tail), lost);
    if (r->last_index < last && r->producers != NULL)
        producer_truncate(r->producers, r->last_index + 1);
}
