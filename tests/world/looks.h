/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hand-made looks of the watch at a group of five nodes, of which 1, 2 and 3 vote. What a node does is shown at once.
 */

#include "world/watch.h"

#define N_NODES 5
#define BITS(a, b) (1u << (a) | 1u << (b))

/* As it is now. */
extern struct node_now {
    struct watch_state s;
    uint64_t terms[64]; /* of its log */
} nodes[N_NODES + 1];

void looks_set_up(void);
void looks_tear_down(void);
void expect_failure(const char *invariant);
void expect_none(void);

struct raft_standing *raft_of(int node);
void set_members(struct watch_state *s, uint64_t index, uint32_t n, const uint8_t *roles);
/* The group is deleted. */
void look_away(void);
/* The node's replica is removed, since the group is elsewhere. */
void move_away(int node);
/* The watch is shown the node. */
void look(int node);

/* A later term, with this vote. */
void enter(int node, uint64_t term, int32_t vote);
void campaign(int node, uint64_t term);
void append(int node, uint64_t term);
/* Up to its end. */
void flush(int node);
/* Applied as far as it is flushed. */
void commit(int node, uint64_t index);
/* Not shown: it has other entries there at once. */
void cut(int node, uint64_t from);
/* voters: bits of nodes that say yes. */
void elect(int node, uint64_t term, unsigned voters);
/* Only the leader changes, and isn't shown. */
void lead_quietly(int node, uint64_t term, unsigned voters);
/* It has closed its replica; its last step is shown by this alone. */
void close_replica(int node);
/* What its applied state is. */
void show_state(int node, uint64_t index, uint32_t checksum);
/* Not shown. What isn't flushed is gone. */
void restart(int node);
/* Node 1 leads term 1, and entries 1 and 2 are committed on nodes 1 and 2; 3 has the first one. */
void two_entries(void);
