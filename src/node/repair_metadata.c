/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The metadata group: its log tells all there is to know, and the image in SQLite tells it up to some entry. What the
 * log has lost up to there is no loss: those entries are replaced by such that do nothing, and the image, which then is
 * all that knows what they did, is set to them. */

#include "log/repair.h"
#include "node/internal.h"
#include "node/repair_internal.h"

#define COPY_DIR "repair/image"
#define COPY_PATH COPY_DIR "/0.db"
#define COPY_CHUNK (256u << 10)

struct image {
    bool present, good;
    struct state_applied applied;
};

static int copy_bytes(struct disk_file *from, struct disk_file *to)
{
    uint8_t *buf = xmalloc(COPY_CHUNK);
    uint64_t at = 0;
    ssize_t n;
    int rc = disk_truncate(to, 0);

    while (rc == 0 && (n = disk_pread(from, buf, COPY_CHUNK, at)) > 0) {
        rc = disk_pwrite(to, buf, (size_t)n, at);
        at += (uint64_t)n;
    }
    free(buf);
    if (rc == 0 && n < 0)
        rc = n == -EIO ? -EBADMSG : (int)n;
    return rc;
}

/* -ENOENT when there is none, -EBADMSG when it can't be read as a whole. */
static int copy_file(struct env_disk *disk, const char *from, const char *to)
{
    struct disk_file *in, *out;
    int rc = disk_open(disk, from, DISK_READ, &in);

    if (rc < 0)
        return rc;
    rc = disk_open(disk, to, DISK_WRITE | DISK_CREATE, &out);
    if (rc == 0) {
        rc = copy_bytes(in, out);
        disk_close(out);
    }
    disk_close(in);
    return rc;
}

static int load_record(void *ctx, const struct state_record *record)
{
    struct repair *r = ctx;

    return meta_load(&r->meta, record->kind, record->key, record->value);
}

/* SQLite may have to roll a transaction back, which is writing: so a copy is read. */
static int read_image(struct repair *r, struct image *im)
{
    struct env_disk *disk = r->o->disk;
    struct state_db *db = NULL;
    int rc = repair_remove_tree(disk, "repair");

    if (rc == 0)
        rc = disk_mkdir(disk, "repair");
    if (rc == 0)
        rc = disk_mkdir(disk, COPY_DIR);
    if (rc == 0)
        rc = copy_file(disk, NODE_STATE_PATH, COPY_PATH);
    im->present = rc != -ENOENT;
    if (rc == 0)
        rc = copy_file(disk, NODE_STATE_PATH "-journal", COPY_PATH "-journal");
    else if (rc == -ENOENT)
        return 0;
    if (rc < 0 && rc != -ENOENT)
        return rc == -EBADMSG ? 0 : rc;
    rc = state_open(disk, r->o->prng, COPY_PATH, &db, r->err);
    if (rc == 0)
        rc = state_applied(db, META_GROUP_ID_DEFAULT, &im->applied);
    if (rc == 0)
        rc = state_load(db, META_GROUP_ID_DEFAULT, load_record, r);
    if (rc == 0)
        rc = meta_load_finish(&r->meta, im->applied.index);
    state_close(db);
    im->good = rc == 0;
    return rc == STATE_E_DAMAGED || rc == -EBADMSG ? 0 : rc;
}

static int apply_entry(struct repair *r, const struct repair_entry *e)
{
    struct entry_command c;
    struct entry parsed;
    size_t pos = 0;
    int rc = entry_parse(e->data, e->size, &parsed);

    while (rc == 0 && entry_command_next(parsed.commands, &pos, &c) == 1) {
        struct meta_event event;

        if (c.kind != COMMAND_METADATA)
            continue;
        rc = meta_apply(&r->meta, e->index, c.body, &event);
        if (rc == 0)
            meta_event_fini(&event);
    }
    return rc;
}

