/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"
#include "wire/api.h"

#define OUT_INITIAL 256

static struct broker_request *request_take(struct broker *b)
{
    struct list *link = list_pop(&b->idle_requests);
    struct broker_request *req;

    if (link != NULL) {
        b->n_idle_requests--;
        return list_entry(link, struct broker_request, link);
    }
    req = xcalloc(1, sizeof(*req));
    req->broker = b;
    req->backend = b->backend;
    list_init(&req->link);
    list_init(&req->asks);
    heap_node_init(&req->timer);
    arena_init(&req->arena, BROKER_REQUEST_ARENA_MAX);
    wr_init_growing(&req->out, OUT_INITIAL, BROKER_RESPONSE_MAX);
    return req;
}

static void request_destroy(struct broker_request *req)
{
    arena_fini(&req->arena);
    wr_fini(&req->out);
    free(req);
}

/* A large answer's memory isn't kept for the next small one. */
static void request_put(struct broker *b, struct broker_request *req)
{
    if (b->n_idle_requests >= b->max_idle_requests || (size_t)(req->out.end - req->out.start) > BROKER_IDLE_OUT_MAX) {
        request_destroy(req);
        return;
    }
    arena_reset(&req->arena);
    wr_reset(&req->out);
    list_append(&b->idle_requests, &req->link);
    b->n_idle_requests++;
}

static uint64_t *used_by(struct broker *b, size_t frame_size)
{
    return frame_size <= BROKER_SMALL_FRAME ? &b->small_used : &b->large_used;
}

struct broker_request *broker_request_new(struct broker_conn *c, size_t frame_size, size_t aligned)
{
    struct broker *b = c->broker;
    size_t pad = (BROKER_FRAME_ALIGN - aligned % BROKER_FRAME_ALIGN) % BROKER_FRAME_ALIGN;
    struct buf *buf = buf_new(b->backend->pool, pad + frame_size);
    struct broker_request *req;

    if (buf == NULL)
        return NULL;
    buf->size = pad + frame_size;
    req = request_take(b);
    req->conn = c;
    req->buf = buf;
    req->frame = slice_make(buf->data + pad, frame_size);
    req->state = NULL;
    req->next = req->release = NULL;
    req->n_pending = 0;
    req->parked = false;
    req->phase = BROKER_REQUEST_RUNNING;
    req->held = req->charged = 0;
    req->segments = NULL;
    req->n_segments = req->segment = 0;
    req->sent = 0;
    b->memory_used += frame_size;
    *used_by(b, frame_size) += frame_size;
    b->n_live_requests++;
    return req;
}

/* Tells the connection what the request holds besides its frame. */
static void note_held(struct broker_request *req)
{
    size_t held = req->arena.total_bytes + (size_t)(req->out.end - req->out.start);

    if (req->conn != NULL)
        req->conn->held += held - req->held;
    req->held = held;
}

/* From the answer to its end this is in the budget too. Before, a fetch that is parked would keep others out. */
static void charge(struct broker_request *req, size_t bytes)
{
    req->broker->memory_used += bytes - req->charged;
    req->broker->answers_used += bytes - req->charged;
    req->charged = bytes;
}

static void free_asks(struct broker_request *req)
{
    struct list *link;

    while ((link = list_pop(&req->asks)) != NULL)
        wr_fini(&list_entry(link, struct broker_ask, link)->body);
}

static void free_frame(struct broker_request *req)
{
    struct broker *b = req->broker;

    b->memory_used -= req->frame.size;
    *used_by(b, req->frame.size) -= req->frame.size;
    b->memory_freed = true;
    req->frame = SLICE_NULL;
    buf_unref(TAKE_PTR(req->buf));
}

static void request_free(struct broker_request *req)
{
    struct broker *b = req->broker;

    free_asks(req);
    heap_remove(&b->request_timers, &req->timer);
    charge(req, 0);
    free_frame(req);
    b->n_live_requests--;
    request_put(b, req);
}

/* release may start ops, which must not end the request meanwhile. */
static void let_release(struct broker_request *req)
{
    broker_next_fn release = TAKE_PTR(req->release);

    if (release == NULL)
        return;
    req->n_pending++;
    release(req);
    req->n_pending--;
}

static void request_settle(struct broker_request *req)
{
    if (req->phase != BROKER_REQUEST_OVER || req->n_pending > 0)
        return;
    let_release(req);
    if (req->n_pending == 0) /* else the end of the ops settles again */
        request_free(req);
}

