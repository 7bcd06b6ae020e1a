/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "broker/internal.h"
#include "broker/items.h"
#include "config/describe.h"

/* AlterConfigs replaces all configs of a topic, IncrementalAlterConfigs changes those it names. Both are one thing
 * here: a list of changes that is checked whole, then proposed as one command. */

struct alteration {
    struct wire_incremental_alter_configs_request_config *configs;
    int32_t n_configs;
};

struct alter_state {
    struct broker_item *items;
    struct alteration *alterations;
    int32_t n;
    bool replace, validate_only;
    void (*answer)(struct broker_request *req);
};

/* --- changes --- */

struct change {
    struct topic_config config; /* what results */
    uint32_t named;             /* bit per config that the request names */
};

static int16_t apply_config(struct broker_request *req, const struct wire_incremental_alter_configs_request_config *c,
                            struct change *change, const char **ret_message)
{
    enum topic_config_id id = topic_config_find(c->name);
    struct error_text err = { "" };

    if (id < TOPIC_N_CONFIGS && (change->named & (UINT32_C(1) << id)) != 0) {
        *ret_message = "a config is named more than once";
        return KAFKA_E_INVALID_REQUEST;
    }
    if (slice_is_null(c->value) && c->config_operation != TOPIC_CONFIG_OP_DELETE) {
        *ret_message = "a config has no value";
        return KAFKA_E_INVALID_REQUEST;
    }
    if (topic_config_alter(&change->config, req->backend->config, c->name, c->config_operation, c->value, &err) < 0) {
        *ret_message = broker_text(req, err.text);
        return KAFKA_E_INVALID_CONFIG;
    }
    change->named |= UINT32_C(1) << id;
    return 0;
}

static int16_t build_change(struct broker_request *req, const struct alteration *a, const struct meta_topic *t,
                            struct change *change, const char **ret_message)
{
    const struct alter_state *s = req->state;
    int16_t error = 0;

    *change = (struct change){ 0 };
    topic_config_init(&change->config, req->backend->config);
    for (size_t i = 0; !s->replace && i < t->n_configs; i++)
        topic_config_set(&change->config, slice_str(t->configs[i].name), slice_str(t->configs[i].value), NULL);
    for (int32_t i = 0; i < a->n_configs && error == 0; i++)
        error = apply_config(req, &a->configs[i], change, ret_message);
    return error != 0 ? error : broker_topic_config_check(req, &change->config, ret_message);
}

/* Each named config with its new value, or back to the default. */
static void write_change(const struct change *change, const struct meta_topic *t, bool replace, struct wr *w)
{
    char texts[TOPIC_N_CONFIGS][TOPIC_CONFIG_TEXT_SIZE];
    struct meta_config_op ops[TOPIC_N_CONFIGS];
    size_t n = 0;

    for (unsigned i = 0; i < TOPIC_N_CONFIGS; i++) {
        enum topic_config_id id = (enum topic_config_id)i;

        if ((change->named & (UINT32_C(1) << i)) == 0)
            continue;
        topic_config_format(&change->config, id, texts[i]);
        ops[n++] = (struct meta_config_op){
            .name = topic_config_name(id),
            .value = (change->config.set & (UINT32_C(1) << i)) != 0 ? texts[i] : NULL,
        };
    }
    meta_write_topic_configs(w, &t->id, replace, ops, n);
}

