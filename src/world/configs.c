/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "config/topic.h"
#include "world/rare.h"

/* The operator changes configs of topics while they are written to. None of what is asked for lets an acknowledged
 * record go but retention, and that of a partition isn't held against the model from the request on. */

#define ALTER_VERSION 1
#define TOPIC_RESOURCE 2

/* Records may go from now on, or when a request without an answer comes through. On a node alone a topic that is made
 * again has the name, and may be the one that is hit. */
static void let_records_go(struct client *c, struct topic *t)
{
    t->may_retain = t->may_retain || c->world->n_machines == 1;
    for (int32_t i = 0; i < t->n_partitions; i++) {
        t->partitions[i]->start_asked = INT64_MAX;
        recorder_delete(c->world->recorder, c->index, t->partitions[i], -1);
    }
}

/* min.insync.replicas is never more than at first: as many there are always, when all is well. */
static void draw_change(struct client *c, struct topic *t, struct wire_incremental_alter_configs_request_config *to,
                        char *value, size_t size)
{
    const char *name = NULL;
    uint64_t number = 0;

    switch (sim_prng_below(&c->prng, 4)) {
    case 0:
        name = "retention.bytes";
        number = UINT64_C(8192) << sim_prng_below(&c->prng, 7);
        break;
    case 1:
        name = "retention.ms";
        number = UINT64_C(1000) << sim_prng_below(&c->prng, 24);
        break;
    case 2:
        name = "min.insync.replicas";
        number = 1 + sim_prng_below(&c->prng, (uint64_t)t->min_insync);
        break;
    default:
        name = "message.timestamp.type";
        break;
    }
    if (number > 0)
        snprintf(value, size, "%llu", (unsigned long long)number);
    else
        snprintf(value, size, "%s", sim_prng_chance(&c->prng, 1, 2) ? "LogAppendTime" : "CreateTime");
    if (strncmp(name, "retention", 9) == 0)
        let_records_go(c, t);
    to->name = slice_str(name);
    to->value = slice_str(value);
    to->config_operation = sim_prng_chance(&c->prng, 1, 4) ? TOPIC_CONFIG_OP_DELETE : TOPIC_CONFIG_OP_SET;
}

void configs_alter(struct client *c, struct topic *t)
{
    struct wire_incremental_alter_configs_request m;
    struct wire_incremental_alter_configs_request_resource topic;
    struct wire_incremental_alter_configs_request_config config;
    char value[24];

    wire_incremental_alter_configs_request_init(&m);
    wire_incremental_alter_configs_request_resource_init(&topic);
    wire_incremental_alter_configs_request_config_init(&config);
    m.resources = &topic;
    m.n_resources = 1;
    topic.resource_type = TOPIC_RESOURCE;
    topic.resource_name = slice_str(t->name);
    topic.configs = &config;
    topic.n_configs = 1;
    draw_change(c, t, &config, value, sizeof(value));
    c->world->story->n_faults[WORLD_FAULT_CONFIGS]++;
    client_call(c, WIRE_API_INCREMENTAL_ALTER_CONFIGS, ALTER_VERSION, &m);
}
