/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/suites.h"

TEST_MAIN("broker", connection_suite, admin_create_suite, admin_delete_suite, admin_configs_suite, admin_describe_suite,
          admin_reassign_suite, answers_suite, fetch_suite, opening_suite, produce_suite, producer_ids_suite)
