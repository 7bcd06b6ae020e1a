/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is left of one group's log. Its entries come from the segments, or from the journal where a segment's are
 * damaged and behind the checkpoint. Those that follow from each other make pieces; between two pieces something is
 * lost. One piece is kept: a log has no holes. */

#include <inttypes.h>

#include "base/crc32c.h"
#include "node/repair_internal.h"
#include "replica/replica.h"

struct repair_group *repair_group_new(struct repair *r, uint64_t id, const char *name, int32_t partition,
                                      const char *dir)
{
    struct repair_group *g = xcalloc(1, sizeof(*g));

    g->id = id;
    g->name = xstrdup(name);
    g->partition = partition;
    g->dir = xstrdup(dir);
    g->shard = &r->shards[(id - META_GROUP_ID_DEFAULT) % r->n_shards];
    list_append(&r->groups, &g->link);
    return g;
}

void repair_group_free(struct repair_group *g)
{
    list_remove(&g->link);
    log_survey_free(g->survey);
    free(g->pieces);
    free(g->name);
    free(g->dir);
    free(g);
}

/* ---- Entries ---- */

static int fetch_journal(struct repair_group *g, uint64_t index, struct repair_entry *ret)
{
    const struct journal_salvage_entry *e = g->saved != NULL ? journal_salvage_entry(g->saved, index) : NULL;
    struct entry parsed;
    uint8_t *data;
    size_t size;
    int r;

    /* The term of a suspect entry has no checksum. */
    if (e == NULL || e->kind == JOURNAL_SALVAGE_DAMAGED || e->term > g->shard->salvage->max_term)
        return -EBADMSG;
    r = journal_salvage_read(g->shard->salvage, g->id, e, &data, &size);
    if (r < 0)
        return r;
    if (crc32c(0, data, size) != e->checksum || entry_parse(data, size, &parsed) < 0) {
        free(data);
        return -EBADMSG;
    }
    *ret = (struct repair_entry){
        .index = index,
        .term = e->term,
        .checksum = e->checksum,
        .prev_checksum = e->prev_checksum,
        .first_offset = parsed.header.first_offset,
        .next_offset = parsed.header.first_offset + parsed.header.offset_count,
        .data = data,
        .size = size,
        .to_free = data,
        .from_journal = true,
    };
    return 0;
}

static void fetch_filler(struct repair_group *g, uint64_t index, struct repair_entry *ret)
{
    *ret = (struct repair_entry){
        .index = index,
        .term = g->fill_term,
        .checksum = crc32c(0, g->filler, sizeof(g->filler)),
        .data = g->filler,
        .size = sizeof(g->filler),
    };
}

int repair_fetch(struct repair_group *g, uint64_t index, struct repair_entry *ret)
{
    struct log_survey_entry e;
    int r;

    if (index >= g->fill_first && index <= g->fill_last) {
        fetch_filler(g, index, ret);
        return 0;
    }
    r = log_survey_read(g->survey, index, &e);
    if (r == 0 && e.rebuilt && fetch_journal(g, index, ret) == 0)
        return 0;
    /* The journal's checkpoint names a checksum, which only the entry as it was has. */
    if (r == 0 && e.rebuilt && index == g->checkpoint.index)
        return -EBADMSG;
    if (r == -ENOENT || r == -EBADMSG)
        return fetch_journal(g, index, ret);
    if (r < 0)
        return r;
    *ret = (struct repair_entry){
        .index = index,
        .term = e.term,
        .checksum = e.checksum,
        .first_offset = e.header.first_offset,
        .next_offset = e.header.first_offset + e.header.offset_count,
        .data = e.data,
        .size = e.size,
        .rebuilt = e.rebuilt,
    };
    return 0;
}

/* ---- Pieces ---- */

/* Whether the entry goes on where the piece ends. */
static bool follows(const struct repair_piece *p, const struct repair_entry *e)
{
    return p->end.index + 1 == e->index && e->term >= p->end.term && e->first_offset == p->end.next_offset &&
           (!e->from_journal || p->end_rebuilt || e->prev_checksum == p->end.checksum);
}

