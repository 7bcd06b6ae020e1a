/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/text.h"

#include <string.h>

#include "base/util.h"
#include "config/suites.h"

START_TEST(hosts)
{
    static const char *const good[] = {
        "127.0.0.1", "0.0.0.0", "::", "::1", "fe80::1", "localhost", "broker-1.example"
    };
    static const char *const bad[] = { "", "1.2.3", "256.0.0.1", ":::", "-host", "a b", "h\xc3\xb6st", "fe80::1%eth0" };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        ck_assert_msg(text_is_host(good[i], strlen(good[i])), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        ck_assert_msg(!text_is_host(bad[i], strlen(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(addresses)
{
    static const char *const good[] = { "127.0.0.1:7001", "[::1]:7001", "host:1", "host:65535" };
    static const char *const bad[] = { "",         ":",     "host",      "host:",    ":7001", "host:0", "host:65536",
                                       "::1:7001", "[::1]", "[::1:7001", "[host]:1", "[]:1",  "host:1x" };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        ck_assert_msg(text_is_address(good[i]), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        ck_assert_msg(!text_is_address(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(endpoints)
{
    ck_assert(text_is_endpoint("127.0.0.1:2379"));
    ck_assert(text_is_endpoint("http://127.0.0.1:2379"));
    ck_assert(text_is_endpoint("https://etcd-1:2379"));
    ck_assert(text_is_endpoint("n1=127.0.0.1:7001"));
    ck_assert(!text_is_endpoint("ftp://etcd-1:2379"));
    ck_assert(!text_is_endpoint("https://etcd-1"));
    ck_assert(!text_is_endpoint("=127.0.0.1:7001"));
}
END_TEST

START_TEST(peers)
{
    struct text_peer p;

    ck_assert(text_parse_peer("c1=controller:[::1]:7001", &p));
    ck_assert_uint_eq(p.id_size, 2);
    ck_assert(p.is_controller);
    ck_assert_str_eq(p.address, "[::1]:7001");
    ck_assert(text_parse_peer("n1=controller:7001", &p) == false); /* the address is missing */
    ck_assert(text_parse_peer("n1=host:7001", &p));
    ck_assert(!p.is_controller);
}
END_TEST

START_TEST(loopback)
{
    ck_assert(text_is_loopback("127.0.0.1"));
    ck_assert(text_is_loopback("127.8.9.1"));
    ck_assert(text_is_loopback("::1"));
    ck_assert(text_is_loopback("localhost"));
    ck_assert(!text_is_loopback("0.0.0.0"));
    ck_assert(!text_is_loopback("::"));
    ck_assert(!text_is_loopback("128.0.0.1"));
    ck_assert(!text_is_loopback("broker"));
}
END_TEST

Suite *text_suite(void)
{
    Suite *s = suite_create("text");

    suite_add(s, hosts);
    suite_add(s, addresses);
    suite_add(s, endpoints);
    suite_add(s, peers);
    suite_add(s, loopback);
    return s;
}
