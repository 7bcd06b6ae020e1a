/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/links_internal.h"

/* The life of a reactor's links, and its turns: what came in goes to its shards before these are polled, and what they
 * say goes out behind that, a call for each connection. */

const struct node_links_ops node_links = {
    .send = links_send,
    .send_session = links_send_session,
    .know = links_know,
    .forget = links_forget,
    .tell = links_tell,
};

void node_links_init(struct node_reactor *r)
{
    struct node *n = r->node;
    struct links *l = r->links = xcalloc(1, sizeof(*l));

    l->r = r;
    l->node = n;
    list_init(&l->peers);
    list_init(&l->conns);
    list_init(&l->work);
    list_init(&l->lost);
    l->scratch = xmalloc(LINKS_SCRATCH);
    l->start_lsns = xcalloc(n->n_shards, sizeof(*l->start_lsns));
    for (unsigned s = 0; s < n->n_shards; s++)
        l->start_lsns[s] = node_start_lsn(&n->shards[s]);
    node_peer_limits(&n->shards[0], &l->limits);
    l->broker_id = n->superblock.broker_id;
    l->cluster_id = n->superblock.cluster_id;
    r->env->net->peer_handler = (struct net_handler){ .accepted = links_accepted, .ready = links_ready, .ctx = l };
}

/* Connections end as if the other side had closed them, so that nobody is told. */
static void end_all(struct links *l)
{
    struct links_conn *c;

    while ((c = list_first(&l->conns, struct links_conn, link)) != NULL)
        links_conn_free(c);
}

static void free_lost(struct links *l)
{
    struct list *link;

    while ((link = list_pop(&l->lost)) != NULL)
        free(list_entry(link, struct links_lost, link));
}

void node_links_fini(struct node_reactor *r)
{
    struct links *l = TAKE_PTR(r->links);
    struct links_peer *p;

    if (l == NULL)
        return;
    end_all(l);
    while ((p = list_first(&l->peers, struct links_peer, link)) != NULL)
        links_peer_free(p);
    free_lost(l);
    free(l->start_lsns);
    free(l->scratch);
    free(l);
}

void node_links_stop(struct node_reactor *r)
{
    struct links *l = r->links;
    struct links_peer *p;

    l->stopped = true;
    list_foreach (&l->peers, p, link)
        links_peer_cut(p, false);
    end_all(l);
    free_lost(l);
}

bool node_links_are_quiet(const struct node_reactor *r)
{
    return r->links->n_away == 0;
}

bool node_has_met(const struct node *n, const struct node *other)
{
    const struct superblock *sb = &other->superblock;

    for (unsigned i = 0; i < n->n_reactors; i++) {
        const struct links_peer *p = links_peer_find(n->reactors[i].links, sb->node_id);

        if (p == NULL || !uuid_eq(&p->seen, &sb->incarnation) || p->boot < sb->boot_counter)
            return false;
    }
    return true;
}

static bool has_changed(const struct links *l)
{
    return l->broker_id != l->node->superblock.broker_id || !uuid_eq(&l->cluster_id, &l->node->superblock.cluster_id);
}

void node_links_turn(struct node_reactor *r)
{
    struct links *l = r->links;
    struct list work, *link;

    if (l->stopped)
        return;
    if (r->index == 0 && has_changed(l))
        links_tell_self(l);
    links_tell_lost(l);
    list_init(&work);
    list_splice(&work, &l->work);
    while ((link = list_pop(&work)) != NULL)
        links_conn_work(list_entry(link, struct links_conn, work));
    if (r->now_ns >= l->next_ns)
        links_look(l, r->now_ns);
}

uint64_t node_links_flush(struct node_reactor *r)
{
    struct links *l = r->links;
    struct list work, *link;

    if (l->stopped)
        return UINT64_MAX;
    l->again = false;
    list_init(&work);
    list_splice(&work, &l->work);
    while ((link = list_pop(&work)) != NULL)
        if (links_flush_conn(list_entry(link, struct links_conn, work)))
            links_conn_want(list_entry(link, struct links_conn, work));
    return l->again || !list_is_empty(&l->lost) ? r->now_ns : l->next_ns;
}

void node_links_add_stats(const struct node_reactor *r, struct node_report *report)
{
    const struct links *l = r->links;
    const struct links_peer *p;
    const struct links_conn *c;

    report->has_links = true;
#define X(name, help) report->links.name += l->stats.name;
    NODE_LINKS_COUNTERS(X)
#undef X
    list_foreach (&l->conns, c, link) {
        report->links.connections += c->phase == LINKS_UP;
        report->links.waiting_bytes += c->n_put - c->n_sent + (c->channel != NULL ? c->channel->waiting_bytes : 0);
    }
    if (r->index != 0)
        return;
    list_foreach (&l->peers, p, link) {
        report->links.peers++;
        report->links.peers_connected += p->is_there;
    }
}
