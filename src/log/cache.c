/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>

#include "log/internal.h"

/* Segments with open files: those that may be closed now, least recently used first, and those that may not. */
struct log_cache {
    struct list idle, busy;
    struct list dirty; /* by dirty_link, those first that have been so longest */
    unsigned n_open, n_dirty, n_idle;
    unsigned n_opening; /* that append jobs in flight open or make */
    unsigned n_warming; /* that warm jobs in flight open */
    unsigned n_lent;
    unsigned max_segments, max_lent;
    struct mem_pool *pool;
};

struct log_cache *log_cache_new(unsigned max_segments, unsigned max_lent, struct mem_pool *pool)
{
    struct log_cache *c = xcalloc(1, sizeof(*c));

    list_init(&c->idle);
    list_init(&c->busy);
    list_init(&c->dirty);
    c->max_segments = MAX(1u, max_segments);
    c->max_lent = max_lent > 0 ? max_lent : UINT_MAX;
    c->pool = pool;
    return c;
}

void log_cache_free(struct log_cache *c)
{
    if (c == NULL)
        return;
    gq_assert(c->n_open == 0 && c->n_idle == 0 && c->n_warming == 0 && c->n_lent == 0);
    free(c);
}

unsigned log_cache_open(const struct log_cache *c)
{
    return c->n_open;
}

unsigned log_cache_dirty(const struct log_cache *c)
{
    return c->n_dirty;
}

unsigned log_cache_opening(const struct log_cache *c)
{
    return c->n_opening;
}

unsigned log_cache_lent(const struct log_cache *c)
{
    return c->n_lent;
}

/* With the limit, what is open or being opened and can't be closed for another one has to leave room for it, too. */
bool cache_may_lend(const struct log_cache *c)
{
    if (c->max_lent == UINT_MAX)
        return true;
    return c->n_lent < c->max_lent && c->n_open - c->n_idle + c->n_opening + c->n_warming < c->max_segments;
}

void log_cache_oldest_dirty(struct log_cache *c, unsigned n, void (*fn)(void *owner))
{
    struct log_segment *s, *tmp;

    list_foreach_safe (&c->dirty, s, tmp, dirty_link) {
        if (n-- == 0)
            return;
        fn(s->log->owner);
    }
}

void cache_opening(struct log_cache *c, int n)
{
    c->n_opening += (unsigned)n;
}

void cache_warming(struct log_cache *c, int n)
{
    c->n_warming += (unsigned)n;
}

void cache_lent(struct log_cache *c, int n)
{
    c->n_lent += (unsigned)n;
}

struct mem_pool *cache_pool(const struct log_cache *c)
{
    return c->pool;
}

static bool segment_is_open(const struct log_segment *s)
{
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
        if (s->files[part] != NULL)
            return true;
    }
    return false;
}

/* The order is that in which they became dirty, so who is in the list stays where it is. */
static void note_dirty(struct log_cache *c, struct log_segment *s, bool dirty)
{
    if (list_is_linked(&s->dirty_link) == dirty)
        return;
    if (dirty) {
        list_append(&c->dirty, &s->dirty_link);
        c->n_dirty++;
    } else {
        list_remove(&s->dirty_link);
        c->n_dirty--;
    }
}

static void take_out(struct log_cache *c, struct log_segment *s)
{
    if (!list_is_linked(&s->cache_link))
        return;
    list_remove(&s->cache_link);
    c->n_open--;
    c->n_idle -= s->idle;
}

void cache_forget(struct log_cache *c, struct log_segment *s)
{
    take_out(c, s);
    note_dirty(c, s, false);
}

void cache_update(struct log_cache *c, struct log_segment *s)
{
    bool open = !s->dead && segment_is_open(s), dirty = s->dirty != 0 || s->syncing != 0;

    take_out(c, s);
    note_dirty(c, s, open && dirty);
    if (!open)
        return;
    s->idle = s->refs == 0 && !dirty;
    list_append(s->idle ? &c->idle : &c->busy, &s->cache_link);
    c->n_open++;
    c->n_idle += s->idle;
}

void cache_synced(struct log_cache *c, struct log_segment *s)
{
    note_dirty(c, s, false);
    cache_update(c, s);
}

static unsigned take_files(struct log_cache *c, struct log_segment *s, struct disk_file **to)
{
    unsigned n = 0;

    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
        if (s->files[part] != NULL)
            to[n++] = TAKE_PTR(s->files[part]);
    }
    cache_forget(c, s);
    return n;
}

void cache_make_room(struct log_cache *c, struct close_list *to_close)
{
    struct log_segment *s;

    while (c->n_open + c->n_opening + c->n_warming >= c->max_segments &&
           to_close->count + SEGMENT_N_PARTS <= ARRAY_SIZE(to_close->files) &&
           (s = list_first(&c->idle, struct log_segment, cache_link)) != NULL)
        to_close->count += take_files(c, s, to_close->files + to_close->count);
}

void close_list_run(struct close_list *c)
{
    while (c->count > 0)
        disk_close(c->files[--c->count]);
}

bool log_trim_prepare(struct log_cache *c, struct log_trim *job)
{
    struct log_segment *s;

    job->count = 0;
    while (c->n_open > c->max_segments && job->count + SEGMENT_N_PARTS <= LOG_TRIM_FILES &&
           (s = list_first(&c->idle, struct log_segment, cache_link)) != NULL)
        job->count += take_files(c, s, job->files + job->count);
    return job->count > 0;
}

void log_trim_run(struct log_trim *job)
{
    while (job->count > 0)
        disk_close(job->files[--job->count]);
}
