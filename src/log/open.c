/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/open.h"

#include <inttypes.h>

#include "base/bug.h"
#include "base/error.h"
#include "base/mark.h"

/* Recovery of one log. First everything is looked at and nothing changed: which files there are, which segments are
 * live, and whether they hold what the checkpoint promises. Then what lies below the log start or behind the checkpoint
 * is removed; where somebody asks, what of the latter was committed is told first. Each step may be cut short by a
 * crash; the next start comes to the same result. */

static int scan_add_tmp(struct scan *scan, const char *name)
{
    scan->has_image = scan->has_image || log_is_image_name(name);
    scan->tmp = xrealloc(scan->tmp, (scan->n_tmp + 1) * sizeof(*scan->tmp));
    scan->tmp[scan->n_tmp++] = xstrdup(name);
    return 0;
}

static int scan_add(void *ctx, const struct disk_dirent *ent)
{
    struct scan *scan = ctx;
    enum segment_file kind;
    uint64_t index;

    if (ent->is_dir)
        return 0;
    if (log_is_passing_name(ent->name))
        return scan_add_tmp(scan, ent->name);
    if (!segment_file_parse(ent->name, &index, &kind))
        return 0;
    if (scan->n == scan->capacity) {
        scan->capacity = MAX((size_t)8, scan->capacity * 2);
        scan->files = xrealloc(scan->files, scan->capacity * sizeof(*scan->files));
    }
    scan->files[scan->n++] = (struct scan_file){ .index = index, .kinds = (uint8_t)(1u << kind) };
    return 0;
}

