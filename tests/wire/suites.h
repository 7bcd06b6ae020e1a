/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *batch_suite(void);
Suite *encode_suite(void);
Suite *fetch_response_suite(void);
Suite *frame_suite(void);
Suite *produce_layout_suite(void);
Suite *golden_batches_suite(void);
Suite *golden_messages_suite(void);
Suite *inflate_suite(void);
Suite *malformed_suite(void);
Suite *messages_suite(void);
Suite *record_stream_suite(void);
Suite *records_suite(void);
