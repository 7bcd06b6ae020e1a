/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "node/links_internal.h"

/* What goes out. Small messages go into frames as they come, entries and images wait until what was put before them is
 * nearly gone: so a vote never has much in front of it, and what a slow peer doesn't take is dropped message by
 * message, the latest first. Raft sends again what got lost. */

static void note_lost(struct links *l, struct node_shard *s, const struct replica_message *m)
{
    struct links_lost *lost = xcalloc(1, sizeof(*lost));

    GQ_MARK(LINK_IMAGE_LOST);
    lost->shard = s;
    lost->group = m->group;
    lost->to = m->raft.to;
    list_append(&l->lost, &lost->link);
    l->stats.images_lost++;
}

/* A message that doesn't get there, or isn't known to. */
static void drop(struct links *l, struct node_shard *s, struct replica_message *m)
{
    GQ_MARK(LINK_MESSAGE_DROPPED);
    l->stats.messages_dropped++;
    if (m->raft.kind == RAFT_SNAPSHOT)
        note_lost(l, s, m);
    replica_message_free(m);
}

void links_drop_waiting(struct links_channel *ch)
{
    struct list *link;

    while ((link = list_pop(&ch->waiting)) != NULL) {
        struct links_message *w = list_entry(link, struct links_message, link);

        drop(ch->peer->links, ch->shard, w->message);
        free(w);
    }
    ch->waiting_bytes = 0;
    ch->cutting = false;
}

void links_drop_sending(struct links_conn *c)
{
    struct list *link;

    while ((link = list_pop(&c->sending)) != NULL) {
        struct links_message *w = list_entry(link, struct links_message, link);

        drop(c->links, c->channel->shard, w->message);
        free(w);
    }
}

void links_tell_lost(struct links *l)
{
    struct list *link;

    while ((link = list_pop(&l->lost)) != NULL) {
        struct links_lost *lost = list_entry(link, struct links_lost, link);

        node_image_lost(lost->shard, lost->group, lost->to);
        free(lost);
    }
}

/* ---- From the shards ---- */

static size_t unsent(const struct links_conn *c)
{
    return (size_t)(c->n_put - c->n_sent);
}

static struct links *links_of(const struct node_shard *s)
{
    return s->node->reactors[s->index % s->node->n_reactors].links;
}

/* NULL: nothing goes to it. */
static struct links_peer *peer_of(struct links *l, int32_t broker_id)
{
    struct links_peer *p = !l->stopped && broker_id != RAFT_NONE ? links_peer_of_broker(l, broker_id) : NULL;

    return p != NULL && p->n_shards > 0 ? p : NULL;
}

static struct links_channel *channel_to(struct links_peer *p, struct node_shard *s, uint32_t their_shard,
                                        enum peer_lane lane)
{
    if (their_shard >= p->n_shards || !links_shares(p->links, p, s->index, their_shard))
        return NULL;
    return links_channel(p, s, their_shard, lane);
}

/* Up, between brokers, and it takes what little is put next. */
static bool takes(const struct links_channel *ch)
{
    const struct links_conn *c = ch != NULL ? ch->conn : NULL;

    return c != NULL && c->reader.link.us != RAFT_NONE && c->reader.link.them != RAFT_NONE && unsent(c) < LINKS_OUT_MAX;
}

static void put_small(struct links_channel *ch, struct replica_message *m)
{
    struct links_conn *c = ch->conn;
    struct peer_cut cut;
    size_t before = c->out.size;

    peer_cut_init(&cut, m);
    if (peer_write(&c->writer, &cut, &c->out) < 0) {
        drop(c->links, ch->shard, m);
        return;
    }
    gq_assert(peer_cut_is_done(&cut));
    c->n_put += c->out.size - before;
    c->links->stats.messages_sent++;
    replica_message_free(m);
    links_conn_kick(c);
}

