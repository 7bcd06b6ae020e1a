/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/gqctl/suites.h"

TEST_MAIN("gqctl", client_file_suite, settings_suite, format_suite, say_suite)
