/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"
#include "broker/items.h"
#include "config/describe.h"

struct create_topics_state {
    struct wire_create_topics_request request;
    struct broker_item *items;
    struct broker_topic_plan *plans;
};

/* --- what was created, as version 5 and later tell it --- */

static bool add_config(struct broker_request *req, struct wire_create_topics_response_config *to,
                       const struct topic_config *config, enum topic_config_id id)
{
    struct config_entry e;
    const char *value;

    topic_config_describe(config, req->backend->config, id, &e);
    value = broker_text(req, e.value);
    *to = (struct wire_create_topics_response_config){
        .name = slice_str(e.name),
        .value = slice_str(value),
        .config_source = (int8_t)e.source,
        .read_only = e.is_read_only,
        .is_sensitive = e.is_sensitive,
    };
    return value != NULL;
}

static bool describe(struct broker_request *req, const struct broker_topic_plan *plan,
                     struct wire_create_topics_response_topic *to)
{
    to->num_partitions = plan->n_partitions;
    to->replication_factor = plan->replication_factor;
    to->configs = broker_alloc(req, TOPIC_N_CONFIGS, sizeof(*to->configs));
    if (to->configs == NULL)
        return false;
    for (int id = 0; id < TOPIC_N_CONFIGS; id++) {
        if (!add_config(req, &to->configs[to->n_configs++], &plan->config, (enum topic_config_id)id))
            return false;
    }
    return true;
}

static bool answer_topic(struct broker_request *req, int32_t i, struct wire_create_topics_response_topic *to)
{
    const struct create_topics_state *s = req->state;
    const struct broker_item *item = &s->items[i];

    wire_create_topics_response_topic_init(to);
    to->name = item->name;
    to->error_code = item->error;
    to->error_message = slice_str(item->message);
    if (item->error != 0)
        return true;
    if (!s->request.validate_only)
        to->topic_id = s->plans[i].id;
    return req->header.api_version < 5 || describe(req, &s->plans[i], to);
}

static void answer(struct broker_request *req)
{
    const struct create_topics_state *s = req->state;
    size_t n = (size_t)s->request.n_topics;
    struct wire_create_topics_response m;

    broker_items_settle(req, s->items, n);
    wire_create_topics_response_init(&m);
    m.topics = broker_alloc(req, n, sizeof(*m.topics));
    if (m.topics == NULL)
        return;
    for (; m.n_topics < s->request.n_topics; m.n_topics++) {
        if (!answer_topic(req, m.n_topics, &m.topics[m.n_topics]))
            return;
    }
    broker_answer(req, &m);
}

/* --- checks --- */

/* Replicas are assigned to this broker, once for each partition from 0 on. */
static const char *check_replicas(struct broker_request *req, const struct wire_create_topics_request_topic *from)
{
    bool *seen = broker_alloc(req, (size_t)from->n_assignments, sizeof(*seen));

    if (meta_is_cluster(req->backend->meta))
        return "replicas are placed by the cluster, and can't be assigned";
    for (int32_t i = 0; seen != NULL && i < from->n_assignments; i++) {
        const struct wire_create_topics_request_assignment *a = &from->assignments[i];

        if (a->partition_index < 0 || a->partition_index >= from->n_assignments || seen[a->partition_index])
            return "the assigned partitions must be 0, 1, 2 and so on, each once";
        seen[a->partition_index] = true;
        if (a->n_broker_ids != 1 || a->broker_ids[0] != req->backend->broker_id)
            return "replicas can only be assigned to this broker, the only one";
    }
    return NULL;
}

static int16_t take_assignments(struct broker_request *req, const struct wire_create_topics_request_topic *from,
                                struct broker_new_topic *topic, const char **ret_message)
{
    if (from->n_assignments == 0)
        return 0;
    if (from->num_partitions != -1 || from->replication_factor != -1) {
        *ret_message = "partitions and replication factor must be -1 where replicas are assigned";
        return KAFKA_E_INVALID_REQUEST;
    }
    *ret_message = check_replicas(req, from);
    if (*ret_message != NULL)
        return KAFKA_E_INVALID_REPLICA_ASSIGNMENT;
    topic->n_partitions = from->n_assignments;
    topic->replication_factor = 1;
    return 0;
}

static void start_topic(struct broker_request *req, int32_t i)
{
    const struct create_topics_state *s = req->state;
    const struct wire_create_topics_request_topic *from = &s->request.topics[i];
    struct broker_new_topic topic = {
        .name = from->name,
        .n_partitions = from->num_partitions,
        .replication_factor = from->replication_factor,
        .configs = from->configs,
        .n_configs = from->n_configs,
    };
    const char *message = NULL;
    int16_t error = take_assignments(req, from, &topic, &message);
    struct wr *command = error == 0 ? broker_item_command(req, &s->items[i]) : NULL;

    if (command != NULL)
        error = broker_topic_create(req, &topic, command, &s->plans[i], &message);
    if (error != 0)
        broker_item_refuse(&s->items[i], error, message);
    else if (command != NULL && !s->request.validate_only)
        broker_item_start(&s->items[i]);
}

void broker_handle_create_topics(struct broker_request *req, struct rd *body)
{
    struct create_topics_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    size_t n;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    n = (size_t)s->request.n_topics;
    s->items = broker_items_new(req, n);
    s->plans = broker_alloc(req, n, sizeof(*s->plans));
    if (s->items == NULL || s->plans == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        s->items[i].name = s->request.topics[i].name;
    broker_items_refuse_repeated(req, s->items, n, "the topic is named more than once");
    for (size_t i = 0; i < n && req->phase == BROKER_REQUEST_RUNNING; i++) {
        if (s->items[i].error == 0)
            start_topic(req, (int32_t)i);
    }
    broker_request_then_within(req, s->request.timeout_ms, answer);
}
