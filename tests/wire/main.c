/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/suites.h"

TEST_MAIN("wire", batch_suite, encode_suite, fetch_response_suite, frame_suite, malformed_suite, messages_suite,
          produce_layout_suite, records_suite)
