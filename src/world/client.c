/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "wire/frame.h"
#include "world/faults.h"

#define MAX_OUT (16u << 20)
#define ARENA_LIMIT (16u << 20)
#define CLIENT_PORT 40000
#define CHUNK 16384
#define BACKOFF_NS (50 * MS)
#define CLUSTER_PAUSE 16

/* ---- The end of a connection ---- */

static void drop_buffers(struct client *c)
{
    wr_reset(&c->out);
    c->n_sent = c->n_in = 0;
    world_cancel(c->world, &c->send);
    world_cancel(c->world, &c->receive);
}

static void lose(struct client *c)
{
    struct call calls[CLIENT_MAX_CALLS];
    unsigned n = c->n_calls;

    sim_conn_close(TAKE_PTR(c->conn));
    c->machine = NULL;
    drop_buffers(c);
    memcpy(calls, c->calls, sizeof(calls));
    c->n_calls = 0;
    world_step(c->world, WORLD_STEP_LOST, c->index, n, 0);
    client_forget_way(c);
    for (unsigned i = 0; i < n; i++)
        if (!calls[i].finds_way)
            c->kind->lost(c, &calls[i]);
    world_at(c->world, &c->timer, world_soon(c->world, &c->prng, c->reconnect_ns));
}

static void receive(struct client *c);

/* What had left the node before may still arrive. */
void client_unplug(struct client *c)
{
    if (c->conn != NULL && sim_prng_chance(&c->prng, 1, 2))
        receive(c);
    if (c->conn != NULL)
        lose(c);
}

void client_reset(struct client *c)
{
    if (c->conn == NULL)
        return;
    sim_conn_reset(c->conn);
    machine_wake(c->machine, c->reactor);
    lose(c);
}

void client_abandon(struct client *c)
{
    if (c->conn == NULL)
        return;
    machine_adopt(c->machine, TAKE_PTR(c->conn));
    lose(c);
}

void client_deafen(struct client *c)
{
    if (c->conn == NULL)
        return;
    sim_conn_deafen(c->conn);
    machine_wake(c->machine, c->reactor);
}

/* Nothing is under way on it. */
void client_leave(struct client *c)
{
    gq_assert(c->n_calls == 0);
    sim_conn_close(TAKE_PTR(c->conn));
    machine_wake(c->machine, c->reactor);
    c->machine = NULL;
    drop_buffers(c);
    world_at(c->world, &c->timer, world_soon(c->world, &c->prng, MS));
}

/* ---- Requests ---- */

bool client_can_call(const struct client *c)
{
    return c->conn != NULL && c->n_calls < CLIENT_MAX_CALLS && wr_size(&c->out) < MAX_OUT / 2;
}

static void send_later(struct client *c)
{
    if (!event_is_due(&c->send))
        world_at(c->world, &c->send, link_arrival(c->world, c->index, c->machine->index, 0, &c->prng));
}

struct call *client_call(struct client *c, int16_t key, int16_t version, const void *message)
{
    const struct wire_api *api = wire_api(key);
    struct call *call = &c->calls[c->n_calls++];
    size_t at;

    gq_assert(c->n_calls <= CLIENT_MAX_CALLS);
    *call = (struct call){
        .api = key,
        .version = version,
        .correlation = c->next_correlation++,
        .deadline_ns = c->world->now_ns + c->call_timeout_ns,
        .n_heard = UINT_MAX,
    };
    at = wire_request_begin(&c->out, api, version, call->correlation, slice_str(c->kind->name));
    api->request->encode(message, &c->out, version);
    wire_frame_end(&c->out, at, 0);
    gq_assert(c->out.error == 0);
    world_step(c->world, WORLD_STEP_CALL, c->index, key, call->correlation);
    world_by(c->world, &c->timer, c->calls[0].deadline_ns);
    send_later(c);
    return call;
}

