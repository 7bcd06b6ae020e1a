/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "log/open.h"

/* Looks at the segments up to the checkpoint, newest first, down to the one that holds the log start. Of the last one
 * every table record is checked; of a sealed one the first and the last, the sizes of its files, and how it hangs
 * together with the next one. Record batches aren't read: that is the scrubber's and the readers' work. */

struct loaded {
    struct log_segment *segment;
    struct table_header header;
    uint64_t first_term;
};

struct check {
    struct log *l;
    struct scan *scan;
    struct error_text *err;
    struct loaded *loaded; /* newest first */
    size_t n, capacity;
    size_t n_unseen; /* of the scan's files, the oldest ones */
};

#define REPORT(c, base, kind, position, first, last, ...) \
    damage_report(&(struct damage){ (c)->l->dir, (base), (kind), (position), (first), (last) }, (c)->err, __VA_ARGS__)
#define FAIL(c, base, kind, position, what, error) \
    io_report(&(struct damage){ (c)->l->dir, (base), (kind), (position), 0, 0 }, (c)->err, (what), (error))

static int open_part(const struct check *c, uint64_t base, enum segment_file kind, struct disk_file **ret)
{
    char path[LOG_PATH_SIZE];
    int r;

    segment_path(path, c->l->dir, base, kind);
    r = disk_open(c->l->disk, path, DISK_READ, ret);
    return r < 0 ? FAIL(c, base, kind, DAMAGE_NO_POSITION, "open", r) : 0;
}

static int part_size(const struct check *c, const struct scan_file *f, enum segment_file kind, uint64_t *ret)
{
    struct disk_file *file;
    int r;

    *ret = 0;
    if ((f->kinds & 1u << kind) == 0)
        return 0;
    r = open_part(c, f->index, kind, &file);
    if (r < 0)
        return r;
    r = disk_size(file, ret);
    disk_close(file);
    return r < 0 ? FAIL(c, f->index, kind, DAMAGE_NO_POSITION, "stat", r) : 0;
}

static int read_header(const struct check *c, struct disk_file *file, uint64_t base, struct table_header *ret)
{
    uint8_t buf[TABLE_RECORD_SIZE];
    ssize_t n = disk_pread(file, buf, sizeof(buf), 0);
    int r;

    if (n < 0)
        return FAIL(c, base, SEGMENT_ENTRIES, 0, "read", (int)n);
    r = n == (ssize_t)sizeof(buf) ? table_header_read(buf, ret) : -EBADMSG;
    if (r == FORMAT_E_VERSION)
        return version_report(c->l->dir, base, SEGMENT_ENTRIES, c->err);
    if (r < 0)
        return REPORT(c, base, SEGMENT_ENTRIES, 0, 0, 0, "the header is wrong");
    if (ret->base_index != base)
        return REPORT(c, base, SEGMENT_ENTRIES, 16, 0, 0, "the header is that of segment %" PRIu64, ret->base_index);
    return 0;
}

/* One record; err is set on failure. */
static int read_record(const struct check *c, const struct table *t, uint64_t i, struct table_record *ret)
{
    int r = table_read(t, i, 1, ret);

    if (r == -EBADMSG)
        return REPORT(c, t->base_index, SEGMENT_ENTRIES, table_position(i), t->base_index + i, t->base_index + i,
                      "the record of entry %" PRIu64 " is wrong", t->base_index + i);
    return r < 0 ? FAIL(c, t->base_index, SEGMENT_ENTRIES, table_position(i), "read", r) : 0;
}

/* Every record of the last segment. */
static int check_records(const struct check *c, const struct table *t, const struct table_header *h,
                         struct table_record *ret_first, struct table_record *ret_last)
{
    struct table_record recs[TABLE_CHUNK], prev;
    const struct table_record *before = NULL;

    for (uint64_t i = 0; i < t->n;) {
        int n = table_read(t, i, TABLE_CHUNK, recs), r;

        if (n == -EBADMSG) { /* once more, one by one, to name it */
            n = 1;
            r = read_record(c, t, i, recs);
            if (r != 0)
                return r;
        }
        if (n < 0)
            return FAIL(c, t->base_index, SEGMENT_ENTRIES, table_position(i), "read", n);
        for (int k = 0; k < n; k++, i++) {
            const char *wrong = table_record_follows(h, before, &recs[k]);

            if (wrong != NULL)
                return REPORT(c, t->base_index, SEGMENT_ENTRIES, table_position(i), t->base_index + i,
                              t->base_index + i, "in the record of entry %" PRIu64 " %s", t->base_index + i, wrong);
            if (i == 0)
                *ret_first = recs[k];
            prev = recs[k];
            before = &prev;
        }
    }
    *ret_last = prev;
    return 0;
}

