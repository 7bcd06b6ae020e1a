/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

struct delete_topics_state {
    struct wire_delete_topics_request request;
    struct wire_delete_topics_response response;
    struct broker_ask **asks; /* NULL: not proposed */
};

static void answer(struct broker_request *req)
{
    struct delete_topics_state *s = req->state;

    for (int32_t i = 0; i < s->response.n_responses; i++) {
        struct wire_delete_topics_response_topic *to = &s->response.responses[i];

        if (s->asks[i] == NULL)
            continue;
        to->error_code = broker_count_error(req, s->asks[i]->command.error);
        if (to->error_code == KAFKA_E_UNKNOWN_TOPIC_ID && !slice_is_null(to->name) && req->header.api_version < 6)
            to->error_code = KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION; /* somebody else was faster */
    }
    broker_answer(req, &s->response);
}

static void start_topic(struct broker_request *req, int32_t i, struct slice name, const struct uuid *id)
{
    struct delete_topics_state *s = req->state;
    struct wire_delete_topics_response_topic *to = &s->response.responses[i];
    const struct meta_topic *t =
        slice_is_null(name) ? meta_topic_by_id(req->backend->meta, id) : meta_topic_by_name(req->backend->meta, name);
    struct broker_ask *ask;

    wire_delete_topics_response_topic_init(to);
    to->name = name;
    to->topic_id = *id;
    if (!slice_is_null(name) && !uuid_is_zero(id)) {
        to->error_code = broker_count_error(req, KAFKA_E_INVALID_REQUEST);
        to->error_message = slice_str("a topic is named by its name or by its id, not by both");
        return;
    }
    if (t == NULL) {
        to->error_code = broker_count_error(req, slice_is_null(name) ? KAFKA_E_UNKNOWN_TOPIC_ID
                                                                     : KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
        to->error_message = slice_str("there is no such topic");
        return;
    }
    if (slice_is_null(name))
        to->name = slice_str(broker_text(req, t->name));
    to->topic_id = t->id;
    ask = broker_ask_new(req);
    if (ask == NULL)
        return;
    meta_write_topic_delete(&ask->body, &t->id);
    s->asks[i] = ask;
    broker_ask_start(ask);
}

void broker_handle_delete_topics(struct broker_request *req, struct rd *body)
{
    struct delete_topics_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    static const struct uuid no_id;
    bool by_id;
    size_t n;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    by_id = req->header.api_version >= 6;
    n = (size_t)(by_id ? s->request.n_topics : s->request.n_topic_names);
    wire_delete_topics_response_init(&s->response);
    s->response.n_responses = (int32_t)n;
    s->response.responses = broker_alloc(req, n, sizeof(*s->response.responses));
    s->asks = broker_alloc(req, n, sizeof(struct broker_ask *));
    if (s->response.responses == NULL || s->asks == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        if (by_id)
            start_topic(req, (int32_t)i, s->request.topics[i].name, &s->request.topics[i].topic_id);
        else
            start_topic(req, (int32_t)i, s->request.topic_names[i], &no_id);
    }
    broker_request_then(req, answer);
}
