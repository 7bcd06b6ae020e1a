/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shapes of texts: names, hosts, addresses, paths. All pure; nothing is looked up. */

#include <stdbool.h>
#include <stddef.h>

#define TEXT_HOST_MAX 255

bool text_is_name(const char *s, size_t size);
bool text_is_host(const char *s, size_t size);
/* HOST:PORT or [IPV6]:PORT, port 1 to 65535. */
bool text_is_address(const char *s);
bool text_is_endpoint(const char *s);
bool text_is_path(const char *s);
/* True for 127.0.0.0/8, ::1 and "localhost". */
bool text_is_loopback(const char *host);

/* A static peer "ID=[controller:]ADDRESS". The parts point into s. */
struct text_peer {
    const char *id;
    size_t id_size;
    bool is_controller;
    const char *address;
};
bool text_parse_peer(const char *s, struct text_peer *ret);
