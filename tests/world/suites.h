/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *model_suite(void);
Suite *rare_suite(void);
Suite *recorder_suite(void);
Suite *watch_log_suite(void);
Suite *watch_suite(void);
Suite *world_suite(void);