static size_t body_size(const struct replica_message *m)
{
    size_t size = m->raft.kind == RAFT_SNAPSHOT ? m->image->size : 0;

    for (uint32_t i = 0; i < m->raft.n_entries; i++)
        size += m->entries[i].head.size + m->entries[i].batches.size;
    return size;
}

static void put_large(struct links_channel *ch, struct replica_message *m)
{
    struct links *l = ch->peer->links;
    size_t size = body_size(m), most = ch->lane == PEER_BULK ? LINKS_IMAGES_MAX : LINKS_WAIT_MAX;
    struct links_message *w;

    if (!list_is_empty(&ch->waiting) && ch->waiting_bytes + size > most) {
        drop(l, ch->shard, m);
        return;
    }
    w = xcalloc(1, sizeof(*w));
    w->message = m;
    w->size = size;
    list_append(&ch->waiting, &w->link);
    ch->waiting_bytes += size;
    if (ch->conn != NULL)
        links_conn_kick(ch->conn);
    else
        links_look_soon(l);
}

void links_send(struct node_shard *s, struct replica_message *m)
{
    bool is_image = m->raft.kind == RAFT_SNAPSHOT;
    struct links *l = links_of(s);
    struct links_peer *p = peer_of(l, m->raft.to);
    struct links_channel *ch = NULL;

    if (p != NULL)
        ch = channel_to(p, s, (uint32_t)((m->group - 1) % p->n_shards), is_image ? PEER_BULK : PEER_CONTROL);
    if (ch == NULL || (is_image ? ch->conn == NULL && !ch->peer->is_there : !takes(ch)))
        drop(l, s, m);
    else if (is_image || m->raft.kind == RAFT_APPEND)
        put_large(ch, m);
    else
        put_small(ch, m);
}

void links_send_session(struct node_shard *s, const struct fleet_message *m)
{
    struct links *l = links_of(s);
    struct links_peer *p = peer_of(l, m->to);
    struct links_channel *ch = p != NULL ? channel_to(p, s, m->to_shard, PEER_CONTROL) : NULL;
    struct links_conn *c;
    size_t before;

    if (!takes(ch)) {
        l->stats.messages_dropped++;
        return;
    }
    c = ch->conn;
    before = c->out.size;
    if (peer_write_session(&c->writer, m, &c->out) < 0) {
        l->stats.messages_dropped++;
        return;
    }
    c->n_put += c->out.size - before;
    l->stats.messages_sent++;
    if (c->spoke_ns == 0)
        c->spoke_ns = l->r->now_ns;
    links_conn_kick(c);
}

void links_tell(struct node *n, const char *node_id, enum node_word word, struct slice body)
{
    struct links *l = n->reactors[0].links;
    struct links_peer *p = links_peer_find(l, node_id);
    struct links_channel *ch = p != NULL ? links_channel(p, &n->shards[0], 0, PEER_CONTROL) : NULL;
    struct links_conn *c = ch != NULL ? ch->conn : NULL;
    size_t before;

    if (c == NULL || unsent(c) >= LINKS_OUT_MAX) {
        GQ_MARK(LINK_WORD_DROPPED);
        l->stats.messages_dropped++;
        return;
    }
    before = c->out.size;
    if (peer_write_word(&c->writer, &(struct peer_word){ .kind = (uint8_t)word, .body = body }, &c->out) < 0) {
        l->stats.messages_dropped++;
        return;
    }
    c->n_put += c->out.size - before;
    l->stats.messages_sent++;
    links_conn_kick(c);
}

/* ---- To the socket ---- */

/* All of the first that waits is in frames. Entries have references of their own there; other bytes need the message.
 */
static void end_cut(struct links_channel *ch, struct links_conn *c)
{
    struct links_message *w = list_entry(list_pop(&ch->waiting), struct links_message, link);

    ch->cutting = false;
    ch->waiting_bytes -= w->size;
    c->links->stats.messages_sent++;
    if (w->message->data == NULL) {
        replica_message_free(w->message);
        free(w);
        return;
    }
    w->end = c->n_put;
    list_append(&c->sending, &w->link);
}

