/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bin/gqsim/gqsim.h"

bool gqsim_run_list(const struct gqsim_options *options, const char *path)
{
    struct gqsim_options o = *options;
    FILE *f = fopen(path, "re");
    unsigned n_passed = 0, n_failed = 0;
    char line[256];

    if (f == NULL) {
        fprintf(stderr, "gqsim: %s: %s\n", path, strerror(errno));
        return false;
    }
    while (fgets(line, sizeof(line), f) != NULL) {
        o.world.max_events = 0;
        if (line[0] == '#' || sscanf(line, "%" SCNu64 " %" SCNu64, &o.world.seed, &o.world.max_events) < 1)
            continue;
        if (gqsim_run_seed(&o))
            n_passed++;
        else
            n_failed++;
    }
    fclose(f);
    printf("list: %u passed, %u failed\n", n_passed, n_failed);
    return n_failed == 0;
}
