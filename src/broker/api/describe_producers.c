/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

struct producers_partition {
    struct broker_op op;
    struct wire_describe_producers_response_partition *response;
    bool started;
};

struct producers_state {
    struct wire_describe_producers_request request;
    struct wire_describe_producers_response response;
    struct producers_partition *partitions;
    int32_t n_partitions;
};

static bool add_producers(struct broker_request *req, const struct producers_partition *p)
{
    struct wire_describe_producers_response_partition *to = p->response;
    const struct producer_info *from = p->op.op.describe_producers.ret_producers;
    size_t n = p->op.op.describe_producers.ret_n_producers;

    to->active_producers = broker_alloc(req, n, sizeof(*to->active_producers));
    if (to->active_producers == NULL)
        return false;
    to->n_active_producers = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        to->active_producers[i] = (struct wire_describe_producers_response_producer){
            .producer_id = from[i].producer_id,
            .producer_epoch = from[i].epoch,
            .last_sequence = from[i].last_sequence,
            .last_timestamp = from[i].last_timestamp_ms,
            .coordinator_epoch = from[i].coordinator_epoch,
            .current_txn_start_offset = from[i].txn_start_offset,
        };
    }
    return true;
}

static void free_producers(struct broker_request *req)
{
    struct producers_state *s = req->state;

    for (int32_t i = 0; i < s->n_partitions; i++) {
        if (s->partitions[i].started)
            free(s->partitions[i].op.op.describe_producers.ret_producers);
    }
}

static void answer(struct broker_request *req)
{
    struct producers_state *s = req->state;

    for (int32_t i = 0; i < s->n_partitions; i++) {
        struct producers_partition *p = &s->partitions[i];

        if (!p->started)
            continue;
        p->response->error_code = broker_count_error(req, p->op.op.error);
        if (p->op.op.error == 0 && !add_producers(req, p))
            return;
    }
    broker_answer(req, &s->response);
}

static void start_partition(struct broker_request *req, const struct meta_topic *t, int32_t index,
                            struct producers_partition *p)
{
    const struct meta_partition *partition;
    int16_t error = broker_find_partition(req, t, index, &partition);

    wire_describe_producers_response_partition_init(p->response);
    p->response->partition_index = index;
    p->response->error_code = broker_count_error(req, error);
    if (error != 0)
        return;
    broker_op_init(req, &p->op, REPLICA_DESCRIBE_PRODUCERS, partition->group, -1);
    p->started = true;
    broker_op_start(&p->op);
}

static bool start_topic(struct broker_request *req, int32_t i, struct producers_partition **next)
{
    struct producers_state *s = req->state;
    const struct wire_describe_producers_request_topic *from = &s->request.topics[i];
    struct wire_describe_producers_response_topic *to = &s->response.topics[i];
    const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->name);

    to->name = from->name;
    to->n_partitions = from->n_partition_indexes;
    to->partitions = broker_alloc(req, (size_t)from->n_partition_indexes, sizeof(*to->partitions));
    if (to->partitions == NULL)
        return false;
    for (int32_t k = 0; k < from->n_partition_indexes; k++, (*next)++) {
        (*next)->response = &to->partitions[k];
        start_partition(req, t, from->partition_indexes[k], *next);
    }
    return true;
}

void broker_handle_describe_producers(struct broker_request *req, struct rd *body)
{
    struct producers_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    struct producers_partition *next;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    wire_describe_producers_response_init(&s->response);
    for (int32_t i = 0; i < s->request.n_topics; i++)
        s->n_partitions += s->request.topics[i].n_partition_indexes;
    s->response.n_topics = s->request.n_topics;
    s->response.topics = broker_alloc(req, (size_t)s->request.n_topics, sizeof(*s->response.topics));
    next = s->partitions = broker_alloc(req, (size_t)s->n_partitions, sizeof(*s->partitions));
    if (s->response.topics == NULL || next == NULL)
        return;
    req->release = free_producers;
    for (int32_t i = 0; i < s->request.n_topics; i++) {
        if (!start_topic(req, i, &next))
            return;
    }
    broker_request_then(req, answer);
}
