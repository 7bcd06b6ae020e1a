/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/util.h"
#include "bin/gqsim/gqsim.h"

#define MAX_CPU_S 120 /* a seed takes less than a second, in the slowest build some */

void *gqsim_shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    gq_assert(p != MAP_FAILED);
    return p;
}

/* ---- Reports ---- */

static void print_line(void *ctx, const char *line)
{
    fprintf(ctx, "%s\n", line);
}

static const char *why(const struct world_story *story, int status)
{
    const char *failure = world_story_failure(story);

    if (failure != NULL)
        return failure;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
        return "an assertion, see above";
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
        return "an endless loop";
    return WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "the process ended, see above";
}

void gqsim_why(const struct world_story *story, int status, char *text, size_t size)
{
    snprintf(text, size, "%s", why(story, status));
}

void gqsim_report(const struct gqsim_options *o, const struct world_story *story, int status)
{
    fflush(stdout);
    fprintf(stderr, "the last steps:\n");
    world_story_steps(story, print_line, stderr);
    fprintf(stderr, "faults:");
    for (unsigned f = 0; f < WORLD_N_FAULTS; f++)
        if (world_story_has_fault(story, (enum world_fault)f))
            fprintf(stderr, " %s", world_fault_name((enum world_fault)f));
    fprintf(stderr, "\nFAILED seed %" PRIu64 " at event %" PRIu64 ": %s\n", o->world.seed, world_story_events(story),
            why(story, status));
    fprintf(stderr, "commit %s; again: gqsim --seed %" PRIu64, o->commit, o->world.seed);
    if (o->world.n_nodes != 0)
        fprintf(stderr, " --nodes %u", o->world.n_nodes);
    if (o->world.max_events != 0)
        fprintf(stderr, " --events %" PRIu64, o->world.max_events);
    if (o->world.large)
        fprintf(stderr, " --large");
    if (o->world.max_clients != 0)
        fprintf(stderr, " --clients %u", o->world.max_clients);
    for (unsigned f = 0; f < WORLD_N_FAULTS; f++)
        if ((o->world.no_faults >> f & 1) != 0)
            fprintf(stderr, " --without %s", world_fault_name((enum world_fault)f));
    if (o->bug != NULL)
        fprintf(stderr, " --bug %s", o->bug);
    fprintf(stderr, " --trace\n");
    fflush(stderr);
}

/* ---- Runs ---- */

static void write_line(void *ctx, const char *line, size_t size)
{
    fwrite(line, 1, size, ctx);
}

/* Line by line: an assertion that fails leaves what was before. */
static FILE *open_history(const char *path)
{
    FILE *f = fopen(path, "w");

    if (f == NULL) {
        fprintf(stderr, "gqsim: %s: %m\n", path);
        exit(EX_CANTCREAT);
    }
    setlinebuf(f);
    return f;
}

static void close_history(FILE *f, const char *path)
{
    bool failed = f != NULL && ferror(f) != 0;

    if (f != NULL && (fclose(f) != 0 || failed)) {
        fprintf(stderr, "gqsim: %s: %m\n", path);
        exit(EX_IOERR);
    }
}

bool gqsim_run(const struct gqsim_options *o, struct world_story *story, uint64_t *ret_hash, uint64_t *ret_events)
{
    struct itimerval limit = { .it_value.tv_sec = MAX_CPU_S };
    struct world_options options = o->world;
    FILE *history = o->history != NULL ? open_history(o->history) : NULL;
    struct world *w;
    bool passed;

    if (o->trace) {
        setlinebuf(stdout); /* an assertion that fails leaves what was before */
        options.trace = print_line;
        options.trace_ctx = stdout;
    }
    if (history != NULL) {
        options.history = write_line;
        options.history_ctx = history;
    }
    memset(story, 0, world_story_size());
    options.story = story;
    setitimer(ITIMER_PROF, &limit, NULL);
    w = world_new(&options);
    passed = world_run(w);
    close_history(history, o->history);
    if (!passed)
        return false; /* what failed may not even be fit to be freed */
    *ret_hash = world_hash(w);
    *ret_events = world_events(w);
    world_free(w);
    return true;
}

static bool run_and_tell(const struct gqsim_options *o, struct world_story *story)
{
    uint64_t hash, events;

    if (!gqsim_run(o, story, &hash, &events))
        return false;
    printf("seed %" PRIu64 ": %" PRIu64 " events, hash %016" PRIx64 "\n", o->world.seed, events, hash);
    fflush(stdout);
    return true;
}

bool gqsim_run_seed(const struct gqsim_options *o)
{
    struct world_story *story = gqsim_shared(world_story_size());
    int status = 0;
    bool passed;
    pid_t child;

    fflush(stdout);
    child = fork();
    gq_assert(child >= 0);
    if (child == 0)
        exit(run_and_tell(o, story) ? EXIT_SUCCESS : EXIT_FAILURE);
    gq_assert(waitpid(child, &status, 0) == child);
    passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!passed)
        gqsim_report(o, story, status);
    munmap(story, world_story_size());
    return passed;
}
