/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Several nodes in one thread, each a rig of its own. Where the seed is even their links are a stand-in that delivers
 * in memory, with delays and losses, between those who are up and not cut off; where it is odd they are real ones over
 * a simulated network. The clocks go on together. One cluster at a time. */

#include "node/rig.h"
#include "sim/mesh.h"

#define CLUSTER_MAX 5

struct cluster {
    struct sim_prng prng;
    struct sim_mesh *mesh; /* of real links, else NULL */
    int n;
    struct rig *rigs[CLUSTER_MAX];
    char names[CLUSTER_MAX][8], addresses[CLUSTER_MAX][16];
    struct config_peer items[CLUSTER_MAX];
    struct list letters;
    bool cut[CLUSTER_MAX];
    bool connected[CLUSTER_MAX][CLUSTER_MAX];
    bool renews[CLUSTER_MAX];                           /* who it is has changed: connections begin anew */
    bool knows[CLUSTER_MAX][CLUSTER_MAX];               /* wants to be connected */
    struct uuid incarnations[CLUSTER_MAX][CLUSTER_MAX]; /* as it takes the other's to be; zero: any */
    int32_t ids[CLUSTER_MAX][CLUSTER_MAX];              /* likewise; −1: none */
    unsigned loss;                                      /* percent of letters */
    uint64_t delay_ns;                                  /* at most */
    uint32_t max_entries;                               /* of a message that a stand-in carried */
    size_t max_bytes;                                   /* of them together, where there are several */
    unsigned n_words;
};

/* Nodes "n0" and on, which list each other, on blank disks. None is started. */
struct cluster *cluster_new(uint64_t seed, int n, unsigned n_reactors);
void cluster_free(struct cluster *c);
/* All of them are started, and ready. */
struct cluster *cluster_begin(uint64_t seed, int n, unsigned n_reactors);
/* Makes a topic by node i, as clients do: goes on while the answer is one that may be tried again. */
void cluster_create(struct cluster *c, int i, const char *topic, int32_t n_partitions, int16_t n_replicas);

void cluster_start(struct cluster *c, int i);
void cluster_start_all(struct cluster *c);
bool cluster_is_up(const struct cluster *c, int i);
void cluster_crash(struct cluster *c, int i, enum sim_disk_crash how);
/* It crashes, and its disk is blank. */
void cluster_wipe(struct cluster *c, int i);
/* Each group's voters have the disks that the group knows, and are three at least: one more may be wiped, and a
 * majority is left. All nodes must be up. */
bool cluster_may_wipe(const struct cluster *c);
/* Off the network, without a sign; and back. */
void cluster_cut(struct cluster *c, int i);
void cluster_heal(struct cluster *c, int i);

bool cluster_step(struct cluster *c);
void cluster_run(struct cluster *c, uint64_t ns);
/* Until all that are up and not cut off are ready, which they must be in time. */
void cluster_settle(struct cluster *c);

/* Prints all groups and what was said, for a test that fails. */
void cluster_tell(const struct cluster *c);

/* What a client is told by node i. −1: nobody, or no answer. */
int32_t cluster_ask_leader(struct cluster *c, int i, const char *topic, int32_t partition);
int32_t cluster_ask_controller(struct cluster *c, int i);
/* How many replicas are in sync; −1: no answer. */
int cluster_ask_in_sync(struct cluster *c, int i, const char *topic, int32_t partition, int *ret_n_replicas);
/* The node that says that it leads, and answers; it must be there in time. */
int cluster_find_leader(struct cluster *c, const char *topic, int32_t partition);
/* The test for each number from `from` to below `to`, or for a quarter of them with a sanitizer, which is that much
 * slower. */
void cluster_add_loop(Suite *s, const char *name, const TTest *test, int from, int to);
/* The broker id of a node. */
int32_t cluster_id(const struct cluster *c, int i);
