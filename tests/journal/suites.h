/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *batching_suite(void);
Suite *blocks_suite(void);
Suite *chain_suite(void);
Suite *crash_suite(void);
Suite *damage_suite(void);
Suite *dump_suite(void);
Suite *faults_suite(void);
Suite *format_suite(void);
Suite *journal_suite(void);
Suite *repair_suite(void);
Suite *relocate_suite(void);
Suite *superblock_suite(void);
