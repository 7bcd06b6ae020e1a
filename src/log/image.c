/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "log/open.h"

/* The state that a log begins with, from another node's log or for one. The file that comes has a name of its own until
 * the journal says that it counts: before that the log goes on as it was, and the newest .snapshot is its own. After
 * that, whoever comes first gives it the name: the job, or recovery. */

void image_path(char to[LOG_PATH_SIZE], const char *dir, uint64_t index)
{
    segment_path(to, dir, index + 1, SEGMENT_SNAPSHOT);
    gq_assert(strlen(to) + strlen(IMAGE_SUFFIX) < LOG_PATH_SIZE);
    strcat(to, IMAGE_SUFFIX);
}

void log_image_prepare(const struct log *l, struct log_image *job)
{
    job->log = l;
    job->error = 0;
    job->has_dir = l->dir_made;
    job->old_snapshot = l->loose_snapshot;
}

void log_image_read(struct log_image *job)
{
    char path[LOG_PATH_SIZE];
    uint64_t index = job->at.index;

    segment_path(path, job->log->dir, index + 1, SEGMENT_SNAPSHOT);
    job->error = snapshot_read_file(job->log->disk, path, index, &job->at, &job->data, &job->size);
}

void log_image_write(struct log_image *job)
{
    const struct log *l = job->log;
    char path[LOG_PATH_SIZE];
    int r = job->has_dir ? 0 : dir_make(l->disk, l->dir);

    image_path(path, l->dir, job->at.index);
    if (r == 0)
        r = snapshot_write_file(l->disk, path, &job->at, slice_make(job->data, job->size), true);
    if (r == 0)
        r = disk_sync_dir(l->disk, l->dir);
    if (r == 0)
        r = dir_sync_path(l->disk, l->dir);
    if (r == 0 && GQ_BUG(IMAGE_NAMED_EARLY))
        r = image_adopt(l->disk, l->dir, job->at.index);
    if (r < 0)
        disk_unlink(l->disk, path);
    job->error = r;
}

void log_image_written(struct log *l, const struct log_image *job)
{
    if (job->error == 0)
        l->dir_made = true;
}

int image_adopt(struct env_disk *disk, const char *dir, uint64_t index)
{
    char path[LOG_PATH_SIZE], to[LOG_PATH_SIZE];
    int r;

    image_path(path, dir, index);
    segment_path(to, dir, index + 1, SEGMENT_SNAPSHOT);
    r = disk_rename(disk, path, to);
    return r == 0 ? disk_sync_dir(disk, dir) : r;
}

/* It may be there already, if an earlier try came that far. */
void log_image_finish(struct log_image *job)
{
    const struct log *l = job->log;
    char path[LOG_PATH_SIZE];
    int r = image_adopt(l->disk, l->dir, job->at.index);

    if (r == -ENOENT)
        r = disk_sync_dir(l->disk, l->dir);
    if (r == 0 && job->old_snapshot != 0 && job->old_snapshot != job->at.index) {
        segment_path(path, l->dir, job->old_snapshot + 1, SEGMENT_SNAPSHOT);
        r = disk_unlink(l->disk, path);
        r = r == -ENOENT ? 0 : r;
    }
    job->error = r;
}

void log_image_finished(struct log *l, const struct log_image *job)
{
    if (job->error == 0)
        l->loose_snapshot = job->at.index;
}

void log_reset(struct log *l, const struct log_position *at, int64_t start)
{
    gq_assert(l->append == NULL && !l->syncing && !l->cutting);
    for (uint32_t i = 0; i < l->n_segments; i++) {
        struct log_segment *s = l->segments[i];

        s->dead = true;
        cache_update(l->cache, s);
        list_append(&l->dead, &s->dead_link);
    }
    l->n_segments = l->n_runs = 0;
    l->found = l->begun = false;
    l->end = *at;
    l->synced_index = l->checkpoint = at->index;
    l->start = start;
    term_add(l, at->term, at->index, at->next_offset);
    plan_init(l);
    free(TAKE_PTR(l->reader));
}
