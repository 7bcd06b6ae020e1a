/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/net.h"

#include <errno.h>

#include "base/util.h"
#include "sim/disk.h"
#include "sim/suites.h"
#include "support/rand.h"

/* A server that notes what it is told; a test plays its owner. */
struct server {
    struct net_conn *conns[8];
    int n_conns, n_ready;
    unsigned last_events;
    struct net_addr last_peer;
    bool refuse, close_when_ready;
};

static void *on_accepted(void *ctx, struct net_conn *c, const struct net_addr *peer, const struct net_addr *local)
{
    struct server *s = ctx;

    s->last_peer = *peer;
    if (s->refuse)
        return NULL;
    s->conns[s->n_conns++] = c;
    return s;
}

static void on_ready(void *conn_ctx, unsigned events)
{
    struct server *s = conn_ctx;

    s->n_ready++;
    s->last_events = events;
    for (int i = 0; s->close_when_ready && i < s->n_conns; i++)
        net_close(s->conns[i]);
    if (s->close_when_ready)
        s->n_conns = 0;
}

static struct sim_net *make(struct server *s, struct sim_prng *prng)
{
    struct sim_net *n = sim_net_new(1, prng);

    *s = (struct server){ 0 };
    sim_net_env(n, 0)->handler = (struct net_handler){ on_accepted, on_ready, s };
    return n;
}

static ssize_t server_send(struct server *s, int i, const char *text)
{
    struct iovec iov[2] = { { (void *)text, 1 }, { (void *)(text + 1), strlen(text) - 1 } };

    return net_sendv(s->conns[i], iov, 2, false);
}

START_TEST(bytes_go_both_ways)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *c = sim_net_connect(n, 0, "10.0.0.7", 4711);
    char bytes[10];

    ck_assert_int_eq(sim_conn_send(c, "hello", 5), 5);
    ck_assert_int_eq(s.n_conns, 0); /* accepted in a turn only */
    ck_assert_uint_eq(sim_net_turn(n, 0), 1);
    ck_assert_str_eq(s.last_peer.text, "10.0.0.7");
    ck_assert_uint_eq(s.last_peer.port, 4711);
    ck_assert_uint_eq(sim_net_turn(n, 0), 0); /* nothing is wanted */
    net_want(s.conns[0], NET_READ);
    ck_assert_uint_eq(sim_net_turn(n, 0), 1);
    ck_assert_uint_eq(s.last_events, NET_READ);
    ck_assert_uint_eq(sim_net_turn(n, 0), 1); /* level-triggered */
    ck_assert_int_eq(net_peek(s.conns[0], bytes, 2), 2);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 2), 2);
    ck_assert_mem_eq(bytes, "he", 2);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), 3);
    ck_assert_mem_eq(bytes, "llo", 3);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), -EAGAIN);
    ck_assert_uint_eq(sim_net_turn(n, 0), 0);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), -EAGAIN);
    ck_assert_int_eq(server_send(&s, 0, "world"), 5);
    ck_assert_uint_eq(sim_conn_pending(c), 5);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), 5);
    ck_assert_mem_eq(bytes, "world", 5);
    ck_assert_int_eq(net_detach(s.conns[0]), -EOPNOTSUPP);
    net_close(s.conns[0]);
    sim_conn_close(c);
    sim_net_free(n);
}
END_TEST

START_TEST(full_buffers_push_back)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *c;
    char bytes[10];

    sim_net_set_buffer(n, 4);
    c = sim_net_connect(n, 0, "::1", 1);
    sim_net_turn(n, 0);
    ck_assert_int_eq(sim_conn_send(c, "abcdef", 6), 4);
    ck_assert_int_eq(sim_conn_send(c, "ef", 2), -EAGAIN);
    ck_assert_int_eq(server_send(&s, 0, "uvwxyz"), 4);
    ck_assert_int_eq(server_send(&s, 0, "yz"), -EAGAIN);
    net_want(s.conns[0], NET_WRITE);
    ck_assert_uint_eq(sim_net_turn(n, 0), 0);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 1), 1);
    ck_assert_uint_eq(sim_net_turn(n, 0), 1);
    ck_assert_uint_eq(s.last_events, NET_WRITE);
    ck_assert_int_eq(server_send(&s, 0, "yz"), 1);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), 4);
    ck_assert_mem_eq(bytes, "vwxy", 4);
    sim_net_free(n);
}
END_TEST

