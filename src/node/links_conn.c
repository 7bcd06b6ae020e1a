/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "base/mark.h"
#include "node/links_internal.h"

/* A connection: how it comes, what of it is read in a turn, and how it goes. */

struct links_conn *links_conn_new(struct links *l)
{
    struct links_conn *c = xcalloc(1, sizeof(*c));

    c->links = l;
    c->began_ns = l->r->now_ns;
    list_init(&c->work);
    list_init(&c->sending);
    buf_chain_init(&c->out, &l->r->blocks);
    list_append(&l->conns, &c->link);
    return c;
}

void links_conn_free(struct links_conn *c)
{
    struct links_channel *ch = c->channel;

    if (ch != NULL && ch->conn == c)
        ch->conn = NULL;
    if (ch != NULL && ch->dial == c)
        ch->dial = NULL;
    if (ch == NULL && !c->dialed)
        c->links->n_greeting--;
    if (c->net != NULL)
        net_close(c->net);
    links_drop_sending(c);
    buf_chain_fini(&c->out);
    peer_writer_fini(&c->writer);
    peer_reader_fini(&c->reader);
    list_remove(&c->work);
    list_remove(&c->link);
    c->links->n_freed++;
    free(c);
}

void links_conn_kick(struct links_conn *c)
{
    if (!list_is_linked(&c->work))
        list_append(&c->links->work, &c->work);
}

/* While nothing is known of who connects, there are only so many of them, for so long. */
void *links_accepted(void *ctx, struct net_conn *net, const struct net_addr *peer, const struct net_addr *local)
{
    struct links *l = ctx;
    struct links_conn *c;

    if (l->stopped || l->n_greeting >= LINKS_MAX_GREETING)
        return NULL;
    c = links_conn_new(l);
    c->net = net;
    c->phase = LINKS_GREETING;
    c->can_write = true;
    l->n_greeting++;
    links_conn_want(c);
    links_look_soon(l);
    return c;
}

void links_ready(void *conn_ctx, unsigned events)
{
    struct links_conn *c = conn_ctx;

    if ((events & NET_READ) != 0)
        c->can_read = true;
    if ((events & NET_WRITE) != 0)
        c->can_write = true;
    links_conn_kick(c);
}

void links_conn_want(struct links_conn *c)
{
    unsigned wanted = c->phase == LINKS_CONNECTING ? NET_WRITE : NET_READ | (c->can_write ? 0u : (unsigned)NET_WRITE);

    if (wanted == c->wanted)
        return;
    c->wanted = wanted;
    net_want(c->net, wanted);
}

void links_refused(struct links *l, const char *format, ...)
{
    uint64_t now_ns = l->r->now_ns;
    struct error_text text;
    va_list args;

    l->stats.peers_refused++;
    if (l->told_ns != 0 && now_ns - l->told_ns < LINKS_TELL_NS)
        return;
    l->told_ns = now_ns;
    va_start(args, format);
    vsnprintf(text.text, sizeof(text.text), format, args);
    va_end(args);
    node_peer_refused(l->node, text.text);
}

/* ---- In ---- */

static void hear_message(struct links_conn *c, struct replica_message *m)
{
    struct links *l = c->links;

    l->stats.messages_received++;
    if (c->reader.link.us == RAFT_NONE || c->reader.link.them == RAFT_NONE)
        l->stats.frames_refused++; /* it can't be in a group */
    else
        node_group_heard(c->channel->shard, m);
    replica_message_free(m);
}

static void hear_session(struct links_conn *c, const struct fleet_message *m)
{
    struct links *l = c->links;

    l->stats.messages_received++;
    c->heard_session = true;
    if (c->reader.link.us == RAFT_NONE || c->reader.link.them == RAFT_NONE)
        l->stats.frames_refused++;
    else
        (void)fleet_receive(c->channel->shard->replicas.fleet, m);
}

/* Whoever hears it may cut the node off, or forget it: what is told has to outlast that. */
static void hear_word(struct links_conn *c, const struct peer_word *w)
{
    struct links *l = c->links;
    _cleanup_(freep) char *node_id = xstrdup(c->channel->peer->node_id);
    struct buf *b = buf_ref(c->reader.word_buf);
    struct peer_word word = *w;

    l->stats.messages_received++;
    if (!links_is_main(c->channel) || word.kind < NODE_WORD_FORM || word.kind > NODE_WORD_LAST)
        l->stats.frames_refused++;
    else
        node_word_heard(l->node, node_id, (enum node_word)word.kind, word.body);
    buf_unref(b);
}

