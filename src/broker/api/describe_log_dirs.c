/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

/* There is one log directory: the data directory. */

struct log_dirs_partition {
    struct broker_op op;
    int32_t index;
    struct wire_describe_log_dirs_response_topic *topic;
};

struct log_dirs_state {
    struct wire_describe_log_dirs_request request;
    struct wire_describe_log_dirs_response_result result;
    struct log_dirs_partition *partitions;
    int32_t n_partitions;
    struct lane_work work; /* the disk is asked for its space on a worker */
    struct disk_space space;
    struct env_disk *disk;
    struct broker_request *req;
    int error;
};

/* A partition whose topic was deleted meanwhile isn't there any more. */
static void add_partition(const struct log_dirs_partition *p)
{
    if (p->op.op.error != 0)
        return;
    p->topic->partitions[p->topic->n_partitions++] = (struct wire_describe_log_dirs_response_partition){
        .partition_index = p->index,
        .partition_size = (int64_t)p->op.op.describe_log.ret_size_bytes,
    };
}

static void answer(struct broker_request *req)
{
    struct log_dirs_state *s = req->state;
    struct wire_describe_log_dirs_response response;

    wire_describe_log_dirs_response_init(&response);
    for (int32_t i = 0; i < s->n_partitions; i++)
        add_partition(&s->partitions[i]);
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

static void start_partition(struct broker_request *req, const struct meta_topic *t, int32_t index,
                            struct wire_describe_log_dirs_response_topic *to)
{
    struct log_dirs_state *s = req->state;
    struct log_dirs_partition *p;

    if (index < 0 || index >= t->n_partitions)
        return; /* Kafka leaves out what isn't there */
    if (meta_is_cluster(req->backend->meta) && meta_replica_of(t, index, req->backend->broker_id) < 0)
        return;
    p = &s->partitions[s->n_partitions++];
    p->index = index;
    p->topic = to;
    broker_op_init(req, &p->op, REPLICA_DESCRIBE_LOG, t->partitions[index].group, -1);
    broker_op_start(&p->op);
}

/* indexes NULL: all. */
static bool start_topic(struct broker_request *req, const struct meta_topic *t, const int32_t *indexes, int32_t n)
{
    struct log_dirs_state *s = req->state;
    struct wire_describe_log_dirs_response_topic *to = &s->result.topics[s->result.n_topics++];

    to->name = slice_str(broker_text(req, t->name));
    to->partitions = broker_alloc(req, (size_t)n, sizeof(*to->partitions));
    if (to->partitions == NULL)
        return false;
    for (int32_t i = 0; i < n; i++)
        start_partition(req, t, indexes != NULL ? indexes[i] : i, to);
    return true;
}

static bool start_named(struct broker_request *req, struct log_dirs_state *s)
{
    for (int32_t i = 0; i < s->request.n_topics; i++) {
        const struct wire_describe_log_dirs_request_topic *from = &s->request.topics[i];
        const struct meta_topic *t = meta_topic_by_name(req->backend->meta, from->topic);

        if (t != NULL && !start_topic(req, t, from->partitions, from->n_partitions))
            return false;
    }
    return true;
}

static bool start_all(struct broker_request *req)
{
    const struct meta_topic *t;

    list_foreach (&req->backend->meta->topics, t, link) {
        if (!start_topic(req, t, NULL, t->n_partitions))
            return false;
    }
    return true;
}

void broker_handle_describe_log_dirs(struct broker_request *req, struct rd *body)
{
    struct log_dirs_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    const struct meta *meta = req->backend->meta;
    size_t n_partitions = meta->n_partitions;
    bool all;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    all = s->request.n_topics < 0;
    if (!all) {
        n_partitions = 0;
        for (int32_t i = 0; i < s->request.n_topics; i++)
            n_partitions += (size_t)s->request.topics[i].n_partitions;
    }
    wire_describe_log_dirs_response_result_init(&s->result);
    s->result.log_dir = slice_str(req->backend->config->data_dir);
    s->result.topics = broker_alloc(req, all ? meta->n_topics : (size_t)s->request.n_topics, sizeof(*s->result.topics));
    s->partitions = broker_alloc(req, n_partitions, sizeof(*s->partitions));
    if (s->result.topics == NULL || s->partitions == NULL)
        return;
    if (!(all ? start_all(req) : start_named(req, s)))
        return;
    ask_for_space(req, s);
    broker_request_then(req, answer);
}
