/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/listen.h"
#include "sys/net_server.h"
#include "sys/suites.h"

/* Connections between nodes: asked for, accepted on an address of their own, moved from reactor to reactor. Who accepts
 * sends back what it gets; who asked notes it. */

#define PENDING 1

struct end {
    struct server *sv;
    struct net_conn *c;
    bool dialed;
    unsigned moves; /* so often it is still to move to the next reactor, each time it has received something */
    unsigned reactor;
    struct lane_mail mail;
    /* Of one that was dialed: what the test asks for, and what came of it. */
    const char *address;
    bool close_at_once;
    atomic_int outcome, n_got;
    char got[16];
};

static void send_text(struct end *e, const char *text, size_t size)
{
    struct iovec iov = { (void *)text, size };

    ck_assert_int_eq(net_sendv(e->c, &iov, 1, false), (ssize_t)size);
}

static void *peer_accepted(void *ctx, struct net_conn *c, const struct net_addr *peer, const struct net_addr *local)
{
    struct seat *seat = ctx;
    struct end *e = xcalloc(1, sizeof(*e));

    e->sv = seat->server;
    e->c = c;
    e->reactor = (unsigned)(seat - seat->server->seats);
    e->moves = *(unsigned *)seat->server->test;
    net_want(c, NET_READ);
    return e;
}

static void has_moved(struct lane_mail *mail)
{
    struct end *e = container_of(mail, struct end, mail);

    net_plug(sys_runtime_envs(e->sv->rt)[e->reactor]->net, e->c, e);
    net_want(e->c, NET_READ);
}

static void move_on(struct end *e)
{
    struct env *env = sys_runtime_envs(e->sv->rt)[e->reactor];

    e->moves--;
    e->reactor = (e->reactor + 1) % 2;
    net_unplug(e->c);
    e->mail.deliver = has_moved;
    lane_post(env->lane, e->reactor, &e->mail);
}

static void echo(struct end *e)
{
    char text[16];
    ssize_t n = net_recv(e->c, text, sizeof(text));

    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        net_close(e->c);
        free(e);
        return;
    }
    send_text(e, text, (size_t)n);
    if (e->moves > 0)
        move_on(e);
}

static void note(struct end *e, unsigned events)
{
    ssize_t n;

    if (e->outcome == PENDING) {
        int rc = net_outcome(e->c);

        ck_assert_int_ne(rc, NET_UNDER_WAY);
        ck_assert((events & NET_WRITE) != 0);
        if (rc == 0) {
            send_text(e, "hi", 2);
            net_want(e->c, NET_READ);
        } else {
            ck_assert_int_lt(net_recv(e->c, e->got, 1), 0);
            net_close(e->c);
        }
        e->outcome = rc;
        return;
    }
    n = net_recv(e->c, e->got, sizeof(e->got));
    ck_assert_int_gt(n, 0);
    e->n_got += (int)n;
}

static void peer_ready(void *conn_ctx, unsigned events)
{
    struct end *e = conn_ctx;

    if (e->dialed)
        note(e, events);
    else
        echo(e);
}

static void no_client(struct session *s, unsigned events)
{
    ck_abort_msg("a node's connection came to the Kafka port");
}

static uint16_t start(struct server *sv, unsigned *moves)
{
    struct sys_listen_spec spec = { .name = "raft", .host = "127.0.0.1", .backlog = 16, .for_peers = true };
    struct sys_listener l;

    server_prepare(sv, 2, no_client);
    sv->test = moves;
    for (unsigned i = 0; i < 2; i++)
        sys_runtime_envs(sv->rt)[i]->net->peer_handler =
            (struct net_handler){ .accepted = peer_accepted, .ready = peer_ready, .ctx = &sv->seats[i] };
    ck_assert_int_eq(sys_listen(&spec, NULL, &l, NULL), 0);
    sys_runtime_listen_for_peers(sv->rt, l.fd);
    ck_assert_int_eq(sys_runtime_start(sv->rt), 0);
    return l.addr.port;
}

static void dial_here(struct lane_mail *mail)
{
    struct end *e = container_of(mail, struct end, mail);
    struct env_net *net = sys_runtime_envs(e->sv->rt)[e->reactor]->net;
    int rc = net_connect(net, e->address, e, &e->c);

    if (rc == 0 && e->close_at_once)
        net_close(e->c);
    else if (rc == 0)
        net_want(e->c, NET_WRITE);
    if (rc < 0 || e->close_at_once)
        e->outcome = rc;
}

static void dial(struct server *sv, struct end *e, const char *address)
{
    *e = (struct end){
        .sv = sv, .dialed = true, .address = address, .close_at_once = e->close_at_once, .outcome = PENDING
    };
    e->mail.deliver = dial_here;
    sys_runtime_post(sv->rt, e->reactor, &e->mail);
}

