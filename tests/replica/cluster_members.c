/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "replica/cluster.h"

static const struct replica_members nobody = { 0 };

static struct replica *replica_of(const struct cluster *c, int node)
{
    return cluster_replica(c, node, 0);
}

/* ---- Nodes ---- */

struct rig *cluster_rig(struct cluster *c, int node, uint64_t seed, unsigned n_groups, uint64_t segment_bytes)
{
    struct rig *r = rig_new(seed, n_groups);

    r->broker_id = node + 1;
    r->incarnation.bytes[0] = (uint8_t)(node + 1);
    r->cluster = c;
    r->next_id = (uint64_t)node * 1000000;
    r->limits.segment_bytes = segment_bytes;
    r->lag_ns = CLUSTER_LAG_NS;
    if (node >= (int)c->members.n_members)
        r->members = &nobody;
    else
        r->members = c->members.n_members > 1 ? &c->members : NULL;
    return r;
}

void cluster_wipe(struct cluster *c, int node)
{
    struct rig *old = c->nodes[node], *r;

    cluster_crash(c, node);
    r = cluster_rig(c, node, sim_prng_below(&c->prng, 1u << 30), old->n_groups, old->limits.segment_bytes);
    r->clock = old->clock;
    r->next_id = old->next_id;
    r->boot = old->boot;
    r->incarnation = old->incarnation;
    r->incarnation.bytes[1]++;
    r->members = &nobody;
    rig_free(old);
    c->nodes[node] = r;
    c->wiped[node] = true;
    cluster_net_join(c, node);
    cluster_restart(c, node);
}

/* ---- Changes ---- */

void cluster_wanted(const struct cluster *c, unsigned voters, unsigned learners, struct replica_members *ret)
{
    ret->n_members = 0;
    for (int i = 0; i < c->n; i++) {
        uint8_t roles = (voters >> i & 1) != 0 ? RAFT_VOTER : RAFT_LEARNER;

        if (((voters | learners) >> i & 1) != 0)
            ret->members[ret->n_members++] = (struct replica_member){ i + 1, roles, c->nodes[i]->incarnation };
    }
}

static void change_done(struct replica_change *change, int result)
{
    struct cluster_change *c = container_of(change, struct cluster_change, change);

    ck_quick(c->busy);
    c->busy = false;
    c->result = result;
    c->n_done += result == 0;
}

int cluster_change(struct cluster *c, int node, const struct replica_members *wanted)
{
    struct cluster_change *change = &c->changes[node];
    int rc;

    if (change->busy)
        return RAFT_E_CONFIG_PENDING;
    change->change.done = change_done;
    change->busy = true;
    rc = replica_change_members(replica_of(c, node), &change->change, wanted);
    change->busy = change->busy && rc == 0;
    return rc;
}

/* What a start wrote of producers may be newer than the segment that the log begins with: then no image is made of it,
 * and new members wait until it begins with another one. */
static void move_log_start(struct cluster *c, int node)
{
    for (int i = 0; i < 30; i++)
        (void)cluster_wait(c, cluster_produce(c, node, 300));
    if (replica_leads(replica_of(c, node)))
        rig_submit(c->nodes[node], 0,
                   &(struct replica_op){ .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = -1 });
    cluster_run(c, 500);
}

static void wait_for_change(struct cluster *c, const struct cluster_change *change)
{
    for (int i = 0; i < 1000 && change->busy; i++)
        cluster_run(c, 10);
}

void cluster_change_to(struct cluster *c, unsigned voters, unsigned learners)
{
    struct replica_members wanted;

    cluster_wanted(c, voters, learners, &wanted);
    for (int tries = 0; tries < 50; tries++) {
        int leader = cluster_leader(c);
        struct cluster_change *change = &c->changes[leader];

        wait_for_change(c, change);
        change->result = -1;
        if (cluster_change(c, leader, &wanted) == 0)
            wait_for_change(c, change);
        if (change->result == 0 && !change->busy)
            return;
        if (change->busy)
            move_log_start(c, leader);
        cluster_run(c, 50);
    }
    ck_abort_msg("the members don't come to be the wanted ones");
}

