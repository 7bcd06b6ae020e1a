/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"
#include "node/links.h"

/* What others say to this node. */

/* A group that isn't here hears nothing: its leader tries again. */
void node_group_heard(struct node_shard *s, struct replica_message *m)
{
    struct node_group *g = node_group_find(s, m->group);

    if (g != NULL && !g->gone)
        (void)replica_receive(g->replica, m);
}

/* Who belongs to the cluster is known from elsewhere, and metadata has one voter. */
void node_hello_heard(struct node *n, const struct peer_hello *hello)
{
}

void node_word_heard(struct node *n, const char *node_id, enum node_word word, struct slice body)
{
}
