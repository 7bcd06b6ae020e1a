/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/open.h"

/* What segments hold behind the checkpoint. It isn't synced: any of it may be torn or missing, and all of it goes. But
 * an entry whose record is whole was committed once, and so is committed for good. */

/* So many places of a segment are told, besides its last. */
#define BEYOND_PLACES 32

static void place_add(struct log_beyond *b, const struct table_record *rec)
{
    if (b->n == b->capacity) {
        b->capacity = MAX((size_t)8, b->capacity * 2);
        b->places = xrealloc(b->places, b->capacity * sizeof(*b->places));
    }
    b->places[b->n++] = (struct log_place){ .index = rec->index, .term = rec->term, .checksum = rec->checksum };
}

/* The last whole record from `first` on. */
static bool find_last(const struct table *t, uint64_t first, uint64_t *ret_i, struct table_record *ret)
{
    for (uint64_t i = t->n; i > first; i--) {
        if (table_read(t, i - 1, 1, ret) != 1)
            continue;
        *ret_i = i - 1;
        return true;
    }
    return false;
}

static void add_table(struct log_beyond *b, const struct table *t, uint64_t first)
{
    struct table_record last, rec;
    uint64_t end;

    if (first >= t->n || !find_last(t, first, &end, &last))
        return;
    for (uint64_t i = first; i < end; i += (end - first) / BEYOND_PLACES + 1)
        if (table_read(t, i, 1, &rec) == 1)
            place_add(b, &rec);
    place_add(b, &last);
}

/* What can't be read isn't told. */
static void add_file(struct log_beyond *b, const struct log *l, uint64_t base)
{
    struct table t = { .base_index = base };
    char path[LOG_PATH_SIZE];
    uint64_t size;

    segment_path(path, l->dir, base, SEGMENT_ENTRIES);
    if (disk_open(l->disk, path, DISK_READ, &t.file) < 0)
        return;
    if (disk_size(t.file, &size) == 0) {
        t.n = table_count(size);
        add_table(b, &t, base <= l->end.index ? l->end.index + 1 - base : 0);
    }
    disk_close(t.file);
}

void beyond_find(const struct log *l, const struct scan *scan, struct log_beyond *b)
{
    const struct log_segment *last = segment_last(l);
    uint64_t from = last != NULL ? last->base_index : l->end.index + 1;

    for (size_t i = 0; i < scan->n; i++)
        if (scan->files[i].index >= from && (scan->files[i].kinds & 1u << SEGMENT_ENTRIES) != 0)
            add_file(b, l, scan->files[i].index);
}

bool log_beyond_has(struct log_beyond *b, uint64_t index, uint64_t term, uint32_t checksum)
{
    while (b->at < b->n && b->places[b->at].index < index)
        b->at++;
    return b->at < b->n && b->places[b->at].index == index && b->places[b->at].term == term &&
           b->places[b->at].checksum == checksum;
}

void log_beyond_fini(struct log_beyond *b)
{
    free(b->places);
    *b = (struct log_beyond){ 0 };
}
