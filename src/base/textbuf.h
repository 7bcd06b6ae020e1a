/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a library hands up a sentence for a human next to an error code: the caller lends the buffer, or passes NULL
 * when nobody will read it. Libraries never log. */

#include "base/util.h"

#define ERROR_TEXT_SIZE 512

struct error_text {
    char text[ERROR_TEXT_SIZE]; /* NUL-terminated */
};

/* Replaces the text; what doesn't fit is cut at a whole UTF-8 character. Takes NULL e. The arguments may point into
 * the old text, so that a caller can put its own words before it. */
_printf_(2, 3) void error_setf(struct error_text *e, const char *fmt, ...);
