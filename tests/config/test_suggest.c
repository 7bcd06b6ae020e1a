/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/suggest.h"

#include <stdint.h>
#include <stdlib.h>

#include "config/keys.h"
#include "config/suites.h"

START_TEST(distances)
{
    ck_assert_uint_eq(suggest_distance("", ""), 0);
    ck_assert_uint_eq(suggest_distance("port", "port"), 0);
    ck_assert_uint_eq(suggest_distance("prot", "port"), 1);
    ck_assert_uint_eq(suggest_distance("pot", "port"), 1);
    ck_assert_uint_eq(suggest_distance("ports", "port"), 1);
    ck_assert_uint_eq(suggest_distance("sort", "port"), 1);
    ck_assert_uint_eq(suggest_distance("", "port"), 4);
    ck_assert_uint_eq(suggest_distance("bind-port", "bind_port"), 0);
    ck_assert_uint_eq(suggest_distance("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "x"),
                      SIZE_MAX);
}
END_TEST

START_TEST(keys_nearby)
{
    ck_assert_str_eq(config_key_suggest("retnetion"), "retention");
    ck_assert_str_eq(config_key_suggest("logging.levle"), "logging.level");
    ck_assert_str_eq(config_key_suggest("batch_timeout"), "performance.batch_timeout");
    ck_assert_str_eq(config_key_suggest("discoveri"), "discovery");
    ck_assert_str_eq(config_key_suggest("bind-addr"), "bind_addr");
    ck_assert_ptr_null(config_key_suggest("zookeeper.connect"));
    ck_assert_ptr_null(config_key_suggest(""));
}
END_TEST

Suite *suggest_suite(void)
{
    Suite *s = suite_create("suggest");

    suite_add(s, distances);
    suite_add(s, keys_nearby);
    return s;
}
