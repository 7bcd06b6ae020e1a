/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/cluster.h"

/* One random run: everything that may happen to a cluster, in an order that the seed draws; then all is healed, and
 * the cluster must commit within a bound. */

static struct node *draw_node(struct cluster *c)
{
    return &c->nodes[1 + rand_below(&c->rand, c->n_nodes)];
}

/* Mostly one that leads. */
static struct node *draw_leader(struct cluster *c)
{
    struct node *n = draw_node(c);

    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (n->up && raft_role(n->raft) == RAFT_LEADER)
            break;
        n = &c->nodes[n->id % (int32_t)c->n_nodes + 1];
    }
    return n;
}

static bool is_cut(const struct cluster *c, const struct raft_message *m)
{
    return c->cut[m->from][m->to] || !c->nodes[m->to].up;
}

static void lose(struct cluster *c, unsigned i)
{
    struct raft_message m = c->packets[i].m;

    cluster_drop(c, i);
    if (m.kind == RAFT_SNAPSHOT)
        cluster_step(c, m.from, &(struct raft_event){ .kind = RAFT_SNAPSHOT_FAILED, .peer = m.to }, NULL);
}

static void network(struct cluster *c, unsigned loss)
{
    unsigned i;

    if (c->n_packets == 0)
        return;
    i = rand_chance(&c->rand, 3, 4) ? 0 : (unsigned)rand_below(&c->rand, c->n_packets);
    if (is_cut(c, &c->packets[i].m) || rand_chance(&c->rand, loss, 100))
        lose(c, i);
    else
        cluster_deliver(c, i, rand_chance(&c->rand, 1, 20));
}

static void disks(struct cluster *c)
{
    struct node *n = draw_node(c);

    if (n->up && n->n_ops > 0)
        disk_flush(n, 1 + (unsigned)rand_below(&c->rand, n->n_ops));
}

static void pass_time(struct cluster *c, uint64_t by)
{
    c->now += by;
    session_tick(c);
    for (unsigned i = 1; i <= c->n_nodes; i++)
        cluster_tick(c, (int32_t)i);
}

static void peer_down(struct cluster *c, int32_t id)
{
    for (unsigned i = 1; i <= c->n_nodes; i++)
        if ((int32_t)i != id && rand_chance(&c->rand, 1, 2))
            cluster_step(c, (int32_t)i, &(struct raft_event){ .kind = RAFT_PEER_DOWN, .peer = id }, NULL);
}

/* An image on its way to a node that dies is lost, and its sender hears of it. */
static void crash(struct cluster *c, struct node *n)
{
    if (!n->up)
        return;
    disk_crash(n, (unsigned)rand_below(&c->rand, n->n_ops + 1));
    for (unsigned i = 1; i <= c->n_nodes; i++)
        cluster_step(c, (int32_t)i, &(struct raft_event){ .kind = RAFT_SNAPSHOT_FAILED, .peer = n->id }, NULL);
    peer_down(c, n->id);
}

static void crash_or_restart(struct cluster *c)
{
    struct node *n = draw_node(c);

    if (!n->up)
        disk_restart(n);
    else if (rand_chance(&c->rand, 1, 3))
        crash(c, n);
}

static void cut(struct cluster *c)
{
    unsigned a = 1 + (unsigned)rand_below(&c->rand, c->n_nodes), b = 1 + (unsigned)rand_below(&c->rand, c->n_nodes);
    bool off = rand_chance(&c->rand, 1, 2);

    if (rand_chance(&c->rand, 1, 4)) {
        memset(c->cut, 0, sizeof(c->cut));
    } else if (rand_chance(&c->rand, 1, 3)) {
        for (unsigned i = 1; i <= c->n_nodes; i++)
            c->cut[a][i] = c->cut[i][a] = off;
    } else {
        c->cut[a][b] = off;
        if (rand_chance(&c->rand, 1, 2))
            c->cut[b][a] = off;
    }
}

