/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/suites.h"

TEST_MAIN("node", life_suite, budget_suite, start_suite, stop_suite, space_suite, files_suite, scrub_suite, crash_suite,
          disk_errors_suite, image_suite, repair_suite, forming_suite, cluster_suite, cluster_story_suite,
          readmit_suite, move_suite, links_suite)
