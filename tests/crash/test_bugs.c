/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* test-bugs [BUG]: plants one bug after the other, runs clusters (replica/cluster.h) and crashes the workloads until it
 * is found. A bug that none of this shows is a hole in the tests, and fails. */

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/util.h"
#include "crash/crash.h"
#include "replica/cluster.h"

/* How long a bug is looked for: rounds through all workloads, each with a seed of its own. */
#define N_ROUNDS 12
#define N_STORIES 10    /* of clusters, in each round */
#define MAX_SECONDS 300 /* of CPU */

/* A sanitizer is ten times as slow: there every fourth bug is enough, if it is found soon. */
#ifdef __SANITIZE_ADDRESS__
#define STRIDE 4
#else
#define STRIDE 1
#endif

static const struct {
    const char *name, *text;
} bugs[] = { [GQ_BUG_NONE] = { "NONE", "nothing is planted" },
#define X(name, text) [GQ_BUG_##name] = { #name, text },
             GQ_BUG_LIST(X)
#undef X
};

static struct crash_progress *progress;

static bool is_skipped(enum gq_bug bug)
{
    bool is_late = bug == GQ_BUG_IMAGE_NAMED_EARLY || bug == GQ_BUG_OPENED_BEFORE_NOOP;

    return bug % STRIDE != 0 || (STRIDE > 1 && is_late);
}

START_TEST(rounds)
{
    unsigned n_rounds = gq_bug == GQ_BUG_NONE ? 1 : N_ROUNDS;

    for (unsigned round = 0; round < n_rounds; round++) {
        struct crash_choice choice = { round + 1, UINT64_MAX, UINT64_MAX };
        struct cluster_counts counts = { 0 };

        snprintf(progress->workload, sizeof(progress->workload), "cluster");
        for (unsigned i = 1; i <= N_STORIES; i++, progress->n_cases++)
            cluster_story(round * N_STORIES + i, &counts);
        for (unsigned i = 1; i <= N_STORIES; i++, progress->n_cases++)
            cluster_members_story(round * N_STORIES + i, &counts);
        for (unsigned i = 0; i < crash_n_workloads; i++)
            crash_explore(&crash_workloads[i], &choice, round < 4 ? CRASH_BRIEF : CRASH_USUAL, progress);
    }
}
END_TEST

/* In a process of its own: 0 when nothing was found, else 1 with the failed check's message, or a failed assertion of
 * the code under test ends it. */
static _Noreturn void hunt(enum gq_bug bug)
{
    Suite *s = suite_create("bugs");
    TCase *tc = tcase_create("hunt");
    SRunner *runner;
    TestResult **failures;

    gq_bug = bug;
    /* Not an alarm: that is Check's, which ends whoever runs the tests for it. */
    (void)setitimer(ITIMER_PROF, &(struct itimerval){ .it_value.tv_sec = MAX_SECONDS }, NULL);
    tcase_add_test(tc, rounds);
    suite_add_tcase(s, tc);
    runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    failures = srunner_failures(runner);
    if (srunner_ntests_failed(runner) > 0)
        snprintf(progress->message, sizeof(progress->message), "%s", tr_msg(failures[0]));
    _exit(srunner_ntests_failed(runner) > 0);
}

/* What the child said at its end: the code under test writes there which assertion failed. */
static void read_last_line(FILE *from, char *to, size_t size)
{
    char line[512];

    rewind(from);
    while (fgets(line, sizeof(line), from) != NULL) {
        const char *what = strrchr(line, '/');

        if (strstr(line, "assertion failed") != NULL)
            snprintf(to, size, "%.*s", (int)strcspn(what != NULL ? what + 1 : line, "\n"),
                     what != NULL ? what + 1 : line);
    }
}

/* Whether it was found; by what is in progress->message. */
static bool is_found(enum gq_bug bug)
{
    FILE *said = tmpfile();
    int status;
    pid_t child;

    gq_assert(said != NULL);
    memset(progress, 0, sizeof(*progress));
    child = fork();
    gq_assert(child >= 0);
    if (child == 0) {
        dup2(fileno(said), STDERR_FILENO);
        hunt(bug);
    }
    gq_assert(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
        snprintf(progress->message, sizeof(progress->message), "signal %d", WTERMSIG(status));
        read_last_line(said, progress->message, sizeof(progress->message));
    }
    fclose(said);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
        return false;
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static bool try_bug(enum gq_bug bug)
{
    bool found = is_found(bug);

    progress->message[strcspn(progress->message, "\n")] = '\0';
    printf("%-24s %-7s %7" PRIu64 " crashes  %-16s %.90s\n", bugs[bug].name,
           found                ? "found"
           : bug == GQ_BUG_NONE ? "clean"
                                : "MISSED",
           progress->n_cases + progress->n_nested, found ? progress->workload : "-", progress->message);
    if (!found && bug != GQ_BUG_NONE)
        printf("    %s\n", bugs[bug].text);
    fflush(stdout);
    return found == (bug != GQ_BUG_NONE);
}

/* test-raft-bugs looks for those, the simulator for the others: there are no such modules here, nobody sends what the
 * bug would take, or no log is wrong by it. */
static bool is_for_others(unsigned bug)
{
    const char *text = bugs[bug].text;

    return strncmp(text, "raft: ", 6) == 0 || strncmp(text, "state: ", 7) == 0 || strncmp(text, "node: ", 6) == 0 ||
           bug == GQ_BUG_STABLE_NOT_COMMITTED || bug == GQ_BUG_RECEIVED_UNCHECKED || bug == GQ_BUG_FENCED_TAKEN;
}

int main(int argc, char **argv)
{
    int n_passed = 0, n_failed = 0;

    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    progress = crash_progress_new();
    for (unsigned bug = 0; bug < GQ_N_BUGS; bug++) {
        if (argc == 1 && is_for_others(bug))
            continue;
        if (argc > 1 ? strcmp(argv[1], bugs[bug].name) != 0 : is_skipped((enum gq_bug)bug))
            continue;
        if (try_bug(bug))
            n_passed++;
        else
            n_failed++;
    }
    printf("bugs: %d passed, %d failed\n", n_passed, n_failed);
    return n_failed == 0 && n_passed > 0 ? 0 : 1;
}
