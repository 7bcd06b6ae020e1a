/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

struct metadata_state {
    struct wire_metadata_request request;
    struct broker_ask **asks; /* per topic of the request: its creation, or NULL */
    const char **messages;
    int16_t *errors;
};

static bool wants_all(const struct broker_request *req, const struct wire_metadata_request *m)
{
    return m->n_topics < 0 || (req->header.api_version == 0 && m->n_topics == 0);
}

static void add_brokers(struct broker_request *req, struct wire_metadata_response *m)
{
    const struct meta_broker *b;

    m->brokers = broker_alloc(req, meta_n_brokers(req->backend->meta), sizeof(*m->brokers));
    if (m->brokers == NULL)
        return;
    list_foreach (&req->backend->meta->brokers, b, link) {
        struct wire_metadata_response_broker *to;

        if (!broker_is_registered(b))
            continue;
        to = &m->brokers[m->n_brokers++];
        wire_metadata_response_broker_init(to);
        to->node_id = b->id;
        to->rack = slice_str(b->rack);
        broker_advertised(req, b, &to->host, &to->port);
    }
}

/* Who is in sync as far as this broker has heard from the leader; the answer is encoded before either changes. */
static void add_replicas(struct broker_request *req, const struct meta_topic *t, int32_t p,
                         struct wire_metadata_response_partition *mp)
{
    struct meta_ids shown = meta_replicas_shown(t, p);
    int32_t *replicas = (int32_t *)(uintptr_t)shown.ids;
    uint32_t all = UINT32_MAX >> (32 - shown.n), in_sync = t->partitions[p].in_sync & all;

    mp->replica_nodes = mp->isr_nodes = replicas;
    mp->n_replica_nodes = mp->n_isr_nodes = shown.n;
    if (in_sync == all)
        return;
    mp->n_isr_nodes = 0;
    mp->isr_nodes = broker_alloc(req, shown.n, sizeof(*mp->isr_nodes));
    for (uint16_t i = 0; mp->isr_nodes != NULL && i < shown.n; i++)
        if ((in_sync & UINT32_C(1) << i) != 0)
            mp->isr_nodes[mp->n_isr_nodes++] = replicas[i];
}

static void add_partitions(struct broker_request *req, const struct meta_topic *t,
                           struct wire_metadata_response_topic *to)
{
    to->partitions = broker_alloc(req, (size_t)t->n_partitions, sizeof(*to->partitions));
    if (to->partitions == NULL)
        return;
    to->n_partitions = t->n_partitions;
    for (int32_t p = 0; p < t->n_partitions; p++) {
        struct wire_metadata_response_partition *mp = &to->partitions[p];

        wire_metadata_response_partition_init(mp);
        mp->partition_index = p;
        mp->leader_id = t->partitions[p].leader;
        mp->leader_epoch = t->partitions[p].epoch;
        if (mp->leader_id < 0)
            mp->error_code = broker_count_error(req, KAFKA_E_LEADER_NOT_AVAILABLE);
        add_replicas(req, t, p, mp);
    }
}

static void add_topic(struct broker_request *req, const struct meta_topic *t, struct wire_metadata_response_topic *to)
{
    to->name = slice_str(t->name);
    to->topic_id = t->id;
    add_partitions(req, t, to);
}

static void add_all_topics(struct broker_request *req, struct wire_metadata_response *m)
{
    const struct meta *meta = req->backend->meta;
    const struct meta_topic *t;

    m->topics = broker_alloc(req, meta->n_topics, sizeof(*m->topics));
    if (m->topics == NULL)
        return;
    list_foreach (&meta->topics, t, link) {
        struct wire_metadata_response_topic *to = &m->topics[m->n_topics++];

        wire_metadata_response_topic_init(to);
        add_topic(req, t, to);
    }
}

static const struct meta_topic *find_topic(const struct broker_request *req,
                                           const struct wire_metadata_request_topic *from)
{
    if (!slice_is_null(from->name))
        return meta_topic_by_name(req->backend->meta, from->name);
    return meta_topic_by_id(req->backend->meta, &from->topic_id);
}