/* ---- What must hold ---- */

static void note_config(struct cluster *c, const struct replica_members *m, uint64_t index, uint64_t term)
{
    for (size_t i = 0; i < c->n_configs; i++)
        if (c->configs[i].index == index && c->configs[i].term == term)
            return;
    ck_quick(c->n_configs < CLUSTER_CONFIGS);
    c->configs[c->n_configs++] = (struct cluster_config){ .index = index, .term = term, .members = *m };
}

static void note_readmitted(struct cluster *c, const struct replica_members *m)
{
    for (int i = 0; i < c->n; i++) {
        const struct replica_member *member = replica_member_find(m, i + 1);

        if (member == NULL || uuid_eq(&member->incarnation, &c->nodes[i]->incarnation))
            c->wiped[i] = false;
    }
}

void cluster_note_members(struct cluster *c, int node)
{
    const struct replica *r = replica_of(c, node);
    struct replica_members m;
    struct raft_config config;
    uint64_t index, at;
    bool committed;

    if (!replica_has_core(r))
        return;
    raft_config(r->raft, &config, &at);
    if (!replica_leads(r))
        return;
    committed = replica_members(r, &m, &index);
    ck_quick(m.n_members == config.n_members);
    for (uint32_t i = 0; i < m.n_members; i++)
        ck_quick(m.members[i].id == config.members[i].id && m.members[i].roles == config.members[i].roles);
    if (index > 0 && raft_term_at(r->raft, index) != 0)
        note_config(c, &m, index, raft_term_at(r->raft, index));
    if (committed && !replica_members_are_joint(&m))
        note_readmitted(c, &m);
}

static bool half_agrees(const struct replica_members *m, unsigned who, uint8_t role)
{
    unsigned n = 0, n_yes = 0;

    for (uint32_t i = 0; i < m->n_members; i++) {
        if ((m->members[i].roles & role) == 0)
            continue;
        n++;
        n_yes += who >> (m->members[i].id - 1) & 1;
    }
    return n == 0 || n_yes > n / 2;
}

static bool is_quorum(const struct replica_members *m, unsigned who)
{
    return half_agrees(m, who, RAFT_VOTER) && half_agrees(m, who, RAFT_OUTGOING);
}

static void check_pair(const struct cluster *c, const struct cluster_config *a, const struct cluster_config *b)
{
    for (unsigned who = 0; who < 1u << c->n; who++)
        if (is_quorum(&a->members, who) && is_quorum(&b->members, ~who))
            ck_abort_msg("the members of entry %llu and those of entry %llu may decide apart: 0x%x",
                         (unsigned long long)a->index, (unsigned long long)b->index, who);
}

static int compare(const void *a, const void *b)
{
    const struct cluster_config *x = a, *y = b;

    return (x->index > y->index) - (x->index < y->index);
}

void cluster_check_overlap(struct cluster *c)
{
    const struct raft *log = replica_of(c, 0)->raft;
    const struct cluster_config *last = NULL;

    qsort(c->configs, c->n_configs, sizeof(c->configs[0]), compare);
    for (size_t i = 0; i < c->n_configs; i++) {
        const struct cluster_config *at = &c->configs[i];

        if (raft_term_at(log, at->index) != at->term)
            continue;
        if (last != NULL)
            check_pair(c, last, at);
        last = at;
    }
}

/* ---- Stories ---- */

/* Whoever leads, or believes so. */
static void change_members(struct cluster *c)
{
    unsigned all = (1u << c->n) - 1, voters = 1 + (unsigned)sim_prng_below(&c->prng, all);
    unsigned learners = (unsigned)sim_prng_below(&c->prng, all + 1) & ~voters;
    struct replica_members wanted;

    if (sim_prng_chance(&c->prng, 1, 3)) /* often enough to go on with */
        voters = all;
    cluster_wanted(c, voters, learners, &wanted);
    for (int i = 0; i < c->n; i++) {
        if (!c->up[i] || !replica_leads(replica_of(c, i)))
            continue;
        if (sim_prng_chance(&c->prng, 1, 5)) /* nobody else hears of it */
            c->cut[i] = true;
        cluster_change(c, i, &wanted);
    }
}

