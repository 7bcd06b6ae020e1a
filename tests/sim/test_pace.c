/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/pace.h"

#include "sim/suites.h"

START_TEST(exact_is_the_world_itself)
{
    struct sim_pace p;

    sim_pace_begin(&p, 1000, 1000, SIM_PACE_EXACT);
    ck_assert_uint_eq(sim_pace_mono(&p, 1000), 1000);
    ck_assert_uint_eq(sim_pace_mono(&p, 123456789012345), 123456789012345);
    ck_assert_uint_eq(sim_pace_world(&p, 123456789012345), 123456789012345);
    ck_assert_uint_eq(sim_pace_world(&p, 7), 1000);
}
END_TEST

START_TEST(fast_and_slow)
{
    struct sim_pace p;

    sim_pace_begin(&p, 1000, 50, 2 * SIM_PACE_EXACT);
    ck_assert_uint_eq(sim_pace_mono(&p, 1010), 70);
    ck_assert_uint_eq(sim_pace_world(&p, 70), 1010);
    sim_pace_change(&p, 1010, SIM_PACE_EXACT / 4);
    ck_assert_uint_eq(sim_pace_mono(&p, 1010), 70);
    ck_assert_uint_eq(sim_pace_mono(&p, 1013), 70);
    ck_assert_uint_eq(sim_pace_mono(&p, 1014), 71);
}
END_TEST

/* Never before the clock shows it, and not a step later. */
START_TEST(both_ways_agree)
{
    struct sim_pace p;

    sim_pace_begin(&p, 12345, 99, 700003 + (uint64_t)_i * 99991);
    for (uint64_t mono = 100; mono < 3000; mono++) {
        uint64_t at = sim_pace_world(&p, mono);

        ck_quick(sim_pace_mono(&p, at) >= mono);
        ck_quick(sim_pace_mono(&p, at - 1) < mono);
    }
}
END_TEST

START_TEST(rest_and_leap)
{
    struct sim_pace p;

    sim_pace_begin(&p, 0, 0, SIM_PACE_EXACT);
    sim_pace_rest(&p, 100, 150);
    ck_assert_uint_eq(sim_pace_mono(&p, 120), 100);
    ck_assert_uint_eq(sim_pace_world(&p, 100), 150);
    ck_assert_uint_eq(sim_pace_world(&p, 101), 151);
    sim_pace_leap(&p, 130, 1000); /* and rests on */
    ck_assert_uint_eq(sim_pace_mono(&p, 140), 1100);
    ck_assert_uint_eq(sim_pace_mono(&p, 151), 1101);
    sim_pace_rest(&p, 151, 140); /* no earlier end */
    ck_assert_uint_eq(sim_pace_mono(&p, 151), 1101);
    ck_assert_uint_eq(sim_pace_mono(&p, 152), 1102);
}
END_TEST

START_TEST(far_away)
{
    struct sim_pace p;

    sim_pace_begin(&p, 1, 1, 1);
    ck_assert_uint_eq(sim_pace_world(&p, UINT64_MAX), UINT64_MAX);
    sim_pace_begin(&p, 0, 0, SIM_PACE_EXACT / 2);
    ck_assert_uint_eq(sim_pace_world(&p, UINT64_C(1) << 62), UINT64_C(1) << 63);
}
END_TEST

Suite *pace_suite(void)
{
    Suite *s = suite_create("pace");
    TCase *tc = tcase_create("both_ways_agree");

    suite_add(s, exact_is_the_world_itself);
    suite_add(s, fast_and_slow);
    tcase_add_loop_test(tc, both_ways_agree, 0, 10);
    suite_add_tcase(s, tc);
    suite_add(s, rest_and_leap);
    suite_add(s, far_away);
    return s;
}
