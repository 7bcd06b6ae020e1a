/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Asks any number of partitions for the same, a few at a time: a request about all that a broker has holds few ops and
 * few results, and others have their turns meanwhile. */

#include "broker/request.h"

/* First member of the handler's state. The handler sets what is in the first part. */
struct broker_rounds {
    enum replica_op_kind kind; /* of ops that need no more than a group */
    size_t n;                  /* partitions in all */
    unsigned n_at_once;        /* at least 1 */
    /* Of the i-th, when its turn comes; 0: it isn't asked. */
    uint64_t (*group)(const struct broker_request *req, size_t i);
    /* The i-th has answered: takes what the op holds, which is used again. Called for each op that was started, also
     * when the request has failed meanwhile. */
    void (*take)(struct broker_request *req, size_t i, struct replica_op *op);
    /* When all have, and what else is under way is back. Not called when nobody waits for the answer any more. */
    broker_next_fn done;

    size_t next;
    unsigned n_started;
    struct broker_rounds_op *ops;
};

/* Starts the first round; the last thing that a handler does. */
void broker_rounds_start(struct broker_request *req);
