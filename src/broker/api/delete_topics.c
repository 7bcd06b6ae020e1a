/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"
#include "broker/items.h"

/* As named: by one of both. */
struct delete_topics_topic {
    struct slice name;
    struct uuid id;
};

struct delete_topics_state {
    struct wire_delete_topics_request request;
    struct delete_topics_topic *topics;
    struct broker_item *items; /* named by the topics' ids */
    size_t n;
    bool by_id; /* from version 6 on */
};

/* A topic that somebody else deleted meanwhile isn't known by what the client called it. */
static int16_t error_of(const struct delete_topics_state *s, size_t i)
{
    int16_t error = s->items[i].error;

    if (error == KAFKA_E_UNKNOWN_TOPIC_ID && !(s->by_id && slice_is_null(s->request.topics[i].name)))
        return KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION;
    return error;
}

static void answer(struct broker_request *req)
{
    const struct delete_topics_state *s = req->state;
    struct wire_delete_topics_response m;

    broker_items_settle(req, s->items, s->n);
    wire_delete_topics_response_init(&m);
    m.n_responses = (int32_t)s->n;
    m.responses = broker_alloc(req, s->n, sizeof(*m.responses));
    if (m.responses == NULL)
        return;
    for (size_t i = 0; i < s->n; i++)
        m.responses[i] = (struct wire_delete_topics_response_topic){
            .name = s->topics[i].name,
            .topic_id = s->topics[i].id,
            .error_code = error_of(s, i),
            .error_message = slice_str(s->items[i].message),
        };
    broker_answer(req, &m);
}

/* Finds the topic that the request means; the item's name stays null when there is none. */
static void find_topic(struct broker_request *req, struct delete_topics_topic *topic, struct broker_item *item)
{
    bool has_name = !slice_is_null(topic->name), has_id = !uuid_is_zero(&topic->id);
    const struct meta_topic *t;

    if (has_name == has_id) {
        broker_item_refuse(item, KAFKA_E_INVALID_REQUEST, "a topic is named by its name or by its id, by one of both");
        return;
    }
    t = has_name ? meta_topic_by_name(req->backend->meta, topic->name)
                 : meta_topic_by_id(req->backend->meta, &topic->id);
    if (t == NULL) {
        broker_item_refuse(item, has_name ? KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_E_UNKNOWN_TOPIC_ID,
                           "there is no such topic");
        return;
    }
    topic->id = t->id;
    item->name = slice_make(topic->id.bytes, sizeof(topic->id.bytes));
    if (!has_name)
        topic->name = slice_str(broker_text(req, t->name));
}

static void start_topic(struct broker_request *req, const struct delete_topics_topic *topic, struct broker_item *item)
{
    struct wr *command = broker_item_command(req, item);

    if (command == NULL)
        return;
    meta_write_topic_delete(command, &topic->id);
    broker_item_start(item);
}

static bool take_topics(struct broker_request *req, struct delete_topics_state *s)
{
    s->by_id = req->header.api_version >= 6;
    s->n = (size_t)(s->by_id ? s->request.n_topics : s->request.n_topic_names);
    s->items = broker_items_new(req, s->n);
    s->topics = broker_alloc(req, s->n, sizeof(*s->topics));
    if (s->items == NULL || s->topics == NULL)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        s->topics[i].name = s->by_id ? s->request.topics[i].name : s->request.topic_names[i];
        if (s->by_id)
            s->topics[i].id = s->request.topics[i].topic_id;
        find_topic(req, &s->topics[i], &s->items[i]);
    }
    return true;
}

void broker_handle_delete_topics(struct broker_request *req, struct rd *body)
{
    struct delete_topics_state *s = req->state = broker_alloc(req, 1, sizeof(*s));

    if (s == NULL || !broker_decode(req, body, &s->request) || !take_topics(req, s))
        return;
    broker_items_refuse_repeated(req, s->items, s->n, "the topic is named more than once");
    for (size_t i = 0; i < s->n && req->phase == BROKER_REQUEST_RUNNING; i++) {
        if (s->items[i].error == 0)
            start_topic(req, &s->topics[i], &s->items[i]);
    }
    broker_request_then_within(req, s->request.timeout_ms, answer);
}
