/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/suites.h"

TEST_MAIN("config", number_suite, value_suite, text_suite, suggest_suite, keys_suite, yaml_suite, config_suite,
          flags_suite, cmdline_suite, topic_suite, describe_suite)
