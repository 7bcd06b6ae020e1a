/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order of a repair: whose directory it is, what can be read of the journals, the metadata, each partition; then
 * the plan is told; then, when that is wanted, it is carried out. */

#include "node/repair.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "node/internal.h"
#include "node/repair_internal.h"

void repair_say(struct repair *r, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    r->o->say(r->o->ctx, line);
}

/* ---- Whose directory ---- */

static int note_shard(void *ctx, const struct disk_dirent *ent)
{
    unsigned *n = ctx, shard;
    char end;

    if (ent->is_dir && sscanf(ent->name, "%u%c", &shard, &end) == 1)
        *n = MAX(*n, shard + 1);
    return 0;
}

/* What its journals say of a directory without a superblock. */
static int identity_from_journals(struct repair *r)
{
    struct superblock *sb = &r->superblock;
    unsigned n = 0;
    int rc = disk_list(r->o->disk, "journal", note_shard, &n);

    if (rc < 0 && rc != -ENOENT)
        return rc;
    *sb = (struct superblock){
        .n_shards = n,
        .flags = SUPERBLOCK_JOURNALS_MADE,
        .created_ms = clock_real_ms(r->o->clock),
    };
    snprintf(sb->node_id, sizeof(sb->node_id), "%s", r->o->config->node_id);
    for (unsigned i = 0; i < n; i++) {
        struct journal_salvage *s;
        char dir[32];
        bool fits;

        snprintf(dir, sizeof(dir), "journal/%u", i);
        rc = journal_salvage(r->o->disk, dir, NULL, &s, r->err);
        if (rc < 0)
            return rc;
        fits = s->has_header && s->shard == i && (i == 0 || uuid_eq(&sb->incarnation, &s->incarnation));
        sb->incarnation = s->incarnation;
        sb->boot_counter = MAX(sb->boot_counter, s->max_term + REPAIR_TERM_MARGIN);
        journal_salvage_free(s);
        if (!fits)
            n = 0;
    }
    if (n > 0)
        return 0;
    error_setf(r->err, "the superblock can't be made again: that takes an intact header in the journal of every shard");
    return NODE_E_DATA;
}

static int identify(struct repair *r)
{
    int rc = superblock_read(r->o->disk, r->o->config->node_id, &r->superblock, r->err);

    if (rc == SUPERBLOCK_E_DAMAGED || rc == SUPERBLOCK_E_MISSING) {
        repair_say(r, "superblock: %s", rc == SUPERBLOCK_E_MISSING ? "missing" : "both copies are damaged");
        repair_say(r, "  nothing is lost: it is made again from the journals and the metadata");
        r->superblock_rebuilt = r->is_wrong = true;
        return identity_from_journals(r);
    }
    if (rc == 0 && superblock_is_worn(r->o->disk)) {
        repair_say(r, "superblock: one of its two copies is damaged");
        repair_say(r, "  nothing is lost: the other one is intact");
        r->superblock_rebuilt = r->is_wrong = true;
    }
    return rc > 0 ? NODE_E_DATA : rc;
}

/* The rest of a new superblock is in the metadata, which also tells whether the node is the right one. */
static int complete_identity(struct repair *r)
{
    struct superblock *sb = &r->superblock;
    const struct meta_broker *b;

    if (sb->broker_id != 0)
        return 0; /* it was read */
    sb->cluster_id = r->meta.cluster_id;
    list_foreach (&r->meta.brokers, b, link) {
        if (strcmp(b->node_id, sb->node_id) == 0)
            sb->broker_id = b->id;
    }
    if (sb->broker_id != 0 && !uuid_is_zero(&sb->cluster_id))
        return 0;
    error_setf(r->err,
               "the superblock can't be made again: the metadata doesn't know node '%s': give the right node-id",
               sb->node_id);
    return NODE_E_DATA;
}

/* ---- Journals ---- */

