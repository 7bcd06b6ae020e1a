/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Producers without a client library. Each connection has one batch in flight, the same bytes every time; what answers
 * is a broker or the floor, which get the same. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/util.h"
#include "bench.h"

#define ANSWER_MAX 4096

static void print_latency(struct samples *s)
{
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f", samples_us(s, 0.5),
           samples_us(s, 0.99), samples_us(s, 0.999), samples_us(s, 1));
}

int bench_one(const struct bench_options *o)
{
    struct samples latency_ns = { 0 };
    struct bench_window window;
    _cleanup_(freep) uint8_t *answer = NULL;
    size_t capacity = 0;
    unsigned long long all = 0; /* with those of the warm-up */
    uint64_t now = 0;
    int fd = bench_dial(o->broker);
    struct wr w;

    wr_init_growing(&w, 4096, BENCH_FRAME_MAX);
    ask_write_produce(o, 0, &w);
    window = bench_window_now(o);
    for (long long i = 0; o->count > 0 ? i < o->count : now < window.to_ns; i++) {
        uint64_t start = bench_now_ns();
        size_t size;

        bench_send(fd, w.start, wr_size(&w));
        size = ask_recv_frame(fd, &answer, &capacity);
        now = bench_now_ns();
        all++;
        if (o->kafka && ask_produce_error(answer, size) != 0)
            bench_refuse("a message was refused");
        if (start >= window.from_ns || o->count > 0)
            samples_add(&latency_ns, now - start);
    }
    printf("{\"all\": %llu, \"count\": %zu, ", all, latency_ns.n);
    print_latency(&latency_ns);
    printf("}\n");
    wr_fini(&w);
    samples_fini(&latency_ns);
    close(fd);
    return 0;
}

struct producer {
    int fd;
    bool wants_room;      /* waits for EPOLLOUT */
    struct wr *questions; /* one for each of its partitions, asked in turn */
    int n_questions, current;
    size_t sent;
    uint8_t answer[ANSWER_MAX];
    size_t received;
    uint64_t start_ns;
    bool busy;
};

struct load {
    const struct bench_options *o;
    int epoll;
    struct producer *producers;
    long long started, ended; /* batches */
    size_t n_busy;
    struct bench_window window;
    uint64_t counted; /* batches acknowledged within the window */
    struct samples latency_ns;
};

static void watch(struct load *l, struct producer *p, int op, bool wants_room)
{
    struct epoll_event e = { .events = wants_room ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = p };

    if (epoll_ctl(l->epoll, op, p->fd, &e) < 0)
        bench_die("epoll_ctl");
    p->wants_room = wants_room;
}

static void push(struct load *l, struct producer *p)
{
    const struct wr *question = &p->questions[p->current];
    size_t size = wr_size(question);

    while (p->sent < size) {
        ssize_t n = send(p->fd, question->start + p->sent, size - p->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            bench_die("send");
        p->sent += (size_t)n;
    }
    if (p->wants_room != (p->sent < size))
        watch(l, p, EPOLL_CTL_MOD, p->sent < size);
}

static bool is_over(const struct load *l, uint64_t now)
{
    return l->o->count > 0 ? l->started >= l->o->count : now >= l->window.to_ns;
}

static void begin(struct load *l, struct producer *p, uint64_t now)
{
    p->busy = !is_over(l, now);
    if (!p->busy)
        return;
    l->started++;
    l->n_busy++;
    p->sent = p->received = 0;
    p->current = (p->current + 1) % p->n_questions;
    p->start_ns = now;
    push(l, p);
}

/* The answer is whole. */
static void finish(struct load *l, struct producer *p)
{
    uint64_t now = bench_now_ns();

    if (l->o->kafka && ask_produce_error(p->answer + 4, p->received - 4) != 0)
        bench_refuse("a batch was refused");
    l->ended++;
    l->n_busy--;
    if (l->o->count > 0 || (now >= l->window.from_ns && now < l->window.to_ns)) {
        l->counted++;
        samples_add(&l->latency_ns, now - p->start_ns);
    }
    begin(l, p, now);
}

static void pull(struct load *l, struct producer *p)
{
    ssize_t n = recv(p->fd, p->answer + p->received, ANSWER_MAX - p->received, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        bench_die("recv");
    p->received += (size_t)n;
    if (p->received >= 4 && p->received >= 4 + (size_t)load_be32(p->answer))
        finish(l, p);
}

static struct load *load_new(const struct bench_options *o)
{
    struct load *l = xcalloc(1, sizeof(*l));

    l->o = o;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->producers = xcalloc((size_t)o->connections, sizeof(*l->producers));
    for (int i = 0; i < o->connections; i++) {
        struct producer *p = &l->producers[i];

        p->fd = bench_dial(o->broker);
        p->n_questions = MAX(1, o->partitions / o->connections);
        p->questions = xcalloc((size_t)p->n_questions, sizeof(*p->questions));
        for (int k = 0; k < p->n_questions; k++) {
            wr_init_growing(&p->questions[k], 256, BENCH_FRAME_MAX);
            ask_write_produce(o, (i + k * o->connections) % o->partitions, &p->questions[k]);
        }
        watch(l, p, EPOLL_CTL_ADD, false);
    }
    return l;
}

static void load_free(struct load *l)
{
    for (int i = 0; i < l->o->connections; i++) {
        struct producer *p = &l->producers[i];

        close(p->fd);
        for (int k = 0; k < p->n_questions; k++)
            wr_fini(&p->questions[k]);
        free(p->questions);
    }
    close(l->epoll);
    samples_fini(&l->latency_ns);
    free(l->producers);
    free(l);
}

int bench_load(const struct bench_options *o)
{
    struct load *l = load_new(o);
    struct epoll_event events[256];
    uint64_t start = bench_now_ns();
    double seconds, batches;

    l->window = bench_window_now(o);
    for (int i = 0; i < o->connections; i++)
        begin(l, &l->producers[i], bench_now_ns());
    while (l->n_busy > 0) {
        int n = epoll_wait(l->epoll, events, ARRAY_SIZE(events), -1);

        for (int i = 0; i < n; i++) {
            struct producer *p = events[i].data.ptr;

            if (events[i].events & EPOLLOUT)
                push(l, p);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                pull(l, p);
        }
    }
    seconds = o->count > 0 ? (double)(bench_now_ns() - start) / 1e9 : o->seconds;
    batches = (double)l->counted;
    printf("{\"batches_per_s\": %.1f, \"mb_per_s\": %.2f, \"all_batches\": %lld, \"all_mb\": %.3f, ", batches / seconds,
           batches * o->records * o->size / 1e6 / seconds, l->ended, (double)l->ended * o->records * o->size / 1e6);
    print_latency(&l->latency_ns);
    printf("}\n");
    load_free(l);
    return 0;
}
