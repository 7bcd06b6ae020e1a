/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What must hold after a crash. rig_check() has most of it: the log is a prefix of what was proposed and reaches up to
 * the last that was acknowledged, byte for byte, with the terms it was written in; the log start isn't below one that
 * was told; the state of producers is what the log makes. */

#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/util.h"
#include "crash/crash.h"

#define MAX_NESTED 4096

/* What a recovery came to. */
struct outcome {
    int64_t log_start[RIG_MAX_GROUPS], high_watermark[RIG_MAX_GROUPS];
    bool exists[RIG_MAX_GROUPS];
};

struct nested {
    const struct rig *from;
    const struct crash_workload *workload;
    struct sim_disk *disk; /* that is being recovered */
    uint64_t seed;
    unsigned count; /* subsets per step */
    struct crash_progress *progress;
    struct outcome *outcomes;
    size_t n;
};

static bool is_live(const struct rig_group *g)
{
    return g->replica != NULL && !g->destroying;
}

static void outcome_note(const struct rig *r, struct outcome *o)
{
    *o = (struct outcome){ 0 };
    for (unsigned i = 0; i < r->n_groups; i++) {
        const struct rig_group *g = &r->groups[i];

        o->exists[i] = is_live(g);
        if (!o->exists[i])
            continue;
        o->log_start[i] = replica_log_start(g->replica);
        o->high_watermark[i] = replica_high_watermark(g->replica);
    }
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    for (unsigned i = 0; i < RIG_MAX_GROUPS; i++) {
        if (a->exists[i] != b->exists[i])
            ck_abort_msg("group %u: there or not, depending on a crash in recovery", i);
        ck_quick(a->log_start[i] == b->log_start[i]);
        ck_quick(a->high_watermark[i] == b->high_watermark[i]);
    }
}

/* No new leader may lead in a term that an acknowledged record has. */
static void check_terms(const struct rig *from, const struct rig *r)
{
    for (unsigned i = 0; i < r->n_groups; i++) {
        const struct rig_group *g = &from->groups[i];

        for (size_t k = 0; is_live(&r->groups[i]) && k < g->n; k++)
            if (g->batches[k].state == RIG_ACKED && g->batches[k].term >= replica_term(r->groups[i].replica))
                ck_abort_msg("group %u leads again in term %llu", i, (unsigned long long)g->batches[k].term);
    }
}

/* Names of a group that is gone for good are gone too. */
static int name_left(void *ctx, const struct disk_dirent *ent)
{
    ck_abort_msg("%s is left of a deleted group", ent->name);
    return 0;
}

static void check_destroyed(const struct rig *from, struct rig *r)
{
    for (unsigned i = 0; i < from->n_groups; i++) {
        char dir[32];

        snprintf(dir, sizeof(dir), "topics/g-%u", i);
        if (from->groups[i].destroyed)
            ck_quick(disk_list(r->env.disk, dir, name_left, NULL) == -ENOENT);
    }
}

/* The last batch of each producer, sent again, is answered with its first offset. */
static void check_duplicates(struct rig *r, unsigned group)
{
    struct rig_group *g = &r->groups[group];
    bool seen[16] = { false };

    for (size_t k = g->n; k > 0; k--) {
        struct rig_batch b = g->batches[k - 1];
        struct rig_op *op;

        if (b.producer_id < 0 || b.producer_id >= (int64_t)ARRAY_SIZE(seen) || seen[b.producer_id])
            continue;
        seen[b.producer_id] = true;
        op = rig_produce_as(r, group, b.producer_id, b.epoch, b.sequence, b.count, 10);
        rig_wait(r, op);
        ck_quick(op->op.error == 0);
        ck_quick(op->op.produce.ret_base_offset == b.base_offset);
        ck_quick(op->batch == SIZE_MAX);
    }
}

/* Everything that must hold of a shard that was just started. */
static void check(const struct rig *from, struct rig *r)
{
    check_destroyed(from, r);
    rig_check(r);
    check_terms(from, r);
    for (unsigned i = 0; i < r->n_groups; i++)
        if (is_live(&r->groups[i]))
            check_duplicates(r, i);
}

/* The shard takes more, and what it acknowledges and checkpoints outlives the next crash. */
static void go_on(struct rig *r)
{
    struct rig *last;

    for (unsigned i = 0; i < r->n_groups; i++) {
        struct rig_op *op;

        if (!is_live(&r->groups[i]))
            continue;
        op = rig_produce(r, i, 2, 700);
        rig_wait(r, op);
        ck_quick(op->op.error == 0);
        replica_checkpoint(r->groups[i].replica, UINT64_MAX);
    }
    rig_settle(r);
    last = rig_twin(r, sim_disk_image(r->disk, NULL), sim_prng_u64(&r->prng));
    rig_start_ok(last);
    check(r, last);
    rig_free(last);
}

/* A crash in recovery: what that leaves is recovered to the same state. */
static void crash_recovery(void *ctx)
{
    struct nested *n = ctx;
    size_t units = sim_disk_units(n->disk);
    _cleanup_(freep) bool *keep = xcalloc(units + 1, sizeof(*keep));

    for (unsigned k = 0; k < n->count && n->n < MAX_NESTED && (k == 0 || units > 0); k++) {
        uint64_t seed = hash_u64(n->seed, n->n + 1);
        struct rig *r;

        if (k < 2)
            memset(keep, k == 1, units);
        else
            crash_subset_draw(keep, units, seed);
        r = rig_twin(n->from, sim_disk_image_with(n->disk, keep, NULL), seed);
        if (n->workload->restart != NULL)
            n->workload->restart(r);
        rig_start_ok(r);
        check(n->from, r);
        outcome_note(r, &n->outcomes[n->n++]);
        n->progress->n_nested++;
        rig_free(r);
    }
}

void crash_verify(const struct rig *from, const struct crash_workload *w, struct sim_disk *image, uint64_t seed,
                  unsigned nested, struct crash_progress *progress)
{
    struct rig *r = rig_twin(from, image, seed);
    struct nested n = { .from = from, .workload = w, .disk = image, .seed = seed, .count = nested };
    struct outcome outcome;
    int rc;

    n.progress = progress;
    n.outcomes = nested > 0 ? xcalloc(MAX_NESTED, sizeof(*n.outcomes)) : NULL;
    if (w->spoil != NULL)
        w->spoil(r);
    if (w->restart != NULL)
        w->restart(r);
    if (nested > 0)
        sim_disk_watch(image, crash_recovery, &n);
    rc = rig_start(r);
    if (w->spoil == NULL || rc != JOURNAL_E_CORRUPT) {
        if (rc != 0)
            ck_abort_msg("start: %d %s", rc, r->err.text);
        rig_wait_open(r);
        sim_disk_watch(image, NULL, NULL);
        check(from, r);
        progress->n_copies += r->n_replayed_copies;
        outcome_note(r, &outcome);
        for (size_t i = 0; i < n.n; i++)
            check_same(&outcome, &n.outcomes[i]);
        if (nested > 0 || seed % 2 == 0)
            go_on(r);
    }
    free(n.outcomes);
    rig_free(r);
}
