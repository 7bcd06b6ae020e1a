/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <microhttpd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/internal.h"
#include "base/dl.h"

#define LIBRARY "libmicrohttpd.so.12"

#define MHD_CALLS(X) \
    X(MHD_start_daemon) \
    X(MHD_stop_daemon) \
    X(MHD_run) \
    X(MHD_get_timeout) \
    X(MHD_get_daemon_info) \
    X(MHD_add_connection) \
    X(MHD_get_connection_info) \
    X(MHD_get_connection_values) \
    X(MHD_suspend_connection) \
    X(MHD_resume_connection) \
    X(MHD_create_response_from_buffer_with_free_callback) \
    X(MHD_add_response_header) \
    X(MHD_queue_response) \
    X(MHD_destroy_response)

MHD_CALLS(DL_POINTER)
static const struct dl_symbol symbols[] = { MHD_CALLS(DL_SYMBOL) };
DL_NOTE(microhttpd, LIBRARY, "recommended", "Health, status and metrics over HTTP")

enum phase {
    READING,  /* a request, or nothing, comes in */
    ASKING,   /* suspended until the desk answers */
    REPLYING, /* the answer goes out */
};

struct http_conn {
    struct asker asker;
    struct list link; /* server's */
    struct server *server;
    struct MHD_Connection *mhd;
    int fd;
    enum phase phase;
    uint64_t since_ns, deadline_ns; /* of the phase */
    struct page *page;              /* to be sent next */
    bool had_request, is_shut;
};

struct server {
    const struct admin_config *config;
    struct desk *desk;
    struct http_figures *http;
    struct MHD_Daemon *daemon;
    struct list conns;
    unsigned n_live; /* of conns, those that aren't shut */
    uint64_t now_ns;
};

static void enter(struct http_conn *c, enum phase phase, uint32_t ms)
{
    c->phase = phase;
    c->since_ns = c->server->now_ns;
    c->deadline_ns = ms > 0 ? c->since_ns + (uint64_t)ms * 1000000 : UINT64_MAX;
}

/* libmicrohttpd sees the end of the connection and closes it at its next turns. */
static void shut(struct http_conn *c)
{
    c->is_shut = true;
    c->server->n_live--;
    c->deadline_ns = UINT64_MAX;
    shutdown(c->fd, SHUT_RDWR);
}

/* --- answers --- */

static void count_answer(struct http_figures *h, unsigned status)
{
    switch (status) {
#define X(code) \
    case code: \
        h->answers_##code++; \
        break;
        HTTP_STATUSES(X)
#undef X
    default:
        gq_assert(false);
    }
}

static void body_sent(void *body)
{
    page_unref(container_of(body, struct page, body));
}

/* Takes the page. */
static enum MHD_Result reply(struct http_conn *c, struct page *page)
{
    struct MHD_Response *response =
        dl_MHD_create_response_from_buffer_with_free_callback(page->size, page->body, body_sent);
    enum MHD_Result rc = MHD_NO;
    unsigned status = page->status;

    if (response == NULL) {
        page_unref(page);
        return MHD_NO;
    }
    dl_MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page->content_type);
    dl_MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        dl_MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    rc = dl_MHD_queue_response(c->mhd, status, response);
    dl_MHD_destroy_response(response);
    if (rc == MHD_YES) {
        enter(c, REPLYING, c->server->config->reply_ms);
        count_answer(c->server->http, status);
    }
    return rc;
}

static void answered(struct asker *asker, struct page *page)
{
    struct http_conn *c = container_of(asker, struct http_conn, asker);

    c->page = page;
    dl_MHD_resume_connection(c->mhd);
}

/* --- requests --- */

static enum MHD_Result note_header(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct request_head *head = ctx;

    if (strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0)
        head->n_transfer_encodings++;
    if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0 && head->n_content_lengths++ == 0)
        head->content_length = value != NULL ? value : "";
    return MHD_YES;
}

/* The head is there. An answer now makes libmicrohttpd close the connection without reading on, as it must be when it
 * isn't clear where the request ends; other refusals wait for the end. */
static enum MHD_Result begin_request(struct http_conn *c, const char *method, const char *path)
{
    struct request_head head = { .method = method, .path = path };
    const char *why;
    unsigned status;

    c->had_request = true;
    dl_MHD_get_connection_values(c->mhd, MHD_HEADER_KIND, note_header, &head);
    status = request_judge(&head, c->server->config->max_body_bytes, &c->asker.page, &why);
    if (status == MHD_HTTP_NOT_FOUND || status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        c->page = page_error(status, why);
        return MHD_YES;
    }
    return status == 0 ? MHD_YES : reply(c, page_error(status, why));
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *path, const char *method,
                                  const char *version, const char *body, size_t *body_size, void **request)
{
    struct http_conn *c = dl_MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;

    if (*request == NULL) {
        *request = c;
        return begin_request(c, method, path);
    }
    if (*body_size > 0) {
        *body_size = 0;
        return MHD_YES;
    }
    if (c->page != NULL)
        return reply(c, TAKE_PTR(c->page));
    enter(c, ASKING, 0);
    dl_MHD_suspend_connection(mhd);
    desk_ask(c->server->desk, &c->asker, c->server->now_ns);
    return MHD_YES;
}

