/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finds the files of a journal and the blocks in them, and what of it is damaged. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "journal/salvage_internal.h"

struct salvage_cache {
    struct disk_file *io;
    uint64_t generation;
};

static char *path_of(const struct journal_salvage *s, uint64_t generation)
{
    return journal_path(&(struct journal_dir){ s->disk, s->dir }, generation, JOURNAL_NAME_LIVE);
}

_printf_(5, 6) static void note_damage(struct salvage *sv, uint64_t generation, uint64_t position, uint64_t size,
                                       const char *fmt, ...)
{
    struct journal_salvage *s = sv->s;
    struct journal_salvage_damage *d;
    va_list ap;

    s->damages = xrealloc(s->damages, (s->n_damages + 1) * sizeof(*s->damages));
    d = &s->damages[s->n_damages++];
    *d = (struct journal_salvage_damage){ path_of(s, generation), position, size, "" };
    va_start(ap, fmt);
    vsnprintf(d->what, sizeof(d->what), fmt, ap);
    va_end(ap);
}

/* ---- Files ---- */

static int note_name(void *ctx, const struct disk_dirent *ent)
{
    struct salvage *sv = ctx;
    enum journal_name_kind kind;
    uint64_t generation;

    if (!journal_name_parse(ent->name, &generation, &kind))
        return 0;
    sv->s->next_generation = MAX(sv->s->next_generation, generation + 1);
    if (kind != JOURNAL_NAME_LIVE)
        return 0;
    if (sv->n == sv->capacity) {
        sv->capacity = MAX(sv->capacity * 2, (size_t)16);
        sv->files = xrealloc(sv->files, sv->capacity * sizeof(*sv->files));
    }
    sv->files[sv->n++] = (struct salvage_file){ .header.generation = generation };
    return 0;
}

static int compare_files(const void *a, const void *b)
{
    const struct salvage_file *x = a, *y = b;

    return x->header.generation < y->header.generation ? -1 : x->header.generation > y->header.generation;
}

static bool header_fits(const struct salvage *sv, const struct journal_file_header *h, uint64_t generation)
{
    return h->generation == generation && h->file_size % JOURNAL_BLOCK_ALIGN == 0 &&
           h->file_size <= (uint64_t)1 << 48 && h->base_lsn <= (uint64_t)1 << 62 && h->prev_generation < generation &&
           (sv->incarnation == NULL || uuid_eq(&h->incarnation, sv->incarnation));
}

/* Without its header a file is read by its blocks: they repeat generation and salt, and tell their LSN. */
static void guess_header(struct salvage *sv, struct salvage_file *f, struct disk_file *io)
{
    struct journal_file_header *h = &f->header;
    uint8_t *p = aligned_alloc(DISK_ALIGN, DISK_ALIGN);
    struct journal_block b;

    gq_assert(p != NULL);
    *h = (struct journal_file_header){ .generation = h->generation, .file_size = f->size };
    for (uint64_t at = JOURNAL_FILE_HEADER_SIZE; !f->has_base && at + JOURNAL_BLOCK_ALIGN <= f->size;
         at += JOURNAL_BLOCK_ALIGN) {
        if (disk_pread(io, p, DISK_ALIGN, at) != DISK_ALIGN || !journal_block_read(p, &b) ||
            b.generation != h->generation || b.lsn < at)
            continue;
        h->salt = b.salt;
        h->base_lsn = b.lsn - at;
        f->has_base = true;
    }
    free(p);
}

static int open_blocks(struct salvage *sv, struct salvage_file *f)
{
    _cleanup_(freep) char *path = path_of(sv->s, f->header.generation);
    enum journal_header_verdict verdict;
    int r = journal_block_reader_open(&sv->blocks, sv->s->disk, path, &verdict);

    if (r == 0)
        sv->blocks.header = f->header;
    return r;
}

