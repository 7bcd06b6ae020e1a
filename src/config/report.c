/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

void config_report_init(struct config_report *r)
{
    memset(r, 0, sizeof(*r));
}

void config_report_fini(struct config_report *r)
{
    for (size_t i = 0; i < r->n_errors; i++)
        free(r->errors[i]);
    for (size_t i = 0; i < r->n_warnings; i++)
        free(r->warnings[i]);
    config_report_init(r);
}

static char *format(const char *fmt, va_list args)
{
    char line[1024];

    vsnprintf(line, sizeof(line), fmt, args);
    return xstrdup(line);
}

static void add_error(struct config_report *r, bool is_usage, const char *fmt, va_list args)
{
    if (r->n_errors == 0)
        r->is_usage = is_usage;
    if (r->n_errors == CONFIG_ERRORS_MAX)
        r->n_more_errors++;
    else
        r->errors[r->n_errors++] = format(fmt, args);
}

void config_report_error(struct config_report *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_error(r, false, fmt, args);
    va_end(args);
}

void config_report_usage(struct config_report *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_error(r, true, fmt, args);
    va_end(args);
}

void config_report_warning(struct config_report *r, const char *fmt, ...)
{
    va_list args;

    if (r->n_warnings == CONFIG_WARNINGS_MAX)
        return;
    va_start(args, fmt);
    r->warnings[r->n_warnings++] = format(fmt, args);
    va_end(args);
}

int config_report_status(const struct config_report *r)
{
    if (r->n_errors == 0)
        return EX_OK;
    return r->is_usage ? EX_USAGE : EX_CONFIG;
}