static void begin_piece(struct repair_group *g, const struct repair_entry *e)
{
    const struct log_survey_segment *s = e->from_journal ? NULL : log_survey_find(g->survey, e->index);
    struct repair_piece *p;

    g->pieces = xrealloc(g->pieces, (g->n_pieces + 1) * sizeof(*g->pieces));
    p = &g->pieces[g->n_pieces++];
    *p = (struct repair_piece){ .first = e->index };
    p->before = (struct log_position){ e->index - 1, e->index > 1 ? e->term : 0, e->first_offset, e->prev_checksum };
    if (s != NULL && s->base_index == e->index && s->header_good) {
        p->before.term = s->prev_term;
        p->before.checksum = s->prev_checksum;
    } else if (g->checkpoint.index == e->index - 1 && e->index > 1) {
        p->before.term = g->checkpoint.term;
        p->before.checksum = e->from_journal ? e->prev_checksum : g->checkpoint.checksum;
    }
}

static void extend_piece(struct repair_group *g, const struct repair_entry *e)
{
    struct repair_piece *p = g->n_pieces > 0 ? &g->pieces[g->n_pieces - 1] : NULL;

    if (p == NULL || !follows(p, e)) {
        begin_piece(g, e);
        p = &g->pieces[g->n_pieces - 1];
    }
    p->last = e->index;
    p->end_rebuilt = e->rebuilt;
    p->end = (struct log_position){ e->index, e->term, e->next_offset, e->checksum };
}

/* The last of the whole entries of one segment that begin at index: the survey has held them together. */
static uint64_t whole_up_to(const struct repair_group *g, uint64_t index, uint64_t top)
{
    const struct log_survey_segment *s = log_survey_find(g->survey, index);
    uint64_t last;

    if (s == NULL || log_survey_bad(g->survey, index) != NULL)
        return index;
    last = MIN(s->base_index + s->n - 1, top);
    for (size_t i = 0; i < g->survey->n_bads; i++) {
        if (g->survey->bads[i].first > index)
            return MIN(last, g->survey->bads[i].first - 1);
    }
    return last;
}

static int take_entry(struct repair_group *g, uint64_t index)
{
    struct repair_entry e;
    int r = repair_fetch(g, index, &e);

    if (r == -EBADMSG)
        return 0;
    if (r < 0)
        return r;
    if (e.from_journal && log_survey_find(g->survey, index) != NULL && index <= g->checkpoint.index)
        g->n_patched++;
    g->n_rebuilt += e.rebuilt;
    extend_piece(g, &e);
    free(e.to_free);
    return 0;
}

static int find_pieces(struct repair_group *g, uint64_t low, uint64_t top)
{
    int r = 0;

    for (uint64_t i = low; r == 0 && i <= top; i++) {
        uint64_t last = whole_up_to(g, i, top);

        r = take_entry(g, i);
        if (r == 0 && last > i) { /* what is between follows */
            struct repair_piece *p = &g->pieces[g->n_pieces - 1];
            struct repair_entry e;

            r = repair_fetch(g, last, &e);
            if (r != 0)
                break;
            p->last = last;
            p->end_rebuilt = false;
            p->end = (struct log_position){ last, e.term, e.next_offset, e.checksum };
            i = last;
        }
    }
    return r;
}

/* ---- What there was ---- */

/* Segments that lie wholly below the log start count no more. */
static void find_first_segment(struct repair_group *g)
{
    const struct log_survey *s = g->survey;

    while (g->log_start > 0 && g->first_segment + 1 < s->n_segments) {
        int64_t next = s->segments[g->first_segment + 1].base_offset;

        if (next < 0 || next > g->log_start)
            break;
        g->first_segment++;
    }
}

/* Where the log should begin; *ret_low: where it does. */
static uint64_t find_low(struct repair_group *g)
{
    const struct log_survey *s = g->survey;
    uint64_t low = 1;

    if (g->first_segment < s->n_segments) {
        const struct log_survey_segment *first = &s->segments[g->first_segment];

        low = first->base_index;
        if (low == 1 || (g->log_start > 0 && first->base_offset >= 0 && first->base_offset <= g->log_start))
            return low;
    } else if (g->checkpoint.index == 0) {
        return 1;
    } else if (g->log_start > 0 && g->checkpoint.next_offset <= g->log_start) {
        return g->checkpoint.index + 1;
    } else {
        low = g->checkpoint.index + 1;
    }
    if (g->saved != NULL && g->saved->n_entries > 0)
        low = MIN(low, g->saved->entries[0].index);
    g->front_missing = low != 1;
    return low;
}

