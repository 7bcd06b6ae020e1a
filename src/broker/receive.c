/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

/* Bytes come in by one of two ways: into the scratch buffer that all connections of the reactor share, from where
 * whole small requests are cut, or, once a frame's size is known and the rest of it is larger, straight into its own
 * buffer. A frame gets its buffer only when the budget allows it. */

static uint64_t memory_budget(const struct broker *b)
{
    return (uint64_t)b->backend->config->request_memory_bytes / b->n_reactors;
}

/* A single request larger than the budget is let in alone. */
static bool is_admitted(const struct broker *b, size_t size)
{
    return b->memory_used == 0 || b->memory_used + size <= memory_budget(b);
}

static void fail_protocol(struct broker_conn *c, uint64_t *counter)
{
    (*counter)++;
    broker_conn_close(c);
}

static bool is_http(const uint8_t *p)
{
    static const char *const methods[] = { "GET ", "HEAD", "POST", "PUT ", "DELE", "OPTI", "PATC" };

    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (memcmp(p, methods[i], 4) == 0)
            return true;
    }
    return false;
}

/* The connection leaves the broker; its socket lives on with whoever speaks HTTP. */
static void hand_over(struct broker_conn *c)
{
    struct broker *b = c->broker;
    struct net_conn *net = TAKE_PTR(c->net);

    b->stats.http_connections++;
    broker_conn_close(c);
    if (b->http != NULL && b->backend->config->http)
        b->http(b->http_ctx, b->backend->reactor, net);
    else
        net_close(net);
}

/* Fewer than four bytes came: they stay in the socket, which would be readable for ever, so it is looked at again a
 * little later. */
static bool look_again(struct broker_conn *c)
{
    struct broker *b = c->broker;

    c->can_read = false;
    if (++c->n_looks > BROKER_MAX_LOOKS) {
        fail_protocol(c, &b->stats.protocol_errors);
        return false;
    }
    c->peeking = true;
    heap_update(&b->frame_timers, &c->frame_timer, b->now_ns + BROKER_LOOK_NS);
    return true;
}

/* Looks at the first bytes of a connection: Kafka, HTTP or TLS. A frame's size can't begin like the latter two. */
static bool look_at_first(struct broker_conn *c)
{
    uint8_t p[WIRE_FRAME_PREFIX_SIZE];
    ssize_t n = net_peek(c->net, p, sizeof(p));

    if (n == -EAGAIN) {
        c->can_read = false;
        return true;
    }
    if (n <= 0) {
        broker_conn_close(c);
        return false;
    }
    if (n < (ssize_t)sizeof(p))
        return look_again(c);
    if (is_http(p)) {
        hand_over(c);
        return false;
    }
    if (p[0] == 0x16 && p[1] == 0x03) {
        fail_protocol(c, &c->broker->stats.tls_hellos);
        return false;
    }
    c->seen = true;
    return true;
}

static void wait_for_memory(struct broker_conn *c)
{
    if (!list_is_linked(&c->wait))
        list_append(&c->broker->memory_waiters, &c->wait);
}

/* The size is known: makes room for the frame, or waits for it. Returns false when the connection is gone. */
static bool begin_frame(struct broker_conn *c)
{
    struct broker *b = c->broker;
    uint32_t max = (uint32_t)MIN(b->backend->config->max_request_size_bytes, (int64_t)WIRE_FRAME_MAX_SIZE), size;

    if (wire_frame_size(c->prefix, max, &size) < 0) {
        fail_protocol(c, &b->stats.oversized_requests);
        return false;
    }
    if (!is_admitted(b, size)) {
        wait_for_memory(c);
        return true;
    }
    c->reading = broker_request_new(c, size);
    if (c->reading == NULL) {
        wait_for_memory(c);
        return true;
    }
    c->n_prefix = 0;
    c->n_body = 0;
    heap_update(&b->frame_timers, &c->frame_timer, b->now_ns + BROKER_FRAME_TIMEOUT_NS);
    return true;
}

static void end_frame(struct broker_conn *c)
{
    struct broker_request *req = TAKE_PTR(c->reading);

    heap_remove(&c->broker->frame_timers, &c->frame_timer);
    list_append(&c->requests, &req->link);
    c->n_requests++;
    broker_request_start(req);
}

static bool can_take(const struct broker_conn *c)
{
    return !c->closing && !list_is_linked(&c->wait) &&
           c->n_requests < (unsigned)c->broker->backend->config->max_in_flight;
}

