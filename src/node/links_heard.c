/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"
#include "node/links.h"

/* What links tell of their own, and ask of the node. */

void node_image_lost(struct node_shard *s, uint64_t group, int32_t to)
{
    struct node_group *g = node_group_find(s, group);

    if (g != NULL && !g->gone)
        replica_image_lost(g->replica, to);
}

bool node_peer_was_replaced(const struct node_reactor *r, const char *node_id, const struct uuid *incarnation)
{
    const struct meta_broker *b = meta_broker_by_node(&r->meta, node_id);

    return b != NULL && meta_broker_was(b, incarnation);
}

void node_peer_refused(struct node *n, const char *text)
{
    if (n->host.peer_refused != NULL)
        n->host.peer_refused(n->host.ctx, text);
}

/* Of a start, so that it doesn't depend on when it is asked for: what was flushed since may be known to nobody after a
 * crash. */
uint64_t node_start_lsn(const struct node_shard *s)
{
    struct journal_stats stats;

    journal_stats(s->journal, &stats);
    return stats.flushed_lsn;
}

void node_peer_limits(const struct node_shard *s, struct peer_limits *ret)
{
    *ret = (struct peer_limits){
        .max_entry_bytes = (uint32_t)MIN(journal_max_entry(s->journal), (size_t)UINT32_MAX),
        .max_image_bytes = REPLICA_SNAPSHOT_MAX,
    };
}
