/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"

/* Part of libbugs.la alone: what is compiled with -DGQ_BUGS and isn't linked with that doesn't link. */
enum gq_bug gq_bug;