/* An entry whose bytes are damaged may still tell how many records it held: its sizes add up, and it goes on where the
 * one before ends. */
static void count_damaged(struct repair_group *g)
{
    uint64_t index = g->n_pieces > 0 ? g->pieces[g->n_pieces - 1].last + 1 : g->checkpoint.index + 1;

    for (; g->saved != NULL && index <= g->claim; index++) {
        const struct journal_salvage_entry *e = journal_salvage_entry(g->saved, index);
        struct entry parsed;
        uint8_t *data;
        size_t size;
        bool told;

        if (e == NULL || journal_salvage_read(g->shard->salvage, g->id, e, &data, &size) < 0)
            break;
        told = entry_parse(data, size, &parsed) == 0 && parsed.header.first_offset == g->claim_offset &&
               parsed.header.offset_count <= parsed.header.batches_size;
        if (told)
            g->claim_offset += parsed.header.offset_count;
        free(data);
        if (!told)
            break;
    }
    if (index <= g->claim)
        g->end_unknown = true;
}

/* What reached a segment or a snapshot was flushed in the journal: one that doesn't know it has lost its end. */
static void find_claim(struct repair_group *g)
{
    const struct log_survey *s = g->survey;
    uint64_t known = g->checkpoint.index;

    if (g->saved != NULL)
        known = MAX(known, g->saved->last_index);
    g->claim = known;
    for (size_t i = 0; i < s->n_snapshots; i++) {
        if (s->snapshots[i].good)
            g->claim = MAX(g->claim, s->snapshots[i].index);
    }
    for (uint64_t i = g->claim + 1; log_survey_find(s, i) != NULL && log_survey_bad(s, i) == NULL; i++)
        g->claim = i;
    g->shard->lacks_end |= g->claim > known;
}

static void find_claim_offset(struct repair_group *g)
{
    const struct log_survey *s = g->survey;
    const struct repair_piece *last = g->n_pieces > 0 ? &g->pieces[g->n_pieces - 1] : NULL;

    g->claim_offset = last != NULL ? last->end.next_offset : g->checkpoint.next_offset;
    g->end_unknown = g->saved != NULL ? g->saved->uncertain || g->shard->lacks_end : g->shard->is_damaged;
    if ((last != NULL ? last->last : g->checkpoint.index) < g->claim)
        count_damaged(g);
    for (size_t i = 0; i < s->n_snapshots; i++) {
        if (s->snapshots[i].good && s->snapshots[i].index <= g->claim)
            g->claim_offset = MAX(g->claim_offset, s->snapshots[i].next_offset);
    }
    if (g->checkpoint.index > 0)
        g->claim_offset = MAX(g->claim_offset, g->checkpoint.next_offset);
}

/* ---- The choice ---- */

static int64_t visible(const struct repair_group *g, const struct repair_piece *p)
{
    int64_t start = MAX(p->before.next_offset, g->log_start);

    return p->end.next_offset > start ? p->end.next_offset - start : 0;
}

static void choose(struct repair *r, struct repair_group *g, uint64_t low)
{
    const struct repair_piece *oldest, *newest;
    enum node_repair_mode mode = r->o->mode;
    bool at_low;

    if (g->n_pieces == 0) {
        g->keep = (struct repair_piece){ .first = 1 };
        if (low == g->checkpoint.index + 1 && g->checkpoint.next_offset > 0) {
            g->keep = (struct repair_piece){ .first = low, .last = low - 1 };
            g->keep.before = g->keep.end = g->checkpoint;
        }
        return;
    }
    oldest = &g->pieces[0];
    newest = &g->pieces[g->n_pieces - 1];
    at_low = oldest->first == low && !g->front_missing;
    /* A log can begin elsewhere only at an offset. State groups have none, and must begin at their first entry. */
    if (g->id == META_GROUP_ID_DEFAULT && oldest->first != 1) {
        g->keep = (struct repair_piece){ .first = 1 };
        return;
    }
    if (g->id == META_GROUP_ID_DEFAULT || newest->before.next_offset == 0)
        mode = NODE_REPAIR_KEEP_OLDEST;
    if (!at_low && mode == NODE_REPAIR_KEEP_OLDEST && newest->before.next_offset > 0)
        mode = NODE_REPAIR_KEEP_MOST;
    if (mode == NODE_REPAIR_KEEP_NEWEST ||
        (mode != NODE_REPAIR_KEEP_OLDEST && visible(g, newest) >= visible(g, oldest)))
        g->keep = *newest;
    else
        g->keep = *oldest;
}

