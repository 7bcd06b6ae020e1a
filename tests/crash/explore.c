/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "base/util.h"
#include "crash/crash.h"

/* Up to so many things all subsets are tried. */
static const unsigned full_up_to[] = { [CRASH_BRIEF] = 2, [CRASH_USUAL] = 6, [CRASH_LONG] = 12 };
/* Of more things: places at which one is alone, or missing, or an order is cut; and what is drawn besides. */
static const unsigned max_places[] = { [CRASH_BRIEF] = 1, [CRASH_USUAL] = 6, [CRASH_LONG] = 64 };
static const unsigned n_drawn[] = { [CRASH_BRIEF] = 3, [CRASH_USUAL] = 12, [CRASH_LONG] = 512 };

/* The kinds of subsets that go through all places. */
enum {
    ONLY_ONE,
    ALL_BUT_ONE,
    PREFIX,
    REVERSE_PREFIX,
    N_KINDS,
};

struct explorer {
    struct rig *rig;
    const struct crash_workload *workload;
    const struct crash_choice *choice;
    enum crash_depth depth;
    struct crash_progress *progress;
    uint64_t seed;
};

struct crash_progress *crash_progress_new(void)
{
    void *p = mmap(NULL, sizeof(struct crash_progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    gq_assert(p != MAP_FAILED);
    return p;
}

void crash_progress_print(const struct crash_progress *p, enum crash_depth depth)
{
    printf("workload %s, seed %" PRIu64 ", crash before step %" PRIu64 ", subset %" PRIu64 "\n", p->workload, p->seed,
           p->step, p->subset);
    printf("again: %stest-crash %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", depth == CRASH_LONG ? "CRASH_LONG=1 " : "",
           p->workload, p->seed, p->step, p->subset);
}

static unsigned n_places(size_t n, enum crash_depth depth)
{
    return (unsigned)MIN(n, (size_t)max_places[depth]);
}

uint64_t crash_subset_count(size_t n, enum crash_depth depth)
{
    if (n <= full_up_to[depth])
        return UINT64_C(1) << n;
    return 2 + N_KINDS * n_places(n, depth) + n_drawn[depth];
}

static bool is_in(unsigned kind, size_t i, size_t place)
{
    switch (kind) {
    case ONLY_ONE:
        return i == place;
    case ALL_BUT_ONE:
        return i != place;
    case PREFIX:
        return i <= place;
    default:
        return i >= place;
    }
}

void crash_subset_draw(bool *keep, size_t n, uint64_t seed)
{
    struct sim_prng prng;
    unsigned eighths;

    sim_prng_init(&prng, seed);
    eighths = 1 + (unsigned)sim_prng_below(&prng, 7);
    for (size_t i = 0; i < n; i++)
        keep[i] = sim_prng_chance(&prng, eighths, 8);
}

void crash_subset(bool *keep, size_t n, uint64_t k, uint64_t seed, enum crash_depth depth)
{
    unsigned places = n_places(n, depth);
    bool full = n <= full_up_to[depth];

    if (!full && k >= 2 + N_KINDS * places) {
        crash_subset_draw(keep, n, seed);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (full)
            keep[i] = (k >> i & 1) != 0;
        else if (k < 2)
            keep[i] = k == 1;
        else
            keep[i] = is_in((unsigned)(k - 2) / places, i, (k - 2) % places * n / places);
    }
}

/* When a single case is run again, says what it is. */
static void print_units(struct explorer *x, const bool *keep, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_(freep) char *text = sim_disk_unit_text(x->rig->disk, i);

        printf("  %s %s\n", keep[i] ? "kept" : "lost", text);
    }
    fflush(stdout);
}

/* Recovery is crashed too for the ends and for some of the rest, at some of the points or at the one that is run again:
 * how many subsets at each of its steps. */
static unsigned nested_count(const struct explorer *x, uint64_t k, uint64_t count, uint64_t seed)
{
    static const unsigned points_of[] = { [CRASH_BRIEF] = 8, [CRASH_USUAL] = 12, [CRASH_LONG] = 4 };
    bool is_end = k == 0 || k == 1 || k + 1 == count;

    if (x->choice->step == UINT64_MAX && x->progress->n_points % points_of[x->depth] != 0)
        return 0;
    if (x->depth == CRASH_BRIEF)
        return k == 0 ? 1 : 0;
    if (!is_end && seed % (x->depth == CRASH_LONG ? 64 : 32) != 0)
        return 0;
    return x->depth == CRASH_LONG ? 4 : is_end ? 3 : 1;
}

static void try_subset(struct explorer *x, uint64_t k, uint64_t count, size_t n)
{
    uint64_t seed = hash_u64(hash_u64(x->seed, x->progress->step), k);
    _cleanup_(freep) bool *keep = xcalloc(n + 1, sizeof(*keep));

    x->progress->subset = k;
    x->progress->n_cases++;
    x->progress->busy = true;
    crash_subset(keep, n, k, seed, x->depth);
    if (x->choice->subset != UINT64_MAX)
        print_units(x, keep, n);
    crash_verify(x->rig, x->workload, sim_disk_image_with(x->rig->disk, keep, NULL), seed,
                 nested_count(x, k, count, seed), x->progress);
    x->progress->busy = false;
}

static void crash_here(void *ctx)
{
    struct explorer *x = ctx;
    struct crash_progress *p = x->progress;
    uint64_t step = ++p->step, count;
    size_t n;

    if (x->choice->step != UINT64_MAX && x->choice->step != step)
        return;
    if (x->workload->one_in > 0 && hash_u64(step, x->seed) % x->workload->one_in != 0)
        return;
    p->n_points++;
    n = sim_disk_units(x->rig->disk);
    count = crash_subset_count(n, x->depth);
    for (uint64_t k = 0; k < count; k++)
        if (x->choice->subset == UINT64_MAX || x->choice->subset == k)
            try_subset(x, k, count, n);
}

void crash_explore(const struct crash_workload *w, const struct crash_choice *choice, enum crash_depth depth,
                   struct crash_progress *progress)
{
    struct rig *r = rig_new(choice->seed, w->n_groups);
    struct explorer x = {
        .rig = r,
        .workload = w,
        .choice = choice,
        .depth = depth,
        .progress = progress,
        .seed = choice->seed,
    };

    progress->n_copies = 0;
    snprintf(progress->workload, sizeof(progress->workload), "%s", w->name);
    progress->seed = choice->seed;
    progress->step = 0;
    if (w->configure != NULL)
        w->configure(r);
    rig_start_ok(r);
    w->before(r);
    sim_disk_watch(r->disk, crash_here, &x);
    w->run(r);
    crash_here(&x);
    sim_disk_watch(r->disk, NULL, NULL);
    ck_assert(!w->copies || choice->step != UINT64_MAX || progress->n_copies > 0);
    rig_free(r);
}
