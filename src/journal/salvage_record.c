/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the salvage makes of each record. Records come in order, so a later ENTRY voids those of its group from its
 * index on. Of a damaged block only entries count, and only those whose own checksum is right: nothing else in it has
 * one. */

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "journal/salvage_internal.h"

#define HASH_SEED 0

struct journal_salvage_group *journal_salvage_find(const struct journal_salvage *s, uint64_t group)
{
    for (struct hash_node *n = hash_first(&s->by_id, hash_u64(group, HASH_SEED)); n != NULL; n = hash_next(n)) {
        struct journal_salvage_group *g = container_of(n, struct journal_salvage_group, node);

        if (g->state.group == group)
            return g;
    }
    return NULL;
}

static struct journal_salvage_group *group_get(struct salvage *sv, uint64_t id)
{
    struct journal_salvage_group *g = journal_salvage_find(sv->s, id);

    if (g != NULL)
        return g;
    g = xcalloc(1, sizeof(*g));
    g->state.group = id;
    g->state.vote = -1;
    list_append(&sv->s->groups, &g->link);
    hash_insert(&sv->s->by_id, &g->node, hash_u64(id, HASH_SEED));
    return g;
}

static void group_drop(struct salvage *sv, struct journal_salvage_group *g)
{
    hash_remove(&sv->s->by_id, &g->node);
    list_remove(&g->link);
    free(g->entries);
    free(g);
}

static void note_term(struct salvage *sv, struct journal_salvage_group *g, uint64_t term)
{
    g->state.term = MAX(g->state.term, term);
    sv->s->max_term = MAX(sv->s->max_term, term);
}