/* Cuts frames out of data. Returns how much was taken, or −1 when the connection is gone; stops early at a limit. */
static ssize_t take(struct broker_conn *c, const uint8_t *data, size_t size)
{
    size_t pos = 0;

    while (pos < size && can_take(c)) {
        size_t n;

        if (c->reading == NULL) {
            n = MIN(size - pos, (size_t)(WIRE_FRAME_PREFIX_SIZE - c->n_prefix));
            memcpy(c->prefix + c->n_prefix, data + pos, n);
            c->n_prefix += (uint8_t)n;
            pos += n;
            if (c->n_prefix == WIRE_FRAME_PREFIX_SIZE && !begin_frame(c))
                return -1;
            continue;
        }
        n = MIN(size - pos, c->reading->frame.size - c->n_body);
        memcpy((uint8_t *)c->reading->frame.data + c->n_body, data + pos, n);
        c->n_body += n;
        pos += n;
        if (c->n_body == c->reading->frame.size)
            end_frame(c);
    }
    return (ssize_t)pos;
}

/* What a limit keeps us from taking now stays with the connection, which isn't read from meanwhile. */
static void stash(struct broker_conn *c, const uint8_t *data, size_t size)
{
    c->stash = xmalloc(size);
    memcpy(c->stash, data, size);
    c->stash_size = size;
    c->stash_pos = 0;
    c->broker->memory_used += size;
}

static bool take_stash(struct broker_conn *c)
{
    ssize_t n;

    if (c->stash == NULL)
        return true;
    n = take(c, c->stash + c->stash_pos, c->stash_size - c->stash_pos);
    if (n < 0)
        return false;
    c->stash_pos += (size_t)n;
    if (c->stash_pos < c->stash_size)
        return true;
    c->broker->memory_used -= c->stash_size;
    free(c->stash);
    c->stash = NULL;
    return true;
}

/* One recv; returns the count as net_recv() does, −1 with *gone when the connection was closed. */
static ssize_t receive_once(struct broker_conn *c, bool *gone)
{
    struct broker *b = c->broker;
    ssize_t n, taken;

    if (c->reading != NULL && c->reading->frame.size - c->n_body >= BROKER_SCRATCH_SIZE / 2) {
        n = net_recv(c->net, (uint8_t *)c->reading->frame.data + c->n_body, c->reading->frame.size - c->n_body);
        if (n > 0) {
            c->n_body += (size_t)n;
            if (c->n_body == c->reading->frame.size)
                end_frame(c);
        }
        return n;
    }
    if (b->scratch == NULL)
        b->scratch = xmalloc(BROKER_SCRATCH_SIZE);
    n = net_recv(c->net, b->scratch, BROKER_SCRATCH_SIZE);
    if (n <= 0)
        return n;
    taken = take(c, b->scratch, (size_t)n);
    *gone = taken < 0;
    if (taken >= 0 && taken < n)
        stash(c, b->scratch + taken, (size_t)(n - taken));
    return n;
}

static void note_activity(struct broker_conn *c, size_t n)
{
    struct broker *b = c->broker;

    b->stats.bytes_received += n;
    c->active_ns = b->now_ns;
    list_remove(&c->link);
    list_append(&b->conns, &c->link);
}

static bool receive_some(struct broker_conn *c)
{
    size_t total = 0;

    while (c->can_read && can_take(c) && c->stash == NULL) {
        bool gone = false, large = c->reading != NULL;
        ssize_t n = receive_once(c, &gone);

        if (gone)
            return false;
        if (n == -EAGAIN) {
            c->can_read = false;
            break;
        }
        if (n < 0) {
            broker_conn_close(c);
            return false;
        }
        if (n == 0) {
            c->eof = true;
            c->can_read = false;
            break;
        }
        total += (size_t)n;
        note_activity(c, (size_t)n);
        if (!large && (size_t)n < BROKER_SCRATCH_SIZE) { /* less than asked for: there is no more */
            c->can_read = false;
            break;
        }
        if (total >= BROKER_READ_SHARE) {
            c->again = true;
            break;
        }
    }
    return true;
}

bool broker_conn_receive(struct broker_conn *c)
{
    if (!c->seen && !look_at_first(c))
        return false;
    if (!c->seen)
        return true;
    if (!take_stash(c))
        return false;
    return receive_some(c);
}

void broker_admit_waiters(struct broker *b)
{
    struct list *link;
    struct list again;

    list_init(&again);
    while (!list_is_empty(&b->memory_waiters) && (b->memory_used == 0 || b->memory_used < memory_budget(b))) {
        struct broker_conn *c;

        link = list_pop(&b->memory_waiters);
        c = list_entry(link, struct broker_conn, wait);
        if (!begin_frame(c))
            continue;
        if (list_is_linked(&c->wait)) { /* still too large: those behind it don't overtake */
            list_remove(&c->wait);
            list_append(&again, &c->wait);
            break;
        }
        if (take_stash(c))
            broker_conn_kick(c);
    }
    list_splice(&again, &b->memory_waiters);
    list_splice(&b->memory_waiters, &again);
}
