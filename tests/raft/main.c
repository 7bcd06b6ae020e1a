/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/suites.h"

TEST_MAIN("raft", raft_log_suite, raft_vote_suite, raft_follower_suite, raft_leader_suite, raft_hostile_suite,
          raft_rest_suite, raft_memory_suite, raft_random_suite)
