/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/net_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/listen.h"

static void *accepted(void *ctx, struct net_conn *c, const struct net_addr *peer, const struct net_addr *local)
{
    struct seat *seat = ctx;
    struct session *s;

    ck_assert_str_eq(peer->text, "127.0.0.1");
    ck_assert_str_eq(local->text, "127.0.0.1");
    ck_assert_uint_eq(local->port, seat->server->port);
    if (seat->server->refuses)
        return NULL;
    s = xcalloc(1, sizeof(*s));
    s->seat = seat;
    s->c = c;
    atomic_fetch_add(&seat->n_open, 1);
    net_want(c, NET_READ);
    return s;
}

static void ready(void *conn_ctx, unsigned events)
{
    struct session *s = conn_ctx;

    ck_assert_uint_ne(s->last_turn, s->seat->n_turns); /* once per turn */
    s->last_turn = s->seat->n_turns;
    s->seat->server->ready(s, events);
}

static uint64_t turn(void *ctx, uint64_t now_ns)
{
    ((struct seat *)ctx)->n_turns++;
    return UINT64_MAX;
}

void server_prepare(struct server *sv, unsigned n_reactors, void (*on_ready)(struct session *s, unsigned events))
{
    struct sys_runtime_config config = { .n_reactors = n_reactors, .n_shards = 1, .n_workers = 1 };
    struct sys_listen_spec spec = { .name = "client", .host = "127.0.0.1", .backlog = 64 };
    struct sys_listener l;

    *sv = (struct server){ .ready = on_ready };
    ck_assert_int_eq(sys_runtime_new(&config, &sv->rt), 0);
    ck_assert_int_eq(sys_listen(&spec, NULL, &l, NULL), 0);
    sv->port = l.addr.port;
    for (unsigned i = 0; i < n_reactors; i++) {
        sv->seats[i] = (struct seat){ .server = sv, .n_turns = 1 };
        sys_runtime_envs(sv->rt)[i]->net->handler =
            (struct net_handler){ .accepted = accepted, .ready = ready, .ctx = &sv->seats[i] };
        sys_runtime_set_handler(sv->rt, i, &(struct sys_reactor_handler){ .turn = turn, .ctx = &sv->seats[i] });
    }
    sys_runtime_listen(sv->rt, l.fd);
}

void server_start(struct server *sv, unsigned n_reactors, void (*on_ready)(struct session *s, unsigned events))
{
    server_prepare(sv, n_reactors, on_ready);
    ck_assert_int_eq(sys_runtime_start(sv->rt), 0);
}

void server_stop(struct server *sv)
{
    static const struct sys_runtime_hooks no_hooks;

    sys_runtime_request_stop(sv->rt);
    ck_assert_int_eq(sys_runtime_run(sv->rt, &no_hooks), 0);
    sys_runtime_free(sv->rt);
}

void session_end(struct session *s)
{
    atomic_fetch_sub(&s->seat->n_open, 1);
    net_close(s->c);
    free(s);
}

/* False when there is nothing to send now. */
static bool echo_recv(struct session *s)
{
    ssize_t n = net_recv(s->c, s->pending, sizeof(s->pending));

    if (n == -EAGAIN)
        return false;
    if (n <= 0) {
        session_end(s);
        return false;
    }
    s->n_pending = (size_t)n;
    s->sent = 0;
    return true;
}

void session_echo(struct session *s, unsigned events)
{
    if (s->n_pending == 0 && !echo_recv(s))
        return;
    while (s->n_pending > 0) {
        struct iovec iov = { s->pending + s->sent, s->n_pending };
        ssize_t n = net_sendv(s->c, &iov, 1, false);

        if (n == -EAGAIN) {
            net_want(s->c, NET_WRITE);
            return;
        }
        ck_assert_int_gt(n, 0);
        s->sent += (size_t)n;
        s->n_pending -= (size_t)n;
    }
    net_want(s->c, NET_READ);
}

void server_wait_for_connections(struct server *sv, unsigned n)
{
    struct sys_runtime_stats stats;

    for (;;) {
        sys_runtime_stats(sv->rt, &stats);
        if (stats.n_connections == n)
            return;
        usleep(1000);
    }
}

int server_connect(struct server *sv, int fd)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(sv->port) };

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&in, sizeof(in));
}

int server_dial(struct server *sv)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(server_connect(sv, fd), 0);
    return fd;
}

void client_send(int fd, const void *data, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL);

        ck_assert_int_gt(n, 0);
        sent += (size_t)n;
    }
}

void client_recv(int fd, void *to, size_t size)
{
    ck_assert_int_eq(recv(fd, to, size, MSG_WAITALL), (ssize_t)size);
}

void client_expect_end(int fd)
{
    char byte;

    ck_assert_int_le(recv(fd, &byte, 1, 0), 0); /* or reset */
    close(fd);
}
