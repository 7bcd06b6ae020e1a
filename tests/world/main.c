/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/suites.h"

TEST_MAIN("world", model_suite, recorder_suite, world_suite)
