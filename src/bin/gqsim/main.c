/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gqsim: whole nodes, their clients and faults in one thread from one seed. See src/world/README.md. */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "bin/gqsim/gqsim.h"

#define MAX_JOBS 64
#define HUNT_SEEDS 2000 /* within which a planted bug is to be found */

static const char usage[] =
    "usage: gqsim --seed N [--nodes K] [--events M] [--clients K] [--without FAULT] [--bug NAME] [--history FILE]\n"
    "             [--trace | --shrink]\n"
    "       gqsim --seeds A-B [--nodes K] [--events M] [--bug NAME] [--marks] [--jobs J]\n"
    "       gqsim --list FILE\n"
    "       gqsim --bugs [--bug NAME] [--seeds A-B] [--known FILE] [--save FILE] [--jobs J]\n"
    "\n"
    "  --seed N     one run; the last line tells its hash\n"
    "  --seeds A-B  many runs, up to the first one that fails\n"
    "  --list FILE  the runs of a file such as tests/seeds/seeds.txt\n"
    "  --bugs       plant one bug after the other, and look for it with seeds 1-2000\n"
    "  --known F    look with the seeds first that this file has for them\n"
    "  --save F     write that file anew\n"
    "  --bug NAME   with this planted bug (src/base/bug.h)\n"
    "  --nodes K    so many nodes; else the seed says how many: 1, 3 or 5\n"
    "  --events M   so many events under faults\n"
    "  --marks      fail when a coverage mark (src/base/mark.h) isn't hit\n"
    "  --clients K  with so many clients at most\n"
    "  --without F  without a kind of fault or operation (src/world/world.h)\n"
    "  --large      with records of up to 64 KiB, so that journals are recycled; --bugs has that in each even seed\n"
    "  --shrink     cut a run that fails down\n"
    "  --trace      print each step\n"
    "  --history F  write what clients did, for gqcheck\n"
    "  --jobs J     processes for --seeds\n";

static uint64_t number(const char *text, char **end)
{
    uint64_t n;

    errno = 0;
    n = strtoull(text, end, 10);
    if (errno != 0 || *text < '0' || *text > '9') { /* strtoull() takes blanks and signs */
        fprintf(stderr, "gqsim: '%s' is not a number\n", text);
        exit(EX_USAGE);
    }
    return n;
}

static uint64_t whole_number(const char *text)
{
    char *end;
    uint64_t n = number(text, &end);

    if (*end != '\0') {
        fprintf(stderr, "gqsim: '%s' is not a number\n", text);
        exit(EX_USAGE);
    }
    return n;
}

/* False: more than that. */
static bool number_up_to(const char *text, unsigned last, unsigned *ret)
{
    uint64_t n = whole_number(text);

    if (n > last)
        return false;
    *ret = (unsigned)n;
    return true;
}

static void range(const char *text, struct gqsim_options *o)
{
    char *end;

    o->first_seed = number(text, &end);
    o->last_seed = *end == '-' ? whole_number(end + 1) : o->first_seed;
    if (o->last_seed < o->first_seed) {
        fprintf(stderr, "gqsim: '%s' is not a range of seeds\n", text);
        exit(EX_USAGE);
    }
}

/* For reports. ./dev gives it; else git is asked, as the tree is now. */
static void find_commit(struct gqsim_options *o)
{
    const char *given = getenv("GQ_COMMIT");
    FILE *git;

    snprintf(o->commit, sizeof(o->commit), "%s", given != NULL ? given : "unknown");
    if (given != NULL)
        return;
    git = popen("git describe --always --dirty 2>/dev/null", "r");
    if (git == NULL)
        return;
    if (fgets(o->commit, sizeof(o->commit), git) != NULL)
        o->commit[strcspn(o->commit, "\n")] = '\0';
    pclose(git);
}

static bool switch_off(struct gqsim_options *o, const char *name)
{
    for (unsigned f = 0; f < WORLD_N_FAULTS; f++)
        if (strcmp(name, world_fault_name((enum world_fault)f)) == 0) {
            o->world.no_faults |= UINT64_C(1) << f;
            return true;
        }
    fprintf(stderr, "gqsim: there is no fault '%s', see src/world/world.h\n", name);
    return false;
}

enum mode {
    MODE_NONE,
    MODE_SEED,
    MODE_SEEDS,
    MODE_LIST,
    MODE_BUGS,
    MODE_TOO_MANY,
};

static enum mode one_mode(enum mode before, enum mode mode)
{
    return before == MODE_NONE || before == mode ? mode : MODE_TOO_MANY;
}

struct arguments {
    struct gqsim_options o;
    enum mode mode;
    const char *list;
    bool shrink;
};

