/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer/suites.h"

TEST_MAIN("peer", peer_hello_suite, peer_golden_suite, peer_round_suite, peer_damage_suite, peer_cluster_suite)
