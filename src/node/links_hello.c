/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "node/links_internal.h"

/* How a connection begins. Who has dialed says who it is. The other side, where it accepted, finds out which of its
 * reactors has the shard; there it holds the hello against what is known and says who it is itself. For it the
 * connection is up then, for who has dialed it is when that hello is good, too. */

static struct peer_hello make_hello(const struct links *l, enum peer_lane lane, uint32_t ours, uint32_t theirs,
                                    int32_t to)
{
    struct peer_hello h = {
        .min_version = PEER_FORMAT_VERSION,
        .max_version = PEER_FORMAT_VERSION,
        .lane = lane,
        .n_shards = l->node->n_shards,
        .from_shard = ours,
        .to_shard = theirs,
        .broker_id = l->broker_id,
        /* By the main connection a node may learn its broker id: until then it can't be meant by it. */
        .to = ours == 0 && theirs == 0 && lane == PEER_CONTROL ? RAFT_NONE : to,
        .boot = l->node->superblock.boot_counter,
        .durable_lsn = l->start_lsns[ours],
        .cluster_id = l->cluster_id,
        .incarnation = l->node->superblock.incarnation,
    };

    memcpy(h.node_id, l->node->superblock.node_id, sizeof(h.node_id));
    return h;
}

void links_say_hello(struct links_conn *c)
{
    struct links *l = c->links;
    const struct links_channel *ch = c->channel;
    struct peer_hello h = make_hello(l, ch->lane, ch->shard->index, ch->their_shard, ch->peer->broker_id);
    uint8_t bytes[PEER_HELLO_MAX];
    size_t size = peer_hello_write(&h, bytes);
    struct buf *b = buf_new(&l->r->pool, size);

    if (b == NULL)
        return; /* the time for it ends */
    memcpy(b->data, bytes, size);
    buf_chain_append(&c->out, b, b->data, size);
    c->n_put += size;
    buf_unref(b);
}

/* ---- To the reactor of the shard ---- */

struct returned {
    struct lane_mail mail;
    struct links *from;
};

static void has_returned(struct lane_mail *mail)
{
    struct returned *r = container_of(mail, struct returned, mail);

    r->from->n_away--;
    free(r);
}

static void consider(struct links_conn *c);

static void has_moved(struct lane_mail *mail)
{
    struct links_conn *c = container_of(mail, struct links_conn, mail);
    struct links *l = c->links = c->to;
    struct returned *r = xcalloc(1, sizeof(*r));

    r->mail.deliver = has_returned;
    r->from = c->from;
    lane_post(l->r->env->lane, c->from->r->index, &r->mail);
    buf_chain_init(&c->out, &l->r->blocks);
    list_append(&l->conns, &c->link);
    l->n_greeting++;
    if (l->stopped) {
        links_conn_free(c);
        return;
    }
    net_plug(l->r->env->net, c->net, c);
    c->wanted = 0;
    links_conn_want(c);
    links_look_soon(l);
    consider(c);
}

static void move(struct links_conn *c, unsigned reactor)
{
    struct links *l = c->links;

    list_remove(&c->link);
    list_remove(&c->work);
    buf_chain_fini(&c->out);
    l->n_greeting--;
    l->n_away++;
    net_unplug(c->net);
    c->from = l;
    c->to = l->node->reactors[reactor].links;
    c->mail.deliver = has_moved;
    lane_post(l->r->env->lane, reactor, &c->mail);
}

/* ---- Whether it is good ---- */

/* Of two connections for the same, one is kept, and both sides decide alike. An old one wasn't under way at the same
 * time: its other end is gone, or nobody would have dialed. */
static bool wins(const struct links_conn *c, const struct links_channel *ch, uint64_t boot)
{
    const struct links *l = c->links;
    const struct links_conn *old = ch->conn;

    if (old == NULL || boot > old->boot || l->r->now_ns - old->up_ns >= LINKS_DIAL_NS || c->dialed == old->dialed)
        return true;
    return c->dialed == (strcmp(l->node->superblock.node_id, ch->peer->node_id) < 0);
}

static bool is_main(const struct peer_hello *h)
{
    return h->from_shard == 0 && h->to_shard == 0 && h->lane == PEER_CONTROL;
}

static int stranger(struct error_text *err, const struct peer_hello *h, const char *what)
{
    error_setf(err, "node '%s' %s", h->node_id, what);
    return -EPERM;
}

/* Between shards that have groups, and brokers. */
static int check_shards(const struct links *l, const struct links_peer *p, const struct peer_hello *h,
                        struct error_text *err)
{
    if (h->broker_id == RAFT_NONE || l->broker_id == RAFT_NONE || p->broker_id != h->broker_id)
        return stranger(err, h, "isn't a broker of the cluster yet");
    if (!links_shares(l, p, h->to_shard, h->from_shard))
        return stranger(err, h, "has a connection for shards that have nothing in common");
    return 0;
}

