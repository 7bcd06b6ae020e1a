/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/suites.h"

TEST_MAIN("log", entry_suite, format_suite, append_suite, read_suite, open_suite, sync_suite, retention_suite,
          term_suite, time_suite, scrub_suite, dump_suite, crash_suite, repair_suite, image_suite)
