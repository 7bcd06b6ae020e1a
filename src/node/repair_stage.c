/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What takes the place of damaged files, written below "repair/": nothing else changes until the list of renames is
 * committed. */

#include <stdio.h>

#include "journal/repair.h"
#include "log/format.h"
#include "node/internal.h"
#include "node/repair_internal.h"

#define STAGING "repair"

/* ---- Logs ---- */

static void move_file(struct repair *r, const struct repair_group *g, uint64_t index, enum segment_file kind)
{
    char name[SEGMENT_FILE_NAME_SIZE];
    _cleanup_(freep) char *path = NULL;

    segment_file_name(name, index, kind);
    path = xasprintf("%s/%s", g->dir, name);
    repair_list_move(&r->list, path);
}

static void move_segment(struct repair *r, const struct repair_group *g, const struct log_survey_segment *s)
{
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
        if ((s->present & 1u << part) != 0)
            move_file(r, g, s->base_index, part);
    }
}

static void install_file(struct repair *r, const struct repair_group *g, const char *staged, uint64_t index,
                         enum segment_file kind)
{
    char name[SEGMENT_FILE_NAME_SIZE];
    _cleanup_(freep) char *from = NULL, *to = NULL;

    segment_file_name(name, index, kind);
    from = xasprintf("%s/%s", staged, name);
    to = xasprintf("%s/%s", g->dir, name);
    if (repair_exists(r->o->disk, from))
        repair_list_install(&r->list, from, to);
}

static int position_before(struct repair_group *g, uint64_t index, struct log_position *ret)
{
    struct repair_entry e;
    int rc;

    *ret = g->keep.before;
    if (index == g->keep.first)
        return 0;
    rc = repair_fetch(g, index - 1, &e);
    if (rc < 0)
        return rc;
    *ret = (struct log_position){ index - 1, e.term, e.next_offset, e.checksum };
    free(e.to_free);
    return 0;
}

static int write_entries(struct repair_group *g, struct log_rewrite *w, uint64_t first, uint64_t last)
{
    int rc = 0;

    for (uint64_t i = first; rc == 0 && i <= last; i++) {
        struct repair_entry e;

        rc = repair_fetch(g, i, &e);
        if (rc < 0)
            break;
        rc = log_rewrite_add(w, i, e.term, e.checksum, e.data, e.size);
        free(e.to_free);
    }
    return rc;
}

static int rewrite_segment(struct repair *r, struct repair_group *g, const struct log_survey_segment *s)
{
    bool is_first = s == &g->survey->segments[g->first_segment];
    /* Entries that do nothing may begin before the first segment that is left. */
    uint64_t first = is_first && g->fill_first > 0 ? g->keep.first : MAX(s->base_index, g->keep.first);
    uint64_t last = MIN(s->base_index + s->n - 1, g->new_checkpoint.index);
    _cleanup_(freep) char *staged = xasprintf(STAGING "/%u", r->n_staged++);
    struct log_position before;
    struct log_rewrite *w;
    int rc, end;

    move_segment(r, g, s);
    if (first > last)
        return 0;
    rc = position_before(g, first, &before);
    if (rc == 0)
        rc = log_rewrite_begin(r->o->disk, staged, &before, &w, r->err);
    if (rc != 0)
        return rc;
    rc = write_entries(g, w, first, last);
    end = log_rewrite_end(w);
    rc = rc != 0 ? rc : end;
    for (unsigned part = 0; rc == 0 && part < SEGMENT_N_PARTS; part++)
        install_file(r, g, staged, first, part);
    return rc;
}

static int stage_snapshots(struct repair *r, struct repair_group *g)
{
    uint8_t body[REPLICA_SNAPSHOT_BLANK_SIZE];
    struct log_position at = g->keep.before;
    _cleanup_(freep) char *staged = NULL;
    int rc;

    for (size_t i = 0; i < g->survey->n_snapshots; i++) {
        const struct log_survey_snapshot *s = &g->survey->snapshots[i];

        if (!s->good || s->index > g->keep.last || s->index + 1 < g->keep.first)
            move_file(r, g, s->index + 1, SEGMENT_SNAPSHOT);
    }
    if (!g->blank_snapshot)
        return 0;
    staged = xasprintf(STAGING "/%u", r->n_staged++);
    at.index = g->keep.first - 1;
    replica_snapshot_blank(body, at.index, at.next_offset, g->new_start);
    rc = log_rewrite_snapshot(r->o->disk, staged, &at, slice_make(body, sizeof(body)));
    if (rc == 0)
        install_file(r, g, staged, at.index + 1, SEGMENT_SNAPSHOT);
    return rc;
}