static void hear(struct links_conn *c, const struct peer_message *m)
{
    if (m->replica != NULL)
        hear_message(c, m->replica);
    else if (m->session != NULL)
        hear_session(c, m->session);
    else
        hear_word(c, m->word);
}

bool links_is_there(const struct links *l, const struct links_conn *c)
{
    const struct links_conn *other;

    list_foreach (&l->conns, other, link)
        if (other == c)
            return true;
    return false;
}

/* What a read has brought; data is NULL when it was read to where peer_room() said. 0 or what ends the connection; 1: c
 * is gone. */
static int take(struct links_conn *c, struct slice *data, size_t n)
{
    struct links *l = c->links;
    struct peer_message m;
    struct error_text err;
    int rc;

    err.text[0] = '\0';
    rc = data != NULL ? peer_read(&c->reader, data, &m, &err) : peer_filled(&c->reader, n, &m, &err);
    while (rc != -EAGAIN) {
        if (rc == -EBADMSG) {
            GQ_MARK(LINK_NOT_FRAMES);
            links_refused(l, "node '%s': %s", c->channel->peer->node_id, err.text);
        }
        if (rc < 0)
            return rc;
        if (rc > 0) {
            l->stats.frames_refused++;
        } else {
            uint64_t n_freed = l->n_freed;

            /* A word may end connections, and so may entries of the metadata that a message commits. */
            hear(c, &m);
            if (l->n_freed != n_freed && !links_is_there(l, c))
                return 1;
        }
        rc = data != NULL ? peer_read(&c->reader, data, &m, &err) : -EAGAIN;
    }
    return 0;
}

/* One read: bytes of a large body to their place, others through the reactor's scratch. As take(), or what net_recv()
 * says. */
static ssize_t receive_some(struct links_conn *c, int *ret_rc)
{
    struct links *l = c->links;
    uint8_t *to;
    size_t room = peer_room(&c->reader, &to);
    bool in_place = room >= LINKS_SCRATCH / 4;
    size_t size = in_place ? MIN(room, (size_t)LINKS_SHARE) : LINKS_SCRATCH;
    ssize_t n = net_recv(c->net, in_place ? to : l->scratch, size);
    struct slice data;

    *ret_rc = 0;
    if (n <= 0)
        return n;
    c->can_read = (size_t)n == size; /* else that was all, or it is told again */
    l->stats.bytes_received += (uint64_t)n;
    c->heard_ns = c->moved_ns = l->r->now_ns;
    c->spoke_ns = 0;
    data = slice_make(l->scratch, (size_t)n);
    *ret_rc = in_place ? take(c, NULL, (size_t)n) : take(c, &data, 0);
    return n;
}

static void receive(struct links_conn *c)
{
    size_t size = 0;

    while (c->can_read) {
        int rc;
        ssize_t n = receive_some(c, &rc);

        if (rc > 0)
            return;
        if (n == -EAGAIN) {
            c->can_read = false;
        } else if (n <= 0 || rc < 0) {
            links_conn_ended(c, n <= 0 ? (int)n : rc);
            return;
        } else {
            size += (size_t)n;
            if (size >= LINKS_SHARE)
                c->can_read = false; /* it is told again while there is more */
        }
    }
}

static void look_at_outcome(struct links_conn *c)
{
    int rc = net_outcome(c->net);

    if (rc == NET_UNDER_WAY)
        return;
    if (rc < 0) {
        links_conn_failed(c, rc);
        return;
    }
    c->phase = LINKS_GREETING;
    c->can_write = true;
    links_say_hello(c);
}

void links_conn_work(struct links_conn *c)
{
    links_conn_kick(c); /* for the flush, which also says what is wanted */
    if (c->phase == LINKS_CONNECTING)
        look_at_outcome(c);
    else if (c->phase == LINKS_GREETING)
        links_hear_hello(c);
    else
        receive(c);
}

/* The rest of the bytes behind a hello. False: c is gone. */
bool links_conn_take_rest(struct links_conn *c, struct slice rest)
{
    int rc = rest.size > 0 ? take(c, &rest, 0) : 0;

    if (rc < 0)
        links_conn_ended(c, rc);
    return rc == 0;
}
