/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A node over the simulated disk, net, lanes and clock, in one thread and without chance: it stores 1000 batches, or
 * gives 1000 to a consumer from memory, the same way every time, so that what that took can be counted under callgrind.
 * Only measure() is to be collected. Prints what it asked of the disk meanwhile as one line of JSON. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "base/util.h"
#include "bench.h"
#include "config/config.h"
#include "node/node.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/lane.h"
#include "sim/net.h"
#include "sim/prng.h"

#define N_BATCHES 1000
#define N_WARM_UP 200 /* and as many for each client as fill what a partition gathers for its segment, twice */
#define N_WARM_UP_EACH 60
#define MAX_CLIENTS 50
#define READ_CACHE_BYTES 65536       /* full before the measurement: what fills a larger one isn't what a batch takes */
#define FETCH_CACHE_BYTES (16 << 20) /* has all that is read */
#define N_FETCHED 25                 /* batches of an answer */
#define N_FETCHES (N_BATCHES / N_FETCHED)
#define MS UINT64_C(1000000)
#define TURN_NS 1000
#define LIMIT_NS (600000 * MS)

struct counters {
    uint64_t writes, written_bytes, syncs;
};

struct client {
    struct sim_conn *conn;
    struct wr question;
    size_t sent, received;
    uint8_t answer[16384];
    bool busy;
};

struct gate {
    struct sim_prng prng;
    struct sim_clock clock;
    struct sim_disk *disk;
    struct sim_lane *lane;
    struct sim_net *net;
    struct env env, *envs[1];
    struct config config;
    struct node *node;
    uint64_t deadline_ns;
    struct bench_options work;
    struct client clients[MAX_CLIENTS];
    int n_started, n_ended; /* questions of the current stretch */
    bool measuring;         /* answers aren't decoded then */
    size_t batch_bytes;     /* once batches are fetched; 0: they are produced */
    struct wr fetches[N_FETCHES];
};

static struct counters counters;
static const struct env_disk_ops *real_ops;

static int count_pwritev(struct disk_file *f, const struct iovec *iov, int n_iov, uint64_t offset)
{
    counters.writes++;
    for (int i = 0; i < n_iov; i++)
        counters.written_bytes += iov[i].iov_len;
    return real_ops->pwritev(f, iov, n_iov, offset);
}

static int count_sync_data(struct disk_file *f)
{
    counters.syncs++;
    return real_ops->sync_data(f);
}

static void fatal(void *ctx, int err, const char *what)
{
    errno = -err;
    bench_die(what);
}

static void http(void *ctx, unsigned reactor, struct net_conn *conn)
{
    net_close(conn);
}

/* One round of everybody; false when nothing moved. */
static bool step(struct gate *g)
{
    bool moved = sim_net_turn(g->net, 0) > 0;

    g->deadline_ns = node_turn(g->node, 0, g->clock.mono_ns);
    while (sim_lane_step(g->lane, NULL))
        moved = true;
    return moved;
}

static void pass_time(struct gate *g, bool moved)
{
    if (g->clock.mono_ns > LIMIT_NS)
        bench_refuse("the node stands still");
    if (moved || g->deadline_ns <= g->clock.mono_ns)
        sim_clock_advance(&g->clock, TURN_NS);
    else
        sim_clock_advance_to(&g->clock, MIN(g->deadline_ns, g->clock.mono_ns + MS));
}