/* The first record of a sealed segment and its last one. */
static int check_ends(const struct check *c, const struct table *t, const struct table_header *h,
                      struct table_record *ret_first, struct table_record *ret_last)
{
    const char *wrong;
    int r = read_record(c, t, 0, ret_first);

    if (r == 0)
        r = read_record(c, t, t->n - 1, ret_last);
    if (r != 0)
        return r;
    wrong = table_record_follows(h, NULL, ret_first);
    if (wrong == NULL &&
        (ret_last->term < ret_first->term || table_record_next_offset(ret_last) < ret_first->header.first_offset))
        wrong = "the first record and the last one contradict each other";
    if (wrong != NULL)
        return REPORT(c, t->base_index, SEGMENT_ENTRIES, table_position(0), t->base_index, ret_last->index, "%s",
                      wrong);
    return 0;
}

static bool log_reaches_beyond(const struct table_record *r, const void *arg)
{
    return table_record_log_end(r) > *(const uint64_t *)arg;
}

static bool aux_reaches_beyond(const struct table_record *r, const void *arg)
{
    return table_record_aux_end(r) > *(const uint64_t *)arg;
}

/* A sealed segment's files have the very size that the table says; the last one's may be longer. */
static int check_part(const struct check *c, const struct scan_file *f, const struct table *t,
                      const struct segment_end *end, enum segment_file part, bool sealed, uint64_t *ret_size)
{
    uint64_t expected = segment_part_size(end, part), first = 0;
    int r = part_size(c, f, part, ret_size);

    if (r != 0 || *ret_size == expected || (*ret_size > expected && !sealed))
        return r;
    r = table_search(t, 0, t->n, part == SEGMENT_AUX ? aux_reaches_beyond : log_reaches_beyond, ret_size, &first);
    if (r < 0 || first == t->n)
        return REPORT(c, f->index, part, *ret_size, 0, 0, "the file has %" PRIu64 " bytes, the table says %" PRIu64,
                      *ret_size, expected);
    return REPORT(c, f->index, part, *ret_size, f->index + first, f->index + t->n - 1,
                  "the file has %" PRIu64 " bytes, the table says %" PRIu64, *ret_size, expected);
}

/* The last entry must be the checkpoint's. */
static int check_checkpoint(const struct check *c, uint64_t base, const struct table_record *last)
{
    const struct log_position *at = &c->l->end;

    if (last->term == at->term && last->checksum == at->checksum && table_record_next_offset(last) == at->next_offset)
        return 0;
    return REPORT(c, base, SEGMENT_ENTRIES, table_position(last->index - base), last->index, last->index,
                  "entry %" PRIu64 " (term %" PRIu64 ", next offset %" PRId64 ", checksum %08" PRIx32
                  ") isn't the one that was checkpointed (%" PRIu64 ", %" PRId64 ", %08" PRIx32 ")",
                  last->index, last->term, table_record_next_offset(last), last->checksum, at->term, at->next_offset,
                  at->checksum);
}

/* How the segment joins the one after it. */
static int check_joint(const struct check *c, const struct table_record *last, const struct loaded *next)
{
    const struct table_header *h = &next->header;

    if (last->term == h->prev_term && last->checksum == h->prev_checksum &&
        table_record_next_offset(last) == h->base_offset)
        return 0;
    return REPORT(c, h->base_index, SEGMENT_ENTRIES, 24, h->base_index, h->base_index,
                  "the segment doesn't follow entry %" PRIu64 " of the segment before", last->index);
}

static void fill_end(struct log_segment *s, const struct table_record *first, const struct table_record *last)
{
    s->end = (struct segment_end){
        .n_entries = last->index - s->base_index + 1,
        .log_size = table_record_log_end(last),
        .aux_size = table_record_aux_end(last),
        .term = last->term,
        .next_offset = table_record_next_offset(last),
        .first_append_ms = first->header.append_time_ms,
        .last_append_ms = last->header.append_time_ms,
        .max_timestamp = last->running_max_timestamp,
        .max_offset = last->running_max_offset,
        .checksum = last->checksum,
    };
}

