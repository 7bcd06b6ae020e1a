/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/suites.h"

TEST_MAIN("client", client_suite, producer_suite, consumer_suite, status_suite)
