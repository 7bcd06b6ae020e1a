/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The service manager's end of what the process tells it: an abstract socket with a name of the kernel's choice, which
 * NOTIFY_SOCKET names from then on. Each message is a datagram; the descriptor is the caller's to close. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

static inline int service_manager_listen(void)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    socklen_t size = sizeof(un);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char name[128];

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(sa_family_t)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&un, &size), 0);
    snprintf(name, sizeof(name), "@%.*s", (int)(size - sizeof(sa_family_t) - 1), un.sun_path + 1);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}
