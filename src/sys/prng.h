/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's randomness, getrandom(2). Small requests are cut from a buffer that each thread keeps; bytes are
 * wiped as they are given out, and a fork() forgets what the parent had buffered. One for the process, never freed,
 * for any thread. */

#include "env/prng.h"

struct env_prng *sys_prng(void);