static int read_header(struct salvage *sv, struct salvage_file *f)
{
    _cleanup_(freep) char *path = path_of(sv->s, f->header.generation);
    uint64_t generation = f->header.generation;
    enum journal_header_verdict verdict;
    int r = journal_block_reader_open(&sv->blocks, sv->s->disk, path, &verdict);

    if (r == 0)
        r = disk_size(sv->blocks.io, &f->size);
    if (r < 0) {
        error_setf(sv->err, "reading %s: %s", path, error_text(r));
        return r;
    }
    if (verdict == JOURNAL_HEADER_NEWER) {
        sv->s->is_newer = true;
        error_setf(sv->err, "%s: written by a newer version of this program (nothing was changed)", path);
        return -EPROTONOSUPPORT;
    }
    f->header = sv->blocks.header;
    f->header_good = f->has_base = verdict == JOURNAL_HEADER_GOOD && header_fits(sv, &f->header, generation);
    f->header.generation = generation;
    if (f->header_good) {
        if (!sv->s->has_header) {
            sv->s->has_header = true;
            sv->s->incarnation = f->header.incarnation;
            sv->s->shard = f->header.shard;
        }
        if (f->size < f->header.file_size)
            note_damage(sv, generation, f->size, f->header.file_size - f->size, "the end of the file is missing");
        sv->frontier = MAX(sv->frontier, f->header.flushed_lsn);
        return 0;
    }
    note_damage(sv, generation, 0, JOURNAL_FILE_HEADER_SIZE, "the file's header %s",
                journal_block_reader_lacks(&sv->blocks, 0, JOURNAL_FILE_HEADER_SIZE) ? "can't be read"
                                                                                     : "isn't what was written");
    guess_header(sv, f, sv->blocks.io);
    return 0;
}

/* The block at an offset. A place that the disk can't read is zeros. */
static int block_at(struct salvage *sv, uint64_t at)
{
    int v = journal_block_reader_at(&sv->blocks, at, &sv->block, &sv->payload);

    return v < 0 ? JOURNAL_BLOCK_BAD : v;
}

static uint64_t limit_of(const struct salvage_file *f)
{
    return MIN(f->end != 0 ? f->end : f->header.file_size, f->size);
}

static void look_at_blocks(struct salvage *sv, struct salvage_file *f)
{
    uint64_t at = JOURNAL_FILE_HEADER_SIZE;

    f->last_end = at;
    if (!f->has_base || open_blocks(sv, f) < 0)
        return;
    while (at + JOURNAL_BLOCK_ALIGN <= MIN(f->size, f->header.file_size)) {
        int v = block_at(sv, at);

        if (v == JOURNAL_BLOCK_BAD) {
            at += JOURNAL_BLOCK_ALIGN;
            continue;
        }
        sv->frontier = MAX(sv->frontier, sv->block.flushed_lsn);
        at += journal_block_size(&sv->block);
        f->last_end = at;
        if ((sv->block.flags & JOURNAL_BLOCK_LAST) != 0 && v == JOURNAL_BLOCK_GOOD) {
            f->ended = true;
            f->end = at;
            break;
        }
    }
}

static void find_end(const struct salvage *sv, size_t i)
{
    struct salvage_file *f = &sv->files[i];
    const struct salvage_file *next = i + 1 < sv->n ? &sv->files[i + 1] : NULL;

    if (next == NULL || !next->header_good || next->header.prev_generation != f->header.generation ||
        next->header.prev_end_lsn <= f->header.base_lsn || !f->has_base)
        return;
    f->end = next->header.prev_end_lsn - f->header.base_lsn;
}

static void check_order(struct salvage *sv, size_t i)
{
    const struct salvage_file *f = &sv->files[i], *prev = i > 0 ? &sv->files[i - 1] : NULL;

    if (prev == NULL || !f->header_good || f->header.prev_generation == prev->header.generation)
        return;
    note_damage(sv, f->header.prev_generation, 0, 0, "the file is missing");
    salvage_gap(sv);
}

/* ---- Blocks ---- */

/* A stretch that holds no block though blocks follow, or must. True: it is the torn end of the journal. No crash makes
 * a place that can't be read: what it had may have been acknowledged. */
static bool take_bad(struct salvage *sv, const struct salvage_file *f, uint64_t from, uint64_t to, const char *what)
{
    bool is_hidden = sv->hidden == from;

    if (f->has_base && f->header.base_lsn + from >= sv->frontier && !is_hidden)
        return true;
    note_damage(sv, f->header.generation, from, to - from, "%s", is_hidden ? "can't be read" : what);
    salvage_gap(sv);
    return false;
}

static bool take_partial(struct salvage *sv, const struct salvage_file *f)
{
    uint64_t size = journal_block_size(&sv->block);
    bool is_hidden = journal_block_reader_lacks(&sv->blocks, sv->position, size);

    if (f->header.base_lsn + sv->position >= sv->frontier && !is_hidden)
        return true;
    note_damage(sv, f->header.generation, sv->position, size, "%s",
                is_hidden ? "a block that can't be read as a whole" : "a block's bytes aren't what was written");
    sv->suspect = true;
    salvage_block(sv);
    return false;
}

