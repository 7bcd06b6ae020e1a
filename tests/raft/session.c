/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/cluster.h"

/* The heartbeat sessions of node pairs, as far as one group sees them. A session knows at each end in which term the
 * group is in it; a message over it is heard at both ends, and where they don't agree for long, the group falls out. */

#define PATIENCE 15 /* a handshake may be under way */

uint64_t session_heard(void *ctx, int32_t peer)
{
    const struct node *n = ctx;

    return n->cluster->sessions ? n->session_heard[peer] : 0;
}

void session_reset(struct node *n)
{
    memset(n->session_heard, 0, sizeof(n->session_heard));
    memset(n->session_term, 0, sizeof(n->session_term));
}

void session_update(struct cluster *c, struct node *n)
{
    const struct raft_update *u = &c->update;

    if (u->left)
        memset(n->session_term, 0, sizeof(n->session_term));
    if (u->joined == RAFT_NONE)
        return;
    c->n_joined++;
    if (n->session_heard[u->joined] == 0)
        cluster_fail(c, "node %d joins a session with %d, and there is none", n->id, u->joined);
    n->session_term[u->joined] = u->term;
    if (c->story != NULL)
        cluster_say(c, "%d rests with %d\n", n->id, u->joined);
}

static void lose(struct cluster *c, struct node *n, int32_t peer)
{
    if (n->session_term[peer] == 0)
        return;
    n->session_term[peer] = 0;
    cluster_step(c, n->id, &(struct raft_event){ .kind = RAFT_SESSION_LOST, .peer = peer }, NULL);
}

static void silent(struct cluster *c, struct node *n, int32_t peer)
{
    if (!n->up || n->session_heard[peer] == 0 || c->now <= n->session_heard[peer] + c->limits.election_timeout)
        return;
    lose(c, n, peer);
    n->session_heard[peer] = 0;
}

static void tick_pair(struct cluster *c, struct node *a, struct node *b)
{
    uint64_t *differ = &c->sets_differ[a->id][b->id];

    if (!a->up || !b->up || c->cut[a->id][b->id] || c->cut[b->id][a->id]) {
        silent(c, a, b->id);
        silent(c, b, a->id);
        return;
    }
    a->session_heard[b->id] = b->session_heard[a->id] = c->now;
    if (a->session_term[b->id] == b->session_term[a->id]) {
        *differ = 0;
    } else if (*differ == 0) {
        *differ = c->now;
    } else if (c->now > *differ + PATIENCE) {
        lose(c, a, b->id);
        lose(c, b, a->id);
        *differ = 0;
    }
}

void session_tick(struct cluster *c)
{
    for (unsigned i = 1; c->sessions && i <= c->n_nodes; i++)
        for (unsigned j = 1; j < i; j++)
            tick_pair(c, &c->nodes[i], &c->nodes[j]);
}
