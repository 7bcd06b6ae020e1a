/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/number.h"

#include <errno.h>

#include "config/suites.h"
#include "config/value.h"

START_TEST(durations_take_every_unit)
{
    static const struct {
        const char *text;
        int64_t ns;
    } rows[] = {
        { "7ns", 7 },
        { "7us", 7000 },
        { "10ms", 10 * VALUE_MSEC },
        { "5s", 5 * VALUE_SEC },
        { "5m", 5 * VALUE_MINUTE },
        { "24h", 24 * VALUE_HOUR },
        { "7d", 7 * VALUE_DAY },
        { "10 ms", 10 * VALUE_MSEC },
        { "1h30m", 90 * VALUE_MINUTE },
        { "1h 30m", 90 * VALUE_MINUTE },
        { "1.5s", 1500 * VALUE_MSEC },
        { "0.25ms", 250 * VALUE_USEC },
        { "0", 0 },
        { "0s", 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t ns = -1;

        ck_assert_msg(number_parse_duration(rows[i].text, 0, &ns) == 0, "%s", rows[i].text);
        ck_assert_int_eq(ns, rows[i].ns);
    }
}
END_TEST

START_TEST(a_bare_duration_counts_the_given_unit)
{
    int64_t ns = -1;

    ck_assert_int_eq(number_parse_duration("24", VALUE_HOUR, &ns), 0);
    ck_assert_int_eq(ns, 24 * VALUE_HOUR);
    ck_assert_int_eq(number_parse_duration("1.5", VALUE_SEC, &ns), 0);
    ck_assert_int_eq(ns, 1500 * VALUE_MSEC);
    ck_assert_int_eq(number_parse_duration("7", 0, &ns), -ENODATA);
    ck_assert_int_eq(number_parse_duration("0.5", 0, &ns), -ENODATA);
}
END_TEST

START_TEST(what_is_no_duration)
{
    static const char *const bad[] = { "",      " ",     "s",    "5 parsecs", "-5s",   "5s ",           "5  s",
                                       "5S",    "1h30",  "1h0",  "1,5s",      "1.s",   ".5s",           "5sm",
                                       "5 s m", "0.5ns", "1e3s", "0x5s",      "5days", "1.0000000001s", "5\xc2\xb5s" };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int64_t ns = -1;

        ck_assert_msg(number_parse_duration(bad[i], VALUE_SEC, &ns) == -EINVAL, "'%s'", bad[i]);
        ck_assert_int_eq(ns, -1);
    }
}
END_TEST

START_TEST(durations_that_do_not_fit)
{
    int64_t ns;

    ck_assert_int_eq(number_parse_duration("9223372036854775807ns", 0, &ns), 0);
    ck_assert_int_eq(ns, INT64_MAX);
    ck_assert_int_eq(number_parse_duration("9223372036854775808ns", 0, &ns), -ERANGE);
    ck_assert_int_eq(number_parse_duration("9223372036854775807ns1ns", 0, &ns), -ERANGE);
    ck_assert_int_eq(number_parse_duration("106752d", 0, &ns), -ERANGE);
    ck_assert_int_eq(number_parse_duration("106751d", 0, &ns), 0);
}
END_TEST

START_TEST(sizes_take_binary_and_decimal_units)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } rows[] = {
        { "67108864", 64 * VALUE_MIB },
        { "17B", 17 },
        { "1KiB", 1024 },
        { "64MiB", 64 * VALUE_MIB },
        { "1GiB", VALUE_GIB },
        { "2TiB", 2 * VALUE_TIB },
        { "1KB", 1000 },
        { "1kB", 1000 },
        { "5MB", 5000000 },
        { "1GB", 1000000000 },
        { "1TB", INT64_C(1000000000000) },
        { "1.5KiB", 1536 },
        { "64 MiB", 64 * VALUE_MIB },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t bytes = -1;

        ck_assert_msg(number_parse_size(rows[i].text, 1, &bytes) == 0, "%s", rows[i].text);
        ck_assert_int_eq(bytes, rows[i].bytes);
    }
}
END_TEST

START_TEST(what_is_no_size)
{
    static const char *const bad[] = { "",   "MiB", "64M",    "64K",      "64mib", "64Mb",
                                       "-1", "1.5", "0.3KiB", "1MiB1KiB", "1MiB ", "64  MiB" };
    int64_t bytes;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        ck_assert_msg(number_parse_size(bad[i], 1, &bytes) == -EINVAL, "'%s'", bad[i]);
    ck_assert_int_eq(number_parse_size("8388608TiB", 1, &bytes), -ERANGE);
    ck_assert_int_eq(number_parse_size("8388607TiB", 1, &bytes), 0);
}
END_TEST

START_TEST(integers)
{
    static const char *const bad[] = { "", "-", "+1", "1 ", " 1", "0x10", "1.0", "1e3", "--1" };
    int64_t v;

    ck_assert_int_eq(number_parse_int("-1", &v), 0);
    ck_assert_int_eq(v, -1);
    ck_assert_int_eq(number_parse_int("007", &v), 0);
    ck_assert_int_eq(v, 7);
    ck_assert_int_eq(number_parse_int("9223372036854775807", &v), 0);
    ck_assert_int_eq(v, INT64_MAX);
    ck_assert_int_eq(number_parse_int("9223372036854775808", &v), -ERANGE);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        ck_assert_msg(number_parse_int(bad[i], &v) == -EINVAL, "'%s'", bad[i]);
}
END_TEST

Suite *number_suite(void)
{
    Suite *s = suite_create("number");

    suite_add(s, durations_take_every_unit);
    suite_add(s, a_bare_duration_counts_the_given_unit);
    suite_add(s, what_is_no_duration);
    suite_add(s, durations_that_do_not_fit);
    suite_add(s, sizes_take_binary_and_decimal_units);
    suite_add(s, what_is_no_size);
    suite_add(s, integers);
    return s;
}