static int stage_group(struct repair *r, struct repair_group *g)
{
    const struct log_survey *s = g->survey;
    int rc = 0;

    for (size_t i = g->first_segment; rc == 0 && i < s->n_segments; i++) {
        const struct log_survey_segment *seg = &s->segments[i];

        if (repair_segment_is_bad(g, i))
            rc = rewrite_segment(r, g, seg);
        else if (g->state_changed &&
                 (seg->base_index > g->new_checkpoint.index || seg->base_index + seg->n <= g->keep.first))
            move_segment(r, g, seg);
    }
    return rc == 0 ? stage_snapshots(r, g) : rc;
}

/* ---- Journals ---- */

static struct journal_group_state state_of(const struct repair_group *g)
{
    const struct journal_salvage *s = g->shard->salvage;
    struct journal_group_state st = {
        .group = g->id,
        .vote = -1,
        .checkpoint_index = g->new_checkpoint.index,
        .checkpoint_term = g->new_checkpoint.term,
        .checkpoint_offset = g->new_checkpoint.next_offset,
        .checkpoint_checksum = g->new_checkpoint.checksum,
        .log_start = g->new_start,
    };

    if (g->saved != NULL) {
        st.term = g->saved->state.term;
        st.vote = g->saved->state.vote;
    }
    if (g->shard->is_damaged) {
        st.term = (g->saved != NULL ? st.term : s->max_term) + REPAIR_TERM_MARGIN;
        st.vote = -1;
    }
    st.term = MAX(st.term, g->keep.last >= g->keep.first ? g->keep.end.term : g->new_checkpoint.term);
    return st;
}

static int write_group(struct repair_group *g, struct journal_rewrite *w)
{
    struct journal_group_state st = state_of(g);
    uint32_t checksum = st.checkpoint_checksum;
    int rc = 0;

    if (st.term == 0 && st.checkpoint_index == 0)
        return 0; /* the journal never heard of it */
    journal_rewrite_group(w, &st);
    for (uint64_t i = st.checkpoint_index + 1; rc == 0 && i <= g->keep.last; i++) {
        struct journal_replay_record rec = { .group = g->id, .index = i, .prev_checksum = checksum };
        struct repair_entry e;

        rc = repair_fetch(g, i, &e);
        if (rc < 0)
            break;
        rec.term = e.term;
        rec.checksum = checksum = e.checksum;
        rec.data = slice_make(e.data, e.size);
        rc = journal_rewrite_entry(w, &rec);
        free(e.to_free);
    }
    return rc;
}

static uint64_t largest_entry(const struct journal_salvage *s)
{
    struct journal_salvage_group *g;
    uint64_t largest = 0;

    list_foreach (&s->groups, g, link) {
        for (size_t i = 0; i < g->n_entries; i++)
            largest = MAX(largest, (uint64_t)g->entries[i].size);
    }
    return largest;
}

static int check_journal(struct repair *r, const struct journal_config *config)
{
    struct journal *j = NULL;
    int rc = journal_open(config, &j, r->err);

    journal_free(j);
    return rc;
}

