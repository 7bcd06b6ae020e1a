/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/net.h"

#include <errno.h>
#include <stdio.h>

#include "base/list.h"
#include "sim/pipe.h"

#define SERVER_PORT 9092

struct reactor {
    struct env_net env;
    struct sim_net *net;
    struct list conns; /* struct sim_conn in order of connecting */
    size_t n_conns;
};

struct sim_net {
    unsigned n_reactors;
    struct reactor *reactors;
    struct sim_prng *prng;
    size_t buffer_bytes;
    uint64_t peer_moves;
    bool in_turn;       /* closed connections are freed when it ends */
    struct list closed; /* by both sides */
    struct list loose;  /* unplugged */
    struct list dials;  /* by dial_link, not taken yet */
};

struct sim_conn {
    struct net_conn server; /* first member: the server's end */
    struct reactor *reactor;
    struct list link;
    struct list dial_link;
    char *address; /* of one that the server asks for */
    int outcome;   /* likewise; else 0 */
    struct net_addr peer;
    struct sim_pipe in, out; /* towards the server, towards the client */
    unsigned wanted;
    bool accepted, server_closed, client_closed, loose;
    bool in_ended, out_ended; /* no more bytes will follow those in the pipe */
    bool server_reset;        /* the server finds the connection dead */
    bool client_deaf;         /* the client never hears of that */
    bool client_reset;        /* so does the client, behind what has arrived */
};

static bool is_of_peer(const struct sim_conn *c)
{
    return c->server.handler == &c->server.net->peer_handler;
}

static void note_move(struct sim_conn *c)
{
    c->reactor->net->peer_moves += is_of_peer(c);
}

/* How many of n bytes this call moves. Between nodes seldom a part: each makes them take one more turn. */
static size_t draw_count(const struct sim_conn *c, size_t n)
{
    struct sim_prng *prng = c->reactor->net->prng;
    unsigned of = is_of_peer(c) ? 8 : 2;

    if (prng == NULL || n <= 1 || sim_prng_chance(prng, of - 1, of))
        return n;
    return 1 + (size_t)sim_prng_below(prng, n);
}

static struct sim_conn *conn_of(struct net_conn *server)
{
    return container_of(server, struct sim_conn, server);
}

static void free_conn(struct sim_conn *c)
{
    list_remove(&c->link);
    list_remove(&c->dial_link);
    sim_pipe_fini(&c->in);
    sim_pipe_fini(&c->out);
    free(c->address);
    free(c);
}

static void reap(struct sim_net *n)
{
    struct sim_conn *c;

    while ((c = list_first(&n->closed, struct sim_conn, link)) != NULL)
        free_conn(c);
}

static void maybe_free(struct sim_conn *c)
{
    struct sim_net *n = c->reactor->net;

    if (!c->server_closed || !c->client_closed)
        return;
    if (!c->loose)
        c->reactor->n_conns--;
    list_remove(&c->link);
    list_append(&n->closed, &c->link);
    if (!n->in_turn)
        reap(n);
}

/* Whether bytes may move at all: 0, or the error to return. */
static int server_state(const struct sim_conn *c)
{
    gq_assert(!c->loose);
    if (c->outcome != 0)
        return c->outcome == NET_UNDER_WAY ? -EAGAIN : c->outcome;
    return c->server_reset ? -ECONNRESET : 0;
}

static ssize_t server_read(struct net_conn *server, void *to, size_t size, bool take)
{
    struct sim_conn *c = conn_of(server);
    size_t n = MIN(size, c->in.count);
    int state = server_state(c);

    if (state != 0)
        return state;
    if (size == 0)
        return 0;
    if (n == 0)
        return c->in_ended ? 0 : -EAGAIN;
    n = draw_count(c, n);
    sim_pipe_peek(&c->in, to, n);
    if (take && sim_pipe_room(&c->in) == 0)
        note_move(c);
    if (take)
        sim_pipe_drop(&c->in, n);
    return (ssize_t)n;
}

static ssize_t server_recv(struct net_conn *server, void *to, size_t size)
{
    return server_read(server, to, size, true);
}

static ssize_t server_peek(struct net_conn *server, void *to, size_t size)
{
    return server_read(server, to, size, false);
}

/* Room for the server to send size bytes: a count, or the error to return. */
static ssize_t room_to_send(struct sim_conn *c, size_t size)
{
    size_t room = MIN(size, sim_pipe_room(&c->out));
    int state = server_state(c);

    if (state != 0)
        return state;
    if (c->client_closed)
        return (ssize_t)size; /* the kernel takes it; only the answer tells that nobody is there */
    if (size > 0 && room == 0)
        return -EAGAIN;
    return (ssize_t)(size > 0 ? draw_count(c, room) : 0);
}

