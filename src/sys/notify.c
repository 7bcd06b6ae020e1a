/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "sys/clock.h"
#include "sys/systemd.h"

#define STATE_SIZE 1024

/* Sends prefix, which ends in a newline or is empty, and STATUS= with the text. */
static void send_status(const char *prefix, const char *fmt, va_list args)
{
    char state[STATE_SIZE];
    size_t n;

    if (!systemd_has_notify())
        return;
    n = (size_t)snprintf(state, sizeof(state), "%sSTATUS=", prefix);
    vsnprintf(state + n, sizeof(state) - n, fmt, args);
    for (char *p = state + n; *p != '\0'; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    (void)systemd_notify(state); /* the manager isn't there, or doesn't want it: nothing that we could do */
}

#define SEND_STATUS(prefix, fmt) \
    do { \
        va_list args_; \
        va_start(args_, fmt); \
        send_status(prefix, fmt, args_); \
        va_end(args_); \
    } while (0)

void sys_notify_status(const char *fmt, ...)
{
    SEND_STATUS("", fmt);
}

void sys_notify_ready(const char *fmt, ...)
{
    SEND_STATUS("READY=1\n", fmt);
}

void sys_notify_stopping(const char *fmt, ...)
{
    SEND_STATUS("STOPPING=1\n", fmt);
}

void sys_notify_reloading(const char *fmt, ...)
{
    char prefix[64]; /* Type=notify-reload wants to know when */

    snprintf(prefix, sizeof(prefix), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n", clock_mono_ns(sys_clock()) / 1000);
    SEND_STATUS(prefix, fmt);
}

void sys_notify_extend(uint64_t usec, const char *fmt, ...)
{
    char prefix[64];

    snprintf(prefix, sizeof(prefix), "EXTEND_TIMEOUT_USEC=%" PRIu64 "\n", usec);
    SEND_STATUS(prefix, fmt);
}

void sys_notify_failed(int exit_status, int err, const char *fmt, ...)
{
    char prefix[64];
    int n = snprintf(prefix, sizeof(prefix), "EXIT_STATUS=%d\n", exit_status);

    if (err != 0)
        snprintf(prefix + n, sizeof(prefix) - (size_t)n, "ERRNO=%d\n", err < 0 ? -err : err);
    SEND_STATUS(prefix, fmt);
}

uint64_t sys_notify_watchdog_ns(void)
{
    uint64_t usec = 0;

    return systemd_watchdog(&usec) > 0 ? usec * 1000 : 0;
}

void sys_notify_alive(void)
{
    (void)systemd_notify("WATCHDOG=1");
}
