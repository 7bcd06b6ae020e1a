/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the machine takes for the least that a broker must do: the same bytes over the same kind of connections, without
 * anything that makes a queue of them. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/util.h"
#include "bench.h"

#define BLOCK 4096
#define FILE_BYTES (32u << 20) /* written in turn, filled with zeros before */
#define GATHER_BYTES (16u << 20)
#define IN_BYTES (64u << 10) /* at first; grows to what a frame needs */
#define ANSWER_BYTES 60      /* as large as that of a Produce request */
#define SENDFILE_BYTES (256 << 10)
#define STREAM_BYTES (8 << 20)

struct guest {
    int fd;
    uint8_t *in;
    size_t size, capacity;
    unsigned owed; /* answers */
};

struct floor {
    int epoll, listener, file;
    uint8_t *gather; /* what goes into the next write */
    size_t gathered;
    off_t at;
    struct guest **waiting; /* those that are owed answers */
    size_t n_waiting, capacity;
    bool ended;
};

static void watch(int epoll, int fd, void *ptr)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = ptr };

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        bench_die("epoll_ctl");
}

/* One write and one flush for all that came, then all answers. */
static void commit(struct floor *f)
{
    uint8_t answers[64 * ANSWER_BYTES] = { 0 };
    size_t size = (f->gathered + BLOCK - 1) / BLOCK * BLOCK;

    if (f->n_waiting == 0)
        return;
    if (f->at + (off_t)size > (off_t)FILE_BYTES)
        f->at = 0;
    if (pwrite(f->file, f->gather, size, f->at) != (ssize_t)size || fdatasync(f->file) < 0)
        bench_die("the floor's file");
    f->at += (off_t)size;
    f->gathered = 0;
    for (size_t i = 0; i < ARRAY_SIZE(answers) / ANSWER_BYTES; i++)
        store_be32(answers + i * ANSWER_BYTES, ANSWER_BYTES - 4);
    for (size_t i = 0; i < f->n_waiting; i++) {
        struct guest *g = f->waiting[i];

        for (; g->owed > 0; g->owed--)
            send(g->fd, answers, ANSWER_BYTES, MSG_NOSIGNAL);
    }
    f->n_waiting = 0;
}

/* Whole frames go to the gather buffer. */
static void take_frames(struct floor *f, struct guest *g)
{
    size_t at = 0;

    while (g->size - at >= 4 && g->size - at >= 4 + (size_t)load_be32(g->in + at)) {
        size_t size = 4 + (size_t)load_be32(g->in + at);

        if (f->gathered + size > GATHER_BYTES)
            commit(f);
        memcpy(f->gather + f->gathered, g->in + at, size);
        f->gathered += size;
        at += size;
        if (g->owed++ > 0)
            continue;
        if (f->n_waiting == f->capacity) {
            f->capacity = f->capacity * 2 + 64;
            f->waiting = xrealloc(f->waiting, f->capacity * sizeof(*f->waiting));
        }
        f->waiting[f->n_waiting++] = g;
    }
    memmove(g->in, g->in + at, g->size - at);
    g->size -= at;
}

static void receive(struct floor *f, struct guest *g)
{
    ssize_t n;

    if (g->size == g->capacity) {
        g->capacity *= 2;
        g->in = xrealloc(g->in, g->capacity);
    }
    n = recv(g->fd, g->in + g->size, g->capacity - g->size, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        gq_assert(g->owed == 0);
        close(g->fd);
        free(g->in);
        free(g);
        return;
    }
    g->size += (size_t)n;
    take_frames(f, g);
}