static int scan_compare(const void *a, const void *b)
{
    const struct scan_file *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

void scan_fini(struct scan *scan)
{
    for (size_t i = 0; i < scan->n_tmp; i++)
        free(scan->tmp[i]);
    free(scan->tmp);
    free(scan->files);
}

int scan_dir(struct env_disk *disk, const char *dir, struct scan *scan)
{
    size_t n = 0;
    int r = disk_list(disk, dir, scan_add, scan);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    scan->dir_exists = true;
    if (scan->n == 0)
        return 0;
    qsort(scan->files, scan->n, sizeof(*scan->files), scan_compare);
    for (size_t i = 1; i < scan->n; i++) {
        if (scan->files[i].index == scan->files[n].index)
            scan->files[n].kinds |= scan->files[i].kinds;
        else
            scan->files[++n] = scan->files[i];
    }
    scan->n = n + 1;
    return 0;
}

static int unlink_kinds(struct log *l, uint64_t index, uint8_t kinds)
{
    for (unsigned kind = 0; kind < SEGMENT_N_FILES; kind++) {
        char path[LOG_PATH_SIZE];
        int r;

        if ((kinds & 1u << kind) == 0)
            continue;
        segment_path(path, l->dir, index, kind);
        r = disk_unlink(l->disk, path);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

/* A name that isn't known to be durable, or a content. */
static int sync_snapshot(struct log *l, uint64_t index)
{
    char path[LOG_PATH_SIZE];
    struct disk_file *f;
    int r;

    segment_path(path, l->dir, index, SEGMENT_SNAPSHOT);
    r = disk_open(l->disk, path, DISK_WRITE, &f);
    if (r < 0)
        return r;
    r = disk_sync_data(f);
    disk_close(f);
    return r == 0 ? disk_sync_dir(l->disk, l->dir) : r;
}

static unsigned count_snapshots(const struct scan *scan)
{
    unsigned n = 0;

    for (size_t i = 0; i < scan->n; i++)
        n += (scan->files[i].kinds & 1u << SEGMENT_SNAPSHOT) != 0;
    return n;
}

static int snapshot_failed(const struct log *l, uint64_t index, int error, struct error_text *err)
{
    const struct damage d = { l->dir, index + 1, SEGMENT_SNAPSHOT, DAMAGE_NO_POSITION, 0, 0 };

    return error == LOG_E_VERSION ? version_report(d.dir, d.base_index, d.kind, err)
                                  : io_report(&d, err, "read", error);
}

/* The newest may be torn: it gets its name before both are durable. One that isn't is made durable, if it isn't yet,
 * before older ones go; a single one is looked at when it is loaded. *ret_newest: of the file that stays, 0 none. */
static int find_newest_snapshot(struct log *l, const struct scan *scan, uint64_t *ret_newest, struct error_text *err)
{
    unsigned count = count_snapshots(scan);
    uint64_t intact = 0, last = 0;

    for (size_t i = scan->n; i > 0; i--) {
        uint64_t index = scan->files[i - 1].index;
        _cleanup_(freep) uint8_t *data = NULL;
        size_t size;
        int r;

        if ((scan->files[i - 1].kinds & 1u << SEGMENT_SNAPSHOT) == 0)
            continue;
        last = MAX(last, index);
        if (intact != 0)
            continue;
        r = count > 1 ? snapshot_read(l->disk, l->dir, index - 1, &data, &size) : 0;
        if (r < 0 && r != -EBADMSG)
            return snapshot_failed(l, index - 1, r, err);
        if (r != -EBADMSG)
            intact = index;
    }
    l->loose_snapshot = intact != 0 ? intact - 1 : 0;
    *ret_newest = intact != 0 ? intact : last;
    return intact != 0 && count > 1 ? sync_snapshot(l, intact) : 0;
}

static void note_snapshot(struct scan *scan, uint64_t base_index)
{
    const uint8_t kind = 1u << SEGMENT_SNAPSHOT;

    for (size_t i = 0; i < scan->n; i++) {
        if (scan->files[i].index != base_index)
            continue;
        scan->files[i].kinds |= kind;
        return;
    }
    scan->files = xrealloc(scan->files, (scan->n + 1) * sizeof(*scan->files));
    scan->capacity = ++scan->n;
    scan->files[scan->n - 1] = (struct scan_file){ .index = base_index, .kinds = kind };
    qsort(scan->files, scan->n, sizeof(*scan->files), scan_compare);
}

static bool is_at_end(const struct log *l, const struct log_position *at)
{
    return at->term == l->end.term && at->checksum == l->end.checksum && at->next_offset == l->end.next_offset;
}

/* The log begins with an image, as the journal says, and a crash came before its file got its name. */
static int adopt_image(struct log *l, struct scan *scan, struct error_text *err)
{
    _cleanup_(freep) uint8_t *data = NULL;
    char path[LOG_PATH_SIZE];
    struct log_position at;
    size_t size;
    int r;

    if (!scan->has_image || l->end.index == 0)
        return 0;
    image_path(path, l->dir, l->end.index);
    r = snapshot_read_file(l->disk, path, l->end.index, &at, &data, &size);
    if (r == LOG_E_VERSION)
        error_setf(err, "%s: written by a newer version of this program", path);
    if (r != 0)
        return r == -ENOENT || r == -EBADMSG ? 0 : r;
    if (!is_at_end(l, &at))
        return 0;
    r = image_adopt(l->disk, l->dir, l->end.index);
    if (r == 0)
        note_snapshot(scan, l->end.index + 1);
    return r;
}

/* The first segment had begun behind the checkpoint, and its files weren't durable; the snapshot that goes with it is.
 */
static int find_begun_snapshot(struct log *l, const struct scan *scan)
{
    uint64_t base_index = l->end.index + 1;

    for (size_t i = 0; i < scan->n && l->n_segments == 0; i++) {
        const struct scan_file *f = &scan->files[i];
        _cleanup_(freep) uint8_t *data = NULL;
        char path[LOG_PATH_SIZE];
        struct log_position at;
        size_t size;
        int r;

        if (f->index != base_index || f->live || (f->kinds & 1u << SEGMENT_SNAPSHOT) == 0)
            continue;
        segment_path(path, l->dir, base_index, SEGMENT_SNAPSHOT);
        r = snapshot_read_file(l->disk, path, l->end.index, &at, &data, &size);
        if (r == 0 && is_at_end(l, &at))
            l->begun = true;
        return r == -EBADMSG ? 0 : r;
    }
    return 0;
}

/* Of the snapshots the newest stays, those of live segments, and that of the one which comes next. */
static int remove_files(struct log *l, const struct scan *scan, struct error_text *err)
{
    uint64_t newest = 0;
    int r = find_newest_snapshot(l, scan, &newest, err);

    if (r == 0)
        r = find_begun_snapshot(l, scan);
    if (r < 0)
        return r;
    for (size_t i = 0; i < scan->n; i++) {
        const struct scan_file *f = &scan->files[i];
        uint8_t kinds = f->live ? 0 : f->kinds;

        if (f->index == newest || (l->begun && f->index == l->end.index + 1))
            kinds &= (uint8_t) ~(1u << SEGMENT_SNAPSHOT);
        if (kinds != 0)
            GQ_MARK(LOG_FILES_REMOVED);
        r = unlink_kinds(l, f->index, kinds);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < scan->n_tmp; i++) {
        char path[LOG_PATH_SIZE];

        log_path(path, l->dir, scan->tmp[i]);
        r = disk_unlink(l->disk, path);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

/* What this start, or one before it, did to names and sizes is to be durable before a checkpoint goes past it. */
static void note_found(struct log *l, const struct scan *scan)
{
    struct log_segment *s = segment_last(l);

    l->names_dirty = scan->dir_exists;
    l->path_dirty = scan->dir_exists && l->end.index == 0;
    for (size_t i = 0; s != NULL && i < scan->n; i++)
        if (scan->files[i].index == s->base_index) {
            s->found = scan->files[i].kinds & ((1u << SEGMENT_N_PARTS) - 1);
            l->found = s->found != 0;
        }
}

/* Cuts the last segment's files back. */
static int cut_last(struct log *l, const uint64_t sizes[SEGMENT_N_PARTS])
{
    struct log_segment *s = segment_last(l);

    for (unsigned part = 0; s != NULL && part < SEGMENT_N_PARTS && !GQ_BUG(SEGMENT_NOT_CUT); part++) {
        uint64_t expected = segment_part_size(&s->end, part);
        char path[LOG_PATH_SIZE];
        struct disk_file *f;
        int r;

        if (sizes[part] <= expected)
            continue;
        segment_path(path, l->dir, s->base_index, part);
        r = disk_open(l->disk, path, DISK_WRITE, &f);
        if (r < 0)
            return r;
        GQ_MARK(LOG_SEGMENT_CUT);
        r = disk_truncate(f, expected);
        disk_close(f);
        if (r < 0)
            return r;
    }
    return 0;
}

static struct log *log_alloc(const struct log_config *config, const struct log_position *checkpoint, int64_t start)
{
    size_t n = strlen(config->dir) + 1;
    struct log *l = xcalloc(1, sizeof(*l) + n);

    memcpy(l->dir, config->dir, n);
    l->disk = config->disk;
    l->own_cache = config->cache == NULL;
    l->cache = l->own_cache ? log_cache_new(LOG_CACHE_OWN, 0, NULL) : config->cache;
    l->owner = config->owner;
    l->segment_bytes = config->segment_bytes;
    l->segment_ms = config->segment_ms;
    l->end = *checkpoint;
    l->synced_index = l->checkpoint = checkpoint->index;
    l->start = start;
    list_init(&l->dead);
    return l;
}

static int recover(struct log *l, const struct log_config *config, struct error_text *err)
{
    uint64_t last_sizes[SEGMENT_N_PARTS] = { 0 };
    struct error_text why = { "" };
    struct scan scan = { 0 };
    int r = config->dir_absent ? 0 : scan_dir(l->disk, l->dir, &scan);

    if (r < 0)
        error_setf(err, "%s: can't list: %s", l->dir, strerror(-r));
    l->dir_made = scan.dir_exists;
    if (r == 0)
        r = check_segments(l, &scan, last_sizes, err);
    note_found(l, &scan);
    if (r == 0 && config->beyond != NULL)
        beyond_find(l, &scan, config->beyond);
    if (r == 0) {
        r = adopt_image(l, &scan, &why);
        if (r == 0)
            r = remove_files(l, &scan, &why);
        if (r == 0)
            r = cut_last(l, last_sizes);
        if (r < 0 && why.text[0] == '\0')
            error_setf(&why, "%s: can't remove or cut files: %s", l->dir, strerror(-r));
        if (r != 0)
            error_setf(err, "%s", why.text);
    }
    scan_fini(&scan);
    return r;
}

int log_open(const struct log_config *config, const struct log_position *checkpoint, int64_t log_start,
             struct log **ret, struct error_text *err)
{
    struct log *l;
    int r;

    if (strlen(config->dir) >= LOG_DIR_MAX) {
        error_setf(err, "%s: longer than %d bytes", config->dir, LOG_DIR_MAX - 1);
        return -ENAMETOOLONG;
    }
    l = log_alloc(config, checkpoint, log_start);
    r = recover(l, config, err);
    if (r != 0) {
        log_free(l);
        return r;
    }
    plan_init(l);
    *ret = l;
    return 0;
}

/* As of which index the newest snapshot is that should be there. 0: there is none. */
static uint64_t newest_snapshot(const struct log *l)
{
    const struct log_segment *last = segment_last(l);

    return MAX(l->loose_snapshot, last != NULL ? last->base_index - 1 : 0);
}

static int search_snapshots(const struct log *l, uint64_t max_index, uint64_t *ret_index, uint8_t **ret_data,
                            size_t *ret_size, struct error_text *err)
{
    struct scan scan = { 0 };
    int r = scan_dir(l->disk, l->dir, &scan);
    int result = -ENOENT;

    for (size_t i = scan.n; r == 0 && i > 0; i--) {
        uint64_t index = scan.files[i - 1].index - 1;

        if ((scan.files[i - 1].kinds & 1u << SEGMENT_SNAPSHOT) == 0 || index > max_index)
            continue;
        result = snapshot_read(l->disk, l->dir, index, ret_data, ret_size);
        if (result == -EBADMSG)
            GQ_MARK(LOG_SNAPSHOT_TORN);
        if (result == -EBADMSG)
            continue; /* an older one and more entries give the same state */
        if (result == 0)
            *ret_index = index;
        else if (result != -ENOENT)
            snapshot_failed(l, index, result, err);
        break;
    }
    scan_fini(&scan);
    if (r < 0) {
        error_setf(err, "%s: can't list: %s", l->dir, error_text(r));
        return r;
    }
    return result == -EBADMSG ? -ENOENT : result;
}

int log_load_snapshot(struct log *l, uint64_t max_index, uint64_t *ret_index, uint8_t **ret_data, size_t *ret_size,
                      struct error_text *err)
{
    uint64_t newest = newest_snapshot(l);
    int r;

    if (newest == 0)
        return -ENOENT;
    if (newest <= max_index) {
        r = snapshot_read(l->disk, l->dir, newest, ret_data, ret_size);
        if (r == 0)
            *ret_index = newest;
        if (r == -EBADMSG && newest == l->loose_snapshot)
            l->loose_snapshot = 0; /* torn: the next sync writes it again */
        if (r != 0 && r != -ENOENT && r != -EBADMSG)
            return snapshot_failed(l, newest, r, err);
        if (r == 0)
            return 0;
    }
    return search_snapshots(l, max_index, ret_index, ret_data, ret_size, err);
}

int log_refuse_snapshot(const struct log *l, uint64_t index, int error, size_t position, const char *what,
                        struct error_text *err)
{
    const struct damage d = { l->dir, index + 1, SEGMENT_SNAPSHOT, SNAPSHOT_HEADER_SIZE + position, 0, 0 };

    return error == LOG_E_VERSION ? snapshot_failed(l, index, error, err) : damage_report(&d, err, "%s", what);
}
