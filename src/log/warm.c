/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/internal.h"

#include "base/mark.h"

/* What a flush that begins meanwhile may have to wait for. */
#define WARM_PIECE (256u << 10)
/* A piece waits no longer for flushes: 128 MB/s for each worker at the least. */
#define WARM_GIVE_WAY_NS 2000000u

struct warm_op {
    struct close_list to_close;
    struct disk_file *files[SEGMENT_N_PARTS];
    struct segment_end end;
    uint8_t opened; /* a bit per part: by this job */
    bool opens;     /* counted as such by the cache */
    bool writable;
};

void log_warm_prepare(struct log *l, struct log_warm *job, int64_t offset, size_t max_bytes)
{
    struct log_segment *s;
    struct warm_op *op;

    job->log = l;
    job->offset = offset;
    job->max_bytes = max_bytes;
    job->segment = NULL;
    job->result = NULL;
    job->error = -ERANGE;
    if (offset < log_first_offset(l) || offset >= l->end.next_offset)
        return;
    s = segment_find(l, offset);
    op = xcalloc(1, sizeof(*op));
    op->end = s->end;
    op->writable = s == segment_last(l);
    memcpy(op->files, s->files, sizeof(op->files));
    segment_lend(s);
    op->opens = s->files[SEGMENT_LOG] == NULL || s->files[SEGMENT_ENTRIES] == NULL;
    if (op->opens) {
        cache_make_room(l->cache, &op->to_close);
        cache_warming(l->cache, 1);
    }
    job->segment = s;
    job->result = op;
    job->error = 0;
}

static int warm_open(const struct log_warm *job, struct warm_op *op, enum segment_file part)
{
    unsigned flags = (op->writable ? DISK_WRITE : DISK_READ) | segment_reading(part);
    char path[LOG_PATH_SIZE];
    int r;

    if (op->files[part] != NULL)
        return 0;
    segment_path(path, job->log->dir, job->segment->base_index, part);
    r = disk_open(job->log->disk, path, flags, &op->files[part]);
    if (r == 0)
        op->opened |= (uint8_t)(1u << part);
    return r;
}

/* step: where the next piece goes, behind the last one. */
static int read_span(struct disk_file *f, const struct span *span, struct env_lane *lane, uint8_t *to, size_t step)
{
    for (uint64_t at = 0; at < span->size; at += WARM_PIECE, to += step) {
        size_t size = (size_t)MIN(span->size - at, (uint64_t)WARM_PIECE);
        ssize_t n;

        if (lane != NULL)
            lane_give_way(lane, WARM_GIVE_WAY_NS);
        n = disk_pread(f, to, size, span->position + at);
        if (n < (ssize_t)size)
            return n < 0 ? (int)n : -EBADMSG;
    }
    return 0;
}

static int warm_data(struct disk_file *f, const struct span *span, struct env_lane *lane)
{
    _cleanup_(freep) uint8_t *buf = malloc(WARM_PIECE);

    return buf != NULL ? read_span(f, span, lane, buf, 0) : -ENOMEM;
}

/* Reads the same records and bytes as log_read() will. */
void log_warm_run(struct log_warm *job, struct env_lane *lane)
{
    const struct span_request q = { job->offset, INT64_MAX, job->max_bytes, UINT64_MAX };
    struct warm_op *op = job->result;
    struct table t;
    struct span span;
    int r;

    if (op == NULL)
        return;
    GQ_MARK(LOG_READ_COLD);
    close_list_run(&op->to_close);
    r = warm_open(job, op, SEGMENT_LOG);
    if (r == 0)
        r = warm_open(job, op, SEGMENT_ENTRIES);
    if (r == 0) {
        t = (struct table){ op->files[SEGMENT_ENTRIES], job->segment->base_index, op->end.n_entries, false };
        r = span_find(&t, op->files[SEGMENT_LOG], &q, &span);
    }
    if (r == 0)
        r = warm_data(op->files[SEGMENT_LOG], &span, lane);
    job->error = r;
}

/* An append job in flight opens the last segment's files itself: its descriptors will have the unsynced bytes. */
static bool may_install(const struct log *l, const struct log_segment *s)
{
    return !s->dead && !(l->append != NULL && s == segment_last(l));
}

void log_warm_done(struct log_warm *job)
{
    struct warm_op *op = TAKE_PTR(job->result);
    struct log_segment *s = TAKE_PTR(job->segment);

    if (op == NULL)
        return;
    if (op->opens)
        cache_warming(job->log->cache, -1);
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
        if ((op->opened & 1u << part) == 0)
            continue;
        if (s->files[part] == NULL && may_install(job->log, s))
            s->files[part] = op->files[part];
        else
            disk_close(op->files[part]);
    }
    segment_return(s);
    free(op);
}

struct copy_op {
    uint64_t base_index;
    struct segment_end end;
};

void log_copy_prepare(struct log *l, struct log_copy *job, int64_t offset, size_t max_bytes)
{
    const struct log_segment *s;
    struct copy_op *op;

    *job = (struct log_copy){ .log = l, .offset = offset, .max_bytes = max_bytes, .error = -ERANGE };
    if (offset < log_first_offset(l) || offset >= l->end.next_offset)
        return;
    s = segment_find(l, offset);
    op = xmalloc(sizeof(*op));
    *op = (struct copy_op){ s->base_index, s->end };
    job->size = (size_t)MIN((uint64_t)max_bytes, op->end.log_size);
    job->result = op;
    job->error = 0;
}

static int copy_open(const struct log_copy *job, enum segment_file part, struct disk_file **ret)
{
    const struct copy_op *op = job->result;
    char path[LOG_PATH_SIZE];

    segment_path(path, job->log->dir, op->base_index, part);
    return disk_open(job->log->disk, path, DISK_READ | segment_reading(part), ret);
}

static int copy_records(struct log_copy *job, struct disk_file *entries, struct disk_file *records,
                        struct env_lane *lane)
{
    const struct span_request q = { job->offset, INT64_MAX, job->max_bytes, UINT64_MAX };
    const struct copy_op *op = job->result;
    const struct table t = { entries, op->base_index, op->end.n_entries, false };
    struct span span;
    int r = span_find(&t, records, &q, &span);

    if (r < 0)
        return r;
    if (span.size > op->end.log_size || span.position > op->end.log_size - span.size)
        return -EBADMSG;
    job->data = malloc((size_t)span.size);
    if (job->data == NULL)
        return -ENOMEM;
    job->size = (size_t)span.size;
    return read_span(records, &span, lane, job->data, WARM_PIECE);
}

void log_copy_run(struct log_copy *job, struct env_lane *lane)
{
    struct disk_file *entries = NULL, *records = NULL;
    int r;

    if (job->result == NULL)
        return;
    r = copy_open(job, SEGMENT_ENTRIES, &entries);
    if (r == 0)
        r = copy_open(job, SEGMENT_LOG, &records);
    if (r == 0)
        r = copy_records(job, entries, records, lane);
    disk_close(records);
    disk_close(entries);
    job->error = r;
}

void log_copy_done(struct log_copy *job)
{
    free(TAKE_PTR(job->result));
    if (job->error == 0)
        return;
    free(TAKE_PTR(job->data));
    job->size = 0;
}
