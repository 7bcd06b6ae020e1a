/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All crashes of a run. A workload runs once over the simulated disk; before each step of the disk everything that a
 * crash there could leave is made, or many drawn cases of it where that is too much, and each is recovered and held
 * against what was acknowledged until then. See README.md. */

#include "replica/rig.h"

struct crash_workload {
    const char *name;
    unsigned n_groups;
    void (*configure)(struct rig *r);  /* before the first start, or NULL */
    void (*before)(struct rig *r);     /* without crashes; the shard is started already */
    void (*run)(struct rig *r);        /* what is crashed in */
    void (*spoil)(struct rig *twin);   /* damages what the crash left, or NULL: recovery may refuse it then */
    void (*restart)(struct rig *twin); /* settings that changed over the crash, or NULL */
    bool copies;                       /* some crash leaves entries that are read from relocated copies */
    unsigned n_seeds;                  /* in a usual run; 0: one */
    unsigned one_in;                   /* large ones: of so many crash points one is drawn; 0: all */
};

extern const struct crash_workload crash_workloads[];
extern const unsigned crash_n_workloads;

/* How much is tried at each crash point. */
enum crash_depth {
    CRASH_BRIEF, /* a few cases: to find a planted bug soon, or under a sanitizer, which is ten times as slow */
    CRASH_USUAL, /* make check */
    CRASH_LONG,  /* CRASH_LONG=1 */
};

/* One case out of all, to run it again. UINT64_MAX: all of them. */
struct crash_choice {
    uint64_t seed, step, subset;
};

/* Where a run is. Lies in memory shared with the process that started it, since a case may end in a failed assertion
 * of the code under test. */
struct crash_progress {
    char workload[32];
    uint64_t seed, step, subset;
    uint64_t n_points, n_cases, n_nested; /* nested: crashes in recovery */
    uint64_t n_copies;                    /* entries that a recovery read from relocated copies */
    bool busy;                            /* a case is being tried */
    char message[512];
};

struct crash_progress *crash_progress_new(void);
/* The arguments that run the case again, as text. */
void crash_progress_print(const struct crash_progress *p, enum crash_depth depth);

/* Runs the workload and all its crashes; fails by ck_assert(). */
void crash_explore(const struct crash_workload *w, const struct crash_choice *choice, enum crash_depth depth,
                   struct crash_progress *progress);

/* Number of subsets of n things that are tried, and which things are in subset k. */
uint64_t crash_subset_count(size_t n, enum crash_depth depth);
void crash_subset(bool *keep, size_t n, uint64_t k, uint64_t seed, enum crash_depth depth);
void crash_subset_draw(bool *keep, size_t n, uint64_t seed);

/* Recovers what a crash of r left in image (which it takes), checks it, goes on writing, and crashes that. With nested
 * > 0 it also crashes the recovery at each of its steps, so many subsets each. */
void crash_verify(const struct rig *r, const struct crash_workload *w, struct sim_disk *image, uint64_t seed,
                  unsigned nested, struct crash_progress *progress);
