/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/suites.h"

TEST_MAIN("replica", acks_suite, ask_suite, budget_suite, keep_suite, producers_suite, start_suite, store_suite,
          space_suite, files_suite, destroy_suite, frame_suite, recycle_suite, round_suite, consensus_suite,
          peers_suite, rest_suite, image_suite, damage_suite, readers_suite, members_suite, change_suite, crash_suite)
