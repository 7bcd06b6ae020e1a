/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"

/* Part of libbugs.la alone: anything else that is compiled with -DGQ_BUGS doesn't link. */
enum gq_bug gq_bug;
