/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/endian.h"
#include "base/util.h"
#include "wire/batch_builder.h"
#include "wire/frame.h"
#include "wire/wire_messages.h"

#define PRODUCE_VERSION 9
#define BLOCK 4096
#define FLOOR_FILE_BLOCKS 4096 /* written in turn, filled with zeros before */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int dial(const char *address)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    char host[64];
    const char *colon = strrchr(address, ':');
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (colon == NULL || (size_t)(colon - address) >= sizeof(host))
        die(address);
    snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    a.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        die(address);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void send_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            die("send");
        p += sent;
        n -= (size_t)sent;
    }
}

static void recv_all(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, p, n, 0);

        if (got <= 0)
            die("recv");
        p += got;
        n -= (size_t)got;
    }
}

/* Asks over and over with one question in flight; the answer is judged by check, once. */
static void ping_pong(const struct bench_options *o, int fd, const uint8_t *question, size_t size,
                      void (*answer)(int fd, bool check))
{
    struct histogram *h = xcalloc(1, sizeof(*h));
    uint64_t from = bench_now_ns() + (uint64_t)(o->seconds * 0.2e9), to = from + (uint64_t)(o->seconds * 1e9), now = 0;
    bool first = true;

    histogram_init(h);
    while (now < to) {
        uint64_t start = bench_now_ns();

        send_all(fd, question, size);
        answer(fd, first);
        first = false;
        now = bench_now_ns();
        if (start >= from)
            histogram_add(h, now - start);
    }
    printf("{\"count\": %llu, \"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f}\n", (unsigned long long)h->count,
           bench_us(h, 0.5), bench_us(h, 0.99), bench_us(h, 0.999));
    free(h);
}

/* --- Kafka --- */

static void kafka_answer(int fd, bool check)
{
    static uint8_t body[1 << 16];
    uint32_t size;

    recv_all(fd, body, 4);
    size = load_be32(body);
    if (size > sizeof(body))
        die("answer too large");
    recv_all(fd, body, size);
    if (check) {
        struct wire_produce_response m;
        struct arena a;
        int32_t id;
        struct rd r;

        arena_init(&a, 1 << 20);
        rd_init(&r, body, size);
        if (wire_response_parse(&r, wire_api(WIRE_API_PRODUCE), PRODUCE_VERSION, &id) < 0 ||
            wire_produce_response_decode(&m, &r, PRODUCE_VERSION, &a) < 0 ||
            m.responses[0].partition_responses[0].error_code != 0) {
            fprintf(stderr, "bench-client: the message was refused\n");
            exit(1);
        }
        arena_fini(&a);
    }
}

static void write_question(const struct bench_options *o, struct wr *w)
{
    struct batch_params params = BATCH_PARAMS_PLAIN;
    struct batch_builder b;
    uint8_t *payload = xcalloc(1, (size_t)o->size), *batch;
    size_t batch_size, at;
    struct wire_produce_request_partition partition = { .index = 0 };
    struct wire_produce_request_topic topic = { .partition_data = &partition, .n_partition_data = 1 };
    struct wire_produce_request m;

    batch_builder_init(&b, &params, 1 << 24);
    if (batch_builder_add(&b, 1, SLICE_NULL, slice_make(payload, (size_t)o->size), NULL, 0) < 0 ||
        batch_builder_finish(&b, &batch, &batch_size) < 0)
        die("building a batch");
    partition.records = slice_make(batch, batch_size);
    topic.name = slice_str(o->topic);
    wire_produce_request_init(&m);
    m.acks = -1;
    m.timeout_ms = 10000;
    m.topic_data = &topic;
    m.n_topic_data = 1;
    at = wire_request_begin(w, wire_api(WIRE_API_PRODUCE), PRODUCE_VERSION, 1, slice_str("bench"));
    wire_produce_request_encode(&m, w, PRODUCE_VERSION);
    wire_frame_end(w, at, 0);
    free(batch);
    free(payload);
}

int bench_one(const struct bench_options *o)
{
    int fd = dial(o->broker);
    struct wr w;

    wr_init_growing(&w, 4096, 1 << 25);
    write_question(o, &w);
    if (w.error != 0)
        die("encoding");
    ping_pong(o, fd, w.start, wr_size(&w), kafka_answer);
    wr_fini(&w);
    close(fd);
    return 0;
}

/* --- the floor: what a durable acknowledgement costs at least --- */

static int open_floor_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    void *zeros;

    if (fd < 0 || posix_memalign(&zeros, BLOCK, BLOCK) != 0)
        die(path);
    memset(zeros, 0, BLOCK);
    for (off_t i = 0; i < FLOOR_FILE_BLOCKS; i++) {
        if (pwrite(fd, zeros, BLOCK, i * BLOCK) != BLOCK)
            die(path);
    }
    free(zeros);
    if (fsync(fd) < 0)
        die(path);
    return fd;
}

static void move_to_core(int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    if (core >= 0 && sched_setaffinity(0, sizeof(set), &set) < 0)
        die("sched_setaffinity");
}

static void serve_floor(const struct bench_options *o, int listener)
{
    int file = open_floor_file(o->file), fd = accept(listener, NULL, NULL), one = 1;
    uint8_t *block;
    off_t at = 0;

    move_to_core(o->server_core);
    if (fd < 0 || posix_memalign((void **)&block, BLOCK, BLOCK) != 0)
        die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    while (recv(fd, block, (size_t)MIN(o->size, BLOCK), MSG_WAITALL) > 0) {
        if (pwrite(file, block, BLOCK, at) != BLOCK || fdatasync(file) < 0)
            die(o->file);
        at = (at + BLOCK) % ((off_t)FLOOR_FILE_BLOCKS * BLOCK);
        send_all(fd, block, 4);
    }
    exit(0);
}

static void floor_answer(int fd, bool check)
{
    uint8_t answer[4];

    recv_all(fd, answer, sizeof(answer));
}

int bench_floor(const struct bench_options *o)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(a);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
    uint8_t question[BLOCK] = { 0 };
    char address[64];
    pid_t child;

    if (bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&a, &size) < 0)
        die("listen");
    child = fork();
    if (child == 0)
        serve_floor(o, listener);
    snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(a.sin_port));
    fd = dial(address);
    ping_pong(o, fd, question, (size_t)MIN(o->size, BLOCK), floor_answer);
    close(fd);
    waitpid(child, NULL, 0);
    unlink(o->file);
    return 0;
}