static ssize_t server_sendv(struct net_conn *server, const struct iovec *iov, int n_iov, bool more)
{
    struct sim_conn *c = conn_of(server);
    size_t size = 0, left;
    ssize_t room;

    for (int i = 0; i < n_iov; i++)
        size += iov[i].iov_len;
    room = room_to_send(c, size);
    if (room > 0)
        note_move(c);
    if (room > 0 && c->client_closed) {
        c->server_reset = true;
        return room;
    }
    left = room > 0 ? (size_t)room : 0;
    for (int i = 0; left > 0; i++) {
        size_t part = MIN(left, iov[i].iov_len);

        sim_pipe_put(&c->out, iov[i].iov_base, part);
        left -= part;
    }
    return room;
}

static ssize_t server_sendfile(struct net_conn *server, struct disk_file *f, uint64_t offset, size_t size, bool more)
{
    struct sim_conn *c = conn_of(server);
    ssize_t n = room_to_send(c, MIN(size, (size_t)1 << 20));
    char *bytes;

    if (n <= 0)
        return n;
    bytes = xmalloc((size_t)n);
    n = disk_pread(f, bytes, (size_t)n, offset);
    if (n > 0 && c->client_closed)
        c->server_reset = true;
    else if (n > 0)
        sim_pipe_put(&c->out, bytes, (size_t)n);
    free(bytes);
    return n;
}

static void server_want(struct net_conn *server, unsigned events)
{
    conn_of(server)->wanted = events;
}

static void server_close(struct net_conn *server)
{
    struct sim_conn *c = conn_of(server);

    gq_assert(!c->server_closed);
    note_move(c);
    if (c->in.count > 0)
        c->client_reset = true; /* TCP: closing with unread bytes resets */
    c->server_closed = true;
    c->out_ended = true;
    if (list_is_linked(&c->dial_link)) { /* nobody else has it */
        list_remove(&c->dial_link);
        c->client_closed = true;
    }
    maybe_free(c);
}

static int server_detach(struct net_conn *server)
{
    return -EOPNOTSUPP;
}

static struct sim_conn *make_conn(struct reactor *r, const struct net_handler *handler)
{
    struct sim_conn *c = xcalloc(1, sizeof(*c));

    c->server.net = &r->env;
    c->server.handler = handler;
    c->reactor = r;
    sim_pipe_init(&c->in, r->net->buffer_bytes);
    sim_pipe_init(&c->out, r->net->buffer_bytes);
    list_init(&c->dial_link);
    list_append(&r->conns, &c->link);
    r->n_conns++;
    return c;
}

static int server_connect(struct env_net *env, const char *address, void *conn_ctx, struct net_conn **ret)
{
    struct reactor *r = container_of(env, struct reactor, env);
    struct sim_conn *c = make_conn(r, &env->peer_handler);

    c->server.ctx = conn_ctx;
    c->accepted = true;
    c->address = xstrdup(address);
    c->outcome = NET_UNDER_WAY;
    note_move(c);
    list_append(&r->net->dials, &c->dial_link);
    *ret = &c->server;
    return 0;
}

static int server_outcome(struct net_conn *server)
{
    return conn_of(server)->outcome;
}

static void server_unplug(struct net_conn *server)
{
    struct sim_conn *c = conn_of(server);

    gq_assert(!c->loose && !c->server_closed);
    c->loose = true;
    c->wanted = 0;
    c->reactor->n_conns--;
    list_remove(&c->link);
    list_append(&c->reactor->net->loose, &c->link);
}

static void server_plug(struct env_net *env, struct net_conn *server, void *conn_ctx)
{
    struct reactor *r = container_of(env, struct reactor, env);
    struct sim_conn *c = conn_of(server);
    bool is_peer = is_of_peer(c);

    gq_assert(c->loose && r->net == c->reactor->net);
    c->loose = false;
    c->reactor = r;
    c->server =
        (struct net_conn){ .net = env, .ctx = conn_ctx, .handler = is_peer ? &env->peer_handler : &env->handler };
    list_remove(&c->link);
    list_append(&r->conns, &c->link);
    r->n_conns++;
}

static const struct env_net_ops ops = {
    .recv = server_recv,
    .sendv = server_sendv,
    .sendfile = server_sendfile,
    .want = server_want,
    .close = server_close,
    .detach = server_detach,
    .peek = server_peek,
    .connect = server_connect,
    .outcome = server_outcome,
    .unplug = server_unplug,
    .plug = server_plug,
};

