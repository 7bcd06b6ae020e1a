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
    struct error_text *err;
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
    job->err = NULL;
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

static int open_part(const struct log *l, struct finding *found, enum segment_file part, unsigned flags,
                     struct disk_file **ret)
{
    char path[LOG_PATH_SIZE];
    int r;

    segment_path(path, l->dir, found->at.base_index, part);
    r = disk_open(l->disk, path, flags | segment_reading(part), ret);
    if (r < 0)
        finding_at(found, part, 0, 0, "it can't be opened");
    return r;
}

static int warm_open(const struct log_warm *job, struct warm_op *op, struct finding *found, enum segment_file part)
{
    int r = 0;

    if (op->files[part] != NULL)
        return 0;
    r = open_part(job->log, found, part, op->writable ? DISK_WRITE : DISK_READ, &op->files[part]);
    if (r == 0)
        op->opened |= (uint8_t)(1u << part);
    return r;
}

/* step: where the next piece goes, behind the last one. *ret_good: bytes of whole entries that have their checksums,
 * also when others don't. */
static int read_span(struct disk_file *f, const struct table *t, const struct span *span, struct finding *found,
                     struct env_lane *lane, uint8_t *to, size_t step, uint64_t *ret_good)
{
    struct span_check check;
    int r = span_check_begin(&check, t, span, found);

    for (uint64_t at = 0; r == 0 && at < span->size; at += WARM_PIECE, to += step) {
        size_t size = (size_t)MIN(span->size - at, (uint64_t)WARM_PIECE);
        ssize_t n;

        if (lane != NULL)
            lane_give_way(lane, WARM_GIVE_WAY_NS);
        n = disk_pread(f, to, size, span->position + at);
        if (n == (ssize_t)size) {
            r = span_check_add(&check, to, size);
            continue;
        }
        r = n < 0 ? (int)n : -EBADMSG;
        finding_at(found, SEGMENT_LOG, span->position + at + (uint64_t)MAX(n, 0), 0, "the file ends here");
    }
    if (r == 0 && check.good_end != check.position)
        r = -EBADMSG; /* the last record ends before others */
    *ret_good = check.good_end - span->position;
    return r;
}

/* Reads the same records and bytes as log_read() will. */
static int warm_data(const struct log_warm *job, const struct warm_op *op, struct finding *found, struct env_lane *lane)
{
    const struct span_request q = { job->offset, INT64_MAX, job->max_bytes, UINT64_MAX };
    const struct table t = { .file = op->files[SEGMENT_ENTRIES],
                             .base_index = job->segment->base_index,
                             .n = op->end.n_entries,
                             .ret_bad = &found->bad_record };
    _cleanup_(freep) uint8_t *buf = malloc(WARM_PIECE);
    struct span span;
    uint64_t good;
    int r = buf != NULL ? span_find(&t, op->files[SEGMENT_LOG], &q, &span) : -ENOMEM;

    return r < 0 ? r : read_span(op->files[SEGMENT_LOG], &t, &span, found, lane, buf, 0, &good);
}

void log_warm_run(struct log_warm *job, struct env_lane *lane)
{
    struct warm_op *op = job->result;
    struct finding found;
    int r;

    if (op == NULL)
        return;
    GQ_MARK(LOG_READ_COLD);
    close_list_run(&op->to_close);
    finding_init(&found, job->log, job->segment->base_index);
    r = warm_open(job, op, &found, SEGMENT_LOG);
    if (r == 0)
        r = warm_open(job, op, &found, SEGMENT_ENTRIES);
    if (r == 0)
        r = warm_data(job, op, &found, lane);
    op->err = finding_text(&found, r);
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
    job->err = segment_damaged(job->log, s->base_index, TAKE_PTR(op->err));
    segment_return(s);
    free(op);
}

struct copy_op {
    uint64_t base_index;
    struct segment_end end;
    struct error_text *err;
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
    *op = (struct copy_op){ .base_index = s->base_index, .end = s->end };
    job->size = (size_t)MIN((uint64_t)max_bytes, op->end.log_size);
    job->result = op;
    job->error = 0;
}

static int copy_records(struct log_copy *job, struct disk_file *entries, struct disk_file *records,
                        struct finding *found, struct env_lane *lane)
{
    const struct span_request q = { job->offset, INT64_MAX, job->max_bytes, UINT64_MAX };
    const struct copy_op *op = job->result;
    const struct table t = {
        .file = entries, .base_index = op->base_index, .n = op->end.n_entries, .ret_bad = &found->bad_record
    };
    struct span span;
    uint64_t good = 0;
    int r = span_find(&t, records, &q, &span);

    if (r < 0)
        return r;
    if (span.size > op->end.log_size || span.position > op->end.log_size - span.size)
        return -EBADMSG;
    job->data = malloc((size_t)span.size);
    if (job->data == NULL)
        return -ENOMEM;
    r = read_span(records, &t, &span, found, lane, job->data, WARM_PIECE, &good);
    job->size = (size_t)good;
    return good > 0 ? 0 : r;
}

void log_copy_run(struct log_copy *job, struct env_lane *lane)
{
    struct disk_file *entries = NULL, *records = NULL;
    struct copy_op *op = job->result;
    struct finding found;
    int r;

    if (op == NULL)
        return;
    finding_init(&found, job->log, op->base_index);
    r = open_part(job->log, &found, SEGMENT_ENTRIES, DISK_READ, &entries);
    if (r == 0)
        r = open_part(job->log, &found, SEGMENT_LOG, DISK_READ, &records);
    if (r == 0)
        r = copy_records(job, entries, records, &found, lane);
    disk_close(records);
    disk_close(entries);
    op->err = finding_text(&found, r);
    job->error = r;
}

void log_copy_done(struct log_copy *job)
{
    struct copy_op *op = TAKE_PTR(job->result);

    if (op != NULL)
        job->err = segment_damaged(job->log, op->base_index, TAKE_PTR(op->err));
    free(op);
    if (job->error == 0)
        return;
    free(TAKE_PTR(job->data));
    job->size = 0;
}
