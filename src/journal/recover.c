/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* journal_open(): finds the files, reads all of them once, and decides where the journal ends. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/mark.h"
#include "base/util.h"
#include "journal/recovery.h"

void journal_recovery_init(struct journal_recovery *rc, struct journal *j, struct error_text *err)
{
    *rc = (struct journal_recovery){ .j = j, .err = err };
    hash_table_init(&rc->forgets);
    journal_block_reader_init(&rc->blocks);
}

void journal_recovery_fini(struct journal_recovery *rc)
{
    journal_block_reader_fini(&rc->blocks);
    journal_record_reader_fini(&rc->records);
    journal_forgets_fini(rc);
}

int journal_recovery_open(struct journal_recovery *rc, struct journal_file *file, struct journal_file *prev)
{
    _cleanup_(freep) char *path = journal_path(&rc->j->dir, file->header.generation, JOURNAL_NAME_LIVE);
    enum journal_header_verdict verdict;
    int r = journal_block_reader_open(&rc->blocks, rc->j->dir.disk, path, &verdict);

    rc->file = file;
    rc->prev = prev;
    rc->position = 0;
    rc->table_part = rc->list_part = 0;
    rc->table_rows = 0;
    rc->has_table = rc->ended = false;
    journal_record_reader_reset(&rc->records);
    if (r < 0)
        return journal_read_failed(rc, file, 0, r);
    rc->records.max_size = (size_t)file->header.file_size;
    rc->position = JOURNAL_FILE_HEADER_SIZE;
    return 0;
}

int journal_recovery_block(struct journal_recovery *rc, const struct journal_block *b, const uint8_t *payload,
                           journal_record_fn fn)
{
    int r;

    if (rc->records.span_total == 0 && b->first_record != 0)
        return journal_corrupt_here(rc, "a block that goes on with a record that nothing began");
    r = journal_record_reader_block(&rc->records, b, payload, fn, rc);
    if (r == -EBADMSG)
        return journal_corrupt_here(rc, "a block whose records don't fit together");
    return r;
}

/* A file behind the end of the journal is prepared and empty. If it is not, its first blocks say so. */
#define EVIDENCE_AHEAD ((uint64_t)4 * JOURNAL_BLOCK_MAX)

/* Looks for flushed LSNs in whatever blocks there are between the position and end. */
static int scan_evidence(struct journal_recovery *rc, uint64_t end)
{
    uint64_t at = rc->position;

    end = MIN(end, rc->file->header.file_size);
    while (at + JOURNAL_BLOCK_ALIGN <= end) {
        struct journal_block b;
        const uint8_t *payload;
        int r = journal_block_reader_at(&rc->blocks, at, &b, &payload);

        if (r < 0)
            return journal_read_failed(rc, rc->file, at, r);
        if (r != JOURNAL_BLOCK_BAD)
            rc->frontier = MAX(rc->frontier, b.flushed_lsn);
        at += r == JOURNAL_BLOCK_GOOD ? journal_block_size(&b) : JOURNAL_BLOCK_ALIGN;
    }
    return 0;
}

/* Reads blocks up to the first bad one, the file's last one, or limit_lsn (0: none). *ret_whole: it isn't torn. */
static int scan_blocks(struct journal_recovery *rc, uint64_t limit_lsn, bool *ret_whole)
{
    const struct journal_file_header *h = &rc->file->header;

    while (rc->position + JOURNAL_BLOCK_ALIGN <= h->file_size) {
        struct journal_block b;
        const uint8_t *payload;
        int r;

        if (limit_lsn != 0 && h->base_lsn + rc->position >= limit_lsn)
            break;
        r = journal_block_reader_at(&rc->blocks, rc->position, &b, &payload);
        if (r < 0)
            return journal_read_failed(rc, rc->file, rc->position, r);
        if (r != JOURNAL_BLOCK_BAD)
            rc->frontier = MAX(rc->frontier, b.flushed_lsn);
        if (r != JOURNAL_BLOCK_GOOD)
            break;
        r = journal_recovery_block(rc, &b, payload, journal_scan_record);
        if (r != 0)
            return r;
        if (((b.flags & JOURNAL_BLOCK_LAST) != 0) != rc->ended)
            return journal_corrupt_here(rc, "a file end where the group list doesn't end, or the other way round");
        rc->position += journal_block_size(&b);
        if (rc->ended)
            break;
    }
    *ret_whole = limit_lsn != 0 ? h->base_lsn + rc->position == limit_lsn : rc->ended;
    return 0;
}

static struct journal_file *file_after(const struct journal *j, struct journal_file *f)
{
    return f->link.next == &j->files ? NULL : list_entry(f->link.next, struct journal_file, link);
}

