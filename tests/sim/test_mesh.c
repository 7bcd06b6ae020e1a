/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/mesh.h"

#include <errno.h>

#include "base/util.h"
#include "sim/suites.h"

#define MS UINT64_C(1000000)

/* Two or more nodes that note what they are told; the test does what their owners would. */
struct node {
    struct sim_net *net;
    struct net_conn *conns[4];
    unsigned events[4];
    int n_conns;
};

struct bed {
    struct sim_prng prng;
    struct sim_mesh *mesh;
    struct node nodes[3];
    uint64_t now_ns;
};

static const char *const addresses[] = { "a:7001", "b:7001", "c:7001" };

static void *on_accepted(void *ctx, struct net_conn *c, const struct net_addr *peer, const struct net_addr *local)
{
    struct node *n = ctx;

    n->conns[n->n_conns] = c;
    return &n->events[n->n_conns++];
}

static void *on_client(void *ctx, struct net_conn *c, const struct net_addr *peer, const struct net_addr *local)
{
    ck_abort_msg("a node's connection came to the Kafka port");
}

static void on_ready(void *conn_ctx, unsigned events)
{
    *(unsigned *)conn_ctx = events;
}

static void start(struct bed *b, unsigned i)
{
    struct node *n = &b->nodes[i];

    *n = (struct node){ .net = sim_net_new(1, &b->prng) };
    sim_net_env(n->net, 0)->handler = (struct net_handler){ on_client, on_ready, n };
    sim_net_env(n->net, 0)->peer_handler = (struct net_handler){ on_accepted, on_ready, n };
    sim_mesh_attach(b->mesh, i, addresses[i], n->net);
}

static void end(struct bed *b, unsigned i, bool power_lost)
{
    sim_mesh_detach(b->mesh, i, power_lost);
    sim_net_free(TAKE_PTR(b->nodes[i].net));
}

static struct bed *bed_new(uint64_t seed)
{
    struct bed *b = xcalloc(1, sizeof(*b));

    sim_prng_init(&b->prng, seed);
    b->mesh = sim_mesh_new(&b->prng);
    b->now_ns = 1000 * MS;
    for (unsigned i = 0; i < 3; i++)
        start(b, i);
    return b;
}

static void bed_free(struct bed *b)
{
    sim_mesh_free(b->mesh);
    for (unsigned i = 0; i < 3; i++)
        sim_net_free(b->nodes[i].net);
    free(b);
}

static void turns(struct bed *b)
{
    for (int i = 0; i < 4; i++) {
        sim_mesh_turn(b->mesh, b->now_ns);
        for (unsigned k = 0; k < 3; k++)
            if (b->nodes[k].net != NULL)
                sim_net_turn(b->nodes[k].net, 0);
    }
}

static void run(struct bed *b, uint64_t ns)
{
    b->now_ns += ns;
    turns(b);
}

/* Index of the connection at the one who asks. */
static int dial(struct bed *b, unsigned from, unsigned to)
{
    struct node *n = &b->nodes[from];

    ck_assert_int_eq(net_connect(sim_net_env(n->net, 0), addresses[to], &n->events[n->n_conns], &n->conns[n->n_conns]),
                     0);
    net_want(n->conns[n->n_conns], NET_WRITE);
    turns(b);
    return n->n_conns++;
}

static ssize_t say(struct bed *b, unsigned node, int conn, const char *text)
{
    struct iovec iov = { (void *)text, strlen(text) };
    size_t sent = 0;

    while (sent < strlen(text)) {
        ssize_t n;

        iov = (struct iovec){ (void *)(text + sent), strlen(text) - sent };
        n = net_sendv(b->nodes[node].conns[conn], &iov, 1, false);
        if (n <= 0)
            return n;
        sent += (size_t)n;
    }
    return (ssize_t)sent;
}

/* All that has come, or the error. */
static ssize_t hear(struct bed *b, unsigned node, int conn, char *to, size_t size)
{
    size_t at = 0;

    for (;;) {
        ssize_t n = net_recv(b->nodes[node].conns[conn], to + at, size - at);

        if (n == -EAGAIN || (n <= 0 && at > 0))
            return at > 0 ? (ssize_t)at : n;
        if (n <= 0)
            return n;
        at += (size_t)n;
    }
}

