/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The flush thread's part of group commit: makes blocks of what the reactor set aside, writes and syncs them. A flight
 * that failed for want of space is run again and writes the same bytes to the same places. */

#include "base/bug.h"
#include "base/crc32c.h"
#include "base/util.h"
#include "journal/internal.h"

static void write_checkpoint_rows(struct journal_block_writer *w, const struct journal_disk_checkpoint *rows,
                                  uint32_t n)
{
    struct journal_disk_checkpoints head = { .n_rows = n };

    journal_swap_checkpoints(&head);
    journal_block_writer_record(
        w, JOURNAL_RECORD_CHECKPOINT,
        (struct slice[]){ slice_make(&head, sizeof(head)), slice_make(rows, n * sizeof(*rows)) }, 2, NULL);
}

/* All checkpoints of the flight in one record, or as few as hold them, ahead of the rest: they tell of entries that
 * earlier flights wrote. Returns their rows, which the writer may use until it has finished; to be freed. */
static struct journal_disk_checkpoint *write_checkpoints(struct journal_block_writer *w,
                                                         const struct journal_flight *fl)
{
    struct journal_disk_checkpoint *rows;
    struct journal_request *r;
    size_t n = 0;

    if (fl->n_checkpoints == 0)
        return NULL;
    rows = xcalloc(fl->n_checkpoints, sizeof(*rows));
    list_foreach (&fl->requests, r, link) {
        if (r->kind != JOURNAL_CHECKPOINT)
            continue;
        rows[n] = (struct journal_disk_checkpoint){
            .group = r->group,
            .index = r->state.checkpoint_index,
            .term = r->state.checkpoint_term,
            .offset = r->state.checkpoint_offset,
            .checksum = r->state.checkpoint_checksum,
        };
        journal_swap_checkpoint(&rows[n++]);
    }
    gq_assert(n == fl->n_checkpoints);
    for (size_t at = 0; at < n; at += JOURNAL_TABLE_ROWS_MAX)
        write_checkpoint_rows(w, rows + at, (uint32_t)MIN(n - at, (size_t)JOURNAL_TABLE_ROWS_MAX));
    return rows;
}

static void write_one(struct journal_block_writer *w, enum journal_record_kind kind, const void *body, size_t size)
{
    journal_block_writer_record(w, kind, &(struct slice){ body, size }, 1, NULL);
}

/* Of the envelope's second piece, which the checksum of all of it gives without a look at it. */
static uint32_t second_crc(const struct journal_request *r)
{
    return crc32c_behind(r->checksum, crc32c(0, r->data[0].data, r->data[0].size), r->data[1].size);
}

static void write_entry(struct journal_block_writer *w, const struct journal_request *r)
{
    struct journal_disk_entry e = {
        .group = r->group,
        .index = r->index,
        .term = r->term,
        .checksum = r->checksum,
        .prev_checksum = r->prev_checksum,
    };
    const struct slice pieces[] = { slice_make(&e, sizeof(e)), r->data[0], r->data[1], slice_make("", 0) };
    bool is_large = r->data[1].size >= JOURNAL_DIRECT_MIN;
    uint32_t last_crc;

    journal_swap_entry(&e);
    if (r->kind == JOURNAL_RELOCATED) { /* pages are filled: copies take no more than there is room for them */
        journal_block_writer_record(w, JOURNAL_RECORD_RELOCATED, pieces, 4, NULL);
        return;
    }
    last_crc = is_large ? second_crc(r) : 0;
    journal_block_writer_record(w, JOURNAL_RECORD_ENTRY, pieces, 3, is_large ? &last_crc : NULL);
}

static void write_image(struct journal_block_writer *w, const struct journal_request *r)
{
    struct journal_disk_image i = {
        .group = r->group,
        .index = r->state.checkpoint_index,
        .term = r->state.checkpoint_term,
        .offset = r->state.checkpoint_offset,
        .log_start = r->state.log_start,
        .checksum = r->state.checkpoint_checksum,
    };

    journal_swap_image(&i);
    write_one(w, JOURNAL_RECORD_IMAGE_INSTALLED, &i, sizeof(i));
}

