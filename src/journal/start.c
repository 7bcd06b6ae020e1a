/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* journal_start(): from what was recovered to a journal that can be written. Each step leaves a directory from which
 * recovery comes to the same result, so a crash between any two is harmless:
 *
 * 1. what was accepted above the durable frontier is written again, byte for byte, and synced: the sync that it waited
 *    for may have failed, and then the page cache shows what the disk doesn't have. Who acts upon what was found before
 *    that (segments below a log start go) calls journal_settle() first;
 * 2. files that hold nothing that counts leave the chain, newest first;
 * 3. a new file is made whole, with its STATE_TABLE, and gets its name. Its header tells where the file before ends. A
 *    disk without room for it doesn't prevent the start: the keeper makes it later, and all requests wait for that. */

#include "base/bug.h"
#include "base/mark.h"
#include "base/util.h"
#include "journal/recovery.h"

struct starter {
    struct journal *j;
    const char *what; /* was being done when it failed */
};

/* Writes the blocks of f from offset on again. */
static int rewrite_blocks(struct journal_block_reader *r, const struct journal_file *f, struct disk_file *io,
                          uint64_t offset)
{
    while (offset < f->end) {
        struct journal_block b;
        const uint8_t *payload;
        int v = journal_block_reader_at(r, offset, &b, &payload);

        if (v < 0)
            return v;
        if (v != JOURNAL_BLOCK_GOOD)
            return -EIO; /* it was good when the journal was opened */
        do
            v = disk_pwrite(io, payload - b.payload_offset, journal_block_size(&b), offset);
        while (v == -EINTR);
        if (v < 0)
            return v;
        offset += journal_block_size(&b);
    }
    return disk_sync_data(io);
}

static int settle_tail(struct starter *s)
{
    struct journal *j = s->j;
    struct journal_file *f = list_last(&j->files, struct journal_file, link);
    _cleanup_(freep) char *path = NULL;
    struct journal_block_reader r;
    enum journal_header_verdict verdict;
    struct disk_file *io = NULL;
    uint64_t from;
    int err;

    if (f == NULL || journal_file_end_lsn(f) <= j->flushed_lsn || GQ_BUG(TAIL_NOT_SETTLED))
        return 0;
    s->what = "writing the tail of the journal again";
    GQ_MARK(JOURNAL_TAIL_SETTLED);
    from = j->flushed_lsn > f->header.base_lsn ? j->flushed_lsn - f->header.base_lsn : 0;
    from = MAX(from, (uint64_t)JOURNAL_FILE_HEADER_SIZE);
    path = journal_path(&j->dir, f->header.generation, JOURNAL_NAME_LIVE);
    journal_block_reader_init(&r);
    err = journal_block_reader_open(&r, j->dir.disk, path, &verdict);
    if (err == 0)
        err = disk_open(j->dir.disk, path, DISK_WRITE | DISK_DIRECT, &io);
    if (err == 0)
        err = rewrite_blocks(&r, f, io, from);
    disk_close(io);
    journal_block_reader_fini(&r);
    return err;
}

static int retire_voids(struct starter *s)
{
    struct journal_file *f;

    while ((f = list_last(&s->j->voids, struct journal_file, link)) != NULL) {
        int r = journal_file_retire(&s->j->dir, f->header.generation, true, &s->what);

        if (r < 0)
            return r;
        journal_file_free(f);
    }
    return 0;
}

static int note_unused(void *ctx, const struct disk_dirent *ent)
{
    struct list *found = ctx;
    enum journal_name_kind kind;
    uint64_t generation;
    struct journal_spare *spare;

    if (!journal_name_parse(ent->name, &generation, &kind) || kind == JOURNAL_NAME_LIVE)
        return 0;
    spare = xcalloc(1, sizeof(*spare));
    spare->generation = generation;
    spare->size = kind == JOURNAL_NAME_SPARE; /* 0 marks one that was being made */
    list_append(found, &spare->link);
    return 0;
}

/* The size of a spare in whole blocks. */
static int spare_size(struct journal *j, struct journal_spare *spare)
{
    _cleanup_(freep) char *path = journal_path(&j->dir, spare->generation, JOURNAL_NAME_SPARE);
    struct disk_file *io;
    int r = disk_open(j->dir.disk, path, DISK_READ, &io);

    if (r < 0)
        return r;
    r = disk_size(io, &spare->size);
    disk_close(io);
    spare->size -= spare->size % JOURNAL_BLOCK_ALIGN;
    return r;
}

