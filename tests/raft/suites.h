/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *raft_log_suite(void);
Suite *raft_vote_suite(void);
Suite *raft_follower_suite(void);
Suite *raft_leader_suite(void);
Suite *raft_hostile_suite(void);
Suite *raft_rest_suite(void);
Suite *raft_memory_suite(void);
Suite *raft_random_suite(void);
