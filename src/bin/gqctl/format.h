/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* consume --format: %t topic, %p partition, %o offset, %T timestamp (ms), %k key, %v value, %h headers, %%, and
 * \n \t \0 \\. */

#include <stdio.h>

#include "base/textbuf.h"
#include "client/goqueue.h"

/* Returns 0, or -EINVAL with a sentence that names what isn't known. */
int format_check(const char *format, struct error_text *err);
/* format must have been checked. */
void format_print(FILE *f, const char *format, const struct gq_record *record);
/* Writes the bytes; none for NULL. */
void format_bytes(FILE *f, const void *data, size_t size);
