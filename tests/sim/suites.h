/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *clock_suite(void);
Suite *disk_suite(void);
Suite *disk_copy_suite(void);
Suite *disk_crash_suite(void);
Suite *disk_damage_suite(void);
Suite *disk_faults_suite(void);
Suite *disk_names_suite(void);
Suite *lane_suite(void);
Suite *mesh_suite(void);
Suite *net_suite(void);
Suite *pace_suite(void);
Suite *prng_suite(void);
