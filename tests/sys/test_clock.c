/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>

#include "sys/clock.h"
#include "sys/suites.h"

START_TEST(mono_never_goes_back)
{
    uint64_t last = clock_mono_ns(sys_clock());

    for (int i = 0; i < 10000; i++) {
        uint64_t now = clock_mono_ns(sys_clock());

        ck_assert_uint_ge(now, last);
        last = now;
    }
}
END_TEST

START_TEST(real_is_unix_time_in_milliseconds)
{
    int64_t before = (int64_t)time(NULL) * 1000, ms;

    ms = clock_real_ms(sys_clock());
    ck_assert_int_ge(ms, before - 1000); /* time(2) reads a coarser clock */
    ck_assert_int_le(ms, ((int64_t)time(NULL) + 2) * 1000);
}
END_TEST

Suite *clock_suite(void)
{
    Suite *s = suite_create("clock");

    suite_add(s, mono_never_goes_back);
    suite_add(s, real_is_unix_time_in_milliseconds);
    return s;
}
