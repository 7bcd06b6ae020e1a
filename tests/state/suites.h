/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *crash_suite(void);
Suite *damage_suite(void);
Suite *faults_suite(void);
Suite *state_suite(void);
