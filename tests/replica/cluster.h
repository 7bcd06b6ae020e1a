/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Several rigs. Group 1 of each is the node's alone, the others are groups of all. Messages go from node to node as
 * they are, late, lost or twice. Beside it, for group 0, what was acknowledged, which must never be missing, and what
 * each term's leader and each index's entry is, which is the same for all. */

#include "replica/rig.h"

#define CLUSTER_NODES 3 /* if a test says nothing else */
#define CLUSTER_MAX 5
#define CLUSTER_OWN 1 /* the group that each node has for itself */
#define CLUSTER_LAG_NS 2000000000ull

struct cluster_batch {
    struct rig_op *op; /* until it is done */
    int node;
    uint64_t id;
    int64_t base_offset;
    bool acked;
};

/* Somebody asks a node for the end of the log. */
struct cluster_question {
    struct rig_op *op; /* until it is done */
    int node;
    int64_t at_least; /* what was acknowledged when it was asked */
};

/* Somebody reads on and on, here and there, and never sees anything go. */
struct cluster_reader {
    struct rig_op *op; /* until it is done */
    int node;
    int64_t position;
    int32_t epoch;    /* of the last batch that was read; −1 */
    int64_t told_end; /* high watermark that somebody was told */
    uint64_t term;    /* in which the node leads and is open, as it is asked; 0: it doesn't */
    int64_t at_least; /* told_end then */
    uint64_t n_read;  /* batches */
};

#define CLUSTER_QUESTIONS 16
#define CLUSTER_TERMS 1024
#define CLUSTER_INDEXES 8192
#define CLUSTER_CONFIGS 1024

/* What goes from one node to another. */
struct cluster_link {
    struct list letters;
    unsigned delay_ms;
    bool mute;  /* nothing arrives, and nobody is told */
    bool apart; /* there is no connection, and can't be one, either way */
};

/* What a leader made of the members. */
struct cluster_config {
    uint64_t index, term;
    struct replica_members members;
};

/* A change that a node was asked for. */
struct cluster_change {
    struct replica_change change;
    bool busy;
    int result; /* once it was */
    uint64_t n_done;
};

struct cluster {
    struct sim_prng prng;
    int n;
    struct replica_members members; /* that the groups are made with; of one, that node is alone */
    struct rig *nodes[CLUSTER_MAX]; /* broker ids 1, 2, 3, … */
    bool up[CLUSTER_MAX];
    bool cut[CLUSTER_MAX]; /* hears nobody and isn't heard; its connections stay */
    bool connected[CLUSTER_MAX][CLUSTER_MAX];
    uint64_t there_ms[CLUSTER_MAX];                      /* when it was last up and not cut off */
    uint64_t leads_ms[CLUSTER_MAX];                      /* since when it leads, while it does */
    struct cluster_link links[CLUSTER_MAX][CLUSTER_MAX]; /* from, to */
    unsigned next_link;                                  /* whose turn it is */
    struct cluster_change changes[CLUSTER_MAX];
    struct cluster_config configs[CLUSTER_CONFIGS]; /* in the order in which they came up */
    size_t n_configs;
    bool wiped[CLUSTER_MAX]; /* and not readmitted yet */
    uint64_t now_ms;
    struct raft_message last; /* of a group, that was sent */
    unsigned loss;            /* of 100 messages so many get lost, and as many come twice */
    struct cluster_batch *batches;
    size_t n_batches, capacity;
    int64_t acked_end; /* behind the last that was acknowledged */
    struct cluster_question questions[CLUSTER_QUESTIONS];
    struct cluster_reader reader;
    int leaders[CLUSTER_TERMS];          /* broker ids */
    uint32_t checksums[CLUSTER_INDEXES]; /* of entries, as somebody applied them; 0: nobody yet */
    /* An idempotent producer, which tries each batch until it is acknowledged. */
    int32_t sequence;
    struct rig_op *tried;
    int tried_node;
    uint64_t n_messages, n_loaded; /* of groups, delivered; of these with entries from segments */
    uint64_t n_session_messages;
    uint64_t n_appends;          /* sent, with entries */
    uint64_t n_images;           /* sent */
    size_t max_loaded;           /* bytes of entries from segments in a message */
    uint32_t max_entries;        /* of a message */
    size_t max_bytes, max_alone; /* of entries in a message: of several, of one */
    bool crash_images;           /* who gets one may crash soon after */
    unsigned crash_in;           /* so many steps; 0: nobody does */
    int crash_node;
};

/* What a message is when it arrives: a copy, if a test doesn't set something else. */
extern struct replica_message *(*cluster_carry)(const struct replica_message *m);