static void gate_init(struct gate *g, int64_t read_cache_bytes)
{
    static struct env_disk_ops ops;

    sim_prng_init(&g->prng, 1);
    sim_clock_init(&g->clock, 1000 * MS, 1700000000000);
    g->disk = sim_disk_new(NULL);
    real_ops = sim_disk_env(g->disk)->ops;
    ops = *real_ops;
    ops.pwritev = count_pwritev;
    ops.sync_data = count_sync_data;
    sim_disk_env(g->disk)->ops = &ops;
    g->lane = sim_lane_new(1, 1);
    g->net = sim_net_new(1, NULL);
    g->env = (struct env){ &g->clock.env, sim_disk_env(g->disk), sim_net_env(g->net, 0), &g->prng.env,
                           sim_lane_env(g->lane, 0) };
    g->envs[0] = &g->env;
    config_init(&g->config);
    g->config.node_id = xstrdup("gate");
    g->config.num_partitions = MAX_CLIENTS;
    g->config.journal_size_bytes = 64 << 20;
    g->config.performance.read_cache_size_bytes = read_cache_bytes;
}

static void start(struct gate *g)
{
    struct node_options options = { .config = &g->config,
                                    .n_reactors = 1,
                                    .envs = g->envs,
                                    .n_shards = 1,
                                    .max_files = 65536,
                                    .host = { .fatal = fatal, .http = http, .ctx = g } };
    struct error_text err;

    if (node_open(&options, &g->node, &err) != 0)
        bench_refuse(err.text);
    node_set_port(g->node, 9092);
    node_start(g->node, 0);
    while (!node_is_ready(g->node, 0))
        pass_time(g, step(g));
}

static void check_answer(struct gate *g, const struct client *c)
{
    const uint8_t *frame = c->answer + 4;
    size_t size = c->received - 4;
    int64_t end;

    if (g->batch_bytes == 0 && ask_produce_error(frame, size) != 0)
        bench_refuse("a batch was refused");
    if (g->batch_bytes > 0 && ask_fetched(frame, size, &end).size != N_FETCHED * g->batch_bytes)
        bench_refuse("a fetch got something else");
}

static void begin(struct gate *g, struct client *c, int limit)
{
    c->busy = g->n_started < limit;
    if (c->busy && g->batch_bytes > 0)
        c->question = g->fetches[g->n_started];
    g->n_started += c->busy;
    c->sent = c->received = 0;
}

/* True when something moved. */
static bool play(struct gate *g, struct client *c, int limit)
{
    size_t size = wr_size(&c->question);
    bool moved = false;
    ssize_t n;

    if (!c->busy)
        return false;
    while (c->sent < size && (n = sim_conn_send(c->conn, c->question.start + c->sent, size - c->sent)) > 0) {
        c->sent += (size_t)n;
        moved = true;
    }
    while ((n = sim_conn_recv(c->conn, c->answer + c->received, sizeof(c->answer) - c->received)) > 0) {
        c->received += (size_t)n;
        moved = true;
    }
    if (n != -EAGAIN)
        bench_refuse("the node has closed a connection");
    if (c->received < 4 || c->received < 4 + (size_t)load_be32(c->answer))
        return moved;
    if (!g->measuring)
        check_answer(g, c);
    g->n_ended++;
    begin(g, c, limit);
    return true;
}

/* The clients send so many questions, each with one in flight, then the node comes to rest. */
static void stretch(struct gate *g, int n_clients, int n_questions)
{
    g->n_started = g->n_ended = 0;
    for (int i = 0; i < n_clients; i++)
        begin(g, &g->clients[i], n_questions);
    while (g->n_ended < n_questions) {
        bool moved = false;

        for (int i = 0; i < n_clients; i++)
            moved |= play(g, &g->clients[i], n_questions);
        pass_time(g, moved | step(g));
    }
    while (step(g))
        ;
}

__attribute__((noinline)) static void measure(struct gate *g, int n_clients)
{
    g->measuring = true;
    stretch(g, n_clients, g->batch_bytes > 0 ? N_FETCHES : N_BATCHES);
    g->measuring = false;
}

