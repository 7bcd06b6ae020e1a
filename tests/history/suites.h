/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *files_suite(void);
Suite *format_suite(void);
Suite *history_suite(void);
Suite *map_suite(void);
Suite *random_suite(void);