static int outcome_of(struct end *e)
{
    while (e->outcome == PENDING)
        usleep(1000);
    return e->outcome;
}

static void close_here(struct lane_mail *mail)
{
    struct end *e = container_of(mail, struct end, mail);

    net_close(e->c);
    e->outcome = PENDING;
}

static void hang_up(struct end *e)
{
    e->mail.deliver = close_here;
    sys_runtime_post(e->sv->rt, e->reactor, &e->mail);
    while (e->outcome != PENDING)
        usleep(1000);
}

START_TEST(a_node_connects)
{
    static const char *const hosts[] = { "127.0.0.1", "localhost", "[127.0.0.1]" };
    struct server sv;
    unsigned moves = 0;
    uint16_t port = start(&sv, &moves);

    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        struct end e = { 0 };
        char address[64];

        snprintf(address, sizeof(address), "%s:%u", hosts[i], port);
        dial(&sv, &e, address);
        ck_assert_int_eq(outcome_of(&e), 0);
        while (e.n_got < 2)
            usleep(1000);
        ck_assert_mem_eq(e.got, "hi", 2);
        hang_up(&e);
    }
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

/* Its bytes are found on the reactor that it has come to. */
START_TEST(a_connection_moves)
{
    struct server sv;
    unsigned moves = 3;
    uint16_t port = start(&sv, &moves);
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[4];

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    for (int i = 0; i < 10; i++) {
        client_send(fd, "hiho", 4);
        client_recv(fd, text, 4);
        ck_assert_mem_eq(text, "hiho", 4);
    }
    server_wait_for_connections(&sv, 1);
    close(fd);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

/* A port that nobody listens on. */
static uint16_t free_port(void)
{
    struct sys_listen_spec spec = { .name = "raft", .host = "127.0.0.1", .backlog = 1 };
    struct sys_listener l;

    ck_assert_int_eq(sys_listen(&spec, NULL, &l, NULL), 0);
    close(l.fd);
    return l.addr.port;
}

START_TEST(why_none_came_of_it_is_told)
{
    struct server sv;
    struct end e = { 0 };
    unsigned moves = 0;
    char address[64];

    start(&sv, &moves);
    snprintf(address, sizeof(address), "127.0.0.1:%u", free_port());
    dial(&sv, &e, address);
    ck_assert_int_eq(outcome_of(&e), -ECONNREFUSED);
    dial(&sv, &e, "no-such-host.invalid:7001");
    ck_assert_int_eq(outcome_of(&e), -EHOSTUNREACH);
    dial(&sv, &e, "no port");
    ck_assert_int_eq(outcome_of(&e), -EINVAL);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

/* The name may still be looked up. */
START_TEST(one_may_give_up_at_once)
{
    struct server sv;
    unsigned moves = 0;
    struct end e[20] = { 0 };
    char address[64];
    uint16_t port = start(&sv, &moves);

    snprintf(address, sizeof(address), "localhost:%u", port);
    for (size_t i = 0; i < ARRAY_SIZE(e); i++) {
        e[i].close_at_once = true;
        dial(&sv, &e[i], address);
    }
    for (size_t i = 0; i < ARRAY_SIZE(e); i++)
        ck_assert_int_eq(outcome_of(&e[i]), 0);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

START_TEST(a_lost_host_is_found)
{
    struct sys_listen_spec spec = { .name = "raft", .host = "127.0.0.1", .backlog = 1, .for_peers = true };
    struct sys_listener l;
    struct sockaddr_in in = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted, value;
    socklen_t size = sizeof(value);

    ck_assert_int_eq(sys_listen(&spec, NULL, &l, NULL), 0);
    in.sin_port = htons(l.addr.port);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    accepted = accept(l.fd, NULL, NULL);
    ck_assert_int_ge(accepted, 0);
    ck_assert_int_eq(getsockopt(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &size), 0);
    ck_assert_int_eq(value, 10000);
    ck_assert_int_eq(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    ck_assert_int_eq(value, 1);
    ck_assert_int_eq(getsockopt(accepted, SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
    ck_assert_int_eq(value, 1);
    close(accepted);
    close(fd);
    close(l.fd);
}
END_TEST

Suite *net_peers_suite(void)
{
    Suite *s = suite_create("net_peers");

    suite_add(s, a_node_connects);
    suite_add(s, a_connection_moves);
    suite_add(s, why_none_came_of_it_is_told);
    suite_add(s, one_may_give_up_at_once);
    suite_add(s, a_lost_host_is_found);
    return s;
}
