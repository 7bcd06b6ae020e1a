/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "txn/suites.h"

TEST_MAIN("txn", producer_suite, producer_image_suite, producer_model_suite, refusals_suite)
