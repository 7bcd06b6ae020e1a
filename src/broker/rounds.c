/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/rounds.h"

struct broker_rounds_op {
    struct broker_op op;
    size_t i;
};

static void next_round(struct broker_request *req);

static void round_back(struct broker_request *req)
{
    struct broker_rounds *r = req->state;

    for (unsigned k = 0; k < r->n_started; k++)
        r->take(req, r->ops[k].i, &r->ops[k].op.op);
    if (req->phase != BROKER_REQUEST_RUNNING)
        return;
    if (req->conn == NULL)
        broker_request_fail(req);
    else
        next_round(req);
}

static void next_round(struct broker_request *req)
{
    struct broker_rounds *r = req->state;

    r->n_started = 0;
    while (r->next < r->n && r->n_started < r->n_at_once) {
        struct broker_rounds_op *o = &r->ops[r->n_started];
        size_t i = r->next++;
        uint64_t group = r->group(req, i);

        if (group == 0)
            continue;
        *o = (struct broker_rounds_op){ .i = i };
        broker_op_init(req, &o->op, r->kind, group, -1);
        broker_op_start(&o->op);
        r->n_started++;
    }
    broker_request_then(req, r->n_started > 0 ? round_back : r->done);
}

void broker_rounds_start(struct broker_request *req)
{
    struct broker_rounds *r = req->state;

    r->ops = broker_alloc(req, MIN(r->n, (size_t)r->n_at_once), sizeof(*r->ops));
    if (r->ops != NULL)
        next_round(req);
}
