/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/util.h"

static void from_in6(const struct sockaddr_in6 *in6, struct net_addr *ret)
{
    char text[INET6_ADDRSTRLEN];

    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], ret->text, sizeof(ret->text));
    } else {
        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
        if (in6->sin6_scope_id != 0)
            snprintf(ret->text, sizeof(ret->text), "%s%%%u", text, in6->sin6_scope_id);
        else
            snprintf(ret->text, sizeof(ret->text), "%s", text);
    }
    ret->port = ntohs(in6->sin6_port);
}

void sys_addr_from(const struct sockaddr_storage *from, struct net_addr *ret)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)from;

    *ret = (struct net_addr){ .port = 0 };
    if (from->ss_family == AF_INET) {
        inet_ntop(AF_INET, &in->sin_addr, ret->text, sizeof(ret->text));
        ret->port = ntohs(in->sin_port);
    } else if (from->ss_family == AF_INET6) {
        from_in6((const struct sockaddr_in6 *)from, ret);
    } else if (from->ss_family == AF_UNIX) {
        memcpy(ret->text, ((const struct sockaddr_un *)from)->sun_path, sizeof(ret->text) - 1);
    }
}

void sys_addr_of_socket(int fd, struct net_addr *ret)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t size = sizeof(sa);

    if (getsockname(fd, (struct sockaddr *)&sa, &size) < 0)
        sa.ss_family = AF_UNSPEC;
    sys_addr_from(&sa, ret);
}

const char *sys_addr_format(const struct net_addr *a, char text[SYS_ADDR_PORT_SIZE])
{
    if (strchr(a->text, ':') != NULL)
        snprintf(text, SYS_ADDR_PORT_SIZE, "[%s]:%u", a->text, a->port);
    else if (a->port != 0)
        snprintf(text, SYS_ADDR_PORT_SIZE, "%s:%u", a->text, a->port);
    else
        snprintf(text, SYS_ADDR_PORT_SIZE, "%s", a->text);
    return text;
}

static bool is_ip(const struct net_addr *a)
{
    uint8_t bytes[sizeof(struct in6_addr)];

    return strchr(a->text, ':') != NULL || inet_pton(AF_INET, a->text, bytes) == 1;
}

bool sys_addr_is_loopback(const struct net_addr *a)
{
    return !is_ip(a) || strncmp(a->text, "127.", 4) == 0 || strcmp(a->text, "::1") == 0;
}

bool sys_addr_is_wildcard(const struct net_addr *a)
{
    return strcmp(a->text, "0.0.0.0") == 0 || strcmp(a->text, "::") == 0;
}
