/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What journal_open() makes of each record: the state of the groups, and the proof that their chains are whole. */

#include <inttypes.h>

#include "base/bug.h"
#include "base/crc32c.h"
#include "base/util.h"
#include "journal/chain.h"
#include "journal/recovery.h"

static int malformed(struct journal_recovery *rc, const struct journal_record *record)
{
    return journal_corrupt_here(rc, "a malformed record of kind %u (%s)", record->kind,
                                journal_record_name(record->kind) != NULL ? journal_record_name(record->kind)
                                                                          : "unknown");
}

static struct journal_forgotten *find_forgotten(const struct journal_recovery *rc, uint64_t group)
{
    struct hash_node *h = hash_first(&rc->forgets, hash_u64(group, 0));

    for (; h != NULL; h = hash_next(h)) {
        struct journal_forgotten *f = container_of(h, struct journal_forgotten, node);

        if (f->group == group)
            return f;
    }
    return NULL;
}

static void note_forgotten(struct journal_recovery *rc, uint64_t group)
{
    struct journal_forgotten *f = find_forgotten(rc, group);

    if (f == NULL) {
        f = xcalloc(1, sizeof(*f));
        f->group = group;
        hash_insert(&rc->forgets, &f->node, hash_u64(group, 0));
    }
    f->ordinal = rc->ordinal;
}

void journal_forgets_fini(struct journal_recovery *rc)
{
    struct hash_node *h = hash_walk(&rc->forgets, NULL);

    while (h != NULL) {
        struct journal_forgotten *f = container_of(h, struct journal_forgotten, node);

        h = hash_walk(&rc->forgets, h);
        free(f);
    }
    hash_table_fini(&rc->forgets);
}

/* Of one that is there again nothing counts that was before. */
static struct journal_chain *chain_new(const struct journal_recovery *rc, uint64_t group)
{
    struct journal_chain *c = xcalloc(1, sizeof(*c));
    const struct journal_forgotten *f = find_forgotten(rc, group);

    if (f != NULL)
        journal_chain_cut(c, f->ordinal, 1, 0);
    return c;
}

static struct journal_group *group_get(struct journal_recovery *rc, uint64_t id)
{
    struct journal_group *g = journal_group_get(&rc->j->groups, id);

    journal_group_list(&rc->j->groups, g);
    if (g->chain == NULL)
        g->chain = chain_new(rc, id);
    return g;
}

/* The oldest file's table is where the groups come from; a later one must say what the records before it said. */
static int scan_state_row(struct journal_recovery *rc, const struct journal_disk_state *row)
{
    struct journal_group *g = journal_group_find(&rc->j->groups, row->group);
    struct journal_disk_state now;

    if (rc->prev == NULL) {
        if (g != NULL || row->checkpoint_index > row->last_index)
            return journal_corrupt_here(rc, "an impossible row of group %" PRIu64 " in the state table", row->group);
        journal_group_set(group_get(rc, row->group), row);
        return 0;
    }
    if (g != NULL) {
        now = journal_group_row(g);
        now.reserved = row->reserved;
    }
    if (g == NULL || memcmp(&now, row, sizeof(now)) != 0)
        return journal_corrupt_here(rc, "a state table that contradicts the records before it on group %" PRIu64,
                                    row->group);
    return 0;
}

static int scan_table(struct journal_recovery *rc, const struct journal_record *record)
{
    struct journal_disk_table t;

    if (!journal_record_table(record, &t) || rc->has_table || t.part != rc->table_part)
        return malformed(rc, record);
    for (uint32_t i = 0; i < t.n_rows; i++) {
        struct journal_disk_state row = journal_record_state_row(record, i);
        int r = scan_state_row(rc, &row);

        if (r != 0)
            return r;
    }
    rc->table_part++;
    rc->table_rows += t.n_rows;
    if ((record->flags & JOURNAL_RECORD_MORE) != 0)
        return 0;
    rc->has_table = true;
    if (rc->table_rows != rc->j->groups.count)
        return journal_corrupt_here(rc, "a state table of %zu groups where there are %zu", rc->table_rows,
                                    rc->j->groups.count);
    return 0;
}

static int scan_list(struct journal_recovery *rc, const struct journal_record *record)
{
    struct journal_disk_list list;

    if (!journal_record_list(record, &list))
        return malformed(rc, record);
    if (list.generation != rc->file->header.generation)
        return 0; /* the repeated one of the file before */
    if (list.part != rc->list_part)
        return malformed(rc, record);
    rc->list_part++;
    rc->ended = (record->flags & JOURNAL_RECORD_MORE) == 0;
    return 0;
}

