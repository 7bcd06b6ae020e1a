/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

struct list_offsets_partition {
    struct broker_op op;
    struct wire_list_offsets_response_partition *response;
    bool started;
};

struct list_offsets_state {
    struct wire_list_offsets_request request;
    struct wire_list_offsets_response response;
    struct list_offsets_partition *partitions;
    int32_t n_partitions;
};

static void finish_partition(struct broker_request *req, struct list_offsets_partition *p)
{
    const struct replica_op *op = &p->op.op;
    int16_t version = req->header.api_version;

    if (!p->started)
        return;
    p->response->error_code = broker_count_error(req, op->error);
    if (op->error == KAFKA_E_OFFSET_NOT_AVAILABLE && version < 5)
        p->response->error_code = KAFKA_E_LEADER_NOT_AVAILABLE; /* older clients don't know the other */
    if (op->error != 0)
        return;
    p->response->offset = op->list_offsets.ret_offset;
    p->response->timestamp = op->list_offsets.ret_timestamp;
    if (version >= 4)
        p->response->leader_epoch = op->list_offsets.ret_leader_epoch;
}

static void answer(struct broker_request *req)
{
    struct list_offsets_state *s = req->state;

    for (int32_t i = 0; i < s->n_partitions; i++)
        finish_partition(req, &s->partitions[i]);
    broker_answer(req, &s->response);
}

static void start_partition(struct broker_request *req, const struct meta_topic *t,
                            const struct wire_list_offsets_request_partition *from, struct list_offsets_partition *p)
{
    const struct list_offsets_state *s = req->state;
    const struct meta_partition *partition;
    int16_t error = broker_find_partition(req, t, from->partition_index, &partition);

    wire_list_offsets_response_partition_init(p->response);
    p->response->partition_index = from->partition_index;
    if (error == 0 && from->timestamp == LIST_OFFSETS_MAX_TIMESTAMP && req->header.api_version < 7)
        error = KAFKA_E_UNSUPPORTED_VERSION;
    if (error != 0) {
        p->response->error_code = broker_count_error(req, error);
        return;
    }
    broker_op_init(req, &p->op, REPLICA_LIST_OFFSETS, partition->group, from->current_leader_epoch);
    p->op.op.list_offsets.timestamp = from->timestamp;
    p->op.op.list_offsets.read_committed = s->request.isolation_level != 0;
    p->started = true;
    broker_op_start(&p->op);
}

static bool start_topic(struct broker_request *req, int32_t i, struct list_offsets_partition **next)
{
    struct list_offsets_state *s = req->state;
    const struct wire_list_offsets_request_topic *from = &s->request.topics[i];
    struct wire_list_offsets_response_topic *to = &s->response.topics[i];
    const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->name);

    to->name = from->name;
    to->n_partitions = from->n_partitions;
    to->partitions = broker_alloc(req, (size_t)from->n_partitions, sizeof(*to->partitions));
    if (to->partitions == NULL)
        return false;
    for (int32_t k = 0; k < from->n_partitions; k++, (*next)++) {
        (*next)->response = &to->partitions[k];
        start_partition(req, t, &from->partitions[k], *next);
    }
    return true;
}

void broker_handle_list_offsets(struct broker_request *req, struct rd *body)
{
    struct list_offsets_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    struct list_offsets_partition *next;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    wire_list_offsets_response_init(&s->response);
    for (int32_t i = 0; i < s->request.n_topics; i++)
        s->n_partitions += s->request.topics[i].n_partitions;
    s->response.n_topics = s->request.n_topics;
    s->response.topics = broker_alloc(req, (size_t)s->request.n_topics, sizeof(*s->response.topics));
    next = s->partitions = broker_alloc(req, (size_t)s->n_partitions, sizeof(*s->partitions));
    if (s->response.topics == NULL || next == NULL)
        return;
    for (int32_t i = 0; i < s->request.n_topics; i++) {
        if (!start_topic(req, i, &next))
            return;
    }
    broker_request_then(req, answer);
}
