/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "base/crc32c.h"
#include "log/internal.h"

/* Entries again, as they were proposed: header from the table, commands from .aux, batches from .log. */

#define WINDOW_BYTES (256u << 10)

/* Reads a file in large pieces, forwards. */
struct window {
    struct disk_file *file;
    uint64_t position, file_end;
    uint8_t *data;
    size_t size, capacity;
};

struct replay {
    const struct log *l;
    const struct log_segment *segment;
    struct disk_file *table_file;
    struct window log, aux;
    uint8_t *envelope;
    size_t capacity;
    log_entry_fn fn;
    void *ctx;
    struct error_text *err;
};

static void grow(uint8_t **data, size_t *capacity, size_t size)
{
    if (size <= *capacity)
        return;
    *data = xrealloc(*data, size);
    *capacity = size;
}

/* size bytes at position, valid until the next call; NULL with *ret_error set. position + size ≤ file_end. */
static const uint8_t *window_get(struct window *w, uint64_t position, size_t size, int *ret_error)
{
    size_t want = (size_t)MIN((uint64_t)MAX(size, (size_t)WINDOW_BYTES), w->file_end - position);
    ssize_t n;

    if (position >= w->position && position + size <= w->position + w->size)
        return w->data + (position - w->position);
    grow(&w->data, &w->capacity, want);
    w->position = position;
    w->size = 0;
    n = disk_pread(w->file, w->data, want, position);
    if (n < (ssize_t)size) {
        *ret_error = n < 0 ? (int)n : -EIO;
        return NULL;
    }
    w->size = (size_t)n;
    return w->data;
}

static int fail(struct replay *p, enum segment_file part, uint64_t position, const char *what, int error)
{
    const struct damage d = { p->l->dir, p->segment->base_index, part, position, 0, 0 };

    return io_report(&d, p->err, what, error);
}

/* Which of the files is wrong: the batches have a CRC of their own. */
static int report_entry(struct replay *p, const struct table_record *rec, uint32_t log_crc)
{
    bool in_log = log_crc != rec->log_crc;
    struct damage d = {
        .dir = p->l->dir,
        .base_index = p->segment->base_index,
        .kind = in_log ? SEGMENT_LOG : SEGMENT_AUX,
        .position = in_log ? rec->log_position : rec->aux_position,
        .first_index = rec->index,
        .last_index = rec->index,
    };

    return damage_report(&d, p->err, "the checksum of entry %" PRIu64 " is wrong", rec->index);
}

static int replay_entry(struct replay *p, const struct table_record *rec)
{
    const struct entry_header *h = &rec->header;
    size_t head = ENTRY_HEADER_SIZE + (size_t)h->commands_size, size = head + h->batches_size;
    const uint8_t *bytes;
    int r = 0;

    if (table_record_log_end(rec) > p->log.file_end || table_record_aux_end(rec) > p->aux.file_end)
        return report_entry(p, rec, ~rec->log_crc);
    grow(&p->envelope, &p->capacity, size);
    entry_header_write(h, p->envelope);
    if (h->commands_size > 0) {
        bytes = window_get(&p->aux, rec->aux_position, h->commands_size, &r);
        if (bytes == NULL)
            return fail(p, SEGMENT_AUX, rec->aux_position, "read", r);
        memcpy(p->envelope + ENTRY_HEADER_SIZE, bytes, h->commands_size);
    }
    if (h->batches_size > 0) {
        bytes = window_get(&p->log, rec->log_position, h->batches_size, &r);
        if (bytes == NULL)
            return fail(p, SEGMENT_LOG, rec->log_position, "read", r);
        memcpy(p->envelope + head, bytes, h->batches_size);
    }
    if (crc32c(0, p->envelope, size) != rec->checksum)
        return report_entry(p, rec, crc32c(0, p->envelope + head, h->batches_size));
    return p->fn(p->ctx, rec->index, rec->term, rec->checksum, p->envelope, size);
}

static int replay_records(struct replay *p, uint64_t i)
{
    struct table t = table_of(p->table_file, p->segment, false);
    struct table_record recs[TABLE_CHUNK];

    while (i < t.n) {
        int n = table_read(&t, i, TABLE_CHUNK, recs);

        if (n == -EBADMSG)
            n = table_read(&t, i, 1, recs);
        if (n == -EBADMSG) {
            const struct damage d = { p->l->dir,         t.base_index,     SEGMENT_ENTRIES,
                                      table_position(i), t.base_index + i, t.base_index + i };
            return damage_report(&d, p->err, "the record of entry %" PRIu64 " is wrong", t.base_index + i);
        }
        if (n < 0)
            return fail(p, SEGMENT_ENTRIES, table_position(i), "read", n);
        for (int k = 0; k < n; k++, i++) {
            int r = replay_entry(p, &recs[k]);

            if (r != 0)
                return r;
        }
    }
    return 0;
}

