/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libsystemd, loaded at the first call that needs it: it and what it pulls in are a megabyte that a daemon started by
 * hand doesn't need. Any thread. -ENOENT or -ENOSYS from all of these when there is no (fitting) libsystemd. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* sd_listen_fds_with_names(3), unsetting the environment. Returns the count; the descriptors begin at
 * SYSTEMD_LISTEN_FDS_START, and the names are the caller's to free, each and the array. */
int systemd_listen_fds(char ***ret_names);

#define SYSTEMD_LISTEN_FDS_START 3

/* Whether there is a service manager to notify. */
bool systemd_has_notify(void);
/* sd_notify(3) without unsetting: > 0 sent, 0 no service manager, or a negative errno. */
int systemd_notify(const char *state);

/* sd_watchdog_enabled(3): > 0 with the time after which the service counts as hung, 0 when there is no watchdog. */
int systemd_watchdog(uint64_t *ret_usec);

/* sd_journal_sendv(3). */
int systemd_journal_sendv(const struct iovec *fields, int n_fields);
