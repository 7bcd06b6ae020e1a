/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Several rigs with one group each, which is one group of all: messages go from replica to replica as they are, late,
 * lost or twice. Beside it what was acknowledged, which must never be missing. */

#include "replica/rig.h"

#define CLUSTER_NODES 3

struct cluster_batch {
    struct rig_op *op; /* until it is done */
    int node;
    uint64_t id;
    int64_t base_offset;
    bool acked;
};

struct cluster {
    struct sim_prng prng;
    struct raft_config members;
    struct rig *nodes[CLUSTER_NODES]; /* broker ids 1, 2, 3 */
    bool up[CLUSTER_NODES];
    bool cut[CLUSTER_NODES]; /* hears nobody and isn't heard */
    struct list messages;
    struct raft_message last; /* that was sent */
    unsigned loss;            /* of 100 messages so many get lost, and as many come twice */
    struct cluster_batch *batches;
    size_t n_batches, capacity;
    uint64_t n_messages, n_loaded; /* delivered; of these with entries from segments */
};

/* segment_bytes: small ones lead to many. */
struct cluster *cluster_new(uint64_t seed, uint64_t segment_bytes);
void cluster_free(struct cluster *c);
void cluster_run(struct cluster *c, unsigned ms);
/* Runs until one of those that hear each other leads and is open; which. */
int cluster_leader(struct cluster *c);
/* A batch of one record; noted. */
struct rig_op *cluster_produce(struct cluster *c, int node, size_t value_size);
/* Runs until it is done; the error. */
int16_t cluster_wait(struct cluster *c, struct rig_op *op);
void cluster_crash(struct cluster *c, int node);
void cluster_restart(struct cluster *c, int node);
/* Everybody is up and heard; all come to the same log, byte for byte, which has all that was acknowledged where it was
 * said to be. */
void cluster_check(struct cluster *c);
