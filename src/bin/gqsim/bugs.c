/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
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

/* GQ_BUG_NONE: there is none of that name. */
static unsigned bug_of(const char *name)
{
    for (unsigned i = GQ_BUG_NONE + 1; i < GQ_N_BUGS; i++)
        if (strcmp(bugs[i].name, name) == 0)
            return i;
    return GQ_BUG_NONE;
}

bool gqsim_plant(const char *name)
{
    gq_bug = (enum gq_bug)bug_of(name);
    return gq_bug != GQ_BUG_NONE;
}

/* Bugs that a whole node can't show, or hardly ever; NULL: it can. Tests of the modules that have them find them. */
static const char *why_not(unsigned bug)
{
    switch (bug) {
    case GQ_BUG_FILES_BEFORE_FORGET:
        return "a start opens no group whose topic is gone, so it doesn't miss the files";
    case GQ_BUG_ROUND_TRUSTED_EARLY:
        return "a round is seldom in two flushes with a crash between them: in one of some thousand seeds";
    default:
        return NULL;
    }
}

/* ---- Seeds that are known to show a bug ---- */

static bool read_known(const char *path, uint64_t seeds[GQ_N_BUGS])
{
    FILE *f = fopen(path, "re");
    char line[256], name[64];
    uint64_t seed;

    if (f == NULL) {
        fprintf(stderr, "gqsim: %s: %s\n", path, strerror(errno));
        return false;
    }
    while (fgets(line, sizeof(line), f) != NULL)
        if (line[0] != '#' && sscanf(line, "%63s %" SCNu64, name, &seed) == 2)
            seeds[bug_of(name)] = seed;
    fclose(f);
    return true;
}

static bool write_known(const char *path, const uint64_t seeds[GQ_N_BUGS])
{
    FILE *f = fopen(path, "we");
    bool failed;

    if (f == NULL) {
        fprintf(stderr, "gqsim: %s: %s\n", path, strerror(errno));
        return false;
    }
    fputs("# Planted bugs and the first seed that shows each, written by ./dev sim --bugs. See README.md.\n", f);
    for (unsigned i = GQ_BUG_NONE + 1; i < GQ_N_BUGS; i++)
        if (seeds[i] != 0)
            fprintf(f, "%-26s %" PRIu64 "\n", bugs[i].name, seeds[i]);
    failed = ferror(f) != 0;
    if (fclose(f) == 0 && !failed)
        return true;
    fprintf(stderr, "gqsim: %s: %s\n", path, strerror(errno));
    return false;
}

/* ---- The hunt ---- */

struct hunt {
    const struct gqsim_options *o;
    unsigned bug;
    uint64_t seed; /* that shows it */
    char text[160];
};

/* The first of the seeds that fails and that doesn't without the bug, which would show nothing. */
static bool is_shown(struct hunt *h, uint64_t first, uint64_t last)
{
    struct gqsim_options o = *h->o;
    char anyway[160];

    for (o.first_seed = first; o.first_seed <= last; o.first_seed = h->seed + 1) {
        o.last_seed = last;
        o.n_jobs = h->o->n_jobs;
        gq_bug = (enum gq_bug)h->bug;
        if (gqsim_run_seeds_quietly(&o, &h->seed, h->text, sizeof(h->text)))
            return false;
        gq_bug = GQ_BUG_NONE;
        o.first_seed = o.last_seed = h->seed;
        o.n_jobs = 1;
        if (gqsim_run_seeds_quietly(&o, &h->seed, anyway, sizeof(anyway)))
            return true;
        printf("%-26s              seed %" PRIu64 " fails without it too: %.60s\n", bugs[h->bug].name, h->seed, anyway);
    }
    return false;
}

/* known: a seed to begin with; 0: none. Returns the one that shows it, or 0. */
static uint64_t hunt(const struct gqsim_options *o, unsigned bug, uint64_t known)
{
    struct hunt h = { .o = o, .bug = bug };
    bool found = known != 0 && is_shown(&h, known, known);

    if (!found && known != 0)
        printf("%-26s              seed %" PRIu64 " doesn't show it any more\n", bugs[bug].name, known);
    found = found || is_shown(&h, o->first_seed, o->last_seed);
    if (found)
        printf("%-26s %6" PRIu64 " %-5s  %.80s\n", bugs[bug].name, h.seed - o->first_seed + 1,
               gqsim_is_large(o, h.seed) ? "large" : "", h.text);
    else
        printf("%-26s MISSED        in %" PRIu64 " seeds: %s\n", bugs[bug].name, o->last_seed - o->first_seed + 1,
               bugs[bug].text);
    fflush(stdout);
    return found ? h.seed : 0;
}

static void tell_left_out(void)
{
    bool told = false;

    for (unsigned i = GQ_BUG_NONE + 1; i < GQ_N_BUGS; i++) {
        if (why_not(i) == NULL)
            continue;
        if (!told)
            printf("left to other tests, see tests/BUGS.md:\n");
        told = true;
        printf("%-26s %s\n", bugs[i].name, why_not(i));
    }
}

bool gqsim_hunt(const struct gqsim_options *o)
{
    uint64_t seeds[GQ_N_BUGS] = { 0 };
    unsigned n_looked_for = 0, n_found = 0;
    bool saved = true;

    if (o->known != NULL && !read_known(o->known, seeds))
        return false;
    printf("%-26s  seeds        shown by\n", "bug");
    for (unsigned i = GQ_BUG_NONE + 1; i < GQ_N_BUGS; i++) {
        if (o->bug != NULL ? strcmp(o->bug, bugs[i].name) != 0 : why_not(i) != NULL)
            continue;
        seeds[i] = hunt(o, i, seeds[i]);
        n_looked_for++;
        n_found += seeds[i] != 0;
        saved = (o->save == NULL || write_known(o->save, seeds)) && saved; /* each time: a hunt may be broken off */
    }
    gq_bug = GQ_BUG_NONE;
    if (o->bug == NULL)
        tell_left_out();
    printf("bugs: %u passed, %u failed\n", n_found, n_looked_for - n_found);
    printf("%u of %u found\n", n_found, n_looked_for);
    return saved && n_looked_for > 0 && n_found == n_looked_for;
}