START_TEST(half_close_lets_the_server_answer)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *c = sim_net_connect(n, 0, "::1", 1);
    char bytes[10];

    sim_net_turn(n, 0);
    net_want(s.conns[0], NET_READ);
    sim_conn_send(c, "x", 1);
    sim_conn_shutdown(c);
    ck_assert_int_eq(sim_conn_send(c, "y", 1), -EPIPE);
    ck_assert_uint_eq(sim_net_turn(n, 0), 1);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), 1);
    ck_assert_uint_eq(sim_net_turn(n, 0), 1);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), 0);
    ck_assert_int_eq(server_send(&s, 0, "answer"), 6);
    net_close(s.conns[0]);
    ck_assert(sim_conn_server_closed(c));
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), 6);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), 0);
    sim_conn_close(c);
    sim_net_free(n);
}
END_TEST

START_TEST(closed_client_resets_a_sending_server)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *c = sim_net_connect(n, 0, "::1", 1);
    char bytes[10];

    sim_net_turn(n, 0);
    sim_conn_send(c, "x", 1);
    sim_conn_close(c);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), 1);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), 0);
    ck_assert_int_eq(server_send(&s, 0, "nobody"), 6);
    ck_assert_int_eq(server_send(&s, 0, "nobody"), -ECONNRESET);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), -ECONNRESET);
    ck_assert_uint_eq(sim_net_turn(n, 0), 1); /* told although nothing is wanted */
    net_close(s.conns[0]);
    sim_net_free(n);
}
END_TEST

START_TEST(reset_loses_what_was_under_way)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *c = sim_net_connect(n, 0, "::1", 1);
    char bytes[10];

    sim_net_turn(n, 0);
    sim_conn_send(c, "x", 1);
    sim_conn_reset(c);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), -ECONNRESET);
    ck_assert_int_eq(net_peek(s.conns[0], bytes, 10), -ECONNRESET);
    net_close(s.conns[0]);
    sim_conn_close(c);
    c = sim_net_connect(n, 0, "::1", 2);
    sim_net_turn(n, 0);
    server_send(&s, 1, "late");
    sim_conn_send(c, "x", 1);
    sim_net_kill(n);
    ck_assert_int_eq(sim_conn_send(c, "y", 1), -ECONNRESET);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), 4);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), -ECONNRESET);
    ck_assert_uint_eq(sim_net_turn(n, 0), 0);
    sim_conn_close(c);
    sim_net_free(n);
}
END_TEST

START_TEST(a_deaf_client_hears_nothing)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *c = sim_net_connect(n, 0, "::1", 1);
    char bytes[10];

    sim_net_turn(n, 0);
    sim_conn_send(c, "x", 1);
    server_send(&s, 0, "late");
    ck_assert_uint_eq(sim_conn_pending(c), 4);
    sim_conn_deafen(c);
    ck_assert_uint_eq(sim_conn_pending(c), 0);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), -EAGAIN);
    ck_assert_int_eq(sim_conn_send(c, "yz", 2), 2);
    ck_assert_uint_eq(sim_net_turn(n, 0), 1);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), -ECONNRESET);
    net_close(s.conns[0]);
    ck_assert(!sim_conn_server_closed(c));
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), -EAGAIN);
    ck_assert_int_eq(sim_conn_send(c, "yz", 2), 2);
    sim_conn_close(c);
    sim_net_free(n);
}
END_TEST

START_TEST(closing_with_unread_bytes_resets)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *c = sim_net_connect(n, 0, "::1", 1), *d = sim_net_connect(n, 0, "::1", 2);
    char bytes[10];

    sim_net_turn(n, 0);
    sim_conn_send(c, "x", 1);
    server_send(&s, 0, "last");
    net_close(s.conns[0]);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), 4);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), -ECONNRESET);
    sim_conn_close(c);
    sim_conn_send(d, "x", 1);
    server_send(&s, 1, "unread");
    sim_conn_close(d);
    ck_assert_int_eq(net_recv(s.conns[1], bytes, 10), -ECONNRESET);
    net_close(s.conns[1]);
    sim_net_free(n);
}
END_TEST

START_TEST(server_may_refuse_and_close_all_in_a_turn)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *c[4];

    s.refuse = true;
    c[0] = sim_net_connect(n, 0, "::1", 1);
    sim_net_turn(n, 0);
    ck_assert(sim_conn_server_closed(c[0]));
    sim_conn_close(c[0]);
    s.refuse = false;
    for (uint16_t i = 0; i < 4; i++)
        c[i] = sim_net_connect(n, 0, "::1", i);
    ck_assert_uint_eq(sim_net_turn(n, 0), 4);
    for (int i = 0; i < 4; i++) {
        net_want(s.conns[i], NET_READ);
        sim_conn_close(c[i]);
    }
    s.close_when_ready = true;
    ck_assert_uint_eq(sim_net_run(n, 10), 1); /* the first call closed them all */
    sim_net_free(n);
}
END_TEST