START_TEST(bytes_take_as_long_as_the_path)
{
    struct bed *b = bed_new(1);
    char got[16];

    sim_mesh_path(b->mesh, 0, 1)->delay_ns = 5 * MS;
    sim_mesh_path(b->mesh, 1, 0)->delay_ns = 2 * MS;
    dial(b, 0, 1);
    ck_assert_int_eq(net_outcome(b->nodes[0].conns[0]), NET_UNDER_WAY);
    ck_assert_uint_eq(sim_mesh_next_ns(b->mesh), b->now_ns + 7 * MS);
    run(b, 6 * MS);
    ck_assert_int_eq(net_outcome(b->nodes[0].conns[0]), NET_UNDER_WAY);
    ck_assert_uint_eq(b->nodes[0].events[0], 0);
    run(b, 1 * MS);
    ck_assert_int_eq(net_outcome(b->nodes[0].conns[0]), 0);
    ck_assert_uint_eq(b->nodes[0].events[0], NET_WRITE);
    ck_assert_int_eq(b->nodes[1].n_conns, 1);
    ck_assert_int_eq(say(b, 0, 0, "hello"), 5);
    run(b, 0);
    ck_assert_uint_eq(sim_mesh_next_ns(b->mesh), b->now_ns + 5 * MS);
    ck_assert_int_eq(hear(b, 1, 0, got, sizeof(got)), -EAGAIN);
    run(b, 5 * MS);
    ck_assert_int_eq(hear(b, 1, 0, got, sizeof(got)), 5);
    ck_assert_mem_eq(got, "hello", 5);
    ck_assert_int_eq(say(b, 1, 0, "you"), 3);
    run(b, 0);
    run(b, 2 * MS);
    ck_assert_int_eq(hear(b, 0, 0, got, sizeof(got)), 3);
    bed_free(b);
}
END_TEST

START_TEST(a_close_comes_behind_the_bytes)
{
    struct bed *b = bed_new(2);
    char got[16];

    dial(b, 0, 1);
    ck_assert_int_eq(say(b, 0, 0, "bye"), 3);
    net_close(b->nodes[0].conns[0]);
    run(b, 0);
    ck_assert_int_eq(hear(b, 1, 0, got, sizeof(got)), 3);
    run(b, 0);
    ck_assert_int_eq(hear(b, 1, 0, got, sizeof(got)), 0);
    ck_assert_int_eq(say(b, 1, 0, "what"), 4);
    run(b, 0);
    ck_assert_int_eq(hear(b, 1, 0, got, sizeof(got)), -ECONNRESET);
    net_close(b->nodes[1].conns[0]);
    run(b, 0);
    ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 0);
    bed_free(b);
}
END_TEST

START_TEST(a_held_path_delivers_later)
{
    struct bed *b = bed_new(3);
    char got[16];

    dial(b, 0, 1);
    sim_mesh_path(b->mesh, 0, 1)->held = true;
    ck_assert_int_eq(say(b, 0, 0, "late"), 4);
    ck_assert_int_eq(say(b, 1, 0, "soon"), 4);
    run(b, 1000 * MS);
    ck_assert_int_eq(hear(b, 1, 0, got, sizeof(got)), -EAGAIN);
    ck_assert_int_eq(hear(b, 0, 0, got, sizeof(got)), 4); /* the other way works */
    ck_assert_uint_eq(sim_mesh_n_given(b->mesh, 0, 1), 0);
    ck_assert_uint_eq(sim_mesh_n_given(b->mesh, 1, 0), 1);
    dial(b, 0, 1);
    run(b, 1000 * MS);
    ck_assert_int_eq(net_outcome(b->nodes[0].conns[1]), NET_UNDER_WAY);
    sim_mesh_path(b->mesh, 0, 1)->held = false;
    run(b, 0);
    ck_assert_int_eq(hear(b, 1, 0, got, sizeof(got)), 4);
    ck_assert_uint_eq(sim_mesh_n_given(b->mesh, 0, 1), 1);
    ck_assert_int_eq(net_outcome(b->nodes[0].conns[1]), 0);
    bed_free(b);
}
END_TEST

