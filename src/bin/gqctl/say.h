/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What gqctl says: failures, the log file, JSON lines, progress. */

#include <jansson.h>
#include <stdio.h>

#include "base/textbuf.h"
#include "base/util.h"
#include "client/goqueue.h"

/* "gqctl: " and the sentence to standard error, and to the log file where there is one. */
_printf_(1, 2) void say_error(const char *fmt, ...);
/* Says what a call of the library failed with, what first, and returns the exit status that fits. what may be NULL. */
int say_failure(const char *what, int result, const struct gq_error *err);
/* The exit status for a result of the library. */
int exit_status_of(int result);

/* --- log file --- */

/* Opens it for appending and makes missing folders. Returns 0 or a negative errno with a sentence. */
int trace_open(const char *path, struct error_text *err);
void trace_close(void);
/* For gq_client_config; any thread. */
void trace_from_client(void *ctx, int level, const char *text);
_printf_(1, 2) void trace_say(const char *fmt, ...);

/* --- output --- */

/* One line on standard output; frees the value. */
void print_json(json_t *value);
/* Sets key to the text, or key_base64 where it is no UTF-8, or key to null for NULL. */
void json_set_bytes(json_t *object, const char *key, const void *data, size_t size);
/* Ends the output. Returns status, or 1 with a message when not all of it could be written. */
int finish_output(int status);

/* --- progress on a terminal --- */

struct progress {
    bool is_on; /* standard error is a terminal */
    bool is_shown;
    int64_t start_ms, next_ms;
};

void progress_init(struct progress *p);
/* Shows it now and then. total -1: unknown. */
void progress_show(struct progress *p, int64_t n, int64_t total, int64_t bytes);
/* Wipes the line. */
void progress_end(struct progress *p);
