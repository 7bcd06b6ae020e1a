/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/suites.h"

TEST_MAIN("world", model_suite, rare_suite, recorder_suite, watch_suite, watch_log_suite, world_suite)
