/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/endian.h"
#include "log/internal.h"
#include "wire/record_stream.h"

/* Time look-ups. The owner picks segments by what it has in memory; the worker searches their tables by the running
 * maximum and opens only batches whose header claims a time that counts. */

/* A batch that unpacks to more, or by more, is taken as a whole instead of record by record. */
#define TIME_INFLATE_BYTES (256u << 20)
#define TIME_INFLATE_RATIO 4096

struct candidate {
    struct log_segment *segment;
    uint64_t n_entries;
    bool sealed;
};

struct time_op {
    int64_t start;
    uint64_t failed; /* segment that the error is about */
    struct error_text *err;
    size_t n;
    struct candidate candidates[];
};

/* A look-up in one segment. */
struct lookup {
    struct log_time_query *job;
    int64_t start;
    struct record_scratch *scratch;
    struct finding found;
    struct disk_file *table_file, *log_file;
    struct disk_map *map; /* of .log, which never shrinks once the segment is sealed; NULL: it isn't */
    uint8_t *buf;         /* else what was read of it */
    size_t buf_size;
    struct table table;
    uint64_t first, end; /* records that hold offsets in range */
};

static bool is_in_range(const struct log_segment *s, int64_t start, int64_t max_offset)
{
    return s->end.next_offset > start && s->base_offset < max_offset;
}

static void candidate_add(struct time_op *op, struct log_segment *s)
{
    if (op->n > 0 && op->candidates[op->n - 1].segment == s)
        return;
    segment_ref(s);
    op->candidates[op->n++] = (struct candidate){ s, s->end.n_entries, s != segment_last(s->log) };
}

/* By time: each segment that claims the time, since claims may be wrong. */
static void pick_by_time(struct log *l, const struct log_time_query *job, struct time_op *op)
{
    for (uint32_t i = 0; i < l->n_segments; i++) {
        struct log_segment *s = l->segments[i];

        if (is_in_range(s, op->start, job->max_offset) && s->end.max_timestamp != TABLE_NO_TIMESTAMP &&
            s->end.max_timestamp >= job->target_ms)
            candidate_add(op, s);
    }
}

/* The largest: the best of the segments that are wholly in range, and the two that may be partly. */
static void pick_for_max(struct log *l, const struct log_time_query *job, struct time_op *op)
{
    struct log_segment *first = NULL, *best = NULL, *last = NULL;

    for (uint32_t i = 0; i < l->n_segments; i++) {
        struct log_segment *s = l->segments[i];

        if (!is_in_range(s, op->start, job->max_offset))
            continue;
        if (first == NULL)
            first = s;
        if (s->base_offset >= op->start && s->end.next_offset <= job->max_offset &&
            (best == NULL || s->end.max_timestamp > best->end.max_timestamp))
            best = s;
        last = s;
    }
    if (first != NULL)
        candidate_add(op, first);
    if (best != NULL)
        candidate_add(op, best);
    if (last != NULL)
        candidate_add(op, last);
}

void log_time_prepare(struct log *l, struct log_time_query *job)
{
    struct time_op *op = xcalloc(1, sizeof(*op) + MAX(l->n_segments, 3u) * sizeof(op->candidates[0]));

    op->start = l->start;
    if (job->target_ms == LOG_TIME_MAX)
        pick_for_max(l, job, op);
    else
        pick_by_time(l, job, op);
    job->log = l;
    job->offset = job->timestamp_ms = -1;
    job->leader_epoch = -1;
    job->error = 0;
    job->err = NULL;
    job->result = op;
}

static bool reaches_time(const struct table_record *r, const void *arg)
{
    return r->running_max_timestamp >= *(const int64_t *)arg;
}

static bool begins_at_or_beyond(const struct table_record *r, const void *arg)
{
    return r->header.first_offset >= *(const int64_t *)arg;
}

static int part_open(const struct lookup *u, enum segment_file part, struct disk_file **ret)
{
    const struct log *l = u->job->log;
    char path[LOG_PATH_SIZE];

    segment_path(path, l->dir, u->table.base_index, part);
    return disk_open(l->disk, path, DISK_READ, ret);
}

