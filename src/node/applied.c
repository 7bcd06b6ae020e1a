/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

/* How far the other brokers have applied the metadata, as far as that matters. A broker that loses its place in a group
 * destroys the replica when it hears of that, which may be late; by then it may have a place there again, and others
 * must not take the old replica, which is about to go, for the new one. So a broker gets into a group only when it has
 * told that it has applied the command that gives it the place: what it had before is gone then, for its group.
 *
 * It is told when such a command is applied, on all reactors, and whenever a connection begins. */

struct applied_mail {
    struct lane_mail mail;
    struct node *node;
    unsigned reactor;
    uint64_t index;
};

static void tell_all(struct node *n, uint64_t index)
{
    const struct meta_broker *b;
    uint8_t body[8];

    store_le64(body, index);
    list_foreach (&n->reactors[0].meta.brokers, b, link)
        if (b->id != n->superblock.broker_id && b->raft_addr != NULL)
            n->links->tell(n, b->node_id, NODE_WORD_APPLIED, slice_make(body, sizeof(body)));
}

/* Behind the copies' mail of each reactor, and home. */
static void pass_by(struct lane_mail *mail)
{
    struct applied_mail *m = container_of(mail, struct applied_mail, mail);
    struct node *n = m->node;
    unsigned at = m->reactor;

    if (at != 0) {
        m->reactor = (at + 1) % n->n_reactors;
        lane_post(n->reactors[at].env->lane, m->reactor, &m->mail);
        return;
    }
    n->tells_applied = false;
    if (n->reactors[0].phase == NODE_RUNNING)
        tell_all(n, m->index);
    free(m);
    if (n->tells_applied_again)
        node_tell_applied(n);
}

void node_tell_applied(struct node *n)
{
    struct applied_mail *m;

    if (n->links == NULL || !n->reactors[0].in_cluster || !n->reactors[0].current)
        return;
    n->tells_applied_again = n->tells_applied;
    if (n->tells_applied)
        return;
    n->tells_applied = true;
    m = xcalloc(1, sizeof(*m));
    m->node = n;
    m->index = n->reactors[0].meta.applied_index;
    m->reactor = 1 % n->n_reactors;
    m->mail.deliver = pass_by;
    lane_post(n->reactors[0].env->lane, m->reactor, &m->mail);
}

/* ---- What others told ---- */

uint64_t node_applied_of(const struct node_reactor *r, int32_t broker_id)
{
    const struct meta_broker *b = meta_broker_by_id(&r->meta, broker_id);

    for (unsigned i = 0; b != NULL && i < r->n_applied; i++)
        if (strcmp(r->applied[i].node_id, b->node_id) == 0)
            return r->applied[i].index;
    return 0;
}

/* Its place, or else a free one, or that of a node that isn't a broker; NULL. */
static struct node_applied *place_of(struct node_reactor *r, const char *node_id)
{
    struct node_applied *other = NULL;

    for (unsigned i = 0; i < r->n_applied; i++) {
        struct node_applied *a = &r->applied[i];

        if (strcmp(a->node_id, node_id) == 0)
            return a;
        if (meta_broker_by_node(&r->meta, a->node_id) == NULL)
            other = a;
    }
    return r->n_applied < ARRAY_SIZE(r->applied) ? &r->applied[r->n_applied++] : other;
}

static void note(struct node_reactor *r, const char *node_id, uint64_t index)
{
    struct node_applied *a = place_of(r, node_id);
    char *before;

    if (a == NULL)
        return;
    before = a->node_id;
    *a = (struct node_applied){ xstrdup(node_id), index };
    free(before);
    for (unsigned s = r->index; s < r->node->n_shards; s += r->node->n_reactors)
        r->node->shards[s].next_look_ns = 0;
}

void node_applied_fini(struct node_reactor *r)
{
    for (unsigned i = 0; i < r->n_applied; i++)
        free(r->applied[i].node_id);
    r->n_applied = 0;
}

struct heard_mail {
    struct lane_mail mail;
    struct node_reactor *to;
    char *node_id;
    uint64_t index;
};

static void heard_arrived(struct lane_mail *mail)
{
    struct heard_mail *m = container_of(mail, struct heard_mail, mail);

    note(m->to, m->node_id, m->index);
    free(m->node_id);
    free(m);
}

void node_applied_heard(struct node *n, const char *node_id, struct slice body)
{
    if (body.size != 8)
        return;
    note(&n->reactors[0], node_id, load_le64(body.data));
    for (unsigned i = 1; i < n->n_reactors; i++) {
        struct heard_mail *m = xcalloc(1, sizeof(*m));

        m->to = &n->reactors[i];
        m->node_id = xstrdup(node_id);
        m->index = load_le64(body.data);
        m->mail.deliver = heard_arrived;
        lane_post(n->reactors[0].env->lane, i, &m->mail);
    }
}
