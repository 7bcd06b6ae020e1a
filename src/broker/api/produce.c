/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"
#include "wire/batch.h"

struct produce_partition {
    struct broker_op op, cancel;
    struct wire_produce_response_partition *response;
    bool started;
    bool bad_batch;
};

struct produce_state {
    struct wire_produce_request request;
    struct wire_produce_response response;
    struct produce_partition *partitions;
    int32_t n_partitions;
    bool failed; /* some partition has an error: without acks the connection closes */
};

static void set_error(struct broker_request *req, struct produce_partition *p, int16_t error, const char *message)
{
    struct produce_state *s = req->state;

    p->response->error_code = broker_count_error(req, error);
    p->response->base_offset = -1;
    p->response->error_message = slice_str(message);
    req->broker->stats.produce_errors++;
    s->failed = true;
}

/* Frames that no partition kept. */
static void drop_frames(struct broker_request *req)
{
    struct produce_state *s = req->state;

    for (int32_t i = 0; i < s->n_partitions; i++) {
        struct produce_partition *p = &s->partitions[i];

        if (p->started)
            buf_unref(TAKE_PTR(p->op.op.produce.frame));
    }
}

/* All that can be said of a batch without the partition. */
static bool check_batch(struct broker_request *req, struct produce_partition *p, struct slice records,
                        struct batch_view *ret)
{
    struct batch_limits limits = {
        .max_size = SIZE_MAX, /* the partition knows its own */
        .refuse_zstd = req->header.api_version < 7,
        .from_client = true,
    };
    enum batch_error e = batch_parse_only(records, ret);

    if (e == BATCH_OK)
        e = batch_check(ret, &limits);
    if (e != BATCH_OK) {
        set_error(req, p, batch_error_code(e), batch_error_text(e));
        return false;
    }
    if (ret->attributes & BATCH_ATTR_TRANSACTIONAL) {
        set_error(req, p, KAFKA_E_INVALID_TXN_STATE, "transactions are not supported by this version of the broker");
        return false;
    }
    return true;
}

/* ---- Partitions that aren't known yet ----
 *
 * Metadata of another node may have sent the client here, ahead of this reactor's copy. It sends several batches at
 * once, and the next one may find the partition: so what was refused goes with that. */

static uint64_t place_of(const struct broker_request *req, struct slice topic, int32_t partition)
{
    return hash_u64((uint64_t)(uint32_t)partition, hash_bytes(topic.data, topic.size, req->broker->hash_seed));
}

static void note_refusal(struct broker_request *req, struct slice topic,
                         const struct wire_produce_request_partition *from)
{
    struct batch_view v;

    if (batch_parse_only(from->records, &v) == BATCH_OK && v.producer_id >= 0 && v.base_sequence >= 0)
        producer_refusals_note(&req->broker->refusals, place_of(req, topic, from->index), v.producer_id,
                               v.producer_epoch, v.base_sequence);
}

static void take_refusal(struct broker_request *req, struct slice topic, int32_t partition, struct replica_op *op)
{
    struct producer_refusals *all = &req->broker->refusals;
    struct producer_refusal r;

    op->produce.has_refused =
        all->n > 0 && op->produce.batch.producer_id >= 0 &&
        producer_refusals_take(all, place_of(req, topic, partition), op->produce.batch.producer_id, &r);
    if (!op->produce.has_refused)
        return;
    op->produce.refused_epoch = r.epoch;
    op->produce.refused_sequence = r.first_sequence;
}

static void start_partition(struct broker_request *req, struct slice topic, const struct meta_topic *t,
                            const struct wire_produce_request_partition *from, struct produce_partition *p)
{
    struct produce_state *s = req->state;
    const struct meta_partition *partition;
    struct batch_view batch;
    int16_t error = broker_find_partition(req, t, from->index, &partition);

    wire_produce_response_partition_init(p->response);
    p->response->index = from->index;
    if (error != 0) {
        note_refusal(req, topic, from);
        set_error(req, p, error, NULL);
        return;
    }
    if (!check_batch(req, p, from->records, &batch))
        return;
    broker_op_init(req, &p->op, REPLICA_PRODUCE, partition->group, -1);
    p->op.op.produce.batch = batch;
    p->op.op.produce.frame = buf_ref(req->buf);
    p->op.op.produce.acks = (int8_t)s->request.acks;
    p->op.op.produce.held = false;
    take_refusal(req, topic, from->index, &p->op.op);
    p->started = true;
    broker_op_start(&p->op);
}

static void finish_partition(struct broker_request *req, struct produce_partition *p)
{
    const struct replica_op *op = &p->op.op;

    if (!p->started)
        return;
    if (!p->op.is_back) {
        set_error(req, p, KAFKA_E_REQUEST_TIMED_OUT, NULL);
        return;
    }
    if (op->error != 0) {
        set_error(req, p, op->error, op->error_message);
        return;
    }
    p->response->base_offset = op->produce.ret_base_offset;
    p->response->log_append_time_ms = op->produce.ret_append_time_ms;
    p->response->log_start_offset = op->produce.ret_log_start;
}

