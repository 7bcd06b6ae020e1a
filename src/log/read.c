/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/endian.h"
#include "log/internal.h"
#include "wire/batch.h"

/* One byte of this many is asked for to see whether a range is in memory: what the kernel reads ahead at once. */
#define PROBE_STRIDE (128u << 10)

/* Chunks of the table that a read looks at before it searches. */
#define SPAN_CHUNKS 4

struct span_limit {
    uint64_t end; /* in .log */
    int64_t max_offset;
};

static bool is_beyond_limit(const struct table_record *r, const void *arg)
{
    const struct span_limit *limit = arg;

    return table_record_log_end(r) > limit->end || r->header.first_offset >= limit->max_offset;
}

static void span_extend(struct span *s, const struct table_record *r)
{
    s->size = table_record_log_end(r) - s->position;
    s->next_offset = table_record_next_offset(r);
    s->next_record++;
}

static bool record_holds(const struct table_record *r, int64_t offset)
{
    return r->header.first_offset <= offset && table_record_next_offset(r) > offset;
}

/* Reads records with the one that holds the offset first. Returns how many. */
static int find_first(const struct table *t, const struct span_request *q, struct table_record *recs, uint64_t *ret_i)
{
    uint64_t i;
    int n;

    if (q->hint < t->n) {
        n = table_read(t, q->hint, TABLE_CHUNK, recs);
        if (n > 0 && record_holds(&recs[0], q->offset)) {
            *ret_i = q->hint;
            return n;
        }
    }
    n = table_search(t, 0, t->n, table_is_beyond_offset, &q->offset, &i);
    if (n < 0)
        return n;
    if (i == t->n)
        return -EBADMSG;
    n = table_read(t, i, TABLE_CHUNK, recs);
    if (n > 0 && !record_holds(&recs[0], q->offset))
        return -EBADMSG;
    *ret_i = i;
    return n;
}

/* Goes on behind a whole chunk that fitted. What isn't in memory isn't waited for: there is enough to give. */
static int extend_by_search(const struct table *t, const struct span_limit *limit, struct span *s)
{
    struct table_record last;
    uint64_t i;
    int r = table_search(t, s->next_record, t->n, is_beyond_limit, limit, &i);

    if (r == 0 && i > s->next_record) {
        r = table_read(t, i - 1, 1, &last);
        if (r > 0) {
            span_extend(s, &last);
            s->next_record = i;
        }
    }
    return r < 0 && r != -EAGAIN ? r : 0;
}

static ssize_t read_header(const struct table *t, struct disk_file *f, struct batch_header *to, uint64_t position)
{
    if (t->cached)
        return disk_pread_cached(f, to, sizeof(*to), position);
    return disk_pread(f, to, sizeof(*to), position);
}

/* The last entry reaches beyond max_offset: its batches from there on are left out. */
static int cut_at_max_offset(const struct table *t, struct disk_file *log_file, int64_t max_offset, struct span *s,
                             const struct table_record *last)
{
    uint64_t position = last->log_position, end = table_record_log_end(last);

    while (position < end) {
        struct batch_header h;
        ssize_t n = read_header(t, log_file, &h, position);
        int64_t base;

        if (n < (ssize_t)sizeof(h))
            return n < 0 ? (int)n : t->cached ? -EAGAIN : -EBADMSG;
        base = (int64_t)load_be64(h.base_offset);
        if (add_overflows(base, (int64_t)(int32_t)load_be32(h.last_offset_delta), &base) || base >= max_offset)
            break;
        s->next_offset = base + 1;
        position += BATCH_LENGTH_END + (uint64_t)load_be32(h.length);
    }
    if (position > end)
        return -EBADMSG;
    if (position == last->log_position)
        s->next_offset = last->header.first_offset;
    s->size = position - s->position;
    s->next_record = UINT64_MAX; /* the same entry again */
    return 0;
}

/* Goes on behind a chunk that fitted whole: chunk by chunk for the usual read, by search for one of many small entries.
 */
static int span_grow(const struct table *t, const struct span_limit *limit, struct table_record *recs, struct span *s)
{
    int n = 0, k = 0;

    for (unsigned chunks = 0; k == n && s->next_record < t->n && s->position + s->size < limit->end; chunks++) {
        if (chunks == SPAN_CHUNKS)
            return extend_by_search(t, limit, s);
        n = table_read(t, s->next_record, TABLE_CHUNK, recs);
        if (n < 0)
            return n == -EAGAIN ? 0 : n;
        for (k = 0; k < n && !is_beyond_limit(&recs[k], limit); k++)
            span_extend(s, &recs[k]);
    }
    return 0;
}