static int16_t missing_error(const struct broker_request *req, const struct metadata_state *s, int32_t i)
{
    const struct wire_metadata_request_topic *from = &s->request.topics[i];

    if (req->backend->broker_id < 0) /* it may be there once this node belongs to its cluster */
        return KAFKA_E_LEADER_NOT_AVAILABLE;
    if (slice_is_null(from->name))
        return KAFKA_E_UNKNOWN_TOPIC_ID;
    if (s->errors[i] != 0)
        return s->errors[i];
    if (s->asks[i] != NULL && s->asks[i]->command.error != 0 &&
        s->asks[i]->command.error != KAFKA_E_TOPIC_ALREADY_EXISTS)
        return s->asks[i]->command.error;
    if (meta_topic_name_check(from->name) != NULL)
        return KAFKA_E_INVALID_TOPIC_EXCEPTION;
    return KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION;
}

static void add_named_topics(struct broker_request *req, const struct metadata_state *s,
                             struct wire_metadata_response *m)
{
    m->topics = broker_alloc(req, (size_t)s->request.n_topics, sizeof(*m->topics));
    if (m->topics == NULL)
        return;
    for (int32_t i = 0; i < s->request.n_topics; i++) {
        const struct meta_topic *t = find_topic(req, &s->request.topics[i]);
        struct wire_metadata_response_topic *to = &m->topics[m->n_topics++];

        wire_metadata_response_topic_init(to);
        if (t != NULL) {
            add_topic(req, t, to);
            continue;
        }
        to->name = s->request.topics[i].name;
        if (slice_is_null(to->name) && req->header.api_version < 12)
            to->name = slice_make("", 0);
        to->topic_id = s->request.topics[i].topic_id;
        to->error_code = broker_count_error(req, missing_error(req, s, i));
    }
}

static void answer(struct broker_request *req)
{
    struct metadata_state *s = req->state;
    struct wire_metadata_response m;
    char *cluster = broker_alloc(req, UUID_TEXT_SIZE, 1);

    if (cluster == NULL)
        return;
    wire_metadata_response_init(&m);
    uuid_format(&req->backend->meta->cluster_id, cluster);
    m.cluster_id = slice_str(cluster);
    m.controller_id = req->backend->controller_id;
    add_brokers(req, &m);
    if (wants_all(req, &s->request))
        add_all_topics(req, &m);
    else
        add_named_topics(req, s, &m);
    if (req->phase == BROKER_REQUEST_RUNNING)
        broker_answer(req, &m);
}

/* Creates what is asked for and missing. The answer waits until this reactor knows the new topics. */
static void create_missing(struct broker_request *req, struct metadata_state *s)
{
    for (int32_t i = 0; i < s->request.n_topics; i++) {
        const struct wire_metadata_request_topic *from = &s->request.topics[i];
        struct broker_new_topic topic = { .name = from->name, .n_partitions = -1, .replication_factor = -1 };
        struct broker_topic_plan plan;

        if (slice_is_null(from->name) || find_topic(req, from) != NULL || meta_topic_name_check(from->name) != NULL)
            continue;
        s->asks[i] = broker_ask_new(req);
        if (s->asks[i] == NULL)
            return;
        s->errors[i] = broker_topic_create(req, &topic, &s->asks[i]->body, &plan, &s->messages[i]);
        if (s->errors[i] == 0)
            broker_ask_start(s->asks[i]);
    }
}

void broker_handle_metadata(struct broker_request *req, struct rd *body)
{
    struct metadata_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    size_t n;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    n = s->request.n_topics > 0 ? (size_t)s->request.n_topics : 0;
    s->asks = broker_alloc(req, n, sizeof(struct broker_ask *));
    s->messages = broker_alloc(req, n, sizeof(char *));
    s->errors = broker_alloc(req, n, sizeof(int16_t));
    if (s->asks == NULL || s->messages == NULL || s->errors == NULL)
        return;
    if (s->request.allow_auto_topic_creation && req->backend->config->auto_create_topics &&
        !wants_all(req, &s->request) && req->backend->ops->is_ready(req->backend))
        create_missing(req, s);
    broker_request_then(req, answer);
}
