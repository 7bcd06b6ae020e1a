/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state/suites.h"

TEST_MAIN("state", state_suite, faults_suite, damage_suite, crash_suite)
