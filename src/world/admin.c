/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "config/topic.h"
#include "world/internal.h"
#include "world/rare.h"

/* The operator: makes topics, has records deleted, alters topics, deletes them and makes them again. Topics are deleted
 * by their id, so that a request that comes late can't hit the next topic of that name. */

#define METADATA_VERSION 12
#define CREATE_VERSION 7
#define DELETE_VERSION 6
#define DELETE_RECORDS_VERSION 2
#define ALTER_VERSION 1
#define RESOURCE_TOPIC 2
#define SETTLE_NS (100 * MS) /* reactors learn of topics by mail */

struct admin {
    struct client client; /* first */
    uint64_t pause_ns;
    struct reassign reassign;
    struct partition *trims; /* on its way to the leader, to have records deleted; or NULL */
};

static struct admin *admin_of(const struct client *c)
{
    return container_of(c, struct admin, client);
}

static void admin_init(struct client *c)
{
    struct admin *a = admin_of(c);

    a->pause_ns = MS << sim_prng_below(&c->prng, 12);
}

static void admin_fini(struct client *c)
{
}

static struct topic *find_topic(const struct client *c, enum topic_state state)
{
    struct model *m = c->world->model;

    for (unsigned i = 0; i < m->n_topics; i++)
        if (m->topics[i].state == state)
            return &m->topics[i];
    return NULL;
}

static struct topic *topic_of(const struct client *c, const struct call *call)
{
    return &c->world->model->topics[call->number];
}

static void note_topic(struct client *c, struct call *call, const struct topic *t)
{
    call->number = (uint64_t)(t - c->world->model->topics);
}

/* ---- Requests ---- */

static struct wire_create_topics_request_config config(const char *name, const char *value)
{
    return (struct wire_create_topics_request_config){ slice_str(name), slice_str(value) };
}

static void create(struct client *c, struct topic *t)
{
    struct wire_create_topics_request_config configs[3];
    char min_insync[8];
    struct wire_create_topics_request m;
    struct wire_create_topics_request_topic topic;

    wire_create_topics_request_init(&m);
    wire_create_topics_request_topic_init(&topic);
    m.topics = &topic;
    m.n_topics = 1;
    topic.name = slice_str(t->name);
    topic.num_partitions = t->n_partitions;
    topic.replication_factor = t->n_replicas;
    topic.configs = configs;
    if (t->has_retention) {
        configs[topic.n_configs++] = config("segment.bytes", "16384");
        configs[topic.n_configs++] = config("retention.bytes", "32768");
    }
    if (t->min_insync > 1) {
        snprintf(min_insync, sizeof(min_insync), "%d", t->min_insync);
        configs[topic.n_configs++] = config("min.insync.replicas", min_insync);
    }
    c->world->story->n_faults[WORLD_FAULT_RETENTION] += t->has_retention;
    note_topic(c, client_call(c, WIRE_API_CREATE_TOPICS, CREATE_VERSION, &m), t);
    t->state = TOPIC_CREATING;
}

/* It is there, by a request whose answer was lost. */
static void ask_for_id(struct client *c, struct topic *t)
{
    struct wire_metadata_request m;
    struct wire_metadata_request_topic topic;

    wire_metadata_request_init(&m);
    wire_metadata_request_topic_init(&topic);
    topic.name = slice_str(t->name);
    m.topics = &topic;
    m.n_topics = 1;
    note_topic(c, client_call(c, WIRE_API_METADATA, METADATA_VERSION, &m), t);
}

static void delete_topic(struct client *c, struct topic *t)
{
    struct wire_delete_topics_request m;
    struct wire_delete_topics_request_topic topic;

    wire_delete_topics_request_init(&m);
    wire_delete_topics_request_topic_init(&topic);
    topic.name = SLICE_NULL;
    topic.topic_id = t->id;
    m.topics = &topic;
    m.n_topics = 1;
    m.timeout_ms = 10000;
    note_topic(c, client_call(c, WIRE_API_DELETE_TOPICS, DELETE_VERSION, &m), t);
    model_delete_topic(c->world->model, t);
    c->world->story->n_faults[WORLD_FAULT_DELETE_TOPICS]++;
}

