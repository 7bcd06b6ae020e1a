/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/suites.h"

TEST_MAIN("journal", format_suite, blocks_suite, chain_suite, superblock_suite, journal_suite, batching_suite,
          crash_suite, damage_suite, relocate_suite, faults_suite, dump_suite, repair_suite)