/* Remembers where a stretch without blocks begins, if that can't be read. */
static void note_hidden(struct salvage *sv, uint64_t at)
{
    if (journal_block_reader_lacks(&sv->blocks, at, JOURNAL_BLOCK_ALIGN))
        sv->hidden = at;
}

/* Where a stretch without blocks ends that begins where the file's blocks do: where they must go on up to, or behind
 * what can't be read. */
static uint64_t end_of_bad(struct salvage *sv, uint64_t at, uint64_t limit, uint64_t must)
{
    if (at + JOURNAL_BLOCK_ALIGN <= limit && block_at(sv, at) == JOURNAL_BLOCK_BAD)
        note_hidden(sv, at);
    return MAX(must, sv->hidden == at ? at + JOURNAL_BLOCK_ALIGN : at);
}

/* True: the journal ends in this file. */
static bool take_file(struct salvage *sv, struct salvage_file *f, bool is_last)
{
    uint64_t limit = limit_of(f), at = JOURNAL_FILE_HEADER_SIZE, bad = 0, must;

    journal_record_reader_reset(&sv->records);
    sv->hidden = 0;
    sv->file = f;
    if (!f->has_base || open_blocks(sv, f) < 0) {
        salvage_gap(sv);
        return false;
    }
    sv->records.max_size = (size_t)f->size;
    while (at + JOURNAL_BLOCK_ALIGN <= MIN(limit, f->last_end)) {
        int v = block_at(sv, at);

        if (v == JOURNAL_BLOCK_BAD) {
            if (bad == 0)
                note_hidden(sv, bad = at);
            at += JOURNAL_BLOCK_ALIGN;
            continue;
        }
        if (bad != 0 && take_bad(sv, f, bad, at, "no block where one was written"))
            return true;
        bad = 0;
        sv->position = at;
        sv->suspect = v != JOURNAL_BLOCK_GOOD;
        if (sv->suspect && take_partial(sv, f))
            return true;
        if (!sv->suspect)
            salvage_block(sv);
        at += journal_block_size(&sv->block);
    }
    if (f->ended)
        return false;
    if (f->header_good && f->size < (f->end != 0 ? f->end : f->header.file_size))
        salvage_gap(sv); /* no crash makes it shorter: there may have been more */
    /* Up to here it must go on: where the next file says that it ends, or the durable frontier. */
    must = f->end != 0 ? f->end : sv->frontier > f->header.base_lsn ? sv->frontier - f->header.base_lsn : 0;
    must = MIN(must, f->header.file_size);
    bad = end_of_bad(sv, at, limit, must);
    if (at < bad && take_bad(sv, f, at, bad, "no blocks up to where they were written"))
        return true;
    return !is_last && f->end == 0 && f->header.base_lsn + at >= sv->frontier && sv->hidden != at;
}

static void take_files(struct salvage *sv)
{
    for (size_t i = 0; i < sv->n; i++) {
        struct salvage_file *f = &sv->files[i];

        sv->s->next_lsn = MAX(sv->s->next_lsn, f->header.base_lsn + MAX(f->header.file_size, f->size));
        look_at_blocks(sv, f);
        find_end(sv, i);
    }
    sv->s->next_lsn = MAX(sv->s->next_lsn, sv->frontier);
    for (size_t i = 0; i < sv->n; i++) {
        check_order(sv, i);
        if (take_file(sv, &sv->files[i], i + 1 == sv->n))
            break;
    }
    salvage_finish(sv);
}

int journal_salvage(struct env_disk *disk, const char *dir, const struct uuid *incarnation,
                    struct journal_salvage **ret, struct error_text *err)
{
    struct journal_salvage *s = xcalloc(1, sizeof(*s));
    struct salvage sv = { .s = s, .incarnation = incarnation, .err = err };
    int r;