bool repair_group_fits_journal(struct repair_group *g)
{
    const struct repair_piece *p = &g->keep;
    uint64_t last = p->last;
    uint32_t checksum = g->checkpoint.checksum;

    if (g->fill_last > 0 || g->checkpoint.index + 1 < p->first || g->checkpoint.index > last)
        return false;
    /* Up to the checkpoint segments must hold it. */
    if (g->checkpoint.index >= p->first &&
        (log_survey_find(g->survey, p->first) == NULL || log_survey_find(g->survey, g->checkpoint.index) == NULL))
        return false;
    for (uint64_t i = g->checkpoint.index + 1; i <= last; i++) {
        const struct journal_salvage_entry *e = g->saved != NULL ? journal_salvage_entry(g->saved, i) : NULL;

        if (e == NULL || e->kind == JOURNAL_SALVAGE_DAMAGED || e->prev_checksum != checksum)
            return false;
        checksum = e->checksum;
    }
    return true;
}

/* Segments hold what is kept up to some entry: from there on the journal has it. */
static int place_checkpoint(struct repair_group *g)
{
    const struct log_survey *s = g->survey;
    uint64_t top = 0;
    struct repair_entry e;
    int r;

    if (repair_group_fits_journal(g)) {
        g->new_checkpoint = g->checkpoint;
        return 0;
    }
    for (size_t i = 0; i < s->n_segments; i++)
        top = s->segments[i].n > 0 ? s->segments[i].base_index + s->segments[i].n - 1 : top;
    top = MIN(top, g->keep.last);
    g->new_checkpoint = g->keep.before;
    if (top < g->keep.first)
        return 0;
    r = repair_fetch(g, top, &e);
    if (r < 0)
        return r;
    g->new_checkpoint = (struct log_position){ top, e.term, e.next_offset, e.checksum };
    free(e.to_free);
    return 0;
}

bool repair_segment_is_bad(const struct repair_group *g, size_t i)
{
    const struct log_survey_segment *s = &g->survey->segments[i];
    uint64_t end = s->base_index + s->n;
    bool sealed = i + 1 < g->survey->n_segments && end - 1 < g->new_checkpoint.index;

    if (i < g->first_segment || s->base_index > g->new_checkpoint.index || end <= g->keep.first)
        return false;
    if (g->fill_last > 0 && end > g->fill_first)
        return true;
    if (!s->header_good || (sealed && !s->tidy) || s->base_index < g->keep.first)
        return true;
    /* What the checkpoint now covers but didn't before isn't known to be on the disk. */
    if (g->new_checkpoint.index > g->checkpoint.index && end - 1 > g->checkpoint.index)
        return true;
    for (size_t k = 0; k < g->survey->n_bads; k++) {
        const struct log_survey_bad *b = &g->survey->bads[k];

        if (b->last >= s->base_index && b->first < end && b->first <= MIN(g->new_checkpoint.index, g->keep.last))
            return true;
    }
    return end - 1 > g->keep.last && g->keep.last <= g->checkpoint.index;
}

static bool has_bad_files(const struct repair_group *g)
{
    for (size_t i = 0; i < g->survey->n_segments; i++) {
        if (repair_segment_is_bad(g, i))
            return true;
    }
    for (size_t i = 0; i < g->survey->n_snapshots; i++) {
        if (!g->survey->snapshots[i].good)
            return true;
    }
    return false;
}

