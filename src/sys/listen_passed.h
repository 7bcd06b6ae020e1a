/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside of listening: the choice among the sockets that systemd passed (listen_passed.c). */

#include "sys/listen.h"

/* Finds the passed socket for spec, whose configured address is at. Returns 0 with the descriptor, -1 when there is
 * none, or -EINVAL and a text when one has the name but doesn't fit. */
int sys_passed_take(struct sys_passed *p, const struct sys_listen_spec *spec, const struct net_addr *at, int *ret_fd,
                    struct error_text *err);