static void on_request_end(void *ctx, struct MHD_Connection *mhd, void **request, enum MHD_RequestTerminationCode code)
{
    struct http_conn *c = *request;

    if (c != NULL && !c->is_shut)
        enter(c, READING, c->server->config->request_ms);
}

/* --- connections --- */

static void conn_new(struct server *s, struct MHD_Connection *mhd, void **ret)
{
    struct http_conn *c = xcalloc(1, sizeof(*c));

    c->server = s;
    c->mhd = mhd;
    c->fd = dl_MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->asker.answer = answered;
    list_init(&c->asker.link);
    list_append(&s->conns, &c->link);
    s->http->connections++;
    s->n_live++;
    enter(c, READING, s->config->request_ms);
    *ret = c;
}

static void conn_free(struct http_conn *c)
{
    struct http_figures *h = c->server->http;

    if (!c->had_request && !c->is_shut)
        h->connections_wasted++;
    if (!c->is_shut)
        c->server->n_live--;
    h->connections--;
    list_remove(&c->asker.link);
    list_remove(&c->link);
    page_unref(c->page);
    free(c);
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **conn, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        conn_new(ctx, mhd, conn);
    else
        conn_free(*conn);
}

/* The one that has kept us waiting longest. Whoever waits for us stays. */
static void evict(struct server *s)
{
    struct http_conn *c, *oldest = NULL;

    list_foreach (&s->conns, c, link) {
        if (c->phase != ASKING && !c->is_shut && (oldest == NULL || c->since_ns < oldest->since_ns))
            oldest = c;
    }
    if (oldest == NULL)
        return;
    s->http->connections_evicted++;
    shut(oldest);
}

void server_add(struct server *s, int fd, uint64_t now_ns)
{
    struct sockaddr_storage addr;
    socklen_t size = sizeof(addr);

    s->now_ns = now_ns;
    if (getpeername(fd, (struct sockaddr *)&addr, &size) < 0) {
        close(fd); /* gone already */
        return;
    }
    if (s->n_live >= s->config->max_connections)
        evict(s);
    if (s->n_live >= s->config->max_connections) {
        s->http->connections_refused++;
        close(fd);
        return;
    }
    if (dl_MHD_add_connection(s->daemon, fd, (struct sockaddr *)&addr, size) != MHD_YES)
        s->http->connections_refused++;
}

/* --- life --- */

static struct MHD_Daemon *start(struct server *s)
{
    struct MHD_OptionItem options[] = {
        { MHD_OPTION_CONNECTION_LIMIT, (intptr_t)s->config->max_connections * 2, NULL }, /* with those that are shut */
        { MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)s->config->max_head_bytes, NULL },
        { MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (intptr_t)s->config->max_head_bytes / 4, NULL },
        { MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
        { MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, s },
        { MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_request_end, s },
        { MHD_OPTION_END, 0, NULL },
    };

    return dl_MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                               on_request, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

int server_new(const struct admin_config *config, struct desk *desk, struct http_figures *http, struct server **ret,
               struct error_text *err)
{
    struct server *s;
    int rc = dl_load(config->library != NULL ? config->library : LIBRARY, symbols, ARRAY_SIZE(symbols), err);

    if (rc < 0)
        return rc;
    s = xcalloc(1, sizeof(*s));
    *s = (struct server){ .config = config, .desk = desk, .http = http };
    list_init(&s->conns);
    s->daemon = start(s);
    if (s->daemon == NULL) {
        error_setf(err, "libmicrohttpd doesn't start: %s", strerror(errno));
        free(s);
        return -EIO;
    }
    *ret = s;
    return 0;
}

/* libmicrohttpd must not be stopped while it has suspended connections. */
void server_free(struct server *s)
{
    struct http_conn *c;

    if (s == NULL)
        return;
    list_foreach (&s->conns, c, link) {
        if (c->phase != ASKING || c->page != NULL)
            continue;
        list_remove(&c->asker.link);
        answered(&c->asker, page_error(503, "the broker stops"));
    }
    dl_MHD_stop_daemon(s->daemon);
    gq_assert(list_is_empty(&s->conns));
    free(s);
}

int server_fd(const struct server *s)
{
    return dl_MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

uint64_t server_turn(struct server *s, uint64_t now_ns)
{
    uint64_t deadline = UINT64_MAX;
    unsigned MHD_LONG_LONG ms;
    struct http_conn *c;

    s->now_ns = now_ns;
    dl_MHD_run(s->daemon);
    list_foreach (&s->conns, c, link) {
        if (c->deadline_ns <= now_ns) {
            s->http->connections_timed_out++;
            shut(c);
        }
        deadline = MIN(deadline, c->deadline_ns);
    }
    if (dl_MHD_get_timeout(s->daemon, &ms) == MHD_YES)
        deadline = MIN(deadline, now_ns + ms * 1000000);
    return deadline;
}