    s->disk = disk;
    s->dir = xstrdup(dir);
    s->next_generation = 1;
    hash_table_init(&s->by_id);
    list_init(&s->groups);
    journal_block_reader_init(&sv.blocks);
    sv.blocks.patchy = true;
    r = disk_list(disk, dir, note_name, &sv);
    if (r == -ENOENT)
        r = 0;
    if (r < 0)
        error_setf(err, "listing %s: %s", dir, error_text(r));
    if (sv.n > 0)
        qsort(sv.files, sv.n, sizeof(*sv.files), compare_files);
    s->n_files = sv.n;
    for (size_t i = 0; i < sv.n && r == 0; i++)
        r = read_header(&sv, &sv.files[i]);
    if (r == 0)
        take_files(&sv);
    journal_block_reader_fini(&sv.blocks);
    journal_record_reader_fini(&sv.records);
    free(sv.files);
    if (r < 0) {
        journal_salvage_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void close_cache(struct journal_salvage *s)
{
    if (s->open != NULL)
        disk_close(s->open->io);
    free(TAKE_PTR(s->open));
}

void journal_salvage_free(struct journal_salvage *s)
{
    struct journal_salvage_group *g, *tmp;

    if (s == NULL)
        return;
    close_cache(s);
    list_foreach_safe (&s->groups, g, tmp, link) {
        hash_remove(&s->by_id, &g->node);
        free(g->entries);
        free(g);
    }
    for (size_t i = 0; i < s->n_damages; i++)
        free(s->damages[i].path);
    free(s->damages);
    hash_table_fini(&s->by_id);
    free(s->dir);
    free(s);
}

/* ---- Reading an entry again ---- */

static int open_file(struct journal_salvage *s, uint64_t generation)
{
    _cleanup_(freep) char *path = NULL;
    int r;

    if (s->open != NULL && s->open->generation == generation)
        return 0;
    close_cache(s);
    s->open = xcalloc(1, sizeof(*s->open));
    s->open->generation = generation;
    path = path_of(s, generation);
    r = disk_open(s->disk, path, DISK_READ, &s->open->io);
    if (r < 0)
        free(TAKE_PTR(s->open));
    return r;
}

struct span_wanted {
    uint64_t group, index;
    uint8_t *data;
    size_t size;
};

static int match_span(void *ctx, uint64_t lsn, const struct journal_record *record)
{
    struct span_wanted *w = ctx;
    struct journal_disk_entry e;
    struct slice data;

    if ((record->kind != JOURNAL_RECORD_ENTRY && record->kind != JOURNAL_RECORD_RELOCATED) ||
        !journal_record_entry(record, &e, &data) || e.group != w->group || e.index != w->index)
        return 0;
    w->data = xmalloc(data.size + 1);
    memcpy(w->data, data.data, data.size);
    w->size = data.size;
    return 1;
}

/* From the block in which it starts on, block by block. */
static int read_span(struct journal_salvage *s, uint64_t group, const struct journal_salvage_entry *e,
                     struct span_wanted *ret)
{
    _cleanup_(freep) char *path = path_of(s, e->generation);
    struct journal_block_reader blocks;
    struct journal_record_reader records = { .max_size = (size_t)e->size + 4096 };
    enum journal_header_verdict verdict;
    struct salvage sv = { .s = s };
    struct salvage_file f = { .header.generation = e->generation };
    uint64_t at = e->position;
    int r;

    *ret = (struct span_wanted){ .group = group, .index = e->index };
    journal_block_reader_init(&blocks);
    blocks.patchy = true;
    r = journal_block_reader_open(&blocks, s->disk, path, &verdict);
    if (r == 0)
        r = disk_size(blocks.io, &f.size);
    if (r == 0 && verdict != JOURNAL_HEADER_GOOD) {
        guess_header(&sv, &f, blocks.io);
        blocks.header = f.header;
    }
    records.max_size = (size_t)f.size;
    while (r == 0 && ret->data == NULL) {
        struct journal_block b;
        const uint8_t *payload;

        r = journal_block_reader_at(&blocks, at, &b, &payload);
        if (r == JOURNAL_BLOCK_BAD)
            r = -EBADMSG;
        if (r < 0)
            break;
        r = journal_record_reader_block(&records, &b, payload, match_span, ret);
        r = r < 0 ? r : 0;
        at += journal_block_size(&b);
    }
    journal_record_reader_fini(&records);
    journal_block_reader_fini(&blocks);
    return r;
}

int journal_salvage_read(struct journal_salvage *s, uint64_t group, const struct journal_salvage_entry *e,
                         uint8_t **ret_data, size_t *ret_size)
{
    struct span_wanted w = { 0 };
    uint64_t at = e->position + sizeof(struct journal_disk_record) + sizeof(struct journal_disk_entry);
    ssize_t n;
    int r;

    if (e->spans) {
        r = read_span(s, group, e, &w);
        if (r < 0)
            return r;
        *ret_data = w.data;
        *ret_size = w.size;
        return 0;
    }
    r = open_file(s, e->generation);
    if (r < 0)
        return r;
    w.data = xmalloc((size_t)e->size + 1);
    n = disk_pread(s->open->io, w.data, e->size, at);
    if (n != (ssize_t)e->size) {
        free(w.data);
        return n < 0 ? (int)n : -EBADMSG;
    }
    *ret_data = w.data;
    *ret_size = e->size;
    return 0;
}
