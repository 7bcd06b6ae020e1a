/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/cluster.h"

/* The journal of a node: what was written waits in order until it is durable. */

void disk_push(struct node *n, const struct sim_op *op)
{
    gq_assert(n->n_ops < CLUSTER_OPS);
    n->ops[n->n_ops++] = *op;
}

static void make_durable(struct node *n, const struct sim_op *op)
{
    switch (op->kind) {
    case SIM_HARD_STATE:
        n->disk_term = op->term;
        n->disk_vote = op->vote;
        break;
    case SIM_TRUNCATE:
        n->disk.last = op->index - 1;
        break;
    case SIM_INSTALL:
        memcpy(n->disk.entries, n->cluster->truth, (op->index + 1) * sizeof(*n->disk.entries));
        n->disk.start = n->disk.last = op->index;
        n->stored_commit = MAX(n->stored_commit, op->index);
        break;
    case SIM_ENTRY:
        gq_assert(op->index == n->disk.last + 1);
        n->disk.last = op->index;
        n->disk.entries[op->index] = op->entry;
        break;
    }
}

static void complete(struct node *n, const struct sim_op *op)
{
    struct raft_event event = { .kind = RAFT_LOG_FLUSHED, .index = op->index, .term = op->term, .epoch = op->epoch };

    if (op->kind == SIM_TRUNCATE)
        return;
    if (op->kind == SIM_HARD_STATE)
        event = (struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = op->term, .vote = op->vote };
    cluster_step(n->cluster, n->id, &event, NULL);
}

static void drop_ops(struct node *n, unsigned count)
{
    n->n_ops -= count;
    memmove(n->ops, n->ops + count, n->n_ops * sizeof(*n->ops));
}

void disk_flush(struct node *n, unsigned count)
{
    while (count-- > 0 && n->n_ops > 0 && n->up) {
        struct sim_op op = n->ops[0];

        make_durable(n, &op);
        drop_ops(n, 1);
        complete(n, &op);
    }
}

void disk_crash(struct node *n, unsigned survive)
{
    for (unsigned i = 0; i < MIN(survive, n->n_ops); i++)
        make_durable(n, &n->ops[i]);
    n->n_ops = 0;
    n->up = false;
    raft_free(TAKE_PTR(n->raft));
}

/* The last two configurations up to the end of the disk's log. */
static void find_configs(const struct node *n, uint64_t index[2], struct raft_config config[2])
{
    unsigned found = 0;

    for (uint64_t i = n->disk.last; i > 0 && found < 2; i--) {
        if (n->disk.entries[i].is_config) {
            index[found] = i;
            config[found++] = cluster_config(n->disk.entries[i].roles);
        }
    }
    for (; found < 2; found++) {
        index[found] = 0;
        config[found] = cluster_config(n->cluster->first_roles);
    }
}

void disk_restart(struct node *n)
{
    struct raft_run *runs = xcalloc(n->disk.last + 1, sizeof(*runs));
    struct raft_config config[2];
    uint64_t index[2];
    size_t n_runs = 0;

    for (uint64_t i = n->disk.start + 1; i <= n->disk.last; i++)
        if (n_runs == 0 || runs[n_runs - 1].term != n->disk.entries[i].term)
            runs[n_runs++] = (struct raft_run){ .first = i, .term = n->disk.entries[i].term };
    find_configs(n, index, config);
    n->log = n->disk;
    n->up = true;
    n->role = RAFT_FOLLOWER;
    n->leave_joint = false;
    n->commit = n->stored_commit;
    n->reads_done = 0;
    session_reset(n);
    n->raft = raft_new(&n->cluster->limits, &n->cluster->ops, n,
                       &(struct raft_start){
                           .id = n->id,
                           .seed = rand_u64(&n->cluster->rand),
                           .now = n->cluster->now,
                           .term = n->disk_term,
                           .vote = n->disk_vote,
                           .start_index = n->disk.start,
                           .start_term = n->disk.start == 0 ? 0 : n->disk.entries[n->disk.start].term,
                           .last_index = n->disk.last,
                           .runs = runs,
                           .n_runs = n_runs,
                           .commit = n->stored_commit,
                           .config = &config[0],
                           .config_index = index[0],
                           .previous = &config[1],
                           .previous_index = index[1],
                       });
    free(runs);
}