/* The state of producers comes from some snapshot of what is kept, or from all entries. */
static bool needs_blank_snapshot(const struct repair_group *g)
{
    if (g->keep.first == 1 || g->new_checkpoint.index == 0)
        return false;
    for (size_t i = 0; i < g->survey->n_snapshots; i++) {
        const struct log_survey_snapshot *s = &g->survey->snapshots[i];

        if (s->good && s->index + 1 >= g->keep.first && s->index <= g->keep.last)
            return false;
    }
    return true;
}

static int decide(struct repair *r, struct repair_group *g, uint64_t low)
{
    bool shows_all;
    int rc;

    if (g->fill_last == 0)
        choose(r, g, low);
    rc = place_checkpoint(g);
    if (rc < 0)
        return rc;
    g->new_start = g->log_start;
    if (g->keep.first > low || g->front_missing)
        g->new_start = MAX(g->log_start, g->keep.before.next_offset);
    shows_all = g->new_start == g->log_start && g->keep.last >= g->claim;
    g->is_lossy = !shows_all || g->end_unknown;
    g->state_changed = g->new_checkpoint.index != g->checkpoint.index || g->new_start != g->log_start ||
                       (g->saved != NULL ? g->keep.last != g->saved->last_index : g->keep.last > 0);
    g->blank_snapshot = needs_blank_snapshot(g);
    g->is_damaged = g->is_lossy || g->state_changed || has_bad_files(g);
    return 0;
}

int repair_group_examine(struct repair *r, struct repair_group *g)
{
    uint64_t low;
    int rc = 0;

    g->n_pieces = g->first_segment = 0;
    g->n_patched = g->n_rebuilt = 0;
    g->front_missing = false;
    if (g->survey == NULL)
        rc = log_survey(r->o->disk, g->dir, &g->survey, r->err);
    if (rc != 0)
        return rc;
    g->saved = journal_salvage_find(g->shard->salvage, g->id);
    if (g->saved != NULL) {
        const struct journal_group_state *st = &g->saved->state;

        g->checkpoint = (struct log_position){ st->checkpoint_index, st->checkpoint_term, st->checkpoint_offset,
                                               st->checkpoint_checksum };
        g->log_start = st->log_start;
    }
    if (g->shard->is_damaged)
        g->log_start = MAX(g->log_start, g->survey->log_start);
    find_first_segment(g);
    find_claim(g);
    low = find_low(g);
    rc = find_pieces(g, low, g->claim);
    if (rc == 0) {
        find_claim_offset(g);
        rc = decide(r, g, low);
    }
    if (rc < 0)
        error_setf(r->err, "%s: reading it: %s", g->dir, error_text(rc));
    return rc;
}

int repair_group_fill(struct repair *r, struct repair_group *g)
{
    struct entry_header h = { .version = ENTRY_VERSION, .type = ENTRY_NOOP, .feature_level = 1 };
    uint64_t last = g->fill_last;
    struct repair_entry before;
    struct entry parsed;
    int rc;

    g->fill_term = 1;
    if (g->fill_first > 1 && repair_fetch(g, g->fill_first - 1, &before) == 0) {
        g->fill_term = before.term;
        if (entry_parse(before.data, before.size, &parsed) == 0)
            h.append_time_ms = parsed.header.append_time_ms;
        free(before.to_free);
    }
    entry_header_write(&h, g->filler);
    g->claim = MAX(g->claim, last);
    g->keep = (struct repair_piece){ .first = 1 };
    for (size_t i = 0; i < g->n_pieces; i++) {
        if (g->pieces[i].first <= last + 1 && g->pieces[i].last > last)
            last = g->pieces[i].last;
    }
    g->keep.last = last;
    g->keep.end = (struct log_position){ last, g->fill_term, 0, crc32c(0, g->filler, sizeof(g->filler)) };
    for (size_t i = 0; i < g->n_pieces; i++) {
        if (g->pieces[i].last == last)
            g->keep.end = g->pieces[i].end;
    }
    g->front_missing = false;
    rc = decide(r, g, 1);
    g->is_lossy = g->keep.last < g->claim || g->end_unknown;
    g->is_damaged = g->state_changed = true;
    return rc;
}
