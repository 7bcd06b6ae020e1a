/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/fuzz.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/sample.h"

/* Any bytes on a connection that was taken for HTTP: what comes back is HTTP, with a status that we know; the
 * connection ends, at the latest by its time limit, and leaves nothing behind.
 *
 *   input = flags u8 (1: the client closes its side when all is sent) | piece size u8 | bytes, sent in such pieces */

#define SHORTEST_REQUEST 16
#define SECOND_NS UINT64_C(1000000000)

static struct admin_config config;
static struct http_figures http;
static struct desk desk;
static struct server *server;
static uint64_t now_ns = SECOND_NS;

static void collect(void *ctx, struct admin_request *request)
{
    struct collection *c = container_of(request, struct collection, request);

    sample_report(&c->report);
    sample_facts(&c->facts);
    collection_return(c);
}

/* Kept for all inputs, as a broker keeps it. */
static void set_up(void)
{
    struct error_text err = { "" };

    admin_config_init(&config);
    config.collect = collect;
    gq_assert(desk_init(&desk, &config, &http) == 0);
    if (server_new(&config, &desk, &http, &server, &err) < 0)
        exit(77); /* libmicrohttpd isn't installed */
}

struct client {
    int fd;
    char head[64]; /* what came first */
    size_t n;
    bool ended;
};

static void read_all(struct client *c)
{
    char data[4096];
    ssize_t n;

    while ((n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT)) > 0) {
        size_t some = MIN((size_t)n, sizeof(c->head) - 1 - c->n);

        memcpy(c->head + c->n, data, some);
        c->n += some;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        c->ended = true;
}

static void turn(struct client *c)
{
    for (int i = 0; i < 3; i++) {
        server_turn(server, now_ns);
        desk_turn(&desk, now_ns);
    }
    read_all(c);
}

static void talk(struct client *c, const uint8_t *data, size_t size, size_t piece)
{
    while (size > 0 && !c->ended) {
        size_t n = MIN(size, piece);
        ssize_t sent = send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0)
            break;
        data += sent;
        size -= (size_t)sent;
        turn(c);
    }
}

static bool is_ours(int status)
{
#define X(s) \
    if (status == (s)) \
        return true;
    HTTP_STATUSES(X)
#undef X
    return false;
}

/* What libmicrohttpd refuses by itself has other statuses. */
static void check_answer(const struct client *c)
{
    int status;

    if (c->n == 0)
        return;
    gq_assert(strncmp(c->head, "HTTP/1.", 7) == 0 && c->n > 12);
    status = atoi(c->head + 9);
    gq_assert(is_ours(status) || (status >= 100 && status < 600));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client c = { .fd = -1 };
    int fds[2];

    if (size < 2)
        return 0;
    if (server == NULL)
        set_up();
    gq_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    c.fd = fds[0];
    server_add(server, fds[1], now_ns);
    talk(&c, data + 2, size - 2, data[1] > 0 ? data[1] : size);
    if ((data[0] & 1) != 0)
        shutdown(c.fd, SHUT_WR);
    turn(&c);
    /* Each of the requests that it may hold has its own time. */
    for (size_t i = 0; i < 10 + size / SHORTEST_REQUEST && !c.ended; i++) {
        now_ns += 60 * SECOND_NS;
        turn(&c);
    }
    gq_assert(c.ended);
    check_answer(&c);
    close(c.fd);
    turn(&c);
    gq_assert(http.connections == 0 && desk.page_bytes == 0 && list_is_empty(&desk.asking));
    return 0;
}
