/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "node/links_internal.h"

/* Channels: who dials when, what a connection that comes up or ends means to the shard's fleet. */

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Group g is on shard (g − 1) % shards of each. */
bool links_shares(const struct links *l, const struct links_peer *p, uint32_t ours, uint32_t theirs)
{
    uint32_t common = gcd(l->node->n_shards, p->n_shards);

    return ours % common == theirs % common;
}

static bool is_ours(const struct links *l, uint32_t shard)
{
    return shard % l->node->n_reactors == l->r->index;
}

static struct links_channel *find(const struct links_peer *p, const struct node_shard *s, uint32_t their_shard,
                                  enum peer_lane lane)
{
    struct links_channel *ch;

    list_foreach (&p->channels, ch, link)
        if (ch->shard == s && ch->their_shard == their_shard && ch->lane == lane)
            return ch;
    return NULL;
}

/* The first try is left to the node with the smaller id: that saves the other one for most. */
static uint64_t first_try_ns(const struct links_peer *p)
{
    const struct links *l = p->links;

    if (strcmp(l->node->superblock.node_id, p->node_id) < 0)
        return l->r->now_ns;
    return l->r->now_ns + LINKS_COURTESY_NS + prng_u64(l->r->env->prng) % LINKS_COURTESY_NS;
}

struct links_channel *links_channel(struct links_peer *p, struct node_shard *s, uint32_t their_shard,
                                    enum peer_lane lane)
{
    struct links_channel *ch = find(p, s, their_shard, lane);

    if (ch != NULL)
        return ch;
    ch = xcalloc(1, sizeof(*ch));
    ch->peer = p;
    ch->shard = s;
    ch->their_shard = their_shard;
    ch->lane = lane;
    ch->due_ns = lane == PEER_BULK ? p->links->r->now_ns : first_try_ns(p);
    list_init(&ch->waiting);
    list_append(&p->channels, &ch->link);
    return ch;
}

/* The main one before anything is known of the other node. */
void links_make_channels(struct links_peer *p)
{
    struct links *l = p->links;
    struct node *n = l->node;

    if (l->r->index == 0)
        (void)links_channel(p, &n->shards[0], 0, PEER_CONTROL);
    if (!p->is_there)
        return;
    for (uint32_t ours = 0; ours < n->n_shards; ours++)
        for (uint32_t theirs = 0; is_ours(l, ours) && theirs < p->n_shards; theirs++)
            if (links_shares(l, p, ours, theirs))
                (void)links_channel(p, &n->shards[ours], theirs, PEER_CONTROL);
}

void links_peer_cut(struct links_peer *p, bool dead)
{
    struct links_channel *ch;

    list_foreach (&p->channels, ch, link) {
        if (ch->conn != NULL)
            links_conn_ended(ch->conn, dead ? -ECONNRESET : 0);
        if (ch->dial != NULL)
            links_conn_free(TAKE_PTR(ch->dial));
        links_drop_waiting(ch);
        ch->n_failed = 0;
        ch->due_ns = first_try_ns(p);
    }
}

void links_channels_free(struct links_peer *p)
{
    struct links_channel *ch;

    while ((ch = list_first(&p->channels, struct links_channel, link)) != NULL) {
        if (ch->conn != NULL)
            links_conn_free(ch->conn);
        if (ch->dial != NULL)
            links_conn_free(ch->dial);
        links_drop_waiting(ch);
        list_remove(&ch->link);
        free(ch);
    }
}

/* ---- What the fleet hears ---- */

/* Sessions and groups speak to nodes with broker ids only. */
static bool carries_groups(const struct links_conn *c)
{
    return c->reader.link.us != RAFT_NONE && c->reader.link.them != RAFT_NONE;
}

/* Whether another connection is up for the same shard and node. */
static bool has_other(const struct links_channel *ch)
{
    const struct links_channel *other;

    list_foreach (&ch->peer->channels, other, link)
        if (other != ch && other->shard == ch->shard && other->lane == PEER_CONTROL && other->conn != NULL)
            return true;
    return false;
}

/* Ends what was there: frames of its stream that are still to come are from before. */
static void take_off(struct links_channel *ch, struct links_conn *c)
{
    gq_assert(ch->conn == c);
    ch->conn = NULL;
    links_drop_waiting(ch);
    links_drop_sending(c);
}

void links_channel_up(struct links_channel *ch, struct links_conn *c, uint64_t boot)
{
    struct links_peer *p = ch->peer;
    struct links *l = p->links;
    struct links_conn *old = ch->conn;

    if (old != NULL) {
        GQ_MARK(LINK_REPLACED);
        take_off(ch, old);
        links_conn_free(old);
    }
    if (ch->dial == c)
        ch->dial = NULL;
    ch->conn = c;
    c->channel = ch;
    c->phase = LINKS_UP;
    c->boot = boot;
    c->up_ns = c->heard_ns = c->moved_ns = l->r->now_ns;
    peer_writer_init(&c->writer, &c->reader.link, &l->r->pool);
    if (ch->lane == PEER_CONTROL && carries_groups(c))
        fleet_peer_up(ch->shard->replicas.fleet, c->reader.link.them, c->reader.link.their_shards);
    if (links_is_main(ch))
        links_tell_main(p, carries_groups(c), false);
    links_look_soon(l);
}

