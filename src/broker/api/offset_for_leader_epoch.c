/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

struct epoch_partition {
    struct broker_op op;
    struct wire_offset_for_leader_epoch_response_partition *response;
    bool started;
};

struct epoch_state {
    struct wire_offset_for_leader_epoch_request request;
    struct wire_offset_for_leader_epoch_response response;
    struct epoch_partition *partitions;
    int32_t n_partitions;
};

static void answer(struct broker_request *req)
{
    struct epoch_state *s = req->state;

    for (int32_t i = 0; i < s->n_partitions; i++) {
        const struct epoch_partition *p = &s->partitions[i];

        if (!p->started)
            continue;
        p->response->error_code = broker_count_error(req, p->op.op.error);
        if (p->op.op.error != 0)
            continue;
        p->response->leader_epoch = p->op.op.epoch_end.ret_epoch;
        p->response->end_offset = p->op.op.epoch_end.ret_end_offset;
    }
    broker_answer(req, &s->response);
}

static void start_partition(struct broker_request *req, const struct meta_topic *t,
                            const struct wire_offset_for_leader_epoch_request_partition *from,
                            struct epoch_partition *p)
{
    const struct meta_partition *partition;
    int16_t error = broker_find_partition(req, t, from->partition, &partition);

    wire_offset_for_leader_epoch_response_partition_init(p->response);
    p->response->partition = from->partition;
    if (error != 0) {
        p->response->error_code = broker_count_error(req, error);
        return;
    }
    broker_op_init(req, &p->op, REPLICA_EPOCH_END, partition->group, from->current_leader_epoch);
    p->op.op.epoch_end.epoch = from->leader_epoch;
    p->started = true;
    broker_op_start(&p->op);
}

static bool start_topic(struct broker_request *req, int32_t i, struct epoch_partition **next)
{
    struct epoch_state *s = req->state;
    const struct wire_offset_for_leader_epoch_request_topic *from = &s->request.topics[i];
    struct wire_offset_for_leader_epoch_response_topic *to = &s->response.topics[i];
    const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->topic);

    to->topic = from->topic;
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

void broker_handle_offset_for_leader_epoch(struct broker_request *req, struct rd *body)
{
    struct epoch_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    struct epoch_partition *next;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    wire_offset_for_leader_epoch_response_init(&s->response);
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
