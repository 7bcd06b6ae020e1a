/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

static struct broker_address *address_find(struct broker *b, const char *text, uint64_t hash)
{
    struct hash_node *n = hash_first(&b->addresses, hash);

    for (; n != NULL; n = hash_next(n)) {
        struct broker_address *a = container_of(n, struct broker_address, by_text);

        if (strcmp(a->text, text) == 0)
            return a;
    }
    return NULL;
}

static struct broker_address *address_ref(struct broker *b, const char *text)
{
    uint64_t hash = hash_bytes(text, strlen(text), b->hash_seed);
    struct broker_address *a = address_find(b, text, hash);

    if (a == NULL) {
        a = xcalloc(1, sizeof(*a));
        memcpy(a->text, text, strnlen(text, sizeof(a->text) - 1));
        hash_insert(&b->addresses, &a->by_text, hash);
    }
    a->n_connections++;
    return a;
}

static void address_unref(struct broker *b, struct broker_address *a)
{
    if (--a->n_connections > 0)
        return;
    hash_remove(&b->addresses, &a->by_text);
    free(a);
}

static bool is_over_limit(const struct broker *b, const struct broker_address *a)
{
    const struct config *config = b->backend->config;
    int64_t limit = config->max_connections;

    if (b->backend->connection_files > 0)
        limit = MIN(limit, (int64_t)b->backend->connection_files);
    return b->stats.connections >= broker_share(b, limit) ||
           a->n_connections > broker_share(b, config->max_connections_per_address);
}

void *broker_accepted(void *ctx, struct net_conn *net, const struct net_addr *peer, const struct net_addr *local)
{
    struct broker *b = ctx;
    struct broker_address *a = address_ref(b, peer->text);
    struct broker_conn *c;

    if (b->stopping || is_over_limit(b, a)) {
        b->stats.connections_refused++;
        address_unref(b, a);
        return NULL;
    }
    c = xcalloc(1, sizeof(*c));
    c->broker = b;
    c->net = net;
    c->address = a;
    c->local = xmalloc(sizeof(*c->local));
    *c->local = *local;
    c->active_ns = b->now_ns;
    c->can_write = true;
    c->wanted = NET_READ;
    list_init(&c->work);
    list_init(&c->wait);
    list_init(&c->requests);
    heap_node_init(&c->frame_timer);
    list_append(&b->conns, &c->link);
    b->stats.connections_accepted++;
    b->stats.connections++;
    net_want(net, NET_READ);
    return c;
}

void broker_conn_kick(struct broker_conn *c)
{
    if (!list_is_linked(&c->work))
        list_append(&c->broker->work, &c->work);
}

void broker_conn_touch(struct broker_conn *c)
{
    c->active_ns = c->broker->now_ns;
    list_remove(&c->link);
    list_append(&c->broker->conns, &c->link);
}

void broker_conn_hurry(struct broker_conn *c)
{
    struct broker_request *req;

    list_foreach (&c->requests, req, link) {
        if (req->parked)
            broker_request_wake(req);
    }
}

void broker_ready(void *conn_ctx, unsigned events)
{
    struct broker_conn *c = conn_ctx;

    if (events & NET_READ)
        c->can_read = true;
    if (events & NET_WRITE)
        c->can_write = true;
    broker_conn_kick(c);
}

static bool is_muted(const struct broker_conn *c)
{
    return c->eof || c->peeking || (c->seen && !c->broker->open) || !broker_conn_can_take(c);
}

void broker_conn_want(struct broker_conn *c)
{
    unsigned wanted = (is_muted(c) ? 0 : NET_READ) | (c->can_write ? 0 : NET_WRITE);

    if (wanted == c->wanted)
        return;
    c->wanted = wanted;
    net_want(c->net, wanted);
}

/* What is under way comes home to requests without a connection. */
static void orphan_requests(struct broker_conn *c)
{
    struct list *link;

    while ((link = list_pop(&c->requests)) != NULL) {
        struct broker_request *req = list_entry(link, struct broker_request, link);

        req->conn = NULL;
        broker_request_over(req);
    }
}

void broker_conn_close(struct broker_conn *c)
{
    struct broker *b = c->broker;

    if (c->reading != NULL)
        broker_request_over(TAKE_PTR(c->reading));
    orphan_requests(c);
    if (c->stash != NULL) {
        b->memory_used -= c->stash_size;
        b->memory_freed = true;
    }
    free(c->stash);
    heap_remove(&b->frame_timers, &c->frame_timer);
    list_remove(&c->link);
    list_remove(&c->work);
    list_remove(&c->wait);
    address_unref(b, c->address);
    free(c->local);
    if (c->net != NULL)
        net_close(c->net);
    b->stats.connections--;
    free(c);
}
