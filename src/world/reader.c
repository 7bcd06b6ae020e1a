/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/endian.h"
#include "wire/batch.h"
#include "wire/records.h"
#include "world/internal.h"
#include "world/rare.h"

/* Questions about what is in a partition, and the checks of their answers. */

#define FETCH_VERSION 12
#define LIST_OFFSETS_VERSION 6

const char *client_topic_name(const struct client *c, const struct partition *p)
{
    return c->world->model->topics[p->topic].name;
}

void client_fetch(struct client *c, struct partition *p, int64_t offset, int32_t max_wait_ms, int32_t max_bytes)
{
    struct wire_fetch_request m;
    struct wire_fetch_request_topic topic;
    struct wire_fetch_request_partition part;
    struct call *call;

    wire_fetch_request_init(&m);
    wire_fetch_request_topic_init(&topic);
    wire_fetch_request_partition_init(&part);
    m.min_bytes = 1;
    m.max_wait_ms = max_wait_ms;
    m.max_bytes = max_bytes;
    m.topics = &topic;
    m.n_topics = 1;
    topic.topic = slice_str(client_topic_name(c, p));
    topic.partitions = &part;
    topic.n_partitions = 1;
    part.partition = p->index;
    part.fetch_offset = offset;
    part.partition_max_bytes = max_bytes;
    call = client_call(c, WIRE_API_FETCH, FETCH_VERSION, &m);
    call->partition = p;
    call->offset = offset;
    call->floor = model_floor(c->world->model, p, c->life);
    if (!model_is_replicated(c->world->model, p))
        call->list = recorder_list(c->world->recorder, c->index, p);
    call->poll = recorder_poll(c->world->recorder, c->index, p, offset);
}

void client_list_offsets(struct client *c, struct partition *p, int64_t timestamp)
{
    struct wire_list_offsets_request m;
    struct wire_list_offsets_request_topic topic;
    struct wire_list_offsets_request_partition part;
    struct call *call;

    wire_list_offsets_request_init(&m);
    wire_list_offsets_request_topic_init(&topic);
    wire_list_offsets_request_partition_init(&part);
    m.replica_id = -1;
    m.topics = &topic;
    m.n_topics = 1;
    topic.name = slice_str(client_topic_name(c, p));
    topic.partitions = &part;
    topic.n_partitions = 1;
    part.partition_index = p->index;
    part.timestamp = timestamp;
    call = client_call(c, WIRE_API_LIST_OFFSETS, LIST_OFFSETS_VERSION, &m);
    call->partition = p;
    call->offset = timestamp;
    call->floor =
        timestamp == -1 ? model_floor_of_end(c->world->model, p, c->life) : model_floor(c->world->model, p, c->life);
    call->list = recorder_list(c->world->recorder, c->index, p);
}

/* What a leader tells that doesn't know that it leads no more. */
static bool may_fall_behind(const struct client *c, const struct call *call)
{
    return model_is_replicated(c->world->model, call->partition);
}

/* Where the log ends knows only who still leads, and that can be said only by who has heard so since it was asked. */
void client_check_end(const struct client *c, const struct call *call)
{
    const struct topic *t = &c->world->model->topics[call->partition->topic];

    if (!call->partition->moved && call->n_heard < (unsigned)t->n_replicas / 2)
        world_fail(c->world, "the end is told by who surely leads",
                   "%s-%d: node %u tells it, and has heard of %u nodes since it was asked",
                   client_topic_name(c, call->partition), call->partition->index, c->machine->index, call->n_heard);
}

int16_t client_take_list_offsets(struct client *c, const struct call *call, const void *message, int64_t *ret_offset)
{
    const struct wire_list_offsets_response *m = message;
    const struct wire_list_offsets_response_partition *a = &m->topics[0].partitions[0];
    int64_t start = call->offset == -2 ? a->offset : -1, end = call->offset == -1 ? a->offset : -1;

    if (a->error_code != 0 || call->partition->gone) {
        recorder_end(c->world->recorder, call->list, HISTORY_INFO);
    } else {
        if (end >= 0)
            client_check_end(c, call);
        recorder_listed(c->world->recorder, call->list, may_fall_behind(c, call) ? -1 : start, end, -1);
        model_told(c->world->model, call->partition, &call->floor, end, start);
    }
    *ret_offset = a->offset;
    return a->error_code;
}

int32_t client_leader_epoch(const void *list_offsets_answer)
{
    const struct wire_list_offsets_response *m = list_offsets_answer;

    return m->topics[0].partitions[0].leader_epoch;
}

void client_lose_read(struct client *c, const struct call *call)
{
    if (call->list != 0)
        recorder_end(c->world->recorder, call->list, HISTORY_INFO);
    if (call->poll != 0)
        recorder_not_polled(c->world->recorder, call->poll, c->index, HISTORY_INFO);
}