static int lookup_open(struct lookup *u, const struct candidate *c)
{
    int r;

    u->table =
        (struct table){ .base_index = c->segment->base_index, .n = c->n_entries, .ret_bad = &u->found.bad_record };
    finding_init(&u->found, u->job->log, c->segment->base_index);
    r = part_open(u, SEGMENT_ENTRIES, &u->table_file);
    if (r == 0)
        r = part_open(u, SEGMENT_LOG, &u->log_file);
    if (r < 0)
        return r;
    u->table.file = u->table_file;
    if (c->sealed)
        r = disk_map(u->log_file, &u->map);
    if (r == 0)
        r = table_search(&u->table, 0, u->table.n, table_is_beyond_offset, &u->start, &u->first);
    if (r == 0)
        r = table_search(&u->table, u->first, u->table.n, begins_at_or_beyond, &u->job->max_offset, &u->end);
    return r;
}

/* What was found in bytes that couldn't be read is worth nothing. */
static int lookup_close(struct lookup *u)
{
    int r = disk_unmap(TAKE_PTR(u->map));

    disk_close(TAKE_PTR(u->table_file));
    disk_close(TAKE_PTR(u->log_file));
    free(TAKE_PTR(u->buf));
    return r;
}

/* Bytes of .log; they hold until the next call. */
static int lookup_bytes(struct lookup *u, uint64_t position, size_t size, const uint8_t **ret)
{
    ssize_t n;

    if (u->map != NULL) {
        if (position > u->map->size || size > u->map->size - position)
            return -EBADMSG;
        *ret = u->map->data + position;
        return 0;
    }
    if (size > u->buf_size) {
        uint8_t *larger = realloc(u->buf, size);

        if (larger == NULL)
            return -ENOMEM;
        u->buf = larger;
        u->buf_size = size;
    }
    n = disk_pread(u->log_file, u->buf, size, position);
    if (n < (ssize_t)size)
        return n < 0 ? (int)n : -EBADMSG;
    *ret = u->buf;
    return 0;
}

/* Takes the record when it is a better answer. True: there is no better one. */
static bool consider(struct lookup *u, int64_t offset, int64_t timestamp_ms)
{
    struct log_time_query *job = u->job;
    bool max = job->target_ms == LOG_TIME_MAX;

    if (offset < u->start || offset >= job->max_offset)
        return false;
    if (max ? job->offset >= 0 && timestamp_ms <= job->timestamp_ms : timestamp_ms < job->target_ms)
        return false;
    job->offset = offset;
    job->timestamp_ms = timestamp_ms;
    return !max;
}

/* Returns 1 when the search is over. */
static int look_into_batch(struct lookup *u, const struct batch_view *v)
{
    struct record_stream stream;
    struct record rec;
    bool found = false;
    int64_t t;
    int r = record_stream_init(&stream, v, u->scratch);

    if (r == 0) {
        while (!found && record_stream_next(&stream, &rec)) {
            if (record_timestamp(v, &rec, &t))
                found = consider(u, v->base_offset + rec.offset_delta, t);
        }
        r = stream.error;
        record_stream_fini(&stream);
    }
    if (r < 0)
        return r;
    if (r > 0 && !found) /* can't be opened: it counts as a whole */
        found = consider(u, MAX(v->base_offset, u->start), v->max_timestamp);
    return found;
}

/* Opens a batch whose claim would be a better answer. */
static int look_at_batch(struct lookup *u, uint64_t position, size_t size, const struct batch_header *h)
{
    const uint8_t *data;
    int64_t claim = (int64_t)load_be64(h->max_timestamp);
    struct batch_view v;
    int r;

    if ((load_be16(h->attributes) & BATCH_ATTR_CONTROL) != 0)
        return 0;
    if (u->job->target_ms == LOG_TIME_MAX ? u->job->offset >= 0 && claim <= u->job->timestamp_ms
                                          : claim < u->job->target_ms)
        return 0;
    r = lookup_bytes(u, position, size, &data);
    if (r < 0)
        return r;
    u->found.what = "the checksum of a record batch is wrong";
    if (batch_parse(data, size, &v) != BATCH_OK || v.size != size || !batch_crc_ok(&v))
        return -EBADMSG;
    return look_into_batch(u, &v);
}

