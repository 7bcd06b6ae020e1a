/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/scrub.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "log/internal.h"

#define LOG_WINDOW (128u << 10)
#define SMALL_WINDOW (16u << 10) /* table and .aux */

/* A piece of a file, aligned as reads past the page cache need it. */
struct window {
    struct disk_file *file;
    uint8_t *data;
    size_t capacity, size;
    uint64_t at;
};

struct scrub_op {
    struct log_segment *segment;
    struct segment_end end;
    struct window windows[SEGMENT_N_PARTS];
};

static struct log_segment *next_sealed(const struct log *l, const struct log_scrub *job)
{
    for (uint32_t i = 0; i + 1 < l->n_segments; i++) {
        struct log_segment *s = l->segments[i];

        if (job->end_index > 0 && s->base_index >= job->end_index)
            break;
        if (s->base_index >= job->base_index && s->dirty == 0 && s->syncing == 0)
            return s;
    }
    return NULL;
}

bool log_scrub_prepare(struct log *l, struct log_scrub *job, size_t max_bytes)
{
    struct log_segment *s = next_sealed(l, job);
    struct scrub_op *op;

    if (s == NULL)
        return false;
    if (s->base_index != job->base_index || !job->begun) {
        *job = (struct log_scrub){ .base_index = s->base_index,
                                   .next_offset = s->base_offset,
                                   .end_index = job->end_index };
        job->damage.base_index = s->base_index;
    }
    op = xcalloc(1, sizeof(*op));
    op->segment = s;
    op->end = s->end;
    segment_ref(s);
    job->log = l;
    job->max_bytes = max_bytes;
    job->n_bytes = 0;
    job->segment_done = false;
    job->error = 0;
    job->result = op;
    return true;
}

static int window_open(const struct log_scrub *job, struct window *w, enum segment_file part)
{
    char path[LOG_PATH_SIZE];

    w->capacity = part == SEGMENT_LOG ? LOG_WINDOW : SMALL_WINDOW;
    w->data = aligned_alloc(DISK_ALIGN, w->capacity);
    if (w->data == NULL)
        return -ENOMEM;
    segment_path(path, job->log->dir, job->base_index, part);
    return disk_open(job->log->disk, path, DISK_READ | DISK_DIRECT, &w->file);
}

static void window_close(struct window *w)
{
    disk_close(w->file);
    free(w->data);
}

/* How many bytes of the file there are at the position, at least one; 0 at its end or where it can't be read. */
static size_t window_get(struct log_scrub *job, struct window *w, uint64_t position, const uint8_t **ret)
{
    if (position < w->at || position - w->at >= w->size) {
        ssize_t n;

        w->at = position / DISK_ALIGN * DISK_ALIGN;
        w->size = 0;
        n = w->file != NULL ? disk_pread(w->file, w->data, w->capacity, w->at) : 0;
        if (n <= 0 || (uint64_t)n <= position - w->at)
            return 0;
        w->size = (size_t)n;
        job->n_bytes += w->size;
    }
    *ret = w->data + (position - w->at);
    return w->size - (size_t)(position - w->at);
}

/* What lies in the entry's place: its record, or, where that is damaged, what the neighbours leave. */
static void damaged(struct log_scrub *job, enum segment_file kind, uint64_t position, int64_t next_offset,
                    const char *what)
{
    struct log_scrub_damage *d = &job->damage;
    uint64_t index = job->base_index + job->record;

    if (d->n_entries++ == 0) {
        d->kind = kind;
        d->position = position;
        d->what = what;
        d->first_index = index;
        d->first_offset = job->next_offset;
    }
    d->last_index = index;
    d->next_offset = MAX(next_offset, job->next_offset);
}

/* 1: goes on in the next job. */
static int check_bytes(struct log_scrub *job, struct window *w, const struct table_record *rec)
{
    uint64_t size = rec->header.batches_size;

    while (job->entry_bytes < size) {
        const uint8_t *data;
        size_t n = window_get(job, w, rec->log_position + job->entry_bytes, &data);

        if (n == 0)
            return -EIO;
        n = (size_t)MIN((uint64_t)n, size - job->entry_bytes);
        job->entry_crc = crc32c(job->entry_crc, data, n);
        job->entry_bytes += n;
        if (job->entry_bytes < size && job->n_bytes >= job->max_bytes)
            return 1;
    }
    return 0;
}

static int check_commands(struct log_scrub *job, struct window *w, const struct table_record *rec, uint32_t *crc)
{
    uint64_t left = rec->header.commands_size, position = rec->aux_position;

    while (left > 0) {
        const uint8_t *data;
        size_t n = window_get(job, w, position, &data);

        if (n == 0)
            return -EIO;
        n = (size_t)MIN((uint64_t)n, left);
        *crc = crc32c(*crc, data, n);
        position += n;
        left -= n;
    }
    return 0;
}