/* The group can do without its disk, nobody else's is lost, and it isn't about to become one that it can't do without.
 */
static bool may_wipe(const struct cluster *c, int node)
{
    struct replica_members m;
    uint64_t index;

    for (int i = 0; i < c->n; i++) {
        const struct replica_member *member;
        unsigned n_voters = 0;

        if (!c->up[i] || c->wiped[i] || c->changes[i].busy || replica_of(c, i)->peers == NULL ||
            replica_of(c, i)->peers->last != NULL)
            return false;
        replica_members(replica_of(c, i), &m, &index);
        member = replica_member_find(&m, node + 1);
        for (uint32_t k = 0; k < m.n_members; k++)
            n_voters += (m.members[k].roles & RAFT_VOTER) != 0;
        if (replica_members_are_joint(&m) || (member != NULL && member->roles == RAFT_VOTER && n_voters < 3))
            return false;
    }
    return true;
}

/* A voter that says so, or -1. */
static int find_leader(const struct cluster *c, struct replica_members *ret)
{
    uint64_t index;

    for (int i = 0; i < c->n; i++)
        if (c->up[i] && !c->cut[i] && replica_of(c, i)->peers != NULL && replica_is_open(replica_of(c, i)) &&
            replica_members(replica_of(c, i), ret, &index))
            return i;
    return -1;
}

/* One of three is behind, another one has all there is and loses its disk, and the leader is away: as the two know it,
 * what was acknowledged isn't there, so they must not lead. */
static void lose_what_counts(struct cluster *c)
{
    struct replica_members m;
    int leader = find_leader(c, &m), others[2], n = 0;

    for (uint32_t i = 0; leader >= 0 && i < m.n_members; i++)
        if (m.members[i].roles != RAFT_LEARNER && m.members[i].id != leader + 1 && n++ < 2)
            others[n - 1] = m.members[i].id - 1;
    if (n != 2 || !may_wipe(c, others[0]))
        return;
    c->cut[others[1]] = true;
    for (int i = 0; i < 3; i++)
        cluster_produce(c, leader, 200);
    cluster_run(c, 200);
    if (!may_wipe(c, others[0]))
        return;
    cluster_wipe(c, others[0]);
    c->cut[leader] = true;
    c->cut[others[1]] = false;
    cluster_run(c, 4000);
}

static void act(struct cluster *c)
{
    int node = (int)sim_prng_below(&c->prng, (uint64_t)c->n);

    switch (sim_prng_below(&c->prng, 8)) {
    case 0:
    case 1:
        change_members(c);
        break;
    case 2:
        if (sim_prng_chance(&c->prng, 1, 3))
            lose_what_counts(c);
        else if (may_wipe(c, node))
            cluster_wipe(c, node);
        break;
    default:
        cluster_act(c);
        break;
    }
}

void cluster_members_story(uint64_t seed, struct cluster_counts *counts)
{
    struct cluster *c = cluster_new_with(5000 + seed, 4096, 2, 5, seed % 3 == 0 ? 1 : 3);

    c->loss = 5;
    c->crash_images = true;
    for (int i = 0; i < 150; i++) {
        act(c);
        cluster_run(c, (unsigned)sim_prng_below(&c->prng, sim_prng_chance(&c->prng, 1, 6) ? 2000 : 100));
        if (sim_prng_chance(&c->prng, 1, 6))
            cluster_heal(c);
    }
    c->loss = 0;
    c->crash_images = false;
    cluster_heal(c);
    cluster_change_to(c, (1u << c->n) - 1, 0);
    cluster_check(c);
    for (size_t i = 0; i < c->n_batches; i++)
        counts->n_acked += c->batches[i].acked;
    counts->n_configs += c->n_configs;
    counts->n_images += c->n_images;
    for (int i = 0; i < c->n; i++)
        counts->n_changed += c->changes[i].n_done;
    counts->n_terms += replica_term(replica_of(c, 0));
    cluster_free(c);
}
