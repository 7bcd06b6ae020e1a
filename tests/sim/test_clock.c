/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/clock.h"

#include "sim/suites.h"

START_TEST(both_times_move_together)
{
    struct sim_clock c;

    sim_clock_init(&c, 5000, 1700000000000);
    ck_assert_uint_eq(clock_mono_ns(&c.env), 5000);
    ck_assert_int_eq(clock_real_ms(&c.env), 1700000000000);
    sim_clock_advance(&c, 999999);
    ck_assert_int_eq(clock_real_ms(&c.env), 1700000000000);
    sim_clock_advance(&c, 1);
    ck_assert_int_eq(clock_real_ms(&c.env), 1700000000001);
    sim_clock_advance_to(&c, 2005000);
    ck_assert_uint_eq(clock_mono_ns(&c.env), 2005000);
    ck_assert_int_eq(clock_real_ms(&c.env), 1700000000002);
}
END_TEST

START_TEST(wall_clock_jumps_alone)
{
    struct sim_clock c;

    sim_clock_init(&c, 5000, 1700000000000);
    sim_clock_set_real(&c, 1600000000000);
    ck_assert_uint_eq(clock_mono_ns(&c.env), 5000);
    ck_assert_int_eq(clock_real_ms(&c.env), 1600000000000);
    sim_clock_set_real(&c, -5);
    sim_clock_advance(&c, 1);
    ck_assert_int_eq(clock_real_ms(&c.env), -5);
}
END_TEST

Suite *clock_suite(void)
{
    Suite *s = suite_create("clock");

    suite_add(s, both_times_move_together);
    suite_add(s, wall_clock_jumps_alone);
    return s;
}
