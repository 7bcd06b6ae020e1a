/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon says on standard error, one line each. */

#include <stdio.h>

#define say(level, ...) (fprintf(stderr, level __VA_ARGS__), fputc('\n', stderr))
#define log_event(event, ...) say("", __VA_ARGS__)
#define log_warn(...) say("warning: ", __VA_ARGS__)
#define log_error(...) say("error: ", __VA_ARGS__)
