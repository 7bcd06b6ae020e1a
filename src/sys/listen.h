/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listening sockets: bound here, or passed in by systemd (LISTEN_FDS). Main thread, at start.
 *
 * A passed socket has the name of its .socket unit's FileDescriptorName=. One with the name of a listener must have
 * the address that the configuration gives that listener; one without a telling name (the unit's own name, or
 * "unknown") serves the listener that has its address. So a .socket unit that contradicts the configuration is an
 * error that says so, and never a node on the wrong address. */

#include "base/textbuf.h"
#include "env/net.h"

struct sys_passed_fd {
    int fd; /* -1 once taken */
    char *name;
};

struct sys_passed {
    unsigned n;
    struct sys_passed_fd *fds;
};

/* What systemd passed to this process; nothing when it wasn't asked to. Clears the environment variables, so that
 * children don't see them. Returns 0 or a negative errno with a text. */
int sys_passed_init(struct sys_passed *p, struct error_text *err);
/* Closes what nobody took. */
void sys_passed_fini(struct sys_passed *p);
/* After all listeners are open: 0, or -EINVAL and a text that names a socket that no listener took. */
int sys_passed_check(const struct sys_passed *p, struct error_text *err);

struct sys_listen_spec {
    const char *name; /* "client" */
    const char *host; /* numeric, or a name: then its first IPv4 address, else its first address */
    uint16_t port;    /* 0: the kernel chooses */
    int backlog;
    const char *congestion_control; /* of its connections; NULL: the system's */
    bool for_peers;                 /* other nodes connect */
};

#define SYS_CONGESTION_SIZE 16 /* as the kernel has it */

struct sys_listener {
    int fd;
    struct net_addr addr; /* where it really listens */
    bool was_passed;
    char congestion_control[SYS_CONGESTION_SIZE]; /* the effective one */
};

/* Options of a connection, or of a listener for those that it accepts. for_peers: a host that is gone is found within
 * ten seconds, whether something is sent or not. */
void sys_listen_options(int fd, bool for_peers);

/* Takes the fitting one of passed (may be NULL), else binds. The socket doesn't block, and its connections have
 * TCP_NODELAY, SO_KEEPALIVE, a bound on what isn't sent yet, and the congestion control. Returns 0, or a negative errno
 * and a text: what bind(2) and listen(2) say, -EINVAL for a host that can't be resolved, a passed socket that doesn't
 * fit, or a congestion control that the kernel doesn't have or doesn't allow. */
int sys_listen(const struct sys_listen_spec *spec, struct sys_passed *passed, struct sys_listener *ret,
               struct error_text *err);
