/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/suites.h"

TEST_MAIN("golden", golden_batches_suite, golden_messages_suite)
