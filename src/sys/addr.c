/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
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

int sys_addr_split(const char *address, char ret_host[SYS_HOST_SIZE], uint16_t *ret_port)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon != NULL ? (size_t)(colon - address) : 0;
    unsigned long port;
    char *end;

    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    if (size == 0 || size >= SYS_HOST_SIZE || colon[1] < '0' || colon[1] > '9')
        return -EINVAL;
    port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port > UINT16_MAX)
        return -EINVAL;
    memcpy(ret_host, address, size);
    ret_host[size] = '\0';
    *ret_port = (uint16_t)port;
    return 0;
}

static const struct addrinfo *choose(const struct addrinfo *list)
{
    for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next)
        if (ai->ai_family == AF_INET)
            return ai;
    return list;
}

int sys_addr_resolve(const char *host, uint16_t port, bool numeric, struct sockaddr_storage *ret, socklen_t *ret_size)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    const struct addrinfo *chosen;
    struct addrinfo *list;
    char text[8];
    int r;

    hints.ai_flags |= numeric ? AI_NUMERICHOST : 0;
    snprintf(text, sizeof(text), "%u", port);
    r = getaddrinfo(host, text, &hints, &list);
    if (r != 0)
        return r;
    chosen = choose(list);
    *ret_size = chosen->ai_addrlen;
    memcpy(ret, chosen->ai_addr, chosen->ai_addrlen);
    freeaddrinfo(list);
    return 0;
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
