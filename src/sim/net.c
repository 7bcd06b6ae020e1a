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
    bool in_turn;       /* closed connections are freed when it ends */
    struct list closed; /* by both sides */
};

struct sim_conn {
    struct net_conn server; /* first member: the server's end */
    struct reactor *reactor;
    struct list link;
    struct net_addr peer;
    struct sim_pipe in, out; /* towards the server, towards the client */
    unsigned wanted;
    bool accepted, server_closed, client_closed;
    bool in_ended, out_ended; /* no more bytes will follow those in the pipe */
    bool server_reset;        /* the server finds the connection dead */
    bool client_deaf;         /* the client never hears of that */
    bool client_reset;        /* so does the client, behind what has arrived */
};

/* How many of n bytes this call moves. */
static size_t draw_count(struct sim_net *net, size_t n)
{
    if (net->prng == NULL || n <= 1 || sim_prng_chance(net->prng, 1, 2))
        return n;
    return 1 + (size_t)sim_prng_below(net->prng, n);
}

static struct sim_conn *conn_of(struct net_conn *server)
{
    return container_of(server, struct sim_conn, server);
}

static void free_conn(struct sim_conn *c)
{
    list_remove(&c->link);
    sim_pipe_fini(&c->in);
    sim_pipe_fini(&c->out);
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
    c->reactor->n_conns--;
    list_remove(&c->link);
    list_append(&n->closed, &c->link);
    if (!n->in_turn)
        reap(n);
}

static ssize_t server_read(struct net_conn *server, void *to, size_t size, bool take)
{
    struct sim_conn *c = conn_of(server);
    size_t n = MIN(size, c->in.count);

    if (c->server_reset)
        return -ECONNRESET;
    if (size == 0)
        return 0;
    if (n == 0)
        return c->in_ended ? 0 : -EAGAIN;
    n = draw_count(c->reactor->net, n);
    sim_pipe_peek(&c->in, to, n);
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

    if (c->server_reset)
        return -ECONNRESET;
    if (c->client_closed)
        return (ssize_t)size; /* the kernel takes it; only the answer tells that nobody is there */
    if (size > 0 && room == 0)
        return -EAGAIN;
    return (ssize_t)(size > 0 ? draw_count(c->reactor->net, room) : 0);
}

static void send_to_nobody(struct sim_conn *c)
{
    c->server_reset = true;
}

static ssize_t server_sendv(struct net_conn *server, const struct iovec *iov, int n_iov, bool more)
{
    struct sim_conn *c = conn_of(server);
    size_t size = 0, left;
    ssize_t room;

    for (int i = 0; i < n_iov; i++)
        size += iov[i].iov_len;
    room = room_to_send(c, size);
    if (room > 0 && c->client_closed) {
        send_to_nobody(c);
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
        send_to_nobody(c);
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
    if (c->in.count > 0)
        c->client_reset = true; /* TCP: closing with unread bytes resets */
    c->server_closed = true;
    c->out_ended = true;
    maybe_free(c);
}

static int server_detach(struct net_conn *server)
{
    return -EOPNOTSUPP;
}

static const struct env_net_ops ops = {
    .recv = server_recv,
    .sendv = server_sendv,
    .sendfile = server_sendfile,
    .want = server_want,
    .close = server_close,
    .detach = server_detach,
    .peek = server_peek,
};

struct sim_net *sim_net_new(unsigned n_reactors, struct sim_prng *prng)
{
    struct sim_net *n = xcalloc(1, sizeof(*n));

    n->n_reactors = n_reactors;
    n->reactors = xcalloc(n_reactors, sizeof(*n->reactors));
    n->prng = prng;
    n->buffer_bytes = SIM_NET_BUFFER_BYTES;
    list_init(&n->closed);
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
    reap(n);
    free(n->reactors);
    free(n);
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
    const struct net_handler *h = &r->env.handler;
    struct net_addr local = { .text = "127.0.0.1", .port = SERVER_PORT };

    c->accepted = true;
    gq_assert(h->accepted != NULL && h->ready != NULL);
    c->server.ctx = h->accepted(h->ctx, &c->server, &c->peer, &local);
    if (c->server.ctx == NULL)
        server_close(&c->server);
    return true;
}

static bool tell_ready(struct reactor *r, struct sim_conn *c)
{
    unsigned events = 0;

    if (c->in.count > 0 || c->in_ended)
        events |= NET_READ;
    if (sim_pipe_room(&c->out) > 0 || c->client_closed)
        events |= NET_WRITE;
    events &= c->wanted;
    if (c->server_reset)
        events |= NET_READ;
    if (events == 0)
        return false;
    r->env.handler.ready(c->server.ctx, events);
    return true;
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
        if (!order[i]->server_closed)
            n_calls += order[i]->accepted ? tell_ready(r, order[i]) : accept_conn(r, order[i]);
    n->in_turn = false;
    reap(n);
    free(order);
    return n_calls;
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

void sim_net_kill(struct sim_net *n)
{
    struct sim_conn *c, *tmp;

    gq_assert(!n->in_turn);
    for (unsigned i = 0; i < n->n_reactors; i++) {
        list_foreach_safe (&n->reactors[i].conns, c, tmp, link) {
            if (c->server_closed)
                continue;
            c->client_reset = c->server_closed = c->out_ended = true;
            maybe_free(c);
        }
    }
}

struct sim_conn *sim_net_connect(struct sim_net *n, unsigned reactor, const char *client_address, uint16_t client_port)
{
    struct sim_conn *c = xcalloc(1, sizeof(*c));
    struct reactor *r = &n->reactors[reactor];

    gq_assert(reactor < n->n_reactors);
    c->server.net = &r->env;
    c->reactor = r;
    snprintf(c->peer.text, sizeof(c->peer.text), "%s", client_address);
    c->peer.port = client_port;
    sim_pipe_init(&c->in, n->buffer_bytes);
    sim_pipe_init(&c->out, n->buffer_bytes);
    list_append(&r->conns, &c->link);
    r->n_conns++;
    return c;
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
    n = draw_count(c->reactor->net, n);
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
        n = draw_count(c->reactor->net, n);
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
