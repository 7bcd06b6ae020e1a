/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"
#include "broker/rounds.h"

/* There is one log directory: the data directory. */

#define OPS_AT_ONCE 64

struct log_dirs_state {
    struct broker_rounds rounds; /* first */
    struct wire_describe_log_dirs_request request;
    struct wire_describe_log_dirs_response_result result;
    /* Of all topics, one after the other, rounds.n of each. */
    struct wire_describe_log_dirs_response_partition *partitions;
    uint64_t *groups;
    struct lane_work work; /* the disk is asked for its space on a worker */
    struct disk_space space;
    struct env_disk *disk;
    struct broker_request *req;
    int error;
};

static uint64_t group_of(const struct broker_request *req, size_t i)
{
    const struct log_dirs_state *s = req->state;

    return s->groups[i];
}

static void take(struct broker_request *req, size_t i, struct replica_op *op)
{
    struct log_dirs_state *s = req->state;

    if (op->error == 0)
        s->partitions[i].partition_size = (int64_t)op->describe_log.ret_size_bytes;
}

/* A partition whose topic was deleted meanwhile isn't there any more. */
static void drop_missing(struct wire_describe_log_dirs_response_topic *t)
{
    int32_t n = 0;

    for (int32_t i = 0; i < t->n_partitions; i++) {
        if (t->partitions[i].partition_size >= 0)
            t->partitions[n++] = t->partitions[i];
    }
    t->n_partitions = n;
}

static void answer(struct broker_request *req)
{
    struct log_dirs_state *s = req->state;
    struct wire_describe_log_dirs_response response;

    wire_describe_log_dirs_response_init(&response);
    for (int32_t i = 0; i < s->result.n_topics; i++)
        drop_missing(&s->result.topics[i]);
    if (s->error == 0) {
        s->result.total_bytes = (int64_t)s->space.total_bytes;
        s->result.usable_bytes = (int64_t)s->space.free_bytes;
    }
    response.results = &s->result;
    response.n_results = 1;
    broker_answer(req, &response);
}

static void space_run(struct lane_work *work)
{
    struct log_dirs_state *s = container_of(work, struct log_dirs_state, work);

    s->error = disk_space(s->disk, &s->space);
}

static void space_done(struct lane_work *work)
{
    broker_request_back(container_of(work, struct log_dirs_state, work)->req);
}

static void ask_for_space(struct broker_request *req, struct log_dirs_state *s)
{
    s->disk = req->backend->env->disk;
    s->req = req;
    s->work.run = space_run;
    s->work.done = space_done;
    broker_request_out(req);
    lane_submit(req->backend->env->lane, LANE_POOL, 0, &s->work);
}

/* Kafka leaves out what isn't there. */
static bool is_here(const struct broker_request *req, const struct meta_topic *t, int32_t index)
{
    if (index < 0 || index >= t->n_partitions)
        return false;
    return !meta_is_cluster(req->backend->meta) || meta_replica_of(t, index, req->backend->broker_id) >= 0;
}

/* indexes NULL: all. */
static int32_t count_here(const struct broker_request *req, const struct meta_topic *t, const int32_t *indexes,
                          int32_t n)
{
    int32_t n_here = 0;

    for (int32_t i = 0; i < n; i++)
        n_here += is_here(req, t, indexes != NULL ? indexes[i] : i);
    return n_here;
}

/* The first time, when there is no memory for them yet, it only counts. */
static bool add_topic(struct broker_request *req, const struct meta_topic *t, const int32_t *indexes, int32_t n)
{
    struct log_dirs_state *s = req->state;
    struct wire_describe_log_dirs_response_topic *to;

    if (s->groups == NULL) {
        int32_t n_here = count_here(req, t, indexes, n);

        s->rounds.n += (size_t)n_here;
        s->result.n_topics += n_here > 0;
        return true;
    }
    to = &s->result.topics[s->result.n_topics];
    to->partitions = &s->partitions[s->rounds.n];
    for (int32_t i = 0; i < n; i++) {
        int32_t index = indexes != NULL ? indexes[i] : i;

        if (!is_here(req, t, index))
            continue;
        s->groups[s->rounds.n++] = t->partitions[index].group;
        to->partitions[to->n_partitions++] = (struct wire_describe_log_dirs_response_partition){
            .partition_index = index, .partition_size = -1, /* until it has told */
        };
    }
    if (to->n_partitions == 0)
        return true;
    s->result.n_topics++;
    to->name = slice_str(broker_text(req, t->name));
    return !slice_is_null(to->name);
}

static bool add_named(struct broker_request *req, const struct log_dirs_state *s)
{
    for (int32_t i = 0; i < s->request.n_topics; i++) {
        const struct wire_describe_log_dirs_request_topic *from = &s->request.topics[i];
        const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->topic);

        if (t != NULL && !add_topic(req, t, from->partitions, from->n_partitions))
            return false;
    }
    return true;
}

static bool add_all(struct broker_request *req)
{
    const struct meta_topic *t;

    list_foreach (&req->backend->meta->topics, t, link) {
        if (!add_topic(req, t, NULL, t->n_partitions))
            return false;
    }
    return true;
}

static bool add_topics(struct broker_request *req, const struct log_dirs_state *s)
{
    return s->request.n_topics < 0 ? add_all(req) : add_named(req, s);
}

/* Only what is here takes memory, however much there is elsewhere. Behind the topics is room for one that turns out to
 * have nothing here. */
static bool find_partitions(struct broker_request *req, struct log_dirs_state *s)
{
    add_topics(req, s);
    s->result.topics = broker_alloc(req, (size_t)s->result.n_topics + 1, sizeof(*s->result.topics));
    s->partitions = broker_alloc(req, s->rounds.n, sizeof(*s->partitions));
    s->groups = broker_alloc(req, s->rounds.n, sizeof(*s->groups));
    if (s->result.topics == NULL || s->partitions == NULL || s->groups == NULL)
        return false;
    s->result.n_topics = 0;
    s->rounds.n = 0;
    return add_topics(req, s);
}

void broker_handle_describe_log_dirs(struct broker_request *req, struct rd *body)
{
    struct log_dirs_state *s = req->state = broker_alloc(req, 1, sizeof(*s));

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    s->rounds = (struct broker_rounds){
        .kind = REPLICA_DESCRIBE_LOG,
        .n_at_once = OPS_AT_ONCE,
        .group = group_of,
        .take = take,
        .done = answer,
    };
    wire_describe_log_dirs_response_result_init(&s->result);
    s->result.log_dir = slice_str(req->backend->config->data_dir);
    if (!find_partitions(req, s))
        return;
    ask_for_space(req, s);
    broker_rounds_start(req);
}