START_TEST(who_isnt_there_refuses_or_is_silent)
{
    struct bed *b = bed_new(4);
    char byte;

    sim_mesh_path(b->mesh, 0, 1)->reach = SIM_REACH_REFUSED;
    dial(b, 0, 1);
    ck_assert_int_eq(net_outcome(b->nodes[0].conns[0]), -ECONNREFUSED);
    ck_assert_uint_eq(b->nodes[0].events[0], NET_WRITE);
    ck_assert_int_eq(net_recv(b->nodes[0].conns[0], &byte, 1), -ECONNREFUSED);
    net_close(b->nodes[0].conns[0]);
    sim_mesh_path(b->mesh, 0, 1)->reach = SIM_REACH_SILENT;
    dial(b, 0, 1);
    run(b, 100000 * MS);
    ck_assert_int_eq(net_outcome(b->nodes[0].conns[1]), NET_UNDER_WAY);
    ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 1);
    net_close(b->nodes[0].conns[1]);
    run(b, 0);
    ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 0);
    end(b, 2, false);
    dial(b, 0, 2);
    ck_assert_int_eq(net_outcome(b->nodes[0].conns[2]), -ECONNREFUSED);
    bed_free(b);
}
END_TEST

START_TEST(a_break_is_found_by_both_or_by_one)
{
    struct bed *b = bed_new(5);
    char byte;

    dial(b, 0, 1);
    dial(b, 2, 1);
    sim_mesh_break(b->mesh, 1, 0);
    ck_assert_int_eq(net_recv(b->nodes[0].conns[0], &byte, 1), -ECONNRESET);
    ck_assert_int_eq(net_recv(b->nodes[1].conns[0], &byte, 1), -ECONNRESET);
    ck_assert_int_eq(net_recv(b->nodes[1].conns[1], &byte, 1), -EAGAIN);
    sim_mesh_break_for(b->mesh, 2, 1);
    ck_assert_int_eq(net_recv(b->nodes[1].conns[1], &byte, 1), -ECONNRESET);
    run(b, 1000 * MS);
    ck_assert_int_eq(net_recv(b->nodes[2].conns[0], &byte, 1), -EAGAIN);
    ck_assert_int_eq(say(b, 2, 0, "x"), 1); /* answered with a reset */
    run(b, 0);
    ck_assert_int_eq(net_recv(b->nodes[2].conns[0], &byte, 1), -ECONNRESET);
    bed_free(b);
}
END_TEST

START_TEST(a_lost_process_resets_a_lost_host_does_not)
{
    struct bed *b = bed_new(6);
    char byte;

    dial(b, 0, 1);
    dial(b, 2, 1);
    end(b, 1, false);
    ck_assert_int_eq(net_recv(b->nodes[0].conns[0], &byte, 1), -ECONNRESET);
    start(b, 1);
    dial(b, 0, 1);
    dial(b, 1, 2);
    end(b, 1, true);
    ck_assert_int_eq(say(b, 0, 1, "x"), 1);
    run(b, 1000 * MS);
    ck_assert_int_eq(net_recv(b->nodes[0].conns[1], &byte, 1), -EAGAIN);
    ck_assert_int_eq(net_recv(b->nodes[2].conns[1], &byte, 1), -EAGAIN);
    dial(b, 2, 1);
    run(b, 1000 * MS);
    ck_assert_int_eq(net_outcome(b->nodes[2].conns[2]), NET_UNDER_WAY);
    start(b, 1);
    run(b, 0);
    ck_assert_int_eq(net_recv(b->nodes[0].conns[1], &byte, 1), -ECONNRESET); /* what it sent has arrived */
    ck_assert_int_eq(net_recv(b->nodes[2].conns[1], &byte, 1), -EAGAIN);
    bed_free(b);
}
END_TEST

/* Much more than all buffers hold, in pieces that are cut anyhow. */
START_TEST(a_stream_arrives_whole)
{
    struct bed *b = bed_new(7);
    enum { SIZE = 2 << 20 };
    size_t sent = 0, got = 0;

    sim_mesh_path(b->mesh, 0, 1)->jitter_ns = 3 * MS;
    dial(b, 0, 1);
    run(b, 10 * MS);
    while (got < SIZE) {
        uint8_t bytes[1000];
        struct iovec iov = { bytes, MIN(sizeof(bytes), SIZE - sent) };
        ssize_t n;

        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)((sent + i) * 31 >> 3);
        n = sent < SIZE ? net_sendv(b->nodes[0].conns[0], &iov, 1, false) : -EAGAIN;
        if (n > 0) {
            sent += (size_t)n;
            continue;
        }
        ck_assert_int_eq(n, -EAGAIN);
        run(b, 1 * MS);
        while ((n = net_recv(b->nodes[1].conns[0], bytes, sizeof(bytes))) > 0)
            for (ssize_t i = 0; i < n; i++, got++)
                ck_quick(bytes[i] == (uint8_t)(got * 31 >> 3));
        ck_assert_int_eq(n, -EAGAIN);
    }
    bed_free(b);
}
END_TEST

