/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/mark.h"
#include "node/links_internal.h"

/* The table of other nodes: each reactor has its own, which follows that of reactor 0 by mail. */

enum news_kind {
    NEWS_KNOW,
    NEWS_FORGET,
    NEWS_SELF, /* what this node is */
    NEWS_MAIN, /* the main connection came or went */
};

struct news {
    struct lane_mail mail;
    struct links *to;
    enum news_kind kind;
    char *node_id, *address;
    int32_t broker_id;
    struct uuid id; /* of the incarnation, or of the cluster */
    bool up, dead;
    uint32_t n_shards;
    uint64_t boot;
};

struct links_peer *links_peer_find(const struct links *l, const char *node_id)
{
    struct links_peer *p;

    list_foreach (&l->peers, p, link)
        if (strcmp(p->node_id, node_id) == 0)
            return p;
    return NULL;
}

struct links_peer *links_peer_of_broker(const struct links *l, int32_t broker_id)
{
    struct links_peer *p;

    list_foreach (&l->peers, p, link)
        if (p->broker_id == broker_id)
            return p;
    return NULL;
}

void links_peer_free(struct links_peer *p)
{
    links_channels_free(p);
    list_remove(&p->link);
    free(p->node_id);
    free(p->address);
    free(p->lsns);
    free(p);
}

static struct links_peer *peer_new(struct links *l, const char *node_id)
{
    struct links_peer *p = xcalloc(1, sizeof(*p));

    p->links = l;
    p->node_id = xstrdup(node_id);
    p->address = xstrdup("");
    p->broker_id = RAFT_NONE;
    list_init(&p->channels);
    list_append(&l->peers, &p->link);
    return p;
}

/* Who was met isn't whom the cluster knows it by since now. Where nothing is new, who was met is newer than that. */
static bool is_another(const struct links_peer *p, const struct uuid *incarnation)
{
    return !uuid_is_zero(incarnation) && !uuid_eq(incarnation, &p->incarnation) && !uuid_is_zero(&p->seen) &&
           !uuid_eq(incarnation, &p->seen);
}

/* Who was met as somebody else is met again. */
static void apply_know(struct links *l, const struct news *news)
{
    struct links_peer *p = links_peer_find(l, news->node_id);
    bool is_new = p == NULL;

    if (is_new)
        p = peer_new(l, news->node_id);
    if (!is_new &&
        (p->broker_id != news->broker_id || strcmp(p->address, news->address) != 0 || is_another(p, &news->id)))
        links_peer_cut(p, false);
    free(p->address);
    p->address = xstrdup(news->address);
    p->broker_id = news->broker_id;
    p->incarnation = news->id;
    links_make_channels(p);
    links_look_soon(l);
}

static void apply_forget(struct links *l, const struct news *news)
{
    struct links_peer *p = links_peer_find(l, news->node_id);

    if (p == NULL)
        return;
    links_peer_cut(p, false);
    links_peer_free(p);
}

/* Both sides agreed on what this node was: they are to agree anew. */
static void apply_self(struct links *l, const struct news *news)
{
    struct links_peer *p;

    l->broker_id = news->broker_id;
    l->cluster_id = news->id;
    list_foreach (&l->peers, p, link)
        links_peer_cut(p, false);
    links_look_soon(l);
}

/* Groups here hear of a death at once, also where no connection was up. */
static void tell_dead(struct links_peer *p)
{
    struct node *n = p->links->node;

    if (p->broker_id == RAFT_NONE || p->links->broker_id == RAFT_NONE)
        return; /* one of them is in no cluster yet */
    for (unsigned s = p->links->r->index; s < n->n_shards; s += n->n_reactors) {
        const struct links_channel *ch;
        bool up = false;

        list_foreach (&p->channels, ch, link)
            up = up || (ch->conn != NULL && ch->lane == PEER_CONTROL && ch->shard == &n->shards[s]);
        if (!up)
            fleet_peer_down(n->shards[s].replicas.fleet, p->broker_id, true);
    }
}

static void cut_older(struct links_peer *p, uint64_t boot)
{
    struct links_channel *ch;

    list_foreach (&p->channels, ch, link)
        if (ch->conn != NULL && ch->conn->boot < boot)
            links_conn_ended(ch->conn, -ECONNRESET);
}

/* It is another data directory: what was between the two isn't any more. */
static void change_shards(struct links_peer *p, uint32_t n_shards)
{
    links_peer_cut(p, false);
    links_channels_free(p);
    free(TAKE_PTR(p->lsns));
    p->n_shards = n_shards;
    links_make_channels(p);
}

static void apply_main(struct links *l, const struct news *news)
{
    struct links_peer *p = links_peer_find(l, news->node_id);

    if (p == NULL)
        return;
    p->is_there = news->up;
    if (news->dead && !p->said_dead)
        tell_dead(p);
    p->said_dead = news->dead;
    if (!news->up)
        return;
    if (p->n_shards != news->n_shards)
        change_shards(p, news->n_shards);
    cut_older(p, news->boot);
    links_make_channels(p);
    links_look_soon(l);
}

static void apply(struct links *l, const struct news *news)
{
    if (l->stopped)
        return;
    switch (news->kind) {
    case NEWS_KNOW:
        apply_know(l, news);
        break;
    case NEWS_FORGET:
        apply_forget(l, news);
        break;
    case NEWS_SELF:
        apply_self(l, news);
        break;
    case NEWS_MAIN:
        apply_main(l, news);
        break;
    }
}