/* The next step of a change that the seed draws: learners first, then a joint configuration, then its end. */
static void change_config(struct cluster *c)
{
    struct node *n = draw_leader(c);
    uint8_t roles[CLUSTER_NODES + 1] = { 0 };
    bool joint = false, all = true;
    struct raft_config config;

    if (!n->up || raft_role(n->raft) != RAFT_LEADER)
        return;
    raft_config(n->raft, &config, NULL);
    for (uint32_t i = 0; i < config.n_members; i++) {
        roles[config.members[i].id] = config.members[i].roles;
        joint = joint || (config.members[i].roles & RAFT_OUTGOING) != 0;
    }
    for (unsigned i = 1; i <= c->n_nodes; i++) {
        all = all && roles[i] != 0;
        if (joint)
            roles[i] = (roles[i] & RAFT_VOTER) != 0 ? RAFT_VOTER : rand_chance(&c->rand, 1, 2) ? RAFT_LEARNER : 0;
    }
    if (!joint && !all) {
        for (unsigned i = 1; i <= c->n_nodes; i++)
            roles[i] = roles[i] != 0 ? roles[i] : RAFT_LEARNER;
    } else if (!joint) {
        for (unsigned i = 1; i <= c->n_nodes; i++) {
            uint8_t outgoing = (roles[i] & RAFT_VOTER) != 0 ? RAFT_OUTGOING : 0;

            roles[i] = outgoing | (rand_chance(&c->rand, 1, 2) ? RAFT_VOTER : RAFT_LEARNER);
        }
    }
    c->n_configs += cluster_propose_config(c, n->id, roles) == 0;
}

static void compact(struct cluster *c)
{
    struct node *n = draw_node(c);
    uint64_t end;

    if (!n->up)
        return;
    end = MIN(n->stored_commit, raft_flushed_index(n->raft));
    if (end <= n->log.start || n->disk.start > n->log.start || end > n->disk.last)
        return;
    end = n->log.start + rand_below(&c->rand, end - n->log.start + 1);
    /* The new start is durable before the core hears of it. */
    n->disk.start = n->log.start = MAX(end, n->disk.start);
    cluster_step(c, n->id, &(struct raft_event){ .kind = RAFT_COMPACT, .index = end }, NULL);
}

static void ask(struct cluster *c, unsigned flags)
{
    struct node *n = draw_leader(c);

    switch (rand_below(&c->rand, 4)) {
    case 0:
        if ((flags & SCHEDULE_CONFIGS) != 0)
            change_config(c);
        break;
    case 1:
        if ((flags & SCHEDULE_IMAGES) != 0)
            compact(c);
        break;
    case 2:
        if ((flags & SCHEDULE_READS) != 0)
            cluster_step(c, n->id, &(struct raft_event){ .kind = RAFT_READ }, NULL);
        break;
    case 3:
        if ((flags & SCHEDULE_TRANSFERS) == 0 || !rand_chance(&c->rand, 1, 8))
            break;
        c->n_transfers++;
        cluster_step(c, n->id, &(struct raft_event){ .kind = RAFT_TRANSFER, .peer = draw_node(c)->id }, NULL);
        break;
    }
}

/* How often each kind of event comes, of a thousand. */
struct weather {
    unsigned loss;                                                      /* percent of the messages */
    unsigned network, disks, time, propose, ask, crash, cut, peer_down; /* else a node campaigns */
};

static const struct weather weathers[] = {
    { 2, 550, 200, 110, 60, 50, 12, 12, 3 },
    { 20, 550, 200, 110, 60, 50, 12, 12, 3 },
    { 2, 480, 120, 100, 120, 60, 40, 40, 10 },
    { 10, 450, 60, 150, 100, 80, 60, 40, 20 },
    /* So quiet that groups come to rest. */
    { 1, 620, 180, 170, 4, 16, 3, 4, 1 },
};

