/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"
#include "broker/rounds.h"

/* A partition may have thousands of producers, and gives a list of its own of them: one is asked at a time. */

#define MAX_PRODUCERS 500000 /* in one answer, which takes some 80 bytes for each: see BROKER_REQUEST_ARENA_MAX */

struct producers_partition {
    struct wire_describe_producers_response_partition *response;
    uint64_t group; /* 0: there is none */
    struct hash_node by_group;
    bool refused;
};

struct producers_state {
    struct broker_rounds rounds; /* first */
    struct wire_describe_producers_request request;
    struct wire_describe_producers_response response;
    struct producers_partition *partitions; /* rounds.n of them */
    size_t n_producers;
    bool full;
};

static void set_error(struct producers_partition *p, int16_t error, const char *message)
{
    p->response->error_code = error;
    p->response->error_message = slice_str(message);
}

static void add_producers(struct broker_request *req, struct wire_describe_producers_response_partition *to,
                          const struct producer_info *from, size_t n)
{
    to->active_producers = broker_alloc(req, n, sizeof(*to->active_producers));
    if (to->active_producers == NULL)
        return;
    to->n_active_producers = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        to->active_producers[i] = (struct wire_describe_producers_response_producer){
            .producer_id = from[i].producer_id,
            .producer_epoch = from[i].epoch,
            .last_sequence = from[i].last_sequence,
            .last_timestamp = from[i].last_timestamp_ms,
            .coordinator_epoch = from[i].coordinator_epoch,
            .current_txn_start_offset = from[i].txn_start_offset,
        };
    }
}

static void take(struct broker_request *req, size_t i, struct replica_op *op)
{
    struct producers_state *s = req->state;
    struct producers_partition *p = &s->partitions[i];
    _cleanup_(freep) struct producer_info *producers = TAKE_PTR(op->describe_producers.ret_producers);
    size_t n = op->describe_producers.ret_n_producers;

    if (op->error != 0) {
        set_error(p, op->error, NULL);
        return;
    }
    s->full = n > MAX_PRODUCERS - s->n_producers;
    if (s->full)
        return;
    s->n_producers += n;
    set_error(p, 0, NULL);
    add_producers(req, p->response, producers, n);
}

static void answer(struct broker_request *req)
{
    struct producers_state *s = req->state;

    for (size_t i = 0; i < s->rounds.n; i++)
        broker_count_error(req, s->partitions[i].response->error_code);
    broker_answer(req, &s->response);
}

static uint64_t group_of(const struct broker_request *req, size_t i)
{
    const struct producers_state *s = req->state;

    return s->full || s->partitions[i].refused ? 0 : s->partitions[i].group;
}

static void refuse(struct producers_partition *p)
{
    p->refused = true;
    set_error(p, KAFKA_E_INVALID_REQUEST, "the partition is named more than once");
}

static void find_partition(struct broker_request *req, const struct meta_topic *t, int32_t index,
                           struct hash_table *seen, struct producers_partition *p)
{
    const struct meta_partition *partition;
    int16_t error = broker_find_partition(req, t, index, &partition);
    struct hash_node *node;
    uint64_t hash;

    wire_describe_producers_response_partition_init(p->response);
    p->response->partition_index = index;
    if (error != 0) {
        set_error(p, error, NULL);
        return;
    }
    p->group = partition->group;
    set_error(p, KAFKA_E_INVALID_REQUEST,
              "so many partitions have more producers than one answer may"); /* till asked */
    hash = hash_u64(p->group, req->broker->hash_seed);
    for (node = hash_first(seen, hash); node != NULL; node = hash_next(node)) {
        struct producers_partition *other = container_of(node, struct producers_partition, by_group);

        if (other->group != p->group)
            continue;
        refuse(other);
        refuse(p);
        return;
    }
    hash_insert(seen, &p->by_group, hash);
}

static bool find_partitions(struct broker_request *req, struct hash_table *seen)
{
    struct producers_state *s = req->state;
    struct producers_partition *p = s->partitions;

    for (int32_t i = 0; i < s->request.n_topics; i++) {
        const struct wire_describe_producers_request_topic *from = &s->request.topics[i];
        struct wire_describe_producers_response_topic *to = &s->response.topics[i];
        const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->name);

        to->name = from->name;
        to->n_partitions = from->n_partition_indexes;
        to->partitions = broker_alloc(req, (size_t)from->n_partition_indexes, sizeof(*to->partitions));
        if (to->partitions == NULL)
            return false;
        for (int32_t k = 0; k < from->n_partition_indexes; k++, p++) {
            p->response = &to->partitions[k];
            find_partition(req, t, from->partition_indexes[k], seen, p);
        }
    }
    return true;
}

void broker_handle_describe_producers(struct broker_request *req, struct rd *body)
{
    struct producers_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    struct hash_table seen;
    bool found;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    s->rounds = (struct broker_rounds){
        .kind = REPLICA_DESCRIBE_PRODUCERS,
        .n_at_once = 1,
        .group = group_of,
        .take = take,
        .done = answer,
    };
    wire_describe_producers_response_init(&s->response);
    for (int32_t i = 0; i < s->request.n_topics; i++)
        s->rounds.n += (size_t)s->request.topics[i].n_partition_indexes;
    s->response.n_topics = s->request.n_topics;
    s->response.topics = broker_alloc(req, (size_t)s->request.n_topics, sizeof(*s->response.topics));
    s->partitions = broker_alloc(req, s->rounds.n, sizeof(*s->partitions));
    if (s->response.topics == NULL || s->partitions == NULL)
        return;
    hash_table_init(&seen);
    found = find_partitions(req, &seen);
    hash_table_fini(&seen);
    if (found)
        broker_rounds_start(req);
}