static void news_free(struct news *news)
{
    free(news->node_id);
    free(news->address);
    free(news);
}

static void news_arrived(struct lane_mail *mail)
{
    struct news *news = container_of(mail, struct news, mail);

    apply(news->to, news);
    news_free(news);
}

/* Here at once, on the other reactors by mail, each after what was told before. */
static void tell_all(struct links *l, const struct news *what)
{
    struct node *n = l->node;

    gq_assert(l->r->index == 0);
    for (unsigned i = 1; i < n->n_reactors; i++) {
        struct news *news = xmalloc(sizeof(*news));

        *news = *what;
        news->to = n->reactors[i].links;
        news->node_id = what->node_id != NULL ? xstrdup(what->node_id) : NULL;
        news->address = what->address != NULL ? xstrdup(what->address) : NULL;
        news->mail.deliver = news_arrived;
        lane_post(l->r->env->lane, i, &news->mail);
    }
    apply(l, what);
}

void links_know(struct node *n, const struct node_peer *p)
{
    if (strcmp(p->node_id, n->superblock.node_id) == 0)
        return;
    tell_all(n->reactors[0].links, &(struct news){
                                       .kind = NEWS_KNOW,
                                       .node_id = (char *)p->node_id,
                                       .address = (char *)p->raft_addr,
                                       .broker_id = p->broker_id,
                                       .id = p->incarnation,
                                   });
}

void links_forget(struct node *n, const char *node_id)
{
    tell_all(n->reactors[0].links, &(struct news){ .kind = NEWS_FORGET, .node_id = (char *)node_id });
}

void links_tell_self(struct links *l)
{
    const struct superblock *sb = &l->node->superblock;

    tell_all(l, &(struct news){ .kind = NEWS_SELF, .broker_id = sb->broker_id, .id = sb->cluster_id });
}

void links_tell_main(struct links_peer *p, bool up, bool dead)
{
    if (p->links->stopped)
        return;
    tell_all(p->links, &(struct news){
                           .kind = NEWS_MAIN,
                           .node_id = p->node_id,
                           .up = up,
                           .dead = dead,
                           .n_shards = p->n_shards,
                           .boot = p->boot,
                       });
}

/* ---- Who it was ---- */

static int goes_back(const struct links_peer *p, const char *what, uint64_t now, uint64_t before,
                     struct error_text *err)
{
    GQ_MARK(LINK_OLD_DISK);
    error_setf(err,
               "node '%s' runs on an old disk image: its %s went back from %llu to %llu; it can come back with a blank "
               "data directory",
               p->node_id, what, (unsigned long long)before, (unsigned long long)now);
    return -EPERM;
}

/* Of shards it has as many as its data directory was made with. */
static void begin_anew(struct links_peer *p, const struct peer_hello *h)
{
    if (p->n_shards != 0 && p->n_shards != h->n_shards)
        change_shards(p, h->n_shards);
    else if (!uuid_is_zero(&p->seen))
        links_peer_cut(p, false);
    p->n_shards = h->n_shards;
    p->seen = h->incarnation;
    p->boot = h->boot;
    free(p->lsns);
    p->lsns = xcalloc(h->n_shards, sizeof(*p->lsns));
}

/* A blank one is there in place of who is known, or the cluster has taken one already, of which is to be heard here. */
static int check_another(const struct links_peer *p, const struct peer_hello *h, struct error_text *err)
{
    if (uuid_is_zero(&h->cluster_id)) {
        if (!p->is_there || !uuid_eq(&p->seen, &p->incarnation))
            return 0;
        error_setf(err, "a second node calls itself '%s', with a blank data directory", p->node_id);
        return -EPERM;
    }
    if (!node_peer_was_replaced(p->links->r, p->node_id, &h->incarnation))
        return 0;
    error_setf(
        err,
        "node '%s' has a data directory that it lost, as far as the cluster knows: it was readmitted with another "
        "one",
        p->node_id);
    return -EPERM;
}

int links_remember(struct links_peer *p, const struct peer_hello *h, struct error_text *err)
{
    if (!uuid_is_zero(&p->incarnation) && !uuid_eq(&p->incarnation, &h->incarnation)) {
        int rc = check_another(p, h, err);

        if (rc != 0)
            return rc;
    }
    if (p->broker_id != RAFT_NONE && h->broker_id != RAFT_NONE && p->broker_id != h->broker_id) {
        error_setf(err, "node '%s' calls itself broker %d, the cluster calls it %d", p->node_id, h->broker_id,
                   p->broker_id);
        return -EPERM;
    }
    if (!uuid_eq(&p->seen, &h->incarnation) || p->lsns == NULL)
        begin_anew(p, h);
    if (h->n_shards != p->n_shards) {
        error_setf(err, "node '%s' has %u shards, it had %u", p->node_id, h->n_shards, p->n_shards);
        return -EPERM;
    }
    if (h->boot < p->boot && !GQ_BUG(OLD_DISK_TRUSTED))
        return goes_back(p, "count of starts", h->boot, p->boot, err);
    if (h->durable_lsn < p->lsns[h->from_shard] && !GQ_BUG(OLD_DISK_TRUSTED))
        return goes_back(p, "journal", h->durable_lsn, p->lsns[h->from_shard], err);
    p->boot = h->boot;
    p->lsns[h->from_shard] = h->durable_lsn;
    return 0;
}
