/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/internal.h"

/* A group that gives no offsets has its start at 0 for good, and nothing of it ever goes by offset. */
bool segment_is_below(const struct log_segment *s, int64_t start)
{
    return start > 0 && s->end.next_offset <= start;
}

static bool may_drop_first(const struct log *l, uint32_t n)
{
    return n + 1 < l->n_segments && segment_is_below(l->segments[n], l->start);
}

/* The one behind it begins at or before the checkpoint's entry. */
static bool is_before_checkpoint(const struct log *l, uint32_t n)
{
    return l->no_room || l->segments[n + 1]->base_index <= l->checkpoint;
}

void log_drop_below_start(struct log *l)
{
    uint32_t n = 0;

    while (may_drop_first(l, n) && is_before_checkpoint(l, n)) {
        struct log_segment *s = l->segments[n++];

        s->dead = true;
        cache_update(l->cache, s);
        list_append(&l->dead, &s->dead_link);
    }
    if (n > 0) {
        l->n_segments -= n;
        memmove(l->segments, l->segments + n, l->n_segments * sizeof(*l->segments));
        term_trim(l);
    }
    if (l->n_segments > 0 && l->plan.pending == 0 && segment_is_below(segment_last(l), l->start))
        log_roll(l);
}

void log_set_start(struct log *l, int64_t offset)
{
    l->start = MAX(l->start, offset);
    log_drop_below_start(l);
}

void log_set_checkpoint(struct log *l, uint64_t index)
{
    l->checkpoint = MAX(l->checkpoint, index);
    log_drop_below_start(l);
}

void log_set_no_room(struct log *l, bool no_room)
{
    l->no_room = no_room;
    log_drop_below_start(l);
}

bool log_awaits_checkpoint(const struct log *l)
{
    return may_drop_first(l, 0) && !is_before_checkpoint(l, 0);
}

static bool segment_is_expired(const struct log_segment *s, int64_t now_ms, int64_t retention_ms)
{
    return retention_ms >= 0 && s->end.n_entries > 0 && now_ms > s->end.last_append_ms &&
           (uint64_t)now_ms - (uint64_t)s->end.last_append_ms > (uint64_t)retention_ms;
}

int64_t log_retention_start(struct log *l, int64_t now_ms, int64_t retention_ms, int64_t retention_bytes)
{
    uint64_t left = log_size_bytes(l);
    int64_t start = l->start;

    for (uint32_t i = 0; i < l->n_segments; i++) {
        const struct log_segment *s = l->segments[i];
        bool is_last = i + 1 == l->n_segments;
        bool expired = segment_is_expired(s, now_ms, retention_ms);

        left -= s->end.log_size;
        if (!expired && (is_last || retention_bytes < 0 || left < (uint64_t)retention_bytes))
            break;
        if (is_last && s->end.next_offset > start && l->plan.pending == 0)
            log_roll(l);
        start = MAX(start, s->end.next_offset);
    }
    return start;
}

void log_close_dead(struct log *l)
{
    struct log_segment *s;

    list_foreach (&l->dead, s, dead_link) {
        for (unsigned part = 0; s->refs == 0 && part < SEGMENT_N_PARTS; part++)
            disk_close(TAKE_PTR(s->files[part]));
    }
}

struct cut_op {
    struct list segments;   /* by dead_link */
    uint64_t keep_snapshot; /* as of this index */
};

bool log_cut_prepare(struct log *l, struct log_cut *job)
{
    struct log_segment *s, *tmp;
    struct cut_op *op = NULL;

    gq_assert(!l->cutting);
    list_foreach_safe (&l->dead, s, tmp, dead_link) {
        if (s->refs > 0)
            continue;
        if (op == NULL) {
            op = xcalloc(1, sizeof(*op));
            list_init(&op->segments);
        }
        list_remove(&s->dead_link);
        list_append(&op->segments, &s->dead_link);
    }
    if (op == NULL)
        return false;
    op->keep_snapshot = l->loose_snapshot;
    l->cutting = true;
    job->log = l;
    job->error = 0;
    job->result = op;
    return true;
}

static int segment_remove(const struct cut_op *op, struct log_segment *s)
{
    const struct log *l = s->log;
    char path[LOG_PATH_SIZE];
    int r;

    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++)
        disk_close(TAKE_PTR(s->files[part]));
    for (unsigned kind = 0; kind < SEGMENT_N_FILES; kind++) {
        if (kind == SEGMENT_SNAPSHOT && s->base_index - 1 == op->keep_snapshot)
            continue;
        segment_path(path, l->dir, s->base_index, kind);
        r = disk_unlink(l->disk, path);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

void log_cut_run(struct log_cut *job)
{
    struct cut_op *op = job->result;
    struct log_segment *s;

    list_foreach (&op->segments, s, dead_link) {
        job->error = segment_remove(op, s);
        if (job->error < 0)
            return;
    }
    job->error = disk_sync_dir(job->log->disk, job->log->dir);
}

void log_cut_done(struct log_cut *job)
{
    struct cut_op *op = TAKE_PTR(job->result);
    struct log *l = job->log;
    struct log_segment *s, *tmp;

    l->cutting = false;
    if (job->error < 0) {
        list_splice(&l->dead, &op->segments);
    } else {
        list_foreach_safe (&op->segments, s, tmp, dead_link)
            segment_free(s);
    }
    free(op);
}