/* 0 with who it is and what both agree on; negative or positive: it is refused, and err says why. c may be gone
 * afterwards. */
static int check(struct links_conn *c, const struct peer_hello *h, struct peer_link *ret_link, struct links_peer **ret,
                 struct error_text *err)
{
    struct links *l = c->links;
    struct links_peer *p = links_peer_find(l, h->node_id);
    const struct links_channel *ch = c->channel;
    struct peer_hello ours =
        ch != NULL ? make_hello(l, ch->lane, ch->shard->index, ch->their_shard, ch->peer->broker_id)
                   : make_hello(l, h->lane, h->to_shard, h->from_shard, p != NULL ? p->broker_id : RAFT_NONE);
    int rc = peer_hello_agree(&ours, h, ret_link, err);

    if (rc != 0)
        return rc;
    if (ch != NULL && ch->peer != p)
        return stranger(err, h, "answers in place of another node");
    rc = p != NULL ? links_remember(p, h, err) : 0;
    if (rc == 0 && is_main(h)) {
        node_hello_heard(l->node, h);
        if (p == NULL && (p = links_peer_find(l, h->node_id)) != NULL)
            rc = links_remember(p, h, err);
        else
            p = links_peer_find(l, h->node_id); /* it may be forgotten */
    }
    if (rc == 0 && p == NULL)
        rc = stranger(err, h, "isn't known to this one");
    if (rc == 0 && !is_main(h))
        rc = check_shards(l, p, h, err);
    *ret = p;
    return rc;
}

static void refuse(struct links_conn *c, const char *why)
{
    GQ_MARK(LINK_STRANGER);
    links_refused(c->links, "%s", why);
    links_conn_failed(c, -EPERM);
}

/* The whole hello is there. */
static void greet(struct links_conn *c, const struct peer_hello *h, size_t size)
{
    struct links *l = c->links;
    struct links_channel *ch;
    struct links_peer *p = NULL;
    struct error_text err;
    struct peer_link link;
    int rc = check(c, h, &link, &p, &err);

    if (!links_is_there(l, c))
        return;
    if (rc != 0) {
        refuse(c, err.text);
        return;
    }
    ch = c->dialed ? c->channel : links_channel(p, &l->node->shards[h->to_shard], h->from_shard, h->lane);
    if (!wins(c, ch, h->boot)) {
        GQ_MARK(LINK_CROSSED);
        links_conn_failed(c, -EALREADY);
        return;
    }
    if (!c->dialed) {
        if (ch->dial != NULL && strcmp(l->node->superblock.node_id, p->node_id) > 0)
            links_conn_free(ch->dial);
        l->n_greeting--;
        c->channel = ch;
        links_say_hello(c);
    }
    peer_reader_init(&c->reader, &link, &l->limits, &l->r->pool);
    links_channel_up(ch, c, h->boot);
    if (links_conn_take_rest(c, slice_make(c->hello + size, c->hello_size - size)))
        links_conn_kick(c);
}

/* Looks at the bytes that are there. */
static void consider(struct links_conn *c)
{
    struct links *l = c->links;
    const struct node *n = l->node;
    struct peer_hello h;
    struct error_text err;
    size_t size;
    int rc = peer_hello_read(slice_make(c->hello, c->hello_size), &h, &size, &err);

    if (rc == -EAGAIN)
        return;
    if (rc == 0 && h.min_version > PEER_FORMAT_VERSION) {
        error_setf(&err, "hello: of a later version");
        rc = -EBADMSG;
    }
    if (rc == 0 && !c->dialed && (h.to_shard == PEER_ANY_SHARD || h.to_shard >= n->n_shards))
        rc = stranger(&err, &h, "takes this one for a node with other shards");
    if (rc != 0)
        refuse(c, err.text);
    else if (!c->dialed && h.to_shard % n->n_reactors != l->r->index)
        move(c, h.to_shard % n->n_reactors);
    else
        greet(c, &h, size);
}

void links_hear_hello(struct links_conn *c)
{
    while (c->can_read && c->hello_size < PEER_HELLO_MAX) {
        ssize_t n = net_recv(c->net, c->hello + c->hello_size, PEER_HELLO_MAX - c->hello_size);

        if (n == -EAGAIN) {
            c->can_read = false;
        } else if (n <= 0) {
            links_conn_failed(c, (int)n);
            return;
        } else {
            c->hello_size += (size_t)n;
        }
    }
    if (c->hello_size > 0)
        consider(c);
}