/* segment_bytes: small ones lead to many. */
struct cluster *cluster_new(uint64_t seed, uint64_t segment_bytes);
/* With so many groups, CLUSTER_OWN among them. */
struct cluster *cluster_new_of(uint64_t seed, uint64_t segment_bytes, unsigned n_groups);
/* With so many nodes, of which the first n_members are in the groups; the others wait to be spoken to. */
struct cluster *cluster_new_with(uint64_t seed, uint64_t segment_bytes, unsigned n_groups, int n_nodes, int n_members);
struct replica *cluster_replica(const struct cluster *c, int node, unsigned group);
void cluster_free(struct cluster *c);
/* A message, and a step of each node; false: nothing moved. */
bool cluster_step(struct cluster *c);
void cluster_run(struct cluster *c, unsigned ms);
/* Runs until one of those that hear each other leads and is open; which. */
int cluster_leader(struct cluster *c);
/* Leadership goes from one node to another, which is open then. */
void cluster_hand_over(struct cluster *c, int from, int to);
/* A batch of one record; noted. */
struct rig_op *cluster_produce(struct cluster *c, int node, size_t value_size);
/* Batch after batch of an idempotent producer, as a test says. */
struct rig_op *cluster_produce_as(struct cluster *c, int node, int32_t sequence);
/* Goes on with the idempotent producer: at this node, if no try is under way. */
void cluster_try(struct cluster *c, int node);
/* Asks for the end of the log, and checks the answer when it comes. */
void cluster_ask_end(struct cluster *c, int node);
/* min.insync.replicas of all groups, but for each node's own. */
void cluster_set_min_insync(struct cluster *c, int16_t n);
/* Goes on reading: at this node, if nothing is under way. */
void cluster_read(struct cluster *c, int node, bool follower);
/* Runs until it is done; the error. */
int16_t cluster_wait(struct cluster *c, struct rig_op *op);
/* Machine and all: the others hear nothing. */
void cluster_crash(struct cluster *c, int node);
/* The process ends, the machine goes on, and says so. */
void cluster_kill(struct cluster *c, int node);
void cluster_restart(struct cluster *c, int node);
/* The connection of two nodes breaks, and there is none until cluster_heal(). dead: one of them hears that it was
 * reset, the other one doesn't. */
void cluster_part(struct cluster *c, int a, int b, bool dead);
/* Everybody is up, and the network is as good as can be; disks go on. */
void cluster_heal(struct cluster *c);
/* Everybody is up and heard; all come to the same log, byte for byte, which has all that was acknowledged where it was
 * said to be. */
void cluster_check(struct cluster *c);
/* A run of all that can happen to a cluster, with cluster_check() at its end. Counts what it did, to tell that it did
 * something. */
struct cluster_counts {
    uint64_t n_acked, n_read, n_messages, n_session_messages, n_loaded, n_images, n_terms, n_rests;
    uint64_t n_changed, n_configs;
};
void cluster_story(uint64_t seed, struct cluster_counts *counts);
/* The same with five nodes, whose membership changes all the time. */
void cluster_members_story(uint64_t seed, struct cluster_counts *counts);
/* One step of either. */
void cluster_act(struct cluster *c);

/* cluster_members.c */
/* Members that are wanted: as voters, and as learners, by bits of nodes. */
void cluster_wanted(const struct cluster *c, unsigned voters, unsigned learners, struct replica_members *ret);
/* Asks the node to change the members, of group 0; the result if it refuses. */
int cluster_change(struct cluster *c, int node, const struct replica_members *wanted);
/* Asks whoever leads until all of it is done. */
void cluster_change_to(struct cluster *c, unsigned voters, unsigned learners);
/* The node's disk is empty, and it is another incarnation. */
void cluster_wipe(struct cluster *c, int node);
/* A new node as the cluster knows it; not started. */
struct rig *cluster_rig(struct cluster *c, int node, uint64_t seed, unsigned n_groups, uint64_t segment_bytes);
/* For cluster.c: looks at a node's members. */
void cluster_note_members(struct cluster *c, int node);
/* Any two configurations that follow each other in the log have no two majorities without a node in common. */
void cluster_check_overlap(struct cluster *c);

/* cluster_reader.c: for cluster.c. After each step. */
void cluster_note_read(struct cluster *c);

/* cluster_net.c: for cluster.c. When the nodes are made. */
void cluster_net_init(struct cluster *c);
void cluster_net_fini(struct cluster *c);
/* A node that was made. */
void cluster_net_join(struct cluster *c, int node);
/* The next letter; false: there is none. */
bool cluster_deliver(struct cluster *c);
/* Who can reach each other finds each other. */
void cluster_connect(struct cluster *c);
/* A node is gone. silent: its machine is too, so nobody hears of it. */
void cluster_disconnect(struct cluster *c, int node, bool silent);