bool broker_request_slim(struct broker_request *req)
{
    if (req->n_segments > 0 && req->segments != &req->whole)
        return true;
    if (req->n_pending == 0)
        let_release(req);
    if (req->n_pending > 0)
        return false;
    if (req->buf == NULL)
        return true;
    free_asks(req);
    free_frame(req);
    arena_fini(&req->arena);
    note_held(req);
    charge(req, req->held);
    return true;
}

/* A handler that hasn't answered yet goes on until it does, without a connection. */
void broker_request_over(struct broker_request *req)
{
    bool running = req->phase == BROKER_REQUEST_RUNNING && req->next != NULL;

    list_remove(&req->link);
    if (running) {
        broker_request_wake(req);
        return;
    }
    req->phase = BROKER_REQUEST_OVER;
    heap_remove(&req->broker->request_timers, &req->timer);
    request_settle(req);
}

static void answered(struct broker_request *req, int phase)
{
    gq_assert(req->phase == BROKER_REQUEST_RUNNING);
    req->phase = phase;
    req->next = NULL;
    heap_remove(&req->broker->request_timers, &req->timer);
    note_held(req);
    charge(req, req->held);
    if (req->conn != NULL) {
        if (req->arena.total_bytes + req->frame.size > BROKER_SLIM)
            req->conn->has_fat = true;
        broker_conn_kick(req->conn);
        return;
    }
    req->phase = BROKER_REQUEST_OVER;
    if (req->n_pending == 0) {
        req->n_pending++; /* not inside the handler: it may still touch the request */
        broker_request_sleep(req, 0);
    }
}

void broker_answer_segments(struct broker_request *req, struct broker_segment *segments, uint32_t n_segments)
{
    req->segments = segments;
    req->n_segments = n_segments;
    answered(req, BROKER_REQUEST_ANSWERED);
}

void broker_answer(struct broker_request *req, const void *response)
{
    size_t at = wire_response_begin(&req->out, &req->header);

    req->header.api->response->encode(response, &req->out, req->header.response_version);
    wire_frame_end(&req->out, at, 0);
    if (req->out.error != 0) {
        broker_request_fail(req);
        return;
    }
    req->whole = (struct broker_segment){ .bytes = slice_make(req->out.start, wr_size(&req->out)) };
    broker_answer_segments(req, &req->whole, 1);
}

void broker_answer_nothing(struct broker_request *req)
{
    broker_answer_segments(req, NULL, 0);
}

void broker_request_fail(struct broker_request *req)
{
    if (req->phase == BROKER_REQUEST_RUNNING)
        answered(req, BROKER_REQUEST_FAILED);
}

void broker_request_then(struct broker_request *req, broker_next_fn next)
{
    if (req->phase != BROKER_REQUEST_RUNNING)
        return;
    if (req->n_pending > 0)
        req->next = next;
    else
        next(req);
}

void broker_request_then_within(struct broker_request *req, int32_t timeout_ms, broker_next_fn next)
{
    if (req->phase == BROKER_REQUEST_RUNNING && req->n_pending > 0)
        broker_request_sleep(req, req->broker->now_ns + (uint64_t)MAX(timeout_ms, 0) * 1000000);
    broker_request_then(req, next);
}