START_TEST(sendfile_reads_the_disk)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *c = sim_net_connect(n, 0, "::1", 1);
    struct sim_disk *d = sim_disk_new(NULL);
    struct disk_file *f;
    char bytes[10];

    sim_net_turn(n, 0);
    ck_assert_int_eq(disk_open(sim_disk_env(d), "f", DISK_WRITE | DISK_CREATE, &f), 0);
    ck_assert_int_eq(disk_pwrite(f, "0123456789", 10, 0), 0);
    ck_assert_int_eq(net_sendfile(s.conns[0], f, 3, 4, true), 4);
    ck_assert_int_eq(sim_conn_recv(c, bytes, 10), 4);
    ck_assert_mem_eq(bytes, "3456", 4);
    ck_assert_int_eq(net_sendfile(s.conns[0], f, 8, 5, false), 2);
    ck_assert_int_eq(net_sendfile(s.conns[0], f, 10, 5, false), 0);
    disk_close(f);
    sim_disk_free(d);
    sim_net_free(n);
}
END_TEST

/* An echo over drawn counts and small buffers: every byte comes back once and in order. */
START_TEST(drawn_counts_lose_nothing)
{
    static uint8_t sent[20000], back[20000];
    struct server s;
    struct sim_prng prng;
    struct sim_net *n;
    struct sim_conn *c;
    struct rand r;
    uint8_t held[64];
    size_t n_sent = 0, n_back = 0, n_held = 0, part;
    bool fell_short = false;

    rand_init(&r);
    rand_fill(&r, sent, sizeof(sent));
    sim_prng_init(&prng, rand_u64(&r));
    n = make(&s, &prng);
    sim_net_set_buffer(n, 100);
    c = sim_net_connect(n, 0, "::1", 1);
    sim_net_turn(n, 0);
    while (n_back < sizeof(back)) {
        ssize_t k;

        part = (size_t)rand_below(&r, 50) + 1;
        k = sim_conn_send(c, sent + n_sent, MIN(sizeof(sent) - n_sent, part));

        n_sent += k > 0 ? (size_t)k : 0;
        k = net_recv(s.conns[0], held + n_held, sizeof(held) - n_held);
        n_held += k > 0 ? (size_t)k : 0;
        k = net_sendv(s.conns[0], &(struct iovec){ held, n_held }, 1, false);
        fell_short |= k > 0 && (size_t)k < n_held;
        if (k > 0)
            memmove(held, held + k, n_held -= (size_t)k);
        k = sim_conn_recv(c, back + n_back, sizeof(back) - n_back);
        n_back += k > 0 ? (size_t)k : 0;
    }
    ck_assert_mem_eq(back, sent, sizeof(back));
    ck_assert(fell_short);
    sim_net_free(n);
}
END_TEST

/* On its way from one reactor to the other it hears nothing and loses nothing. */
START_TEST(connections_move_between_reactors)
{
    struct server s[2] = { 0 };
    struct sim_net *n = sim_net_new(2, NULL);
    struct sim_conn *c, *lost;
    char bytes[10];

    for (unsigned i = 0; i < 2; i++)
        sim_net_env(n, i)->peer_handler = (struct net_handler){ on_accepted, on_ready, &s[i] };
    c = sim_net_connect_peer(n, 0, "10.0.0.7", 1);
    lost = sim_net_connect_peer(n, 0, "10.0.0.7", 2);
    sim_net_turn(n, 0);
    net_want(s[0].conns[0], NET_READ);
    net_unplug(s[0].conns[0]);
    sim_conn_send(c, "hello", 5);
    ck_assert_uint_eq(sim_net_run(n, 3), 0);
    net_plug(sim_net_env(n, 1), s[0].conns[0], &s[1]);
    ck_assert_uint_eq(sim_net_run(n, 3), 0); /* it wants nothing yet */
    net_want(s[0].conns[0], NET_READ);
    ck_assert_uint_eq(sim_net_turn(n, 0), 0);
    ck_assert_uint_eq(sim_net_turn(n, 1), 1);
    ck_assert_int_eq(s[1].n_ready, 1);
    ck_assert_int_eq(net_recv(s[0].conns[0], bytes, 10), 5);
    net_unplug(s[0].conns[1]);
    net_close(s[0].conns[1]);
    ck_assert(sim_conn_server_closed(lost));
    sim_conn_close(lost);
    sim_net_free(n);
}
END_TEST

