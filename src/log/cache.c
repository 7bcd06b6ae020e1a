/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/internal.h"

/* Segments with open files: those that may be closed now, least recently used first, and those that may not. */
struct log_cache {
    struct list idle, busy;
    unsigned n_open, n_dirty;
    unsigned max_segments;
};

struct log_cache *log_cache_new(unsigned max_segments)
{
    struct log_cache *c = xcalloc(1, sizeof(*c));

    list_init(&c->idle);
    list_init(&c->busy);
    c->max_segments = MAX(1u, max_segments);
    return c;
}

void log_cache_free(struct log_cache *c)
{
    if (c == NULL)
        return;
    gq_assert(c->n_open == 0);
    free(c);
}

unsigned log_cache_open(const struct log_cache *c)
{
    return c->n_open;
}

unsigned log_cache_dirty(const struct log_cache *c)
{
    unsigned n = 0;
    struct log_segment *s;

    list_foreach (&c->busy, s, cache_link)
        n += (s->dirty | s->syncing) != 0;
    return n;
}

static bool segment_is_open(const struct log_segment *s)
{
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
        if (s->files[part] != NULL)
            return true;
    }
    return false;
}

void cache_forget(struct log_cache *c, struct log_segment *s)
{
    if (!list_is_linked(&s->cache_link))
        return;
    list_remove(&s->cache_link);
    c->n_open--;
}

void cache_update(struct log_cache *c, struct log_segment *s)
{
    bool busy = s->refs > 0 || s->dirty != 0 || s->syncing != 0;

    cache_forget(c, s);
    if (s->dead || !segment_is_open(s))
        return;
    list_append(busy ? &c->busy : &c->idle, &s->cache_link);
    c->n_open++;
}

void cache_make_room(struct log_cache *c, struct close_list *to_close)
{
    struct log_segment *s;

    while (c->n_open >= c->max_segments && to_close->count + SEGMENT_N_PARTS <= ARRAY_SIZE(to_close->files) &&
           (s = list_first(&c->idle, struct log_segment, cache_link)) != NULL) {
        for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
            if (s->files[part] != NULL)
                to_close->files[to_close->count++] = TAKE_PTR(s->files[part]);
        }
        cache_forget(c, s);
    }
}

void close_list_run(struct close_list *c)
{
    while (c->count > 0)
        disk_close(c->files[--c->count]);
}
