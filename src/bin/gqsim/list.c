/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "bin/gqsim/gqsim.h"

struct run {
    uint64_t seed, max_events;
    unsigned n_nodes;
    bool large;
};

/* "nodes N"; returns how long that is. */
static int read_nodes(const char *text, unsigned *ret)
{
    int end = 0;

    return sscanf(text, " nodes %1u%n", ret, &end) == 1 && *ret >= 1 && *ret <= WORLD_MAX_NODES ? end : 0;
}

/* The whole list before the first run: children have no part in the file. Returns how many, or -1. */
static ssize_t read_list(const char *path, struct run **ret)
{
    FILE *f = fopen(path, "re");
    struct run *runs = NULL;
    ssize_t n = 0;
    char line[256];

    if (f == NULL) {
        fprintf(stderr, "gqsim: %s: %s\n", path, strerror(errno));
        return -1;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        struct run run = { 0 };
        int end = 0;

        if (line[0] == '#' || sscanf(line, "%" SCNu64 "%n %" SCNu64 "%n", &run.seed, &end, &run.max_events, &end) < 1)
            continue;
        end += read_nodes(line + end, &run.n_nodes);
        end += (int)strspn(line + end, " ");
        run.large = strncmp(line + end, "large ", strlen("large ")) == 0;
        runs = xrealloc(runs, ((size_t)n + 1) * sizeof(*runs));
        runs[n++] = run;
    }
    fclose(f);
    *ret = runs;
    return n;
}

bool gqsim_run_list(const struct gqsim_options *options, const char *path)
{
    struct gqsim_options o = *options;
    _cleanup_(freep) struct run *runs = NULL;
    ssize_t n = read_list(path, &runs), n_failed = 0;

    for (ssize_t i = 0; i < n; i++) {
        o.world.seed = runs[i].seed;
        o.world.max_events = runs[i].max_events;
        o.world.n_nodes = runs[i].n_nodes;
        o.world.large = options->world.large || runs[i].large;
        n_failed += !gqsim_run_seed(&o);
    }
    if (n >= 0)
        printf("list: %zd passed, %zd failed\n", n - n_failed, n_failed);
    return n >= 0 && n_failed == 0;
}