static int open_part(struct replay *p, enum segment_file part, struct disk_file **ret)
{
    char path[LOG_PATH_SIZE];
    int r;

    *ret = NULL;
    if (segment_part_size(&p->segment->end, part) == 0)
        return 0;
    segment_path(path, p->l->dir, p->segment->base_index, part);
    r = disk_open(p->l->disk, path, DISK_READ, ret);
    return r < 0 ? fail(p, part, DAMAGE_NO_POSITION, "open", r) : 0;
}

static int replay_segment(struct replay *p, uint64_t after_index)
{
    const struct log_segment *s = p->segment;
    uint64_t first = after_index >= s->base_index ? after_index - s->base_index + 1 : 0;
    int r;

    p->log.size = p->aux.size = 0;
    p->log.file_end = s->end.log_size;
    p->aux.file_end = s->end.aux_size;
    r = open_part(p, SEGMENT_ENTRIES, &p->table_file);
    if (r == 0)
        r = open_part(p, SEGMENT_LOG, &p->log.file);
    if (r == 0)
        r = open_part(p, SEGMENT_AUX, &p->aux.file);
    if (r == 0)
        r = replay_records(p, first);
    disk_close(TAKE_PTR(p->table_file));
    disk_close(TAKE_PTR(p->log.file));
    disk_close(TAKE_PTR(p->aux.file));
    return r;
}

static void replay_fini(struct replay *p)
{
    free(p->log.data);
    free(p->aux.data);
    free(p->envelope);
}

int log_read_entries(struct log *l, uint64_t after_index, log_entry_fn fn, void *ctx, struct error_text *err)
{
    struct replay p = { .l = l, .fn = fn, .ctx = ctx, .err = err };
    uint64_t first = log_first_index(l);
    int r = 0;

    if (after_index >= l->end.index)
        return 0;
    if (after_index + 1 < first) {
        error_setf(err,
                   "%s: entries from %" PRIu64 " on are needed, but the log begins at %" PRIu64
                   " and no intact partition snapshot covers what is before. Put a .snapshot file back from a copy, or "
                   "repair the directory: brokerd --repair shows what would be lost",
                   l->dir, after_index + 1, first);
        return LOG_E_CORRUPT;
    }
    for (uint32_t i = 0; r == 0 && i < l->n_segments; i++) {
        p.segment = l->segments[i];
        if (p.segment->base_index + p.segment->end.n_entries - 1 > after_index)
            r = replay_segment(&p, after_index);
    }
    replay_fini(&p);
    return r;
}

/* ---- Load jobs ---- */

/* A segment, and what of it is to be read as it was when the job was made. */
struct load_part {
    struct log_segment *segment;
    struct log_segment view;
};

struct load_op {
    uint64_t first_index;
    unsigned n_parts;
    struct load_part parts[];
};

static bool overlaps(const struct log_segment *s, uint64_t first_index, uint64_t last_index)
{
    return s->base_index <= last_index && s->base_index + s->end.n_entries > first_index;
}

void log_load_prepare(struct log *l, struct log_load *job, uint64_t first_index, uint64_t last_index)
{
    struct load_op *op;
    size_t n = 0;

    gq_assert(first_index >= log_first_index(l) && first_index <= last_index && last_index <= l->end.index);
    for (uint32_t i = 0; i < l->n_segments; i++)
        n += overlaps(l->segments[i], first_index, last_index);
    op = xcalloc(1, sizeof(*op) + n * sizeof(op->parts[0]));
    op->first_index = first_index;
    for (uint32_t i = 0; i < l->n_segments; i++) {
        struct log_segment *s = l->segments[i];
        struct load_part *part = &op->parts[op->n_parts];

        if (!overlaps(s, first_index, last_index))
            continue;
        part->segment = s;
        part->view.base_index = s->base_index;
        part->view.end = s->end;
        part->view.end.n_entries = MIN(s->end.n_entries, last_index - s->base_index + 1);
        segment_ref(s);
        op->n_parts++;
    }
    job->log = l;
    job->error = 0;
    job->result = op;
}

void log_load_run(struct log_load *job)
{
    struct load_op *op = job->result;
    struct replay p = { .l = job->log, .fn = job->fn, .ctx = job->ctx, .err = &job->err };

    for (unsigned i = 0; i < op->n_parts && job->error == 0; i++) {
        p.segment = &op->parts[i].view;
        job->error = replay_segment(&p, op->first_index - 1);
    }
    replay_fini(&p);
}

void log_load_done(struct log_load *job)
{
    struct load_op *op = TAKE_PTR(job->result);

    for (unsigned i = 0; i < op->n_parts; i++)
        segment_unref(op->parts[i].segment);
    free(op);
}