static int examine_journal(struct repair *r, struct repair_shard *s)
{
    struct journal_config config = {
        .disk = r->o->disk,
        .prng = r->o->prng,
        .dir = s->dir,
        .shard = s->index,
        .incarnation = r->superblock.incarnation,
        .must_exist = (r->superblock.flags & SUPERBLOCK_JOURNALS_MADE) != 0,
    };
    struct error_text err = { "" };
    struct journal *j = NULL;
    int rc;

    node_journal_sizes(r->o->config, 0, &config);
    rc = journal_salvage(r->o->disk, s->dir, &r->superblock.incarnation, &s->salvage, r->err);
    if (rc < 0)
        return rc;
    rc = journal_open(&config, &j, &err);
    journal_free(j);
    if (rc == 0)
        return 0;
    if (rc != JOURNAL_E_CORRUPT && rc != -EIO) {
        error_setf(r->err, "%s", err.text);
        return rc > 0 ? NODE_E_DATA : rc;
    }
    s->is_damaged = s->rewrite = r->is_wrong = true;
    snprintf(s->refusal, sizeof(s->refusal), "%s", err.text);
    return 0;
}

static void say_journal(struct repair *r, const struct repair_shard *s)
{
    for (size_t i = 0; i < s->salvage->n_damages; i++) {
        const struct journal_salvage_damage *d = &s->salvage->damages[i];

        repair_say(r, "%s: byte %" PRIu64 ", %" PRIu64 " bytes: %s", d->path, d->position, d->size, d->what);
    }
    if (s->salvage->n_damages == 0)
        repair_say(r, "%s", s->refusal);
}

static int examine_journals(struct repair *r)
{
    int rc = 0;

    r->n_shards = r->superblock.n_shards;
    r->shards = xcalloc(r->n_shards, sizeof(*r->shards));
    for (unsigned i = 0; rc == 0 && i < r->n_shards; i++) {
        struct repair_shard *s = &r->shards[i];

        s->index = i;
        snprintf(s->dir, sizeof(s->dir), "journal/%u", i);
        rc = examine_journal(r, s);
        if (rc == 0 && s->is_damaged)
            say_journal(r, s);
    }
    return rc;
}

/* ---- Partitions ---- */

/* Whether a journal lacks its end shows when its groups are looked at: then they are judged once more. */
static int examine_again(struct repair *r)
{
    struct repair_group *g;
    int rc = 0;

    for (unsigned i = 0; i < r->n_shards; i++) {
        struct repair_shard *s = &r->shards[i];

        if (!s->lacks_end || s->is_damaged)
            continue;
        s->is_damaged = s->rewrite = r->is_wrong = true;
        repair_say(r, "%s: its newest records are gone: segments and snapshots have what it doesn't know of", s->dir);
        list_foreach (&r->groups, g, link) {
            if (g->shard == s && g != r->metadata && rc == 0)
                rc = repair_group_examine(r, g);
        }
    }
    return rc;
}

static int examine_partitions(struct repair *r)
{
    const struct meta_topic *t;
    int rc = 0;

    list_foreach (&r->meta.topics, t, link) {
        for (int32_t p = 0; rc == 0 && p < t->n_partitions; p++) {
            _cleanup_(freep) char *dir = node_partition_dir(t, p);

            rc = repair_group_examine(r, repair_group_new(r, t->partitions[p].group, t->name, p, dir));
        }
    }
    return rc;
}

static void say_files(struct repair *r, const struct repair_group *g)
{
    const struct log_survey *s = g->survey;

    for (size_t i = 0; i < s->n_segments; i++) {
        const struct log_survey_segment *seg = &s->segments[i];

        if (!repair_segment_is_bad(g, i) && !(g->is_lossy && i >= g->first_segment))
            continue;
        if (!seg->header_good && seg->base_index <= g->checkpoint.index)
            repair_say(r, "%s/%020" PRIu64 ".entries: byte 0: the table's header isn't what was written", g->dir,
                       seg->base_index);
        for (size_t k = 0; k < s->n_bads; k++) {
            const struct log_survey_bad *b = &s->bads[k];

            if (b->first >= seg->base_index && b->first < seg->base_index + seg->n && b->first <= g->checkpoint.index)
                repair_say(r, "%s/%s: byte %" PRIu64 ": %s (entries %" PRIu64 " to %" PRIu64 ")", g->dir, b->file,
                           b->position, b->what, b->first, b->last);
        }
    }
    for (size_t i = 0; i < s->n_snapshots; i++) {
        if (!s->snapshots[i].good)
            repair_say(r, "%s/%020" PRIu64 ".snapshot: byte 0: a snapshot that isn't what was written", g->dir,
                       s->snapshots[i].index + 1);
    }
}

