/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "log/internal.h"

static int read_records(struct span_check *c)
{
    int n;

    if (c->next_record >= c->table.n)
        return -EBADMSG;
    n = table_read(&c->table, c->next_record, TABLE_CHUNK, c->recs);
    if (n < 0)
        return n;
    c->next_record += (unsigned)n;
    c->n = (unsigned)n;
    c->k = 0;
    return 0;
}

int span_check_begin(struct span_check *c, const struct table *t, const struct span *span, struct finding *finding)
{
    c->table = *t;
    c->finding = finding;
    c->next_record = span->record;
    c->position = c->good_end = span->position;
    c->crc = 0;
    return read_records(c);
}

/* The entry that has the next byte: those without records have none. */
static int find_entry(struct span_check *c)
{
    const struct table_record *rec;
    int r = 0;

    while (c->k < c->n && table_record_log_end(&c->recs[c->k]) <= c->position) {
        if (++c->k == c->n)
            r = read_records(c);
        if (r < 0)
            return r;
    }
    rec = &c->recs[c->k];
    if (rec->log_position == c->good_end)
        return 0;
    finding_at(c->finding, SEGMENT_ENTRIES, table_position(rec->index - c->table.base_index), rec->index,
               "the record doesn't follow the one before");
    return -EBADMSG;
}

int span_check_add(struct span_check *c, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const struct table_record *rec;
        size_t n;
        int r = find_entry(c);

        if (r < 0)
            return r;
        rec = &c->recs[c->k];
        n = (size_t)MIN((uint64_t)size, table_record_log_end(rec) - c->position);
        c->crc = crc32c(c->crc, data, n);
        c->position += n;
        data += n;
        size -= n;
        if (c->position < table_record_log_end(rec))
            continue;
        if (c->crc != rec->log_crc) {
            finding_at(c->finding, SEGMENT_LOG, rec->log_position, rec->index,
                       "the checksum of the record batches is wrong");
            return -EBADMSG;
        }
        c->good_end = c->position;
        c->crc = 0;
    }
    return 0;
}
