/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/internal.h"

void log_free(struct log *l)
{
    struct log_segment *s, *tmp;

    if (l == NULL)
        return;
    gq_assert(l->append == NULL && !l->syncing && !l->cutting);
    for (uint32_t i = 0; i < l->n_segments; i++) {
        gq_assert(l->segments[i]->refs == 0);
        segment_free(l->segments[i]);
    }
    list_foreach_safe (&l->dead, s, tmp, dead_link) {
        gq_assert(s->refs == 0);
        segment_free(s);
    }
    if (l->own_cache)
        log_cache_free(l->cache);
    free(l->segments);
    free(l->runs);
    free(l->reader);
    free(l);
}

void log_set_limits(struct log *l, uint64_t segment_bytes, int64_t segment_ms)
{
    l->segment_bytes = segment_bytes;
    l->segment_ms = segment_ms;
}

const char *log_dir(const struct log *l)
{
    return l->dir;
}

struct log_position log_end(const struct log *l)
{
    return l->end;
}

int64_t log_start_offset(const struct log *l)
{
    return l->start;
}

int64_t log_first_offset(const struct log *l)
{
    return l->n_segments > 0 ? l->segments[0]->base_offset : l->end.next_offset;
}

uint64_t log_first_index(const struct log *l)
{
    return l->n_segments > 0 ? l->segments[0]->base_index : l->end.index + 1;
}

uint64_t log_size_bytes(const struct log *l)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < l->n_segments; i++)
        size += l->segments[i]->end.log_size;
    return size;
}

unsigned log_segment_count(const struct log *l)
{
    return l->n_segments;
}