/* Checks the table itself and fills the segment. */
static int check_table(struct check *c, struct loaded *item, const struct table *t, const struct loaded *next)
{
    struct table_record first, last;
    int r;

    if (next != NULL) {
        r = check_ends(c, t, &item->header, &first, &last);
        if (r == 0)
            r = check_joint(c, &last, next);
    } else {
        r = check_records(c, t, &item->header, &first, &last);
        if (r == 0)
            r = check_checkpoint(c, t->base_index, &last);
    }
    if (r != 0)
        return r;
    item->first_term = first.term;
    item->segment = segment_new(c->l, t->base_index, item->header.base_offset);
    fill_end(item->segment, &first, &last);
    return 0;
}

/* n: records that the segment must have. Adds it to the loaded ones. */
static int check_segment(struct check *c, struct scan_file *f, struct disk_file *file, struct loaded *item, uint64_t n,
                         uint64_t sizes[SEGMENT_N_PARTS])
{
    const struct loaded *next = c->n > 0 ? &c->loaded[c->n - 1] : NULL;
    struct table t = { .file = file, .base_index = f->index, .n = n };
    int r = disk_size(file, &sizes[SEGMENT_ENTRIES]);

    if (r < 0)
        return FAIL(c, f->index, SEGMENT_ENTRIES, DAMAGE_NO_POSITION, "stat", r);
    if (table_count(sizes[SEGMENT_ENTRIES]) < n || (next != NULL && sizes[SEGMENT_ENTRIES] != table_position(n)))
        return REPORT(c, f->index, SEGMENT_ENTRIES, sizes[SEGMENT_ENTRIES],
                      f->index + table_count(sizes[SEGMENT_ENTRIES]), f->index + n - 1,
                      "the table has %" PRIu64 " records and must have %" PRIu64, table_count(sizes[SEGMENT_ENTRIES]),
                      n);
    r = check_table(c, item, &t, next);
    if (r != 0)
        return r;
    if (c->n == c->capacity) {
        c->capacity = MAX((size_t)4, c->capacity * 2);
        c->loaded = xrealloc(c->loaded, c->capacity * sizeof(*c->loaded));
    }
    c->loaded[c->n++] = *item;
    f->live = true;
    r = check_part(c, f, &t, &item->segment->end, SEGMENT_LOG, next != NULL, &sizes[SEGMENT_LOG]);
    if (r == 0)
        r = check_part(c, f, &t, &item->segment->end, SEGMENT_AUX, next != NULL, &sizes[SEGMENT_AUX]);
    return r;
}

/* The next older segment, from one that begins at or below max_index on; NULL when there is none. */
static struct scan_file *next_table(struct check *c, uint64_t max_index)
{
    while (c->n_unseen > 0) {
        struct scan_file *f = &c->scan->files[--c->n_unseen];

        if (f->index <= max_index && (f->kinds & 1u << SEGMENT_ENTRIES) != 0)
            return f;
    }
    return NULL;
}

static int check_newest(struct check *c, uint64_t sizes[SEGMENT_N_PARTS])
{
    const struct log_position *at = &c->l->end;
    struct scan_file *f = next_table(c, at->index);
    struct disk_file *file;
    struct loaded item;
    int r;

    if (f == NULL)
        return REPORT(c, 1, SEGMENT_ENTRIES, 0, 1, at->index, "no segment holds entry %" PRIu64 ", the checkpoint",
                      at->index);
    r = open_part(c, f->index, SEGMENT_ENTRIES, &file);
    if (r != 0)
        return r;
    r = read_header(c, file, f->index, &item.header);
    if (r == 0)
        r = check_segment(c, f, file, &item, at->index - f->index + 1, sizes);
    disk_close(file);
    return r;
}

static void forget_segments(struct check *c)
{
    for (size_t i = 0; i < c->n; i++)
        segment_free(c->loaded[i].segment);
    for (size_t i = 0; i < c->scan->n; i++)
        c->scan->files[i].live = false;
    c->n = 0;
}

/* The segment that holds the checkpoint. When all that the checkpoint covers is below the log start, it may have been
 * removed, or be about to be. */
