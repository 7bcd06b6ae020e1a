/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "sys/addr.h"
#include "sys/suites.h"

static struct net_addr from_ip(int family, const char *ip, uint16_t port, uint32_t scope)
{
    struct sockaddr_storage sa = { .ss_family = (sa_family_t)family };
    struct sockaddr_in *in = (struct sockaddr_in *)&sa;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;
    struct net_addr a;

    in->sin_port = htons(port); /* at the same place in both */
    if (family == AF_INET6)
        in6->sin6_scope_id = scope;
    ck_assert_int_eq(inet_pton(family, ip, family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr), 1);
    sys_addr_from(&sa, &a);
    return a;
}

static void check(struct net_addr a, const char *text, uint16_t port, const char *formatted)
{
    char got[SYS_ADDR_PORT_SIZE];

    ck_assert_str_eq(a.text, text);
    ck_assert_uint_eq(a.port, port);
    ck_assert_str_eq(sys_addr_format(&a, got), formatted);
}

START_TEST(ip_addresses)
{
    check(from_ip(AF_INET, "10.1.2.3", 9092, 0), "10.1.2.3", 9092, "10.1.2.3:9092");
    check(from_ip(AF_INET6, "2001:db8::1", 1, 0), "2001:db8::1", 1, "[2001:db8::1]:1");
    check(from_ip(AF_INET6, "fe80::1", 1, 7), "fe80::1%7", 1, "[fe80::1%7]:1");
    check(from_ip(AF_INET6, "::ffff:10.1.2.3", 65535, 0), "10.1.2.3", 65535, "10.1.2.3:65535");
}
END_TEST

START_TEST(unix_addresses)
{
    struct sockaddr_storage sa = { .ss_family = AF_UNIX };
    struct sockaddr_un *un = (struct sockaddr_un *)&sa;
    struct net_addr a;

    sys_addr_from(&sa, &a);
    check(a, "", 0, "");
    strcpy(un->sun_path, "/run/goqueue/admin");
    sys_addr_from(&sa, &a);
    check(a, "/run/goqueue/admin", 0, "/run/goqueue/admin");
    memset(un->sun_path, 'x', sizeof(un->sun_path)); /* a full path has no NUL */
    sys_addr_from(&sa, &a);
    ck_assert_uint_eq(strlen(a.text), NET_ADDR_TEXT_SIZE - 1);
}
END_TEST

START_TEST(what_is_loopback)
{
    static const struct {
        const char *text;
        bool loopback, wildcard;
    } cases[] = {
        { "127.0.0.1", true, false },   { "127.9.9.9", true, false }, { "::1", true, false },
        { "10.0.0.127", false, false }, { "0.0.0.0", false, true },   { "::", false, true },
        { "fe80::1%2", false, false },  { "/run/x", true, false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct net_addr a = { .port = 1 };

        strcpy(a.text, cases[i].text);
        ck_assert_msg(sys_addr_is_loopback(&a) == cases[i].loopback, "%s", a.text);
        ck_assert_msg(sys_addr_is_wildcard(&a) == cases[i].wildcard, "%s", a.text);
    }
}
END_TEST

START_TEST(addresses_have_a_host_and_a_port)
{
    static const struct {
        const char *text, *host; /* NULL: it isn't one */
        uint16_t port;
    } cases[] = {
        { "127.0.0.1:7001", "127.0.0.1", 7001 },
        { "[::1]:7001", "::1", 7001 },
        { "b.example:0", "b.example", 0 },
        { "host:65535", "host", 65535 },
        { "host:65536", NULL, 0 },
        { "host:", NULL, 0 },
        { ":7001", NULL, 0 },
        { "host", NULL, 0 },
        { "host:70x", NULL, 0 },
        { "host:-1", NULL, 0 },
        { "[]:1", NULL, 0 },
        { "", NULL, 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char host[SYS_HOST_SIZE] = "";
        uint16_t port = 1;
        int rc = sys_addr_split(cases[i].text, host, &port);

        ck_assert_msg(rc == (cases[i].host != NULL ? 0 : -EINVAL), "%s", cases[i].text);
        if (rc == 0) {
            ck_assert_str_eq(host, cases[i].host);
            ck_assert_uint_eq(port, cases[i].port);
        }
    }
}
END_TEST

Suite *addr_suite(void)
{
    Suite *s = suite_create("addr");

    suite_add(s, ip_addresses);
    suite_add(s, unix_addresses);
    suite_add(s, what_is_loopback);
    suite_add(s, addresses_have_a_host_and_a_port);
    return s;
}
