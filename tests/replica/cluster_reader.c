/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "replica/cluster.h"

/* A consumer of group 0, which asks any node: what it has read stays, and nobody denies it. */

#define WAIT_NS 300000000ull

static struct replica *replica_of(const struct cluster *c, int node)
{
    return cluster_replica(c, node, 0);
}

/* In which the node leads and is open; 0: it doesn't. */
static uint64_t open_term(const struct cluster *c, int node)
{
    const struct replica *r = replica_of(c, node);

    return replica_is_open(r) && replica_leads(r) ? replica_term(r) : 0;
}

static uint64_t newest_term(const struct cluster *c)
{
    uint64_t term = CLUSTER_TERMS - 1;

    while (term > 0 && c->leaders[term] == 0)
        term--;
    return term;
}

void cluster_read(struct cluster *c, int node, bool follower)
{
    struct cluster_reader *q = &c->reader;
    const struct replica_op ask = {
        .kind = REPLICA_READ,
        .follower = follower,
        .read = { .offset = q->position,
                  .max_bytes = 2000,
                  .min_one = true,
                  .last_fetched_epoch = q->n_read > 0 ? q->epoch : -1,
                  .wait_until_ns = c->nodes[node]->clock.mono_ns + WAIT_NS },
    };

    if (q->op != NULL)
        return;
    q->node = node;
    q->at_least = q->told_end;
    q->term = open_term(c, node);
    q->op = rig_submit(c->nodes[node], 0, &ask);
}

static void take(struct cluster *c, struct rig_op *op)
{
    struct cluster_reader *q = &c->reader;
    _cleanup_(freep) uint8_t *data = NULL;
    struct batch_iter it;
    struct batch_view v;
    size_t size;

    data = rig_read_bytes(c->nodes[q->node], op, &size);
    batch_iter_init(&it, data, size);
    while (batch_next(&it, &v)) {
        if (batch_last_offset(&v) < q->position)
            continue;
        ck_quick(q->n_read == 0 || v.base_offset <= q->position);
        q->position = batch_last_offset(&v) + 1;
        q->epoch = v.leader_epoch;
        q->n_read++;
    }
    ck_quick(it.error == BATCH_OK);
}

static void check_answer(struct cluster *c, const struct replica_op *op)
{
    struct cluster_reader *q = &c->reader;

    if (op->read.ret_diverging_epoch >= 0)
        ck_abort_msg("node %d has another log than was read up to offset %lld", q->node + 1, (long long)q->position);
    /* Of the newest term nobody leads by mistake. */
    if (q->term > 0 && q->term == newest_term(c) && op->read.ret_high_watermark < q->at_least)
        ck_abort_msg("node %d tells the high watermark %lld, and %lld was told before", q->node + 1,
                     (long long)op->read.ret_high_watermark, (long long)q->at_least);
    q->told_end = MAX(q->told_end, op->read.ret_high_watermark);
}

void cluster_note_read(struct cluster *c)
{
    struct cluster_reader *q = &c->reader;
    struct rig_op *op = q->op;

    if (op == NULL || !op->done)
        return;
    q->op = NULL;
    if (op->op.error == KAFKA_E_OFFSET_OUT_OF_RANGE) {
        if (q->position >= op->op.read.ret_log_start)
            ck_abort_msg("node %d says that there is no offset %lld", q->node + 1, (long long)q->position);
        q->position = op->op.read.ret_log_start;
        q->n_read = 0;
    }
    if (op->op.error != 0)
        return;
    check_answer(c, &op->op);
    take(c, op);
    rig_submit(c->nodes[q->node], 0, &(struct replica_op){ .kind = REPLICA_RELEASE, .release.target = &op->op });
}
