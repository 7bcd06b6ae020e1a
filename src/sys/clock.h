/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real clock: CLOCK_MONOTONIC and CLOCK_REALTIME, both without a system call. One for the process, never freed,
 * for any thread. */

#include "env/clock.h"

struct env_clock *sys_clock(void);
