/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

typedef struct wire_list_partition_reassignments_response_topic response_topic;
typedef struct wire_list_partition_reassignments_response_partition response_partition;

/* Those of one list that the other lacks. False: the request failed. */
static bool add_missing(struct broker_request *req, struct meta_ids of, struct meta_ids from, int32_t **ret,
                        int32_t *ret_n)
{
    int32_t *ids = *ret = broker_alloc(req, of.n, sizeof(*ids));

    *ret_n = 0;
    if (ids == NULL)
        return false;
    for (uint16_t i = 0; i < of.n; i++)
        if (!meta_ids_have(from, of.ids[i]))
            ids[(*ret_n)++] = of.ids[i];
    return true;
}

static bool add_partition(struct broker_request *req, const struct meta_topic *t, int32_t p, response_partition *to)
{
    struct meta_ids all = meta_replicas_all(t, p), target = meta_target(t, p), before = meta_before(t, p);

    wire_list_partition_reassignments_response_partition_init(to);
    to->partition_index = p;
    to->replicas = (int32_t *)(uintptr_t)all.ids;
    to->n_replicas = all.n;
    return add_missing(req, target, before, &to->adding_replicas, &to->n_adding_replicas) &&
           add_missing(req, all, target, &to->removing_replicas, &to->n_removing_replicas);
}

/* With which of the partitions: all of the topic's for from NULL. The topic counts where one of them is under way. */
static bool add_topic(struct broker_request *req, const struct meta_topic *t,
                      const struct wire_list_partition_reassignments_request_topic *from,
                      struct wire_list_partition_reassignments_response *m)
{
    int32_t n = from != NULL ? from->n_partition_indexes : t->n_partitions;
    response_topic *to = &m->topics[m->n_topics];
    int32_t n_moving = 0;

    for (int32_t i = 0; i < n; i++)
        n_moving += meta_is_moving(t, from != NULL ? from->partition_indexes[i] : i);
    if (n_moving == 0)
        return true;
    wire_list_partition_reassignments_response_topic_init(to);
    to->name = slice_str(t->name);
    to->partitions = broker_alloc(req, (size_t)n_moving, sizeof(*to->partitions));
    if (to->partitions == NULL)
        return false;
    for (int32_t i = 0; i < n; i++) {
        int32_t p = from != NULL ? from->partition_indexes[i] : i;

        if (meta_is_moving(t, p) && !add_partition(req, t, p, &to->partitions[to->n_partitions++]))
            return false;
    }
    m->n_topics++;
    return true;
}

void broker_handle_list_partition_reassignments(struct broker_request *req, struct rd *body)
{
    const struct meta *meta = req->backend->meta;
    struct wire_list_partition_reassignments_request request;
    struct wire_list_partition_reassignments_response m;
    struct meta_topic *t;

    if (!broker_decode(req, body, &request))
        return;
    wire_list_partition_reassignments_response_init(&m);
    m.error_message = SLICE_NULL;
    m.topics = broker_alloc(req, request.n_topics >= 0 ? (size_t)request.n_topics : meta->n_topics, sizeof(*m.topics));
    if (m.topics == NULL)
        return;
    for (int32_t i = 0; i < request.n_topics; i++) {
        const struct meta_topic *named = meta_topic_by_name(meta, request.topics[i].name);

        if (named != NULL && !add_topic(req, named, &request.topics[i], &m))
            return;
    }
    if (request.n_topics < 0)
        list_foreach (&meta->topics, t, link)
            if (!add_topic(req, t, NULL, &m))
                return;
    broker_answer(req, &m);
}
