/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *links_carry_suite(void);
Suite *links_damage_suite(void);
Suite *links_meet_suite(void);