/* 1: goes on in the next job. */
static int check_entry(struct log_scrub *job, struct scrub_op *op, const struct table_record *rec)
{
    int64_t next = table_record_next_offset(rec);
    uint8_t header[ENTRY_HEADER_SIZE];
    uint32_t crc;
    int r = check_bytes(job, &op->windows[SEGMENT_LOG], rec);

    if (r == 1)
        return 1;
    if (r < 0) {
        damaged(job, SEGMENT_LOG, rec->log_position + job->entry_bytes, next, "the bytes can't be read");
        return 0;
    }
    if (job->entry_crc != rec->log_crc) {
        damaged(job, SEGMENT_LOG, rec->log_position, next, "the checksum of the record batches is wrong");
        return 0;
    }
    entry_header_write(&rec->header, header);
    crc = crc32c(0, header, sizeof(header));
    if (check_commands(job, &op->windows[SEGMENT_AUX], rec, &crc) < 0)
        damaged(job, SEGMENT_AUX, rec->aux_position, next, "the bytes can't be read");
    else if (crc32c_combine(crc, job->entry_crc, rec->header.batches_size) != rec->checksum)
        damaged(job, SEGMENT_AUX, rec->aux_position, next, "the checksum of the entry is wrong");
    return 0;
}

/* The record, or NULL when it is damaged. */
static const struct table_record *get_record(struct log_scrub *job, struct scrub_op *op, struct table_record *rec)
{
    uint64_t position = table_position(job->record);
    const uint8_t *data;

    if (window_get(job, &op->windows[SEGMENT_ENTRIES], position, &data) < TABLE_RECORD_SIZE) {
        damaged(job, SEGMENT_ENTRIES, position, job->next_offset, "the table record can't be read");
        return NULL;
    }
    if (table_record_read(data, rec) < 0 || rec->index != job->base_index + job->record) {
        damaged(job, SEGMENT_ENTRIES, position, job->next_offset, "the table record is wrong");
        return NULL;
    }
    /* What a damaged record before this one held ends here. */
    if (rec->header.first_offset > job->next_offset && job->damage.n_entries > 0)
        job->damage.next_offset = MAX(job->damage.next_offset, rec->header.first_offset);
    return rec;
}

static void check_header(struct log_scrub *job, struct scrub_op *op)
{
    struct table_header h;
    const uint8_t *data;

    if (window_get(job, &op->windows[SEGMENT_ENTRIES], 0, &data) < TABLE_RECORD_SIZE)
        damaged(job, SEGMENT_ENTRIES, 0, job->next_offset, "the table's header can't be read");
    else if (table_header_read(data, &h) != 0 || h.base_index != job->base_index)
        damaged(job, SEGMENT_ENTRIES, 0, job->next_offset, "the table's header is wrong");
}

void log_scrub_run(struct log_scrub *job)
{
    struct scrub_op *op = job->result;

    for (unsigned part = 0; part < SEGMENT_N_PARTS && job->error == 0; part++) {
        if (segment_part_size(&op->end, part) > 0)
            job->error = window_open(job, &op->windows[part], part);
        if (job->error == -ENOENT || job->error == -EIO)
            job->error = 0; /* reading says so */
    }
    if (job->error == 0 && !job->begun)
        check_header(job, op);
    job->begun = job->begun || job->error == 0;
    for (bool more = job->error == 0; more && job->record < op->end.n_entries; more = job->n_bytes < job->max_bytes) {
        struct table_record rec;
        const struct table_record *r = get_record(job, op, &rec);

        if (r != NULL && check_entry(job, op, r) == 1)
            break;
        if (r != NULL)
            job->next_offset = table_record_next_offset(r);
        job->record++;
        job->entry_bytes = job->entry_crc = 0;
    }
    job->segment_done = job->error == 0 && job->record == op->end.n_entries;
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++)
        window_close(&op->windows[part]);
}

void log_scrub_done(struct log_scrub *job)
{
    struct scrub_op *op = TAKE_PTR(job->result);

    /* Copies are made of it from now on, which are checked. */
    if (job->segment_done && job->damage.n_entries > 0)
        op->segment->damaged = true;
    segment_unref(op->segment);
    free(op);
    if (!job->segment_done)
        return;
    job->base_index++;
    job->begun = false;
}

void log_scrub_describe(const struct log *l, const struct log_scrub_damage *d, struct error_text *ret)
{
    char path[LOG_PATH_SIZE], hit[128] = "";

    segment_path(path, l->dir, d->base_index, d->kind);
    if (d->next_offset > d->first_offset)
        snprintf(hit, sizeof(hit), " (offsets %" PRId64 " to %" PRId64 ")", d->first_offset, d->next_offset - 1);
    error_setf(ret,
               "%s: damaged at byte %" PRIu64 ": %s; hit are %" PRIu64 " of the entries %" PRIu64 " to %" PRIu64
               "%s. Nothing was changed. Check the disk, and put the segment's files back from a backup",
               path, d->position, d->what, d->n_entries, d->first_index, d->last_index, hit);
}
