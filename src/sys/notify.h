/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the service manager is told (sd_notify(3)). Any thread; nothing happens when there is no $NOTIFY_SOCKET. A
 * status is one line; control characters in it become spaces. */

#include "base/util.h"

_printf_(1, 2) void sys_notify_status(const char *fmt, ...);
_printf_(1, 2) void sys_notify_ready(const char *status_fmt, ...);
_printf_(1, 2) void sys_notify_stopping(const char *status_fmt, ...);
/* Ended by the next sys_notify_ready(). */
_printf_(1, 2) void sys_notify_reloading(const char *status_fmt, ...);
/* Starting or stopping takes this much longer from now on, at least. */
_printf_(2, 3) void sys_notify_extend(uint64_t usec, const char *status_fmt, ...);
/* Why the process is about to end; err is an errno, of either sign, or 0. */
_printf_(3, 4) void sys_notify_failed(int exit_status, int err, const char *status_fmt, ...);

/* The time after which the service manager takes the process for hung, 0 for never; and what prevents it. */
uint64_t sys_notify_watchdog_ns(void);
void sys_notify_alive(void);