/* Full-size files are kept, and one that can be the reserve; smaller ones, and those that were being made, go. */
static int sort_unused(struct starter *s, struct journal_spare *spare)
{
    struct journal *j = s->j;
    bool was_new = spare->size == 0;
    int r = was_new ? 0 : spare_size(j, spare);

    s->what = "looking at unused journal files";
    if (r == 0 && !was_new && spare->size >= j->config.file_size_bytes) {
        list_append(&j->spares, &spare->link);
        return 0;
    }
    if (r == 0 && !was_new && j->reserve == NULL && spare->size >= j->config.first_file_size_bytes) {
        j->reserve = spare;
        return 0;
    }
    if (r == 0)
        r = journal_file_drop(&j->dir, spare->generation, was_new ? JOURNAL_NAME_NEW : JOURNAL_NAME_SPARE, &s->what);
    free(spare);
    return r;
}

static int find_unused(struct starter *s)
{
    struct journal *j = s->j;
    struct list found = LIST_INIT(found), *link;
    int r;

    s->what = "listing the journal's directory";
    r = disk_list(j->dir.disk, j->dir.path, note_unused, &found);
    while ((link = list_pop(&found)) != NULL) {
        struct journal_spare *spare = list_entry(link, struct journal_spare, link);

        if (r == 0)
            r = sort_unused(s, spare);
        else
            free(spare);
    }
    return r;
}

/* A small file, so that the next recovery has little to read: the reserve if there is one, else a new one, else, where
 * that found no room, whatever is large enough. */
void journal_first_prepare(struct journal *j)
{
    struct journal_file *last = list_last(&j->files, struct journal_file, link);
    uint64_t need = journal_file_need(j, 0, j->groups.count);
    uint64_t size = MAX(ALIGN_UP(need, (uint64_t)JOURNAL_BLOCK_ALIGN), j->config.first_file_size_bytes);
    struct journal_keeper *k = &j->keeper;

    if (j->reserve != NULL && j->reserve->size >= need)
        k->spare = TAKE_PTR(j->reserve);
    else if (j->space_error != 0)
        k->spare = journal_spare_take(j, need);
    if (k->spare != NULL)
        size = k->spare->size;
    k->file = journal_file_next(j, size, last != NULL ? journal_file_end_lsn(last) : 0);
    journal_head_write(j, last, &k->head);
    k->make = (struct journal_make){
        .header = k->file->header,
        .spare = k->spare != NULL ? k->spare->generation : 0,
        .head = slice_make(k->head.data, k->head.size),
        .staging = &j->staging,
    };
}

void journal_first_run(struct journal *j)
{
    struct journal_keeper *k = &j->keeper;
    struct disk_space space;

    k->error = journal_file_make(&j->dir, &k->make, &k->what);
    k->has_room = disk_space(j->dir.disk, &space) == 0 && space.free_bytes >= j->config.file_size_bytes;
}

void journal_first_done(struct journal *j)
{
    struct journal_keeper *k = &j->keeper;
    struct journal_file *f = journal_made_file(j);

    journal_bytes_fini(&k->head);
    if (f == NULL)
        return;
    f->end = k->make.end;
    f->table_lsn = j->flushed_lsn = j->known_lsn = f->header.flushed_lsn;
    list_append(&j->files, &f->link);
    j->current = f;
    j->start_end = f->end;
    j->fresh = k->has_room;
    j->sealed = true; /* by its header */
}

static int try_first(struct starter *s)
{
    struct journal *j = s->j;

    journal_first_prepare(j);
    journal_first_run(j);
    journal_first_done(j);
    s->what = j->keeper.what;
    return j->keeper.error;
}

/* What is there can be read on a full disk, too: a journal that has files does without another until there is room. */
static int make_first(struct starter *s)
{
    struct journal *j = s->j;
    int r = try_first(s);

    if (disk_is_shortage(r) && !list_is_empty(&j->spares))
        r = try_first(s);
    if (!disk_is_shortage(r) || list_is_empty(&j->files))
        return r;
    GQ_MARK(JOURNAL_NO_ROOM_FOR_FILE);
    return 0;
}

int journal_settle(struct journal *j, struct error_text *err)
{
    struct starter s = { .j = j };
    int r = j->settled ? 0 : settle_tail(&s);

    gq_assert(j->lane == NULL);
    if (r < 0)
        error_setf(err, "%s: %s: %s", j->dir.path, s.what, error_text(r));
    j->settled = r == 0;
    return r;
}

int journal_start(struct journal *j, struct env_lane *lane, struct error_text *err)
{
    struct starter s = { .j = j, .what = "making the journal's directory" };
    int r;

    gq_assert(j->lane == NULL && lane != NULL);
    r = journal_dir_make(&j->dir);
    if (r == 0 && !j->settled)
        r = settle_tail(&s);
    if (r == 0)
        r = retire_voids(&s);
    if (r == 0)
        r = find_unused(&s);
    if (r == 0)
        r = make_first(&s);
    if (r < 0) {
        error_setf(err, "%s: %s: %s", j->dir.path, s.what, error_text(r));
        return r;
    }
    journal_chains_drop(j);
    j->lane = lane;
    return 0;
}