static int stage_journal(struct repair *r, struct repair_shard *s)
{
    _cleanup_(freep) char *staged = xasprintf(STAGING "/journal-%u", s->index);
    struct journal_config config = {
        .disk = r->o->disk,
        .prng = r->o->prng,
        .dir = staged,
        .shard = s->index,
        .incarnation = r->superblock.incarnation,
        .first_generation = s->salvage->next_generation,
        .first_lsn = ALIGN_UP(s->salvage->next_lsn, (uint64_t)DISK_ALIGN),
    };
    struct journal_rewrite *w;
    struct repair_group *g;
    int rc, end;

    node_journal_sizes(r->o->config, 0, &config);
    config.file_size_bytes = MAX(config.file_size_bytes, largest_entry(s->salvage) * 4 + (1u << 20));
    rc = journal_rewrite_begin(&config, &w, r->err);
    if (rc != 0)
        return rc;
    list_foreach (&r->groups, g, link) {
        if (g->shard == s && rc == 0)
            rc = write_group(g, w);
    }
    end = journal_rewrite_end(w);
    rc = rc != 0 ? rc : end;
    if (rc == 0)
        rc = check_journal(r, &config);
    if (rc == 0) {
        repair_list_move(&r->list, s->dir);
        repair_list_install(&r->list, staged, s->dir);
    }
    return rc;
}

/* ---- The rest ---- */

static int stage_superblock(struct repair *r)
{
    int rc = disk_mkdir(r->o->disk, STAGING);

    if (rc == 0 || rc == -EEXIST)
        rc = superblock_write_at(r->o->disk, STAGING "/superblock", &r->superblock);
    repair_list_move(&r->list, "superblock");
    repair_list_install(&r->list, STAGING "/superblock", "superblock");
    return rc;
}

static unsigned free_number(struct env_disk *disk)
{
    for (unsigned n = 1;; n++) {
        char name[32];

        snprintf(name, sizeof(name), "damaged-%u", n);
        if (!repair_exists(disk, name))
            return n;
    }
}

/* Directories may be links to other file systems, where no rename reaches: that must show before anything counts on
 * it. */
static int probe(struct repair *r, const char *path)
{
    const char *slash = strrchr(path, '/');
    _cleanup_(freep) char *to = NULL;
    struct disk_file *f;
    int rc;

    if (slash == NULL)
        return 0;
    to = xasprintf("%.*s/repair.probe", (int)(slash - path), path);
    rc = disk_open(r->o->disk, STAGING "/probe", DISK_WRITE | DISK_CREATE, &f);
    if (rc < 0)
        return rc;
    disk_close(f);
    rc = disk_rename(r->o->disk, STAGING "/probe", to);
    if (rc == 0)
        return disk_unlink(r->o->disk, to);
    if (rc == -ENOENT)
        return 0; /* its directory is made when its turn comes */
    error_setf(r->err, "%.*s: moving files there and away: %s (nothing was changed)", (int)(slash - path), path,
               error_text(rc));
    return rc;
}

static int probe_all(struct repair *r)
{
    int rc = disk_mkdir(r->o->disk, STAGING);

    rc = rc == -EEXIST ? 0 : rc;
    for (size_t i = 0; rc == 0 && i < r->list.n_moves; i++)
        rc = probe(r, r->list.moves[i]);
    for (size_t i = 0; rc == 0 && i < r->list.n_installs; i++)
        rc = probe(r, r->list.to[i]);
    return rc;
}

int repair_stage(struct repair *r)
{
    struct repair_group *g;
    int rc = 0; /* the directory has been emptied, but for an image */

    list_foreach (&r->groups, g, link) {
        if (rc == 0 && g->is_damaged)
            rc = stage_group(r, g);
    }
    for (unsigned i = 0; rc == 0 && i < r->n_shards; i++) {
        if (r->shards[i].rewrite)
            rc = stage_journal(r, &r->shards[i]);
    }
    if (rc == 0 && r->superblock_rebuilt)
        rc = stage_superblock(r);
    if (rc == 0 && r->remake_image) {
        repair_list_move(&r->list, NODE_STATE_PATH);
        repair_list_move(&r->list, NODE_STATE_PATH "-journal");
        if (r->adjusted_image)
            repair_list_install(&r->list, STAGING "/image/0.db", NODE_STATE_PATH);
    }
    for (size_t i = 0; rc == 0 && i < r->n_strays; i++)
        repair_list_move(&r->list, r->strays[i]);
    if (rc == 0)
        rc = probe_all(r);
    if (rc == 0)
        rc = disk_sync_dir(r->o->disk, STAGING);
    if (rc == 0)
        rc = disk_sync_dir(r->o->disk, ".");
    r->list.number = free_number(r->o->disk);
    return rc == 0 ? repair_commit(r->o->disk, &r->list) : rc;
}