/* False: not as the usage says. */
static bool read_argument(struct arguments *a, int option, const char *value)
{
    switch (option) {
    case 's':
        a->o.world.seed = whole_number(value);
        a->mode = one_mode(a->mode, MODE_SEED);
        return true;
    case 'S':
        range(value, &a->o);
        a->mode = a->mode == MODE_BUGS ? MODE_BUGS : one_mode(a->mode, MODE_SEEDS);
        return true;
    case 'l':
        a->list = value;
        a->mode = one_mode(a->mode, MODE_LIST);
        return true;
    case 'B':
        a->mode = a->mode == MODE_SEEDS ? MODE_BUGS : one_mode(a->mode, MODE_BUGS);
        return true;
    case 'b':
        a->o.bug = value;
        return true;
    case 'e':
        a->o.world.max_events = whole_number(value);
        return true;
    case 'n':
        return number_up_to(value, WORLD_MAX_NODES, &a->o.world.n_nodes) && a->o.world.n_nodes >= 1;
    case 'c':
        return number_up_to(value, UINT_MAX, &a->o.world.max_clients);
    case 'w':
        return switch_off(&a->o, value);
    case 'L':
        a->o.world.large = true;
        return true;
    case 'k':
        a->shrink = true;
        return true;
    case 'm':
        a->o.need_marks = true;
        return true;
    case 'H':
        a->o.history = value;
        return true;
    case 'K':
        a->o.known = value;
        return true;
    case 'W':
        a->o.save = value;
        return true;
    case 't':
        a->o.trace = true;
        return true;
    case 'j':
        return number_up_to(value, MAX_JOBS, &a->o.n_jobs) && a->o.n_jobs >= 1;
    default:
        return false;
    }
}

/* What goes together. Says what doesn't. */
static bool is_sound(const struct arguments *a)
{
    const char *wrong = NULL;

    if (a->mode == MODE_NONE || a->mode == MODE_TOO_MANY)
        wrong = usage;
    else if (a->o.history != NULL && (a->mode != MODE_SEED || a->shrink))
        wrong = "gqsim: --history goes with --seed\n";
    else if ((a->o.known != NULL || a->o.save != NULL) && a->mode != MODE_BUGS)
        wrong = "gqsim: --known and --save go with --bugs\n";
    else if (a->o.save != NULL && a->o.bug != NULL)
        wrong = "gqsim: --save is for all bugs\n";
    if (wrong != NULL)
        fputs(wrong, stderr);
    return wrong == NULL;
}

static bool run(struct arguments *a)
{
    find_commit(&a->o);
    switch (a->mode) {
    case MODE_SEED:
        return a->shrink ? gqsim_shrink(&a->o) : gqsim_run_seed(&a->o);
    case MODE_SEEDS:
        return gqsim_run_seeds(&a->o);
    case MODE_LIST:
        return gqsim_run_list(&a->o, a->list);
    default:
        a->o.mixed = true;
        return gqsim_hunt(&a->o);
    }
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "seed", required_argument, NULL, 's' },    { "seeds", required_argument, NULL, 'S' },
        { "list", required_argument, NULL, 'l' },    { "bugs", no_argument, NULL, 'B' },
        { "bug", required_argument, NULL, 'b' },     { "events", required_argument, NULL, 'e' },
        { "marks", no_argument, NULL, 'm' },         { "trace", no_argument, NULL, 't' },
        { "jobs", required_argument, NULL, 'j' },    { "nodes", required_argument, NULL, 'n' },
        { "clients", required_argument, NULL, 'c' }, { "without", required_argument, NULL, 'w' },
        { "large", no_argument, NULL, 'L' },         { "shrink", no_argument, NULL, 'k' },
        { "history", required_argument, NULL, 'H' }, { "known", required_argument, NULL, 'K' },
        { "save", required_argument, NULL, 'W' },    { NULL },
    };
    struct arguments a = { .o = { .n_jobs = 1, .first_seed = 1, .last_seed = HUNT_SEEDS } };
    int c;

    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if (!read_argument(&a, c, optarg)) {
            fputs(usage, stderr);
            return EX_USAGE;
        }
    if (optind != argc)
        a.mode = MODE_TOO_MANY;
    if (!is_sound(&a))
        return EX_USAGE;
    if (a.o.bug != NULL && a.mode != MODE_BUGS && !gqsim_plant(a.o.bug)) {
        fprintf(stderr, "gqsim: there is no bug '%s', see src/base/bug.h\n", a.o.bug);
        return EX_USAGE;
    }
    return run(&a) ? EXIT_SUCCESS : EXIT_FAILURE;
}
