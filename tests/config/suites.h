/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *number_suite(void);
Suite *value_suite(void);
Suite *text_suite(void);
Suite *suggest_suite(void);
Suite *keys_suite(void);
Suite *yaml_suite(void);
Suite *config_suite(void);
Suite *flags_suite(void);
Suite *cmdline_suite(void);
Suite *topic_suite(void);
Suite *describe_suite(void);