int span_find(const struct table *t, struct disk_file *log_file, const struct span_request *q, struct span *ret)
{
    struct table_record recs[TABLE_CHUNK];
    struct span_limit limit = { .max_offset = q->max_offset };
    struct span s = { 0 };
    int n, r = 0, k = 0;

    n = find_first(t, q, recs, &s.record);
    if (n < 0)
        return n;
    s.next_record = s.record;
    s.position = recs[0].log_position;
    s.first_offset = recs[0].header.first_offset;
    if (add_overflows(s.position, (uint64_t)q->max_bytes, &limit.end))
        limit.end = UINT64_MAX;
    do
        span_extend(&s, &recs[k++]);
    while (k < n && !is_beyond_limit(&recs[k], &limit));
    if (k == n)
        r = span_grow(t, &limit, recs, &s);
    if (r == 0 && s.next_offset > q->max_offset) {
        r = table_read(t, s.next_record - 1, 1, recs);
        r = r < 0 ? r : cut_at_max_offset(t, log_file, q->max_offset, &s, recs);
    }
    if (r < 0)
        return r;
    if (s.size == 0)
        return -ERANGE;
    *ret = s;
    return 0;
}

static struct log_cursor *cursor_find(struct log *l, const struct log_segment *s, int64_t offset)
{
    if (l->reader == NULL)
        l->reader = xcalloc(1, sizeof(*l->reader));
    for (unsigned i = 0; i < LOG_N_CURSORS; i++) {
        struct log_cursor *c = &l->reader->cursors[i];

        if (c->base_index == s->base_index && c->offset == offset)
            return c;
    }
    return NULL;
}

static void cursor_store(struct log *l, struct log_cursor *c, const struct log_segment *s, const struct span *span)
{
    if (c == NULL) {
        c = &l->reader->cursors[l->reader->next];
        l->reader->next = (l->reader->next + 1) % LOG_N_CURSORS;
    }
    *c = (struct log_cursor){ s->base_index, span->next_record, span->next_offset };
}

static int probe(struct disk_file *f, uint64_t position, uint64_t size)
{
    uint8_t byte;

    for (uint64_t at = 0; at < size; at += PROBE_STRIDE) {
        ssize_t n = disk_pread_cached(f, &byte, 1, position + at);

        if (n <= 0)
            return n < 0 ? (int)n : -EAGAIN;
    }
    return disk_pread_cached(f, &byte, 1, position + size - 1) == 1 ? 0 : -EAGAIN;
}

static bool is_readable(const struct log *l, int64_t offset, int64_t max_offset)
{
    return offset >= MAX(l->start, log_first_offset(l)) && offset < MIN(l->end.next_offset, max_offset);
}

bool log_may_lend(const struct log *l, int64_t offset)
{
    const struct log_segment *s = is_readable(l, offset, INT64_MAX) ? segment_find(l, offset) : NULL;

    return s == NULL || (!s->damaged && (s->n_lent > 0 || cache_may_lend(l->cache)));
}

int log_read(struct log *l, int64_t offset, int64_t max_offset, size_t max_bytes, struct log_range *ret)
{
    struct span_request q = { offset, max_offset, max_bytes, UINT64_MAX };
    struct disk_file *log_file, *table_file;
    struct log_cursor *cursor;
    struct log_segment *s;
    struct table t;
    struct span span;
    int r;

    if (!is_readable(l, offset, max_offset))
        return -ERANGE;
    s = segment_find(l, offset);
    log_file = s->files[SEGMENT_LOG];
    table_file = s->files[SEGMENT_ENTRIES];
    if (log_file == NULL || table_file == NULL)
        return -EAGAIN;
    cursor = cursor_find(l, s, offset);
    if (cursor != NULL)
        q.hint = cursor->record;
    t = table_of(table_file, s, true);
    r = span_find(&t, log_file, &q, &span);
    if (r == 0)
        r = probe(log_file, span.position, span.size);
    if (r < 0)
        return r;
    cursor_store(l, cursor, s, &span);
    segment_lend(s);
    *ret = (struct log_range){ s, log_file, span.position, span.size, span.first_offset, span.next_offset };
    return 0;
}

void log_range_release(struct log_range *r)
{
    segment_return(r->segment);
    r->segment = NULL;
    r->file = NULL;
}
