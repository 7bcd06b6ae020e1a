/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/text.h"

#include <arpa/inet.h>
#include <limits.h>

#include "base/util.h"
#include "config/number.h"

#define CONTROLLER_PREFIX "controller:"

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool text_is_name(const char *s, size_t size)
{
    if (size == 0 || !is_alnum(s[0]))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!is_alnum(s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-')
            return false;
    }
    return true;
}

static bool is_ip(const char *s, size_t size, int family)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t address[sizeof(struct in6_addr)];

    if (size >= sizeof(text))
        return false;
    memcpy(text, s, size);
    text[size] = '\0';
    return inet_pton(family, text, address) == 1;
}

/* Only digits and dots: meant as an IPv4 address. */
static bool looks_like_ipv4(const char *s, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((s[i] < '0' || s[i] > '9') && s[i] != '.')
            return false;
    }
    return true;
}

bool text_is_host(const char *s, size_t size)
{
    if (size == 0 || size > TEXT_HOST_MAX)
        return false;
    if (memchr(s, ':', size) != NULL)
        return is_ip(s, size, AF_INET6);
    if (looks_like_ipv4(s, size))
        return is_ip(s, size, AF_INET);
    return text_is_name(s, size);
}

static bool is_port(const char *s)
{
    int64_t port;

    return number_parse_int(s, &port) == 0 && port >= 1 && port <= UINT16_MAX;
}

bool text_is_address(const char *s)
{
    const char *colon = strrchr(s, ':');
    size_t size;

    if (colon == NULL || !is_port(colon + 1))
        return false;
    size = (size_t)(colon - s);
    if (s[0] == '[')
        return size >= 2 && s[size - 1] == ']' && is_ip(s + 1, size - 2, AF_INET6);
    return memchr(s, ':', size) == NULL && text_is_host(s, size);
}

bool text_parse_peer(const char *s, struct text_peer *ret)
{
    const char *equals = strchr(s, '=');
    struct text_peer peer;

    if (equals == NULL)
        return false;
    peer.id = s;
    peer.id_size = (size_t)(equals - s);
    peer.address = equals + 1;
    peer.is_controller = strncmp(peer.address, CONTROLLER_PREFIX, strlen(CONTROLLER_PREFIX)) == 0;
    if (peer.is_controller)
        peer.address += strlen(CONTROLLER_PREFIX);
    if (!text_is_name(peer.id, peer.id_size) || !text_is_address(peer.address))
        return false;
    *ret = peer;
    return true;
}

bool text_is_endpoint(const char *s)
{
    static const char *const schemes[] = { "http://", "https://" };
    struct text_peer peer;

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        if (strncmp(s, schemes[i], strlen(schemes[i])) == 0)
            return text_is_address(s + strlen(schemes[i]));
    }
    return text_is_address(s) || text_parse_peer(s, &peer);
}

bool text_is_path(const char *s)
{
    size_t size = strlen(s);

    return size > 0 && size < PATH_MAX;
}

bool text_is_loopback(const char *host)
{
    struct in_addr v4;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    return strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}
