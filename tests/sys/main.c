/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/suites.h"

TEST_MAIN("sys", clock_suite, prng_suite, disk_suite)
