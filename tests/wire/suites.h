/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *batch_suite(void);
Suite *inflate_suite(void);
Suite *record_stream_suite(void);
Suite *records_suite(void);