static struct journal_file *file_before(const struct journal *j, struct journal_file *f)
{
    return f->link.prev == &j->files ? NULL : list_entry(f->link.prev, struct journal_file, link);
}

/* The rest of a file and all later files hold nothing that counts, unless a flushed LSN says otherwise. */
static int scan_void(struct journal_recovery *rc, struct journal_file *from)
{
    struct journal_file *torn = rc->file;
    uint64_t position = rc->position;
    int r = scan_evidence(rc, UINT64_MAX);

    for (struct journal_file *f = from; f != NULL && r == 0; f = file_after(rc->j, f)) {
        r = journal_recovery_open(rc, f, NULL);
        if (r == 0)
            r = scan_evidence(rc, EVIDENCE_AHEAD);
    }
    if (r != 0)
        return r;
    if (torn->header.base_lsn + position < rc->frontier && !GQ_BUG(CUT_BELOW_FRONTIER)) {
        GQ_MARK(JOURNAL_BAD_BLOCK);
        return journal_corrupt(rc, torn, position, "a bad block below the durable frontier %" PRIu64, rc->frontier);
    }
    return 0;
}

/* Files from f on leave the journal. */
static void void_from(struct journal *j, struct journal_file *f)
{
    while (f != NULL) {
        struct journal_file *next = file_after(j, f);

        GQ_MARK(JOURNAL_FILE_VOID);
        list_remove(&f->link);
        list_append(&j->voids, &f->link);
        f = next;
    }
}

/* The journal ends in rc->file. Without a whole STATE_TABLE the file holds nothing that counts either. */
static int scan_end(struct journal_recovery *rc)
{
    struct journal_file *f = rc->file, *next = file_after(rc->j, f);
    bool has_table = rc->has_table, is_first = rc->prev == NULL;
    uint64_t span_lsn = rc->records.span_total > 0 ? rc->records.span_lsn : UINT64_MAX;
    int r;

    f->end = rc->position;
    r = scan_void(rc, next);
    if (r != 0)
        return r;
    if (span_lsn < rc->frontier && !GQ_BUG(CUT_BELOW_FRONTIER))
        return journal_corrupt(rc, f, f->end, "half a record below the durable frontier %" PRIu64, rc->frontier);
    void_from(rc->j, next);
    if (has_table)
        return 0;
    if (is_first && f->header.prev_generation != 0)
        return journal_corrupt(rc, f, JOURNAL_FILE_HEADER_SIZE, "no state table, and the files before are gone");
    if (is_first) { /* rows of half a table */
        journal_group_table_fini(&rc->j->groups);
        journal_group_table_init(&rc->j->groups);
    }
    void_from(rc->j, f);
    return 0;
}

static int scan_files(struct journal_recovery *rc)
{
    struct journal_file *f;

    list_foreach (&rc->j->files, f, link)
        rc->frontier = MAX(rc->frontier, f->header.flushed_lsn);
    for (f = list_first(&rc->j->files, struct journal_file, link); f != NULL; f = file_after(rc->j, f)) {
        struct journal_file *next = file_after(rc->j, f);
        uint64_t limit = next != NULL ? next->header.prev_end_lsn : 0;
        bool whole = false;
        int r;

        f->ordinal = rc->ordinal;
        r = journal_recovery_open(rc, f, file_before(rc->j, f));
        if (r == 0)
            r = scan_blocks(rc, limit, &whole);
        if (r != 0)
            return r;
        if (!whole)
            GQ_MARK(JOURNAL_TORN_TAIL);
        if (!whole || next == NULL || !rc->has_table)
            return scan_end(rc);
        f->end = rc->position;
    }
    return 0;
}

struct name_list {
    uint64_t *generations; /* of live files */
    size_t n, capacity;
    struct journal *j;
};