/* Frames of what waits, as long as little is before them. */
static void feed(struct links_channel *ch, struct links_conn *c)
{
    while (!list_is_empty(&ch->waiting) && unsent(c) < LINKS_FEED_BYTES) {
        struct links_message *w = list_first(&ch->waiting, struct links_message, link);
        size_t before = c->out.size;

        if (!ch->cutting)
            peer_cut_init(&ch->cut, w->message);
        ch->cutting = true;
        if (peer_write(&c->writer, &ch->cut, &c->out) < 0)
            return; /* for want of memory: in a later turn */
        c->n_put += c->out.size - before;
        if (peer_cut_is_done(&ch->cut))
            end_cut(ch, c);
    }
}

static int gather(const struct links_conn *c, struct iovec iov[LINKS_IOV])
{
    size_t skip = c->out_at;
    int n = 0;

    for (uint32_t i = c->out_link; i < c->out.n && n < LINKS_IOV; i++) {
        const struct buf_link *link = &c->out.links[i];

        iov[n++] = (struct iovec){ (void *)(link->data + skip), link->size - skip };
        skip = 0;
    }
    return n;
}

/* Gives back what is sent. Links that are done go from the front when they are half of all. */
static void advance(struct links_conn *c, size_t n)
{
    struct links_message *w;

    c->n_sent += n;
    while (n > 0) {
        struct buf_link *link = &c->out.links[c->out_link];
        size_t step = MIN(n, link->size - c->out_at);

        n -= step;
        c->out_at += step;
        c->out.size -= step;
        if (c->out_at < link->size)
            break;
        buf_unref(TAKE_PTR(link->buf));
        c->out_link++;
        c->out_at = 0;
    }
    if (c->out_link > 0 && c->out_link >= c->out.n / 2) {
        c->out.n -= c->out_link;
        memmove(c->out.links, c->out.links + c->out_link, c->out.n * sizeof(c->out.links[0]));
        c->out_link = 0;
    }
    while ((w = list_first(&c->sending, struct links_message, link)) != NULL && w->end <= c->n_sent) {
        list_remove(&w->link);
        replica_message_free(w->message);
        free(w);
    }
}

/* A connection that rests keeps nothing. */
static void rest(struct links_conn *c)
{
    struct mem_pool *blocks = c->out.pool;

    gq_assert(c->out.n == 0 && c->out.size == 0);
    buf_chain_fini(&c->out);
    buf_chain_init(&c->out, blocks);
    peer_writer_fini(&c->writer);
}

static void feed_again(struct links_conn *c)
{
    links_conn_kick(c);
    c->links->again = true;
}

bool links_flush_conn(struct links_conn *c)
{
    struct links_channel *ch = c->channel;
    struct links *l = c->links;
    struct iovec iov[LINKS_IOV];
    ssize_t n;

    if (c->phase == LINKS_UP)
        feed(ch, c);
    if (c->phase == LINKS_CONNECTING || !c->can_write || unsent(c) == 0)
        return true;
    n = net_sendv(c->net, iov, gather(c, iov), false);
    if (n == -EAGAIN) {
        c->can_write = false;
        return true;
    }
    if (n <= 0) {
        if (c->phase == LINKS_UP)
            links_conn_ended(c, (int)n);
        else
            links_conn_failed(c, (int)n);
        return false;
    }
    l->stats.bytes_sent += (uint64_t)n;
    c->moved_ns = l->r->now_ns;
    advance(c, (size_t)n);
    if (unsent(c) > 0)
        c->can_write = false; /* the socket tells when it takes more */
    else if (ch == NULL || list_is_empty(&ch->waiting))
        rest(c);
    else
        feed_again(c);
    return true;
}
