/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fleet/suites.h"

TEST_MAIN("fleet", fleet_rest_suite, fleet_session_suite, fleet_proposal_suite, fleet_random_suite)
