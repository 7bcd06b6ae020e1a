/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "log/internal.h"

struct sync_item {
    struct log_segment *segment;
    struct disk_file *files[SEGMENT_N_PARTS];
    uint8_t parts;
};

struct sync_op {
    struct close_list to_close; /* what earlier syncs made clean */
    bool names, path;
    bool write_snapshot;
    uint64_t old_snapshot; /* to remove; 0 none */
    unsigned n_items;
    struct sync_item items[];
};

bool log_is_dirty(const struct log *l)
{
    return l->end.index > l->synced_index;
}

/* Segments become dirty and clean in order, so the dirty ones are the last ones. */
static unsigned count_dirty(const struct log *l)
{
    unsigned n = 0;

    while (n < l->n_segments && l->segments[l->n_segments - 1 - n]->dirty != 0)
        n++;
    return n;
}

/* With the one that was found at the start, and those behind it. */
static unsigned count_with_found(const struct log *l)
{
    unsigned n_dirty = count_dirty(l);

    for (unsigned n = 1; l->found && n <= l->n_segments; n++)
        if (l->segments[l->n_segments - n]->found != 0)
            return MAX(n, n_dirty);
    return n_dirty;
}

static bool segment_has_base(const struct log *l, uint64_t base_index)
{
    uint32_t low = 0, high = l->n_segments;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (l->segments[mid]->base_index == base_index)
            return true;
        if (l->segments[mid]->base_index < base_index)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

/* A segment begins behind this index, or may: entries behind the end can be planned to begin one, and until it is
 * published nothing here tells which. What is kept for that in vain goes at the next start. */
static bool belongs_to_segment(const struct log *l, uint64_t index)
{
    return segment_has_base(l, index + 1) || (index >= l->end.index && l->plan.pending > 0) ||
           (l->append != NULL && append_starts_at(l->append, index + 1));
}

static void prepare_snapshot(const struct log *l, const struct log_sync *job, struct sync_op *op)
{
    if (job->snapshot.size == 0 || !l->dir_made || job->snapshot_at.index == l->loose_snapshot)
        return;
    gq_assert(job->snapshot_at.index >= l->end.index);
    op->write_snapshot = true;
    if (l->loose_snapshot != 0 && !belongs_to_segment(l, l->loose_snapshot))
        op->old_snapshot = l->loose_snapshot;
}

void log_sync_prepare(struct log *l, struct log_sync *job)
{
    unsigned n = job->no_names ? count_dirty(l) : count_with_found(l);
    struct sync_op *op = xcalloc(1, sizeof(*op) + n * sizeof(op->items[0]));

    gq_assert(!l->syncing);
    for (unsigned i = 0; i < n; i++) {
        struct sync_item *item = &op->items[i];
        struct log_segment *s = l->segments[l->n_segments - n + i];

        item->segment = s;
        item->parts = s->syncing = s->dirty;
        if (!job->no_names)
            item->parts |= s->found;
        s->dirty = 0;
        memcpy(item->files, s->files, sizeof(item->files));
        segment_ref(s);
    }
    op->n_items = n;
    if (!job->no_names) {
        op->names = l->names_dirty;
        op->path = l->path_dirty;
        l->names_dirty = l->path_dirty = false;
    }
    l->syncing = true;
    prepare_snapshot(l, job, op);
    cache_make_room(l->cache, &op->to_close);
    job->log = l;
    job->position = l->end;
    job->error = 0;
    job->result = op;
}

/* A part that was found at the start may have no descriptor here: its size is what has to be made durable. If it is
 * gone by now nothing has. */
static int sync_part(const struct log *l, const struct sync_item *item, enum segment_file part)
{
    struct disk_file *f = item->files[part];
    char path[LOG_PATH_SIZE];
    int r = 0;

    if (f == NULL) {
        segment_path(path, l->dir, item->segment->base_index, part);
        r = disk_open(l->disk, path, DISK_WRITE, &f);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
    }
    r = disk_sync_data(f);
    if (item->files[part] == NULL)
        disk_close(f);
    return r;
}

static int sync_items(const struct log *l, const struct sync_op *op)
{
    for (unsigned i = 0; i < op->n_items && !GQ_BUG(SEGMENT_SYNC_SKIPPED); i++) {
        for (unsigned part = GQ_BUG(LOG_PART_NOT_SYNCED) ? SEGMENT_ENTRIES : 0; part < SEGMENT_N_PARTS; part++) {
            int r = (op->items[i].parts & 1u << part) != 0 ? sync_part(l, &op->items[i], part) : 0;

            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* The newer one is durable. */
static int remove_old_snapshot(const struct log *l, const struct sync_op *op)
{
    char path[LOG_PATH_SIZE];
    int r;

    if (op->old_snapshot == 0)
        return 0;
    segment_path(path, l->dir, op->old_snapshot + 1, SEGMENT_SNAPSHOT);
    r = disk_unlink(l->disk, path);
    return r == -ENOENT ? 0 : r;
}

void log_sync_run(struct log_sync *job)
{
    struct sync_op *op = job->result;
    const struct log *l = job->log;
    int r;

    close_list_run(&op->to_close);
    r = sync_items(l, op);
    if (r == 0 && op->write_snapshot)
        r = snapshot_write(l->disk, l->dir, ".sync.tmp", &job->snapshot_at, job->snapshot, true);
    if (r == 0 && (op->names || op->write_snapshot) && !GQ_BUG(SEGMENT_NAME_NOT_SYNCED))
        r = disk_sync_dir(l->disk, l->dir);
    if (r == 0 && op->path && !GQ_BUG(LOG_DIR_NOT_SYNCED))
        r = dir_sync_path(l->disk, l->dir);
    if (r == 0)
        r = remove_old_snapshot(l, op);
    job->error = r;
}

void log_sync_write(struct log_sync *job)
{
    struct sync_op *op = job->result;
    const struct log *l = job->log;

    close_list_run(&op->to_close);
    if (op->write_snapshot)
        job->error = snapshot_write(l->disk, l->dir, ".sync.tmp", &job->snapshot_at, job->snapshot, false);
}

void log_sync_finish(struct log_sync *job)
{
    job->error = remove_old_snapshot(job->log, job->result);
}

void log_sync_write_back(const struct log_sync *job)
{
    const struct sync_op *op = job->result;

    for (unsigned i = 0; i < op->n_items; i++) {
        for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
            struct disk_file *f = op->items[i].files[part];

            if (f != NULL && (op->items[i].parts & 1u << part) != 0)
                disk_write_back(f, 0, 0);
        }
    }
}

void log_sync_done(struct log_sync *job)
{
    struct sync_op *op = TAKE_PTR(job->result);
    struct log *l = job->log;

    l->syncing = false;
    for (unsigned i = 0; i < op->n_items; i++) {
        struct log_segment *s = op->items[i].segment;

        if (job->error < 0)
            s->dirty |= s->syncing;
        else if (!job->no_names)
            s->found = 0;
        s->syncing = 0;
        cache_synced(l->cache, s);
        segment_unref(s);
    }
    if (job->error < 0) {
        l->names_dirty |= op->names;
        l->path_dirty |= op->path;
    } else {
        if (!job->no_names) {
            l->synced_index = MAX(l->synced_index, job->position.index);
            l->found = false;
        }
        if (op->write_snapshot)
            l->loose_snapshot = job->snapshot_at.index;
    }
    free(op);
}
