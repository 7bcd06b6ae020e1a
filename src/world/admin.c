/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/internal.h"

/* Makes the topics. */

#define CREATE_VERSION 5

struct admin {
    struct client client; /* first */
};

static void admin_init(struct client *c)
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

static void create(struct client *c, struct topic *t)
{
    struct wire_create_topics_request m;
    struct wire_create_topics_request_topic topic;
    struct call *call;

    wire_create_topics_request_init(&m);
    wire_create_topics_request_topic_init(&topic);
    m.topics = &topic;
    m.n_topics = 1;
    topic.name = slice_str(t->name);
    topic.num_partitions = t->n_partitions;
    topic.replication_factor = 1;
    call = client_call(c, WIRE_API_CREATE_TOPICS, CREATE_VERSION, &m);
    call->number = (uint64_t)(t - c->world->model->topics);
    t->state = TOPIC_CREATING;
}

static void admin_poll(struct client *c)
{
    struct topic *t = find_topic(c, TOPIC_ABSENT);

    if (c->n_calls == 0 && t != NULL)
        create(c, t);
}

static void admin_answer(struct client *c, const struct call *call, const void *message)
{
    const struct wire_create_topics_response *m = message;
    struct topic *t = &c->world->model->topics[call->number];
    int16_t code = m->topics[0].error_code;

    t->state = code == 0 || code == KAFKA_E_TOPIC_ALREADY_EXISTS ? TOPIC_LIVE : TOPIC_ABSENT;
    client_again(c, 100 * MS);
}

static void admin_lost(struct client *c, const struct call *call)
{
    c->world->model->topics[call->number].state = TOPIC_ABSENT;
}

static bool admin_is_done(const struct client *c)
{
    return c->n_calls == 0 && find_topic(c, TOPIC_ABSENT) == NULL;
}

const struct client_kind admin_kind = {
    .name = "admin",
    .size = sizeof(struct admin),
    .init = admin_init,
    .fini = admin_init,
    .poll = admin_poll,
    .answer = admin_answer,
    .lost = admin_lost,
    .is_done = admin_is_done,
};
