/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Socket addresses as numeric text. */

#include <sys/socket.h>

#include "env/net.h"

/* IPv4 mapped into IPv6 is told as IPv4, a scope as %NUMBER. A UNIX socket's text is its path (cut to fit), empty
 * when it has none, its port 0. */
void sys_addr_from(const struct sockaddr_storage *from, struct net_addr *ret);

/* The local address of a socket; empty when it has none. */
void sys_addr_of_socket(int fd, struct net_addr *ret);

#define SYS_HOST_SIZE 256

/* HOST:PORT or [HOST]:PORT. 0 or -EINVAL. */
int sys_addr_split(const char *address, char ret_host[SYS_HOST_SIZE], uint16_t *ret_port);

/* The first IPv4 address of the host, since "localhost" means 127.0.0.1 to most who write it, else the first. numeric:
 * never asks a resolver, which blocks. 0 or an EAI_* of getaddrinfo(3). */
int sys_addr_resolve(const char *host, uint16_t port, bool numeric, struct sockaddr_storage *ret, socklen_t *ret_size);

#define SYS_ADDR_PORT_SIZE (NET_ADDR_TEXT_SIZE + 8)

/* "127.0.0.1:9092", "[::1]:9092", or the path. Returns text. */
const char *sys_addr_format(const struct net_addr *a, char text[SYS_ADDR_PORT_SIZE]);

/* 127.0.0.0/8, ::1, UNIX sockets. */
bool sys_addr_is_loopback(const struct net_addr *a);

/* 0.0.0.0 and :: */
bool sys_addr_is_wildcard(const struct net_addr *a);
