/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Limits of the process. */

#include <stdint.h>

/* Raises the soft limit of file descriptors to the hard one; returns what holds from then on. Nothing here or in the
 * libraries uses select(2), which would need descriptors below 1024. */
uint64_t sys_raise_file_limit(void);