struct sim_net *sim_net_new(unsigned n_reactors, struct sim_prng *prng)
{
    struct sim_net *n = xcalloc(1, sizeof(*n));

    n->n_reactors = n_reactors;
    n->reactors = xcalloc(n_reactors, sizeof(*n->reactors));
    n->prng = prng;
    n->buffer_bytes = SIM_NET_BUFFER_BYTES;
    list_init(&n->closed);
    list_init(&n->loose);
    list_init(&n->dials);
    for (unsigned i = 0; i < n_reactors; i++) {
        n->reactors[i].env.ops = &ops;
        n->reactors[i].net = n;
        list_init(&n->reactors[i].conns);
    }
    return n;
}

void sim_net_free(struct sim_net *n)
{
    struct sim_conn *c;

    if (n == NULL)
        return;
    for (unsigned i = 0; i < n->n_reactors; i++)
        while ((c = list_first(&n->reactors[i].conns, struct sim_conn, link)) != NULL)
            free_conn(c);
    while ((c = list_first(&n->loose, struct sim_conn, link)) != NULL)
        free_conn(c);
    reap(n);
    free(n->reactors);
    free(n);
}

unsigned sim_net_reactors(const struct sim_net *n)
{
    return n->n_reactors;
}

struct env_net *sim_net_env(struct sim_net *n, unsigned reactor)
{
    gq_assert(reactor < n->n_reactors);
    return &n->reactors[reactor].env;
}

void sim_net_set_buffer(struct sim_net *n, size_t bytes)
{
    gq_assert(bytes > 0);
    n->buffer_bytes = bytes;
}

static bool accept_conn(struct reactor *r, struct sim_conn *c)
{
    const struct net_handler *h = c->server.handler;
    struct net_addr local = { .text = "127.0.0.1", .port = SERVER_PORT };

    c->accepted = true;
    gq_assert(h->accepted != NULL && h->ready != NULL);
    c->server.ctx = h->accepted(h->ctx, &c->server, &c->peer, &local);
    if (c->server.ctx == NULL)
        server_close(&c->server);
    return true;
}

/* What its owner wants to hear; 0: nothing. */
static unsigned events_of(const struct sim_conn *c)
{
    unsigned events = 0;

    if (c->outcome == NET_UNDER_WAY)
        return 0;
    if (c->outcome != 0)
        events |= NET_READ | NET_WRITE;
    if (c->in.count > 0 || c->in_ended)
        events |= NET_READ;
    if (sim_pipe_room(&c->out) > 0 || c->client_closed)
        events |= NET_WRITE;
    events &= c->wanted;
    if (c->server_reset)
        events |= NET_READ;
    return events;
}

static bool tell_ready(struct sim_conn *c)
{
    unsigned events = events_of(c);

    if (events != 0)
        c->server.handler->ready(c->server.ctx, events);
    return events != 0;
}

/* The connections as they are now, in the order of this turn; the handler may close any of them meanwhile. */
static struct sim_conn **draw_order(struct reactor *r)
{
    struct sim_conn **order = xcalloc(r->n_conns, sizeof(struct sim_conn *)), *c;
    struct sim_prng *prng = r->net->prng;
    size_t n = 0;

    list_foreach (&r->conns, c, link) {
        size_t k = prng != NULL ? (size_t)sim_prng_below(prng, n + 1) : n;

        order[n++] = order[k];
        order[k] = c;
    }
    return order;
}

size_t sim_net_turn(struct sim_net *n, unsigned reactor)
{
    struct reactor *r = &n->reactors[reactor];
    struct sim_conn **order;
    size_t n_conns, n_calls = 0;

    gq_assert(reactor < n->n_reactors && !n->in_turn);
    n_conns = r->n_conns;
    order = draw_order(r);
    n->in_turn = true;
    for (size_t i = 0; i < n_conns; i++)
        if (!order[i]->server_closed && !order[i]->loose && order[i]->reactor == r)
            n_calls += order[i]->accepted ? tell_ready(order[i]) : accept_conn(r, order[i]);
    n->in_turn = false;
    reap(n);
    free(order);
    return n_calls;
}

bool sim_net_is_ready(const struct sim_net *n, unsigned reactor)
{
    const struct sim_conn *c;

    list_foreach (&n->reactors[reactor].conns, c, link)
        if (!c->server_closed && (!c->accepted || (c->wanted != 0 && events_of(c) != 0)))
            return true;
    return false;
}

