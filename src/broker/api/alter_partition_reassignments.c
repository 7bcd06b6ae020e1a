/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "broker/internal.h"
#include "broker/items.h"

struct reassign_state {
    struct wire_alter_partition_reassignments_request request;
    struct wire_alter_partition_reassignments_response response;
    struct broker_item *items; /* of all partitions, in order */
    size_t n_items;
};

static void answer(struct broker_request *req)
{
    struct reassign_state *s = req->state;
    const struct broker_item *item = s->items;

    broker_items_settle(req, s->items, s->n_items);
    for (int32_t i = 0; i < s->response.n_responses; i++) {
        struct wire_alter_partition_reassignments_response_topic *to = &s->response.responses[i];

        for (int32_t k = 0; k < to->n_partitions; k++, item++) {
            to->partitions[k].error_code = item->error;
            to->partitions[k].error_message = slice_str(item->message);
        }
    }
    broker_answer(req, &s->response);
}

/* Whether so many brokers are there, each once, is for the metadata to say. */
static int16_t check(struct broker_request *req, const struct meta_topic *t,
                     const struct wire_alter_partition_reassignments_request_partition *from, const char **ret_message)
{
    const struct reassign_state *s = req->state;

    if (t == NULL || from->partition_index < 0 || from->partition_index >= t->n_partitions) {
        *ret_message = "there is no such partition";
        return KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (from->n_replicas >= 0 && (from->n_replicas == 0 || from->n_replicas > META_REPLICAS_MAX)) {
        *ret_message = "a partition needs between 1 and 32 replicas";
        return KAFKA_E_INVALID_REPLICA_ASSIGNMENT;
    }
    if (from->n_replicas >= 0 && !s->request.allow_replication_factor_change &&
        from->n_replicas != meta_target(t, from->partition_index).n) {
        *ret_message = "the number of replicas would change";
        return KAFKA_E_INVALID_REPLICATION_FACTOR;
    }
    return 0;
}

static void start_partition(struct broker_request *req, const struct meta_topic *t,
                            const struct wire_alter_partition_reassignments_request_partition *from,
                            struct broker_item *item)
{
    struct meta_ids wanted = { from->replicas, (uint16_t)MAX(from->n_replicas, 0) };
    const char *message = NULL;
    int16_t error = check(req, t, from, &message);
    struct wr *command;

    if (error != 0) {
        broker_item_refuse(item, error, message);
        return;
    }
    command = broker_item_command(req, item);
    if (command == NULL)
        return;
    meta_write_replicas(command, &t->id, from->partition_index, from->n_replicas >= 0 ? &wanted : NULL);
    broker_item_start(item);
}

static bool prepare_topic(struct broker_request *req, int32_t i)
{
    struct reassign_state *s = req->state;
    const struct wire_alter_partition_reassignments_request_topic *from = &s->request.topics[i];
    struct wire_alter_partition_reassignments_response_topic *to = &s->response.responses[i];

    wire_alter_partition_reassignments_response_topic_init(to);
    to->name = from->name;
    to->partitions = broker_alloc(req, (size_t)from->n_partitions, sizeof(*to->partitions));
    if (to->partitions == NULL)
        return false;
    to->n_partitions = from->n_partitions;
    for (int32_t k = 0; k < from->n_partitions; k++) {
        wire_alter_partition_reassignments_response_partition_init(&to->partitions[k]);
        to->partitions[k].partition_index = from->partitions[k].partition_index;
    }
    return true;
}

/* Names of all, so that none comes twice. */
static bool name_items(struct broker_request *req)
{
    struct reassign_state *s = req->state;
    struct broker_item *item = s->items;

    for (int32_t i = 0; i < s->request.n_topics; i++) {
        const struct wire_alter_partition_reassignments_request_topic *from = &s->request.topics[i];

        for (int32_t k = 0; k < from->n_partitions; k++, item++) {
            size_t size = sizeof(int32_t) + from->name.size;
            uint8_t *name = broker_alloc(req, size, 1);

            if (name == NULL)
                return false;
            store_le32(name, (uint32_t)from->partitions[k].partition_index);
            memcpy(name + sizeof(int32_t), from->name.data, from->name.size);
            item->name = slice_make(name, size);
        }
    }
    broker_items_refuse_repeated(req, s->items, s->n_items, "the partition is named more than once");
    return true;
}

static void start_all(struct broker_request *req)
{
    struct reassign_state *s = req->state;
    struct broker_item *item = s->items;

    for (int32_t i = 0; i < s->request.n_topics; i++) {
        const struct wire_alter_partition_reassignments_request_topic *from = &s->request.topics[i];
        const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->name);

        for (int32_t k = 0; k < from->n_partitions && req->phase == BROKER_REQUEST_RUNNING; k++, item++)
            if (item->error == 0)
                start_partition(req, t, &from->partitions[k], item);
    }
}

void broker_handle_alter_partition_reassignments(struct broker_request *req, struct rd *body)
{
    struct reassign_state *s = req->state = broker_alloc(req, 1, sizeof(*s));

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    wire_alter_partition_reassignments_response_init(&s->response);
    s->response.error_message = SLICE_NULL;
    s->response.allow_replication_factor_change = s->request.allow_replication_factor_change;
    s->response.responses = broker_alloc(req, (size_t)s->request.n_topics, sizeof(*s->response.responses));
    if (s->response.responses == NULL)
        return;
    s->response.n_responses = s->request.n_topics;
    for (int32_t i = 0; i < s->request.n_topics; i++) {
        s->n_items += (size_t)s->request.topics[i].n_partitions;
        if (!prepare_topic(req, i))
            return;
    }
    s->items = broker_items_new(req, s->n_items);
    if (s->items == NULL || !name_items(req))
        return;
    start_all(req);
    broker_request_then_within(req, s->request.timeout_ms, answer);
}