static void welcome(struct floor *f)
{
    struct guest *g = xcalloc(1, sizeof(*g));
    int one = 1;

    g->fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    if (g->fd < 0)
        bench_die("accept");
    setsockopt(g->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    g->capacity = IN_BYTES;
    g->in = xcalloc(1, g->capacity);
    watch(f->epoll, g->fd, g);
}

int bench_floor(const struct bench_options *o)
{
    struct floor f = { .epoll = epoll_create1(EPOLL_CLOEXEC), .gather = bench_aligned(GATHER_BYTES) };
    struct epoll_event events[1024];

    f.file = bench_zero_file(o->file, FILE_BYTES);
    f.listener = bench_listen();
    watch(f.epoll, f.listener, &f.listener);
    watch(f.epoll, STDIN_FILENO, &f.ended);
    while (!f.ended) {
        int n = epoll_wait(f.epoll, events, ARRAY_SIZE(events), -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &f.ended)
                f.ended = true;
            else if (events[i].data.ptr == &f.listener)
                welcome(&f);
            else
                receive(&f, events[i].data.ptr);
        }
        commit(&f);
    }
    close(f.file);
    unlink(o->file);
    free(f.gather);
    free(f.waiting);
    return 0;
}

static void send_file(const struct bench_options *o, int to, int from)
{
    off_t size = lseek(from, 0, SEEK_END), at = 0;
    long long left = o->count;

    while (left > 0) {
        ssize_t n;

        if (at >= size)
            at = 0;
        n = sendfile(to, from, &at, (size_t)MIN(left, (long long)SENDFILE_BYTES));
        if (n <= 0)
            bench_die("sendfile");
        left -= n;
    }
}

int bench_sendfile(const struct bench_options *o)
{
    int file = open(o->file, O_RDONLY | O_CLOEXEC), listener, fd;

    if (file < 0)
        bench_die(o->file);
    listener = bench_listen();
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        bench_die("accept");
    send_file(o, fd, file);
    close(fd);
    /* Whoever measures looks at what it took before it ends. */
    while (read(STDIN_FILENO, &fd, 1) > 0)
        ;
    close(listener);
    close(file);
    return 0;
}

int bench_stream(const struct bench_options *o)
{
    _cleanup_(freep) uint8_t *buffer = bench_aligned(STREAM_BYTES);
    uint64_t bytes = 0, start = bench_now_ns();
    int fd = bench_dial(o->broker);
    size_t at = 0;
    double seconds;
    ssize_t n;

    while ((n = recv(fd, buffer + at, STREAM_BYTES - at, 0)) > 0) {
        bytes += (uint64_t)n;
        at = (at + (size_t)n) % STREAM_BYTES;
    }
    if (n < 0)
        bench_die("recv");
    seconds = (double)(bench_now_ns() - start) / 1e9;
    printf("{\"bytes\": %llu, \"mb_per_s\": %.1f, \"seconds\": %.4f}\n", (unsigned long long)bytes,
           (double)bytes / 1e6 / seconds, seconds);
    close(fd);
    return 0;
}

int bench_disk(const struct bench_options *o)
{
    size_t size = ((size_t)o->size + BLOCK - 1) / BLOCK * BLOCK;
    _cleanup_(freep) uint8_t *block = bench_aligned(size);
    struct samples latency_ns = { 0 };
    int file = bench_zero_file(o->file, FILE_BYTES);
    struct bench_window window = bench_window_now(o);
    uint64_t start, now = 0;
    off_t at = 0;

    while (now < window.to_ns) {
        start = bench_now_ns();
        if (pwrite(file, block, size, at) != (ssize_t)size || fdatasync(file) < 0)
            bench_die(o->file);
        now = bench_now_ns();
        if (start >= window.from_ns)
            samples_add(&latency_ns, now - start);
        at = at + 2 * (off_t)size > (off_t)FILE_BYTES ? 0 : at + (off_t)size;
    }
    printf("{\"count\": %zu, \"mb_per_s\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", latency_ns.n,
           (double)latency_ns.n * (double)size / 1e6 / o->seconds, samples_us(&latency_ns, 0.5),
           samples_us(&latency_ns, 0.99));
    close(file);
    unlink(o->file);
    samples_fini(&latency_ns);
    return 0;
}