uint64_t sim_net_peer_moves(const struct sim_net *n)
{
    return n->peer_moves;
}

size_t sim_net_run(struct sim_net *n, size_t max_rounds)
{
    size_t total = 0;

    for (size_t round = 0; round < max_rounds; round++) {
        size_t n_calls = 0;

        for (unsigned i = 0; i < n->n_reactors; i++)
            n_calls += sim_net_turn(n, i);
        if (n_calls == 0)
            break;
        total += n_calls;
    }
    return total;
}

static void kill_all(struct list *conns)
{
    struct sim_conn *c, *tmp;

    list_foreach_safe (conns, c, tmp, link) {
        if (c->server_closed)
            continue;
        c->client_reset = true;
        server_close(&c->server);
    }
}

void sim_net_kill(struct sim_net *n)
{
    gq_assert(!n->in_turn);
    for (unsigned i = 0; i < n->n_reactors; i++)
        kill_all(&n->reactors[i].conns);
    kill_all(&n->loose);
}

static struct sim_conn *come_in(struct reactor *r, const struct net_handler *handler, const char *address,
                                uint16_t port)
{
    struct sim_conn *c = make_conn(r, handler);

    snprintf(c->peer.text, sizeof(c->peer.text), "%s", address);
    c->peer.port = port;
    return c;
}

struct sim_conn *sim_net_connect(struct sim_net *n, unsigned reactor, const char *client_address, uint16_t client_port)
{
    gq_assert(reactor < n->n_reactors);
    return come_in(&n->reactors[reactor], &n->reactors[reactor].env.handler, client_address, client_port);
}

struct sim_conn *sim_net_connect_peer(struct sim_net *n, unsigned reactor, const char *address, uint16_t port)
{
    gq_assert(reactor < n->n_reactors);
    return come_in(&n->reactors[reactor], &n->reactors[reactor].env.peer_handler, address, port);
}

bool sim_net_take_dial(struct sim_net *n, struct sim_dial *ret)
{
    struct list *link = list_pop(&n->dials);
    struct sim_conn *c;

    if (link == NULL)
        return false;
    c = list_entry(link, struct sim_conn, dial_link);
    *ret = (struct sim_dial){ .conn = c, .address = c->address };
    return true;
}

void sim_conn_answer(struct sim_conn *c, int outcome)
{
    gq_assert(c->outcome == NET_UNDER_WAY && outcome <= 0);
    c->outcome = outcome;
    free(TAKE_PTR(c->address));
}

ssize_t sim_conn_send(struct sim_conn *c, const void *data, size_t size)
{
    size_t n = MIN(size, sim_pipe_room(&c->in));

    if (c->client_deaf)
        return (ssize_t)size;
    if (c->in_ended)
        return -EPIPE;
    if (c->server_closed)
        return -ECONNRESET;
    if (n == 0)
        return size > 0 ? -EAGAIN : 0;
    n = draw_count(c, n);
    sim_pipe_put(&c->in, data, n);
    return (ssize_t)n;
}

ssize_t sim_conn_recv(struct sim_conn *c, void *to, size_t size)
{
    size_t n = MIN(size, c->out.count);

    if (size == 0)
        return 0;
    if (c->client_deaf)
        return -EAGAIN;
    if (n > 0) {
        n = draw_count(c, n);
        sim_pipe_peek(&c->out, to, n);
        sim_pipe_drop(&c->out, n);
        return (ssize_t)n;
    }
    if (c->client_reset)
        return -ECONNRESET;
    return c->out_ended ? 0 : -EAGAIN;
}

size_t sim_conn_pending(const struct sim_conn *c)
{
    return c->client_deaf ? 0 : c->out.count;
}

void sim_conn_shutdown(struct sim_conn *c)
{
    c->in_ended = true;
}

void sim_conn_reset(struct sim_conn *c)
{
    c->in_ended = c->server_reset = c->client_reset = true;
}

void sim_conn_deafen(struct sim_conn *c)
{
    c->server_reset = c->client_deaf = true;
}

void sim_conn_close(struct sim_conn *c)
{
    if (c == NULL)
        return;
    gq_assert(!c->client_closed);
    c->client_closed = c->in_ended = true;
    if (c->out.count > 0)
        c->server_reset = true; /* TCP: closing with unread bytes resets */
    maybe_free(c);
}

bool sim_conn_server_closed(const struct sim_conn *c)
{
    return c->server_closed && !c->client_deaf;
}
