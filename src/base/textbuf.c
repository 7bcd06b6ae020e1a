/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/textbuf.h"

#include <stdarg.h>
#include <stdio.h>

/* Takes the last character off when snprintf cut it in the middle. */
static void cut_at_character(char *text, size_t size)
{
    size_t start = size;

    while (start > 0 && ((uint8_t)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && ((uint8_t)text[start - 1] & 0xc0) == 0xc0) {
        uint8_t lead = (uint8_t)text[start - 1];
        size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

        if (size - (start - 1) < length)
            text[start - 1] = '\0';
    }
}

void error_setf(struct error_text *e, const char *fmt, ...)
{
    char text[ERROR_TEXT_SIZE];
    va_list ap;
    int n;

    if (e == NULL)
        return;
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0)
        text[0] = '\0';
    else if ((size_t)n >= sizeof(text))
        cut_at_character(text, sizeof(text) - 1);
    memcpy(e->text, text, strlen(text) + 1);
}