static void say_loss(struct repair *r, const struct repair_group *g)
{
    int64_t kept_end = g->keep.end.next_offset, start = MIN(g->new_start, g->claim_offset);

    if (g->id == META_GROUP_ID_DEFAULT) {
        repair_say(r, "  lost: changes behind number %" PRIu64 " of %" PRIu64 "%s", g->keep.last, g->claim,
                   g->end_unknown ? ", and maybe later ones" : "");
        return;
    }
    if (start > g->log_start)
        repair_say(r, "  lost: offsets %" PRId64 " to %" PRId64 " (%" PRId64 " records)", g->log_start, start - 1,
                   start - g->log_start);
    if (kept_end < g->claim_offset)
        repair_say(r, "  lost: offsets %" PRId64 " to %" PRId64 " (%" PRId64 " records)", MAX(kept_end, g->new_start),
                   g->claim_offset - 1, g->claim_offset - MAX(kept_end, g->new_start));
    if (g->end_unknown)
        repair_say(r, "  lost: whatever was written behind offset %" PRId64 "; nothing tells how much that was",
                   g->claim_offset - 1);
    if (kept_end > g->new_start)
        repair_say(r, "  kept: offsets %" PRId64 " to %" PRId64, g->new_start, kept_end - 1);
    else
        repair_say(r, "  kept: no records; the next one gets offset %" PRId64, MAX(kept_end, g->new_start));
}

static void say_group(struct repair *r, const struct repair_group *g)
{
    if (!g->is_damaged)
        return;
    if (!g->is_lossy && !g->blank_snapshot && g->shard->is_damaged && g->n_patched == 0 && !g->state_changed)
        return;
    say_files(r, g);
    if (g->id == META_GROUP_ID_DEFAULT)
        repair_say(r, "%s (%s):", g->name, g->dir);
    else
        repair_say(r, "%s-%" PRId32 " (group %" PRIu64 ", %s):", g->name, g->partition, g->id, g->dir);
    if (g->is_lossy)
        say_loss(r, g);
    else
        repair_say(r, "  nothing is lost%s",
                   g->fill_last > 0   ? ": the image has what the log lacks"
                   : g->n_patched > 0 ? ": the journal has a second copy"
                   : g->n_rebuilt > 0 ? ": the batches tell what the table said"
                                      : "");
    if (g->blank_snapshot)
        repair_say(r, "  lost: which batches its idempotent producers wrote last: a retry may be stored twice");
}

static void tell_partition(struct repair *r, const struct repair_group *g)
{
    struct node_repair_partition p = {
        .topic = g->name,
        .partition = g->partition,
        .log_start = g->log_start,
        .end = g->claim_offset,
        .kept_start = g->new_start,
        .kept_end = MAX(g->keep.end.next_offset, g->new_start),
        .is_lossy = g->is_lossy,
        .end_unknown = g->end_unknown,
    };

    if (r->o->partition != NULL && g->is_damaged && g->id != META_GROUP_ID_DEFAULT)
        r->o->partition(r->o->ctx, &p);
}

static void conclude(struct repair *r)
{
    struct repair_group *g;

    list_foreach (&r->groups, g, link) {
        r->is_wrong |= g->is_damaged;
        r->is_lossy |= g->is_lossy || g->blank_snapshot;
        g->shard->rewrite |= g->state_changed;
        say_group(r, g);
        tell_partition(r, g);
    }
    if (r->remake_image && !r->adjusted_image) {
        repair_say(r, "%s: damaged, or of another log", NODE_STATE_PATH);
        repair_say(r, "  nothing is lost: it is made again from the log");
        r->is_wrong = true;
    }
    for (size_t i = 0; i < r->n_strays; i++)
        repair_say(r, "%s: no topic that is still known; it is kept among the damaged files", r->strays[i]);
}

static int examine(struct repair *r)
{
    int rc = examine_journals(r);

    if (rc == 0)
        rc = repair_examine_metadata(r);
    if (rc == 0)
        rc = complete_identity(r);
    if (rc == 0)
        rc = examine_partitions(r);
    if (rc == 0)
        rc = examine_again(r);
    if (rc == 0)
        rc = repair_find_strays(r);
    if (rc == 0)
        conclude(r);
    return rc;
}