const char *broker_text(struct broker_request *req, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = broker_alloc(req, size, 1);

    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

void *broker_alloc(struct broker_request *req, size_t n, size_t size)
{
    void *p = arena_calloc(&req->arena, n, size);

    if (p == NULL)
        broker_request_fail(req);
    return p;
}

int16_t broker_count_error(struct broker_request *req, int16_t error)
{
    if (error != 0)
        req->broker->stats.error_responses++;
    return error;
}

bool broker_decode(struct broker_request *req, struct rd *body, void *message)
{
    int rc = req->header.api->request->decode(message, body, req->header.api_version, &req->arena);

    /* Bytes behind the message are let be, as Kafka does: librdkafka 2.16 sends three of them in some requests. */
    if (rc == 0)
        return true;
    req->broker->stats.protocol_errors++;
    broker_request_fail(req);
    return false;
}

void broker_request_start(struct broker_request *req)
{
    struct broker *b = req->broker;
    broker_handler_fn handler;
    struct rd body;
    int rc;

    req->received_ns = b->now_ns;
    b->stats.requests++;
    rd_init(&body, req->frame.data, req->frame.size);
    rc = wire_request_parse(&req->header, &body);
    handler = req->header.api != NULL ? broker_handler_of(req->header.api_key) : NULL;
    if (handler == NULL || rc < 0 ||
        (rc == WIRE_E_UNSUPPORTED_VERSION && req->header.api_key != WIRE_API_API_VERSIONS)) {
        b->stats.protocol_errors++;
        broker_request_fail(req);
        return;
    }
    if (req->header.api_key < BROKER_API_KEYS)
        b->stats.requests_by_api[req->header.api_key]++;
    handler(req, &body);
    if (req->phase == BROKER_REQUEST_RUNNING)
        note_held(req);
}

/* --- ops, asks, sleep --- */

void broker_request_out(struct broker_request *req)
{
    req->n_pending++;
}

void broker_request_back(struct broker_request *req)
{
    gq_assert(req->n_pending > 0);
    if (--req->n_pending > 0)
        return;
    if (req->phase == BROKER_REQUEST_OVER) {
        request_settle(req);
    } else if (req->next != NULL) {
        broker_next_fn next = TAKE_PTR(req->next);

        next(req);
    }
}

static void op_done(struct replica_op *op)
{
    struct broker_op *o = container_of(op, struct broker_op, op);

    o->is_back = true;
    if (o->wakes)
        broker_request_wake(o->request);
    broker_request_back(o->request);
}

void broker_op_init(struct broker_request *req, struct broker_op *op, enum replica_op_kind kind, uint64_t group,
                    int32_t current_leader_epoch)
{
    op->request = req;
    op->wakes = false;
    op->op.kind = kind;
    op->op.group = group;
    op->op.current_leader_epoch = current_leader_epoch;
    op->op.done = op_done;
    list_init(&op->op.link);
}

void broker_op_start(struct broker_op *op)
{
    op->is_back = false;
    op->request->n_pending++;
    op->request->backend->ops->submit(op->request->backend, &op->op);
}

static void ask_done(struct broker_command *command)
{
    struct broker_ask *ask = container_of(command, struct broker_ask, command);

    ask->phase = BROKER_ASK_BACK;
    broker_request_back(ask->request);
}

struct broker_ask *broker_ask_new(struct broker_request *req)
{
    struct broker_ask *ask = broker_alloc(req, 1, sizeof(*ask));

    if (ask == NULL)
        return NULL;
    ask->request = req;
    ask->command.done = ask_done;
    wr_init_growing(&ask->body, 256, BROKER_RESPONSE_MAX);
    list_append(&req->asks, &ask->link);
    return ask;
}

void broker_ask_start(struct broker_ask *ask)
{
    struct broker_request *req = ask->request;

    gq_assert(ask->body.error == 0);
    ask->phase = BROKER_ASK_UNDER_WAY;
    ask->command.body = slice_make(ask->body.start, wr_size(&ask->body));
    req->n_pending++;
    req->backend->ops->propose(req->backend, &ask->command);
}

int16_t broker_ask_error(const struct broker_ask *ask)
{
    switch (ask->phase) {
    case BROKER_ASK_UNDER_WAY:
        return KAFKA_E_REQUEST_TIMED_OUT;
    case BROKER_ASK_BACK:
        return ask->command.error;
    default:
        return 0;
    }
}

void broker_request_sleep(struct broker_request *req, uint64_t deadline_ns)
{
    heap_update(&req->broker->request_timers, &req->timer, deadline_ns);
}

void broker_request_wake(struct broker_request *req)
{
    if (req->timer.pos != HEAP_NONE)
        heap_update(&req->broker->request_timers, &req->timer, 0);
}

bool broker_request_is_hurried(const struct broker_request *req)
{
    return req->conn == NULL || req->conn->eof || req->broker->stopping;
}

void broker_request_stay_awake(struct broker_request *req)
{
    heap_remove(&req->broker->request_timers, &req->timer);
}

uint64_t broker_now_ns(const struct broker_request *req)
{
    return req->broker->now_ns;
}

void broker_request_expire(struct broker *b)
{
    struct heap_node *node;

    while ((node = heap_min(&b->request_timers)) != NULL && node->key <= b->now_ns) {
        struct broker_request *req = container_of(node, struct broker_request, timer);

        heap_remove(&b->request_timers, node);
        if (req->phase == BROKER_REQUEST_OVER) {
            broker_request_back(req);
        } else if (req->next != NULL) {
            broker_next_fn next = TAKE_PTR(req->next);

            next(req);
        }
    }
}

void broker_requests_fini(struct broker *b)
{
    struct list *link;

    while ((link = list_pop(&b->idle_requests)) != NULL)
        request_destroy(list_entry(link, struct broker_request, link));
}
