/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One core by itself, node 1: a test is all of its peers, its disk and its clock. Entries have 10 bytes. The update of
 * the last step is in lone.u. Times: an election timeout is 100 to 200, the heartbeat interval 20. */

#include "base/util.h"
#include "raft/raft.h"
#include "support/suite.h"

struct lone {
    struct raft *raft;
    struct raft_limits limits;
    struct raft_config config;
    uint64_t now;
    uint64_t session; /* what ops.heard answers */
    uint32_t away;    /* bit i: ops.away says so of node i */
    struct raft_update u;
};

extern struct lone lone;

/* What a test begins with. */
extern const struct raft_limits lone_limits;

/* Setup and teardown of each test. */
void lone_setup(void);
void lone_teardown(void);

/* Begins anew with what recovery found; without a configuration there are three voters. */
void lone_start(struct raft_start start);
void lone_members(unsigned n, const uint8_t *roles);
void lone_step(struct raft_event event);
/* To node 1. */
void lone_receive(struct raft_message m);
void lone_tick(uint64_t after);
/* All that was asked for is durable. */
void lone_flush(void);
int lone_propose(unsigned n);
int lone_propose_config(const struct raft_config *config);
/* Gets it elected by all; its first entry is flushed here only. */
void lone_lead(void);
/* Brings it to a role in its present term, or the next one; followers follow 2. */
void lone_become(enum raft_role role);
/* The message of the last step, or NULL. */
const struct raft_message *lone_sent(enum raft_message_kind kind, int32_t to);