/* ---- All of it ---- */

static int lock(const struct node_repair_options *o, struct error_text *err)
{
    int rc = disk_lock(o->disk, "lock");

    if (rc == -EBUSY) {
        error_setf(err, "the data directory is in use by another process: stop it first");
        return NODE_E_BUSY;
    }
    if (rc < 0)
        error_setf(err, "locking the data directory: %s", error_text(rc));
    return rc;
}

/* What isn't committed, and who else has what, a directory alone doesn't tell; the others do. */
static int refuse_of_cluster(const struct repair *r)
{
    if (!repair_exists(r->o->disk, NODE_FORMATION_PATH))
        return 0;
    error_setf(r->err,
               "the data directory belongs to a cluster of several nodes, which have copies of what is in it: put "
               "it aside and start the node with a blank one, and it is readmitted and gets its part again");
    return NODE_E_DATA;
}

static int finish_earlier(struct repair *r)
{
    if (r->o->mode == NODE_REPAIR_LOOK && repair_exists(r->o->disk, "repair.commit")) {
        repair_say(r, "a repair was cut short; it goes on where it stopped");
        return 1;
    }
    if (r->o->mode != NODE_REPAIR_LOOK) {
        int rc = repair_finish(r->o->disk, r->err);

        if (rc != -ENOENT)
            return rc;
    }
    return 0;
}

static int carry_out(struct repair *r)
{
    int rc = repair_stage(r);

    if (rc == 0)
        rc = repair_finish(r->o->disk, r->err);
    if (rc == 0)
        repair_say(r, "Done. What was damaged is in damaged-%u.", r->list.number);
    else if (r->err->text[0] == '\0')
        error_setf(r->err, "writing what takes the place of damaged files: %s (nothing was changed)", error_text(rc));
    return rc;
}

static int run(struct repair *r, enum node_repair_verdict *ret)
{
    int rc = finish_earlier(r);

    if (rc == 1) {
        *ret = NODE_REPAIR_NEEDED;
        repair_say(r, "To finish it: %s", r->o->command);
        return 0;
    }
    if (rc == 0)
        rc = refuse_of_cluster(r);
    if (rc == 0)
        rc = identify(r);
    if (rc == -ENOENT) {
        repair_say(r, "The data directory is empty.");
        return 0;
    }
    if (rc == 0)
        rc = examine(r);
    if (rc != 0)
        return rc;
    if (!r->is_wrong) {
        repair_say(r, "Nothing is wrong.");
        return 0;
    }
    if (r->o->mode != NODE_REPAIR_LOOK) {
        *ret = NODE_REPAIR_DONE;
        return carry_out(r);
    }
    *ret = NODE_REPAIR_NEEDED;
    repair_say(r, "%s Nothing was changed.", r->is_lossy ? "This loses data." : "This loses nothing.");
    repair_say(r, "To do it: %s", r->o->command);
    return 0;
}

static void fini(struct repair *r)
{
    struct list *link;

    while ((link = list_pop(&r->groups)) != NULL)
        repair_group_free(list_entry(link, struct repair_group, link));
    for (unsigned i = 0; i < r->n_shards; i++)
        journal_salvage_free(r->shards[i].salvage);
    free(r->shards);
    meta_fini(&r->meta);
    repair_list_fini(&r->list);
    for (size_t i = 0; i < r->n_strays; i++)
        free(r->strays[i]);
    free(r->strays);
}

int node_repair(const struct node_repair_options *options, enum node_repair_verdict *ret, struct error_text *err)
{
    struct repair r = { .o = options, .err = err };
    int rc = lock(options, err);

    if (rc != 0)
        return rc;
    list_init(&r.groups);
    meta_init(&r.meta, 0);
    *ret = NODE_REPAIR_SOUND;
    rc = run(&r, ret);
    /* What was staged and not committed means nothing. */
    if (!repair_exists(options->disk, "repair.commit"))
        (void)repair_remove_tree(options->disk, "repair");
    fini(&r);
    return rc > 0 && rc != NODE_E_BUSY ? NODE_E_DATA : rc;
}
