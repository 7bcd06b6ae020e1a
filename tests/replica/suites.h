/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *acks_suite(void);
Suite *ask_suite(void);
Suite *budget_suite(void);
Suite *change_suite(void);
Suite *consensus_suite(void);
Suite *crash_suite(void);
Suite *destroy_suite(void);
Suite *start_suite(void);
Suite *frame_suite(void);
Suite *image_suite(void);
Suite *damage_suite(void);
Suite *keep_suite(void);
Suite *members_suite(void);
Suite *files_suite(void);
Suite *peers_suite(void);
Suite *producers_suite(void);
Suite *readers_suite(void);
Suite *recycle_suite(void);
Suite *rest_suite(void);
Suite *round_suite(void);
Suite *space_suite(void);
Suite *store_suite(void);
