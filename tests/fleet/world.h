/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Three nodes with fleets of many groups, each group on all three, in virtual time: a step is a millisecond. Messages
 * take one step and keep their order, but for noise; a node's journal has one flush in flight, which takes all that
 * waits and one step. A term has one leader, or the test fails. */

#include <stdbool.h>
#include <stdint.h>

#include "fleet/fleet.h"
#include "support/rand.h"

#define WORLD_NODES 3 /* ids 1 to 3 */
#define WORLD_SHARDS 4
#define WORLD_TERMS 16 /* entries of a message */
#define WORLD_ENTRY 100
#define MS 1000000ull

struct world_group {
    struct fleet_group fleet;
    struct world_node *node;
};

struct world_record {
    struct fleet_group *group;
    bool is_state;
    int32_t vote;
    uint32_t epoch;
    uint64_t term, index;
};

struct world_packet {
    uint64_t group; /* 0: of a session */
    struct raft_message m;
    uint64_t terms[WORLD_TERMS];
    struct fleet_message session; /* owns its arrays */
};

struct world_queue {
    void *items;
    size_t n, capacity;
};

struct world_node {
    struct world *world;
    int32_t id;
    bool runs;
    uint32_t n_shards;
    struct fleet *fleets[WORLD_SHARDS];
    struct world_group *groups; /* by id */
    struct world_queue inbox, arriving;
    struct world_queue waiting, flying;
    uint64_t n_flushes, n_records;
    uint64_t n_proposed_steps, n_completions; /* steps of that kind */
};

struct world_lead {
    uint64_t term;
    int32_t node;
};

struct world {
    uint64_t now_ns;
    uint64_t n_groups;
    struct mem_pool pool;
    struct world_node nodes[WORLD_NODES + 1];
    bool cut[WORLD_NODES + 1][WORLD_NODES + 1]; /* from, to */
    bool connected[WORLD_NODES + 1][WORLD_NODES + 1];
    struct rand *noise;     /* messages get lost, come twice and out of order; NULL: they don't */
    unsigned n_per_mille;   /* of each */
    struct world_lead *led; /* by group: the highest term with a leader */
    uint64_t change_index;  /* of the one entry that is a configuration, of whichever group; 0: none */
    struct raft_config change;
    uint64_t n_sent, n_appends, n_session_sent;
    bool hostile;              /* sessions may get what they refuse */
    struct fleet_message last; /* of node 2 to node 1, without arrays */
};

struct world_options {
    uint64_t n_groups;
    uint32_t n_shards[WORLD_NODES + 1];        /* by id; 0: one */
    uint64_t budget_bytes, group_budget_bytes; /* 0: large */
};

struct world *world_new(const struct world_options *options);
void world_free(struct world *w);
void world_run(struct world *w, unsigned ms);
/* Until done(), at most so long; the milliseconds that it took. Fails the test when it takes longer. */
unsigned world_until(struct world *w, bool (*done)(struct world *w), unsigned max_ms);
struct fleet_group *world_group(struct world *w, int32_t node, uint64_t group);
const struct raft_update *world_step(struct fleet_group *g, struct raft_event event);
/* Proposes it. */
void world_change(struct world *w, uint64_t group, const struct raft_config *config);
/* Of those that run: the leader of the highest term, or 0. */
int32_t world_leader(const struct world *w, uint64_t group);
unsigned world_n_led(const struct world *w, int32_t node);
/* Everybody else sees its connections break, or only that it is silent. */
void world_kill(struct world *w, int32_t node);
void world_pause(struct world *w, int32_t node);
/* As it was, with new connections. */
void world_resume(struct world *w, int32_t node);
void world_connect(struct world *w, int32_t a, int32_t b);
void world_disconnect(struct world *w, int32_t a, int32_t b, bool dead);
/* Sums over the fleets of those that run. */
struct fleet_stats world_stats(const struct world *w);

/* All groups have a leader, or rest on all nodes that run. */
bool world_has_leaders(struct world *w);
bool world_rests(struct world *w);
