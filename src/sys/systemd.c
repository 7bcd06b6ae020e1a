/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/systemd.h"

#include <pthread.h>
#include <stdlib.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* sd_journal_sendv() itself instead of the macro of that name */
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "base/dl.h"

#define SONAME "libsystemd.so.0"
#define CALLS(X) X(sd_listen_fds_with_names) X(sd_notify) X(sd_watchdog_enabled) X(sd_journal_sendv)

_Static_assert(SYSTEMD_LISTEN_FDS_START == SD_LISTEN_FDS_START, "one of systemd's constants");

CALLS(DL_POINTER)
static const struct dl_symbol symbols[] = { CALLS(DL_SYMBOL) };
DL_NOTE(systemd, SONAME, "recommended", "Socket activation, readiness, watchdog and journal fields")

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int loaded;

static void load_once(void)
{
    loaded = dl_load(SONAME, symbols, ARRAY_SIZE(symbols), NULL);
}

static int load(void)
{
    pthread_once(&once, load_once);
    return loaded;
}

int systemd_listen_fds(char ***ret_names)
{
    int r = load();

    return r < 0 ? r : dl_sd_listen_fds_with_names(1, ret_names);
}

bool systemd_has_notify(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

int systemd_notify(const char *state)
{
    int r;

    if (!systemd_has_notify())
        return 0;
    r = load();
    return r < 0 ? r : dl_sd_notify(0, state);
}

int systemd_watchdog(uint64_t *ret_usec)
{
    int r;

    if (getenv("WATCHDOG_USEC") == NULL)
        return 0;
    r = load();
    return r < 0 ? r : dl_sd_watchdog_enabled(0, ret_usec);
}

int systemd_journal_sendv(const struct iovec *fields, int n_fields)
{
    int r = load();

    return r < 0 ? r : dl_sd_journal_sendv(fields, n_fields);
}