/* Voids the entries from t->index on. */
static void truncate_group(struct journal_recovery *rc, struct journal_group *g, const struct journal_disk_truncate *t)
{
    journal_chain_cut(g->chain, rc->ordinal, t->index, t->prev_checksum);
    journal_effect_truncate(rc->file, g, t);
    journal_group_void(g, t->index - 1, rc->file);
}

static int scan_entry(struct journal_recovery *rc, const struct journal_record *record)
{
    bool relocated = record->kind == JOURNAL_RECORD_RELOCATED;
    struct journal_disk_entry e;
    struct journal_group *g;
    struct slice data;

    if (!journal_record_entry(record, &e, &data) || e.index == 0)
        return malformed(rc, record);
    if (crc32c(0, data.data, data.size) != e.checksum)
        return journal_corrupt_here(rc, "entry %" PRIu64 " of group %" PRIu64 " without its checksum", e.index,
                                    e.group);
    if (relocated && journal_group_find(&rc->j->groups, e.group) == NULL)
        return 0; /* of a group that was destroyed */
    g = group_get(rc, e.group);
    if (relocated && GQ_BUG(RELOCATED_TRUNCATES)) {
        truncate_group(rc, g, &(struct journal_disk_truncate){ .index = e.index, .prev_checksum = e.prev_checksum });
        relocated = false;
    }
    if (!relocated && (e.index != g->last_index + 1 || e.prev_checksum != g->last_checksum))
        return journal_corrupt_here(rc, "entry %" PRIu64 " of group %" PRIu64 ", which doesn't follow entry %" PRIu64,
                                    e.index, e.group, g->last_index);
    if (relocated && e.index > g->last_index)
        return journal_corrupt_here(rc, "a relocated entry %" PRIu64 " of group %" PRIu64 " behind its end", e.index,
                                    e.group);
    if (journal_chain_add(g->chain, e.index, e.prev_checksum, e.checksum) == JOURNAL_CHAIN_BROKEN)
        return journal_corrupt_here(rc, "entry %" PRIu64 " of group %" PRIu64 ", which breaks the chain", e.index,
                                    e.group);
    if (!relocated) {
        journal_effect_entry(rc->file, g, &e);
        return 0;
    }
    journal_effect_relocated(rc->file, g, &e, journal_record_size(record->size));
    journal_group_move(g);
    return 0;
}

static int scan_hard_state(struct journal_recovery *rc, const struct journal_record *record)
{
    struct journal_disk_hard_state h;

    if (!journal_record_hard_state(record, &h))
        return malformed(rc, record);
    journal_effect_hard_state(rc->file, group_get(rc, h.group), h.term, h.vote);
    return 0;
}

static int scan_truncate(struct journal_recovery *rc, const struct journal_record *record)
{
    struct journal_disk_truncate t;
    struct journal_group *g;

    if (!journal_record_truncate(record, &t) || t.index == 0)
        return malformed(rc, record);
    g = group_get(rc, t.group);
    if (t.index > g->last_index + 1 || t.index <= g->state.checkpoint_index)
        return journal_corrupt_here(
            rc, "a truncation of group %" PRIu64 " from entry %" PRIu64 ", outside %" PRIu64 "..%" PRIu64, t.group,
            t.index, g->state.checkpoint_index + 1, g->last_index + 1);
    truncate_group(rc, g, &t);
    return 0;
}

static int scan_checkpoint(struct journal_recovery *rc, const struct journal_disk_checkpoint *c)
{
    struct journal_group *g = group_get(rc, c->group);

    if (c->index < g->state.checkpoint_index || c->index > g->last_index)
        return journal_corrupt_here(
            rc, "a checkpoint of group %" PRIu64 " at entry %" PRIu64 ", outside %" PRIu64 "..%" PRIu64, c->group,
            c->index, g->state.checkpoint_index, g->last_index);
    if (c->index == g->last_index && c->checksum != g->last_checksum)
        return journal_corrupt_here(rc, "a checkpoint of group %" PRIu64 " with another checksum than entry %" PRIu64,
                                    c->group, c->index);
    journal_effect_checkpoint(rc->file, g, c);
    journal_group_release(g, c->index);
    return 0;
}

