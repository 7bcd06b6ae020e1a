/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "broker/internal.h"

struct create_partitions_state {
    struct wire_create_partitions_request request;
    struct wire_create_partitions_response response;
    struct broker_ask **asks; /* NULL: not proposed */
};

static void answer(struct broker_request *req)
{
    struct create_partitions_state *s = req->state;

    for (int32_t i = 0; i < s->response.n_results; i++) {
        if (s->asks[i] != NULL)
            s->response.results[i].error_code = broker_count_error(req, s->asks[i]->command.error);
    }
    broker_answer(req, &s->response);
}

static void refuse(struct broker_request *req, struct wire_create_partitions_response_topic *to, int16_t error,
                   const char *message)
{
    to->error_code = broker_count_error(req, error);
    to->error_message = slice_str(message);
}

/* New partitions may be assigned by hand, to this broker. */
static bool is_assigned_well(const struct broker_request *req, const struct wire_create_partitions_request_topic *from,
                             int32_t n_new)
{
    if (from->n_assignments < 0)
        return true;
    if (from->n_assignments != n_new)
        return false;
    for (int32_t i = 0; i < n_new; i++) {
        if (from->assignments[i].n_broker_ids != 1 || from->assignments[i].broker_ids[0] != req->backend->broker_id)
            return false;
    }
    return true;
}

static int16_t check(struct broker_request *req, const struct wire_create_partitions_request_topic *from,
                     const struct meta_topic *t, const char **ret_message)
{
    char text[128];

    if (t == NULL) {
        *ret_message = "there is no such topic";
        return KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (from->count <= t->n_partitions || from->count > META_PARTITIONS_MAX) {
        snprintf(text, sizeof(text), "the topic has %d partitions; the new number must be larger, and at most %d",
                 t->n_partitions, META_PARTITIONS_MAX);
        *ret_message = broker_text(req, text);
        return KAFKA_E_INVALID_PARTITIONS;
    }
    if (!is_assigned_well(req, from, from->count - t->n_partitions)) {
        *ret_message = "each new partition must be assigned to this broker, the only one";
        return KAFKA_E_INVALID_REPLICA_ASSIGNMENT;
    }
    return 0;
}

static void start_topic(struct broker_request *req, int32_t i)
{
    struct create_partitions_state *s = req->state;
    const struct wire_create_partitions_request_topic *from = &s->request.topics[i];
    struct wire_create_partitions_response_topic *to = &s->response.results[i];
    const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->name);
    const char *message = NULL;
    int16_t error = check(req, from, t, &message);
    struct broker_ask *ask;

    wire_create_partitions_response_topic_init(to);
    to->name = from->name;
    if (error != 0) {
        refuse(req, to, error, message);
        return;
    }
    if (s->request.validate_only)
        return;
    ask = broker_ask_new(req);
    if (ask == NULL)
        return;
    meta_write_partitions_add(&ask->body, &t->id, from->count);
    s->asks[i] = ask;
    broker_ask_start(ask);
}

void broker_handle_create_partitions(struct broker_request *req, struct rd *body)
{
    struct create_partitions_state *s = req->state = broker_alloc(req, 1, sizeof(*s));

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    wire_create_partitions_response_init(&s->response);
    s->response.n_results = s->request.n_topics;
    s->response.results = broker_alloc(req, (size_t)s->request.n_topics, sizeof(*s->response.results));
    s->asks = broker_alloc(req, (size_t)s->request.n_topics, sizeof(struct broker_ask *));
    if (s->response.results == NULL || s->asks == NULL)
        return;
    for (int32_t i = 0; i < s->request.n_topics; i++)
        start_topic(req, i);
    broker_request_then(req, answer);
}
