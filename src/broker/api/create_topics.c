/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"
#include "config/describe.h"

struct create_topics_topic {
    const struct wire_create_topics_request_topic *from;
    struct wire_create_topics_response_topic *response;
    struct broker_ask *ask; /* NULL: not proposed */
    struct uuid id;
    struct broker_new_topic topic;
    struct meta_config_entry *configs;
};

struct create_topics_state {
    struct wire_create_topics_request request;
    struct wire_create_topics_response response;
    struct create_topics_topic *topics;
};

static void refuse(struct broker_request *req, struct create_topics_topic *t, int16_t error, const char *message)
{
    t->response->error_code = broker_count_error(req, error);
    t->response->error_message = slice_str(message);
}

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

static bool describe(struct broker_request *req, struct create_topics_topic *t)
{
    struct wire_create_topics_response_topic *to = t->response;
    struct topic_config config;

    topic_config_init(&config, req->backend->config);
    for (size_t i = 0; i < t->topic.n_configs; i++)
        topic_config_set(&config, slice_str(t->configs[i].name), slice_str(t->configs[i].value), NULL);
    to->topic_id = t->id;
    to->num_partitions =
        t->topic.n_partitions == -1 ? (int32_t)req->backend->config->num_partitions : t->topic.n_partitions;
    to->replication_factor = t->topic.replication_factor == -1
                                 ? (int16_t)config_replication_factor(req->backend->config)
                                 : t->topic.replication_factor;
    to->configs = broker_alloc(req, TOPIC_N_CONFIGS, sizeof(*to->configs));
    if (to->configs == NULL)
        return false;
    for (int id = 0; id < TOPIC_N_CONFIGS; id++) {
        if (!add_config(req, &to->configs[to->n_configs++], &config, (enum topic_config_id)id))
            return false;
    }
    return true;
}

static void answer(struct broker_request *req)
{
    struct create_topics_state *s = req->state;

    for (int32_t i = 0; i < s->request.n_topics; i++) {
        struct create_topics_topic *t = &s->topics[i];

        if (t->ask != NULL && t->response->error_code == 0 && t->ask->command.error != 0)
            refuse(req, t, t->ask->command.error, kafka_error_text(t->ask->command.error));
        if (t->response->error_code == 0 && !describe(req, t))
            return;
    }
    broker_answer(req, &s->response);
}

/* --- checks --- */

static bool is_repeated(const struct wire_create_topics_request *m, int32_t index)
{
    for (int32_t i = 0; i < m->n_topics; i++) {
        if (i != index && slice_eq(m->topics[i].name, m->topics[index].name))
            return true;
    }
    return false;
}

/* Manual assignments name this broker, once for each partition from 0 on. */
static const char *check_assignments(const struct broker_request *req, const struct create_topics_topic *t)
{
    const struct wire_create_topics_request_topic *from = t->from;
    uint8_t *seen;

    if (from->num_partitions != -1 || from->replication_factor != -1)
        return "partitions and replication factor must be -1 where replicas are assigned";
    seen = arena_calloc((struct arena *)&req->arena, (size_t)from->n_assignments, 1);
    for (int32_t i = 0; i < from->n_assignments; i++) {
        const struct wire_create_topics_request_assignment *a = &from->assignments[i];

        if (seen == NULL || a->partition_index < 0 || a->partition_index >= from->n_assignments ||
            seen[a->partition_index])
            return "the assigned partitions must be 0, 1, 2 and so on, each once";
        seen[a->partition_index] = 1;
        if (a->n_broker_ids != 1 || a->broker_ids[0] != req->backend->broker_id)
            return "replicas can only be assigned to this broker, the only one";
    }
    return NULL;
}

static bool copy_configs(struct broker_request *req, struct create_topics_topic *t)
{
    const struct wire_create_topics_request_topic *from = t->from;

    t->configs = broker_alloc(req, (size_t)from->n_configs, sizeof(*t->configs));
    for (int32_t i = 0; t->configs != NULL && i < from->n_configs; i++) {
        struct slice value = from->configs[i].value;
        struct meta_config_entry *c = &t->configs[t->topic.n_configs];

        if (slice_is_null(value))
            continue; /* the default */
        c->name = broker_alloc(req, from->configs[i].name.size + 1, 1);
        c->value = broker_alloc(req, value.size + 1, 1);
        if (c->name == NULL || c->value == NULL)
            return false;
        memcpy(c->name, from->configs[i].name.data, from->configs[i].name.size);
        memcpy(c->value, value.data, value.size);
        t->topic.n_configs++;
    }
    t->topic.configs = t->configs;
    return t->configs != NULL;
}

static void start_topic(struct broker_request *req, int32_t i)
{
    struct create_topics_state *s = req->state;
    struct create_topics_topic *t = &s->topics[i];
    struct broker_ask *ask;
    const char *message = NULL;
    int16_t error;

    t->topic = (struct broker_new_topic){
        .name = t->from->name,
        .n_partitions = t->from->num_partitions,
        .replication_factor = t->from->replication_factor,
    };
    if (is_repeated(&s->request, i)) {
        refuse(req, t, KAFKA_E_INVALID_REQUEST, "the topic is named more than once");
        return;
    }
    if (t->from->n_assignments > 0) {
        message = check_assignments(req, t);
        if (message != NULL) {
            refuse(req, t, KAFKA_E_INVALID_REPLICA_ASSIGNMENT, message);
            return;
        }
        t->topic.n_partitions = t->from->n_assignments;
    }
    ask = broker_ask_new(req);
    if (ask == NULL || !copy_configs(req, t))
        return;
    error = broker_topic_create(req, &t->topic, &ask->body, &t->id, &message);
    if (error != 0) {
        refuse(req, t, error, message);
        return;
    }
    if (s->request.validate_only) {
        t->id = (struct uuid){ 0 };
        return;
    }
    t->ask = ask;
    broker_ask_start(ask);
}

void broker_handle_create_topics(struct broker_request *req, struct rd *body)
{
    struct create_topics_state *s = req->state = broker_alloc(req, 1, sizeof(*s));

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    wire_create_topics_response_init(&s->response);
    s->response.n_topics = s->request.n_topics;
    s->response.topics = broker_alloc(req, (size_t)s->request.n_topics, sizeof(*s->response.topics));
    s->topics = broker_alloc(req, (size_t)s->request.n_topics, sizeof(*s->topics));
    if (s->response.topics == NULL || s->topics == NULL)
        return;
    for (int32_t i = 0; i < s->request.n_topics; i++) {
        s->topics[i].from = &s->request.topics[i];
        s->topics[i].response = &s->response.topics[i];
        wire_create_topics_response_topic_init(s->topics[i].response);
        s->topics[i].response->name = s->request.topics[i].name;
    }
    for (int32_t i = 0; i < s->request.n_topics; i++)
        start_topic(req, i);
    broker_request_then(req, answer);
}
