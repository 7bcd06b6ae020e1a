/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "replica/cluster.h"

static struct replica *replica_of(const struct cluster *c, int node)
{
    return c->nodes[node]->groups[0].replica;
}

static bool all_up(const struct cluster *c)
{
    for (int i = 0; i < c->n; i++)
        if (!c->up[i])
            return false;
    return true;
}

/* May get lost. */
static void produce_carelessly(struct cluster *c, int node)
{
    struct rig_op *op = rig_prepare(c->nodes[node], 0, 1, sim_prng_below(&c->prng, 600));

    op->op.produce.acks = (int8_t)sim_prng_below(&c->prng, 2);
    rig_send(c->nodes[node], op);
}

static void read_somewhere(struct cluster *c)
{
    int node = (int)sim_prng_below(&c->prng, (uint64_t)c->n);

    if (c->up[node])
        cluster_read(c, node, sim_prng_chance(&c->prng, 1, 2));
}

/* To whoever is there: most of them send it away. */
static void ask_all(struct cluster *c)
{
    for (int i = 0; i < c->n; i++) {
        if (!c->up[i])
            continue;
        cluster_produce(c, i, sim_prng_below(&c->prng, 600));
        if (sim_prng_chance(&c->prng, 1, 4))
            produce_carelessly(c, i);
        if (replica_leads(replica_of(c, i)))
            cluster_try(c, i);
        if (sim_prng_chance(&c->prng, 1, 3))
            cluster_ask_end(c, i);
    }
}

/* Whoever leads, or believes so. */
static void forget_records(struct cluster *c)
{
    int64_t keep = (int64_t)sim_prng_below(&c->prng, 10);

    for (int i = 0; i < c->n; i++) {
        int64_t end = c->up[i] ? replica_high_watermark(replica_of(c, i)) : 0;

        if (end > keep && replica_leads(replica_of(c, i)))
            rig_submit(c->nodes[i], 0,
                       &(struct replica_op){ .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = end - keep });
    }
}

/* A link of the node gets worse. */
static void spoil_link(struct cluster *c, int node)
{
    int other = (node + 1 + (int)sim_prng_below(&c->prng, (uint64_t)c->n - 1)) % c->n;

    switch (sim_prng_below(&c->prng, 3)) {
    case 0:
        c->links[node][other].delay_ms = (unsigned)sim_prng_below(&c->prng, 400);
        break;
    case 1:
        c->links[node][other].mute = true;
        break;
    case 2:
        cluster_part(c, node, other, sim_prng_chance(&c->prng, 1, 2));
        break;
    }
}

/* A leader asks the node to lead and is cut off, so that it doesn't know for a while that it leads no longer. */
static void leave_in_the_dark(struct cluster *c, int node)
{
    struct replica *r = replica_of(c, node);
    int32_t leader = replica_leader(r);
    struct replica_message go = {
        .group = 1, .raft = { .kind = RAFT_TIMEOUT_NOW, .from = leader, .to = node + 1, .term = replica_term(r) }
    };

    if (leader == RAFT_NONE || replica_leads(r))
        return;
    c->cut[leader - 1] = true;
    ck_quick(replica_receive(r, &go) == 0);
}

void cluster_act(struct cluster *c)
{
    int node = (int)sim_prng_below(&c->prng, (uint64_t)c->n);

    switch (sim_prng_below(&c->prng, 21)) {
    case 0:
        if (all_up(c))
            cluster_crash(c, node);
        break;
    case 1:
        c->cut[node] = !c->cut[node];
        break;
    case 2:
        if (c->up[node] && replica_of(c, node)->peers != NULL)
            replica_campaign(replica_of(c, node));
        break;
    case 3:
        if (c->up[node])
            replica_checkpoint(replica_of(c, node), UINT64_MAX);
        break;
    case 4: /* a disk that stalls */
        if (c->up[node])
            sim_lane_hold(c->nodes[node]->lane, LANE_FLUSH, 0, sim_prng_chance(&c->prng, 1, 2));
        break;
    case 5: /* it is back before anybody misses it */
        if (c->up[node] && all_up(c)) {
            if (sim_prng_chance(&c->prng, 1, 2))
                cluster_kill(c, node);
            else
                cluster_crash(c, node);
            cluster_restart(c, node);
        }
        break;
    case 6:
        if (c->up[node])
            replica_transfer(replica_of(c, node), 1 + (int32_t)sim_prng_below(&c->prng, (uint64_t)c->n));
        break;
    case 7: /* the journal turns over */
        for (int i = 0; i < 10 && c->up[node]; i++)
            rig_produce(c->nodes[node], 1, 1, 20000);
        break;
    case 8:
    case 9: /* who is away then may come back below the log start */
        forget_records(c);
        break;
    case 10:
    case 11:
        spoil_link(c, node);
        break;
    case 12:
        if (c->up[node])
            replica_shard_hand_over(&c->nodes[node]->shard);
        break;
    case 13:
        if (c->up[node] && !c->cut[node])
            leave_in_the_dark(c, node);
        break;
    default:
        ask_all(c);
        break;
    }
}

static bool is_at_rest(const struct cluster *c)
{
    for (int i = 0; i < c->n; i++)
        if (!c->up[i] || !fleet_is_at_rest(&replica_of(c, i)->peers->member))
            return false;
    return true;
}

void cluster_story(uint64_t seed, struct cluster_counts *counts)
{
    struct cluster *c = cluster_new(100 + seed, 4096);

    c->loss = 5;
    c->crash_images = true;
    cluster_set_min_insync(c, seed % 8 == 5 ? 3 : seed % 2 == 0 ? 2 : 1);
    for (int i = 0; i < c->n && seed % 3 == 0; i++)
        c->nodes[i]->max_dirty_segments = 1; /* from the next start on */
    for (int i = 0; i < 200; i++) {
        cluster_act(c);
        read_somewhere(c);
        cluster_run(c, (unsigned)sim_prng_below(&c->prng, sim_prng_chance(&c->prng, 1, 6) ? 2000 : 100));
        counts->n_rests += is_at_rest(c);
        if (sim_prng_chance(&c->prng, 1, 6))
            cluster_heal(c);
    }
    cluster_check(c);
    for (size_t i = 0; i < c->n_batches; i++)
        counts->n_acked += c->batches[i].acked;
    counts->n_read += c->reader.n_read;
    counts->n_messages += c->n_messages;
    counts->n_session_messages += c->n_session_messages;
    counts->n_loaded += c->n_loaded;
    counts->n_images += c->n_images;
    counts->n_terms += replica_term(replica_of(c, 0));
    cluster_free(c);
}