static int apply_entries(struct repair *r, struct repair_group *g, uint64_t first)
{
    int rc = 0;

    for (uint64_t i = first; rc == 0 && i <= g->keep.last; i++) {
        struct repair_entry e;

        rc = repair_fetch(g, i, &e);
        if (rc < 0)
            break;
        rc = apply_entry(r, &e);
        free(e.to_free);
    }
    if (rc < 0)
        error_setf(r->err, "applying the metadata's log: %s", error_text(rc));
    return rc;
}

/* Whether the image is of this log, up to an entry that it has. */
static bool image_is_of(struct repair_group *g, const struct image *im)
{
    struct repair_entry e;
    bool same;

    if (!im->good || im->applied.index > g->keep.last)
        return false;
    if (im->applied.index == 0)
        return true;
    if (repair_fetch(g, im->applied.index, &e) != 0)
        return false;
    same = e.term == im->applied.term && e.checksum == im->applied.checksum;
    free(e.to_free);
    return same;
}

/* The copy is what takes the image's place. */
static int adjust_image(struct repair *r, struct repair_group *g, const struct image *im)
{
    struct state_applied applied = { .index = im->applied.index };
    struct state_db *db = NULL;
    struct repair_entry e;
    int rc = repair_fetch(g, applied.index, &e);

    if (rc == 0)
        rc = state_open(r->o->disk, r->o->prng, COPY_PATH, &db, r->err);
    if (rc == 0) {
        applied.term = e.term;
        applied.checksum = e.checksum;
        rc = state_write(db, META_GROUP_ID_DEFAULT, &applied, NULL, 0);
    }
    state_close(db);
    if (rc == 0)
        rc = disk_sync_dir(r->o->disk, COPY_DIR);
    r->adjusted_image = r->remake_image = true;
    return rc;
}

/* What the image knows beyond the log's first gap. */
static int use_image(struct repair *r, struct repair_group *g, const struct image *im)
{
    int rc;

    g->shard->lacks_end |= im->applied.index > g->claim; /* an image is never ahead of its log */
    g->fill_first = g->keep.last + 1;
    g->fill_last = im->applied.index;
    rc = repair_group_fill(r, g);
    if (rc == 0)
        rc = adjust_image(r, g, im);
    return rc == 0 ? apply_entries(r, g, im->applied.index + 1) : rc;
}

static int decide(struct repair *r, struct repair_group *g, const struct image *im)
{
    if (im->good && im->applied.index > g->keep.last)
        return use_image(r, g, im);
    meta_fini(&r->meta);
    meta_init(&r->meta, 0);
    if (im->present && !image_is_of(g, im))
        r->remake_image = true;
    return apply_entries(r, g, 1);
}

int repair_examine_metadata(struct repair *r)
{
    struct repair_group *g =
        repair_group_new(r, META_GROUP_ID_DEFAULT, "the cluster's metadata", -1, NODE_METADATA_DIR);
    struct image im = { 0 };
    int rc = repair_group_examine(r, g);

    r->metadata = g;
    if (rc == 0)
        rc = read_image(r, &im);
    if (rc == 0)
        rc = decide(r, g, &im);
    r->meta_lossy = g->is_lossy;
    return rc;
}

/* ---- Directories of topics that may be lost ---- */

static bool is_known(const struct repair *r, const char *path)
{
    const struct repair_group *g;

    list_foreach (&r->groups, g, link) {
        if (strcmp(g->dir, path) == 0)
            return true;
    }
    return false;
}

static int note_stray(void *ctx, const struct disk_dirent *ent)
{
    struct repair *r = ctx;
    char *path;

    if (!ent->is_dir)
        return 0;
    path = xasprintf("topics/%s", ent->name);
    if (is_known(r, path)) {
        free(path);
        return 0;
    }
    r->strays = xrealloc(r->strays, (r->n_strays + 1) * sizeof(*r->strays));
    r->strays[r->n_strays++] = path;
    return 0;
}

int repair_find_strays(struct repair *r)
{
    int rc;

    if (!r->meta_lossy)
        return 0; /* they are those of topics that were deleted: a start removes them */
    rc = disk_list(r->o->disk, "topics", note_stray, r);
    return rc == -ENOENT ? 0 : rc;
}
