/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gqsim: whole nodes, their clients and faults in one thread from one seed. See src/world/README.md. */

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "bin/gqsim/gqsim.h"

static const char usage[] = "usage: gqsim --seed N [--events M] [--trace]\n"
                            "       gqsim --seeds A-B [--events M] [--jobs J]\n"
                            "       gqsim --list FILE\n"
                            "\n"
                            "  --seed N     one run; the last line tells its hash\n"
                            "  --seeds A-B  many runs, up to the first one that fails\n"
                            "  --list FILE  the runs of a file such as tests/seeds/seeds.txt\n"
                            "  --events M   so many events under faults\n"
                            "  --trace      print each step\n"
                            "  --jobs J     processes for --seeds\n";

static uint64_t number(const char *text, char **end)
{
    uint64_t n;

    errno = 0;
    n = strtoull(text, end, 10);
    if (errno != 0 || *end == text || *text == '-') {
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

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "seed", required_argument, NULL, 's' },
        { "seeds", required_argument, NULL, 'S' },
        { "events", required_argument, NULL, 'e' },
        { "trace", no_argument, NULL, 't' },
        { "jobs", required_argument, NULL, 'j' },
        { "list", required_argument, NULL, 'l' },
        { NULL },
    };
    struct gqsim_options o = { .n_jobs = 1 };
    bool one = false, many = false;
    const char *list = NULL;
    int c;

    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 's':
            o.world.seed = whole_number(optarg);
            one = true;
            break;
        case 'S':
            range(optarg, &o);
            many = true;
            break;
        case 'l':
            list = optarg;
            break;
        case 'e':
            o.world.max_events = whole_number(optarg);
            break;
        case 't':
            o.trace = true;
            break;
        case 'j':
            o.n_jobs = (unsigned)whole_number(optarg);
            break;
        default:
            fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    if (one + many + (list != NULL) != 1 || optind != argc || o.n_jobs < 1 || o.n_jobs > 64) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    find_commit(&o);
    if (list != NULL)
        return gqsim_run_list(&o, list) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (many)
        return gqsim_run_seeds(&o) ? EXIT_SUCCESS : EXIT_FAILURE;
    return gqsim_run_seed(&o) ? EXIT_SUCCESS : EXIT_FAILURE;
}
