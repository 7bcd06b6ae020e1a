/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/rig.h"
#include "broker/internal.h"

#define START_NS (1000ull * 1000 * 1000)
#define START_MS 1700000000000
#define ANSWERS_MAX (256u << 20)
#define MAX_ROUNDS 100000

/* --- the node --- */

static void backend_submit(struct broker_backend *b, struct replica_op *op)
{
    struct rig *r = container_of(b, struct rig, backend);

    list_append(&r->ops, &op->link);
}

static void backend_propose(struct broker_backend *b, struct broker_command *c)
{
    struct rig *r = container_of(b, struct rig, backend);

    list_append(&r->commands, &c->link);
}

static bool backend_is_ready(struct broker_backend *b)
{
    return !container_of(b, struct rig, backend)->starting;
}

static const struct broker_backend_ops backend_ops = {
    .submit = backend_submit,
    .propose = backend_propose,
    .is_ready = backend_is_ready,
};

static int16_t apply(struct rig *r, struct slice command)
{
    struct meta_event e;
    int16_t error;

    gq_assert(meta_check(command) == 0);
    gq_assert(meta_apply(&r->meta, r->meta.applied_index + 1, command, &e) == 0);
    error = e.error;
    meta_event_fini(&e);
    return error;
}

void rig_apply(struct rig *r, const struct wr *command)
{
    gq_assert(apply(r, slice_make(command->start, wr_size(command))) == 0);
}

static bool carry_out_commands(struct rig *r)
{
    struct list *link;
    bool moved = false;

    while (!r->hold_commands && (link = list_pop(&r->commands)) != NULL) {
        struct broker_command *c = list_entry(link, struct broker_command, link);

        c->error = r->refuse_commands != 0 ? r->refuse_commands : apply(r, c->body);
        r->n_commands++;
        c->done(c);
        moved = true;
    }
    return moved;
}

static bool carry_out_ops(struct rig *r)
{
    struct list *link;
    bool moved = false;

    while (!r->hold_ops && (link = list_pop(&r->ops)) != NULL) {
        struct replica_op *op = list_entry(link, struct replica_op, link);

        moved = true;
        r->n_ops++;
        op->error = op->group == r->gone_group ? KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION : 0;
        if (op->error != 0 || r->serve(r, op))
            op->done(op);
    }
    return moved;
}

static void serve_delete_records(struct replica_op *op)
{
    int64_t offset = op->delete_records.offset;

    if (offset < -1 || offset > RIG_HIGH_WATERMARK)
        op->error = KAFKA_E_OFFSET_OUT_OF_RANGE;
    else
        op->delete_records.ret_low_watermark = offset == -1 ? RIG_HIGH_WATERMARK : offset;
}

/* There is nothing to read. */
static void serve_read(struct replica_op *op)
{
    op->read.ret_high_watermark = op->read.ret_last_stable = RIG_HIGH_WATERMARK;
    op->read.ret_log_start = RIG_HIGH_WATERMARK;
    op->read.ret_diverging_epoch = -1;
    if (op->read.offset != RIG_HIGH_WATERMARK)
        op->error = KAFKA_E_OFFSET_OUT_OF_RANGE;
}

static void serve_cancel(struct replica_op *op)
{
    struct replica_op *target = op->cancel.target;

    if (!list_is_linked(&target->link))
        return;
    list_remove(&target->link);
    target->error = REPLICA_OP_CANCELED;
    target->done(target);
}

