/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What reading a configuration has to tell: several errors at once, and warnings. One line each, without a newline
 * and without the program's name. The daemon's edges print it. */

#include <stddef.h>

#include "base/util.h"

#define CONFIG_ERRORS_MAX 20
#define CONFIG_WARNINGS_MAX 128

struct config_report {
    char *errors[CONFIG_ERRORS_MAX];
    size_t n_errors;
    size_t n_more_errors; /* not kept */
    char *warnings[CONFIG_WARNINGS_MAX];
    size_t n_warnings;
    bool is_usage; /* the first error is one of the command line */
};

void config_report_init(struct config_report *r);
void config_report_fini(struct config_report *r);

_printf_(2, 3) void config_report_error(struct config_report *r, const char *fmt, ...);
/* An error of the command line. */
_printf_(2, 3) void config_report_usage(struct config_report *r, const char *fmt, ...);
_printf_(2, 3) void config_report_warning(struct config_report *r, const char *fmt, ...);

/* What a process ends with after this report: 0, EX_USAGE or EX_CONFIG. */
int config_report_status(const struct config_report *r);