static void delete_records(struct client *c, struct topic *t, struct partition *p)
{
    struct wire_delete_records_request m;
    struct wire_delete_records_request_topic topic;
    struct wire_delete_records_request_partition part;
    int64_t offset = p->log_start + (int64_t)sim_prng_below(&c->prng, (uint64_t)(p->high_watermark - p->log_start) + 1);
    struct call *call;

    wire_delete_records_request_init(&m);
    wire_delete_records_request_topic_init(&topic);
    wire_delete_records_request_partition_init(&part);
    m.topics = &topic;
    m.n_topics = 1;
    m.timeout_ms = 10000;
    topic.name = slice_str(t->name);
    topic.partitions = &part;
    topic.n_partitions = 1;
    part.partition_index = p->index;
    part.offset = offset;
    c->world->story->n_faults[WORLD_FAULT_DELETE_RECORDS]++;
    call = client_call(c, WIRE_API_DELETE_RECORDS, DELETE_RECORDS_VERSION, &m);
    call->partition = p;
    call->floor = model_floor(c->world->model, p, c->life);
    call->offset = offset;
    p->start_asked = MAX(p->start_asked, offset);
    recorder_delete(c->world->recorder, c->index, p, offset);
}

/* By name, so one that comes late may alter the next topic of that name: that is as good. */
static void alter_topic(struct client *c, const struct topic *t)
{
    struct wire_incremental_alter_configs_request m;
    struct wire_incremental_alter_configs_request_resource resource;
    struct wire_incremental_alter_configs_request_config to;
    char size[16];

    snprintf(size, sizeof(size), "%u", 16384u << sim_prng_below(&c->world->alter_prng, 6));
    wire_incremental_alter_configs_request_init(&m);
    wire_incremental_alter_configs_request_resource_init(&resource);
    wire_incremental_alter_configs_request_config_init(&to);
    m.resources = &resource;
    m.n_resources = 1;
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = slice_str(t->name);
    resource.configs = &to;
    resource.n_configs = 1;
    to.name = slice_str("segment.bytes");
    to.config_operation = TOPIC_CONFIG_OP_SET;
    to.value = slice_str(size);
    client_call(c, WIRE_API_INCREMENTAL_ALTER_CONFIGS, ALTER_VERSION, &m);
    c->world->story->n_faults[WORLD_FAULT_ALTER_TOPICS]++;
}

/* False: there is nothing to go on with. */
static bool go_on_trimming(struct client *c)
{
    struct admin *a = admin_of(c);
    struct partition *p = a->trims;
    struct topic *t = p != NULL ? &c->world->model->topics[p->topic] : NULL;

    if (p == NULL || p->gone || t->state != TOPIC_LIVE || c->world->phase != WORLD_WORK)
        return false;
    if (!client_goes_to(c, p))
        return true;
    a->trims = NULL;
    delete_records(c, t, p);
    return true;
}

static void operate(struct client *c)
{
    struct admin *a = admin_of(c);
    struct topic *t;

    if (go_on_trimming(c))
        return;
    t = &c->world->model->topics[sim_prng_below(&c->prng, c->world->model->n_topics)];
    client_again(c, a->pause_ns);
    if (c->world->phase != WORLD_WORK || t->state != TOPIC_LIVE)
        return;
    if (world_has_fault(c->world, WORLD_FAULT_REASSIGN) && sim_prng_chance(&c->prng, 1, 2)) {
        reassign_ask(c, &a->reassign, t);
    } else if (world_has_fault(c->world, WORLD_FAULT_ALTER_TOPICS) && sim_prng_chance(&c->world->alter_prng, 1, 4)) {
        alter_topic(c, t);
    } else if (world_has_fault(c->world, WORLD_FAULT_CONFIGS) && sim_prng_chance(&c->prng, 1, 3)) {
        configs_alter(c, t);
    } else if (sim_prng_chance(&c->prng, 1, 8)) {
        if (world_has_fault(c->world, WORLD_FAULT_DELETE_TOPICS))
            delete_topic(c, t);
    } else if (world_has_fault(c->world, WORLD_FAULT_DELETE_RECORDS)) {
        admin_of(c)->trims = t->partitions[sim_prng_below(&c->prng, (uint64_t)t->n_partitions)];
        go_on_trimming(c);
    }
}

static void begin_topic(struct client *c, struct topic *t)
{
    if (t->live_ns <= c->world->now_ns)
        model_begin_topic(c->world->model, t);
    client_again(c, SETTLE_NS / 4);
}

static void admin_poll(struct client *c)
{
    struct topic *t;

    if (c->n_calls > 0 || c->world->phase > WORLD_HEAL)
        return;
    if ((t = find_topic(c, TOPIC_ABSENT)) != NULL)
        create(c, t);
    else if ((t = find_topic(c, TOPIC_CREATING)) != NULL)
        ask_for_id(c, t);
    else if ((t = find_topic(c, TOPIC_DELETING)) != NULL)
        delete_topic(c, t);
    else if ((t = find_topic(c, TOPIC_MADE)) != NULL)
        begin_topic(c, t);
    else if (c->world->phase == WORLD_HEAL && !reassign_is_done(c, &admin_of(c)->reassign))
        reassign_settle(c, &admin_of(c)->reassign);
    else
        operate(c);
}