/* One question and its answer on a connection of its own. */
static void exchange(struct gate *g, struct client *c)
{
    c->conn = sim_net_connect(g->net, 0, "127.0.0.1", 40000);
    c->sent = c->received = 0;
    while (c->received < 4 || c->received < 4 + (size_t)load_be32(c->answer)) {
        ssize_t n;

        if (c->sent == 0)
            c->sent = (size_t)MAX(sim_conn_send(c->conn, c->question.start, wr_size(&c->question)), 0);
        n = sim_conn_recv(c->conn, c->answer + c->received, sizeof(c->answer) - c->received);
        c->received += (size_t)MAX(n, 0);
        pass_time(g, step(g));
    }
    sim_conn_close(c->conn);
    wr_fini(&c->question);
}

/* Metadata is asked for by its bytes alone: the answer is as good as any that ends. */
static void make_topic(struct gate *g)
{
    struct client *c = &g->clients[0];

    wr_init_growing(&c->question, 256, BENCH_FRAME_MAX);
    ask_write_metadata(g->work.topic, &c->question);
    exchange(g, c);
}

/* However few bytes are asked for, one batch comes whole. */
static size_t fetch_one_batch(struct gate *g)
{
    struct client *c = &g->clients[1];
    int64_t end;

    wr_init_growing(&c->question, 256, BENCH_FRAME_MAX);
    ask_write_fetch(g->work.topic, 0, 0, 1, &c->question);
    exchange(g, c);
    return ask_fetched(c->answer + 4, c->received - 4, &end).size;
}

/* What is measured from here on is reading: of all that is there, from the beginning. */
static void turn_to_fetching(struct gate *g)
{
    stretch(g, 1, N_BATCHES);
    g->batch_bytes = fetch_one_batch(g);
    for (int i = 0; i < N_FETCHES; i++) {
        wr_init_growing(&g->fetches[i], 256, BENCH_FRAME_MAX);
        ask_write_fetch(g->work.topic, 0, i * N_FETCHED, (int)(N_FETCHED * g->batch_bytes), &g->fetches[i]);
    }
    stretch(g, 1, N_FETCHES);
}

static void connect_clients(struct gate *g, int n)
{
    for (int i = 0; i < n; i++) {
        struct client *c = &g->clients[i];

        *c = (struct client){ .conn = sim_net_connect(g->net, 0, "127.0.0.1", (uint16_t)(41000 + i)) };
        wr_init_growing(&c->question, 4096, BENCH_FRAME_MAX);
        ask_write_produce(&g->work, i, &c->question);
    }
}

int main(int argc, char **argv)
{
    struct gate *g = xcalloc(1, sizeof(*g));
    bool fetches = argc > 1 && strcmp(argv[1], "fetch") == 0;
    int n_clients = argc > 1 && !fetches ? atoi(argv[1]) : 1;
    struct counters before, end;

    g->work = (struct bench_options){ .topic = "bench", .size = 100, .records = argc > 2 ? atoi(argv[2]) : 1 };
    if (n_clients < 1 || n_clients > MAX_CLIENTS || g->work.records < 1) {
        fprintf(stderr, "usage: bench-gate CLIENTS RECORDS\n       bench-gate fetch\n");
        return 64;
    }
    gate_init(g, fetches ? FETCH_CACHE_BYTES : READ_CACHE_BYTES);
    start(g);
    make_topic(g);
    connect_clients(g, n_clients);
    stretch(g, n_clients, MAX(N_WARM_UP, n_clients * N_WARM_UP_EACH));
    if (fetches)
        turn_to_fetching(g);
    before = counters;
    measure(g, n_clients);
    end = counters;
    stretch(g, n_clients, n_clients); /* its answers are looked at */
    printf("{\"batches\": %d, \"writes\": %llu, \"written_bytes\": %llu, \"syncs\": %llu, \"produced_bytes\": %llu}\n",
           N_BATCHES, (unsigned long long)(end.writes - before.writes),
           (unsigned long long)(end.written_bytes - before.written_bytes),
           (unsigned long long)(end.syncs - before.syncs),
           (unsigned long long)(N_BATCHES * wr_size(&g->clients[0].question)));
    return 0;
}