static void note_arrival(struct client *c)
{
    for (unsigned i = 0; i < c->n_calls; i++) {
        if (c->calls[i].arrived)
            continue;
        c->calls[i].arrived = true;
        between_listen(c->machine, c->calls[i].heard);
    }
}

static void on_send(struct event *e)
{
    struct client *c = container_of(e, struct client, send);
    size_t before = c->n_sent;
    ssize_t n = 0;

    while (c->n_sent < wr_size(&c->out)) {
        n = sim_conn_send(c->conn, c->out.start + c->n_sent, wr_size(&c->out) - c->n_sent);
        if (n <= 0)
            break;
        c->n_sent += (size_t)n;
    }
    world_step(c->world, WORLD_STEP_SEND, c->index, (int64_t)(c->n_sent - before), n < 0 ? (int64_t)n : 0);
    if (n < 0 && n != -EAGAIN) {
        lose(c);
        return;
    }
    if (c->n_sent > before)
        machine_wake(c->machine, c->reactor);
    if (c->n_sent < wr_size(&c->out)) {
        send_later(c);
    } else {
        wr_reset(&c->out);
        c->n_sent = 0;
        note_arrival(c);
    }
}

/* ---- Answers ---- */

static void take_answer(struct client *c, size_t size)
{
    struct call call = c->calls[0];
    const struct wire_api *api = wire_api(call.api);
    int32_t correlation = 0;
    uint8_t *frame;
    void *message;
    struct rd in;
    int rc;

    arena_reset(&c->arena);
    frame = arena_alloc(&c->arena, size);
    message = arena_calloc(&c->arena, 1, api->response->struct_size);
    gq_assert(frame != NULL && message != NULL);
    memcpy(frame, c->in + WIRE_FRAME_PREFIX_SIZE, size);
    c->n_in -= WIRE_FRAME_PREFIX_SIZE + size;
    memmove(c->in, c->in + WIRE_FRAME_PREFIX_SIZE + size, c->n_in);
    world_step(c->world, WORLD_STEP_ANSWER, c->index, call.api, crc32c(0, frame, size));
    rd_init(&in, frame, size);
    rc = wire_response_parse(&in, api, call.version, &correlation);
    if (rc == 0)
        rc = api->response->decode(message, &in, call.version, &c->arena);
    if (rc == 0)
        rc = wire_decode_end(&in);
    if (rc != 0 || correlation != call.correlation) {
        world_fail(c->world, "answers are well-formed", "client %u, %s: %d, correlation %d for %d", c->index, api->name,
                   rc, correlation, call.correlation);
        return;
    }
    memmove(c->calls, c->calls + 1, --c->n_calls * sizeof(c->calls[0]));
    if (call.finds_way)
        client_take_way(c, message);
    else
        c->kind->answer(c, &call, message);
}

static void take_answers(struct client *c)
{
    while (c->n_in >= WIRE_FRAME_PREFIX_SIZE && !world_has_failed(c->world)) {
        size_t size = load_be32(c->in);

        if (c->n_in < WIRE_FRAME_PREFIX_SIZE + size)
            return;
        if (c->n_calls == 0) {
            world_fail(c->world, "answers are well-formed", "client %u got one that it didn't ask for", c->index);
            return;
        }
        take_answer(c, size);
    }
}

static void receive(struct client *c)
{
    size_t before = c->n_in;
    ssize_t n;

    for (;;) {
        if (c->n_in + CHUNK > c->in_capacity) {
            c->in_capacity = (c->n_in + CHUNK) * 2;
            c->in = xrealloc(c->in, c->in_capacity);
        }
        n = sim_conn_recv(c->conn, c->in + c->n_in, CHUNK);
        if (n <= 0)
            break;
        c->n_in += (size_t)n;
    }
    world_step(c->world, WORLD_STEP_RECEIVE, c->index, (int64_t)(c->n_in - before), n);
    if (c->n_in > before)
        machine_wake(c->machine, c->reactor);
    take_answers(c);
    if (n != -EAGAIN && c->conn != NULL)
        lose(c);
}