/* ---- Answers ---- */

static void topic_made(struct client *c, struct topic *t, const struct uuid *id)
{
    t->state = TOPIC_MADE;
    t->id = *id;
    t->live_ns = c->world->now_ns + SETTLE_NS;
}

static void told_no(struct client *c, struct topic *t, enum topic_state state)
{
    t->state = state;
    client_lose_way(c);
    client_back_off(c);
}

static void take_create(struct client *c, struct topic *t, const struct wire_create_topics_response *m)
{
    if (m->topics[0].error_code == 0)
        topic_made(c, t, &m->topics[0].topic_id);
    else if (m->topics[0].error_code != KAFKA_E_TOPIC_ALREADY_EXISTS)
        told_no(c, t, TOPIC_ABSENT);
}

static void take_id(struct client *c, struct topic *t, const struct wire_metadata_response *m)
{
    if (m->topics[0].error_code == 0)
        topic_made(c, t, &m->topics[0].topic_id);
    else
        told_no(c, t, TOPIC_ABSENT);
}

static void take_delete(struct client *c, struct topic *t, const struct wire_delete_topics_response *m)
{
    int16_t code = m->responses[0].error_code;

    if (code == 0 || code == KAFKA_E_UNKNOWN_TOPIC_ID) {
        t->state = TOPIC_ABSENT;
        model_rename_topic(c->world->model, t);
    } else {
        told_no(c, t, TOPIC_DELETING);
    }
}

static void take_delete_records(struct client *c, const struct call *call, const struct wire_delete_records_response *m)
{
    const struct wire_delete_records_response_partition *a = &m->topics[0].partitions[0];

    if (a->error_code != 0)
        client_lose_way(c);
    if (a->error_code != 0 || call->partition->gone)
        return;
    if (a->low_watermark < call->offset)
        world_fail(c->world, "history", "%s-%d: records below %lld were to be deleted, the log starts at %lld",
                   client_topic_name(c, call->partition), call->partition->index, (long long)call->offset,
                   (long long)a->low_watermark);
    model_told(c->world->model, call->partition, &call->floor, -1, a->low_watermark);
}

static void take_alter(struct client *c, const struct wire_incremental_alter_configs_response *m)
{
    int16_t code = m->responses[0].error_code;

    if (code == KAFKA_E_INVALID_CONFIG || code == KAFKA_E_INVALID_REQUEST)
        world_fail(c->world, "answers are as they should be", "altering a topic ended with %d", code);
    if (code != 0)
        client_lose_way(c);
}

static void admin_answer(struct client *c, const struct call *call, const void *message)
{
    switch (call->api) {
    case WIRE_API_ALTER_PARTITION_REASSIGNMENTS:
    case WIRE_API_LIST_PARTITION_REASSIGNMENTS:
        reassign_take(c, &admin_of(c)->reassign, call, message);
        break;
    case WIRE_API_CREATE_TOPICS:
        take_create(c, topic_of(c, call), message);
        break;
    case WIRE_API_METADATA:
        if (call->offset == REASSIGN_WHERE)
            reassign_take(c, &admin_of(c)->reassign, call, message);
        else
            take_id(c, topic_of(c, call), message);
        break;
    case WIRE_API_DELETE_TOPICS:
        take_delete(c, topic_of(c, call), message);
        break;
    case WIRE_API_INCREMENTAL_ALTER_CONFIGS:
        take_alter(c, message);
        break;
    default:
        take_delete_records(c, call, message);
        break;
    }
    client_again(c, admin_of(c)->pause_ns);
}

static void admin_lost(struct client *c, const struct call *call)
{
    reassign_lost(&admin_of(c)->reassign, call);
    if (call->api == WIRE_API_CREATE_TOPICS)
        topic_of(c, call)->state = TOPIC_ABSENT;
}

static bool admin_is_done(const struct client *c)
{
    return c->n_calls == 0 && find_topic(c, TOPIC_ABSENT) == NULL && find_topic(c, TOPIC_CREATING) == NULL &&
           find_topic(c, TOPIC_MADE) == NULL && find_topic(c, TOPIC_DELETING) == NULL &&
           reassign_is_done(c, &admin_of(c)->reassign);
}

const struct client_kind admin_kind = {
    .name = "admin",
    .size = sizeof(struct admin),
    .init = admin_init,
    .fini = admin_fini,
    .poll = admin_poll,
    .answer = admin_answer,
    .lost = admin_lost,
    .is_done = admin_is_done,
};
