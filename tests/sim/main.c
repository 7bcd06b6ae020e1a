/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/suites.h"

TEST_MAIN("sim", clock_suite, disk_suite, disk_copy_suite, disk_crash_suite, disk_damage_suite, disk_faults_suite,
          disk_names_suite, lane_suite, mesh_suite, net_suite, pace_suite, prng_suite)
