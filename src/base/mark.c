/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"

/* Part of libbugs.la alone, as base/bug.c is. */
uint64_t gq_marks[GQ_N_MARKS];