static int check_last(struct check *c, uint64_t sizes[SEGMENT_N_PARTS])
{
    const struct log *l = c->l;
    int r = check_newest(c, sizes);

    if (r == LOG_E_CORRUPT && l->start > 0 && l->end.next_offset <= l->start) {
        forget_segments(c);
        return 0;
    }
    return r;
}

/* The next older segment. 0: there is one and it is loaded; 1: the log starts behind it. */
static int check_older(struct check *c)
{
    const struct log_segment *next = c->loaded[c->n - 1].segment;
    struct scan_file *f;
    uint64_t sizes[SEGMENT_N_PARTS];
    struct disk_file *file;
    struct loaded item;
    int r;

    if (next->base_index == 1 || (c->l->start > 0 && next->base_offset <= c->l->start))
        return 1;
    f = next_table(c, next->base_index - 1);
    if (f == NULL)
        return REPORT(c, next->base_index, SEGMENT_ENTRIES, 0, 1, next->base_index - 1,
                      "the segment before this one is missing");
    r = open_part(c, f->index, SEGMENT_ENTRIES, &file);
    if (r != 0)
        return r;
    r = read_header(c, file, f->index, &item.header);
    if (r == 0)
        r = check_segment(c, f, file, &item, next->base_index - f->index, sizes);
    disk_close(file);
    return r;
}

static bool term_is_newer(const struct table_record *r, const void *arg)
{
    return r->term > *(const uint64_t *)arg;
}

/* Terms that begin inside a segment, found by binary search: few segments have any. */
static int load_terms(struct check *c, const struct loaded *item)
{
    const struct log_segment *s = item->segment;
    uint64_t term = item->first_term, i = 0;
    struct disk_file *file;
    struct table t;
    int r;

    term_add(c->l, term, s->base_index, s->base_offset);
    if (term == s->end.term)
        return 0;
    r = open_part(c, s->base_index, SEGMENT_ENTRIES, &file);
    if (r != 0)
        return r;
    t = table_of(file, s, false);
    while (r == 0 && term < s->end.term) {
        struct table_record rec;

        r = table_search(&t, i, t.n, term_is_newer, &term, &i);
        if (r == 0 && i < t.n)
            r = table_read(&t, i, 1, &rec);
        if (r < 0 && r != -EBADMSG) {
            r = FAIL(c, s->base_index, SEGMENT_ENTRIES, DAMAGE_NO_POSITION, "read", r);
            break;
        }
        if (r < 0 || i == t.n || rec.term <= term || rec.term > s->end.term) {
            r = REPORT(c, s->base_index, SEGMENT_ENTRIES, table_position(i), s->base_index, s->base_index + t.n - 1,
                       "the terms can't be told from the records");
            break;
        }
        r = 0;
        term = rec.term;
        term_add(c->l, term, rec.index, rec.header.first_offset);
    }
    disk_close(file);
    return r;
}

static int take_segments(struct check *c)
{
    struct log *l = c->l;
    int r = 0;

    if (c->n == 0) {
        if (l->end.index > 0)
            term_add(l, l->end.term, l->end.index, l->end.next_offset);
        return 0;
    }
    for (size_t i = c->n; r == 0 && i > 0; i--) {
        struct loaded *item = &c->loaded[i - 1];

        if (i == c->n && item->header.prev_term > 0)
            term_add(l, item->header.prev_term, item->segment->base_index - 1, item->segment->base_offset);
        r = load_terms(c, item);
    }
    for (size_t i = c->n; r == 0 && i > 0; i--)
        segment_append(l, TAKE_PTR(c->loaded[i - 1].segment));
    return r;
}

int check_segments(struct log *l, struct scan *scan, uint64_t last_sizes[SEGMENT_N_PARTS], struct error_text *err)
{
    struct check c = { .l = l, .scan = scan, .err = err, .n_unseen = scan->n };
    int r = 0;

    if (l->end.index > 0)
        r = check_last(&c, last_sizes);
    if (r == 0 && c.n > 0) {
        while ((r = check_older(&c)) == 0)
            ;
        if (r == 1)
            r = 0;
    }
    if (r == 0)
        r = take_segments(&c);
    for (size_t i = 0; i < c.n; i++)
        segment_free(c.loaded[i].segment);
    free(c.loaded);
    return r;
}
