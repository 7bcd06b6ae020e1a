/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

#define RETENTION_INTERVAL_NS (5000ull * 1000 * 1000)
#define PINS_INTERVAL_NS (100ull * 1000 * 1000)

static void pinned(void *ctx, uint64_t group, uint64_t index)
{
    struct node_shard *s = ctx;
    struct node_group *g = node_group_find(s, group);

    if (g != NULL && !g->gone)
        replica_checkpoint(g->replica, index);
}

/* Only a journal that was written since the last look can have come under pressure. */
static bool look_for_pins(struct node_shard *s)
{
    struct journal_stats stats;

    journal_stats(s->journal, &stats);
    if (stats.n_flushes == s->checked_flushes)
        return false;
    s->checked_flushes = stats.n_flushes;
    journal_pins(s->journal, pinned, s);
    return true;
}

static void retain(struct node_shard *s)
{
    struct node_group *g;

    list_foreach (&s->groups, g, link) {
        if (!g->gone)
            replica_housekeep(g->replica);
    }
}

uint64_t node_housekeep(struct node_reactor *r)
{
    struct node *n = r->node;
    bool due = r->now_ns >= r->next_housekeep_ns, busy = false;

    if (due)
        r->next_housekeep_ns = r->now_ns + RETENTION_INTERVAL_NS;
    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors) {
        if (due)
            retain(&n->shards[s]);
        if (r->now_ns >= r->next_pins_ns)
            busy |= look_for_pins(&n->shards[s]);
    }
    if (r->now_ns >= r->next_pins_ns)
        r->next_pins_ns = r->now_ns + PINS_INTERVAL_NS;
    return busy ? MIN(r->next_pins_ns, r->next_housekeep_ns) : r->next_housekeep_ns;
}