static int look_into_entry(struct lookup *u, const struct table_record *rec)
{
    uint64_t position = rec->log_position, end = table_record_log_end(rec);
    int64_t before = u->job->offset;
    int r = 0;

    while (r == 0 && position < end) {
        const uint8_t *data;
        struct batch_header h;
        uint64_t size;

        finding_at(&u->found, SEGMENT_LOG, position, rec->index, "a record batch doesn't end where its entry does");
        r = lookup_bytes(u, position, sizeof(h), &data);
        if (r < 0)
            return r;
        memcpy(&h, data, sizeof(h));
        size = BATCH_LENGTH_END + (uint64_t)load_be32(h.length);
        if (size > end - position)
            return -EBADMSG;
        r = look_at_batch(u, position, size, &h);
        position += size;
    }
    if (u->job->offset != before)
        u->job->leader_epoch = (int32_t)rec->term;
    return r;
}

static bool claims_better(const struct log_time_query *job, const struct table_record *rec)
{
    if (rec->max_timestamp == TABLE_NO_TIMESTAMP)
        return false;
    if (job->target_ms == LOG_TIME_MAX)
        return job->offset < 0 || rec->max_timestamp > job->timestamp_ms;
    return rec->max_timestamp >= job->target_ms;
}

/* Looks into the entries from record i on that claim a better time than what was found so far, until one of at least
 * enough_ms is found. */
static int scan_entries(struct lookup *u, uint64_t i, int64_t enough_ms)
{
    struct table_record recs[TABLE_CHUNK];
    int r = 0;

    while (r == 0 && i < u->end) {
        int n = table_read(&u->table, i, (unsigned)MIN(u->end - i, (uint64_t)TABLE_CHUNK), recs);

        if (n < 0)
            return n;
        for (int k = 0; r == 0 && k < n; k++, i++) {
            if (claims_better(u->job, &recs[k]))
                r = look_into_entry(u, &recs[k]);
            if (r == 0 && u->job->offset >= 0 && u->job->timestamp_ms >= enough_ms)
                r = 1;
        }
    }
    return r;
}

/* By time: the first entry whose running maximum reaches it claims the time itself. */
static int search_time(struct lookup *u)
{
    uint64_t i;
    int r = table_search(&u->table, 0, u->end, reaches_time, &u->job->target_ms, &i);

    return r < 0 ? r : scan_entries(u, MAX(i, u->first), u->job->target_ms);
}

/* The largest: where the running maximum of the range's last entry was reached, unless that is below the range. */
static int search_max(struct lookup *u)
{
    struct table_record rec;
    uint64_t i;
    int r;

    if (u->first >= u->end)
        return 0;
    r = table_read(&u->table, u->end - 1, 1, &rec);
    if (r < 0 || rec.running_max_timestamp == TABLE_NO_TIMESTAMP)
        return MIN(r, 0);
    if (u->job->offset >= 0 && rec.running_max_timestamp <= u->job->timestamp_ms)
        return 0;
    r = table_search(&u->table, 0, u->end, reaches_time, &rec.running_max_timestamp, &i);
    if (r < 0)
        return r;
    r = scan_entries(u, MAX(i, u->first), rec.running_max_timestamp);
    return MIN(r, 0); /* another segment may have a larger one */
}

void log_time_run(struct log_time_query *job)
{
    static const struct inflate_limits limits = { TIME_INFLATE_BYTES, TIME_INFLATE_RATIO };
    struct time_op *op = job->result;
    struct record_scratch scratch;
    int r = 0, rc;

    record_scratch_init(&scratch, &limits);
    for (size_t i = 0; r == 0 && i < op->n; i++) {
        struct lookup u = { .job = job, .start = op->start, .scratch = &scratch };

        r = lookup_open(&u, &op->candidates[i]);
        if (r == 0)
            r = job->target_ms == LOG_TIME_MAX ? search_max(&u) : search_time(&u);
        rc = lookup_close(&u);
        if (rc < 0)
            r = rc;
        if (r >= 0)
            continue;
        op->failed = u.table.base_index;
        op->err = finding_text(&u.found, r);
    }
    record_scratch_fini(&scratch);
    job->error = MIN(r, 0);
}

void log_time_done(struct log_time_query *job)
{
    struct time_op *op = TAKE_PTR(job->result);

    for (size_t i = 0; i < op->n; i++)
        segment_unref(op->candidates[i].segment);
    job->err = segment_damaged(job->log, op->failed, TAKE_PTR(op->err));
    free(op);
}