/* Whether this value is one that a producer of this world made. */
static bool is_value(struct slice value, uint64_t *ret_id)
{
    if (value.size < 8)
        return false;
    *ret_id = load_le64(value.data);
    for (size_t i = 8; i < value.size; i += 61)
        if (value.data[i] != (*ret_id & 0xff))
            return false;
    return value.size == 8 || value.data[value.size - 1] == (*ret_id & 0xff);
}

static bool take_batch(struct client *c, struct partition *p, const struct batch_view *v, int64_t from, bool in_audit)
{
    struct records_iter it;
    struct record rec;

    records_iter_init(&it, v->records, v->count);
    while (records_next(&it, &rec)) {
        int64_t offset = v->base_offset + rec.offset_delta;
        uint64_t id;

        if (!is_value(rec.value, &id))
            return false;
        if (offset >= from) {
            model_saw(c->world->model, p, offset, id, in_audit);
            model_saw_epoch(c->world->model, p, offset, v->leader_epoch);
            if (!model_is_late(c->world->model, id))
                recorder_note(c->world->recorder, p, offset, id);
        }
    }
    return it.error == BATCH_OK;
}

/* Batches that follow on each other, the first with the offset that was asked for. Gives the offset behind them. */
static bool take_records(struct client *c, const struct call *call, struct slice records, bool in_audit,
                         int64_t *ret_next)
{
    struct batch_iter it;
    struct batch_view v;
    int64_t next = call->offset;

    batch_iter_init(&it, records.data, records.size);
    while (batch_next(&it, &v)) {
        if (!batch_crc_ok(&v) || v.base_offset > next || batch_last_offset(&v) < next ||
            (next != call->offset && v.base_offset != next))
            return false;
        if (!take_batch(c, call->partition, &v, call->offset, in_audit))
            return false;
        next = batch_last_offset(&v) + 1;
    }
    *ret_next = next;
    return it.error == BATCH_OK;
}

static bool is_known_batch(const struct partition *p, const struct batch_view *v)
{
    struct records_iter it;
    struct record rec;
    uint64_t id;

    records_iter_init(&it, v->records, v->count);
    while (records_next(&it, &rec))
        if (!is_value(rec.value, &id) || !model_knows(p, v->base_offset + rec.offset_delta, id))
            return false;
    return it.error == BATCH_OK;
}

/* Of a node with damaged segments only what is known to be right is taken: offsets and epochs have no checksum. */
static bool is_known(const struct partition *p, struct slice records)
{
    struct batch_iter it;
    struct batch_view v;

    batch_iter_init(&it, records.data, records.size);
    while (batch_next(&it, &v))
        if (!batch_crc_ok(&v) || !is_known_batch(p, &v))
            return false;
    return it.error == BATCH_OK;
}

/* What the answer tells, as the recorder takes it. Of a topic that is gone it may be that of the next one. */
static void record(struct client *c, const struct call *call, const struct wire_fetch_response_partition *a,
                   int64_t next)
{
    struct recorder *k = c->world->recorder;

    if (call->partition->gone) {
        client_lose_read(c, call);
        return;
    }
    if (call->list != 0)
        recorder_listed(k, call->list, a->log_start_offset, a->high_watermark, a->last_stable_offset);
    recorder_polled(k, call->poll, c->index, next, a->last_stable_offset);
}

int16_t client_take_fetch(struct client *c, const struct call *call, const void *message, bool in_audit,
                          int64_t *ret_next, int64_t *ret_high_watermark)
{
    const struct wire_fetch_response *m = message;
    const struct wire_fetch_response_partition *a;

    a = &m->responses[0].partitions[0];
    if (m->error_code != 0 || a->error_code != 0) {
        client_lose_read(c, call);
        return m->error_code != 0 ? m->error_code : a->error_code;
    }
    model_told(c->world->model, call->partition, &call->floor, a->high_watermark, a->log_start_offset);
    if (media_may_show(c, call) && !is_known(call->partition, a->records)) {
        client_lose_read(c, call);
        return KAFKA_E_NOT_LEADER_OR_FOLLOWER;
    }
    recorder_begin_records(c->world->recorder);
    if (!take_records(c, call, a->records, in_audit, ret_next))
        world_fail(c->world, "history", "%s-%d: what client %u fetched from %lld on is damaged",
                   client_topic_name(c, call->partition), call->partition->index, c->index, (long long)call->offset);
    /* A new leader that doesn't know yet what is committed has nothing for who has read on elsewhere. */
    if (*ret_next > a->high_watermark && !(may_fall_behind(c, call) && *ret_next == call->offset))
        world_fail(c->world, "history", "%s-%d: records up to %lld are given out, the high watermark is %lld",
                   client_topic_name(c, call->partition), call->partition->index, (long long)*ret_next,
                   (long long)a->high_watermark);
    record(c, call, a, *ret_next);
    *ret_high_watermark = a->high_watermark;
    return world_has_failed(c->world) ? -1 : 0;
}