static int scan_checkpoints(struct journal_recovery *rc, const struct journal_record *record)
{
    struct journal_disk_checkpoints head;
    int r = 0;

    if (!journal_record_checkpoints(record, &head))
        return malformed(rc, record);
    for (uint32_t i = 0; i < head.n_rows && r == 0; i++) {
        struct journal_disk_checkpoint row = journal_record_checkpoint_row(record, i);

        r = scan_checkpoint(rc, &row);
    }
    return r;
}

static int scan_log_start(struct journal_recovery *rc, const struct journal_record *record)
{
    struct journal_disk_log_start l;

    if (!journal_record_log_start(record, &l))
        return malformed(rc, record);
    journal_effect_log_start(rc->file, group_get(rc, l.group), l.log_start);
    return 0;
}

static int scan_image(struct journal_recovery *rc, const struct journal_record *record)
{
    struct journal_disk_image i;
    struct journal_group *g;

    if (!journal_record_image(record, &i))
        return malformed(rc, record);
    g = group_get(rc, i.group);
    if (i.index < g->state.checkpoint_index)
        return journal_corrupt_here(rc, "an image of group %" PRIu64 " at entry %" PRIu64 ", below its checkpoint",
                                    i.group, i.index);
    journal_chain_cut(g->chain, rc->ordinal, 1, 0);
    journal_effect_image(rc->file, g, &i);
    journal_group_void(g, i.index, rc->file);
    journal_group_release(g, i.index);
    return 0;
}

static int scan_forget(struct journal_recovery *rc, const struct journal_record *record)
{
    struct journal_disk_forget f;
    struct journal_group *g;

    if (!journal_record_forget(record, &f))
        return malformed(rc, record);
    g = journal_group_find(&rc->j->groups, f.group);
    if (g == NULL)
        return 0;
    journal_effect_forget(rc->file, g);
    journal_group_remove(&rc->j->groups, g);
    journal_group_free(g);
    note_forgotten(rc, f.group);
    return 0;
}

int journal_scan_record(void *ctx, uint64_t lsn, const struct journal_record *record)
{
    struct journal_recovery *rc = ctx;

    if (rc->ended || (!rc->has_table && record->kind != JOURNAL_RECORD_STATE_TABLE) ||
        (rc->list_part > 0 && record->kind != JOURNAL_RECORD_GROUP_LIST))
        return malformed(rc, record);
    rc->ordinal++;
    switch (record->kind) {
    case JOURNAL_RECORD_STATE_TABLE:
        return scan_table(rc, record);
    case JOURNAL_RECORD_GROUP_LIST:
        return scan_list(rc, record);
    case JOURNAL_RECORD_ENTRY:
    case JOURNAL_RECORD_RELOCATED:
        return scan_entry(rc, record);
    case JOURNAL_RECORD_HARD_STATE:
        return scan_hard_state(rc, record);
    case JOURNAL_RECORD_TRUNCATE:
        return scan_truncate(rc, record);
    case JOURNAL_RECORD_CHECKPOINT:
        return scan_checkpoints(rc, record);
    case JOURNAL_RECORD_LOG_START:
        return scan_log_start(rc, record);
    case JOURNAL_RECORD_IMAGE_INSTALLED:
        return scan_image(rc, record);
    case JOURNAL_RECORD_FORGET:
        return scan_forget(rc, record);
    case JOURNAL_RECORD_SEAL:
    case JOURNAL_RECORD_FILLER:
        return 0;
    default:
        return malformed(rc, record);
    }
}

int journal_scan_check_chains(struct journal_recovery *rc)
{
    struct journal_file *last = list_last(&rc->j->files, struct journal_file, link);
    struct journal_group *g;

    list_foreach (&rc->j->groups.all, g, link) {
        uint64_t first = g->state.checkpoint_index + 1, gap;

        if (g->last_index < first)
            continue;
        gap = journal_chain_gap(g->chain, first, g->last_index);
        if (gap != 0)
            return journal_corrupt(rc, last, last->end,
                                   "no entry %" PRIu64 " of group %" PRIu64 ", which has entries up to %" PRIu64
                                   " and a checkpoint at %" PRIu64,
                                   gap, g->state.group, g->last_index, g->state.checkpoint_index);
    }
    return 0;
}

void journal_chains_forget_runs(struct journal *j)
{
    struct journal_group *g;

    list_foreach (&j->groups.all, g, link)
        journal_chain_forget_runs(g->chain);
}

void journal_chains_drop(struct journal *j)
{
    struct journal_group *g;

    list_foreach (&j->groups.all, g, link)
        journal_chain_free(TAKE_PTR(g->chain));
}