bool rig_serve(struct rig *r, struct replica_op *op)
{
    switch (op->kind) {
    case REPLICA_PRODUCE:
        op->produce.ret_base_offset = op->produce.ret_log_start = RIG_HIGH_WATERMARK;
        op->produce.ret_append_time_ms = -1;
        break;
    case REPLICA_READ:
        serve_read(op);
        break;
    case REPLICA_RELEASE:
        break;
    case REPLICA_WATCH:
        list_append(&r->watches, &op->link);
        return false;
    case REPLICA_CANCEL:
        serve_cancel(op);
        break;
    case REPLICA_LIST_OFFSETS:
        op->list_offsets.ret_offset = RIG_HIGH_WATERMARK;
        op->list_offsets.ret_timestamp = -1;
        break;
    case REPLICA_EPOCH_END:
        op->epoch_end.ret_epoch = 1;
        op->epoch_end.ret_end_offset = RIG_HIGH_WATERMARK;
        break;
    case REPLICA_DELETE_RECORDS:
        serve_delete_records(op);
        break;
    case REPLICA_DESCRIBE_PRODUCERS:
        op->describe_producers.ret_producers = xcalloc(1, sizeof(struct producer_info));
        op->describe_producers.ret_n_producers = 1;
        break;
    case REPLICA_DESCRIBE_LOG:
        op->describe_log.ret_size_bytes = op->group * 1000;
        break;
    }
    return true;
}

/* --- the client --- */

static bool push(struct rig *r)
{
    ssize_t n;

    if (r->conn == NULL || r->n_sent == wr_size(&r->sent))
        return false;
    n = sim_conn_send(r->conn, r->sent.start + r->n_sent, wr_size(&r->sent) - r->n_sent);
    if (n <= 0)
        return false;
    r->n_sent += (size_t)n;
    return true;
}

static bool pull(struct rig *r)
{
    uint8_t bytes[16384];
    ssize_t n;

    if (r->conn == NULL || r->reads_nothing)
        return false;
    n = sim_conn_recv(r->conn, bytes, sizeof(bytes));
    if (n <= 0)
        return false;
    wr_bytes(&r->received, bytes, (size_t)n);
    return true;
}

static bool turn(struct rig *r)
{
    uint64_t now_ns = clock_mono_ns(r->env.clock), before = r->broker->stats.bytes_sent;
    bool moved = broker_turn(r->broker, now_ns) <= now_ns;

    r->most_sent = MAX(r->most_sent, r->broker->stats.bytes_sent - before);
    return moved;
}

void rig_run(struct rig *r)
{
    unsigned idle = 0;

    for (unsigned round = 0; idle < 3; round++) {
        bool moved = push(r);

        gq_assert(round < MAX_ROUNDS);
        moved |= sim_net_turn(r->net, 0) > 0;
        moved |= turn(r);
        moved |= carry_out_commands(r);
        moved |= carry_out_ops(r);
        moved |= sim_lane_run_all(r->lane, NULL) > 0;
        moved |= pull(r);
        idle = moved ? 0 : idle + 1;
    }
}

void rig_advance_ms(struct rig *r, unsigned ms)
{
    sim_clock_advance(&r->clock, ms * 1000ull * 1000);
    rig_run(r);
}

void rig_send(struct rig *r, int16_t key, int16_t version, const void *request)
{
    const struct wire_api *api = wire_api(key);
    size_t at = wire_request_begin(&r->sent, api, version, ++r->correlation_id, slice_str("rig"));

    api->request->encode(request, &r->sent, version);
    wire_frame_end(&r->sent, at, 0);
    gq_assert(r->sent.error == 0);
}

bool rig_receive(struct rig *r, int16_t key, int16_t version, void *response)
{
    const struct wire_api *api = wire_api(key);
    const uint8_t *frame;
    uint8_t *copy;
    int32_t correlation_id;
    uint32_t size;
    struct rd rd;

    rig_run(r);
    frame = r->received.start + r->n_taken;
    if (wr_size(&r->received) - r->n_taken < WIRE_FRAME_PREFIX_SIZE)
        return false;
    gq_assert(wire_frame_size(frame, WIRE_FRAME_MAX_SIZE, &size) == 0);
    gq_assert(wr_size(&r->received) - r->n_taken >= WIRE_FRAME_PREFIX_SIZE + size);
    r->n_taken += WIRE_FRAME_PREFIX_SIZE + size;
    copy = arena_memdup(&r->answers, frame + WIRE_FRAME_PREFIX_SIZE, size);
    gq_assert(copy != NULL);
    rd_init(&rd, copy, size);
    gq_assert(wire_response_parse(&rd, api, version, &correlation_id) == 0);
    gq_assert(correlation_id <= r->correlation_id);
    gq_assert(api->response->decode(response, &rd, version, &r->answers) == 0);
    gq_assert(wire_decode_end(&rd) == 0);
    return true;
}