static int note_name(void *ctx, const struct disk_dirent *ent)
{
    struct name_list *names = ctx;
    enum journal_name_kind kind;
    uint64_t generation;

    if (!journal_name_parse(ent->name, &generation, &kind))
        return 0;
    names->j->next_generation = MAX(names->j->next_generation, generation + 1);
    if (kind == JOURNAL_NAME_LIVE) {
        if (names->n == names->capacity) {
            names->capacity = MAX(names->capacity * 2, (size_t)16);
            names->generations = xrealloc(names->generations, names->capacity * sizeof(*names->generations));
        }
        names->generations[names->n++] = generation;
    }
    return 0;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* A header that is intact must also fit its name, its journal and the file before. */
static int check_header(struct journal_recovery *rc, struct journal_file *f, uint64_t generation)
{
    const struct journal_file_header *h = &f->header;
    const struct journal_file *prev = list_last(&rc->j->files, struct journal_file, link);

    if (h->generation != generation) {
        uint64_t found = h->generation;

        f->header.generation = generation; /* the name is what a reader of the message can find */
        return journal_corrupt(rc, f, 0, "the header of generation %" PRIu64, found);
    }
    if (h->shard != rc->j->config.shard || !uuid_eq(&h->incarnation, &rc->j->config.incarnation))
        return journal_corrupt(rc, f, 0, "a file of another shard or another data directory");
    if (h->file_size % JOURNAL_BLOCK_ALIGN != 0 || h->file_size < JOURNAL_FILE_HEADER_SIZE + JOURNAL_BLOCK_ALIGN ||
        h->file_size > (uint64_t)1 << 48 || h->base_lsn > (uint64_t)1 << 62 || h->prev_generation >= h->generation)
        return journal_corrupt(rc, f, 0, "a header with impossible values");
    if (prev != NULL && h->prev_generation != prev->header.generation)
        return journal_corrupt(rc, f, 0, "the file of generation %" PRIu64 " before it is missing", h->prev_generation);
    if (prev != NULL && h->base_lsn < prev->header.base_lsn + prev->header.file_size)
        return journal_corrupt(rc, f, 0, "a header whose LSNs overlap those of the file before");
    return 0;
}

static int read_header(struct journal_recovery *rc, uint64_t generation)
{
    _cleanup_(freep) char *path = journal_path(&rc->j->dir, generation, JOURNAL_NAME_LIVE);
    struct journal_file *f = journal_file_new(&(struct journal_file_header){ .generation = generation });
    enum journal_header_verdict verdict;
    uint64_t size = 0;
    int r = journal_block_reader_open_header(&rc->blocks, rc->j->dir.disk, path, &verdict);

    if (r == 0)
        r = disk_size(rc->blocks.io, &size);
    if (r < 0) {
        r = journal_read_failed(rc, f, 0, r);
    } else if (verdict == JOURNAL_HEADER_NEWER) {
        error_setf(rc->err,
                   "%s: format version %" PRIu32 ", this program knows up to %d: start the newer program "
                   "again (nothing was changed)",
                   path, rc->blocks.header.version, JOURNAL_FORMAT_VERSION);
        r = JOURNAL_E_VERSION;
    } else if (verdict == JOURNAL_HEADER_DAMAGED) {
        r = journal_corrupt(rc, f, 0, "a damaged file header");
    } else {
        f->header = rc->blocks.header;
        r = check_header(rc, f, generation);
        /* It had its size before it got its name, and lost none of it since. */
        if (r == 0 && size < f->header.file_size)
            r = journal_corrupt(rc, f, size, "the file ends, where it must have %" PRIu64 " bytes",
                                f->header.file_size);
    }
    if (r != 0) {
        journal_file_free(f);
        return r;
    }
    list_append(&rc->j->files, &f->link);
    return 0;
}

static int find_files(struct journal_recovery *rc)
{
    struct name_list names = { .j = rc->j };
    int r = disk_list(rc->j->dir.disk, rc->j->dir.path, note_name, &names);

    if (r == -ENOENT)
        r = 0;
    if (r < 0)
        error_setf(rc->err, "listing %s: %s", rc->j->dir.path, error_text(r));
    if (names.n > 0)
        qsort(names.generations, names.n, sizeof(*names.generations), compare_u64);
    for (size_t i = 0; i < names.n && r == 0; i++)
        r = read_header(rc, names.generations[i]);
    free(names.generations);
    if (r == 0 && names.n == 0 && rc->j->config.must_exist) {
        error_setf(rc->err,
                   "%s: the journal is gone: put its files back from a copy of the disk, or repair the directory: "
                   "brokerd --repair shows what would be lost (nothing was changed)",
                   rc->j->dir.path);
        return JOURNAL_E_CORRUPT;
    }
    return r;
}

static void set_appended(struct journal *j)
{
    struct journal_group *g;

    list_foreach (&j->groups.all, g, link) {
        g->appended_index = g->last_index;
        g->appended_checksum = g->last_checksum;
    }
}

int journal_open(const struct journal_config *config, struct journal **ret, struct error_text *err)
{
    struct journal *j = journal_new(config);
    struct journal_recovery rc;
    int r;

    journal_recovery_init(&rc, j, err);
    r = find_files(&rc);
    if (r == 0)
        r = scan_files(&rc);
    if (r == 0)
        r = journal_scan_check_chains(&rc);
    journal_recovery_fini(&rc);
    if (r != 0) {
        journal_free(j);
        return r;
    }
    j->flushed_lsn = rc.frontier;
    journal_chains_forget_runs(j);
    set_appended(j);
    *ret = j;
    return 0;
}
