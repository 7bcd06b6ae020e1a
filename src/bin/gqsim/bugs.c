/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bug.h"
#include "base/util.h"
#include "bin/gqsim/gqsim.h"

static const struct {
    const char *name, *text;
} bugs[] = {
#define X(name, text) [GQ_BUG_##name] = { #name, text },
    GQ_BUG_LIST(X)
#undef X
};

bool gqsim_plant(const char *name)
{
    for (unsigned i = GQ_BUG_NONE + 1; i < GQ_N_BUGS; i++)
        if (strcmp(bugs[i].name, name) == 0) {
            gq_bug = (enum gq_bug)i;
            return true;
        }
    return false;
}

/* Bugs that a whole node can't show; NULL: it can. Tests of the modules that have them look for them. */
static const char *why_not(unsigned bug)
{
    switch (bug) {
    case GQ_BUG_FILES_BEFORE_FORGET:
        return "a start opens no group whose topic is gone, so it doesn't miss the files";
    default:
        return NULL;
    }
}

/* A seed that fails anyway shows nothing. */
static bool passes_without(const struct gqsim_options *options, uint64_t seed)
{
    struct gqsim_options o = *options;
    char text[160];

    gq_bug = GQ_BUG_NONE;
    o.first_seed = o.last_seed = seed;
    o.n_jobs = 1;
    return gqsim_run_seeds_quietly(&o, &seed, text, sizeof(text));
}

static bool hunt(const struct gqsim_options *o, unsigned bug)
{
    uint64_t n = o->last_seed - o->first_seed + 1, failed;
    char text[160];

    gq_bug = (enum gq_bug)bug;
    if (gqsim_run_seeds_quietly(o, &failed, text, sizeof(text))) {
        printf("%-24s MISSED in %" PRIu64 " seeds: %s\n", bugs[bug].name, n, bugs[bug].text);
        fflush(stdout);
        return false;
    }
    if (!passes_without(o, failed)) {
        printf("%-24s seed %" PRIu64 " fails without it too\n", bugs[bug].name, failed);
        return false;
    }
    printf("%-24s found by seed %" PRIu64 " (%" PRIu64 "): %.90s\n", bugs[bug].name, failed, failed - o->first_seed + 1,
           text);
    fflush(stdout);
    return true;
}

bool gqsim_hunt(const struct gqsim_options *o)
{
    unsigned n_found = 0, n_missed = 0;

    for (unsigned i = GQ_BUG_NONE + 1; i < GQ_N_BUGS; i++) {
        if (o->bug != NULL && strcmp(o->bug, bugs[i].name) != 0)
            continue;
        if (o->bug == NULL && why_not(i) != NULL) {
            printf("%-24s not looked for: %s\n", bugs[i].name, why_not(i));
            continue;
        }
        if (hunt(o, i))
            n_found++;
        else
            n_missed++;
    }
    gq_bug = GQ_BUG_NONE;
    printf("bugs: %u passed, %u failed\n", n_found, n_missed);
    return n_missed == 0 && n_found > 0;
}
