/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

#define RETENTION_INTERVAL_NS (5000ull * 1000 * 1000)
#define TICK_INTERVAL_NS (1000ull * 1000 * 1000)
#define TRIM_INTERVAL_NS (10ull * 1000 * 1000)
#define PINS_INTERVAL_NS (100ull * 1000 * 1000)
#define LOSSES_INTERVAL_NS (60000ull * 1000 * 1000)

/* Only a journal that was written since the last look can have come under pressure, or one that lacks space. */
static bool wants_pins(const struct node_shard *s)
{
    struct journal_stats stats;

    journal_stats(s->journal, &stats);
    return stats.n_flushes != s->checked_flushes || journal_space_error(s->journal) != 0;
}

static void look_for_pins(struct node_shard *s)
{
    struct journal_stats stats;

    journal_stats(s->journal, &stats);
    s->checked_flushes = stats.n_flushes;
    replica_shard_recycle(&s->replicas);
}

static void retain(struct node_shard *s)
{
    struct node_group *g;

    list_foreach (&s->groups, g, link) {
        if (!g->gone)
            replica_housekeep(g->replica);
    }
}

static bool is_due(uint64_t *next_ns, uint64_t now_ns, uint64_t interval_ns)
{
    if (now_ns < *next_ns)
        return false;
    *next_ns = now_ns + interval_ns;
    return true;
}

/* What nobody needs of what is kept goes back in steps. Returns when to go on. */
static uint64_t trim(struct node_reactor *r, bool tick)
{
    if (tick) {
        bool buffers = buf_pool_trim(&r->pool), blocks = mem_pool_trim(&r->blocks);

        r->trims = buffers || blocks;
        r->next_trim_ns = r->now_ns + TRIM_INTERVAL_NS;
    } else if (is_due(&r->next_trim_ns, r->now_ns, TRIM_INTERVAL_NS)) {
        (void)buf_pool_trim_on(&r->pool);
        (void)mem_pool_trim_on(&r->blocks);
    }
    if (r->pool.kept.due_bytes > 0 || r->blocks.kept.due_bytes > 0)
        return r->next_trim_ns;
    return r->trims ? r->next_tick_ns : UINT64_MAX;
}

uint64_t node_housekeep(struct node_reactor *r)
{
    struct node *n = r->node;
    bool retention = is_due(&r->next_housekeep_ns, r->now_ns, RETENTION_INTERVAL_NS);
    bool tick = is_due(&r->next_tick_ns, r->now_ns, TICK_INTERVAL_NS);
    bool losses = r->in_cluster && is_due(&r->next_losses_ns, r->now_ns, LOSSES_INTERVAL_NS);
    bool pins = is_due(&r->next_pins_ns, r->now_ns, PINS_INTERVAL_NS);
    uint64_t deadline = r->next_housekeep_ns;

    deadline = MIN(deadline, trim(r, tick));
    for (unsigned i = r->index; i < n->n_shards; i += n->n_reactors) {
        struct node_shard *s = &n->shards[i];

        if (retention && r->phase < NODE_CHECKPOINTING)
            retain(s);
        if (tick && journal_needs_tick(s->journal))
            journal_tick(s->journal);
        if (tick && r->in_cluster)
            node_look_for_in_sync(s);
        if (losses)
            node_look_for_losses(s);
        if (pins && wants_pins(s))
            look_for_pins(s);
        if (journal_needs_tick(s->journal))
            deadline = MIN(deadline, r->next_tick_ns);
        if (wants_pins(s))
            deadline = MIN(deadline, r->next_pins_ns);
    }
    return deadline;
}
