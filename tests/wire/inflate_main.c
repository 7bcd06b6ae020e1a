/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/suites.h"

TEST_MAIN("wireinflate", inflate_suite, record_stream_suite)
