/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *desk_suite(void);
Suite *exposition_suite(void);
Suite *http_suite(void);
Suite *limits_suite(void);
Suite *metrics_suite(void);
Suite *request_suite(void);
Suite *status_suite(void);
