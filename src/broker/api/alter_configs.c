/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "broker/internal.h"
#include "config/describe.h"

/* AlterConfigs replaces all configs of a topic, IncrementalAlterConfigs changes those it names. Both are one thing
 * here: a list of changes that is checked whole, then proposed as one command. */

#define RESOURCE_TOPIC 2
#define RESOURCE_BROKER 4

struct alteration {
    int8_t resource_type;
    struct slice resource_name;
    struct wire_incremental_alter_configs_request_config *configs;
    int32_t n_configs;
    struct broker_ask *ask; /* NULL: not proposed */
    int16_t error;
    const char *message;
};

struct alter_state {
    struct alteration *items;
    int32_t n_items;
    bool replace, validate_only;
    void (*answer)(struct broker_request *req);
};

static void refuse(struct broker_request *req, struct alteration *a, int16_t error, const char *message)
{
    a->error = broker_count_error(req, error);
    a->message = message;
}

/* The configs that result, and the operations that lead there: each named config with its new value or NULL. */
static bool build_ops(struct broker_request *req, struct alteration *a, const struct meta_topic *t, bool replace,
                      struct meta_config_op *ops)
{
    struct topic_config config;
    struct error_text err = { "" };
    const char *message = NULL;
    int16_t error;

    topic_config_init(&config, req->backend->config);
    for (size_t i = 0; !replace && i < t->n_configs; i++)
        topic_config_set(&config, slice_str(t->configs[i].name), slice_str(t->configs[i].value), NULL);
    for (int32_t i = 0; i < a->n_configs; i++) {
        const struct wire_incremental_alter_configs_request_config *c = &a->configs[i];
        int op = slice_is_null(c->value) && replace ? TOPIC_CONFIG_OP_DELETE : c->config_operation;
        enum topic_config_id id;
        char text[TOPIC_CONFIG_TEXT_SIZE];

        if (topic_config_alter(&config, req->backend->config, c->name, op, c->value, &err) < 0) {
            refuse(req, a, KAFKA_E_INVALID_CONFIG, broker_text(req, err.text));
            return false;
        }
        id = topic_config_find(c->name);
        ops[i].name = topic_config_name(id);
        if (config.set & (1u << id)) {
            topic_config_format(&config, id, text);
            ops[i].value = broker_text(req, text);
        }
    }
    error = broker_topic_config_check(req, &config, &message);
    if (error != 0)
        refuse(req, a, error, message);
    return error == 0 && req->phase == BROKER_REQUEST_RUNNING;
}

