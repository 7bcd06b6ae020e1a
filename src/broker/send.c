/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

/* Answers leave in the order of their requests. All that is ready goes out in as few calls as possible: memory by one
 * writev, then a file range by sendfile. */

#define SEND_IOV 64

static bool is_ready(const struct broker_request *req)
{
    return req->phase == BROKER_REQUEST_ANSWERED;
}

static const struct broker_segment *current(const struct broker_request *req)
{
    return req->segment < req->n_segments ? &req->segments[req->segment] : NULL;
}

/* Gathers memory segments of ready answers from the first unsent on. *ret_file: a file range comes right behind. */
static int gather(const struct broker_conn *c, struct iovec iov[SEND_IOV], bool *ret_file)
{
    const struct broker_request *req;
    size_t size = 0;
    int n = 0;

    *ret_file = false;
    list_foreach (&c->requests, req, link) {
        if (!is_ready(req))
            break;
        for (uint32_t i = req->segment; i < req->n_segments; i++) {
            const struct broker_segment *s = &req->segments[i];
            size_t skip = i == req->segment ? req->sent : 0;

            if (s->file != NULL) {
                *ret_file = true;
                return n;
            }
            if (n == SEND_IOV || size >= BROKER_SEND_SHARE)
                return n;
            size += s->bytes.size - skip;
            iov[n++] = (struct iovec){ (void *)(s->bytes.data + skip), s->bytes.size - skip };
        }
    }
    return n;
}

static void request_sent(struct broker_conn *c, struct broker_request *req)
{
    list_remove(&req->link);
    c->n_requests--;
    c->held -= req->held;
    req->conn = NULL;
    broker_request_over(req);
}

/* Steps over n bytes that were sent, and over answers that are out (those without bytes too). */
static void advance(struct broker_conn *c, size_t n)
{
    struct broker_request *req;

    c->broker->stats.bytes_sent += n;
    while ((req = list_first(&c->requests, struct broker_request, link)) != NULL && is_ready(req)) {
        const struct broker_segment *s = current(req);
        size_t step;

        if (s == NULL) {
            request_sent(c, req);
            continue;
        }
        step = MIN(n, s->bytes.size - req->sent);
        req->sent += step;
        n -= step;
        if (req->sent < s->bytes.size)
            break;
        req->segment++;
        req->sent = 0;
    }
}

static ssize_t send_file(struct broker_conn *c)
{
    const struct broker_request *req = list_first(&c->requests, struct broker_request, link);
    const struct broker_segment *s = current(req);
    bool more = req->segment + 1 < req->n_segments;

    return net_sendfile(c->net, s->file, s->position + req->sent, MIN(s->bytes.size - req->sent, BROKER_SEND_SHARE),
                        more);
}

/* The head of the line failed, or all is out and nothing more will come. */
static bool is_finished(const struct broker_conn *c)
{
    const struct broker_request *first = list_first(&c->requests, struct broker_request, link);

    if (first == NULL)
        return c->closing || c->eof;
    return first->phase == BROKER_REQUEST_FAILED;
}

/* What couldn't be sent keeps no more than it needs. */
static void slim(struct broker_conn *c)
{
    struct broker_request *req;

    c->has_fat = false;
    list_foreach (&c->requests, req, link) {
        if (req->phase != BROKER_REQUEST_RUNNING && !broker_request_slim(req))
            c->has_fat = true;
    }
}

bool broker_conn_send(struct broker_conn *c)
{
    unsigned before = c->n_requests;
    size_t held_before = c->held;
    uint64_t sent_before = c->broker->stats.bytes_sent;

    advance(c, 0);
    while (c->can_write) {
        struct iovec iov[SEND_IOV];
        bool file;
        int n = gather(c, iov, &file);
        ssize_t sent;

        if (n == 0 && !file)
            break;
        sent = n > 0 ? net_sendv(c->net, iov, n, file) : send_file(c);
        if (sent == -EAGAIN) {
            c->can_write = false;
            break;
        }
        if (sent <= 0) {
            broker_conn_close(c);
            return false;
        }
        broker_conn_touch(c);
        advance(c, (size_t)sent);
        if (c->broker->stats.bytes_sent - sent_before >= BROKER_SEND_SHARE && c->n_requests > 0) {
            c->again = true;
            break;
        }
    }
    if (is_finished(c)) {
        broker_conn_close(c);
        return false;
    }
    if (c->has_fat)
        slim(c);
    /* Room for more requests: what waits in the stash or the socket is taken in the next turn. */
    if ((c->n_requests < before || c->held < held_before) && (c->stash_size > 0 || c->can_read))
        c->again = true;
    return true;
}
