/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Counts what the program asks the heap for; the linker puts these functions in the place of malloc() and its kin. */

#include <stddef.h>
#include <stdint.h>

struct alloc_count {
    uint64_t n_calls, n_bytes;
};

extern struct alloc_count alloc_count;
