/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *connection_suite(void);
Suite *admin_create_suite(void);
Suite *admin_delete_suite(void);
Suite *admin_configs_suite(void);
Suite *admin_describe_suite(void);
Suite *admin_reassign_suite(void);
Suite *fetch_suite(void);
Suite *opening_suite(void);
Suite *produce_suite(void);
Suite *producer_ids_suite(void);
Suite *answers_suite(void);