static uint64_t backoff_ns(struct links *l, unsigned n_failed)
{
    uint64_t most = MIN(LINKS_BACKOFF_NS << MIN(n_failed, 10u), LINKS_BACKOFF_MAX_NS);

    return most / 2 + prng_u64(l->r->env->prng) % (most / 2);
}

/* Who is heard of by an end of stream may live: the next try tells. */
void links_conn_ended(struct links_conn *c, int how)
{
    struct links_channel *ch = c->channel;
    struct links *l = c->links;
    bool dead = how == -ECONNRESET || how == -EPIPE;

    take_off(ch, c);
    l->stats.connections_lost++;
    ch->n_failed = l->r->now_ns - c->up_ns >= LINKS_GOOD_NS ? 0 : ch->n_failed + 1;
    ch->due_ns = ch->n_failed == 0 ? first_try_ns(ch->peer) : l->r->now_ns + backoff_ns(l, ch->n_failed - 1);
    if (dead)
        GQ_MARK(LINK_RESET);
    if (ch->lane == PEER_CONTROL && carries_groups(c) && !has_other(ch))
        fleet_peer_down(ch->shard->replicas.fleet, c->reader.link.them, dead);
    links_conn_free(c);
    if (links_is_main(ch))
        links_tell_main(ch->peer, false, dead);
    links_look_soon(l);
}

void links_conn_failed(struct links_conn *c, int how)
{
    struct links_channel *ch = c->channel;
    struct links *l = c->links;

    if (ch != NULL) {
        gq_assert(ch->dial == c);
        ch->dial = NULL;
        l->stats.dials_failed++;
        ch->due_ns = l->r->now_ns + backoff_ns(l, ch->n_failed++);
        if (ch->conn == NULL)
            links_drop_waiting(ch);
        if (how == -ECONNREFUSED)
            GQ_MARK(LINK_REFUSED);
        if (how == -ECONNREFUSED && ch->conn == NULL && links_is_main(ch) && !ch->peer->said_dead)
            links_tell_main(ch->peer, false, true);
    }
    links_conn_free(c);
    links_look_soon(l);
}

/* ---- Time ---- */

static bool wants_connection(const struct links_channel *ch)
{
    if (ch->conn != NULL || ch->dial != NULL)
        return false;
    if (ch->lane == PEER_BULK)
        return !list_is_empty(&ch->waiting);
    return ch->peer->address[0] != '\0' && (links_is_main(ch) || ch->peer->is_there);
}

static void dial(struct links_channel *ch)
{
    struct links *l = ch->peer->links;
    struct links_conn *c = links_conn_new(l);
    int rc;

    c->channel = ch;
    c->dialed = true;
    ch->dial = c;
    l->stats.dials++;
    rc = net_connect(l->r->env->net, ch->peer->address, c, &c->net);
    if (rc < 0)
        links_conn_failed(c, rc);
    else
        links_conn_want(c);
}

static uint64_t look_at_channel(struct links_channel *ch, uint64_t now_ns)
{
    if (!wants_connection(ch))
        return UINT64_MAX;
    if (now_ns >= ch->due_ns)
        dial(ch);
    return wants_connection(ch) ? ch->due_ns : UINT64_MAX;
}

static bool is_silent(const struct links_conn *c, uint64_t now_ns)
{
    return c->spoke_ns != 0 && now_ns - c->spoke_ns >= (c->heard_session ? LINKS_SILENT_NS : LINKS_MUTE_NS);
}

static bool is_idle(const struct links_conn *c, uint64_t now_ns)
{
    return c->channel->lane == PEER_BULK && list_is_empty(&c->channel->waiting) && c->n_sent == c->n_put &&
           now_ns - c->moved_ns >= (c->dialed ? LINKS_IDLE_NS : 2 * LINKS_IDLE_NS);
}

/* c may be gone afterwards. */
static uint64_t look_at_conn(struct links_conn *c, uint64_t now_ns)
{
    if (c->phase != LINKS_UP) {
        if (now_ns - c->began_ns < LINKS_DIAL_NS)
            return c->began_ns + LINKS_DIAL_NS;
        GQ_MARK(LINK_NEVER_UP);
        links_conn_failed(c, -ETIMEDOUT);
    } else if (is_silent(c, now_ns)) {
        GQ_MARK(LINK_SILENT);
        links_conn_ended(c, -ETIMEDOUT);
    } else if (is_idle(c, now_ns)) {
        links_conn_ended(c, 0);
    } else {
        return now_ns + LINKS_LOOK_NS;
    }
    return now_ns;
}

void links_look(struct links *l, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    struct links_conn *c, *tmp;
    struct links_peer *p;
    struct links_channel *ch;

    l->next_ns = UINT64_MAX; /* what comes up meanwhile makes it sooner */
    list_foreach_safe (&l->conns, c, tmp, link) {
        uint64_t due_ns = look_at_conn(c, now_ns);

        next_ns = MIN(next_ns, due_ns);
    }
    list_foreach (&l->peers, p, link) {
        list_foreach (&p->channels, ch, link) {
            uint64_t due_ns = look_at_channel(ch, now_ns);

            next_ns = MIN(next_ns, due_ns);
        }
    }
    list_foreach (&l->conns, c, link)
        if (c->phase != LINKS_UP)
            next_ns = MIN(next_ns, c->began_ns + LINKS_DIAL_NS);
    l->next_ns = MIN(l->next_ns, next_ns);
}
