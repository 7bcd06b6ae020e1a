/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts of the simulator's program. Seeds run in processes of their own, since a failed assertion ends one; what a
 * report needs lies in memory that they share with their parent. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "world/world.h"

struct gqsim_options {
    struct world_options world; /* seed: the one to run */
    bool trace;
    const char *history;            /* file to write what clients did to; NULL: none */
    uint64_t first_seed, last_seed; /* of --seeds */
    unsigned n_jobs;
    const char *bug;          /* NULL: none */
    const char *known, *save; /* of --bugs: files of seeds that show bugs; NULL: none */
    bool mixed;               /* likewise: each even one of the seeds has large records */
    bool need_marks;          /* --seeds fails when a coverage mark isn't hit */
    char commit[64];          /* of the source */
};

/* One seed in this process. */
bool gqsim_run(const struct gqsim_options *o, struct world_story *story, uint64_t *ret_hash, uint64_t *ret_events);
/* One seed, with a report when it fails. */
bool gqsim_run_seed(const struct gqsim_options *o);
/* Those of a file (tests/seeds/README.md). */
bool gqsim_run_list(const struct gqsim_options *o, const char *path);
/* Many, in n_jobs processes, up to one that fails. Quiet: without a word; ret_failed is the first one that fails then,
 * in the order of their numbers, and text says what failed. */
bool gqsim_run_seeds(const struct gqsim_options *o);
bool gqsim_run_seeds_quietly(const struct gqsim_options *o, uint64_t *ret_failed, char *text, size_t size);

static inline bool gqsim_is_large(const struct gqsim_options *o, uint64_t seed)
{
    return o->world.large || (o->mixed && seed % 2 == 0);
}

/* Cuts a failing seed down and reports what is left of it. False: it doesn't fail. */
bool gqsim_shrink(const struct gqsim_options *o);

/* Chooses a planted bug by its name. False: there is none of that name. */
bool gqsim_plant(const char *name);
/* Plants one after the other, or the one that o->bug names, and looks for it with the seed that is known to show it,
 * else with the seeds of o, and prints how many it took. False: some were missed, or a file can't be read or written.
 */
bool gqsim_hunt(const struct gqsim_options *o);

/* Coverage: marks in the code, and kinds of faults that came. Adds what this process came by in its last seed. */
#define GQSIM_MAX_MARKS 256
void gqsim_add_marks(uint64_t to[GQSIM_MAX_MARKS], const struct world_story *story);
/* Prints what was never hit, and how many there are. False: some were not. */
bool gqsim_print_marks(const uint64_t marks[GQSIM_MAX_MARKS]);

/* Zeroed memory that children share. */
void *gqsim_shared(size_t size);
/* What failed. status: of the process that ran it. */
void gqsim_why(const struct world_story *story, int status, char *text, size_t size);
/* The same, with the last steps, and how to run it again. */
void gqsim_report(const struct gqsim_options *o, const struct world_story *story, int status);
