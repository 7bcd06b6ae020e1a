/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/suite.h"

#include <stdio.h>

int run_suites(const char *module, const suite_fn *suites, int n_suites)
{
    SRunner *runner = srunner_create(NULL);
    int n_run, n_failed;

    for (int i = 0; i < n_suites; i++)
        srunner_add_suite(runner, suites[i]());
    srunner_run_all(runner, CK_NORMAL);
    n_run = srunner_ntests_run(runner);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("%s: %d passed, %d failed\n", module, n_run - n_failed, n_failed);
    return n_failed == 0 && n_run > 0 ? 0 : 1;
}
