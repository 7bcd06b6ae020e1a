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
    uint64_t n_seeds, n_events; /* done */
    uint64_t cpu_ns;
    bool ended;
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Worker i of n takes each n-th seed. */
static _Noreturn void work(const struct gqsim_options *options, struct worker *self, unsigned i,
                           struct world_story *story)
{
    struct gqsim_options o = *options;

    for (uint64_t seed = o.first_seed + i; seed <= o.last_seed && seed >= o.first_seed; seed += o.n_jobs) {
        uint64_t hash, events;

        self->seed = o.world.seed = seed;
        if (!gqsim_run(&o, story, &hash, &events))
            _exit(EXIT_FAILURE);
        self->n_seeds++;
        self->n_events += events;
        self->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    }
    exit(EXIT_SUCCESS); /* not _exit(): a sanitizer looks for leaks then */
}

static void print_progress(const struct worker *workers, unsigned n, uint64_t start_ns)
{
    uint64_t n_seeds = 0, n_events = 0, cpu_ns = 0;

    for (unsigned i = 0; i < n; i++) {
        n_seeds += workers[i].n_seeds;
        n_events += workers[i].n_events;
        cpu_ns += workers[i].cpu_ns;
    }
    if (n_seeds == 0)
        return;
    printf("%" PRIu64 " seeds, %" PRIu64 " events, %.1f s; per seed %.1f ms of CPU, per event %.2f us\n", n_seeds,
           n_events, (double)(clock_ns(CLOCK_MONOTONIC) - start_ns) / 1e9, (double)cpu_ns / 1e6 / (double)n_seeds,
           (double)cpu_ns / 1e3 / (double)n_events);
    fflush(stdout);
}

/* The worker that ended next, or NULL after some seconds. */
static struct worker *wait_for_one(struct worker *workers, unsigned n, int *ret_status)
{
    struct timespec pause = { 0, 20000000 };

    for (int i = 0; i < PROGRESS_S * 50; i++) {
        pid_t pid = waitpid(-1, ret_status, WNOHANG);

        for (unsigned k = 0; pid > 0 && k < n; k++)
            if (workers[k].pid == pid)
                return &workers[k];
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void stop_workers(struct worker *workers, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!workers[i].ended) {
            kill(workers[i].pid, SIGKILL);
            waitpid(workers[i].pid, NULL, 0);
        }
}

/* What ./dev test adds up. */
static void print_count(const struct worker *workers, unsigned n, unsigned n_failed)
{
    uint64_t n_passed = 0;

    for (unsigned i = 0; i < n; i++)
        n_passed += workers[i].n_seeds;
    printf("seeds: %" PRIu64 " passed, %u failed\n", n_passed, n_failed);
}

static void report(const struct gqsim_options *options, const struct worker *w, const struct world_story *story,
                   int status)
{
    struct gqsim_options o = *options;

    o.world.seed = w->seed;
    gqsim_report(&o, story, status);
}

static struct world_story *story_of(uint8_t *stories, unsigned i)
{
    return (struct world_story *)(stories + i * ALIGN_UP(world_story_size(), 64));
}

/* False: one has failed. */
static bool watch(const struct gqsim_options *o, struct worker *workers, uint8_t *stories, uint64_t start_ns)
{
    unsigned n = o->n_jobs;

    for (unsigned n_running = n; n_running > 0;) {
        int status = 0;
        struct worker *w = wait_for_one(workers, n, &status);

        if (w == NULL) {
            print_progress(workers, n, start_ns);
            continue;
        }
        w->ended = true;
        n_running--;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            stop_workers(workers, n);
            print_progress(workers, n, start_ns);
            report(o, w, story_of(stories, (unsigned)(w - workers)), status);
            print_count(workers, n, 1);
            return false;
        }
    }
    print_progress(workers, n, start_ns);
    print_count(workers, n, 0);
    return true;
}

bool gqsim_run_seeds(const struct gqsim_options *o)
{
    size_t size = o->n_jobs * sizeof(struct worker);
    size_t stories_size = o->n_jobs * ALIGN_UP(world_story_size(), 64);
    struct worker *workers = gqsim_shared(size);
    uint8_t *stories = gqsim_shared(stories_size);
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    bool passed;

    fflush(stdout);
    for (unsigned i = 0; i < o->n_jobs; i++) {
        pid_t pid = fork();

        gq_assert(pid >= 0);
        if (pid == 0)
            work(o, &workers[i], i, story_of(stories, i));
        workers[i].pid = pid;
    }
    passed = watch(o, workers, stories, start_ns);
    munmap(stories, stories_size);
    munmap(workers, size);
    return passed;
}
