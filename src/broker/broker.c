/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

/* Limits are the node's; connections are spread evenly, so each reactor has its part, the first ones what is over. */
uint64_t broker_share(const struct broker *b, int64_t limit)
{
    return (uint64_t)limit / b->n_reactors + (b->backend->reactor < (uint64_t)limit % b->n_reactors);
}

struct broker *broker_new(struct broker_backend *backend, unsigned n_reactors)
{
    struct broker *b = xcalloc(1, sizeof(*b));

    b->backend = backend;
    b->n_reactors = n_reactors;
    b->hash_seed = prng_u64(backend->env->prng);
    b->now_ns = clock_mono_ns(backend->env->clock);
    b->open_ns = b->now_ns + BROKER_OPEN_NS;
    list_init(&b->conns);
    list_init(&b->work);
    list_init(&b->memory_waiters);
    list_init(&b->idle_requests);
    hash_table_init(&b->addresses);
    heap_init(&b->request_timers);
    heap_init(&b->frame_timers);
    b->max_idle_requests =
        (unsigned)broker_share(b, backend->config->performance.connection_pool_size) * BROKER_IDLE_REQUESTS;
    histogram_init(&b->stats.produce_ns);
    histogram_init(&b->stats.fetch_ns);
    backend->env->net->handler = (struct net_handler){ .accepted = broker_accepted, .ready = broker_ready, .ctx = b };
    return b;
}

void broker_free(struct broker *b)
{
    if (b == NULL)
        return;
    broker_close_all(b);
    broker_requests_fini(b);
    hash_table_fini(&b->addresses);
    heap_fini(&b->request_timers);
    heap_fini(&b->frame_timers);
    free(b->scratch);
    free(b);
}

void broker_set_http(struct broker *b, void (*fn)(void *ctx, unsigned reactor, struct net_conn *conn), void *ctx)
{
    b->http = fn;
    b->http_ctx = ctx;
}

static void work_on(struct broker_conn *c)
{
    if ((c->can_read || c->stash_size > 0) && !broker_conn_receive(c))
        return;
    if (!broker_conn_send(c))
        return;
    list_remove(&c->work); /* answers that came meanwhile were just sent */
    if (c->again) {
        c->again = false;
        broker_conn_kick(c);
    }
    broker_conn_want(c);
}

/* The list is in order of activity, so the walk ends at the first that isn't due. */
static uint64_t close_idle(struct broker *b)
{
    int64_t timeout_ns = b->backend->config->performance.connection_idle_timeout_ns;
    uint64_t timeout = (uint64_t)timeout_ns;
    struct broker_conn *c;

    if (timeout_ns == CONFIG_NONE)
        return UINT64_MAX;
    while ((c = list_first(&b->conns, struct broker_conn, link)) != NULL) {
        if (c->active_ns + timeout > b->now_ns)
            return c->active_ns + timeout;
        if (c->n_requests > 0 && c->can_write) { /* waits for us, not for the peer */
            broker_conn_touch(c);
            continue;
        }
        b->stats.connections_closed_idle++;
        broker_conn_close(c);
    }
    return UINT64_MAX;
}

static uint64_t close_slow(struct broker *b)
{
    struct heap_node *node;

    while ((node = heap_min(&b->frame_timers)) != NULL) {
        struct broker_conn *c = container_of(node, struct broker_conn, frame_timer);

        if (node->key > b->now_ns)
            return node->key;
        if (c->peeking) {
            heap_remove(&b->frame_timers, node);
            c->peeking = false;
            c->can_read = true;
            broker_conn_kick(c);
            continue;
        }
        b->stats.connections_closed_idle++;
        broker_conn_close(c);
    }
    return UINT64_MAX;
}

/* Frames that were promised and don't come must not keep others from their memory. The list is in order of
 * activity. */
static uint64_t close_stalled(struct broker *b)
{
    struct broker_conn *c, *tmp;

    if (list_is_empty(&b->memory_waiters))
        return UINT64_MAX;
    list_foreach_safe (&b->conns, c, tmp, link) {
        if (c->active_ns + BROKER_STALL_NS > b->now_ns)
            return c->active_ns + BROKER_STALL_NS;
        if (c->reading == NULL)
            continue;
        b->stats.connections_closed_idle++;
        broker_conn_close(c);
    }
    return UINT64_MAX;
}

/* Until the metadata is what it was before the start, and says where this node is now, any answer would mislead. What
 * clients have sent meanwhile stays in the sockets. */
static uint64_t look_for_opening(struct broker *b)
{
    struct broker_conn *c;

    if (b->open)
        return UINT64_MAX;
    if (!b->backend->ops->is_ready(b->backend) && b->now_ns < b->open_ns)
        return b->open_ns;
    b->open = true;
    list_foreach (&b->conns, c, link)
        broker_conn_kick(c);
    return UINT64_MAX;
}

uint64_t broker_turn(struct broker *b, uint64_t now_ns)
{
    struct list work;
    struct list *link;
    uint64_t deadline;

    b->now_ns = now_ns;
    deadline = look_for_opening(b);
    broker_request_expire(b);
    b->memory_freed = false;
    broker_admit_waiters(b);
    /* What kicks itself again meanwhile waits for the next turn. */
    list_init(&work);
    list_splice(&work, &b->work);
    while ((link = list_pop(&work)) != NULL)
        work_on(list_entry(link, struct broker_conn, work));
    deadline = MIN(MIN(deadline, close_stalled(b)), MIN(close_idle(b), close_slow(b)));
    if (heap_min(&b->request_timers) != NULL)
        deadline = MIN(deadline, heap_min(&b->request_timers)->key);
    if (b->memory_freed && !list_is_empty(&b->memory_waiters))
        return now_ns;
    return list_is_empty(&b->work) ? deadline : now_ns;
}

void broker_stop(struct broker *b)
{
    struct broker_conn *c;

    b->stopping = true;
    list_foreach (&b->conns, c, link) {
        c->closing = true;
        broker_conn_hurry(c);
        broker_conn_kick(c);
    }
}

bool broker_is_drained(const struct broker *b)
{
    return list_is_empty(&b->conns) && b->n_live_requests == 0;
}

void broker_close_all(struct broker *b)
{
    struct broker_conn *c;

    while ((c = list_first(&b->conns, struct broker_conn, link)) != NULL)
        broker_conn_close(c);
}

void broker_reload(struct broker *b)
{
    broker_admit_waiters(b); /* limits may be wider now */
}

uint64_t broker_request_memory(const struct broker *b)
{
    return b->memory_used - b->answers_used;
}

void broker_add_stats(const struct broker *b, struct broker_stats *into)
{
    const struct broker_conn *c;
    struct broker_stats s = b->stats;

    list_foreach (&b->conns, c, link)
        s.connections_muted += (c->wanted & NET_READ) == 0;
    s.request_memory_bytes = b->memory_used;
    s.requests_in_flight = b->n_live_requests;
#define X(name, help) into->name += s.name;
    BROKER_COUNTERS(X)
    BROKER_GAUGES(X)
#undef X
    for (size_t i = 0; i < BROKER_API_KEYS; i++)
        into->requests_by_api[i] += s.requests_by_api[i];
    histogram_merge(&into->produce_ns, &s.produce_ns);
    histogram_merge(&into->fetch_ns, &s.fetch_ns);
}
