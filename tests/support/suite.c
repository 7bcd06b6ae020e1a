/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/rand.h"

#ifdef __SANITIZE_ADDRESS__
/* Tests ask for sizes that no allocator has; they want the NULL that libc gives. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#endif

static void print_seeds(SRunner *runner)
{
    TestResult **failures = srunner_failures(runner);

    for (int i = 0; i < srunner_ntests_failed(runner); i++)
        rand_notes_print(tr_tcname(failures[i]));
    free(failures);
}

int run_suites(const char *module, const suite_fn *suites, int n_suites)
{
    SRunner *runner = srunner_create(NULL);
    int n_run, n_failed;

    for (int i = 0; i < n_suites; i++)
        srunner_add_suite(runner, suites[i]());
    rand_notes_open();
    srunner_run_all(runner, CK_NORMAL);
    n_run = srunner_ntests_run(runner);
    n_failed = srunner_ntests_failed(runner);
    print_seeds(runner);
    srunner_free(runner);
    printf("%s: %d passed, %d failed\n", module, n_run - n_failed, n_failed);
    return n_failed == 0 && n_run > 0 ? 0 : 1;
}
