/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *peer_hello_suite(void);
Suite *peer_golden_suite(void);
Suite *peer_round_suite(void);
Suite *peer_damage_suite(void);
Suite *peer_cluster_suite(void);