static bool is_next(uint64_t *what, unsigned weight)
{
    if (*what < weight)
        return true;
    *what -= weight;
    return false;
}

static void one_event(struct cluster *c, unsigned flags, const struct weather *w)
{
    uint64_t what = rand_below(&c->rand, 1000);

    if (is_next(&what, w->network))
        network(c, w->loss);
    else if (is_next(&what, w->disks))
        disks(c);
    else if (is_next(&what, w->time))
        pass_time(c, rand_below(&c->rand, 12));
    else if (is_next(&what, w->propose))
        cluster_propose(c, draw_leader(c)->id, 1 + (unsigned)rand_below(&c->rand, 4),
                        (uint32_t)rand_range(&c->rand, 1, 250));
    else if (is_next(&what, w->ask))
        ask(c, flags);
    else if (is_next(&what, w->crash))
        crash_or_restart(c);
    else if (is_next(&what, w->cut))
        cut(c);
    else if (is_next(&what, w->peer_down))
        peer_down(c, draw_node(c)->id);
    else
        cluster_step(c, draw_node(c)->id, &(struct raft_event){ .kind = RAFT_CAMPAIGN }, NULL);
}

static bool all_caught_up(struct cluster *c, uint64_t least)
{
    struct node *leader = draw_leader(c);
    struct raft_config config;

    if (raft_role(leader->raft) != RAFT_LEADER || c->n_truth < least || raft_commit_index(leader->raft) < c->n_truth)
        return false;
    raft_config(leader->raft, &config, NULL);
    for (uint32_t i = 0; i < config.n_members; i++)
        if (raft_commit_index(c->nodes[config.members[i].id].raft) < c->n_truth)
            return false;
    return true;
}

/* All nodes up, all messages arrive, all disks work: something new is committed everywhere before long. */
static void heal(struct cluster *c)
{
    uint64_t before = c->n_truth;
    bool proposed = false;

    memset(c->cut, 0, sizeof(c->cut));
    for (unsigned i = 1; i <= c->n_nodes; i++)
        if (!c->nodes[i].up)
            disk_restart(&c->nodes[i]);
    for (unsigned round = 0; round < 2000 && c->failure[0] == '\0'; round++) {
        struct node *leader;

        for (unsigned i = 0; i < 64 && c->n_packets > 0; i++)
            cluster_deliver(c, 0, false);
        for (unsigned i = 1; i <= c->n_nodes; i++)
            disk_flush(&c->nodes[i], c->nodes[i].n_ops);
        pass_time(c, 5);
        leader = draw_leader(c);
        if (!proposed && raft_role(leader->raft) == RAFT_LEADER)
            proposed = cluster_propose(c, leader->id, 1, 10) == 0 || leader->log.last + 16 > CLUSTER_LOG;
        if (proposed && all_caught_up(c, before))
            return;
    }
    cluster_fail(c, "no progress after all was healed");
}

struct cluster *schedule_run(uint64_t seed, unsigned n_events, unsigned flags)
{
    unsigned n_nodes = seed % 3 == 0 ? 5 : seed % 3 == 1 ? 3 : 4;
    struct cluster *c = cluster_new(seed, n_nodes, n_nodes == 4 && (flags & SCHEDULE_CONFIGS) != 0 ? 3 : n_nodes);
    const struct weather *w = &weathers[rand_below(&c->rand, ARRAY_SIZE(weathers))];

    c->sessions = (flags & SCHEDULE_SESSIONS) != 0;
    c->limits.quiesce = seed % 2 == 0;
    if (seed % 5 == 0)
        c->limits.message_entries = 1 + seed / 5 % 4;
    for (unsigned i = 0; i < n_events && c->failure[0] == '\0'; i++)
        one_event(c, flags, w);
    if (c->failure[0] == '\0')
        heal(c);
    check_logs(c);
    return c;
}
