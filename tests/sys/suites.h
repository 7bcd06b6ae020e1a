/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *addr_suite(void);
Suite *clock_suite(void);
Suite *disk_map_suite(void);
Suite *disk_mounts_suite(void);
Suite *disk_suite(void);
Suite *file_system_suite(void);
Suite *lane_suite(void);
Suite *listen_suite(void);
Suite *log_events_suite(void);
Suite *log_file_suite(void);
Suite *log_journal_suite(void);
Suite *log_suite(void);
Suite *mailbox_suite(void);
Suite *net_suite(void);
Suite *net_peers_suite(void);
Suite *notify_suite(void);
Suite *prng_suite(void);
Suite *runtime_suite(void);
Suite *starting_suite(void);
