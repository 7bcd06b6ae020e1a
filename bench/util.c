/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "bench.h"

#define ALIGNMENT 4096
#define STRIDE (1 << 20)

uint64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

struct bench_window bench_window_now(const struct bench_options *o)
{
    uint64_t from = bench_now_ns() + (uint64_t)(o->seconds * 0.2e9);

    return (struct bench_window){ from, from + (uint64_t)(o->seconds * 1e9) };
}

void samples_add(struct samples *s, uint64_t ns)
{
    if (s->n == s->capacity) {
        s->capacity = s->capacity * 2 + 4096;
        s->items = xrealloc(s->items, s->capacity * sizeof(*s->items));
    }
    s->items[s->n++] = ns;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

double samples_us(struct samples *s, double quantile)
{
    if (s->n == 0)
        return 0;
    qsort(s->items, s->n, sizeof(*s->items), compare);
    return (double)s->items[(size_t)(quantile * (double)(s->n - 1))] / 1e3;
}

void samples_fini(struct samples *s)
{
    free(s->items);
    *s = (struct samples){ 0 };
}

void bench_die(const char *what)
{
    fprintf(stderr, "bench-client: %s: %s\n", what, strerror(errno));
    exit(1);
}

void bench_refuse(const char *what)
{
    fprintf(stderr, "bench-client: %s\n", what);
    exit(1);
}

void *bench_aligned(size_t size)
{
    void *p;

    if (posix_memalign(&p, ALIGNMENT, size) != 0)
        bench_refuse("no memory");
    memset(p, 0, size);
    return p;
}

int bench_try_dial(const char *address)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    const char *colon = strrchr(address, ':');
    char host[64];
    int fd, one = 1, err;

    if (colon == NULL || (size_t)(colon - address) >= sizeof(host))
        return -EINVAL;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    a.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
        return -EINVAL;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        err = -errno;
        close(fd);
        return err;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

int bench_dial(const char *address)
{
    int fd = bench_try_dial(address);

    if (fd < 0) {
        errno = -fd;
        bench_die(address);
    }
    return fd;
}

int bench_listen(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &size) < 0)
        bench_die("listen");
    printf("{\"broker\": \"127.0.0.1:%d\"}\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

void bench_send(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            bench_die("send");
        p += sent;
        n -= (size_t)sent;
    }
}

int bench_recv_max = INT_MAX;

void bench_recv(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, p, MIN(n, (size_t)bench_recv_max), 0);

        if (got == 0)
            bench_refuse("the connection was closed");
        if (got < 0)
            bench_die("recv");
        p += got;
        n -= (size_t)got;
    }
}

int bench_zero_file(const char *path, size_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    _cleanup_(freep) uint8_t *zeros = bench_aligned(STRIDE);

    if (fd < 0)
        bench_die(path);
    for (size_t at = 0; at < size; at += STRIDE) {
        if (pwrite(fd, zeros, STRIDE, (off_t)at) != STRIDE)
            bench_die(path);
    }
    if (fsync(fd) < 0)
        bench_die(path);
    return fd;
}
