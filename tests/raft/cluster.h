/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A cluster of raft cores in virtual time, in one thread: each with a disk whose writes become durable one by one and
 * in order, and a network that keeps messages until the test delivers or drops them. After each event the invariants
 * are checked; the first one that doesn't hold is told in `failure`, and nothing counts after that. */

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"
#include "raft/raft.h"
#include "support/rand.h"

#define CLUSTER_NODES 5 /* ids 1 to 5 */
#define CLUSTER_LOG 1024
#define CLUSTER_TERMS 4096
#define CLUSTER_OPS 4096
#define CLUSTER_PACKETS 512
#define CLUSTER_TICKETS 64

struct sim_entry {
    uint64_t term;
    uint64_t value; /* unique, 0 for a leader's first entry */
    uint32_t size;
    bool is_config;
    uint8_t roles[CLUSTER_NODES + 1];
};

enum sim_op_kind {
    SIM_HARD_STATE,
    SIM_TRUNCATE,
    SIM_INSTALL,
    SIM_ENTRY,
};

/* One journal record on its way to the disk. */
struct sim_op {
    enum sim_op_kind kind;
    uint64_t term, index;
    int32_t vote;
    uint32_t epoch;
    struct sim_entry entry;
};

/* Log positions 1 .. last; those up to start came by an image, or are kept though compacted. */
struct sim_log {
    uint64_t start, last;
    struct sim_entry entries[CLUSTER_LOG + 1];
};

struct node {
    struct cluster *cluster;
    int32_t id;
    bool up;
    struct raft *raft;
    struct sim_log log; /* as the core has it */
    struct sim_log disk;
    uint64_t disk_term;
    int32_t disk_vote;
    struct sim_op *ops;
    unsigned n_ops;
    uint64_t commit; /* known when it ran last; a restarted node begins with what it had stored of it */
    uint64_t stored_commit;
    enum raft_role role;
    bool leave_joint;
    uint64_t session_heard[CLUSTER_NODES + 1]; /* by peer; 0: there is no session */
    uint64_t session_term[CLUSTER_NODES + 1];  /* in which the group joined it; 0: it isn't in */
    uint64_t tickets[CLUSTER_TICKETS];         /* what was committed anywhere when the ticket was asked for */
    uint64_t reads_done;
};

struct packet {
    struct raft_message m;
    struct sim_entry *entries; /* APPEND; SNAPSHOT: the configuration */
};

struct cluster {
    uint64_t seed;
    struct rand rand;
    uint64_t now;
    struct raft_limits limits;
    struct raft_ops ops;
    unsigned n_nodes;
    uint8_t first_roles[CLUSTER_NODES + 1];
    struct node nodes[CLUSTER_NODES + 1]; /* by id */
    bool cut[CLUSTER_NODES + 1][CLUSTER_NODES + 1];
    struct packet packets[CLUSTER_PACKETS];
    unsigned n_packets;
    uint64_t next_value;
    struct sim_entry truth[CLUSTER_LOG + 1]; /* committed anywhere */
    uint64_t n_truth;
    int32_t leader_of[CLUSTER_TERMS];
    bool begun[CLUSTER_TERMS]; /* somebody voted for itself in the term */
    int32_t vote_of[CLUSTER_NODES + 1][CLUSTER_TERMS];
    bool sessions;
    uint64_t sets_differ[CLUSTER_NODES + 1][CLUSTER_NODES + 1]; /* since when; 0: they don't */
    struct raft_update update;
    uint64_t n_events, n_elections, n_reads, n_configs, n_images, n_transfers, n_truncations, n_joined;
    FILE *story; /* what happens, for traces; or NULL */
    bool quiet;  /* the story leaves out the messages */
    char failure[256];
};

/* cluster.c */
struct cluster *cluster_new(uint64_t seed, unsigned n_nodes, unsigned n_voters);
void cluster_free(struct cluster *c);
_printf_(2, 3) void cluster_fail(struct cluster *c, const char *format, ...);
void cluster_step(struct cluster *c, int32_t id, const struct raft_event *event, const struct sim_entry *entries);
void cluster_tick(struct cluster *c, int32_t id);
/* 0 or RAFT_E_*. */
int cluster_propose(struct cluster *c, int32_t id, unsigned n, uint32_t size);
int cluster_propose_config(struct cluster *c, int32_t id, const uint8_t *roles);
void cluster_deliver(struct cluster *c, unsigned i, bool keep);
void cluster_drop(struct cluster *c, unsigned i);
void cluster_say(struct cluster *c, const char *format, ...) _printf_(2, 3);
struct raft_config cluster_config(const uint8_t *roles);
/* The configuration in force at index of a log. */
const uint8_t *cluster_roles_at(const struct cluster *c, const struct sim_log *log, uint64_t index);

/* disk.c */
void disk_push(struct node *n, const struct sim_op *op);
/* Makes the first `count` writes durable, and tells the core. */
void disk_flush(struct node *n, unsigned count);
/* The first `survive` writes that wait made it to the disk. */
void disk_crash(struct node *n, unsigned survive);
void disk_restart(struct node *n);

/* session.c: what the nodes' heartbeat sessions would do for the group */
uint64_t session_heard(void *ctx, int32_t peer);
void session_update(struct cluster *c, struct node *n);
void session_tick(struct cluster *c);
void session_reset(struct node *n);

/* invariants.c */
void check_update(struct cluster *c, struct node *n);
void check_message(struct cluster *c, const struct raft_message *m);
void check_logs(struct cluster *c);

/* story.c; fate: what becomes of the message */
void story_message(struct cluster *c, const struct packet *p, const char *fate);
void story_update(struct cluster *c, const struct node *n);
void story_show(struct cluster *c, int32_t id);
void story_progress(struct cluster *c, int32_t id);

/* schedule.c: one random run. What a schedule may do beside elections, proposals, crashes and a bad network. */
enum {
    SCHEDULE_CONFIGS = 1,
    SCHEDULE_IMAGES = 2,
    SCHEDULE_READS = 4,
    SCHEDULE_TRANSFERS = 8,
    SCHEDULE_SESSIONS = 16,
    SCHEDULE_ALL = 31,
};
struct cluster *schedule_run(uint64_t seed, unsigned n_events, unsigned flags);
