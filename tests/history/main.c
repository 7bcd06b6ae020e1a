/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history/suites.h"

TEST_MAIN("history", files_suite, format_suite, history_suite, map_suite, random_suite)
