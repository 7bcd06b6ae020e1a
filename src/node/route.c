/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"
#include "wire/error.h"

/* Ops and commands go to the reactor that owns what they are about, and come home the same way. Mail carries nothing
 * of its own, so the backend is found from the item's reactor through the lane's owner: one node per process would
 * do, a simulator has many, hence the pointer in the item. */

static void op_home(struct lane_mail *mail)
{
    struct replica_op *op = container_of(mail, struct replica_op, mail);

    op->done(op);
}

void node_complete(void *ctx, struct replica_op *op)
{
    struct node_shard *s = ctx;

    op->mail.deliver = op_home;
    lane_post(s->replicas.env->lane, op->home_reactor, &op->mail);
}

static void op_run(struct node_shard *s, struct replica_op *op)
{
    const struct node_reactor *r = &s->node->reactors[s->index % s->node->n_reactors];
    struct node_group *g = node_group_find(s, op->group);

    if (g != NULL) {
        replica_submit(g->replica, op);
        return;
    }
    /* The asker's metadata had it: it is elsewhere, or was just deleted, which the client will find out then. */
    op->error = r->in_cluster ? KAFKA_E_NOT_LEADER_OR_FOLLOWER : KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION;
    op->error_message = NULL;
    replica_shard_note_refusal(&s->replicas, op);
    node_complete(s, op);
}

static void op_arrived(struct lane_mail *mail)
{
    struct replica_op *op = container_of(mail, struct replica_op, mail);
    struct node *n = op->route;

    op_run(node_shard_of(n, op->group), op);
}

static void backend_submit(struct broker_backend *b, struct replica_op *op)
{
    struct node_reactor *r = container_of(b, struct node_reactor, backend);
    struct node_shard *s = node_shard_of(r->node, op->group);

    op->home_reactor = r->index;
    op->route = r->node;
    if (node_owns(r, s)) {
        op_run(s, op);
        return;
    }
    op->mail.deliver = op_arrived;
    lane_post(r->env->lane, s->index % r->node->n_reactors, &op->mail);
}

static void command_arrived(struct lane_mail *mail)
{
    struct broker_command *c = container_of(mail, struct broker_command, mail);

    node_metadata_propose(c->route, c);
}

static void backend_propose(struct broker_backend *b, struct broker_command *c)
{
    struct node_reactor *r = container_of(b, struct node_reactor, backend);

    c->home_reactor = r->index;
    c->route = r->node;
    c->mail.deliver = command_arrived;
    if (r->index == 0)
        node_metadata_propose(r->node, c);
    else
        lane_post(r->env->lane, 0, &c->mail);
}

static bool backend_is_ready(struct broker_backend *b)
{
    return container_of(b, struct node_reactor, backend)->ready;
}

const struct broker_backend_ops node_backend_ops = {
    .submit = backend_submit,
    .propose = backend_propose,
    .is_ready = backend_is_ready,
};
