/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "replica/cluster.h"
#include "replica/letter.h"

/* The network of a cluster: letters on the links of its nodes, and connections, which the fleets hear of. */

/* A message of a group, or of two nodes' session. */
struct letter {
    struct list link;
    int from, to;
    uint64_t due_ms;
    struct replica_message *message; /* NULL: the other kind */
    struct fleet_message session;
};

/* ---- Messages ---- */

struct replica_message *(*cluster_carry)(const struct replica_message *m) = letter_of_message;

static void note_image(struct cluster *c, int to)
{
    c->n_images++;
    if (!c->crash_images || c->crash_in > 0 || sim_prng_chance(&c->prng, 1, 2))
        return;
    c->crash_in = 1 + (unsigned)sim_prng_below(&c->prng, 40);
    c->crash_node = to;
}

static struct letter *letter_new(struct cluster *c, int32_t from, int32_t to)
{
    struct letter *l = xcalloc(1, sizeof(*l));

    l->from = from - 1;
    l->to = to - 1;
    l->due_ms = c->now_ms + c->links[l->from][l->to].delay_ms;
    list_append(&c->links[l->from][l->to].letters, &l->link);
    return l;
}

static void letter_free(struct letter *l)
{
    replica_message_free(l->message);
    letter_session_free(&l->session);
    free(l);
}

static void note_size(struct cluster *c, const struct replica_message *m)
{
    size_t *max = m->raft.n_entries > 1 ? &c->max_bytes : &c->max_alone, size = 0;

    for (uint32_t i = 0; i < m->raft.n_entries; i++)
        size += m->entries[i].head.size + m->entries[i].batches.size;
    *max = MAX(*max, size);
    c->max_entries = MAX(c->max_entries, m->raft.n_entries);
}

static size_t loaded_bytes(const struct replica_message *m)
{
    size_t size = 0;

    for (uint32_t i = 0; i < m->raft.n_entries; i++)
        if (m->entries[i].buf == NULL)
            size += m->entries[i].head.size + m->entries[i].batches.size;
    return size;
}

static void send_message(void *ctx, struct replica_message *m)
{
    struct cluster *c = ((struct rig *)ctx)->cluster;
    struct letter *l;

    c->last = m->raft;
    c->n_appends += m->raft.kind == RAFT_APPEND && m->raft.n_entries > 0;
    c->n_loaded += m->raft.n_entries > 0 && m->data != NULL;
    c->max_loaded = MAX(c->max_loaded, loaded_bytes(m));
    note_size(c, m);
    if (m->image != NULL)
        note_image(c, m->raft.to - 1);
    l = letter_new(c, m->raft.from, m->raft.to);
    l->message = cluster_carry(m);
    l->message->incarnation = ((struct rig *)ctx)->incarnation;
    replica_message_free(m);
}

static void send_session(void *ctx, const struct fleet_message *m)
{
    struct letter *l = letter_new(((struct rig *)ctx)->cluster, m->from, m->to);

    letter_of_session(m, &l->session);
}

static void arrive(struct cluster *c, const struct letter *l)
{
    int rc;

    if (l->message != NULL) {
        c->n_messages++;
        ck_quick(replica_receive(cluster_replica(c, l->to, (unsigned)(l->message->group - 1)), l->message) == 0);
        return;
    }
    c->n_session_messages++;
    rc = fleet_receive(c->nodes[l->to]->shard.fleet, &l->session);
    ck_quick(rc == 0 || rc == FLEET_E_STALE || !c->connected[l->from][l->to]); /* it may know the node no longer */
}

static bool gets_through(const struct cluster *c, const struct letter *l)
{
    const struct cluster_link *k = &c->links[l->from][l->to];

    return c->up[l->to] && !c->cut[l->from] && !c->cut[l->to] && !k->mute && !k->apart;
}

static void deliver(struct cluster *c, struct letter *l)
{
    unsigned times = 1;

    if (c->loss > 0)
        times = sim_prng_chance(&c->prng, c->loss, 100) ? 0 : 1 + sim_prng_chance(&c->prng, c->loss, 100);
    for (; times > 0 && gets_through(c, l); times--)
        arrive(c, l);
    letter_free(l);
}

/* The first of a link; NULL: none has got there yet. */
static struct letter *first_due(struct cluster *c, struct cluster_link *k)
{
    struct letter *l = list_first(&k->letters, struct letter, link);

    return l != NULL && l->due_ms <= c->now_ms ? l : NULL;
}

/* The links in turns. Now and then one overtakes others. */
bool cluster_deliver(struct cluster *c)
{
    unsigned n = (unsigned)c->n;

    for (unsigned i = 0; i < n * n; i++) {
        unsigned at = (c->next_link + i) % (n * n);
        struct cluster_link *k = &c->links[at / n][at % n];
        struct letter *l = first_due(c, k);

        if (l == NULL)
            continue;
        c->next_link = at + 1;
        list_remove(&l->link);
        if (c->loss > 0 && sim_prng_chance(&c->prng, 1, 10))
            list_append(&k->letters, &l->link);
        else
            deliver(c, l);
        return true;
    }
    return false;
}

/* ---- Connections ---- */

static void tell_up(struct cluster *c, int node, int peer)
{
    fleet_peer_up(c->nodes[node]->shard.fleet, peer + 1, 1);
}

static void connect(struct cluster *c, int a, int b)
{
    c->connected[a][b] = c->connected[b][a] = true;
    tell_up(c, a, b);
    tell_up(c, b, a);
}

static bool can_connect(const struct cluster *c, int a, int b)
{
    return c->up[a] && c->up[b] && !c->cut[a] && !c->cut[b] && !c->links[a][b].apart && !c->links[a][b].mute &&
           !c->links[b][a].mute;
}

void cluster_connect(struct cluster *c)
{
    for (int a = 0; a < c->n; a++)
        for (int b = 0; b < a; b++)
            if (!c->connected[a][b] && can_connect(c, a, b))
                connect(c, a, b);
}

void cluster_part(struct cluster *c, int a, int b, bool dead)
{
    c->links[a][b].apart = c->links[b][a].apart = true;
    c->connected[a][b] = c->connected[b][a] = false;
    if (c->up[a])
        fleet_peer_down(c->nodes[a]->shard.fleet, b + 1, dead);
    if (c->up[b])
        fleet_peer_down(c->nodes[b]->shard.fleet, a + 1, false);
}

void cluster_disconnect(struct cluster *c, int node, bool silent)
{
    for (int i = 0; i < c->n; i++) {
        if (!c->connected[node][i])
            continue;
        c->connected[node][i] = c->connected[i][node] = false;
        if (!silent && !c->cut[node] && !c->cut[i] && !c->links[node][i].mute)
            fleet_peer_down(c->nodes[i]->shard.fleet, node + 1, true);
    }
}

/* ---- Beginning and end ---- */

void cluster_net_join(struct cluster *c, int node)
{
    c->nodes[node]->send = send_message;
    c->nodes[node]->send_session = send_session;
}

void cluster_net_init(struct cluster *c)
{
    for (int i = 0; i < c->n; i++) {
        for (int k = 0; k < c->n; k++)
            list_init(&c->links[i][k].letters);
        cluster_net_join(c, i);
    }
}

void cluster_net_fini(struct cluster *c)
{
    struct list *link;

    for (int i = 0; i < c->n; i++)
        for (int k = 0; k < c->n; k++)
            while ((link = list_pop(&c->links[i][k].letters)) != NULL)
                letter_free(list_entry(link, struct letter, link));
}
