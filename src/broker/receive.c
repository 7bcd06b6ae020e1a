/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"
#include "wire/produce_layout.h"

/* Bytes come in by one of two ways: into the scratch buffer that all connections of the reactor share, from where
 * whole small requests are cut, or, when a large frame's size is known, straight into its own buffer.
 *
 * What can't be taken from the scratch buffer yet (half of a small frame, or whole ones that a limit keeps out) is kept
 * in the connection's stash and goes back to the front of the scratch buffer next time. So half a small frame costs
 * the bytes that came, and a large frame gets its buffer only when the budget allows it. */

static uint64_t memory_budget(const struct broker *b)
{
    return (uint64_t)b->backend->config->request_memory_bytes / b->n_reactors;
}

/* One large request is let in whatever its size and whatever else is held: fetches that are parked and stashes of those
 * who wait themselves must not keep it out for ever. Small ones, which are here whole, have a quarter of the budget to
 * themselves, so that large ones that are slow to come don't keep them out. */
static bool is_admitted(const struct broker *b, size_t size)
{
    if (size <= BROKER_SMALL_FRAME && (b->small_used == 0 || b->small_used + size <= memory_budget(b) / 4))
        return true;
    if (size > BROKER_SMALL_FRAME && b->large_used == 0)
        return true;
    return b->memory_used + size <= memory_budget(b);
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

enum begun {
    BEGUN_GONE,    /* the connection was closed */
    BEGUN_NOT_YET, /* half of a small frame, the first bytes of a large one, or no memory */
    BEGUN,         /* c->reading takes the body */
};

/* At least the size of a frame is there. */
static enum begun begin_frame(struct broker_conn *c, const uint8_t *data, size_t available)
{
    struct broker *b = c->broker;
    uint32_t max = (uint32_t)MIN(b->backend->config->max_request_size_bytes, (int64_t)WIRE_FRAME_MAX_SIZE), size;
    size_t aligned = 0;

    if (wire_frame_size(data, max, &size) < 0) {
        fail_protocol(c, &b->stats.oversized_requests);
        return BEGUN_GONE;
    }
    data += WIRE_FRAME_PREFIX_SIZE;
    available -= WIRE_FRAME_PREFIX_SIZE;
    if (available < (size <= BROKER_SMALL_FRAME ? size : WIRE_PRODUCE_LOOK))
        return BEGUN_NOT_YET;
    /* The journal takes a large batch from where it lies, if that is aligned. */
    if (size > BROKER_SMALL_FRAME)
        aligned = wire_produce_first_records(data, available);
    if (is_admitted(b, size))
        c->reading = broker_request_new(c, size, aligned);
    if (c->reading == NULL) {
        wait_for_memory(c);
        return BEGUN_NOT_YET;
    }
    c->n_body = 0;
    return BEGUN;
}

static void end_frame(struct broker_conn *c)
{
    struct broker_request *req = TAKE_PTR(c->reading);

    heap_remove(&c->broker->frame_timers, &c->frame_timer);
    list_append(&c->requests, &req->link);
    c->n_requests++;
    broker_request_start(req);
}

/* What a request will hold isn't known before it was worked on. So who holds nothing may always begin one; who holds
 * something, while it is little and the answers of all are within the budget. */
static bool may_hold_more(const struct broker_conn *c)
{
    return c->held == 0 || (c->held < BROKER_HELD_MAX && c->broker->answers_used < memory_budget(c->broker));
}

bool broker_conn_can_take(const struct broker_conn *c)
{
    return !c->closing && !list_is_linked(&c->wait) &&
           c->n_requests < (unsigned)c->broker->backend->config->max_in_flight &&
           (c->reading != NULL || may_hold_more(c));
}

/* Cuts frames out of data. Returns how much was taken, or −1 when the connection is gone. */
static ssize_t take(struct broker_conn *c, const uint8_t *data, size_t size)
{
    size_t pos = 0, n;

    while (pos < size && broker_conn_can_take(c)) {
        if (c->reading == NULL) {
            enum begun begun = BEGUN_NOT_YET;

            if (size - pos >= WIRE_FRAME_PREFIX_SIZE)
                begun = begin_frame(c, data + pos, size - pos);
            if (begun == BEGUN_GONE)
                return -1;
            if (begun == BEGUN_NOT_YET)
                break;
            pos += WIRE_FRAME_PREFIX_SIZE;
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

static void stash(struct broker_conn *c, const uint8_t *data, size_t size)
{
    if (size == 0)
        return;
    c->stash = xmalloc(size);
    memcpy(c->stash, data, size);
    c->stash_size = size;
    c->broker->memory_used += size;
}

/* Returns how many bytes are at the front of the scratch buffer now. */
static size_t unstash(struct broker_conn *c, uint8_t *scratch)
{
    size_t size = c->stash_size;

    if (size == 0)
        return 0;
    memcpy(scratch, c->stash, size);
    c->broker->memory_used -= size;
    free(c->stash);
    c->stash = NULL;
    c->stash_size = 0;
    return size;
}

/* A frame that has begun must end within a time, however it drips. */
static void watch_frame(struct broker_conn *c)
{
    struct broker *b = c->broker;
    bool half = c->reading != NULL || (c->stash_size > 0 && broker_conn_can_take(c));

    if (!half)
        heap_remove(&b->frame_timers, &c->frame_timer);
    else if (c->frame_timer.pos == HEAP_NONE)
        heap_insert(&b->frame_timers, &c->frame_timer, b->now_ns + BROKER_FRAME_TIMEOUT_NS);
}

static void note_activity(struct broker_conn *c, size_t n)
{
    c->broker->stats.bytes_received += n;
    broker_conn_touch(c);
}

/* Straight into the frame. Returns as net_recv(). */
static ssize_t receive_body(struct broker_conn *c)
{
    ssize_t n = net_recv(c->net, (uint8_t *)c->reading->frame.data + c->n_body, c->reading->frame.size - c->n_body);

    if (n > 0) {
        note_activity(c, (size_t)n);
        c->n_body += (size_t)n;
        if (c->n_body == c->reading->frame.size)
            end_frame(c);
    }
    return n;
}

/* By way of the scratch buffer. Returns as net_recv(), but 1 when nothing was asked for, since a limit is reached;
 * *gone when the connection was closed. */
static ssize_t receive_scratch(struct broker_conn *c, bool *gone, bool *full)
{
    struct broker *b = c->broker;
    size_t have = unstash(c, b->scratch), room;
    ssize_t taken = take(c, b->scratch, have), n = 1;

    if (taken >= 0) {
        have -= (size_t)taken;
        memmove(b->scratch, b->scratch + taken, have);
        room = BROKER_SCRATCH_SIZE - have;
        if (broker_conn_can_take(c) && room > 0) {
            n = net_recv(c->net, b->scratch + have, room);
            *full = n == (ssize_t)room;
            if (n > 0) {
                note_activity(c, (size_t)n);
                have += (size_t)n;
                taken = take(c, b->scratch, have);
            } else {
                taken = 0;
            }
        } else {
            taken = 0;
        }
    }
    *gone = taken < 0;
    if (taken >= 0)
        stash(c, b->scratch + taken, have - (size_t)taken);
    return n;
}

static bool is_large_rest(const struct broker_conn *c)
{
    return c->reading != NULL && c->reading->frame.size - c->n_body >= BROKER_SCRATCH_SIZE / 2;
}

static bool receive_some(struct broker_conn *c)
{
    uint64_t before = c->broker->stats.bytes_received;

    while (broker_conn_can_take(c) && (c->can_read || c->stash_size > 0)) {
        bool gone = false, full = true;
        ssize_t n = is_large_rest(c) ? receive_body(c) : receive_scratch(c, &gone, &full);

        if (gone)
            return false;
        if (n < 0 && n != -EAGAIN) {
            broker_conn_close(c);
            return false;
        }
        if (n == 0) {
            c->eof = true;
            broker_conn_hurry(c);
        }
        if (n <= 0 || !full) /* less than asked for: there is no more */
            c->can_read = false;
        if (!c->can_read)
            break;
        if (c->broker->stats.bytes_received - before >= BROKER_READ_SHARE) {
            c->again = true;
            break;
        }
    }
    watch_frame(c);
    return true;
}

bool broker_conn_receive(struct broker_conn *c)
{
    struct broker *b = c->broker;

    if (!c->seen && !look_at_first(c))
        return false;
    if (!c->seen || !b->open)
        return true;
    if (b->scratch == NULL)
        b->scratch = xmalloc(BROKER_SCRATCH_SIZE);
    return receive_some(c);
}

/* How large a frame it waits to begin: its size stands at the front of the stash. */
static size_t awaited_size(const struct broker_conn *c)
{
    uint32_t size;

    gq_assert(c->stash_size >= WIRE_FRAME_PREFIX_SIZE);
    return wire_frame_size(c->stash, WIRE_FRAME_MAX_SIZE, &size) < 0 ? 0 : size;
}

/* Those who waited longest go first; those for whom there is nothing stay where they are. */
void broker_admit_waiters(struct broker *b)
{
    struct broker_conn *c, *tmp;
    size_t promised = 0;

    list_foreach_safe (&b->memory_waiters, c, tmp, wait) {
        size_t size = awaited_size(c);

        if (!is_admitted(b, size) || (promised > 0 && b->memory_used + promised + size > memory_budget(b)))
            continue;
        promised += size;
        list_remove(&c->wait);
        broker_conn_kick(c);
    }
}
