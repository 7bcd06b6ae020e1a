/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *append_suite(void);
Suite *crash_suite(void);
Suite *dump_suite(void);
Suite *entry_suite(void);
Suite *format_suite(void);
Suite *image_suite(void);
Suite *open_suite(void);
Suite *read_suite(void);
Suite *repair_suite(void);
Suite *retention_suite(void);
Suite *scrub_suite(void);
Suite *sync_suite(void);
Suite *term_suite(void);
Suite *time_suite(void);
