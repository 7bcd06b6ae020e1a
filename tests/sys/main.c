/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/suites.h"

TEST_MAIN("sys", clock_suite, prng_suite, disk_suite, disk_map_suite, disk_mounts_suite, file_system_suite,
          mailbox_suite, lane_suite, addr_suite, listen_suite, runtime_suite, starting_suite, net_suite,
          net_peers_suite, notify_suite, log_events_suite, log_file_suite, log_journal_suite, log_suite)
