/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/repair.h"

#include "log/internal.h"

/* A segment is written again by the code that writes all segments: as a log of its own that goes on from the entry
 * before. */

struct log_rewrite {
    struct log *log;
    int error;
};

int log_rewrite_begin(struct env_disk *disk, const char *dir, const struct log_position *before,
                      struct log_rewrite **ret, struct error_text *err)
{
    struct log_config config = {
        .disk = disk,
        .dir = dir,
        .segment_bytes = UINT64_MAX / 2,
        .segment_ms = INT64_MAX,
    };
    /* All that the position covers is below this start: so no segment has to hold it. */
    int64_t start = before->index > 0 ? before->next_offset + 1 : 0;
    struct log *l;
    int r = log_open(&config, before, start, &l, err);

    if (r != 0)
        return r;
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->log = l;
    return 0;
}

int log_rewrite_add(struct log_rewrite *w, uint64_t index, uint64_t term, uint32_t checksum, const void *data,
                    size_t size)
{
    struct log_append_entry entry = { .index = index, .term = term, .checksum = checksum, .data = data, .size = size };
    struct log_append job = { .entries = &entry, .n_entries = 1 };

    if (w->error != 0)
        return w->error;
    log_append_prepare(w->log, &job);
    log_append_run(&job);
    log_append_done(&job);
    w->error = job.error;
    return w->error;
}

int log_rewrite_end(struct log_rewrite *w)
{
    struct log_sync job = { 0 };
    int r = w->error;

    if (r == 0) {
        log_sync_prepare(w->log, &job);
        log_sync_run(&job);
        log_sync_done(&job);
        r = job.error;
    }
    log_free(w->log);
    free(w);
    return r;
}

int log_rewrite_snapshot(struct env_disk *disk, const char *dir, const struct log_position *at, struct slice body)
{
    int r = dir_make(disk, dir);

    if (r == 0)
        r = snapshot_write(disk, dir, ".tmp", at, body, true);
    return r == 0 ? disk_sync_dir(disk, dir) : r;
}