static void alter_topic(struct broker_request *req, struct alteration *a)
{
    const struct alter_state *s = req->state;
    const struct meta_topic *t = meta_topic_by_name(req->backend->meta, a->resource_name);
    struct meta_config_op *ops;
    struct broker_ask *ask;

    if (t == NULL) {
        refuse(req, a, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic");
        return;
    }
    ops = broker_alloc(req, (size_t)a->n_configs, sizeof(*ops));
    if (ops == NULL || !build_ops(req, a, t, s->replace, ops) || s->validate_only)
        return;
    ask = broker_ask_new(req);
    if (ask == NULL)
        return;
    meta_write_topic_configs(&ask->body, &t->id, s->replace, ops, (size_t)a->n_configs);
    a->ask = ask;
    broker_ask_start(ask);
}

/* What a broker runs with is in its file; a change that a restart would lose isn't taken. */
static void alter_broker(struct broker_request *req, struct alteration *a)
{
    size_t i = a->n_configs > 0 ? broker_config_find(a->configs[0].name) : broker_config_count();
    char text[256];

    if (i < broker_config_count())
        snprintf(text, sizeof(text), "configs of a broker are set in its YAML file: %s", broker_config_key(i));
    else
        snprintf(text, sizeof(text), "configs of a broker are set in its YAML file");
    refuse(req, a, KAFKA_E_INVALID_CONFIG, broker_text(req, text));
}

static void finish(struct broker_request *req)
{
    struct alter_state *s = req->state;

    for (int32_t i = 0; i < s->n_items; i++) {
        struct alteration *a = &s->items[i];

        if (a->ask != NULL && a->error == 0 && a->ask->command.error != 0)
            refuse(req, a, a->ask->command.error, kafka_error_text(a->ask->command.error));
    }
    s->answer(req);
}

static void alter_all(struct broker_request *req)
{
    struct alter_state *s = req->state;

    for (int32_t i = 0; i < s->n_items && req->phase == BROKER_REQUEST_RUNNING; i++) {
        struct alteration *a = &s->items[i];

        if (a->resource_type == RESOURCE_TOPIC)
            alter_topic(req, a);
        else if (a->resource_type == RESOURCE_BROKER)
            alter_broker(req, a);
        else
            refuse(req, a, KAFKA_E_INVALID_REQUEST, "only topics have configs that can be changed here");
    }
    broker_request_then(req, finish);
}

static struct alter_state *state_new(struct broker_request *req, int32_t n_items)
{
    struct alter_state *s = req->state = broker_alloc(req, 1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->n_items = n_items;
    s->items = broker_alloc(req, (size_t)n_items, sizeof(*s->items));
    return s->items != NULL ? s : NULL;
}

/* --- AlterConfigs --- */

static void answer_alter(struct broker_request *req)
{
    const struct alter_state *s = req->state;
    struct wire_alter_configs_response m;

    wire_alter_configs_response_init(&m);
    m.n_responses = s->n_items;
    m.responses = broker_alloc(req, (size_t)s->n_items, sizeof(*m.responses));
    if (m.responses == NULL)
        return;
    for (int32_t i = 0; i < s->n_items; i++)
        m.responses[i] = (struct wire_alter_configs_response_resource){
            .error_code = s->items[i].error,
            .error_message = slice_str(s->items[i].message),
            .resource_type = s->items[i].resource_type,
            .resource_name = s->items[i].resource_name,
        };
    broker_answer(req, &m);
}

static bool copy_item(struct broker_request *req, const struct wire_alter_configs_request_resource *from,
                      struct alteration *to)
{
    to->resource_type = from->resource_type;
    to->resource_name = from->resource_name;
    to->n_configs = from->n_configs;
    to->configs = broker_alloc(req, (size_t)from->n_configs, sizeof(*to->configs));
    if (to->configs == NULL)
        return false;
    for (int32_t i = 0; i < from->n_configs; i++) {
        to->configs[i].name = from->configs[i].name;
        to->configs[i].value = from->configs[i].value;
        to->configs[i].config_operation = TOPIC_CONFIG_OP_SET;
    }
    return true;
}

void broker_handle_alter_configs(struct broker_request *req, struct rd *body)
{
    struct wire_alter_configs_request request;
    struct alter_state *s;

    if (!broker_decode(req, body, &request))
        return;
    s = state_new(req, request.n_resources);
    if (s == NULL)
        return;
    s->replace = true;
    s->validate_only = request.validate_only;
    s->answer = answer_alter;
    for (int32_t i = 0; i < s->n_items; i++) {
        if (!copy_item(req, &request.resources[i], &s->items[i]))
            return;
    }
    alter_all(req);
}

/* --- IncrementalAlterConfigs --- */

static void answer_incremental(struct broker_request *req)
{
    const struct alter_state *s = req->state;
    struct wire_incremental_alter_configs_response m;

    wire_incremental_alter_configs_response_init(&m);
    m.n_responses = s->n_items;
    m.responses = broker_alloc(req, (size_t)s->n_items, sizeof(*m.responses));
    if (m.responses == NULL)
        return;
    for (int32_t i = 0; i < s->n_items; i++)
        m.responses[i] = (struct wire_incremental_alter_configs_response_resource){
            .error_code = s->items[i].error,
            .error_message = slice_str(s->items[i].message),
            .resource_type = s->items[i].resource_type,
            .resource_name = s->items[i].resource_name,
        };
    broker_answer(req, &m);
}

void broker_handle_incremental_alter_configs(struct broker_request *req, struct rd *body)
{
    struct wire_incremental_alter_configs_request request;
    struct alter_state *s;

    if (!broker_decode(req, body, &request))
        return;
    s = state_new(req, request.n_resources);
    if (s == NULL)
        return;
    s->validate_only = request.validate_only;
    s->answer = answer_incremental;
    for (int32_t i = 0; i < s->n_items; i++) {
        s->items[i].resource_type = request.resources[i].resource_type;
        s->items[i].resource_name = request.resources[i].resource_name;
        s->items[i].configs = request.resources[i].configs;
        s->items[i].n_configs = request.resources[i].n_configs;
    }
    alter_all(req);
}