static void answer(struct broker_request *req)
{
    struct produce_state *s = req->state;

    for (int32_t i = 0; i < s->n_partitions; i++)
        finish_partition(req, &s->partitions[i]);
    histogram_add(&req->broker->stats.produce_ns, broker_now_ns(req) - req->received_ns);
    if (s->request.acks != 0)
        broker_answer(req, &s->response);
    else if (s->failed)
        broker_request_fail(req);
    else
        broker_answer_nothing(req);
}

/* Response arrays in the shape of the request. */
static bool lay_out(struct broker_request *req, struct produce_state *s)
{
    struct produce_partition *p;

    s->response.responses = broker_alloc(req, (size_t)s->request.n_topic_data, sizeof(*s->response.responses));
    if (s->response.responses == NULL)
        return false;
    s->response.n_responses = s->request.n_topic_data;
    for (int32_t i = 0; i < s->request.n_topic_data; i++)
        s->n_partitions += s->request.topic_data[i].n_partition_data;
    p = s->partitions = broker_alloc(req, (size_t)s->n_partitions, sizeof(*s->partitions));
    if (p == NULL)
        return false;
    for (int32_t i = 0; i < s->request.n_topic_data; i++) {
        const struct wire_produce_request_topic *from = &s->request.topic_data[i];
        struct wire_produce_response_topic *to = &s->response.responses[i];

        to->name = from->name;
        to->n_partition_responses = from->n_partition_data;
        to->partition_responses = broker_alloc(req, (size_t)from->n_partition_data, sizeof(*to->partition_responses));
        if (to->partition_responses == NULL)
            return false;
        for (int32_t k = 0; k < from->n_partition_data; k++)
            (p++)->response = &to->partition_responses[k];
    }
    return true;
}

/* What refuses the whole request. */
static int16_t refusal(const struct broker_request *req, const struct wire_produce_request *m)
{
    if (req->header.api_version < req->header.api->min_served)
        return KAFKA_E_UNSUPPORTED_VERSION;
    if (m->acks < -1 || m->acks > 1)
        return KAFKA_E_INVALID_REQUIRED_ACKS;
    if (!slice_is_null(m->transactional_id))
        return KAFKA_E_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return 0;
}

static void refuse_all(struct broker_request *req, struct produce_state *s, int16_t error)
{
    struct produce_partition *p = s->partitions;

    for (int32_t i = 0; i < s->request.n_topic_data; i++) {
        for (int32_t k = 0; k < s->request.topic_data[i].n_partition_data; k++, p++) {
            wire_produce_response_partition_init(p->response);
            p->response->index = s->request.topic_data[i].partition_data[k].index;
            set_error(req, p, error, kafka_error_text(error));
        }
    }
}

static bool all_settled(const struct produce_state *s)
{
    for (int32_t i = 0; i < s->n_partitions; i++) {
        const struct produce_partition *p = &s->partitions[i];

        if (p->started && !p->op.is_back && !p->cancel.is_back)
            return false;
    }
    return true;
}

/* What still waits for room when the time is over must not be stored later, behind the producer's back. */
static void canceled(struct broker_request *req)
{
    if (all_settled(req->state)) {
        answer(req);
        return;
    }
    req->next = canceled;
    broker_request_sleep(req, UINT64_MAX);
}

static void timed_out(struct broker_request *req)
{
    struct produce_state *s = req->state;

    if (req->n_pending == 0) {
        answer(req);
        return;
    }
    for (int32_t i = 0; i < s->n_partitions; i++) {
        struct produce_partition *p = &s->partitions[i];

        if (!p->started || p->op.is_back)
            continue;
        broker_op_init(req, &p->cancel, REPLICA_CANCEL, p->op.op.group, -1);
        p->cancel.op.cancel.target = &p->op.op;
        p->cancel.wakes = true;
        broker_op_start(&p->cancel);
    }
    canceled(req);
}

static void start_all(struct broker_request *req, struct produce_state *s)
{
    struct produce_partition *p = s->partitions;

    for (int32_t i = 0; i < s->request.n_topic_data; i++) {
        const struct wire_produce_request_topic *from = &s->request.topic_data[i];
        const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->name);

        for (int32_t k = 0; k < from->n_partition_data; k++)
            start_partition(req, from->name, t, &from->partition_data[k], p++);
    }
}

void broker_handle_produce(struct broker_request *req, struct rd *body)
{
    struct produce_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    int16_t error;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    wire_produce_response_init(&s->response);
    if (!lay_out(req, s))
        return;
    error = refusal(req, &s->request);
    req->release = drop_frames;
    if (error != 0)
        refuse_all(req, s, error);
    else
        start_all(req, s);
    if (req->n_pending == 0) {
        answer(req);
        return;
    }
    /* Without acks nobody waits for an answer: what is slow hasn't failed, and doesn't cost the connection. */
    if (s->request.acks == 0)
        broker_request_then(req, answer);
    else
        broker_request_then_within(req, s->request.timeout_ms, timed_out);
}
