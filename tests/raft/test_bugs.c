/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* test-raft-bugs [BUG]: plants one bug after the other and runs random schedules until it is found. A bug that none of
 * the fixed seeds shows is a hole in the tests, and fails. */

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bug.h"
#include "raft/cluster.h"

#define N_SEEDS 2000
#define N_EVENTS 4000

static const struct {
    const char *name, *text;
} bugs[] = { [GQ_BUG_NONE] = { "NONE", "nothing is planted" },
#define X(name, text) [GQ_BUG_##name] = { #name, text },
             GQ_BUG_LIST(X)
#undef X
};

struct progress {
    uint64_t seed;
    char message[256];
};

/* In a process of its own: the code under test may end it by an assertion, which finds the bug too. */
static _Noreturn void hunt(enum gq_bug bug, struct progress *progress)
{
    uint64_t n_seeds = bug == GQ_BUG_NONE ? 100 : N_SEEDS;

    gq_bug = bug;
    for (uint64_t seed = 1; seed <= n_seeds; seed++) {
        struct cluster *c;

        progress->seed = seed;
        c = schedule_run(seed, N_EVENTS, SCHEDULE_ALL);
        if (c->failure[0] != '\0') {
            snprintf(progress->message, sizeof(progress->message), "%s", c->failure);
            _exit(1);
        }
        cluster_free(c);
    }
    _exit(0);
}

static bool try_bug(enum gq_bug bug, struct progress *progress)
{
    bool found;
    int status;
    pid_t child;

    memset(progress, 0, sizeof(*progress));
    fflush(stdout);
    child = fork();
    gq_assert(child >= 0);
    if (child == 0) {
        /* A bug's assertion is wanted; without one, what a sanitizer says is to be seen. */
        gq_assert(bug == GQ_BUG_NONE || freopen("/dev/null", "w", stderr) != NULL);
        hunt(bug, progress);
    }
    gq_assert(waitpid(child, &status, 0) == child);
    found = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (WIFSIGNALED(status))
        snprintf(progress->message, sizeof(progress->message), "an assertion (signal %d)", WTERMSIG(status));
    printf("%-26s %-7s seed %4" PRIu64 "  %s\n", bugs[bug].name, found ? "found" : "clean", progress->seed,
           found ? progress->message : bugs[bug].text);
    return found == (bug != GQ_BUG_NONE);
}

int main(int argc, char **argv)
{
    struct progress *progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned n_passed = 0, n_failed = 0;

    gq_assert(progress != MAP_FAILED);
    for (unsigned bug = 0; bug < ARRAY_SIZE(bugs); bug++) {
        if (bug != GQ_BUG_NONE && strncmp(bugs[bug].text, "raft: ", 6) != 0)
            continue;
        if (argc > 1 && strcmp(argv[1], bugs[bug].name) != 0)
            continue;
        if (try_bug((enum gq_bug)bug, progress))
            n_passed++;
        else
            n_failed++;
    }
    printf("raft-bugs: %u passed, %u failed\n", n_passed, n_failed);
    return n_failed == 0 && n_passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