static void poll(struct client *c)
{
    if (c->world->now_ns < c->quiet_until_ns)
        world_by(c->world, &c->timer, c->quiet_until_ns);
    else if (!client_wanders(c))
        c->kind->poll(c);
}

static void on_receive(struct event *e)
{
    struct client *c = container_of(e, struct client, receive);

    receive(c);
    if (c->conn != NULL && !world_has_failed(c->world))
        poll(c);
}

void client_back_off(struct client *c)
{
    c->quiet_until_ns = world_soon(c->world, &c->prng, 2 * BACKOFF_NS);
    world_by(c->world, &c->timer, c->quiet_until_ns);
}

void client_look(struct client *c)
{
    if (event_is_due(&c->receive) || (sim_conn_pending(c->conn) == 0 && !sim_conn_server_closed(c->conn)))
        return;
    if (c->n_calls == 1 && c->calls[0].arrived)
        c->calls[0].n_heard = between_n_heard(c->machine, c->calls[0].heard);
    world_at(c->world, &c->receive, link_arrival(c->world, c->index, c->machine->index, 1, &c->prng));
}

/* ---- Connecting, time ---- */

static void connect_somewhere(struct client *c)
{
    struct world *w = c->world;
    struct machine *m = client_next_machine(c);
    char address[NET_ADDR_TEXT_SIZE];

    if (!machine_is_up(m) || m->stopping) {
        client_forget_way(c);
        client_again(c, 50 * MS);
        return;
    }
    snprintf(address, sizeof(address), "10.0.0.%u", c->index);
    c->machine = m;
    c->life = m->index << 24 | m->n_lives;
    c->reactor = (unsigned)sim_prng_below(&c->prng, m->n_reactors);
    c->conn = sim_net_connect(m->net, c->reactor, address, CLIENT_PORT);
    world_step(w, WORLD_STEP_CONNECT, c->index, m->index, c->reactor);
    machine_wake(m, c->reactor);
}

uint64_t client_pause_ns(const struct client *c, uint64_t ns)
{
    return c->world->n_machines > 1 ? CLUSTER_PAUSE * ns : ns;
}

void client_again(struct client *c, uint64_t ns)
{
    world_by(c->world, &c->timer, world_soon(c->world, &c->prng, ns));
}

static void on_timer(struct event *e)
{
    struct client *c = container_of(e, struct client, timer);

    if (c->conn != NULL && c->n_calls > 0 && c->calls[0].deadline_ns <= c->world->now_ns) {
        lose(c);
        return;
    }
    if (c->conn == NULL)
        connect_somewhere(c);
    if (c->conn != NULL)
        poll(c);
    if (c->n_calls > 0)
        world_by(c->world, &c->timer, c->calls[0].deadline_ns);
}

struct client *client_new(struct world *w, unsigned index, const struct client_kind *kind)
{
    struct client *c = xcalloc(1, kind->size);

    c->kind = kind;
    c->world = w;
    c->index = index;
    sim_prng_fork(&w->prng, &c->prng);
    c->call_timeout_ns = (5 + sim_prng_below(&c->prng, 60)) * SEC;
    if (w->n_machines > 1) /* more happens there at the same time, and a leader's end has to be noticed */
        c->call_timeout_ns /= 8;
    c->reconnect_ns = MS << sim_prng_below(&c->prng, 8);
    wr_init_growing(&c->out, 256, MAX_OUT);
    arena_init(&c->arena, ARENA_LIMIT);
    client_begin_way(c);
    event_init(&c->send, on_send);
    event_init(&c->receive, on_receive);
    event_init(&c->timer, on_timer);
    kind->init(c);
    client_again(c, 10 * MS);
    return c;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    c->kind->fini(c);
    sim_conn_close(c->conn);
    wr_fini(&c->out);
    arena_fini(&c->arena);
    free(c->in);
    free(c);
}
