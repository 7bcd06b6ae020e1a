/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "raft/cluster.h"

/* What must hold, whatever happens (thesis, figure 3.2), and what this code promises beyond. */

static bool same(const struct sim_entry *a, const struct sim_entry *b)
{
    return a->term == b->term && a->value == b->value;
}

static bool has(const struct sim_log *log, uint64_t index, const struct sim_entry *e)
{
    return log->last >= index && same(&log->entries[index], e);
}

/* A vote that left a node, or that it gave itself, is its only one in that term, across restarts. */
static void note_vote(struct cluster *c, int32_t id, uint64_t term, int32_t vote)
{
    int32_t *known = &c->vote_of[id][term % CLUSTER_TERMS];

    gq_assert(term < CLUSTER_TERMS);
    if (*known != 0 && *known != vote)
        cluster_fail(c, "node %d votes for %d and for %d in term %" PRIu64, id, *known, vote, term);
    *known = vote;
}

void check_message(struct cluster *c, const struct raft_message *m)
{
    const struct node *from = &c->nodes[m->from];

    if (m->kind == RAFT_VOTE_REPLY && !m->reject)
        note_vote(c, m->from, m->term, m->to);
    if (m->kind == RAFT_VOTE)
        note_vote(c, m->from, m->term, m->from);
    if (m->kind == RAFT_TIMEOUT_NOW && !has(&c->nodes[m->to].disk, from->log.last, &from->log.entries[from->log.last]))
        cluster_fail(c, "node %d is to lead and hasn't caught up with %d", m->to, m->from);
    if ((m->kind == RAFT_APPEND_REPLY || m->kind == RAFT_HEARTBEAT_REPLY) && !m->reject &&
        !has(&from->disk, m->index, &from->log.entries[m->index]))
        cluster_fail(c, "node %d acknowledges %" PRIu64 ", which isn't on its disk", m->from, m->index);
    if ((m->kind == RAFT_APPEND_REPLY || m->kind == RAFT_HEARTBEAT_REPLY || m->kind == RAFT_VOTE_REPLY) &&
        from->disk_term < m->term)
        cluster_fail(c, "node %d answers in term %" PRIu64 ", which isn't on its disk", m->from, m->term);
    if (m->kind == RAFT_APPEND && m->n_entries > c->limits.message_entries)
        cluster_fail(c, "node %d sends %" PRIu32 " entries at once", m->from, m->n_entries);
}

static bool half_has(struct cluster *c, const struct raft_config *config, uint8_t role, uint64_t index,
                     const struct sim_entry *e)
{
    unsigned n = 0, n_have = 0;

    for (uint32_t i = 0; i < config->n_members; i++) {
        const struct sim_log *disk = &c->nodes[config->members[i].id].disk;

        if ((config->members[i].roles & role) == 0)
            continue;
        n++;
        n_have += has(disk, index, e);
    }
    return n == 0 || n_have > n / 2;
}

/* The first to commit an entry, which is a leader, has it on the disks of a majority. */
static void commit_first(struct cluster *c, struct node *n, uint64_t index)
{
    const struct sim_entry *e = &n->log.entries[index];
    struct raft_config config;

    raft_config(n->raft, &config, NULL);
    if (raft_role(n->raft) == RAFT_LEADER &&
        (!half_has(c, &config, RAFT_VOTER, index, e) || !half_has(c, &config, RAFT_OUTGOING, index, e)))
        cluster_fail(c, "node %d commits %" PRIu64 ", which no majority has on its disks", n->id, index);
    gq_assert(index == c->n_truth + 1);
    c->truth[index] = *e;
    c->n_truth = index;
}

static void check_commit(struct cluster *c, struct node *n)
{
    uint64_t commit = raft_commit_index(n->raft);

    for (uint64_t i = n->commit + 1; i <= commit; i++) {
        if (i > c->n_truth)
            commit_first(c, n, i);
        else if (!same(&n->log.entries[i], &c->truth[i]))
            cluster_fail(c, "node %d commits another entry %" PRIu64 " than was committed", n->id, i);
    }
    n->commit = MAX(n->commit, commit);
    /* Now and then a checkpoint: what is committed and on the disk is remembered. */
    if (c->story == NULL && rand_chance(&c->rand, 1, 16)) {
        uint64_t stored = MIN(n->commit, MIN(n->disk.last, raft_flushed_index(n->raft)));

        n->stored_commit = MAX(n->stored_commit, stored);
    }
}

