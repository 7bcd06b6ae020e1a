/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/links_suites.h"

TEST_MAIN("links", links_carry_suite, links_damage_suite, links_meet_suite)
