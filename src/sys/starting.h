/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process that starts, before its runtime runs: recovery has the main thread, for minutes where there is much of it.
 * A thread asks the service manager for more time as long as the disk is at work, and hears SIGTERM and SIGINT. */

#include "env/disk.h"

struct sys_starting;

struct sys_starting_options {
    struct env_disk *disk; /* the real one. Its calls are the progress */
    uint64_t interval_ns;  /* between two looks */
    uint64_t extend_us;    /* what is asked for, from each look on that finds progress; longer than the interval */
    /* SIGTERM or SIGINT, on the thread: ends the process, while the main thread is anywhere. */
    void (*stop)(void *ctx, int signo);
    void *ctx;
};

/* After sys_runtime_new(), which blocks these signals. Returns 0 or a negative errno. */
int sys_starting_new(const struct sys_starting_options *options, struct sys_starting **ret);

/* What it is at, said to the service manager at once and with each time that is asked for. A text that stays. */
void sys_starting_say(struct sys_starting *s, const char *status);

/* Ends the thread; a signal that it hasn't seen is the runtime's. Takes NULL. */
void sys_starting_free(struct sys_starting *s);