static void alter_topic(struct broker_request *req, const struct alteration *a, struct broker_item *item)
{
    const struct alter_state *s = req->state;
    const struct meta_topic *t = meta_topic_by_name(req->backend->meta, item->name);
    const char *message = NULL;
    struct change change;
    struct wr *command;
    int16_t error;

    if (t == NULL) {
        broker_item_refuse(item, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic");
        return;
    }
    error = build_change(req, a, t, &change, &message);
    if (error != 0) {
        broker_item_refuse(item, error, message);
        return;
    }
    if (s->validate_only)
        return;
    command = broker_item_command(req, item);
    if (command == NULL)
        return;
    write_change(&change, t, s->replace, command);
    broker_item_start(item);
}

/* What a broker runs with is in its file; a change that a restart would lose isn't taken. */
static void alter_broker(struct broker_request *req, const struct alteration *a, struct broker_item *item)
{
    size_t i = a->n_configs > 0 ? broker_config_find(a->configs[0].name) : broker_config_count();
    char text[256];

    if (i < broker_config_count())
        snprintf(text, sizeof(text), "configs of a broker are set in its YAML file: %s", broker_config_key(i));
    else
        snprintf(text, sizeof(text), "configs of a broker are set in its YAML file");
    broker_item_refuse(item, KAFKA_E_INVALID_CONFIG, broker_text(req, text));
}

static void alter_one(struct broker_request *req, const struct alteration *a, struct broker_item *item)
{
    if (item->error != 0)
        return;
    if (item->type == BROKER_RESOURCE_TOPIC)
        alter_topic(req, a, item);
    else if (item->type == BROKER_RESOURCE_BROKER)
        alter_broker(req, a, item);
    else
        broker_item_refuse(item, KAFKA_E_INVALID_REQUEST, "only topics have configs that can be changed here");
}

static void settle(struct broker_request *req)
{
    const struct alter_state *s = req->state;

    broker_items_settle(req, s->items, (size_t)s->n);
    s->answer(req);
}

static void alter_all(struct broker_request *req)
{
    struct alter_state *s = req->state;

    broker_items_refuse_repeated(req, s->items, (size_t)s->n, "the resource is named more than once");
    for (int32_t i = 0; i < s->n && req->phase == BROKER_REQUEST_RUNNING; i++)
        alter_one(req, &s->alterations[i], &s->items[i]);
    broker_request_then(req, settle);
}

static struct alter_state *state_new(struct broker_request *req, int32_t n)
{
    struct alter_state *s = req->state = broker_alloc(req, 1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->n = n;
    s->items = broker_items_new(req, (size_t)n);
    s->alterations = broker_alloc(req, (size_t)n, sizeof(*s->alterations));
    return s->items != NULL && s->alterations != NULL ? s : NULL;
}

/* --- AlterConfigs --- */

static void answer_alter(struct broker_request *req)
{
    const struct alter_state *s = req->state;
    struct wire_alter_configs_response m;

    wire_alter_configs_response_init(&m);
    m.n_responses = s->n;
    m.responses = broker_alloc(req, (size_t)s->n, sizeof(*m.responses));
    if (m.responses == NULL)
        return;
    for (int32_t i = 0; i < s->n; i++)
        m.responses[i] = (struct wire_alter_configs_response_resource){
            .error_code = s->items[i].error,
            .error_message = slice_str(s->items[i].message),
            .resource_type = s->items[i].type,
            .resource_name = s->items[i].name,
        };
    broker_answer(req, &m);
}

static bool copy_configs(struct broker_request *req, const struct wire_alter_configs_request_resource *from,
                         struct alteration *to)
{
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
    for (int32_t i = 0; i < s->n; i++) {
        s->items[i].type = request.resources[i].resource_type;
        s->items[i].name = request.resources[i].resource_name;
        if (!copy_configs(req, &request.resources[i], &s->alterations[i]))
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
    m.n_responses = s->n;
    m.responses = broker_alloc(req, (size_t)s->n, sizeof(*m.responses));
    if (m.responses == NULL)
        return;
    for (int32_t i = 0; i < s->n; i++)
        m.responses[i] = (struct wire_incremental_alter_configs_response_resource){
            .error_code = s->items[i].error,
            .error_message = slice_str(s->items[i].message),
            .resource_type = s->items[i].type,
            .resource_name = s->items[i].name,
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
    for (int32_t i = 0; i < s->n; i++) {
        s->items[i].type = request.resources[i].resource_type;
        s->items[i].name = request.resources[i].resource_name;
        s->alterations[i].configs = request.resources[i].configs;
        s->alterations[i].n_configs = request.resources[i].n_configs;
    }
    alter_all(req);
}