static void check_leader(struct cluster *c, struct node *n)
{
    uint64_t term = raft_term(n->raft);
    int32_t *leader = &c->leader_of[term % CLUSTER_TERMS];

    c->n_elections++;
    if (*leader != 0)
        cluster_fail(c, "term %" PRIu64 " gets node %d as leader, and had %d", term, n->id, *leader);
    *leader = n->id;
    for (uint64_t i = 1; i <= c->n_truth; i++)
        if (i > n->log.last || !same(&n->log.entries[i], &c->truth[i])) {
            cluster_fail(c, "node %d leads term %" PRIu64 " without the committed entry %" PRIu64, n->id, term, i);
            return;
        }
}

static void check_reads(struct cluster *c, struct node *n)
{
    const struct raft_update *u = &c->update;

    if (u->read_ticket != 0)
        n->tickets[u->read_ticket % CLUSTER_TICKETS] = c->n_truth;
    if (u->reads_done == 0)
        return;
    c->n_reads++;
    for (uint64_t t = n->reads_done + 1; t <= u->reads_done; t++)
        if (t + CLUSTER_TICKETS > u->reads_done && n->tickets[t % CLUSTER_TICKETS] > u->read_index)
            cluster_fail(c, "node %d reads at %" PRIu64 ", but %" PRIu64 " were committed", n->id, u->read_index,
                         n->tickets[t % CLUSTER_TICKETS]);
    n->reads_done = u->reads_done;
}

/* The configuration is that of the log's last entry that holds one. */
static void check_config(struct cluster *c, struct node *n)
{
    struct raft_config config, expected = cluster_config(cluster_roles_at(c, &n->log, n->log.last));
    uint64_t index;

    raft_config(n->raft, &config, &index);
    for (uint32_t i = 0; i < expected.n_members; i++)
        if (config.n_members != expected.n_members || config.members[i].id != expected.members[i].id ||
            config.members[i].roles != expected.members[i].roles)
            cluster_fail(c, "node %d: configuration %" PRIu64 " isn't the last of its log", n->id, index);
}

/* Nobody takes a term from anywhere but somebody who campaigned in it. */
static void check_origin(struct cluster *c, struct node *n)
{
    uint64_t term = raft_term(n->raft);

    if (raft_vote(n->raft) == n->id)
        c->begun[term % CLUSTER_TERMS] = true;
    if (term > 1 && !c->begun[term % CLUSTER_TERMS])
        cluster_fail(c, "node %d is in term %" PRIu64 ", for which nobody campaigned", n->id, term);
}

void check_update(struct cluster *c, struct node *n)
{
    enum raft_role role = raft_role(n->raft);

    check_origin(c, n);
    if (c->update.refused)
        cluster_fail(c, "node %d refuses a message of a sound peer", n->id);
    if (raft_term_at(n->raft, n->log.last) != n->log.entries[n->log.last].term && n->log.last > 0)
        cluster_fail(c, "node %d: the core's log differs from the node's", n->id);
    if (role == RAFT_LEADER && n->role != RAFT_LEADER)
        check_leader(c, n);
    if (c->update.leave_joint)
        n->leave_joint = true;
    if (c->update.reads_lost)
        n->reads_done = UINT64_MAX; /* no ticket given so far counts */
    if (n->reads_done == UINT64_MAX && c->update.read_ticket != 0)
        n->reads_done = c->update.read_ticket - 1;
    n->role = role;
    check_config(c, n);
    check_commit(c, n);
    check_reads(c, n);
    if (c->n_events % 32 == 0)
        check_logs(c);
}

/* Two logs that have the same term somewhere are equal up to there. */
static void check_pair(struct cluster *c, const struct node *a, const struct node *b)
{
    uint64_t i = MIN(a->log.last, b->log.last);

    while (i > 0 && a->log.entries[i].term != b->log.entries[i].term)
        i--;
    for (; i > 0; i--)
        if (!same(&a->log.entries[i], &b->log.entries[i]))
            cluster_fail(c, "the logs of %d and %d differ at %" PRIu64 " and agree behind it", a->id, b->id, i);
}

void check_logs(struct cluster *c)
{
    for (unsigned i = 1; i <= c->n_nodes; i++)
        for (unsigned j = 1; j < i; j++)
            check_pair(c, &c->nodes[i], &c->nodes[j]);
}
