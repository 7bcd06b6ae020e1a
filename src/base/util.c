/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"

#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

static void write_stderr(const char *text, size_t size)
{
    ssize_t n = write(STDERR_FILENO, text, size);

    (void)n; /* the process ends either way */
}

void gq_assert_fail(const char *expr, const char *file, int line, const char *func)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "%s:%d: %s: assertion failed: %s\n", file, line, func, expr);

    if (n > 0)
        write_stderr(text, MIN((size_t)n, sizeof(text) - 1));
    abort();
}

static _noreturn_ void out_of_memory(void)
{
    static const char text[] = "out of memory\n";

    write_stderr(text, sizeof(text) - 1);
    _exit(EX_OSERR);
}

void *xmalloc(size_t size)
{
    void *p = malloc(size > 0 ? size : 1);

    if (p == NULL)
        out_of_memory();
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size > 0 ? size : 1);

    if (p == NULL)
        out_of_memory();
    return p;
}

void *xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size > 0 ? size : 1);

    if (q == NULL)
        out_of_memory();
    return q;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
    size_t size = strnlen(s, n);
    char *copy = xmalloc(size + 1);

    memcpy(copy, s, size);
    copy[size] = '\0';
    return copy;
}

char *xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory();
    return text;
}