/* The number of entries below index. */
static size_t entries_below(const struct journal_salvage_group *g, uint64_t index)
{
    size_t low = 0, high = g->n_entries;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (g->entries[mid].index < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct journal_salvage_entry *journal_salvage_entry(const struct journal_salvage_group *g, uint64_t index)
{
    size_t n = entries_below(g, index);

    return n < g->n_entries && g->entries[n].index == index ? &g->entries[n] : NULL;
}

static void group_void(struct journal_salvage_group *g, uint64_t index)
{
    g->n_entries = entries_below(g, index);
    g->last_index = MIN(g->last_index, index - 1);
}

static void insert(struct journal_salvage_group *g, size_t at, const struct journal_salvage_entry *e)
{
    if (g->n_entries == g->capacity) {
        g->capacity = MAX(g->capacity * 2, (size_t)16);
        g->entries = xrealloc(g->entries, g->capacity * sizeof(*g->entries));
    }
    memmove(g->entries + at + 1, g->entries + at, (g->n_entries - at) * sizeof(*g->entries));
    g->entries[at] = *e;
    g->n_entries++;
}

/* A relocated one only fills a gap, or takes the place of one that is damaged. */
static void add_relocated(struct journal_salvage_group *g, const struct journal_salvage_entry *e)
{
    size_t n = entries_below(g, e->index);

    if (n == g->n_entries || g->entries[n].index != e->index)
        insert(g, n, e);
    else if (g->entries[n].kind > e->kind)
        g->entries[n] = *e;
    g->last_index = MAX(g->last_index, e->index);
}

static bool is_trusted(const struct journal_salvage_entry *e)
{
    return e->kind == JOURNAL_SALVAGE_WHOLE;
}

static void take_entry(struct salvage *sv, const struct journal_record *record, bool suspect, bool spans)
{
    struct journal_disk_entry e;
    struct slice data;
    struct journal_salvage_group *g;
    struct journal_salvage_entry found;
    bool is_first;

    if (!journal_record_entry(record, &e, &data) || e.index == 0) {
        sv->n_strange++;
        return;
    }
    found = (struct journal_salvage_entry){
        .index = e.index,
        .term = e.term,
        .checksum = e.checksum,
        .prev_checksum = e.prev_checksum,
        .generation = sv->file->header.generation,
        .position = spans ? sv->span_position
                          : sv->position + (uint64_t)(record->body - sizeof(struct journal_disk_record) -
                                                      (sv->payload - sv->block.payload_offset)),
        .size = (uint32_t)data.size,
        .spans = spans,
        .kind = suspect ? JOURNAL_SALVAGE_SUSPECT : JOURNAL_SALVAGE_WHOLE,
    };
    if (crc32c(0, data.data, data.size) != e.checksum)
        found.kind = JOURNAL_SALVAGE_DAMAGED;
    is_first = e.index == 1 && e.prev_checksum == 0 && found.kind == JOURNAL_SALVAGE_SUSPECT;
    g = is_trusted(&found) || is_first ? group_get(sv, e.group) : journal_salvage_find(sv->s, e.group);
    /* Of a damaged record also the header may be wrong: it counts where it is the very next one. */
    if (g == NULL || (!is_trusted(&found) && (record->kind != JOURNAL_RECORD_ENTRY || e.index != g->last_index + 1))) {
        sv->n_strange++;
        return;
    }
    if (is_trusted(&found))
        note_term(sv, g, e.term);
    if (record->kind == JOURNAL_RECORD_RELOCATED) {
        add_relocated(g, &found);
        return;
    }
    group_void(g, e.index);
    insert(g, g->n_entries, &found);
    g->last_index = e.index;
    g->entry_ordinal = sv->ordinal;
}

static void take_checkpoint(struct journal_salvage_group *g, uint64_t index, uint64_t term, int64_t offset,
                            uint32_t checksum)
{
    if (index < g->state.checkpoint_index)
        return;
    g->state.checkpoint_index = index;
    g->state.checkpoint_term = term;
    g->state.checkpoint_offset = offset;
    g->state.checkpoint_checksum = checksum;
    g->last_index = MAX(g->last_index, index);
}

static void take_state_row(struct salvage *sv, const struct journal_disk_state *row)
{
    struct journal_salvage_group *g = group_get(sv, row->group);

    note_term(sv, g, row->term);
    g->state.vote = row->vote;
    g->state.log_start = MAX(g->state.log_start, row->log_start);
    group_void(g, row->last_index + 1);
    take_checkpoint(g, row->checkpoint_index, row->checkpoint_term, row->checkpoint_offset, row->checkpoint_checksum);
    g->last_index = row->last_index;
    g->entry_ordinal = sv->ordinal;
}

/* A whole table names all groups that there were. */
static void drop_unnamed(struct salvage *sv)
{
    struct journal_salvage_group *g, *tmp;

    list_foreach_safe (&sv->s->groups, g, tmp, link) {
        if (g->entry_ordinal < sv->table_ordinal)
            group_drop(sv, g);
    }
}

static void take_table(struct salvage *sv, const struct journal_record *record)
{
    struct journal_disk_table t;

    if (!journal_record_table(record, &t))
        return;
    if (t.part == 0) {
        sv->table_part = 0;
        sv->table_ordinal = sv->ordinal;
    }
    for (uint32_t i = 0; i < t.n_rows; i++) {
        struct journal_disk_state row = journal_record_state_row(record, i);

        take_state_row(sv, &row);
    }
    if (t.part != sv->table_part++ || (record->flags & JOURNAL_RECORD_MORE) != 0)
        return;
    drop_unnamed(sv);
    sv->clear_ordinal = sv->ordinal;
}

/* Tells of entries that can't be read. Its groups are those of a file, not all. */
static void take_list(struct salvage *sv, const struct journal_record *record)
{
    struct journal_disk_list list;

    if (!journal_record_list(record, &list))
        return;
    for (uint32_t i = 0; i < list.n_rows; i++) {
        struct journal_disk_usage row = journal_record_usage_row(record, i);
        struct journal_salvage_group *g;

        if ((row.flags & JOURNAL_HAS_FORGET) != 0 || list.generation != sv->file->header.generation)
            continue; /* the repeated one comes behind a table, which tells more */
        g = group_get(sv, row.group);
        note_term(sv, g, row.last_term);
        g->last_index = MAX(g->last_index, row.last_index);
    }
    if (list.generation == sv->file->header.generation && (record->flags & JOURNAL_RECORD_MORE) == 0)
        sv->clear_ordinal = sv->ordinal;
}

static void take_checkpoints(struct salvage *sv, const struct journal_record *record)
{
    struct journal_disk_checkpoints head;

    if (!journal_record_checkpoints(record, &head))
        return;
    for (uint32_t i = 0; i < head.n_rows; i++) {
        struct journal_disk_checkpoint c = journal_record_checkpoint_row(record, i);

        take_checkpoint(group_get(sv, c.group), c.index, c.term, c.offset, c.checksum);
    }
}

static void take_image(struct salvage *sv, const struct journal_record *record)
{
    struct journal_disk_image i;
    struct journal_salvage_group *g;

    if (!journal_record_image(record, &i))
        return;
    g = group_get(sv, i.group);
    group_void(g, 1);
    g->last_index = i.index;
    take_checkpoint(g, i.index, i.term, i.offset, i.checksum);
    g->state.log_start = MAX(g->state.log_start, i.log_start);
    g->entry_ordinal = sv->ordinal;
}

static void take_hard_state(struct salvage *sv, const struct journal_record *record)
{
    struct journal_disk_hard_state h;
    struct journal_salvage_group *g;

    if (!journal_record_hard_state(record, &h))
        return;
    g = group_get(sv, h.group);
    note_term(sv, g, h.term);
    g->state.vote = h.vote;
}

static void take_other(struct salvage *sv, const struct journal_record *record)
{
    struct journal_disk_truncate t;
    struct journal_disk_log_start l;
    struct journal_disk_forget f;
    struct journal_salvage_group *g;

    if (record->kind == JOURNAL_RECORD_TRUNCATE && journal_record_truncate(record, &t) && t.index > 0) {
        group_void(group_get(sv, t.group), t.index);
    } else if (record->kind == JOURNAL_RECORD_LOG_START && journal_record_log_start(record, &l)) {
        g = group_get(sv, l.group);
        g->state.log_start = MAX(g->state.log_start, l.log_start);
    } else if (record->kind == JOURNAL_RECORD_FORGET && journal_record_forget(record, &f)) {
        g = journal_salvage_find(sv->s, f.group);
        if (g != NULL)
            group_drop(sv, g);
    }
}

static int take_record(void *ctx, uint64_t lsn, const struct journal_record *record)
{
    struct salvage *sv = ctx;
    bool spans = lsn != sv->block.lsn, suspect = sv->suspect || (spans && sv->span_suspect);

    sv->ordinal++;
    if (record->kind == JOURNAL_RECORD_ENTRY || record->kind == JOURNAL_RECORD_RELOCATED) {
        take_entry(sv, record, suspect, spans);
        return 0;
    }
    if (suspect) {
        if (journal_record_name(record->kind) == NULL)
            sv->n_strange++;
        return 0;
    }
    switch (record->kind) {
    case JOURNAL_RECORD_STATE_TABLE:
        take_table(sv, record);
        break;
    case JOURNAL_RECORD_GROUP_LIST:
        take_list(sv, record);
        break;
    case JOURNAL_RECORD_CHECKPOINT:
        take_checkpoints(sv, record);
        break;
    case JOURNAL_RECORD_IMAGE_INSTALLED:
        take_image(sv, record);
        break;
    case JOURNAL_RECORD_HARD_STATE:
        take_hard_state(sv, record);
        break;
    default:
        take_other(sv, record);
    }
    return 0;
}

void salvage_block(struct salvage *sv)
{
    bool was_open = sv->records.span_total > 0;
    int r;

    sv->n_strange = 0;
    r = journal_record_reader_block(&sv->records, &sv->block, sv->payload, take_record, sv);
    if (r != 0) {
        journal_record_reader_reset(&sv->records);
        sv->n_strange++;
    }
    if (sv->n_strange > 0)
        sv->damage_ordinal = ++sv->ordinal;
    if (sv->records.span_total == 0)
        return;
    if (was_open && sv->records.span_lsn != sv->block.lsn) {
        sv->span_suspect |= sv->suspect;
    } else {
        sv->span_suspect = sv->suspect;
        sv->span_position = sv->position;
    }
}

void salvage_gap(struct salvage *sv)
{
    journal_record_reader_reset(&sv->records);
    sv->damage_ordinal = ++sv->ordinal;
}

void salvage_finish(struct salvage *sv)
{
    struct journal_salvage_group *g;

    list_foreach (&sv->s->groups, g, link)
        g->uncertain = sv->damage_ordinal > MAX(g->entry_ordinal, sv->clear_ordinal);
}
