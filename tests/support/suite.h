/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every unit test program is one module's: its files each define a Suite, and its main() is TEST_MAIN(). */

#include <check.h>

/* ck_assert() tells the runner of every check that passes, which costs a system call; this one doesn't. For checks that
 * run a million times. */
#define ck_quick(condition) \
    do { \
        if (!(condition)) \
            ck_abort_msg("'%s' doesn't hold", #condition); \
    } while (0)

typedef Suite *(*suite_fn)(void);

/* Runs all suites, prints the failures, the seeds of those that drew random input (support/rand.h), and as last line
 * "N passed, N failed". Returns the exit status. */
int run_suites(const char *module, const suite_fn *suites, int n_suites);

#define TEST_MAIN(module, ...) \
    int main(void) \
    { \
        static const suite_fn suites[] = { __VA_ARGS__ }; \
        return run_suites(module, suites, (int)(sizeof(suites) / sizeof(suites[0]))); \
    }

/* Adds one test case with one test to a suite. */
#define suite_add(s, test) suite_add_with(s, test, NULL, NULL)

/* The same between two functions without arguments that run in the test's process; either may be NULL. */
#define suite_add_with(s, test, setup, teardown) \
    do { \
        TCase *tc_ = tcase_create(#test); \
        tcase_set_timeout(tc_, 60); \
        tcase_add_checked_fixture(tc_, setup, teardown); \
        tcase_add_test(tc_, test); \
        suite_add_tcase(s, tc_); \
    } while (0)

/* A test that must end its process by this signal: SIGABRT for a gq_assert(). */
#define suite_add_dying(s, test, signal) \
    do { \
        TCase *tc_ = tcase_create(#test); \
        tcase_add_test_raise_signal(tc_, test, signal); \
        suite_add_tcase(s, tc_); \
    } while (0)
