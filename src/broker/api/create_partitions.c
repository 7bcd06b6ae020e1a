/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "broker/internal.h"
#include "broker/items.h"

struct create_partitions_state {
    struct wire_create_partitions_request request;
    struct broker_item *items;
};

static void answer(struct broker_request *req)
{
    const struct create_partitions_state *s = req->state;
    size_t n = (size_t)s->request.n_topics;
    struct wire_create_partitions_response m;

    broker_items_settle(req, s->items, n);
    wire_create_partitions_response_init(&m);
    m.n_results = s->request.n_topics;
    m.results = broker_alloc(req, n, sizeof(*m.results));
    if (m.results == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        m.results[i] = (struct wire_create_partitions_response_topic){
            .name = s->items[i].name,
            .error_code = s->items[i].error,
            .error_message = slice_str(s->items[i].message),
        };
    broker_answer(req, &m);
}

/* New partitions may be assigned by hand, to this broker. */
static bool is_assigned_well(const struct broker_request *req, const struct wire_create_partitions_request_topic *from,
                             int32_t n_new)
{
    if (from->n_assignments < 0)
        return true;
    if (from->n_assignments != n_new || meta_is_cluster(req->backend->meta))
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
    if (from->count <= t->n_partitions) {
        snprintf(text, sizeof(text), "the topic has %d partitions; the new number must be larger, not %d",
                 t->n_partitions, from->count);
        *ret_message = broker_text(req, text);
        return KAFKA_E_INVALID_PARTITIONS;
    }
    if (!is_assigned_well(req, from, from->count - t->n_partitions)) {
        *ret_message = meta_is_cluster(req->backend->meta)
                           ? "replicas are placed by the cluster, and can't be assigned"
                           : "each new partition must be assigned to this broker, the only one";
        return KAFKA_E_INVALID_REPLICA_ASSIGNMENT;
    }
    return broker_check_partitions(req, from->count - t->n_partitions, from->count, ret_message);
}

static void start_topic(struct broker_request *req, const struct wire_create_partitions_request_topic *from,
                        struct broker_item *item)
{
    const struct create_partitions_state *s = req->state;
    const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->name);
    const char *message = NULL;
    int16_t error = check(req, from, t, &message);
    struct wr *command;

    if (error != 0) {
        broker_item_refuse(item, error, message);
        return;
    }
    if (s->request.validate_only)
        return;
    command = broker_item_command(req, item);
    if (command == NULL)
        return;
    meta_write_partitions_add(command, &t->id, from->count);
    broker_item_start(item);
}

void broker_handle_create_partitions(struct broker_request *req, struct rd *body)
{
    struct create_partitions_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    size_t n;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    n = (size_t)s->request.n_topics;
    s->items = broker_items_new(req, n);
    if (s->items == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        s->items[i].name = s->request.topics[i].name;
    broker_items_refuse_repeated(req, s->items, n, "the topic is named more than once");
    for (size_t i = 0; i < n && req->phase == BROKER_REQUEST_RUNNING; i++) {
        if (s->items[i].error == 0)
            start_topic(req, &s->request.topics[i], &s->items[i]);
    }
    broker_request_then_within(req, s->request.timeout_ms, answer);
}
