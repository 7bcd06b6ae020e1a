/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "bin/gqsim/gqsim.h"

#define PROGRESS_S 5

/* Of one worker; lies in memory that it shares with its parent. */
struct worker {
    pid_t pid;
    uint64_t seed;              /* under way */
    uint64_t last_seed;         /* no one behind it is of interest */
    uint64_t n_seeds, n_events; /* done */
    uint64_t cpu_ns;
    uint64_t marks[GQSIM_MAX_MARKS];
    bool ended;
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A run of many seeds. */
struct campaign {
    const struct gqsim_options *o;
    struct worker *workers; /* n_jobs of them */
    uint8_t *stories;       /* one for each */
    size_t story_size;
    uint64_t start_ns;
    bool quiet;
};

static struct world_story *story_of(const struct campaign *k, unsigned i)
{
    return (struct world_story *)(k->stories + i * k->story_size);
}

/* Worker i of n takes each n-th seed. */
static _Noreturn void work(const struct campaign *k, unsigned i)
{
    struct gqsim_options o = *k->o;
    struct worker *self = &k->workers[i];

    if (k->quiet && freopen("/dev/null", "w", stderr) == NULL)
        _exit(EXIT_FAILURE);
    for (uint64_t seed = o.first_seed + i; seed <= self->last_seed && seed >= o.first_seed; seed += o.n_jobs) {
        uint64_t hash, events;

        self->seed = o.world.seed = seed;
        o.world.large = gqsim_is_large(k->o, seed);
        if (!gqsim_run(&o, story_of(k, i), &hash, &events))
            _exit(EXIT_FAILURE);
        gqsim_add_marks(self->marks, story_of(k, i));
        self->n_seeds++;
        self->n_events += events;
        self->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    }
    exit(EXIT_SUCCESS); /* not _exit(): a sanitizer looks for leaks then */
}

static void print_progress(const struct campaign *k)
{
    uint64_t n_seeds = 0, n_events = 0, cpu_ns = 0;

    for (unsigned i = 0; i < k->o->n_jobs; i++) {
        n_seeds += k->workers[i].n_seeds;
        n_events += k->workers[i].n_events;
        cpu_ns += k->workers[i].cpu_ns;
    }
    if (n_seeds == 0 || k->quiet)
        return;
    printf("%" PRIu64 " seeds, %" PRIu64 " events, %.1f s; per seed %.1f ms of CPU, per event %.2f us\n", n_seeds,
           n_events, (double)(clock_ns(CLOCK_MONOTONIC) - k->start_ns) / 1e9, (double)cpu_ns / 1e6 / (double)n_seeds,
           (double)cpu_ns / 1e3 / (double)n_events);
    fflush(stdout);
}

/* The worker that ended next, or NULL after some seconds. */
static struct worker *wait_for_one(const struct campaign *k, int *ret_status)
{
    struct timespec pause = { 0, 20000000 };

    for (int i = 0; i < PROGRESS_S * 50; i++) {
        pid_t pid = waitpid(-1, ret_status, WNOHANG);

        for (unsigned j = 0; pid > 0 && j < k->o->n_jobs; j++)
            if (k->workers[j].pid == pid)
                return &k->workers[j];
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void stop_workers(const struct campaign *k)
{
    for (unsigned i = 0; i < k->o->n_jobs; i++)
        if (!k->workers[i].ended) {
            kill(k->workers[i].pid, SIGKILL);
            waitpid(k->workers[i].pid, NULL, 0);
        }
}

/* What is wanted of a quiet run is the first seed that fails, the same one with any number of processes: those before
 * it have to pass. */
static void look_only_below(const struct campaign *k, uint64_t seed)
{
    for (unsigned i = 0; i < k->o->n_jobs; i++)
        k->workers[i].last_seed = seed - 1;
}

/* The worker that failed, or NULL when all seeds passed. */
static struct worker *watch(const struct campaign *k, int *ret_status)
{
    struct worker *failed = NULL;

    for (unsigned n_running = k->o->n_jobs; n_running > 0;) {
        int status;
        struct worker *w = wait_for_one(k, &status);

        if (w == NULL) {
            print_progress(k);
            continue;
        }
        w->ended = true;
        n_running--;
        if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) || (failed != NULL && w->seed > failed->seed))
            continue;
        failed = w;
        *ret_status = status;
        if (!k->quiet) {
            stop_workers(k);
            break;
        }
        look_only_below(k, w->seed);
    }
    return failed;
}

static void begin(struct campaign *k)
{
    k->story_size = ALIGN_UP(world_story_size(), 64);
    k->workers = gqsim_shared(k->o->n_jobs * sizeof(struct worker));
    k->stories = gqsim_shared(k->o->n_jobs * k->story_size);
    k->start_ns = clock_ns(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < k->o->n_jobs; i++)
        k->workers[i].last_seed = k->o->last_seed;
    fflush(stdout);
    for (unsigned i = 0; i < k->o->n_jobs; i++) {
        pid_t pid = fork();

        gq_assert(pid >= 0);
        if (pid == 0)
            work(k, i);
        k->workers[i].pid = pid;
    }
}

static void end(struct campaign *k)
{
    munmap(k->workers, k->o->n_jobs * sizeof(struct worker));
    munmap(k->stories, k->o->n_jobs * k->story_size);
}

/* What ./dev test adds up. */
static void print_count(const struct campaign *k, unsigned n_failed)
{
    uint64_t n_passed = 0;

    for (unsigned i = 0; i < k->o->n_jobs; i++)
        n_passed += k->workers[i].n_seeds;
    printf("seeds: %" PRIu64 " passed, %u failed\n", n_passed, n_failed);
}

static bool print_marks(const struct campaign *k)
{
    uint64_t marks[GQSIM_MAX_MARKS] = { 0 };

    for (unsigned i = 0; i < k->o->n_jobs; i++)
        for (unsigned m = 0; m < GQSIM_MAX_MARKS; m++)
            marks[m] += k->workers[i].marks[m];
    return gqsim_print_marks(marks);
}

bool gqsim_run_seeds(const struct gqsim_options *options)
{
    struct campaign k = { .o = options };
    struct gqsim_options o = *options;
    const struct worker *failed;
    bool all_marks;
    int status = 0;

    begin(&k);
    failed = watch(&k, &status);
    print_progress(&k);
    all_marks = print_marks(&k) || !options->need_marks;
    if (failed != NULL) {
        o.world.seed = failed->seed;
        gqsim_report(&o, story_of(&k, (unsigned)(failed - k.workers)), status);
    }
    print_count(&k, failed != NULL || !all_marks);
    end(&k);
    return failed == NULL && all_marks;
}

bool gqsim_run_seeds_quietly(const struct gqsim_options *o, uint64_t *ret_failed, char *text, size_t size)
{
    struct campaign k = { .o = o, .quiet = true };
    const struct worker *failed;
    int status = 0;

    begin(&k);
    failed = watch(&k, &status);
    if (failed != NULL) {
        *ret_failed = failed->seed;
        gqsim_why(story_of(&k, (unsigned)(failed - k.workers)), status, text, size);
    }
    end(&k);
    return failed == NULL;
}