void rig_call(struct rig *r, int16_t key, int16_t version, const void *request, void *response)
{
    rig_send(r, key, version, request);
    gq_assert(rig_receive(r, key, version, response));
}

/* --- metadata --- */

const struct meta_topic *rig_topic(const struct rig *r, const char *name)
{
    return meta_topic_by_name(&r->meta, slice_str(name));
}

const struct meta_topic *rig_create(struct rig *r, const char *name, int32_t n_partitions)
{
    struct meta_topic_create create = {
        .name = slice_str(name),
        .n_partitions = n_partitions,
        .replication_factor = 1,
        .leader = RIG_BROKER_ID,
    };
    uint8_t random[16];
    struct wr w;

    prng_fill(r->env.prng, random, sizeof(random));
    uuid_from_random(&create.id, random);
    wr_init_growing(&w, 0, 1 << 20);
    meta_write_topic_create(&w, &create);
    rig_apply(r, &w);
    wr_fini(&w);
    return rig_topic(r, name);
}

static void register_broker(struct rig *r)
{
    struct uuid cluster = { { 1, 2, 3 } };
    struct meta_broker b = {
        .id = RIG_BROKER_ID,
        .node_id = (char *)"b1",
        .host = (char *)"broker.example",
        .port = 9092,
        .rack = (char *)"r1",
    };
    struct wr w;

    wr_init_growing(&w, 0, 1 << 20);
    meta_write_form(&w, &cluster);
    rig_apply(r, &w);
    wr_reset(&w);
    meta_write_broker(&w, &b);
    rig_apply(r, &w);
    wr_fini(&w);
}

/* --- life --- */

static void init_env(struct rig *r)
{
    sim_clock_init(&r->clock, START_NS, START_MS);
    sim_prng_init(&r->prng, 1);
    r->net = sim_net_new(1, NULL);
    r->lane = sim_lane_new(1, 1);
    r->disk = sim_disk_new(NULL);
    r->env = (struct env){
        .clock = &r->clock.env,
        .disk = sim_disk_env(r->disk),
        .net = sim_net_env(r->net, 0),
        .prng = &r->prng.env,
        .lane = sim_lane_env(r->lane, 0),
    };
}

void rig_init(struct rig *r)
{
    *r = (struct rig){ .serve = rig_serve };
    init_env(r);
    buf_pool_init(&r->pool, 1 << 20);
    config_init(&r->config);
    meta_init(&r->meta, 1);
    list_init(&r->commands);
    list_init(&r->ops);
    list_init(&r->watches);
    arena_init(&r->answers, ANSWERS_MAX);
    wr_init_growing(&r->sent, 0, ANSWERS_MAX);
    wr_init_growing(&r->received, 0, ANSWERS_MAX);
    register_broker(r);
    r->backend = (struct broker_backend){
        .ops = &backend_ops,
        .env = &r->env,
        .pool = &r->pool,
        .meta = &r->meta,
        .config = &r->config,
        .broker_id = RIG_BROKER_ID,
        .controller_id = RIG_BROKER_ID,
        .max_batch_bytes = RIG_MAX_BATCH_BYTES,
    };
    r->broker = broker_new(&r->backend, 1);
    r->conn = sim_net_connect(r->net, 0, "192.0.2.1", 40000);
}

void rig_fini(struct rig *r)
{
    r->hold_commands = r->hold_ops = false;
    sim_conn_close(TAKE_PTR(r->conn));
    broker_stop(r->broker);
    rig_run(r);
    gq_assert(broker_is_drained(r->broker)); /* nothing is left behind */
    broker_free(r->broker);
    buf_pool_fini(&r->pool); /* every frame came back */
    wr_fini(&r->received);
    wr_fini(&r->sent);
    arena_fini(&r->answers);
    meta_fini(&r->meta);
    config_fini(&r->config);
    sim_disk_free(r->disk);
    sim_lane_free(r->lane);
    sim_net_free(r->net);
}
