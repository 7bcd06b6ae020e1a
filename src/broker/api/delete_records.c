/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

struct delete_records_partition {
    struct broker_op op;
    struct wire_delete_records_response_partition *response;
    bool started;
};

struct delete_records_state {
    struct wire_delete_records_request request;
    struct wire_delete_records_response response;
    struct delete_records_partition *partitions;
    int32_t n_partitions;
};

static void answer(struct broker_request *req)
{
    struct delete_records_state *s = req->state;

    for (int32_t i = 0; i < s->n_partitions; i++) {
        const struct delete_records_partition *p = &s->partitions[i];
        int16_t error = p->op.op.error;

        if (!p->started)
            continue;
        if (!p->op.is_back)
            error = KAFKA_E_REQUEST_TIMED_OUT; /* it goes on all the same */
        p->response->error_code = broker_count_error(req, error);
        if (error == 0)
            p->response->low_watermark = p->op.op.delete_records.ret_low_watermark;
    }
    broker_answer(req, &s->response);
}

static void start_partition(struct broker_request *req, const struct meta_topic *t,
                            const struct wire_delete_records_request_partition *from,
                            struct delete_records_partition *p)
{
    const struct meta_partition *partition;
    int16_t error = broker_find_partition(req, t, from->partition_index, &partition);

    *p->response = (struct wire_delete_records_response_partition){
        .partition_index = from->partition_index,
        .low_watermark = -1,
        .error_code = broker_count_error(req, error),
    };
    if (error != 0)
        return;
    broker_op_init(req, &p->op, REPLICA_DELETE_RECORDS, partition->group, -1);
    p->op.op.delete_records.offset = from->offset;
    p->started = true;
    broker_op_start(&p->op);
}

static bool start_topic(struct broker_request *req, int32_t i, struct delete_records_partition **next)
{
    struct delete_records_state *s = req->state;
    const struct wire_delete_records_request_topic *from = &s->request.topics[i];
    struct wire_delete_records_response_topic *to = &s->response.topics[i];
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

void broker_handle_delete_records(struct broker_request *req, struct rd *body)
{
    struct delete_records_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    struct delete_records_partition *next;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    wire_delete_records_response_init(&s->response);
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
    broker_request_then_within(req, s->request.timeout_ms, answer);
}
