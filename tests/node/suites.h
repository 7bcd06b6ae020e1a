/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *budget_suite(void);
Suite *cluster_suite(void);
Suite *cluster_story_suite(void);
Suite *crash_suite(void);
Suite *disk_errors_suite(void);
Suite *files_suite(void);
Suite *forming_suite(void);
Suite *image_suite(void);
Suite *life_suite(void);
Suite *links_suite(void);
Suite *move_suite(void);
Suite *readmit_suite(void);
Suite *repair_suite(void);
Suite *scrub_suite(void);
Suite *space_suite(void);
Suite *start_suite(void);
Suite *stop_suite(void);