START_TEST(who_plays_the_network_sees_what_moved)
{
    struct server s, peer = { 0 };
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *client, *c;
    uint64_t moves;
    char bytes[10];

    sim_net_set_buffer(n, 4);
    client = sim_net_connect(n, 0, "10.0.0.7", 1);
    sim_net_env(n, 0)->peer_handler = (struct net_handler){ on_accepted, on_ready, &peer };
    c = sim_net_connect_peer(n, 0, "10.0.0.8", 2);
    sim_net_turn(n, 0);
    net_want(s.conns[0], NET_READ);
    ck_assert_int_eq(sim_conn_send(client, "x", 1), 1);
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), 1);
    ck_assert_int_eq(server_send(&s, 0, "xy"), 2);
    moves = sim_net_peer_moves(n);
    ck_assert_uint_eq(moves, 0); /* clients' connections don't count */
    ck_assert_int_eq(sim_conn_send(c, "x", 1), 1);
    ck_assert_int_eq(net_recv(peer.conns[0], bytes, 10), 1);
    ck_assert_uint_eq(sim_net_peer_moves(n), moves); /* there was room before */
    ck_assert_int_eq(sim_conn_send(c, "abcd", 4), 4);
    ck_assert_int_eq(net_recv(peer.conns[0], bytes, 10), 4);
    ck_assert_uint_gt(sim_net_peer_moves(n), moves);
    moves = sim_net_peer_moves(n);
    ck_assert_int_eq(net_recv(peer.conns[0], bytes, 10), -EAGAIN);
    ck_assert_uint_eq(sim_net_peer_moves(n), moves);
    ck_assert_int_eq(server_send(&peer, 0, "xy"), 2);
    ck_assert_uint_gt(sim_net_peer_moves(n), moves);
    moves = sim_net_peer_moves(n);
    net_close(peer.conns[0]);
    ck_assert_uint_gt(sim_net_peer_moves(n), moves);
    sim_net_free(n);
}
END_TEST

START_TEST(a_net_knows_whether_a_turn_has_something_to_do)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct sim_conn *c;
    char bytes[10];

    ck_assert(!sim_net_is_ready(n, 0));
    c = sim_net_connect(n, 0, "10.0.0.7", 1);
    ck_assert(sim_net_is_ready(n, 0));
    sim_net_turn(n, 0);
    ck_assert(!sim_net_is_ready(n, 0));
    ck_assert_int_eq(sim_conn_send(c, "x", 1), 1);
    ck_assert(!sim_net_is_ready(n, 0)); /* nothing is wanted */
    net_want(s.conns[0], NET_READ);
    ck_assert(sim_net_is_ready(n, 0));
    ck_assert_int_eq(net_recv(s.conns[0], bytes, 10), 1);
    ck_assert(!sim_net_is_ready(n, 0));
    ck_assert_int_eq(s.n_ready, 0);
    sim_net_free(n);
}
END_TEST

START_TEST(a_dial_that_nobody_took_may_be_closed)
{
    struct server s;
    struct sim_net *n = make(&s, NULL);
    struct net_conn *a, *b;
    struct sim_dial dial;

    ck_assert_int_eq(net_connect(sim_net_env(n, 0), "b:1", &s, &a), 0);
    ck_assert_int_eq(net_connect(sim_net_env(n, 0), "c:1", &s, &b), 0);
    net_close(a);
    ck_assert(sim_net_take_dial(n, &dial));
    ck_assert_str_eq(dial.address, "c:1");
    ck_assert(!sim_net_take_dial(n, &dial));
    sim_net_free(n);
}
END_TEST

Suite *net_suite(void)
{
    Suite *s = suite_create("net");

    suite_add(s, bytes_go_both_ways);
    suite_add(s, full_buffers_push_back);
    suite_add(s, half_close_lets_the_server_answer);
    suite_add(s, closed_client_resets_a_sending_server);
    suite_add(s, reset_loses_what_was_under_way);
    suite_add(s, a_deaf_client_hears_nothing);
    suite_add(s, closing_with_unread_bytes_resets);
    suite_add(s, server_may_refuse_and_close_all_in_a_turn);
    suite_add(s, sendfile_reads_the_disk);
    suite_add(s, drawn_counts_lose_nothing);
    suite_add(s, connections_move_between_reactors);
    suite_add(s, a_dial_that_nobody_took_may_be_closed);
    suite_add(s, who_plays_the_network_sees_what_moved);
    suite_add(s, a_net_knows_whether_a_turn_has_something_to_do);
    return s;
}
