/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *entry_suite(void);
Suite *format_suite(void);
Suite *append_suite(void);
Suite *crash_suite(void);
