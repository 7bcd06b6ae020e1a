/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admin/suites.h"

TEST_MAIN("admin", request_suite, exposition_suite, metrics_suite, status_suite, desk_suite, http_suite, limits_suite)
