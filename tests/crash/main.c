/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* test-crash [WORKLOAD [SEED [STEP [SUBSET]]]]: all workloads, or a part. CRASH_LONG=1 tries much more. */

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "crash/crash.h"

#define MAX_WORKLOADS 64

static struct crash_progress *progress[MAX_WORKLOADS];
static const char *only; /* this workload, or NULL */
static struct crash_choice choice = { UINT64_MAX, UINT64_MAX, UINT64_MAX };
#ifdef __SANITIZE_ADDRESS__
static enum crash_depth depth = CRASH_BRIEF;
#else
static enum crash_depth depth = CRASH_USUAL;
#endif

static uint64_t n_seeds(int i)
{
    return MAX(crash_workloads[i].n_seeds, 1u) * (depth == CRASH_LONG ? 4 : 1);
}

static void explore(int i, uint64_t seed)
{
    struct crash_choice c = { seed, choice.step, choice.subset };

    crash_explore(&crash_workloads[i], &c, depth, progress[i]);
}

START_TEST(workload)
{
    if (choice.seed != UINT64_MAX)
        explore(_i, choice.seed);
    for (uint64_t seed = 1; choice.seed == UINT64_MAX && seed <= n_seeds(_i); seed++)
        explore(_i, seed);
}
END_TEST

/* Of the things that there are all subsets, or at least the ends and each thing by itself. */
START_TEST(subsets_are_what_they_should_be)
{
    for (size_t n = 0; n <= 20; n++) {
        uint64_t count = crash_subset_count(n, CRASH_USUAL);
        bool none = false, all = false, keep[21];
        uint64_t masks = 0;

        for (uint64_t k = 0; k < count; k++) {
            uint64_t mask = 0;

            crash_subset(keep, n, k, k, CRASH_USUAL);
            for (size_t i = 0; i < n; i++)
                mask |= (uint64_t)keep[i] << i;
            none |= mask == 0;
            all |= mask == (UINT64_C(1) << n) - 1;
            if (n <= 6)
                masks |= UINT64_C(1) << mask;
        }
        ck_assert(none && all);
        if (n <= 6)
            ck_assert_uint_eq(masks, n == 6 ? UINT64_MAX : (UINT64_C(1) << (1u << n)) - 1);
    }
}
END_TEST

static Suite *crash_suite(void)
{
    Suite *s = suite_create("crash");

    suite_add(s, subsets_are_what_they_should_be);
    for (unsigned i = 0; i < crash_n_workloads; i++) {
        TCase *tc = tcase_create(crash_workloads[i].name);

        if (only != NULL && strcmp(only, crash_workloads[i].name) != 0)
            continue;
        tcase_set_timeout(tc, depth == CRASH_LONG ? 7200 : 600);
        tcase_add_loop_test(tc, workload, (int)i, (int)i + 1);
        suite_add_tcase(s, tc);
    }
    return s;
}

int main(int argc, char **argv)
{
    static const suite_fn suites[] = { crash_suite };
    int rc;

    /* Each recovery takes a buffer of the size of a block; mapping it anew would be half the work. */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    if (getenv("CRASH_LONG") != NULL)
        depth = CRASH_LONG;
    only = argc > 1 ? argv[1] : NULL;
    choice.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : UINT64_MAX;
    choice.step = argc > 3 ? strtoull(argv[3], NULL, 10) : UINT64_MAX;
    choice.subset = argc > 4 ? strtoull(argv[4], NULL, 10) : UINT64_MAX;
    gq_assert(crash_n_workloads <= MAX_WORKLOADS);
    for (unsigned i = 0; i < crash_n_workloads; i++)
        progress[i] = crash_progress_new();
    rc = run_suites("crash", suites, ARRAY_SIZE(suites));
    for (unsigned i = 0; i < crash_n_workloads; i++) {
        if (progress[i]->n_points > 0)
            printf("%-16s %6llu crash points %8llu crashes %8llu in recovery\n", progress[i]->workload,
                   (unsigned long long)progress[i]->n_points, (unsigned long long)progress[i]->n_cases,
                   (unsigned long long)progress[i]->n_nested);
        if (progress[i]->busy)
            crash_progress_print(progress[i], depth);
    }
    return rc;
}
