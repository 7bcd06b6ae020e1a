/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "log/internal.h"

void log_path(char to[LOG_PATH_SIZE], const char *dir, const char *name)
{
    int n = snprintf(to, LOG_PATH_SIZE, "%s/%s", dir, name);

    gq_assert(n > 0 && n < LOG_PATH_SIZE);
}

void segment_path(char to[LOG_PATH_SIZE], const char *dir, uint64_t index, enum segment_file kind)
{
    char name[SEGMENT_FILE_NAME_SIZE];

    segment_file_name(name, index, kind);
    log_path(to, dir, name);
}

struct log_segment *segment_new(struct log *l, uint64_t base_index, int64_t base_offset)
{
    struct log_segment *s = xcalloc(1, sizeof(*s));

    s->log = l;
    s->base_index = base_index;
    s->base_offset = base_offset;
    s->end.next_offset = base_offset;
    s->end.max_timestamp = TABLE_NO_TIMESTAMP;
    s->end.max_offset = -1;
    list_init(&s->cache_link);
    list_init(&s->dirty_link);
    list_init(&s->dead_link);
    return s;
}

void segment_free(struct log_segment *s)
{
    if (s == NULL)
        return;
    cache_forget(s->log->cache, s);
    list_remove(&s->dead_link);
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++)
        disk_close(s->files[part]);
    free(s);
}

void segment_ref(struct log_segment *s)
{
    s->refs++;
    cache_update(s->log->cache, s);
}

void segment_unref(struct log_segment *s)
{
    gq_assert(s->refs > 0);
    s->refs--;
    cache_update(s->log->cache, s);
}

void segment_lend(struct log_segment *s)
{
    if (s->n_lent++ == 0)
        cache_lent(s->log->cache, 1);
    segment_ref(s);
}

void segment_return(struct log_segment *s)
{
    gq_assert(s->n_lent > 0);
    if (--s->n_lent == 0)
        cache_lent(s->log->cache, -1);
    segment_unref(s);
}

void segment_append(struct log *l, struct log_segment *s)
{
    if (l->n_segments == l->segments_capacity) {
        l->segments_capacity = MAX(1u, l->segments_capacity * 2);
        l->segments = xrealloc(l->segments, l->segments_capacity * sizeof(*l->segments));
    }
    l->segments[l->n_segments++] = s;
}

struct log_segment *segment_find(const struct log *l, int64_t offset)
{
    uint32_t low = 0, high = l->n_segments;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (l->segments[mid]->end.next_offset <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    gq_assert(low < l->n_segments);
    return l->segments[low];
}

struct error_text *segment_damaged(const struct log *l, uint64_t base_index, struct error_text *text)
{
    for (uint32_t i = 0; text != NULL && i < l->n_segments; i++) {
        struct log_segment *s = l->segments[i];

        if (s->base_index != base_index || s->damaged)
            continue;
        s->damaged = true;
        return text;
    }
    free(text);
    return NULL;
}

uint64_t segment_part_size(const struct segment_end *end, enum segment_file part)
{
    switch (part) {
    case SEGMENT_LOG:
        return end->log_size;
    case SEGMENT_ENTRIES:
        return table_position(end->n_entries);
    case SEGMENT_AUX:
        return end->aux_size;
    default:
        gq_assert(false);
    }
}