static void write_small(struct journal_block_writer *w, const struct journal_request *r)
{
    struct journal_disk_hard_state h = { .group = r->group, .term = r->state.term, .vote = r->state.vote };
    struct journal_disk_truncate t = {
        .group = r->group,
        .index = r->index,
        .prev_term = r->term,
        .prev_checksum = r->prev_checksum,
    };
    struct journal_disk_log_start l = { .group = r->group, .log_start = r->state.log_start };
    struct journal_disk_forget f = { .group = r->group };

    switch (r->kind) {
    case JOURNAL_HARD_STATE:
        journal_swap_hard_state(&h);
        write_one(w, JOURNAL_RECORD_HARD_STATE, &h, sizeof(h));
        break;
    case JOURNAL_TRUNCATE:
        journal_swap_truncate(&t);
        write_one(w, JOURNAL_RECORD_TRUNCATE, &t, sizeof(t));
        break;
    case JOURNAL_LOG_START:
        journal_swap_log_start(&l);
        write_one(w, JOURNAL_RECORD_LOG_START, &l, sizeof(l));
        break;
    case JOURNAL_FORGET:
        journal_swap_forget(&f);
        write_one(w, JOURNAL_RECORD_FORGET, &f, sizeof(f));
        break;
    case JOURNAL_ENTRY:
    case JOURNAL_RELOCATED:
    case JOURNAL_CHECKPOINT:
    case JOURNAL_IMAGE_INSTALLED:
        break; /* written elsewhere */
    }
}

static void write_requests(struct journal_block_writer *w, const struct journal_flight *fl)
{
    struct journal_request *r;

    list_foreach (&fl->requests, r, link) {
        if (r->kind == JOURNAL_ENTRY || r->kind == JOURNAL_RELOCATED)
            write_entry(w, r);
        else if (r->kind == JOURNAL_IMAGE_INSTALLED)
            write_image(w, r);
        else
            write_small(w, r);
    }
    if (fl->seal)
        write_one(w, JOURNAL_RECORD_SEAL, "", 0);
}

/* The full file's GROUP_LIST. It is synced before anything goes to the next file, whose blocks can then tell so. */
static int end_file(struct journal_flight *fl)
{
    struct journal_file *f = fl->ending;
    struct journal_block_writer w;
    int r;

    fl->what = "writing the end of a journal file";
    journal_staging_grow(&fl->journal->staging, fl->tail.size);
    journal_block_writer_init(&w, f->io, &fl->journal->staging, &f->header, f->end, fl->flushed_lsn);
    journal_block_writer_records(&w, slice_make(fl->tail.data, fl->tail.size));
    r = journal_block_writer_finish(&w, JOURNAL_BLOCK_LAST, &fl->ending_end);
    if (r < 0)
        return r;
    fl->what = "syncing the end of a journal file";
    if (!GQ_BUG(FLUSHED_LSN_TOO_HIGH))
        r = disk_sync_data(f->io);
    if (r < 0)
        return r;
    fl->ended = true;
    fl->flushed_lsn = f->header.base_lsn + fl->ending_end;
    disk_close(f->io);
    f->io = NULL;
    return 0;
}

static int write_file(struct journal_flight *fl)
{
    _cleanup_(freep) struct journal_disk_checkpoint *rows = NULL;
    struct journal_file *f = fl->file;
    struct journal_block_writer w;
    int r;

    fl->what = "writing the journal";
    journal_staging_grow(&fl->journal->staging, fl->record_bytes);
    journal_block_writer_init(&w, f->io, &fl->journal->staging, &f->header, f->end, fl->flushed_lsn);
    journal_block_writer_records(&w, slice_make(fl->head.data, fl->head.size));
    rows = write_checkpoints(&w, fl);
    write_requests(&w, fl);
    r = journal_block_writer_finish(&w, 0, &fl->end);
    if (r < 0)
        return r;
    fl->what = "syncing the journal";
    if (!GQ_BUG(JOURNAL_SYNC_SKIPPED))
        r = disk_sync_data(f->io);
    return GQ_BUG(FAILED_SYNC_IGNORED) ? 0 : r;
}

void journal_flight_run(struct lane_work *work)
{
    struct journal_flight *fl = container_of(work, struct journal_flight, work);
    struct env_clock *clock = fl->journal->config.clock;
    uint64_t start_ns = clock != NULL ? clock_mono_ns(clock) : 0;

    fl->error = 0;
    if (fl->ending != NULL && !fl->ended)
        fl->error = end_file(fl);
    if (fl->error == 0)
        fl->error = write_file(fl);
    fl->duration_ns = clock != NULL ? clock_mono_ns(clock) - start_ns : 0;
}