#define SAID "0123456789abcdefghij"

/* A piece of it is changed; how much is heard. */
static ssize_t hear_tampered(struct bed *b, enum sim_tamper how, char *got, size_t size)
{
    struct sim_prng prng;
    ssize_t n;

    sim_prng_init(&prng, 3);
    dial(b, 0, 1);
    sim_mesh_tamper(b->mesh, 0, 1, how, 0, &prng);
    say(b, 0, 0, SAID);
    run(b, 0);
    n = hear(b, 1, 0, got, size);
    ck_assert_uint_eq(sim_mesh_n_tampered(b->mesh), 1);
    return n;
}

START_TEST(somebody_changes_bytes)
{
    struct bed *b = bed_new(8);
    char got[256], byte;
    ssize_t said = (ssize_t)strlen(SAID), n = hear_tampered(b, (enum sim_tamper)_i, got, sizeof(got));

    switch ((enum sim_tamper)_i) {
    case SIM_TAMPER_FLIP:
        ck_assert_int_eq(n, said);
        ck_assert_mem_ne(got, SAID, (size_t)said);
        break;
    case SIM_TAMPER_OMIT:
        ck_assert_int_lt(n, said);
        break;
    case SIM_TAMPER_REPEAT: /* pieces may be small */
        ck_assert_int_gt(n, said);
        ck_assert_mem_eq(got, SAID, (size_t)(n - said));
        ck_assert_mem_eq(got + (n - said), SAID, (size_t)said);
        break;
    case SIM_TAMPER_INSERT:
        ck_assert_int_gt(n, said);
        break;
    default:
        ck_assert_int_lt(n, said);
        ck_assert_int_gt(n, 0);
        ck_assert_mem_eq(got, SAID, (size_t)n);
        run(b, MS);
        ck_assert_int_eq(net_recv(b->nodes[1].conns[0], &byte, 1), -ECONNRESET);
        ck_assert_int_eq(net_recv(b->nodes[0].conns[0], &byte, 1), -ECONNRESET);
        break;
    }
    bed_free(b);
}
END_TEST

/* One that waits for its turn doesn't come any more. */
START_TEST(nobody_changes_them_any_more)
{
    struct bed *b = bed_new(9);
    struct sim_prng prng;
    char got[64];

    sim_prng_init(&prng, 1);
    dial(b, 0, 1);
    sim_mesh_tamper(b->mesh, 0, 1, SIM_TAMPER_FLIP, 2, &prng);
    say(b, 1, 0, SAID); /* the other way */
    run(b, 0);
    ck_assert_int_eq(hear(b, 0, 0, got, sizeof(got)), (ssize_t)strlen(SAID));
    sim_mesh_tamper_no_more(b->mesh);
    say(b, 0, 0, SAID);
    run(b, 0);
    ck_assert_int_eq(hear(b, 1, 0, got, sizeof(got)), (ssize_t)strlen(SAID));
    ck_assert_mem_eq(got, SAID, strlen(SAID));
    ck_assert_uint_eq(sim_mesh_n_tampered(b->mesh), 0);
    bed_free(b);
}
END_TEST

Suite *mesh_suite(void)
{
    Suite *s = suite_create("mesh");
    TCase *tc = tcase_create("somebody_changes_bytes");

    suite_add(s, bytes_take_as_long_as_the_path);
    suite_add(s, a_close_comes_behind_the_bytes);
    suite_add(s, a_held_path_delivers_later);
    suite_add(s, who_isnt_there_refuses_or_is_silent);
    suite_add(s, a_break_is_found_by_both_or_by_one);
    suite_add(s, a_lost_process_resets_a_lost_host_does_not);
    suite_add(s, a_stream_arrives_whole);
    tcase_add_loop_test(tc, somebody_changes_bytes, 0, SIM_N_TAMPERS);
    suite_add_tcase(s, tc);
    suite_add(s, nobody_changes_them_any_more);
    return s;
}
