/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* journal_replay(): reads again the files that hold entries behind checkpoints, and hands those over. journal_open()
 * has proved all of it, and knows which files pin what; what can differ now is only what the disk returns.
 *
 * Relocated entries lie behind entries that follow from them. So there are rounds: each hands over what is next in its
 * group and leaves out what comes too early; one more begins at the first file where that happened. Copies are written
 * in order, so two rounds do but for rare cases. */

#include <inttypes.h>

#include "base/bug.h"
#include "base/crc32c.h"
#include "base/mark.h"
#include "base/util.h"
#include "journal/chain.h"
#include "journal/recovery.h"

static int replay_entry(struct journal_recovery *rc, const struct journal_record *record)
{
    struct journal_disk_entry e;
    struct journal_group *g;
    struct slice data;

    if (!journal_record_entry(record, &e, &data))
        return journal_corrupt_here(rc, "an entry that has changed since it was read");
    g = journal_group_find(&rc->j->groups, e.group);
    if (g == NULL || e.index <= g->chain->replayed_index || (rc->only != NULL && g != rc->only))
        return 0;
    if (crc32c(0, data.data, data.size) != e.checksum)
        return journal_corrupt_here(rc, "an entry that has changed since it was read");
    if (journal_chain_is_void(g->chain, rc->ordinal, e.index))
        return 0;
    if (e.index > g->chain->replayed_index + 1) {
        if (rc->skipped_in == NULL)
            rc->skipped_in = rc->file;
        return 0;
    }
    if (e.prev_checksum != g->chain->replayed_checksum)
        return journal_corrupt_here(rc,
                                    "entry %" PRIu64 " of group %" PRIu64
                                    ", which doesn't follow from its checkpoint or the entry before it",
                                    e.index, e.group);
    g->chain->replayed_index = e.index;
    g->chain->replayed_checksum = e.checksum;
    rc->n_replayed++;
    return rc->replay(rc->replay_ctx, &(struct journal_replay_record){
                                          .relocated = record->kind == JOURNAL_RECORD_RELOCATED,
                                          .group = e.group,
                                          .index = e.index,
                                          .term = e.term,
                                          .checksum = e.checksum,
                                          .prev_checksum = e.prev_checksum,
                                          .data = data,
                                          .recovery = rc,
                                      });
}

int journal_replay_refuse(const struct journal_replay_record *rec, const char *what)
{
    return journal_corrupt_here(rec->recovery, "%s", what);
}

/* All else is in the groups' states since journal_open(). */
int journal_replay_record(void *ctx, uint64_t lsn, const struct journal_record *record)
{
    struct journal_recovery *rc = ctx;

    rc->ordinal++;
    if (record->kind == JOURNAL_RECORD_ENTRY || record->kind == JOURNAL_RECORD_RELOCATED)
        return replay_entry(rc, record);
    return 0;
}

static int replay_file(struct journal_recovery *rc, struct journal_file *f)
{
    int r = journal_recovery_open(rc, f, NULL);

    rc->ordinal = f->ordinal;
    while (r == 0 && rc->position < f->end) {
        struct journal_block b;
        const uint8_t *payload;

        r = journal_block_reader_at(&rc->blocks, rc->position, &b, &payload);
        if (r < 0)
            return journal_read_failed(rc, f, rc->position, r);
        if (r != JOURNAL_BLOCK_GOOD)
            return journal_corrupt_here(rc, "a block that has changed since it was read");
        r = journal_recovery_block(rc, &b, payload, journal_replay_record);
        rc->position += journal_block_size(&b);
    }
    return r;
}

/* Whether a file holds an entry that will be handed over. */
static bool is_wanted(const struct journal_recovery *rc, const struct journal_file *f)
{
    const struct journal_usage *u;

    if (rc->only == NULL)
        return f->n_pins > 0;
    list_foreach (&rc->only->usages, u, in_group) {
        if (u->file == f)
            return u->pins;
    }
    return false;
}

/* Reads the files from this one on. */
static int replay_round(struct journal_recovery *rc, struct journal_file *from)
{
    struct journal *j = rc->j;
    int r = 0;

    rc->skipped_in = NULL;
    rc->n_replayed = 0;
    for (struct list *l = &from->link; l != &j->files && r == 0; l = l->next) {
        struct journal_file *f = list_entry(l, struct journal_file, link);

        if (is_wanted(rc, f))
            r = replay_file(rc, f);
    }
    return r;
}

static int check_ends(struct journal_recovery *rc)
{
    struct journal_file *last = list_last(&rc->j->files, struct journal_file, link);
    struct journal_group *g;

    list_foreach (&rc->j->groups.all, g, link) {
        if ((rc->only == NULL || g == rc->only) && g->chain->replayed_index < g->last_index)
            return journal_corrupt(rc, last, last->end, "no entry %" PRIu64 " of group %" PRIu64,
                                   g->chain->replayed_index + 1, g->state.group);
    }
    return 0;
}

static int replay(struct journal *j, const struct journal_group *only, journal_replay_fn fn, void *ctx,
                  struct error_text *err)
{
    struct journal_file *from = list_first(&j->files, struct journal_file, link);
    struct journal_recovery rc;
    struct journal_group *g;
    int r = 0;

    gq_assert(j->lane == NULL);
    journal_recovery_init(&rc, j, err);
    rc.replay = fn;
    rc.replay_ctx = ctx;
    rc.only = only;
    list_foreach (&j->groups.all, g, link) {
        g->chain->replayed_index = g->state.checkpoint_index;
        g->chain->replayed_checksum = g->state.checkpoint_checksum;
    }
    while (from != NULL && r == 0) {
        r = replay_round(&rc, from);
        from = rc.n_replayed > 0 && !GQ_BUG(REPLAYED_IN_ONE_PASS) ? rc.skipped_in : NULL;
        if (from != NULL)
            GQ_MARK(JOURNAL_SECOND_PASS);
    }
    if (r == 0)
        r = check_ends(&rc);
    journal_recovery_fini(&rc);
    return r;
}

int journal_replay(struct journal *j, journal_replay_fn fn, void *ctx, struct error_text *err)
{
    return replay(j, NULL, fn, ctx, err);
}

int journal_replay_group(struct journal *j, uint64_t group, journal_replay_fn fn, void *ctx, struct error_text *err)
{
    const struct journal_group *g = journal_group_find(&j->groups, group);

    return g != NULL ? replay(j, g, fn, ctx, err) : 0;
}

static int compare_groups(const void *a, const void *b)
{
    uint64_t x = (*(const struct journal_group *const *)a)->state.group;
    uint64_t y = (*(const struct journal_group *const *)b)->state.group;

    return x < y ? -1 : x > y;
}

int journal_groups(struct journal *j, journal_group_fn fn, void *ctx)
{
    _cleanup_(freep) struct journal_group **all = xcalloc(j->groups.count + 1, sizeof(struct journal_group *));
    struct journal_group *g;
    size_t n = 0;
    int r = 0;

    list_foreach (&j->groups.all, g, link)
        all[n++] = g;
    qsort(all, n, sizeof(struct journal_group *), compare_groups);
    for (size_t i = 0; i < n && r == 0; i++)
        r = fn(ctx, &all[i]->state);
    return r;
}
