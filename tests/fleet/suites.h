/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *fleet_rest_suite(void);
Suite *fleet_session_suite(void);
Suite *fleet_proposal_suite(void);
Suite *fleet_random_suite(void);
