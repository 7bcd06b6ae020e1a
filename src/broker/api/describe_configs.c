/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "broker/internal.h"
#include "broker/items.h"
#include "config/describe.h"

struct describe_configs_state {
    struct wire_describe_configs_request request;
    struct wire_describe_configs_response response;
};

/* No keys are all keys, as Kafka has it. */
static bool is_wanted(const struct wire_describe_configs_request_resource *from, const char *name)
{
    if (from->n_configuration_keys <= 0)
        return true;
    for (int32_t i = 0; i < from->n_configuration_keys; i++) {
        if (slice_eq_str(from->configuration_keys[i], name))
            return true;
    }
    return false;
}

static void add_synonyms(struct broker_request *req, const struct config_entry *e,
                         struct wire_describe_configs_response_config *to)
{
    to->synonyms = broker_alloc(req, e->n_synonyms, sizeof(*to->synonyms));
    for (size_t i = 0; to->synonyms != NULL && i < e->n_synonyms; i++) {
        to->synonyms[to->n_synonyms++] = (struct wire_describe_configs_response_synonym){
            .name = slice_str(e->synonyms[i].name),
            .value = e->is_sensitive ? SLICE_NULL : slice_str(broker_text(req, e->synonyms[i].value)),
            .source = (int8_t)e->synonyms[i].source,
        };
    }
}

static void add_entry(struct broker_request *req, const struct wire_describe_configs_request_resource *from,
                      const struct config_entry *e, struct wire_describe_configs_response_result *to)
{
    const struct describe_configs_state *s = req->state;
    struct wire_describe_configs_response_config *c = &to->configs[to->n_configs];

    if (!is_wanted(from, e->name))
        return;
    to->n_configs++;
    wire_describe_configs_response_config_init(c);
    c->name = slice_str(e->name);
    c->value = e->is_sensitive ? SLICE_NULL : slice_str(broker_text(req, e->value));
    c->read_only = e->is_read_only;
    c->is_sensitive = e->is_sensitive;
    c->config_source = (int8_t)e->source;
    c->config_type = (int8_t)e->type;
    c->documentation = s->request.include_documentation ? slice_str(e->documentation) : SLICE_NULL;
    if (s->request.include_synonyms)
        add_synonyms(req, e, c);
}

static void refuse(struct broker_request *req, struct wire_describe_configs_response_result *to, int16_t error,
                   const char *message)
{
    to->error_code = broker_count_error(req, error);
    to->error_message = slice_str(message);
}

static void describe_topic(struct broker_request *req, const struct wire_describe_configs_request_resource *from,
                           struct wire_describe_configs_response_result *to)
{
    const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->resource_name);
    struct topic_config config;

    if (t == NULL) {
        refuse(req, to, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic");
        return;
    }
    topic_config_init(&config, req->backend->config);
    for (size_t i = 0; i < t->n_configs; i++)
        topic_config_set(&config, slice_str(t->configs[i].name), slice_str(t->configs[i].value), NULL);
    to->configs = broker_alloc(req, TOPIC_N_CONFIGS, sizeof(*to->configs));
    for (int id = 0; to->configs != NULL && id < TOPIC_N_CONFIGS; id++) {
        struct config_entry e;

        topic_config_describe(&config, req->backend->config, (enum topic_config_id)id, &e);
        add_entry(req, from, &e, to);
    }
}

static void describe_broker(struct broker_request *req, const struct wire_describe_configs_request_resource *from,
                            struct wire_describe_configs_response_result *to)
{
    char id[16];

    snprintf(id, sizeof(id), "%d", req->backend->broker_id);
    if (from->resource_name.size > 0 && !slice_eq_str(from->resource_name, id)) {
        refuse(req, to, KAFKA_E_INVALID_REQUEST, "only this broker's own configs can be asked for here");
        return;
    }
    to->configs = broker_alloc(req, broker_config_count(), sizeof(*to->configs));
    for (size_t i = 0; to->configs != NULL && i < broker_config_count(); i++) {
        struct config_entry e;

        broker_config_describe(req->backend->config, i, &e);
        add_entry(req, from, &e, to);
    }
}

void broker_handle_describe_configs(struct broker_request *req, struct rd *body)
{
    struct describe_configs_state *s = req->state = broker_alloc(req, 1, sizeof(*s));

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    wire_describe_configs_response_init(&s->response);
    s->response.n_results = s->request.n_resources;
    s->response.results = broker_alloc(req, (size_t)s->request.n_resources, sizeof(*s->response.results));
    if (s->response.results == NULL)
        return;
    for (int32_t i = 0; i < s->request.n_resources; i++) {
        const struct wire_describe_configs_request_resource *from = &s->request.resources[i];
        struct wire_describe_configs_response_result *to = &s->response.results[i];

        wire_describe_configs_response_result_init(to);
        to->resource_type = from->resource_type;
        to->resource_name = from->resource_name;
        if (from->resource_type == BROKER_RESOURCE_TOPIC)
            describe_topic(req, from, to);
        else if (from->resource_type == BROKER_RESOURCE_BROKER)
            describe_broker(req, from, to);
        else
            refuse(req, to, KAFKA_E_INVALID_REQUEST, "only topics and brokers have configs here");
    }
    if (req->phase == BROKER_REQUEST_RUNNING)
        broker_answer(req, &s->response);
}
