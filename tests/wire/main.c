/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/suites.h"

TEST_MAIN("wire", batch_suite, records_suite)
