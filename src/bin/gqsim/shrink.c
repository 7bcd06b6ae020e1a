/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "bin/gqsim/gqsim.h"

/* Cuts a failing run down: faults and operations off, fewer clients, fewer events, as long as it fails by the same
 * invariant. */

#define MAX_CLIENTS 16
#define MAX_ROUNDS 3

struct shrink {
    struct gqsim_options o;
    struct world_story *story; /* of the last run */
    char key[64];              /* the invariant */
    uint64_t faults;           /* that the seed has */
    unsigned n_runs;
};

/* In a process of its own, without a word. False: it passed. */
static bool run_quietly(struct shrink *s, const struct gqsim_options *o, char *key, size_t size)
{
    char text[160];
    int status = 0;
    pid_t child;

    s->n_runs++;
    fflush(stdout);
    child = fork();
    gq_assert(child >= 0);
    if (child == 0) {
        uint64_t hash, events;

        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(EXIT_FAILURE);
        _exit(gqsim_run(o, s->story, &hash, &events) ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    gq_assert(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    gqsim_why(s->story, status, text, sizeof(text));
    snprintf(key, size, "%.*s", (int)MIN(strcspn(text, ":"), size - 1), text);
    return true;
}

/* Takes the change over when the run still fails in the same way. */
static bool keep(struct shrink *s, const struct gqsim_options *changed)
{
    char key[sizeof(s->key)];

    if (!run_quietly(s, changed, key, sizeof(key)) || strcmp(key, s->key) != 0)
        return false;
    s->o = *changed;
    return true;
}

static bool drop_faults(struct shrink *s)
{
    bool changed = false;

    for (unsigned f = 0; f < WORLD_N_FAULTS; f++) {
        struct gqsim_options o = s->o;

        o.world.no_faults |= s->faults & UINT64_C(1) << f;
        if (o.world.no_faults != s->o.world.no_faults)
            changed = keep(s, &o) || changed;
    }
    return changed;
}

static bool drop_clients(struct shrink *s)
{
    unsigned now = s->o.world.max_clients != 0 ? s->o.world.max_clients : MAX_CLIENTS;

    for (unsigned n = 2; n < now; n++) {
        struct gqsim_options o = s->o;

        o.world.max_clients = n;
        if (keep(s, &o))
            return true;
    }
    return false;
}

/* Not every number between may fail; what is found is small, not the smallest. */
static bool drop_events(struct shrink *s, uint64_t from)
{
    uint64_t low = 0, high = from;
    bool changed = false;

    while (high - low > 1 + high / 50) {
        struct gqsim_options o = s->o;

        o.world.max_events = low + (high - low) / 2;
        if (keep(s, &o)) {
            high = o.world.max_events;
            changed = true;
        } else {
            low = o.world.max_events;
        }
    }
    return changed;
}

bool gqsim_shrink(const struct gqsim_options *options)
{
    struct shrink s = { .o = *options };
    bool changed = true;

    s.story = gqsim_shared(world_story_size());
    if (!run_quietly(&s, &s.o, s.key, sizeof(s.key))) {
        printf("seed %" PRIu64 " passes\n", s.o.world.seed);
        munmap(s.story, world_story_size());
        return false;
    }
    for (unsigned f = 0; f < WORLD_N_FAULTS; f++)
        s.faults |= (uint64_t)world_story_has_fault(s.story, (enum world_fault)f) << f;
    for (int round = 0; changed && round < MAX_ROUNDS; round++) {
        changed = drop_events(&s, s.o.world.max_events != 0 ? s.o.world.max_events : world_story_events(s.story));
        changed = drop_faults(&s) || changed;
        changed = drop_clients(&s) || changed;
    }
    munmap(s.story, world_story_size());
    printf("%u runs\n", s.n_runs);
    (void)gqsim_run_seed(&s.o);
    return true;
}
