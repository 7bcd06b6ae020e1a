/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/suite.h"

Suite *timer_suite(void);

TEST_MAIN("timer", timer_suite)
