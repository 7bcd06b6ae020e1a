/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "admin/internal.h"

struct admin {
    struct admin_config config;
    struct http_figures http;
    struct desk desk;
    struct server *server; /* NULL until the first connection */
    int in_fd, out_fd;     /* pipe of descriptors; its end closed: stop */
    bool has_failed, is_ending;
};

void admin_config_init(struct admin_config *c)
{
    *c = (struct admin_config){
        .max_connections = 64,
        .max_partitions = 10000,
        .max_head_bytes = 16384,
        .max_body_bytes = 1024,
        .max_reply_bytes = 32 << 20,
        .request_ms = 30000,
        .collect_ms = 5000,
        .reply_ms = 30000,
    };
}

int admin_new(const struct admin_config *config, struct admin **ret)
{
    struct admin *a = xcalloc(1, sizeof(*a));
    int fds[2] = { -1, -1 };
    int rc;

    a->config = *config;
    rc = desk_init(&a->desk, &a->config, &a->http);
    if (rc == 0 && pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        rc = -errno;
    a->out_fd = fds[0];
    a->in_fd = fds[1];
    if (rc < 0) {
        admin_free(a);
        return rc;
    }
    *ret = a;
    return 0;
}

/* Small writes to a pipe are whole or not at all, pipe(7). */
int admin_add(struct admin *a, int fd)
{
    int rc = 0;

    if (write(a->in_fd, &fd, sizeof(fd)) != sizeof(fd)) {
        rc = -errno;
        close(fd);
    }
    return rc;
}

void admin_stop(struct admin *a)
{
    close(a->in_fd);
    a->in_fd = -1;
}

/* Says so to the client, without the library that would say it better. What the client sent is read first: closing
 * with unread bytes would take the answer back. */
static void turn_away(int fd)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " TYPE_JSON "\r\n"
                                 "Connection: close\r\n\r\n"
                                 "{\"status\":503,\"error\":\"HTTP needs libmicrohttpd, which isn't installed\"}";
    char request[4096];

    if (recv(fd, request, sizeof(request), MSG_DONTWAIT) > 0)
        send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

/* Tried again for each connection: somebody may install the library. */
static bool has_server(struct admin *a)
{
    struct error_text err = { "" };

    if (a->server != NULL)
        return true;
    if (server_new(&a->config, &a->desk, &a->http, &a->server, &err) == 0)
        return true;
    if (!a->has_failed && a->config.failed != NULL)
        a->config.failed(a->config.ctx, err.text);
    a->has_failed = true;
    return false;
}

static void take_connections(struct admin *a, uint64_t now_ns)
{
    int fds[64];
    ssize_t n;

    while ((n = read(a->out_fd, fds, sizeof(fds))) > 0) {
        for (size_t i = 0; i < (size_t)n / sizeof(fds[0]); i++) {
            if (has_server(a))
                server_add(a->server, fds[i], now_ns);
            else
                turn_away(fds[i]);
        }
    }
    a->is_ending = a->is_ending || n == 0;
}

static uint64_t mono_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void sleep_until(struct admin *a, uint64_t deadline_ns, uint64_t now_ns)
{
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    struct timespec timeout = { .tv_sec = (time_t)(left_ns / 1000000000), .tv_nsec = (long)(left_ns % 1000000000) };
    struct pollfd fds[] = {
        { .fd = a->out_fd, .events = POLLIN },
        { .fd = a->desk.reply_fd, .events = POLLIN },
        { .fd = a->server != NULL ? server_fd(a->server) : -1, .events = POLLIN },
    };

    ppoll(fds, ARRAY_SIZE(fds), deadline_ns != UINT64_MAX ? &timeout : NULL, NULL);
}

void admin_run(struct admin *a)
{
    while (!a->is_ending) {
        uint64_t deadline_ns = UINT64_MAX, now_ns = mono_ns();

        take_connections(a, now_ns);
        desk_turn(&a->desk, now_ns);
        if (a->server != NULL)
            deadline_ns = server_turn(a->server, now_ns);
        sleep_until(a, MIN(deadline_ns, desk_deadline(&a->desk)), now_ns);
    }
    server_free(TAKE_PTR(a->server));
}

void admin_free(struct admin *a)
{
    int fd;

    if (a == NULL)
        return;
    gq_assert(a->server == NULL);
    if (a->in_fd >= 0)
        close(a->in_fd);
    while (a->out_fd >= 0 && read(a->out_fd, &fd, sizeof(fd)) == sizeof(fd))
        close(fd);
    if (a->out_fd >= 0)
        close(a->out_fd);
    desk_fini(&a->desk);
    free(a);
}
